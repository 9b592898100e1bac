//! Lifecycle hooks: description, heartbeat, completion.

use std::time::Duration;

use super::Caller;
use crate::api::ApiError;
use crate::api::xml::{element, members};
use crate::model::{HookError, LifecycleActionResult, World};
use crate::net::Call;
use crate::spec::HookSpec;

pub(super) fn describe(world: &World, call: &Call) -> Result<String, ApiError> {
    let group = call.required("AutoScalingGroupName")?;
    let model = world.group(group).ok_or_else(|| no_group(group))?;
    let wanted = call.members("LifecycleHookNames");
    let hooks = model
        .spec
        .hooks
        .iter()
        .filter(|h| wanted.is_empty() || wanted.contains(&h.name));
    Ok(members("LifecycleHooks", hooks.map(|h| render(group, h))))
}

pub(super) fn heartbeat(world: &mut World, call: &Call) -> Result<String, ApiError> {
    let (id, token) = instance(world, call)?;
    let hook = call.required("LifecycleHookName")?;
    world
        .heartbeat(&id, hook, token)
        .map_err(|e| inactive(e, &id, token))?;
    Ok(String::new())
}

pub(super) fn complete(
    world: &mut World,
    call: &Call,
    caller: &Caller,
) -> Result<String, ApiError> {
    let result = call.required("LifecycleActionResult")?;
    let Some(result) = LifecycleActionResult::from_name(result) else {
        let message = format!(
            "Lifecycle action result {result} is not valid: it must be CONTINUE or ABANDON"
        );
        return Err(ApiError::bad("ValidationError", message));
    };
    let (id, token) = instance(world, call)?;
    let hook = call.required("LifecycleHookName")?;
    world
        .complete(&id, hook, token, result, caller.who())
        .map_err(|e| inactive(e, &id, token))?;
    Ok(String::new())
}

/// The instance meant (by `InstanceId`, or by `LifecycleActionToken` alone), and the token if given.
fn instance<'a>(world: &World, call: &'a Call) -> Result<(String, Option<&'a str>), ApiError> {
    let group = call.required("AutoScalingGroupName")?;
    call.required("LifecycleHookName")?;
    if world.group(group).is_none() {
        return Err(no_group(group));
    }
    let token = call.text("LifecycleActionToken");
    let by_token = || token.and_then(|t| world.instance_of_token(t));
    let Some(id) = call.text("InstanceId").map(str::to_owned).or_else(by_token) else {
        return Err(match token {
            Some(token) => inactive(HookError, "", Some(token)),
            None => ApiError::bad(
                "ValidationError",
                "Either a token or an instance ID must be specified.",
            ),
        });
    };
    if world
        .instance(&id)
        .is_some_and(|i| i.group.as_deref() != Some(group))
    {
        return Err(inactive(HookError, &id, None));
    }
    Ok((id, token))
}

fn inactive(_: HookError, id: &str, token: Option<&str>) -> ApiError {
    let message = match token {
        Some(token) => format!("No active Lifecycle Action found with token {token}"),
        None => format!("No active Lifecycle Action found with instance ID {id}"),
    };
    ApiError::bad("ValidationError", message)
}

fn no_group(group: &str) -> ApiError {
    let message = format!("AutoScalingGroup name not found - AutoScalingGroup '{group}' not found");
    ApiError::bad("ValidationError", message)
}

/// AWS knows whole seconds only.
fn seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}

fn render(group: &str, hook: &HookSpec) -> String {
    [
        element("LifecycleHookName", &hook.name),
        element("AutoScalingGroupName", group),
        element("LifecycleTransition", hook.transition),
        element("HeartbeatTimeout", seconds(hook.heartbeat_timeout)),
        element("GlobalTimeout", seconds(hook.effective_global_timeout())),
        element("DefaultResult", hook.default_result),
        hook.notification_target
            .as_ref()
            .map(|arn| element("NotificationTargetARN", arn))
            .unwrap_or_default(),
    ]
    .concat()
}
