//! Finds the lifecycle hook that the agent has to complete.
//!
//! This takes two calls at most: one for the group, one for its hooks. It is the configured hook, or else the
//! only hook of the transition that is not AWS's own. If that is ambiguous, nothing is completed. Completing
//! somebody else's hook could terminate an instance that they still need, or put one into service too early.
//! A tag can name a group that the instance has left, so the answer of Auto Scaling replaces the tag.

use std::time::Duration;

use crate::model::{
    Action, AutoScalingInstance, Failure, FailureKind, HookRef, LifecycleHook, LifecycleTransition,
    Moment, NoHook, Note,
};
use crate::pace::{Pace, jitter};
use crate::turn::Turn;

/// The hook of ECS's managed draining: never ours.
pub const MANAGED_DRAINING_HOOK: &str = "ecs-managed-draining-termination-hook";

/// CodeDeploy installs launching hooks of its own, named like this and an id.
const CODE_DEPLOY_HOOKS: &str = "CodeDeploy-managed-automatic-launch-deployment-hook-";

/// The minimum HeartbeatTimeout. It is assumed if the agent may not describe the hook.
const LEAST_HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(30);

/// The shortest interval between heartbeats.
pub(super) const LEAST_INTERVAL: Duration = Duration::from_secs(1);

/// The interval before the agent looks for a hook again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The interval between heartbeats: a quarter of the HeartbeatTimeout, or the configured one if it is shorter.
pub fn heartbeat_interval(timeout: Duration, configured: Option<Duration>) -> Duration {
    let quarter = timeout / 4;
    configured
        .map_or(quarter, |own| own.min(quarter))
        .max(LEAST_INTERVAL)
}

/// The hook that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub hook: HookRef,
    /// How often it is kept waiting.
    pub heartbeat_interval: Duration,
    /// `HeartbeatTimeout`
    pub heartbeat_timeout: Duration,
    /// How long it can be kept waiting at the most, where known.
    pub global_timeout: Option<Duration>,
    /// Another party that can complete it: see [`foreign_target`].
    pub foreign_target: Option<String>,
}

impl Found {
    /// One that could not be read (yet). The shortest HeartbeatTimeout is assumed.
    fn unread(hook: HookRef, turn: &Turn<'_>) -> Self {
        let own = turn.policy.autoscaling.heartbeat_interval;
        Self {
            hook,
            heartbeat_interval: heartbeat_interval(LEAST_HEARTBEAT_TIMEOUT, own),
            heartbeat_timeout: LEAST_HEARTBEAT_TIMEOUT,
            global_timeout: None,
            foreign_target: None,
        }
    }
}

/// The name of the hook that the policy names.
fn configured<'a>(transition: LifecycleTransition, turn: &Turn<'a>) -> Option<&'a String> {
    let settings = &turn.policy.autoscaling;
    match transition {
        LifecycleTransition::Launching => settings.launch_hook_name.as_ref(),
        LifecycleTransition::Terminating => settings.lifecycle_hook_name.as_ref(),
    }
}

/// The search for the hook.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    transition: LifecycleTransition,
    /// The group, and whether Auto Scaling, or a person, has said so: a tag may be out of date.
    group: Option<(String, bool)>,
    /// Whether the tag will do.
    tags: bool,
    pace: Pace,
    result: Option<Result<Found, NoHook>>,
    /// How many lists in a row were empty. The first one can be wrong.
    empty: u32,
    /// Describe the hooks again, although there is a result.
    again: bool,
    /// When Auto Scaling is asked whether the tag's group is the right one.
    verify: Pace,
    began: Moment,
}

impl Search {
    pub(crate) fn new(transition: LifecycleTransition, now: Moment) -> Self {
        Self {
            transition,
            group: None,
            tags: true,
            pace: Pace::at(now),
            result: None,
            empty: 0,
            again: false,
            verify: Pace::default(),
            began: now,
        }
    }

    /// An unknown hook can time out soon, so a retry is never later than a heartbeat would be.
    fn hurry(&mut self, now: Moment) {
        let left = (self.began + LEAST_HEARTBEAT_TIMEOUT).since(now);
        if self.result.is_none() && !left.is_zero() {
            self.pace.ask(now + (left / 4).max(Duration::from_secs(1)));
        }
    }

    /// An earlier process has found this hook. It is kept waiting at once, and read again.
    pub(super) fn adopt(&mut self, hook: &HookRef, turn: &Turn<'_>) {
        if configured(self.transition, turn).is_none_or(|name| *name == hook.name) {
            // A tag alone may have named it, so it is verified again.
            self.group = Some((hook.group.clone(), false));
            self.result = Some(Ok(Found::unread(hook.clone(), turn)));
            self.again = true;
        }
    }

    /// The hook, once it is found.
    pub fn found(&self) -> Option<&Found> {
        self.result.as_ref()?.as_ref().ok()
    }

