//! Auto Scaling (awsQuery, version 2011-01-01).

mod describe;
mod hooks;

use super::ApiError;
use super::auth::Caller;
use super::xml::element;
use crate::model::World;
use crate::net::Call;

pub(super) fn handle(world: &mut World, call: &Call, caller: &Caller) -> Result<String, ApiError> {
    match call.action.as_str() {
        "DescribeAutoScalingInstances" => describe::instances(world, call),
        "DescribeAutoScalingGroups" => describe::groups(world, call),
        "DescribeLifecycleHooks" => hooks::describe(world, call),
        "RecordLifecycleActionHeartbeat" => hooks::heartbeat(world, call),
        "CompleteLifecycleAction" => hooks::complete(world, call, caller),
        "TerminateInstanceInAutoScalingGroup" => terminate(world, call),
        other => {
            let message = format!("Could not find operation {other} for version 2011-01-01");
            Err(ApiError::bad("InvalidAction", message))
        }
    }
}

fn terminate(world: &mut World, call: &Call) -> Result<String, ApiError> {
    let id = call.required("InstanceId")?;
    call.required("ShouldDecrementDesiredCapacity")?;
    let group = world
        .instance(id)
        .filter(|i| i.lifecycle_state.is_some())
        .and_then(|i| i.group.clone());
    let Some(group) = group else {
        let message =
            format!("Instance Id not found - No managed instance found for instance ID: {id}");
        return Err(ApiError::bad("ValidationError", message));
    };
    world.terminate(id);
    let number = world.number("activity");
    let activity = [
        element("ActivityId", crate::ids::uuid(4, number)),
        element("AutoScalingGroupName", group),
        element("Description", format!("Terminating EC2 instance: {id}")),
        element(
            "Cause",
            format!("instance {id} was taken out of service in response to a user request."),
        ),
        element("StartTime", world.calendar.iso(world.now())),
        element("StatusCode", "InProgress"),
        element("Progress", 0),
    ];
    Ok(format!("<Activity>{}</Activity>", activity.concat()))
}
