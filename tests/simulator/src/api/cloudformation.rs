//! CloudFormation: `SignalResource`.

use super::ApiError;
use super::auth::Caller;
use crate::model::{Signal, SignalAuth, SignalError, World};
use crate::net::Call;

pub(super) fn handle(world: &mut World, call: &Call, caller: &Caller) -> Result<String, ApiError> {
    if call.action != "SignalResource" {
        let message = format!(
            "Could not find operation {} for version 2010-05-15",
            call.action
        );
        return Err(ApiError::bad("InvalidAction", message));
    }
    let status = call.required("Status")?;
    if !matches!(status, "SUCCESS" | "FAILURE") {
        let message = format!(
            "1 validation error detected: Value '{status}' at 'status' failed to satisfy constraint: Member must \
             satisfy enum value set: [FAILURE, SUCCESS]"
        );
        return Err(ApiError::bad("ValidationError", message));
    }
    let signal = Signal {
        at_sim: world.now(),
        stack: call.required("StackName")?.to_owned(),
        resource: call.required("LogicalResourceId")?.to_owned(),
        unique_id: call.required("UniqueId")?.to_owned(),
        status: status.to_owned(),
        auth: match caller {
            Caller::Identity(id) => SignalAuth::InstanceIdentity(id.clone()),
            _ => SignalAuth::SigV4,
        },
    };
    let (stack, resource) = (signal.stack.clone(), signal.resource.clone());
    let unique_id = signal.unique_id.clone();
    world.signal(signal).map_err(|error| {
        let message = match error {
            SignalError::NoSuchStack => format!("Stack '{stack}' does not exist"),
            SignalError::NoSuchResource => {
                format!("Resource {resource} does not exist for stack {stack}")
            }
            SignalError::AlreadySignalled => format!(
                "Signal with ID {unique_id} for resource {resource} already exists. Signals may only be updated \
                 with a FAILURE status."
            ),
            SignalError::NotWaiting => {
                format!("Resource {resource} is in CREATE_COMPLETE state and cannot be signaled")
            }
        };
        ApiError::bad("ValidationError", message)
    })?;
    Ok(String::new())
}
