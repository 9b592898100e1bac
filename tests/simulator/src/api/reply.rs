//! Answers, rendered as each protocol does.

use bytes::Bytes;
use serde_json::{Value, json};

use super::ApiError;
use super::xml::escape;
use crate::model::Service;
use crate::net::{Call, Protocol};

/// An answer, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// The error code, if it is one.
    pub(crate) code: Option<String>,
}

/// A result: JSON, or what goes inside `<…Result>`.
pub(super) enum Payload {
    Json(Value),
    Xml(String),
}

pub(super) const JSON_1_1: &str = "application/x-amz-json-1.1";

impl Reply {
    pub(crate) fn ok(content_type: &'static str, body: Bytes) -> Self {
        Self {
            status: 200,
            content_type,
            headers: Vec::new(),
            body,
            code: None,
        }
    }

    pub(crate) fn refused(
        status: u16,
        content_type: &'static str,
        body: Bytes,
        code: &str,
    ) -> Self {
        Self {
            status,
            content_type,
            headers: Vec::new(),
            body,
            code: Some(code.to_owned()),
        }
    }

    pub(super) fn with_request_id(mut self, request_id: &str) -> Self {
        self.headers
            .push(("x-amzn-requestid", request_id.to_owned()));
        self
    }
}

fn namespace(service: Service) -> &'static str {
    match service {
        Service::AutoScaling => "http://autoscaling.amazonaws.com/doc/2011-01-01/",
        _ => "http://cloudformation.amazonaws.com/doc/2010-05-15/",
    }
}

pub(super) fn success(payload: Payload, call: &Call, request_id: &str) -> Reply {
    let action = &call.action;
    let (content_type, body) = match (payload, call.protocol) {
        (Payload::Json(value), _) => (JSON_1_1, value.to_string()),
        (Payload::Xml(_), Protocol::QueryJson) => {
            let metadata = json!({"ResponseMetadata": {"RequestId": request_id}});
            let body = json!({ format!("{action}Response"): metadata });
            ("application/json", body.to_string())
        }
        (Payload::Xml(result), _) => {
            // Operations without a result, like SignalResource, have no result element.
            let result = if result.is_empty() && call.service == Service::CloudFormation {
                String::new()
            } else {
                format!("<{action}Result>{result}</{action}Result>")
            };
            let body = format!(
                "<{action}Response xmlns=\"{}\">{result}<ResponseMetadata><RequestId>{request_id}</RequestId>\
                 </ResponseMetadata></{action}Response>",
                namespace(call.service)
            );
            ("text/xml", body)
        }
    };
    Reply::ok(content_type, Bytes::from(body)).with_request_id(request_id)
}

pub(super) fn failure(error: &ApiError, call: &Call, request_id: &str) -> Reply {
    let ApiError {
        status,
        code,
        message,
    } = error;
    let kind = if *status < 500 { "Sender" } else { "Receiver" };
    let (content_type, body) = match call.protocol {
        Protocol::QueryJson => {
            let error = json!({"Code": code, "Message": message, "Type": kind});
            (
                "application/json",
                json!({"Error": error, "RequestId": request_id}).to_string(),
            )
        }
        Protocol::Query => {
            let body = format!(
                "<ErrorResponse xmlns=\"{}\"><Error><Type>{kind}</Type><Code>{code}</Code><Message>{}</Message>\
                 </Error><RequestId>{request_id}</RequestId></ErrorResponse>",
                namespace(call.service),
                escape(message)
            );
            ("text/xml", body)
        }
        // AWS itself spells the key differently for errors from its front and from the service.
        _ if code == "AccessDeniedException" => (
            JSON_1_1,
            json!({"__type": code, "Message": message}).to_string(),
        ),
        _ => (
            JSON_1_1,
            json!({"__type": code, "message": message}).to_string(),
        ),
    };
    Reply::refused(*status, content_type, Bytes::from(body), code).with_request_id(request_id)
}
