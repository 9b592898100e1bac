//! Judges whether `[capacity]` fits the instance, and what else scales the group.

use crate::config::{CapacitySettings, Settings};
use crate::decide::{Figures, HostView, Limit, judge as decide, size};

use crate::doctor::facts::Live;
use crate::doctor::finding::{Check, Findings};

/// The tag that ECS sets on the group of a capacity provider with managed scaling, and thus on its instances.
const MANAGED: &str = "AmazonECSManaged";

pub(super) fn judge(live: &Live, settings: &Settings, findings: &mut Findings) {
    if !settings.capacity.enabled {
        for check in [
            Check::Capacity,
            Check::CapacityListener,
            Check::CapacityProvider,
        ] {
            findings.ok(check, &"not needed: capacity.enabled is false");
        }
        return;
    }
    fits(live, &settings.capacity, findings);
    listener(live, settings, findings);
    provider(live, findings);
}

fn fits(live: &Live, task: &CapacitySettings, findings: &mut Findings) {
    let check = Check::Capacity;
    let Some(host) = &live.host else {
        return findings.untried(check, &"see ecs:DescribeContainerInstances");
    };
    let Some(figures) = on_empty(task, host) else {
        return findings.untried(check, &"ECS did not report this instance's resources");
    };
    let size = size(task);
    if figures.tasks_per_host > 0 {
        return findings.ok(
            check,
            &format_args!(
                "{} tasks of {size} fit on this instance beside the daemons, limited by {}",
                figures.tasks_per_host,
                figures.limited_by.as_str()
            ),
        );
    }
    let limit = figures.limited_by.as_str();
    let without_daemons = CapacitySettings {
        daemon_cpu: 0,
        daemon_memory: 0,
        ..task.clone()
    };
    let alone = on_empty(&without_daemons, host);
    if figures.limited_by == Limit::Ports {
        findings.fail(
            check,
            &format_args!(
                "a task of {size} never fits: ECS has reserved one of its ports on this \
                 instance"
            ),
            &"give the task another host port, or a dynamic one (HostPort 0), and correct \
              capacity.ports",
        );
    } else if alone.is_some_and(|figures| figures.tasks_per_host > 0) {
        findings.fail(
            check,
            &format_args!("a task of {size} never fits beside the daemons, limited by {limit}"),
            &"correct capacity.daemon_cpu and capacity.daemon_memory, or use a larger instance \
              type",
        );
    } else {
        findings.fail(
            check,
            &format_args!("a task of {size} never fits on this instance, limited by {limit}"),
            &"correct capacity.cpu and capacity.memory, or use a larger instance type",
        );
    }
}

/// The figures of a host on which only the daemons run.
fn on_empty(task: &CapacitySettings, host: &HostView) -> Option<Figures> {
    let mut empty = host.clone();
    empty.remaining = empty.registered.clone();
    empty.remaining.cpu = empty
        .remaining
        .cpu
        .map(|cpu| cpu - i64::from(task.daemon_cpu));
    empty.remaining.memory = empty
        .remaining
        .memory
        .map(|memory| memory - i64::from(task.daemon_memory));
    decide(task, None, Ok(&empty), Ok(&[]), "").figures
}

fn listener(live: &Live, settings: &Settings, findings: &mut Findings) {
    let check = Check::CapacityListener;
    let endpoint = settings.metrics.capacity_endpoint();
    match &live.listener {
        Some(Ok(())) => findings.ok(check, &format_args!("something listens on {endpoint}")),
        Some(Err(failure)) => findings.warn(
            check,
            &failure.message,
            &"install the CloudWatch agent with {\"logs\": {\"metrics_collected\": {\"emf\": \
              {\"service_address\": \"tcp://127.0.0.1:25888\"}}}} in its configuration, or correct \
              metrics.emf_endpoint",
        ),
        None => findings.untried(check, &"not tested"),
    }
}

/// Looks for a capacity provider, as far as it can be seen from this instance.
fn provider(live: &Live, findings: &mut Findings) {
    let check = Check::CapacityProvider;
    let tags = match &live.metadata.tags {
        Some(Ok(Some(names))) => names.as_slice(),
        _ => &[],
    };
    let provider = live
        .host
        .as_ref()
        .and_then(|host| host.capacity_provider.as_ref());
    let remedy = "scale the group with only one of the two: set capacity.enabled = false, or \
                  remove the group from the capacity provider";
    if let Some(name) = provider {
        findings.warn(
            check,
            &format_args!("the instance belongs to the capacity provider {name}, which scales the group as well"),
            &remedy,
        );
    } else if tags.iter().any(|tag| tag == MANAGED) {
        findings.warn(
            check,
            &format_args!(
                "the instance has the tag {MANAGED}: a capacity provider scales the group as well"
            ),
            &remedy,
        );
    } else if live.host.is_some() {
        findings.ok(
            check,
            &"neither the container instance nor the instance's tags name one",
        );
    } else {
        findings.untried(check, &"see ecs:DescribeContainerInstances");
    }
}
