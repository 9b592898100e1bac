//! Judges the group, its lifecycle hooks, and which of them are this agent's.

use std::time::Duration;

use crate::config::{ResultOnTimeout, Settings};
use crate::decide::NoHook;
use crate::decide::drain::GLOBAL_TIMEOUT_MARGIN;
use crate::decide::hold::{MANAGED_DRAINING_HOOK, choose, foreign_target};
use crate::decide::{LifecycleActionResult, LifecycleHook, LifecycleState, LifecycleTransition};

use super::host::span;
use crate::doctor::facts::Live;
use crate::doctor::finding::{Check, Findings};

/// The checks of the terminating hook that is this agent's.
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
    let (launching, hooks): (Vec<&LifecycleHook>, Vec<&LifecycleHook>) = hooks
        .iter()
        .partition(|hook| hook.transition == LifecycleTransition::Launching);
    launch_hook(group, &launching, settings, findings);
    let managed = hooks.iter().any(|hook| hook.name == MANAGED_DRAINING_HOOK);
    let ours = ours(group, &hooks, managed, settings, findings);
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
                &format_args!(
                    "{}, {}",
                    found.group,
                    found
                        .lifecycle_state
                        .as_ref()
                        .map_or("-", LifecycleState::as_str)
                ),
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

/// Finds the terminating hook that a drain would complete.
fn ours<'a>(
    group: &str,
    hooks: &[&'a LifecycleHook],
    managed: bool,
    settings: &Settings,
    findings: &mut Findings,
) -> Option<&'a LifecycleHook> {
    let check = Check::Hook;
    let configured = settings.autoscaling.lifecycle_hook_name.as_ref();
    match choose(hooks.iter().copied(), configured, group) {
        Ok(hook) => {
            found(check, hook, group, configured, findings);
            return Some(hook);
        }
        Err(NoHook::Missing {
            configured, names, ..
        }) => findings.fail(
            check,
            &format_args!(
                "autoscaling.lifecycle_hook_name is {configured}, which {group} does not \
                 have ({})",
                if names.is_empty() {
                    "none at all".to_owned()
                } else {
                    names.join(", ")
                }
            ),
            &"correct the name, or create the hook: until then nothing holds the \
              instance for the drain",
        ),
        Err(NoHook::None { .. } | NoHook::NotInAGroup) if managed => findings.warn(
            check,
            &format_args!(
                "{group} has only that of ECS managed draining: this agent drains, and \
                 completes none"
            ),
            &"for the agent's own deadline and policies create a hook of its own, and \
              turn managed draining off",
        ),
        Err(NoHook::None { .. } | NoHook::NotInAGroup) => findings.fail(
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
        Err(NoHook::Ambiguous { names, .. }) => findings.fail(
            check,
            &format_args!(
                "{group} has several ({}), and none is named as ours: none is \
                 completed",
                names.join(", ")
            ),
            &"set autoscaling.lifecycle_hook_name to the one that is for this agent",
        ),
    }
    None
}

/// Judges the launching hook that a join would complete.
fn launch_hook(
    group: &str,
    hooks: &[&LifecycleHook],
    settings: &Settings,
    findings: &mut Findings,
) {
    let check = Check::LaunchHook;
    if !settings.ready.enabled {
        return findings.ok(check, &"ready.enabled is false: no launch is completed");
    }
    let configured = settings.autoscaling.launch_hook_name.as_ref();
    match choose(hooks.iter().copied(), configured, group) {
        Ok(hook) if settings.ready.timeout > bearable(hook) => findings.warn(
            check,
            &format_args!(
                "ready.timeout is {}, but {} of {group} lapses after {} (GlobalTimeout)",
                span(settings.ready.timeout),
                hook.name,
                span(hook.global_timeout)
            ),
            &"raise the launching hook's HeartbeatTimeout (GlobalTimeout is a hundred times that, 48 hours at \
              most), or lower ready.timeout",
        ),
        Ok(hook) => found(check, hook, group, configured, findings),
        Err(NoHook::Missing { configured, .. }) => findings.fail(
            check,
            &format_args!(
                "autoscaling.launch_hook_name is {configured}, which {group} does not have"
            ),
            &"correct the name, or create the hook: until then no launch is completed",
        ),
        Err(NoHook::None { .. } | NoHook::NotInAGroup) => findings.ok(
            check,
            &format_args!("{group} has none: a new instance is in service before it has joined"),
        ),
        Err(NoHook::Ambiguous { names, .. }) => findings.warn(
            check,
            &format_args!(
                "{group} has several ({}), and none is named as ours",
                names.join(", ")
            ),
            &"set autoscaling.launch_hook_name, if one of them is for this agent",
        ),
    }
}

