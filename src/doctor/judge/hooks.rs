//! The group, its terminating hooks, and whose they are.

use std::time::Duration;

use crate::config::{ResultOnTimeout, Settings};
use crate::decide::LifecycleTransition;
use crate::decide::lifecycle::{MANAGED_DRAINING_HOOK, is_of_aws};

use super::super::facts::{Hook, Live};
use super::super::finding::{Check, Findings};
use super::host::span;

/// A drain has to be over this long before the end of GlobalTimeout.
const GLOBAL_TIMEOUT_MARGIN: Duration = Duration::from_secs(10);

/// The checks of a hook that is ours.
const OF_OUR_HOOK: [Check; 3] = [
    Check::HookHeartbeat,
    Check::HookTimeout,
    Check::HookDefaultResult,
];

pub(super) fn judge(live: &Live, settings: &Settings, findings: &mut Findings) {
    group(live, settings, findings);
    let Some(Ok(hooks)) = &live.hooks else {
        let checks = [Check::Hook, Check::LaunchHook, Check::ManagedDraining];
        for check in checks.into_iter().chain(OF_OUR_HOOK) {
            let why = match live.hooks {
                Some(_) => "see autoscaling:DescribeLifecycleHooks",
                None => "it is not known which group this is: see group",
            };
            findings.untried(check, &why);
        }
        return;
    };
    let group = live.group.as_deref().unwrap_or_default();
    let (launching, hooks): (Vec<&Hook>, Vec<&Hook>) = hooks
        .iter()
        .partition(|hook| hook.transition == LifecycleTransition::Launching);
    launch_hook(group, &launching, settings, findings);
    let (managed, candidates): (Vec<&Hook>, Vec<&Hook>) = hooks
        .iter()
        .partition(|hook| hook.name == MANAGED_DRAINING_HOOK);
    let managed = !managed.is_empty();
    let ours = ours(group, &candidates, managed, settings, findings);
    managed_draining(managed, findings);
    match ours {
        Some(hook) => {
            heartbeat(hook, settings, findings);
            timeout(hook, settings, findings);
            default_result(hook, hooks.len(), settings, findings);
        }
        None => {
            for check in OF_OUR_HOOK {
                findings.untried(check, &"no hook is ours: see hook");
            }
        }
    }
}

fn group(live: &Live, settings: &Settings, findings: &mut Findings) {
    let check = Check::Group;
    let configured = settings.autoscaling.auto_scaling_group_name.as_deref();
    match (&live.auto_scaling, &live.group) {
        (Some(Ok(Some(found))), _) if configured.is_some_and(|name| name != found.group) => {
            let configured = configured.unwrap_or_default();
            findings.fail(
                check,
                &format_args!(
                    "autoscaling.auto_scaling_group_name is {configured}, but the instance is \
                     in {}",
                    found.group
                ),
                &"correct autoscaling.auto_scaling_group_name, or remove it: the agent finds \
                  the group",
            );
        }
        (Some(Ok(Some(found))), _) => {
            findings.ok(
                check,
                &format_args!("{}, {}", found.group, found.lifecycle_state),
            );
        }
        (Some(Ok(None)), _) => findings.warn(
            check,
            &"Auto Scaling does not know this instance: only a Spot interruption or a \
              shutdown can start a drain",
            &"launch it from an Auto Scaling group, or attach it to one",
        ),
        (Some(Err(_)), Some(group)) => findings.ok(
            check,
            &format_args!("{group}, by its tag or the configuration"),
        ),
        (Some(Err(_)), None) => {
            findings.untried(check, &"see autoscaling:DescribeAutoScalingInstances");
        }
        (None, _) => findings.untried(check, &"nobody says in which region this is: see metadata"),
    }
}

/// Chosen as a drain chooses it: the configured one, else the only one that is not ECS's.
fn ours<'a>(
    group: &str,
    candidates: &[&'a Hook],
    managed: bool,
    settings: &Settings,
    findings: &mut Findings,
) -> Option<&'a Hook> {
    let check = Check::Hook;
    let names = candidates
        .iter()
        .map(|hook| hook.name.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(configured) = &settings.autoscaling.lifecycle_hook_name {
        let found = candidates.iter().find(|hook| hook.name == *configured);
        match found {
            Some(hook) => findings.ok(
                check,
                &format_args!("{} of {group}, as configured", hook.name),
            ),
            None => findings.fail(
                check,
                &format_args!(
                    "autoscaling.lifecycle_hook_name is {configured}, which {group} does not \
                     have ({})",
                    if names.is_empty() {
                        "none at all"
                    } else {
                        &names
                    }
                ),
                &"correct the name, or create the hook: until then nothing holds the \
                  instance for the drain",
            ),
        }
        return found.copied();
    }
    match candidates {
        [] if managed => findings.warn(
            check,
            &format_args!(
                "{group} has only that of ECS managed draining: this agent drains, and \
                 completes none"
            ),
            &"for the agent's own deadline and policies create a hook of its own, and \
              turn managed draining off",
        ),
        [] => findings.fail(
            check,
            &format_args!(
                "{group} has no terminating hook: nothing holds the instance for the drain"
            ),
            &format_args!(
                "aws autoscaling put-lifecycle-hook --auto-scaling-group-name {group} \
                 --lifecycle-hook-name ecs-drain --lifecycle-transition \
                 autoscaling:EC2_INSTANCE_TERMINATING --heartbeat-timeout 300 \
                 --default-result CONTINUE"
            ),
        ),
        [only] => {
            findings.ok(
                check,
                &format_args!("{} of {group}, the only one", only.name),
            );
            return Some(only);
        }
        _ => findings.fail(
            check,
            &format_args!(
                "{group} has several ({names}), and none is named as ours: none is \
                 completed"
            ),
            &"set autoscaling.lifecycle_hook_name to the one that is for this agent",
        ),
    }
    None
}

