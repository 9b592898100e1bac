//! Auto Scaling: the instance in its group, lifecycle hooks, heartbeats and completion.

use std::time::Duration;

use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::operation::RequestId;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use crate::decide::{
    Accepted, AutoScalingInstance, Failure, HookRef, IamAction, LifecycleActionResult,
    LifecycleHook, LifecycleState, LifecycleTransition,
};

use super::failure::Call;
use super::http;

/// The HeartbeatTimeout that Auto Scaling sets by default, in seconds.
const DEFAULT_HEARTBEAT_TIMEOUT: u64 = 3_600;
/// The longest GlobalTimeout, in seconds: Auto Scaling sets it to min(48 h, 100 × HeartbeatTimeout).
const MOST_GLOBAL_TIMEOUT: u64 = 172_800;

/// Calls `DescribeAutoScalingInstances` for this instance; `None` if Auto Scaling does not know it.
///
/// # Errors
/// Fails if the call does, or if the answer is incomplete.
pub async fn describe_instance(
    client: &Client,
    instance_id: &str,
) -> Result<Option<AutoScalingInstance>, Failure> {
    let call = Call::new(IamAction::DescribeAutoScalingInstances, instance_id);
    let answer = client
        .describe_auto_scaling_instances()
        .instance_ids(instance_id)
        .send()
        .await
        .map_err(|error| call.failed(&error))?;
    let Some(found) = answer
        .auto_scaling_instances()
        .iter()
        .find(|found| found.instance_id() == Some(instance_id))
    else {
        // For an unknown instance Auto Scaling returns an empty list. An answer without a list is malformed.
        return if answer.auto_scaling_instances.is_some() {
            Ok(None)
        } else {
            Err(call.malformed("no list of instances"))
        };
    };
    match (found.auto_scaling_group_name(), found.lifecycle_state()) {
        (Some(group), Some(state)) => Ok(Some(AutoScalingInstance {
            group: group.to_owned(),
            lifecycle_state: Some(LifecycleState::parse(state)),
        })),
        _ => Err(call.malformed("an instance without a group or a lifecycle state")),
    }
}

/// Calls `DescribeLifecycleHooks` for a group, which returns its hooks for both transitions.
///
/// # Errors
/// Fails if the call does, or if the answer is incomplete.
pub async fn lifecycle_hooks(client: &Client, group: &str) -> Result<Vec<LifecycleHook>, Failure> {
    let call = Call::new(
        IamAction::DescribeLifecycleHooks,
        format_args!("of {group}"),
    );
    let answer = client
        .describe_lifecycle_hooks()
        .auto_scaling_group_name(group)
        .send()
        .await
        .map_err(|error| call.failed(&error))?;
    let Some(hooks) = &answer.lifecycle_hooks else {
        return Err(call.malformed("no list of hooks"));
    };
    hooks
        .iter()
        .filter_map(|hook| {
            Some((
                LifecycleTransition::parse(hook.lifecycle_transition()?)?,
                hook,
            ))
        })
        .map(|(transition, hook)| {
            let name = hook
                .lifecycle_hook_name()
                .ok_or_else(|| call.malformed("a hook without a name"))?;
            let heartbeat = seconds(hook.heartbeat_timeout()).unwrap_or(DEFAULT_HEARTBEAT_TIMEOUT);
            let global = seconds(hook.global_timeout())
                .unwrap_or_else(|| MOST_GLOBAL_TIMEOUT.min(heartbeat.saturating_mul(100)));
            Ok(LifecycleHook {
                name: name.to_owned(),
                transition,
                default_result: hook.default_result().and_then(LifecycleActionResult::parse),
                heartbeat_timeout: Duration::from_secs(heartbeat),
                global_timeout: Duration::from_secs(global),
                notification_target: hook
                    .notification_target_arn()
                    .filter(|arn| !arn.is_empty())
                    .map(str::to_owned),
            })
        })
        .collect()
}

fn seconds(value: Option<i32>) -> Option<u64> {
    value
        .and_then(|value| u64::try_from(value).ok())
        .filter(|value| *value > 0)
}

/// Calls `RecordLifecycleActionHeartbeat`, by instance id.
///
/// # Errors
/// Fails if the call does, or if the answer has no request id.
pub async fn heartbeat(
    client: &Client,
    hook: &HookRef,
    instance_id: &str,
) -> Result<Accepted, Failure> {
    let call = Call::new(IamAction::RecordLifecycleActionHeartbeat, &hook.name);
    let answer = client
        .record_lifecycle_action_heartbeat()
        .auto_scaling_group_name(&hook.group)
        .lifecycle_hook_name(&hook.name)
        .instance_id(instance_id)
        .customize()
        .interceptor(Acknowledged("RecordLifecycleActionHeartbeatResponse"))
        .send()
        .await
        .map_err(|error| call.failed(&error))?;
    accepted(&call, answer.request_id())
}

/// Calls `CompleteLifecycleAction`, by instance id.
///
/// # Errors
/// Fails if the call does, or if the answer has no request id.
pub async fn complete(
    client: &Client,
    hook: &HookRef,
    instance_id: &str,
    result: LifecycleActionResult,
) -> Result<Accepted, Failure> {
    let call = Call::new(
        IamAction::CompleteLifecycleAction,
        format_args!("{} {}", hook.name, result.as_str()),
    );
    let answer = client
        .complete_lifecycle_action()
        .auto_scaling_group_name(&hook.group)
        .lifecycle_hook_name(&hook.name)
        .instance_id(instance_id)
        .lifecycle_action_result(result.as_str())
        .customize()
        .interceptor(Acknowledged("CompleteLifecycleActionResponse"))
        .send()
        .await
        .map_err(|error| call.failed(&error))?;
    accepted(&call, answer.request_id())
}

/// The element that the answer to an operation without a result consists of. The SDK does not read that answer, so
/// it takes an error for success if its status is 200.
#[derive(Debug)]
struct Acknowledged(&'static str);

impl Intercept for Acknowledged {
    fn name(&self) -> &'static str {
        "Acknowledged"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response();
        let text = String::from_utf8_lossy(answer.body().bytes().unwrap_or_default());
        if !answer.status().is_success() || text.is_empty() || text.contains(self.0) {
            return Ok(());
        }
        Err(http::excerpt(text.as_bytes()).into())
    }
}

/// Requires a request id, which every answer of AWS has, and no answer of a captive portal or a broken proxy.
fn accepted(call: &Call, request_id: Option<&str>) -> Result<Accepted, Failure> {
    let request_id = request_id
        .filter(|id| !id.is_empty())
        .ok_or_else(|| call.malformed("no request id"))?
        .to_owned();
    Ok(Accepted {
        request_id: Some(request_id),
    })
}
