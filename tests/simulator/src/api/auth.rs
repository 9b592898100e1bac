//! Who calls: the access key id must belong to credentials that the simulated metadata service
//! handed out (or be the static one) and not be expired, and the signature's time close to the true one.
//! Signatures themselves are not verified.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::ApiError;
use crate::metadata;
use crate::model::{Credentials, InstanceModel, Service, Who, World};
use crate::net::{Call, Protocol};

/// An authenticated caller.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// By credentials of an instance's profile.
    Instance(String),
    /// By the static access key id.
    Static(String),
    /// By an instance identity document (`CFN_V1`).
    Identity(String),
}

impl Caller {
    pub(super) fn who(&self) -> Who {
        let (Self::Instance(who) | Self::Static(who) | Self::Identity(who)) = self;
        Who::Api(who.clone())
    }
}

pub(super) fn authenticate(world: &World, call: &Call) -> Result<Caller, ApiError> {
    let Some(header) = call.header("authorization") else {
        return Err(missing(call));
    };
    if let Some(rest) = header.strip_prefix("CFN_V1 ") {
        return match identity(world, rest) {
            Some(id) if call.service == Service::CloudFormation => Ok(Caller::Identity(id)),
            _ => Err(ApiError::new(
                403,
                "AccessDenied",
                "Instance identity document or signature is not valid",
            )),
        };
    }
    let Some(key) = access_key_id(header) else {
        return Err(missing(call));
    };
    in_time(world, call)?;
    if world.options.static_access_key_id.as_deref() == Some(key) {
        return Ok(Caller::Static(key.to_owned()));
    }
    let (instance, credentials) = find(world, key).ok_or_else(|| unknown(call))?;
    if call.header("x-amz-security-token") != Some(credentials.session_token.as_str()) {
        return Err(unknown(call));
    }
    if credentials.expires <= world.now() {
        return Err(expired(call.protocol));
    }
    Ok(Caller::Instance(instance.id.clone()))
}

/// The instance a request can be attributed to: by its credentials, or by what it is about.
pub(crate) fn attribute(world: &World, call: &Call) -> Option<String> {
    if let Some(header) = call.header("authorization") {
        if let Some(rest) = header.strip_prefix("CFN_V1 ") {
            return document_instance(rest);
        }
        if let Some((instance, _)) = access_key_id(header).and_then(|key| find(world, key)) {
            return Some(instance.id.clone());
        }
    }
    let named = call
        .text("InstanceId")
        .or_else(|| call.text("UniqueId"))
        .or_else(|| call.text("InstanceIds.member.1"));
    if let Some(instance) = named.and_then(|id| world.instance(id)) {
        return Some(instance.id.clone());
    }
    let listed = call
        .params
        .get("containerInstances")
        .and_then(|l| l.get(0))
        .and_then(Value::as_str);
    let arn = call.text("containerInstance").or(listed)?;
    world
        .instances()
        .find(|i| i.container_instance_arn.ends_with(arn))
        .map(|i| i.id.clone())
}

fn access_key_id(header: &str) -> Option<&str> {
    let credential = header
        .strip_prefix("AWS4-HMAC-SHA256")?
        .split("Credential=")
        .nth(1)?;
    credential.split(['/', ',']).next()
}

fn find<'a>(world: &'a World, key: &str) -> Option<(&'a InstanceModel, &'a Credentials)> {
    world
        .instances()
        .find_map(|i| i.identity.find(key).map(|c| (i, c)))
}

/// `<base64 of the document>:<signature>`, checked against what the metadata service served.
fn identity(world: &World, rest: &str) -> Option<String> {
    let id = document_instance(rest)?;
    let (document, signature) = rest.split_once(':')?;
    world.instance(&id)?;
    let genuine = STANDARD.decode(document).ok()?
        == metadata::identity_document(world, &id).into_bytes()
        && signature == metadata::signature_line(&id);
    genuine.then_some(id)
}

fn document_instance(rest: &str) -> Option<String> {
    let document = STANDARD.decode(rest.split_once(':')?.0).ok()?;
    let document: Value = serde_json::from_slice(&document).ok()?;
    document.get("instanceId")?.as_str().map(str::to_owned)
}

/// How far a signature's time may be off.
const SKEW: Duration = Duration::from_secs(300);

/// `X-Amz-Date` within five minutes of the true time. The answer has a `Date`, as all of HTTP's have.
fn in_time(world: &World, call: &Call) -> Result<(), ApiError> {
    let Some(signed) = call.header("x-amz-date") else {
        return Ok(());
    };
    let compact = |time| world.calendar.date(time).replace(['-', ':'], "");
    let now = world.calendar.really(world.now());
    let (earliest, latest) = (compact(now.saturating_sub(SKEW)), compact(now + SKEW));
    let now = compact(now);
    let message = if signed < earliest.as_str() {
        format!("Signature expired: {signed} is now earlier than {earliest} ({now} - 5 min.)")
    } else if signed > latest.as_str() {
        format!("Signature not yet current: {signed} is still later than {latest} ({now} + 5 min.)")
    } else {
        return Ok(());
    };
    Err(match call.protocol {
        Protocol::Json => ApiError::bad("InvalidSignatureException", message),
        _ => ApiError::new(403, "SignatureDoesNotMatch", message),
    })
}

fn missing(call: &Call) -> ApiError {
    match call.protocol {
        Protocol::Json => ApiError::bad(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        ),
        _ => ApiError::new(
            403,
            "MissingAuthenticationToken",
            "Request is missing Authentication Token",
        ),
    }
}

fn unknown(call: &Call) -> ApiError {
    let message = "The security token included in the request is invalid.";
    match call.protocol {
        Protocol::Json => ApiError::bad("UnrecognizedClientException", message),
        _ => ApiError::new(403, "InvalidClientTokenId", message),
    }
}

pub(super) fn expired(protocol: Protocol) -> ApiError {
    let message = "The security token included in the request is expired";
    match protocol {
        Protocol::Json => ApiError::bad("ExpiredTokenException", message),
        _ => ApiError::new(403, "ExpiredToken", message),
    }
}
