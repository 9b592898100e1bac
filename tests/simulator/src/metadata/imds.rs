//! The instance metadata service, version 2 only.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::identity::{availability_zone, identity_document};
use crate::api::Reply;
use crate::model::{InstanceModel, World};
use crate::net::Call;
use crate::secrets;

pub(super) const AMI: &str = "ami-0abcdef1234567890";
pub(super) const INSTANCE_TYPE: &str = "m5.large";

const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";
const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";

pub(super) fn handle(world: &mut World, id: &str, call: &Call) -> Reply {
    let (method, path) = call.action.split_once(' ').unwrap_or(("GET", "/"));
    let mut reply = match method {
        "PUT" if path == "/latest/api/token" => token(world, id, call),
        "GET" | "HEAD" => {
            let token = call.header(TOKEN_HEADER).unwrap_or_default();
            let now = world.now();
            let valid = world
                .instance(id)
                .is_some_and(|i| i.identity.token_is_valid(token, now));
            if valid {
                get(world, id, path)
            } else {
                error(401, "Unauthorized")
            }
        }
        _ => error(405, "Method Not Allowed"),
    };
    reply.headers.push(("server", "EC2ws".to_owned()));
    let date = world.calendar.header(world.now());
    reply.headers.push(("date", date));
    reply
}

fn token(world: &mut World, id: &str, call: &Call) -> Reply {
    let ttl = call
        .header(TTL_HEADER)
        .and_then(|t| t.parse::<u64>().ok())
        .filter(|t| (1..=21_600).contains(t));
    let Some(ttl) = ttl else {
        return error(400, "Bad Request");
    };
    if call.header("x-forwarded-for").is_some() {
        return error(403, "Forbidden");
    }
    let (number, now) = (world.number("imds token"), world.now());
    let Some(instance) = world.instances.get_mut(id) else {
        return not_found();
    };
    let token = instance
        .identity
        .issue_token(number, Duration::from_secs(ttl), now);
    let mut reply = text(token);
    reply.headers.push((TTL_HEADER, ttl.to_string()));
    reply
}

fn get(world: &mut World, id: &str, path: &str) -> Reply {
    let Some(rest) = path
        .strip_prefix('/')
        .and_then(|p| p.split_once('/'))
        .map(|(_, rest)| rest)
    else {
        return not_found();
    };
    let Some(instance) = world.instances.get(id) else {
        return not_found();
    };
    let found = match rest {
        "user-data" => instance.user_data.clone(),
        "meta-data/instance-id" => Some(id.to_owned()),
        "meta-data/ami-id" => Some(AMI.to_owned()),
        "meta-data/instance-type" => Some(INSTANCE_TYPE.to_owned()),
        "meta-data/placement/region" => Some(world.options.region.clone()),
        "meta-data/placement/availability-zone" => Some(availability_zone(world)),
        "meta-data/services/domain" => Some("amazonaws.com".to_owned()),
        "meta-data/services/partition" => Some("aws".to_owned()),
        "meta-data/instance-life-cycle" => Some(instance.life_cycle.to_owned()),
        "meta-data/autoscaling/target-lifecycle-state" => {
            instance.target_lifecycle_state.map(|s| s.to_string())
        }
        "meta-data/spot/instance-action" => instance.spot.map(|(action, at)| {
            json!({"action": action.as_str(), "time": world.calendar.iso(at)}).to_string()
        }),
        "meta-data/events/recommendations/rebalance" => instance
            .rebalance
            .map(|at| json!({"noticeTime": world.calendar.iso(at)}).to_string()),
        "meta-data/events/maintenance/scheduled" => Some(maintenance(world, instance)),
        "dynamic/instance-identity/document" => Some(identity_document(world, id)),
        "dynamic/instance-identity/signature" => Some(secrets::identity_signature(id)),
        "meta-data/iam/security-credentials" | "meta-data/iam/security-credentials/" => {
            instance.identity.role.clone()
        }
        _ => match rest.strip_prefix("meta-data/") {
            Some(rest) => tag(instance, rest).or_else(|| credentials(world, id, rest)),
            None => None,
        },
    };
    found.map_or_else(not_found, text)
}

fn tag(instance: &InstanceModel, rest: &str) -> Option<String> {
    let key = rest.strip_prefix("tags/instance")?;
    let tags = instance.metadata_tags.as_ref()?;
    match key.strip_prefix('/').unwrap_or(key) {
        "" => Some(tags.keys().cloned().collect::<Vec<_>>().join("\n")),
        key => {
            let decoded: String = form_urlencoded::parse(key.as_bytes())
                .map(|(k, _)| k.into_owned())
                .collect();
            tags.get(key).or_else(|| tags.get(&decoded)).cloned()
        }
    }
}

fn credentials(world: &mut World, id: &str, rest: &str) -> Option<String> {
    let role = rest.strip_prefix("iam/security-credentials/")?;
    let (number, now) = (world.number("credentials"), world.now());
    let identity = &mut world.instances.get_mut(id)?.identity;
    if identity.role.as_deref() != Some(role) {
        return None;
    }
    let credentials = identity.credentials(number, now);
    let document = json!({
        "Code": "Success",
        "LastUpdated": world.calendar.iso(credentials.updated),
        "Type": "AWS-HMAC",
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.session_token,
        "Expiration": world.calendar.iso(credentials.expires),
    });
    serde_json::to_string_pretty(&document).ok()
}

fn maintenance(world: &World, instance: &InstanceModel) -> String {
    let events = instance.maintenance.iter().map(|event| {
        let mut json = json!({
            "NotBefore": world.calendar.maintenance(event.not_before),
            "Code": event.code,
            "EventId": event.id,
            "State": event.state,
            "Description": event.description,
        });
        if let (Some(at), Some(fields)) = (event.not_after, json.as_object_mut()) {
            fields.insert("NotAfter".to_owned(), json!(world.calendar.maintenance(at)));
        }
        json
    });
    serde_json::Value::Array(events.collect()).to_string()
}

fn text(body: String) -> Reply {
    let mut reply = Reply::ok("text/plain", Bytes::from(body));
    reply.headers.push(("accept-ranges", "none".to_owned()));
    reply
}

fn not_found() -> Reply {
    error(404, "Not Found")
}

pub(super) fn error(status: u16, reason: &str) -> Reply {
    let page = format!(
        "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 \
         Transitional//EN\"\n\t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n<html \
         xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n <head>\n  <title>{status} - \
         {reason}</title>\n </head>\n <body>\n  <h1>{status} - {reason}</h1>\n </body>\n</html>\n"
    );
    Reply::refused(status, "text/html", Bytes::from(page), &status.to_string())
}
