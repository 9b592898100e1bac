//! `--before-upgrade`: the defaults that change, and whether this instance depends on them. `docs/upgrading.md`
//! has the steps.

use crate::config::{ConfigError, Effective, Origin, Settings};
use crate::decide::LifecycleTransition;
use crate::decide::hold::{choose, foreign_target};

use crate::doctor::facts::Live;
use crate::doctor::finding::{Check, Findings};

pub(super) fn judge(
    live: &Live,
    configuration: &Result<Effective, ConfigError>,
    settings: &Settings,
    findings: &mut Findings,
) {
    lone_hook(live, settings, findings);
    signal_drained(configuration, settings, findings);
    hop_limit(live, findings);
    stop_task(settings, findings);
}

/// From the next release on, a lone hook with a notification target is completed only if it is named.
fn lone_hook(live: &Live, settings: &Settings, findings: &mut Findings) {
    let check = Check::UpgradeLoneHook;
    let configured = settings.autoscaling.lifecycle_hook_name.as_ref();
    if configured.is_some() {
        return findings.ok(
            check,
            &"not affected: autoscaling.lifecycle_hook_name is set",
        );
    }
    let Some(Ok(hooks)) = &live.hooks else {
        return findings.untried(check, &"the group's hooks are not known");
    };
    let terminating = hooks
        .iter()
        .filter(|hook| hook.transition == LifecycleTransition::Terminating);
    let Ok(hook) = choose(terminating, None, "") else {
        return findings.ok(
            check,
            &"not affected: the group has no single terminating hook",
        );
    };
    let remedy = format!(
        "set autoscaling.lifecycle_hook_name = \"{}\" if the hook is this agent's",
        hook.name
    );
    match foreign_target(hook, None) {
        Some(target) => findings.warn(
            check,
            &format_args!(
                "{} notifies {target}: the next release completes it only if it is named",
                hook.name
            ),
            &remedy,
        ),
        None => findings.ok(
            check,
            &format_args!(
                "not affected: {} has no notification target. A tool that listens on \
                 EventBridge cannot be seen here: {remedy}",
                hook.name
            ),
        ),
    }
}

/// Drains no longer signal CloudFormation by default.
fn signal_drained(
    configuration: &Result<Effective, ConfigError>,
    settings: &Settings,
    findings: &mut Findings,
) {
    let check = Check::UpgradeSignalDrained;
    let Ok(effective) = configuration else {
        return findings.untried(check, &"see configuration");
    };
    let written = |key| *effective.provenance.of("cloudformation", key) != Origin::Default;
    if settings.cloudformation.resource.is_none() {
        findings.ok(check, &"not affected: no stack is configured");
    } else if written("signal_drained") {
        findings.ok(check, &"not affected: cloudformation.signal_drained is set");
    } else {
        let on_timeout = if written("signal_on_timeout") {
            ", and cloudformation.signal_on_timeout has no effect"
        } else {
            ""
        };
        findings.warn(
            check,
            &format_args!("a drain no longer signals CloudFormation{on_timeout}"),
            &"set cloudformation.signal_drained: true if the stack waits for the signals of drained \
              instances, otherwise false",
        );
    }
}

/// New stacks have a hop limit of 1, and metadata does not show the present one.
fn hop_limit(live: &Live, findings: &mut Findings) {
    let check = Check::UpgradeHopLimit;
    let tags = live
        .metadata
        .tags
        .as_ref()
        .and_then(|tags| tags.as_ref().ok());
    let of_a_stack = tags.and_then(Option::as_ref).map(|tags| {
        tags.iter()
            .any(|tag| tag == "aws:cloudformation:stack-name")
    });
    match of_a_stack {
        Some(false) => findings.ok(check, &"not affected: the instance belongs to no stack"),
        Some(true) => findings.warn(
            check,
            &"if the stack was made from cloudformation/cluster.yaml, new instances get a hop \
              limit of 1: tasks in bridge mode can no longer reach instance metadata",
            &"if such tasks need metadata, set the parameter HttpPutResponseHopLimit to 2 when \
              you update to the new template",
        ),
        None => findings.untried(check, &"the instance's tags are not in its metadata"),
    }
}

/// The template's role has ecs:StopTask only if its parameter asks for it.
fn stop_task(settings: &Settings, findings: &mut Findings) {
    let check = Check::UpgradeStopTask;
    if settings.drain.standalone_tasks.are_stopped() {
        findings.warn(
            check,
            &"drain.standalone_tasks stops tasks: the role of cloudformation/cluster.yaml allows ecs:StopTask \
              only with StandaloneTasks=stop",
            &"set the parameter StandaloneTasks to stop when you update to the new template",
        );
    } else {
        findings.ok(check, &"not affected: the agent stops no tasks");
    }
}