fn found(
    check: Check,
    hook: &LifecycleHook,
    group: &str,
    configured: Option<&String>,
    findings: &mut Findings,
) {
    let why = match configured {
        Some(_) => "as configured",
        None => "the only one",
    };
    if let Some(target) = foreign_target(hook, configured) {
        return findings.warn(
            check,
            &format_args!(
                "{} of {group}, {why}, but it notifies {target}, which may complete it as well",
                hook.name
            ),
            &format_args!(
                "set autoscaling.lifecycle_hook_name = \"{}\" if it is this agent's: the next release \
                 completes it only then. Otherwise create a hook of its own: docs/moving.md",
                hook.name
            ),
        );
    }
    findings.ok(check, &format_args!("{} of {group}, {why}", hook.name));
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

fn heartbeat(hook: &LifecycleHook, settings: &Settings, findings: &mut Findings) {
    let check = Check::HookHeartbeat;
    let quarter = hook.heartbeat_timeout / 4;
    match settings.autoscaling.heartbeat_interval {
        Some(own) if own > quarter => findings.warn(
            check,
            &format_args!(
                "heartbeat_interval is {}, longer than a quarter of the HeartbeatTimeout: every {} \
                 is used",
                span(own),
                span(quarter)
            ),
            &format_args!(
                "unset autoscaling.heartbeat_interval (a quarter is the default), or set at most \
                 \"{}\"",
                span(quarter)
            ),
        ),
        own => findings.ok(
            check,
            &format_args!(
                "every {}, and the hook lapses after {}",
                span(own.unwrap_or(quarter)),
                span(hook.heartbeat_timeout)
            ),
        ),
    }
}

/// How long a hook can hold the instance for the agent.
fn bearable(hook: &LifecycleHook) -> Duration {
    hook.global_timeout.saturating_sub(GLOBAL_TIMEOUT_MARGIN)
}

fn timeout(hook: &LifecycleHook, settings: &Settings, findings: &mut Findings) {
    let check = Check::HookTimeout;
    let timeout = settings.drain.timeout;
    if timeout > bearable(hook) {
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

fn default_result(
    hook: &LifecycleHook,
    hooks: usize,
    settings: &Settings,
    findings: &mut Findings,
) {
    let check = Check::HookDefaultResult;
    let Some(default) = hook.default_result else {
        return findings.untried(check, &"Auto Scaling does not tell it");
    };
    let result = default.as_str();
    let lapses = span(hook.heartbeat_timeout);
    let abandons = default == LifecycleActionResult::Abandon;
    match settings.drain.result_on_timeout {
        ResultOnTimeout::Abandon if !abandons => findings.warn(
            check,
            &format_args!(
                "{result}, but drain.result_on_timeout is ABANDON: {lapses} after this agent has died, a group \
                 that retains instances does not retain this one"
            ),
            &"set the hook's DefaultResult to ABANDON, or drain.result_on_timeout to CONTINUE",
        ),
        ResultOnTimeout::Abandon => findings.ok(
            check,
            &format_args!("{result}, as drain.result_on_timeout: after {lapses}, should this agent die"),
        ),
        _ if abandons && hooks > 1 => findings.warn(
            check,
            &format_args!(
                "{result}: {lapses} after this agent has died, the group's other hooks are \
                 skipped as well"
            ),
            &"set the hook's DefaultResult to CONTINUE",
        ),
        ResultOnTimeout::None => findings.ok(
            check,
            &format_args!(
                "{result}, {lapses} after a drain that timed out (drain.result_on_timeout \
                 is NONE)"
            ),
        ),
        ResultOnTimeout::Continue if abandons => findings.warn(
            check,
            &format_args!(
                "{result}, but drain.result_on_timeout is CONTINUE: a group that retains instances retains those \
                 whose agent has died, and none whose drain timed out"
            ),
            &"set the hook's DefaultResult to CONTINUE; to retain instances, set drain.result_on_timeout to ABANDON",
        ),
        ResultOnTimeout::Continue => findings.ok(
            check,
            &format_args!("{result}, should this agent die: after {lapses}"),
        ),
    }
}
