//! Queries Auto Scaling, with read-only operations that the agent calls anyway.

use crate::clients::autoscaling::{describe_instance, lifecycle_hooks};
use crate::clients::aws::Aws;
use crate::decide::{AutoScalingInstance, Instance, LifecycleHook};

use crate::doctor::facts::Asked;

/// The answers of Auto Scaling.
#[derive(Default)]
pub(super) struct AutoScaling {
    pub(super) instance: Asked<Option<AutoScalingInstance>>,
    pub(super) group: Option<String>,
    pub(super) hooks: Asked<Vec<LifecycleHook>>,
}

/// Calls `DescribeAutoScalingInstances` and `DescribeLifecycleHooks`, concurrently if the group is known.
pub(super) async fn auto_scaling(
    aws: &Aws,
    instance: &Instance,
    group: Option<String>,
) -> AutoScaling {
    let id = &instance.instance_id;
    let describe = aws.autoscaling(instance, |client| async move {
        describe_instance(&client, id).await
    });
    let hooks = async |group: &str| {
        let ask = |client| async move { lifecycle_hooks(&client, group).await };
        aws.autoscaling(instance, ask).await
    };
    if let Some(group) = group {
        let (instance, hooks) = tokio::join!(describe, hooks(&group));
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
        Some(group) => Some(hooks(group).await),
        None => None,
    };
    AutoScaling {
        instance: Some(instance),
        group,
        hooks,
    }
}
