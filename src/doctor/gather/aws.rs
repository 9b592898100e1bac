//! What AWS answers: only calls that read, and only operations that the agent calls anyway.
//!
//! The agent's own wrappers leave out what only a person wants to know, so two are made here again.

use std::time::Duration;

use aws_sdk_autoscaling::types::LifecycleHook;

use crate::act::autoscaling::describe_instance;
use crate::act::failure::from_sdk;
use crate::decide::{
    AutoScalingInstance, ContainerInstance, Failure, FailureKind, Instance, LifecycleTransition,
};

use super::super::facts::{Asked, Described, Hook};

/// `DescribeContainerInstances`
pub(super) async fn container_instance(
    ecs: &aws_sdk_ecs::Client,
    target: &ContainerInstance,
) -> Result<Described, Failure> {
    let what = format!("ecs:DescribeContainerInstances {}", target.id());
    let answer = ecs
        .describe_container_instances()
        .cluster(&target.cluster)
        .container_instances(&target.arn)
        .send()
        .await
        .map_err(|error| from_sdk(&what, &error))?;
    if let Some(found) = answer.container_instances().first() {
        return Ok(Described::Known {
            status: found.status().unwrap_or("without a status").to_owned(),
            connected: found.agent_connected(),
        });
    }
    match answer.failures().first().and_then(|first| first.reason()) {
        Some(reason) => Ok(Described::Unknown(reason.to_owned())),
        None => Err(Failure::new(
            FailureKind::Malformed,
            format!("{what}: an answer with neither a container instance nor a failure"),
        )),
    }
}

/// What Auto Scaling answers.
#[derive(Default)]
pub(super) struct AutoScaling {
    pub(super) instance: Asked<Option<AutoScalingInstance>>,
    pub(super) group: Option<String>,
    pub(super) hooks: Asked<Vec<Hook>>,
}

/// `DescribeAutoScalingInstances` and `DescribeLifecycleHooks`: side by side, where the group is known.
pub(super) async fn auto_scaling(
    client: &aws_sdk_autoscaling::Client,
    instance: &Instance,
    group: Option<String>,
) -> AutoScaling {
    let describe = describe_instance(client, &instance.instance_id);
    if let Some(group) = group {
        let (instance, hooks) = tokio::join!(describe, hooks(client, &group));
        return AutoScaling {
            instance: Some(instance),
            group: Some(group),
            hooks: Some(hooks),
        };
    }
    let instance = describe.await;
    let group = match &instance {
        Ok(Some(found)) => Some(found.group.clone()),
        Ok(None) | Err(_) => None,
    };
    let hooks = match &group {
        Some(group) => Some(hooks(client, group).await),
        None => None,
    };
    AutoScaling {
        instance: Some(instance),
        group,
        hooks,
    }
}

async fn hooks(client: &aws_sdk_autoscaling::Client, group: &str) -> Result<Vec<Hook>, Failure> {
    let what = format!("autoscaling:DescribeLifecycleHooks of {group}");
    let answer = client
        .describe_lifecycle_hooks()
        .auto_scaling_group_name(group)
        .send()
        .await
        .map_err(|error| from_sdk(&what, &error))?;
    let Some(hooks) = answer.lifecycle_hooks else {
        let why = format!("{what}: an answer with no list of hooks");
        return Err(Failure::new(FailureKind::Malformed, why));
    };
    Ok(hooks.into_iter().filter_map(hook).collect())
}

fn hook(hook: LifecycleHook) -> Option<Hook> {
    let transition = [
        LifecycleTransition::Launching,
        LifecycleTransition::Terminating,
    ]
    .into_iter()
    .find(|known| hook.lifecycle_transition() == Some(known.as_str()))?;
    let seconds = |value: Option<i32>, default: u64| {
        let value = value.and_then(|value| u64::try_from(value).ok());
        Duration::from_secs(value.filter(|value| *value > 0).unwrap_or(default))
    };
    let heartbeat_timeout = seconds(hook.heartbeat_timeout, 3_600);
    let most = heartbeat_timeout.as_secs().saturating_mul(100);
    Some(Hook {
        name: hook.lifecycle_hook_name.unwrap_or_default(),
        transition,
        heartbeat_timeout,
        global_timeout: seconds(hook.global_timeout, most.min(172_800)),
        default_result: hook.default_result,
    })
}
