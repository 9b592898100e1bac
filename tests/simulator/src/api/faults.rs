//! What a fault answers in place of the operation, in the request's own protocol.

use bytes::Bytes;
use serde_json::json;

use super::reply::{JSON_1_1, Reply, failure};
use super::{ApiError, auth};
use crate::fault::FaultKind;
use crate::model::Service;
use crate::net::{Call, Protocol};

pub(crate) fn fault_reply(kind: &FaultKind, call: &Call, request_id: &str) -> Reply {
    let content_type = content_type(call.protocol);
    match kind {
        FaultKind::Status(status, body) => {
            let body = Bytes::from(body.clone().unwrap_or_default());
            Reply {
                status: *status,
                ..Reply::ok(content_type, body).with_request_id(request_id)
            }
        }
        FaultKind::Throttled => match call.protocol {
            Protocol::Imds | Protocol::Introspection => plain(429, content_type, ""),
            Protocol::Json => failure(
                &ApiError::bad("ThrottlingException", "Rate exceeded"),
                call,
                request_id,
            ),
            _ => failure(
                &ApiError::bad("Throttling", "Rate exceeded"),
                call,
                request_id,
            ),
        },
        FaultKind::AccessDenied => match call.protocol {
            Protocol::Imds | Protocol::Introspection => plain(403, content_type, ""),
            Protocol::Json => failure(
                &ApiError::bad("AccessDeniedException", denied(call)),
                call,
                request_id,
            ),
            _ => failure(
                &ApiError::new(403, "AccessDenied", denied(call)),
                call,
                request_id,
            ),
        },
        FaultKind::ExpiredCredentials => match call.protocol {
            Protocol::Imds | Protocol::Introspection => plain(401, content_type, ""),
            protocol => failure(&auth::expired(protocol), call, request_id),
        },
        FaultKind::InternalError => match call.protocol {
            Protocol::Imds => plain(500, content_type, ""),
            Protocol::Introspection => plain(500, content_type, "{\"Tasks\":null}"),
            Protocol::Json => failure(
                &ApiError::new(500, "ServerException", "Service Unavailable"),
                call,
                request_id,
            ),
            _ => failure(
                &ApiError::new(500, "InternalFailure", "An internal error"),
                call,
                request_id,
            ),
        },
        FaultKind::Garbage => plain(
            200,
            content_type,
            "\u{1}\u{2}]}>\u{fffd}<<{{ not anything \u{7f}",
        ),
        FaultKind::WrongType => plain(200, content_type, &wrong_type(call)),
        _ => plain(200, content_type, ""),
    }
}

fn plain(status: u16, content_type: &'static str, body: &str) -> Reply {
    Reply {
        status,
        ..Reply::ok(content_type, Bytes::from(body.to_owned()))
    }
}

fn content_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imds => "text/plain",
        Protocol::Introspection | Protocol::QueryJson => "application/json",
        Protocol::Json => JSON_1_1,
        Protocol::Query => "text/xml",
    }
}

/// In the form IAM words it.
fn denied(call: &Call) -> String {
    let instance = call.text("InstanceId").unwrap_or("i-0abcdef1234567890");
    let resource = match call.service {
        Service::Ecs => "arn:aws:ecs:us-east-1:123456789012:container-instance/demo/*",
        Service::AutoScaling => {
            "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:*:autoScalingGroupName/*"
        }
        _ => "arn:aws:cloudformation:us-east-1:123456789012:stack/*",
    };
    format!(
        "User: arn:aws:sts::123456789012:assumed-role/demo-instance-role/{instance} is not authorized to perform: \
         {action} on resource: {resource} because no identity-based policy allows the {action} action",
        action = call.operation
    )
}

/// Valid in its syntax, wrong in every type.
fn wrong_type(call: &Call) -> String {
    match call.protocol {
        Protocol::Imds => json!(["not", "what", "was", "asked"]).to_string(),
        Protocol::Introspection => {
            json!({"Tasks": {"Arn": 7}, "Cluster": 7, "ContainerInstanceArn": ["x"], "Version": {}})
                .to_string()
        }
        Protocol::Json => json!({
            "containerInstances": {"status": 1}, "failures": "none", "containerInstanceArns": 7,
            "taskArns": {"a": "b"}, "tasks": "all", "services": 1, "task": [], "nextToken": {},
        })
        .to_string(),
        Protocol::QueryJson => json!([{"Error": 7}, "SignalResourceResponse"]).to_string(),
        Protocol::Query => {
            "<Wrong><Shape><member>of a valid document</member></Shape></Wrong>".to_owned()
        }
    }
}