/// Chosen as a join chooses it.
fn launch_hook(group: &str, hooks: &[&Hook], settings: &Settings, findings: &mut Findings) {
    let check = Check::LaunchHook;
    let names: Vec<&str> = hooks
        .iter()
        .map(|hook| hook.name.as_str())
        .filter(|name| !is_of_aws(name))
        .collect();
    let listed = names.join(", ");
    match (&settings.autoscaling.launch_hook_name, names.as_slice()) {
        _ if !settings.ready.enabled => {
            findings.ok(check, &"ready.enabled is false: no launch is completed");
        }
        (Some(configured), names) if names.contains(&configured.as_str()) => {
            findings.ok(
                check,
                &format_args!("{configured} of {group}, as configured"),
            );
        }
        (Some(configured), _) => findings.fail(
            check,
            &format_args!(
                "autoscaling.launch_hook_name is {configured}, which {group} does not have"
            ),
            &"correct the name, or create the hook: until then no launch is completed",
        ),
        (None, []) => findings.ok(
            check,
            &format_args!("{group} has none: a new instance is in service before it has joined"),
        ),
        (None, [only]) => findings.ok(check, &format_args!("{only} of {group}, the only one")),
        (None, _) => findings.warn(
            check,
            &format_args!("{group} has several ({listed}), and none is named as ours"),
            &"set autoscaling.launch_hook_name, if one of them is for this agent",
        ),
    }
}

fn managed_draining(managed: bool, findings: &mut Findings) {
    let check = Check::ManagedDraining;
    if managed {
        findings.warn(
            check,
            &format_args!(
                "ECS managed draining is on, too ({MANAGED_DRAINING_HOOK}): it holds the \
                 instance until it is done itself, whatever drain.timeout says"
            ),
            &"choose one: turn managedDraining off in the capacity provider, or do \
              without this agent",
        );
    } else {
        findings.ok(check, &"off");
    }
}

fn heartbeat(hook: &Hook, settings: &Settings, findings: &mut Findings) {
    let check = Check::HookHeartbeat;
    let lapses = hook.heartbeat_timeout;
    let every = settings
        .autoscaling
        .heartbeat_interval
        .unwrap_or(lapses / 3);
    let found = format!(
        "every {}, and the hook lapses after {}",
        span(every),
        span(lapses)
    );
    let remedy = format!(
        "unset autoscaling.heartbeat_interval (a third of the HeartbeatTimeout is \
         the default), or set at most \"{}\"",
        span(lapses / 3)
    );
    if every >= lapses {
        findings.fail(
            check,
            &format_args!("{found}: in mid-drain, if nothing else comes first"),
            &remedy,
        );
    } else if every > lapses / 2 {
        findings.warn(
            check,
            &format_args!("{found}: a single one that is lost is enough"),
            &remedy,
        );
    } else {
        findings.ok(check, &found);
    }
}

fn timeout(hook: &Hook, settings: &Settings, findings: &mut Findings) {
    let check = Check::HookTimeout;
    let timeout = settings.drain.timeout;
    let global = hook.global_timeout.saturating_sub(GLOBAL_TIMEOUT_MARGIN);
    if timeout > global {
        findings.warn(
            check,
            &format_args!(
                "drain.timeout is {}, but the hook's GlobalTimeout ends a drain after {}",
                span(timeout),
                span(hook.global_timeout)
            ),
            &"raise the hook's HeartbeatTimeout (GlobalTimeout is a hundred times that, \
              48 hours at most), or lower drain.timeout",
        );
    } else {
        findings.ok(
            check,
            &format_args!(
                "drain.timeout is {}, GlobalTimeout {}",
                span(timeout),
                span(hook.global_timeout)
            ),
        );
    }
}

fn default_result(hook: &Hook, hooks: usize, settings: &Settings, findings: &mut Findings) {
    let check = Check::HookDefaultResult;
    let Some(result) = &hook.default_result else {
        return findings.untried(check, &"Auto Scaling does not tell it");
    };
    let lapses = span(hook.heartbeat_timeout);
    if result == "ABANDON" && hooks > 1 {
        findings.warn(
            check,
            &format_args!(
                "{result}: {lapses} after this agent has died, the group's other hooks are \
                 skipped as well"
            ),
            &"set the hook's DefaultResult to CONTINUE",
        );
    } else if settings.drain.result_on_timeout == ResultOnTimeout::None {
        findings.ok(
            check,
            &format_args!(
                "{result}, {lapses} after a drain that timed out (drain.result_on_timeout \
                 is NONE)"
            ),
        );
    } else {
        findings.ok(
            check,
            &format_args!("{result}, should this agent die: after {lapses}"),
        );
    }
}