    /// Whether the hook that is found is one of this group's.
    fn is_of(&self, group: &str) -> bool {
        self.found().is_some_and(|found| found.hook.group == group)
    }

    /// Why there is none to complete, once that is known.
    pub fn nothing(&self) -> Option<&NoHook> {
        self.result.as_ref()?.as_ref().err()
    }

    /// Whether it is still unknown.
    pub fn is_open(&self) -> bool {
        self.result.is_none()
    }

    /// Auto Scaling has refused although the instance waits, so the hook may have been replaced.
    pub(super) fn ask_again(&mut self, now: Moment) {
        if self.result.is_some() && !std::mem::replace(&mut self.again, true) {
            self.pace.ask(now);
        }
    }

    /// Whether there is nothing to complete. A terminating hook can be added while the drain goes on, so an empty list
    /// counts only once it was read again.
    pub(super) fn confirms_nothing(&mut self, now: Moment) -> bool {
        if let Some(NoHook::None { .. }) = self.nothing()
            && self.transition == LifecycleTransition::Terminating
            && self.empty < 2
        {
            self.ask_again(now);
        }
        !self.again
    }

    /// Whether it is not known yet if the hook has been replaced.
    pub(super) fn is_doubted(&self) -> bool {
        self.again
    }

    /// Auto Scaling has said in which group the instance is. Returns whether it was taken to be in another.
    pub(super) fn is_in(&mut self, group: &str, turn: &Turn<'_>) -> bool {
        if turn.policy.autoscaling.auto_scaling_group_name.is_some() {
            return false;
        }
        let other = self.group.as_ref().is_some_and(|(known, _)| known != group);
        if other {
            self.result = None;
            self.pace.set(turn.now);
        }
        if other || self.group.is_none() {
            self.pace.set(turn.now);
        }
        self.group = Some((group.to_owned(), true));
        other
    }

    /// Whether a hook was found, and only a tag says that it is of this instance's group.
    pub(super) fn wants_proof(&self) -> bool {
        self.found().is_some() && self.group.as_ref().is_some_and(|(_, sure)| !sure)
    }

    /// Nothing shows a lifecycle action in the tag's group. It may be a former group, while the hook of the
    /// current one times out.
    pub(super) fn doubt(&mut self, now: Moment) {
        if self.verify.failures() == 0 {
            self.verify.ask(now);
        }
    }

    /// The tag's group has such an action.
    pub(super) fn trust(&mut self) {
        if let Some((_, sure)) = &mut self.group {
            *sure = true;
        }
    }

    /// The question whether the tag's group is the right one has failed.
    pub(super) fn doubt_again(&mut self, failure: &Failure, turn: &mut Turn<'_>) {
        self.verify.failed(failure, turn);
    }

    /// Whether the answer to such a question is one that it waits for.
    pub(super) fn wants_group(&self, tags: bool) -> bool {
        self.group.is_none() && self.tags == tags
    }

    pub(super) fn absorb_group(
        &mut self,
        result: Result<Option<AutoScalingInstance>, Failure>,
        turn: &mut Turn<'_>,
    ) {
        match result {
            Ok(Some(found)) => {
                turn.good();
                let known = found.lifecycle_state.is_some();
                self.group = Some((found.group, known));
                self.pace.set(turn.now);
            }
            Ok(None) => {
                turn.good();
                self.none(NoHook::NotInAGroup, turn);
            }
            Err(failure) => {
                self.pace.failed(&failure, turn);
                self.hurry(turn.now);
            }
        }
    }

    pub(super) fn absorb_hooks(
        &mut self,
        result: Result<Vec<LifecycleHook>, Failure>,
        action: &Action,
        turn: &mut Turn<'_>,
    ) {
        let Action::DescribeLifecycleHooks { group, .. } = action else {
            return;
        };
        if self.group.as_ref().is_some_and(|(known, _)| known != group) {
            // The answer is about a group that the instance is not in.
            return;
        }
        let settings = &turn.policy.autoscaling;
        let configured = configured(self.transition, turn);
        let interval = |timeout| heartbeat_interval(timeout, settings.heartbeat_interval);
        match result {
            Ok(hooks) => {
                turn.good();
                self.pace.succeeded();
                // Another hook that is added later is somebody else's.
                let known = self.found().map(|found| found.hook.name.clone());
                let known = known.filter(|name| hooks.iter().any(|hook| hook.name == *name));
                match choose(&hooks, configured.or(known.as_ref()), group) {
                    Ok(hook) => {
                        let found = Found {
                            hook: HookRef::new(group, hook),
                            heartbeat_interval: interval(hook.heartbeat_timeout),
                            heartbeat_timeout: hook.heartbeat_timeout,
                            global_timeout: Some(hook.global_timeout),
                            foreign_target: foreign_target(hook, configured),
                        };
                        self.use_hook(found, turn);
                    }
                    // A tag may name a group that the instance has left.
                    Err(_) if self.group.as_ref().is_some_and(|(_, sure)| !sure) => {
                        self.group = None;
                        self.tags = false;
                        self.pace.set(turn.now);
                    }
                    Err(why) => {
                        let empty = matches!(why, NoHook::None { .. });
                        self.empty = if empty {
                            self.empty.saturating_add(1)
                        } else {
                            0
                        };
                        // The hook that was found before may time out meanwhile.
                        if self.empty == 1 && self.is_of(group) {
                            self.again = false;
                        } else {
                            self.none(why, turn);
                        }
                    }
                }
            }
            Err(failure) => {
                self.pace.failed(&failure, turn);
                let denied = failure.kind == FailureKind::Denied;
                if denied {
                    self.again = false;
                } else {
                    self.hurry(turn.now);
                }
                // A hook that is configured can time out while it cannot be read. The shortest HeartbeatTimeout is
                // assumed, and the hook is read again.
                if let Some(name) = configured
                    && failure.kind != FailureKind::Refused
                    && (denied || self.found().is_none())
                {
                    let (group, name) = (group.clone(), name.clone());
                    self.use_hook(Found::unread(HookRef { group, name }, turn), turn);
                    self.again = !denied;
                } else if failure.kind == FailureKind::Refused
                    && settings.auto_scaling_group_name.is_none()
                {
                    // The group of the tag does not exist. Auto Scaling is asked for the right one.
                    self.group = None;
                    self.tags = false;
                }
            }
        }
    }

