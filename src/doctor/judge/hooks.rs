//! Judges the group, its lifecycle hooks, and which of them are this agent's.

use crate::config::{ResultOnTimeout, Settings};
use crate::decide::NoHook;
use crate::decide::drain::within_global_timeout;
use crate::decide::hold::{MANAGED_DRAINING_HOOK, choose, foreign_target, heartbeat_interval};
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
                None => "the group is not known: see group",
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
                findings.untried(check, &"no hook belongs to this agent: see hook");
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
                  the group itself",
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
            &"Auto Scaling does not know this instance: no termination by Auto Scaling starts \
              a drain",
            &"launch it from an Auto Scaling group, or attach it to one",
        ),
        (Some(Err(_)), Some(group)) => findings.ok(
            check,
            &format_args!("{group}, from the instance's tag or the configuration"),
        ),
        (Some(Err(_)), None) => {
            findings.untried(check, &"see autoscaling:DescribeAutoScalingInstances");
        }
        (None, _) => findings.untried(check, &"the region is not known: see metadata"),
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
                "autoscaling.lifecycle_hook_name is {configured}, which is not a terminating \
                 hook of {group} ({})",
                if names.is_empty() {
                    "it has none".to_owned()
                } else {
                    names.join(", ")
                }
            ),
            &"correct the name, or create the hook; until then, Auto Scaling does not wait for \
              the drain",
        ),
        Err(NoHook::None { .. } | NoHook::NotInAGroup) if managed => findings.warn(
            check,
            &format_args!(
                "{group} has only the hook of ECS managed draining: this agent drains, but \
                 completes no hook"
            ),
            &"to use the agent's deadline and policies, create a hook of its own and turn \
              managed draining off",
        ),
        Err(NoHook::None { .. } | NoHook::NotInAGroup) => findings.fail(
            check,
            &format_args!(
                "{group} has no terminating hook: Auto Scaling does not wait for the drain"
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
                "{group} has several ({}), and none is configured: the agent completes none of \
                 them",
                names.join(", ")
            ),
            &"set autoscaling.lifecycle_hook_name to this agent's hook",
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
        return findings.ok(check, &"not needed: ready.enabled is false");
    }
    let configured = settings.autoscaling.launch_hook_name.as_ref();
    match choose(hooks.iter().copied(), configured, group) {
        Ok(hook) if settings.ready.timeout > within_global_timeout(hook.global_timeout) => findings.warn(
            check,
            &format_args!(
                "ready.timeout is {}, but {} of {group} times out after {} (GlobalTimeout)",
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
                "autoscaling.launch_hook_name is {configured}, which is not a launching hook \
                 of {group}"
            ),
            &"correct the name, or create the hook; until then, the agent completes no launch",
        ),
        Err(NoHook::None { .. } | NoHook::NotInAGroup) => findings.ok(
            check,
            &format_args!("{group} has none: a new instance enters service before it has \
                           joined the cluster"),
        ),
        Err(NoHook::Ambiguous { names, .. }) => findings.warn(
            check,
            &format_args!(
                "{group} has several ({}), and none is configured: the agent completes none of \
                 them",
                names.join(", ")
            ),
            &"set autoscaling.launch_hook_name if one of them belongs to this agent",
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
                "{} of {group}, {why}; but it notifies {target}, which may also complete it",
                hook.name
            ),
            &format_args!(
                "if the hook is this agent's, set autoscaling.lifecycle_hook_name = \"{}\": \
                 the next release completes it only then. Otherwise create a hook for this \
                 agent: docs/moving.md",
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
                "ECS managed draining is on as well ({MANAGED_DRAINING_HOOK}): it keeps the \
                 instance until it has finished, regardless of drain.timeout"
            ),
            &"use only one of the two: turn managedDraining off in the capacity provider, or \
              remove this agent",
        );
    } else {
        findings.ok(check, &"off");
    }
}

fn heartbeat(hook: &LifecycleHook, settings: &Settings, findings: &mut Findings) {
    let check = Check::HookHeartbeat;
    let configured = settings.autoscaling.heartbeat_interval;
    let interval = heartbeat_interval(hook.heartbeat_timeout, configured);
    match configured {
        Some(own) if own > interval => findings.warn(
            check,
            &format_args!(
                "heartbeat_interval ({}) exceeds a quarter of the HeartbeatTimeout; using {}",
                span(own),
                span(interval)
            ),
            &format_args!(
                "unset autoscaling.heartbeat_interval (the default is a quarter), or set at \
                 most \"{}\"",
                span(interval)
            ),
        ),
        _ => findings.ok(
            check,
            &format_args!(
                "every {}; without heartbeats, the hook times out after {}",
                span(interval),
                span(hook.heartbeat_timeout)
            ),
        ),
    }
}

fn timeout(hook: &LifecycleHook, settings: &Settings, findings: &mut Findings) {
    let check = Check::HookTimeout;
    let timeout = settings.drain.timeout;
    if timeout > within_global_timeout(hook.global_timeout) {
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
                "drain.timeout is {}, GlobalTimeout is {}",
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
        return findings.untried(check, &"Auto Scaling did not report it");
    };
    let result = default.as_str();
    let lapses = span(hook.heartbeat_timeout);
    let abandons = default == LifecycleActionResult::Abandon;
    match settings.drain.result_on_timeout {
        ResultOnTimeout::Abandon if !abandons => findings.warn(
            check,
            &format_args!(
                "{result}, but drain.result_on_timeout is ABANDON: if the agent dies, the hook \
                 times out, and a group that retains instances does not retain this one"
            ),
            &"set the hook's DefaultResult to ABANDON, or drain.result_on_timeout to CONTINUE",
        ),
        ResultOnTimeout::Abandon => findings.ok(
            check,
            &format_args!("{result}, like drain.result_on_timeout; applies {lapses} after the \
                           last heartbeat if the agent dies"),
        ),
        _ if abandons && hooks > 1 => findings.warn(
            check,
            &format_args!(
                "{result}: if the agent dies, the hook times out, and the group's other hooks \
                 are skipped as well"
            ),
            &"set the hook's DefaultResult to CONTINUE",
        ),
        ResultOnTimeout::None => findings.ok(
            check,
            &format_args!(
                "{result}; applies {lapses} after the last heartbeat, also if a drain times \
                 out (drain.result_on_timeout is NONE)"
            ),
        ),
        ResultOnTimeout::Continue if abandons => findings.warn(
            check,
            &format_args!(
                "{result}, but drain.result_on_timeout is CONTINUE: a group that retains \
                 instances retains this one if the agent dies, but not if the drain times out"
            ),
            &"set the hook's DefaultResult to CONTINUE; to retain instances, set drain.result_on_timeout to ABANDON",
        ),
        ResultOnTimeout::Continue => findings.ok(
            check,
            &format_args!("{result}; applies {lapses} after the last heartbeat if the agent \
                           dies"),
        ),
    }
}
