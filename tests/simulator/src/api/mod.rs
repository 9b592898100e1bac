//! The AWS APIs, over the model: Amazon ECS, Auto Scaling, CloudFormation.
//!
//! A handler returns a result or an [`ApiError`]; `reply` renders both as the request's protocol
//! does. Handlers change the world only through the model's methods.

mod auth;
mod autoscaling;
mod cloudformation;
mod ecs;
mod faults;
mod params;
mod reply;
mod throttle;
mod xml;

pub(crate) use auth::attribute;
pub(crate) use faults::fault_reply;
pub(crate) use reply::Reply;
pub(crate) use throttle::Buckets;

use reply::Payload;

use crate::model::{Service, World};
use crate::net::Call;

/// An error as AWS reports it.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// 400.
    pub(crate) fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }
}

/// Checks who calls, and carries the call out.
pub(crate) fn handle(world: &mut World, call: &Call, request_id: &str) -> Reply {
    let result = dispatch(world, call);
    match result {
        Ok(payload) => reply::success(payload, call, request_id),
        Err(error) => reply::failure(&error, call, request_id),
    }
}

fn dispatch(world: &mut World, call: &Call) -> Result<Payload, ApiError> {
    if !call.right_door {
        let message = format!("{} is not served at this endpoint", call.operation);
        return Err(ApiError::new(404, "UnknownOperationException", message));
    }
    let caller = auth::authenticate(world, call)?;
    throttle::take(world, call)?;
    match call.service {
        Service::AutoScaling => autoscaling::handle(world, call, &caller).map(Payload::Xml),
        Service::CloudFormation => cloudformation::handle(world, call, &caller).map(Payload::Xml),
        _ => ecs::handle(world, call, &caller).map(Payload::Json),
    }
}