    fn use_hook(&mut self, found: Found, turn: &mut Turn<'_>) {
        (self.again, self.empty) = (false, 0);
        if self.found() != Some(&found) {
            turn.say(Note::HookFound {
                hook: found.hook.clone(),
                heartbeat_interval: found.heartbeat_interval,
                global_timeout: found.global_timeout,
                foreign_target: found.foreign_target.clone(),
            });
        }
        self.result = Some(Ok(found));
    }

    fn none(&mut self, why: NoHook, turn: &mut Turn<'_>) {
        self.again = false;
        if self.nothing() != Some(&why) {
            turn.say(Note::NoHook {
                transition: self.transition,
                why: why.clone(),
            });
        }
        self.result = Some(Err(why));
    }

    pub(super) fn advance(&mut self, turn: &mut Turn<'_>) {
        if self.wants_proof() {
            if self.verify.due().is_none() {
                let soon = jitter(LEAST_HEARTBEAT_TIMEOUT / 2, 0, turn.seed);
                self.verify.set(self.began + soon);
            }
            ask(&mut self.verify, Action::FindGroup { tags: false }, turn);
        }
        if self.result.is_some() && !self.again {
            return;
        }
        let configured = turn.policy.autoscaling.auto_scaling_group_name.clone();
        let group = configured.or_else(|| self.group.as_ref().map(|(group, _)| group.clone()));
        let action = match group {
            Some(group) => Action::DescribeLifecycleHooks {
                group,
                transition: self.transition,
            },
            None => Action::FindGroup { tags: self.tags },
        };
        ask(&mut self.pace, action, turn);
    }
}

/// Asks, if it is due and not in progress.
fn ask(pace: &mut Pace, action: Action, turn: &mut Turn<'_>) {
    if !turn.is_flying(|flying| *flying == action) && pace.is_due(turn) {
        pace.set(turn.now + LOOK_AGAIN);
        turn.send(action);
    }
}

/// Whether the hook belongs to a service of AWS that completes it itself.
fn is_of_aws(name: &str) -> bool {
    name == MANAGED_DRAINING_HOOK || name.starts_with(CODE_DEPLOY_HOOKS)
}

/// The `NotificationTargetARN` of a terminating hook that is ours only because it is alone. Somebody had it
/// notify them, and may complete it. An owner that listens on EventBridge leaves no such trace.
pub fn foreign_target(hook: &LifecycleHook, configured: Option<&String>) -> Option<String> {
    let target = hook.notification_target.clone();
    target.filter(|_| configured.is_none() && hook.transition == LifecycleTransition::Terminating)
}

/// Ours is the configured hook, else the only candidate.
///
/// # Errors
/// Why none of them is.
pub fn choose<'a>(
    hooks: impl IntoIterator<Item = &'a LifecycleHook>,
    configured: Option<&String>,
    group: &str,
) -> Result<&'a LifecycleHook, NoHook> {
    let candidates: Vec<&LifecycleHook> = hooks
        .into_iter()
        .filter(|hook| !is_of_aws(&hook.name))
        .collect();
    let names = || candidates.iter().map(|hook| hook.name.clone()).collect();
    let group = group.to_owned();
    if let Some(configured) = configured {
        return candidates
            .iter()
            .find(|hook| hook.name == *configured)
            .copied()
            .ok_or_else(|| NoHook::Missing {
                group,
                configured: configured.clone(),
                names: names(),
            });
    }
    match candidates.as_slice() {
        [] => Err(NoHook::None { group }),
        [only] => Ok(only),
        _ => Err(NoHook::Ambiguous {
            group,
            names: names(),
        }),
    }
}
