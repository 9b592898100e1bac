//! Which lifecycle action is ours to complete?
//!
//! Two calls at most: which group, and which hooks it has. Ours is the configured one, else the only
//! hook of the transition that is not AWS's own. Where that is not clear, nothing is completed: to release
//! somebody else's hook could end an instance that they still need, or let one into service too early.

use std::time::Duration;

use super::super::action::{Action, HookRef};
use super::super::call::Call;
use super::super::facts::{
    AutoScalingInstance, Failure, FailureKind, LifecycleHook, LifecycleTransition,
};
use super::super::health::{Dependency, Health};
use super::super::note::Note;
use super::super::{Turn, Wake};

/// The hook of ECS's managed draining: never ours.
pub const MANAGED_DRAINING_HOOK: &str = "ecs-managed-draining-termination-hook";

/// CodeDeploy installs launching hooks of its own, named like this and an id.
const CODE_DEPLOY_HOOKS: &str = "CodeDeploy-managed-automatic-launch-deployment-hook-";

/// HeartbeatTimeout is 30 s at the least, so a third of that is safe for a hook that may not be described.
const BLIND_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

const FIND_GROUP: &str = "autoscaling:DescribeAutoScalingInstances";
const DESCRIBE_HOOKS: &str = "autoscaling:DescribeLifecycleHooks";

/// The search for the hook.
#[derive(Clone, Debug, PartialEq)]
pub enum HookSearch {
    /// There is no lifecycle action: a Spot interruption.
    NotWanted,
    /// Which group is it?
    FindingGroup {
        /// `DescribeAutoScalingInstances`, where the tag will not do.
        call: Call,
        /// Whether the instance's tag will do.
        tags: bool,
        /// Of which transition the hook is to be.
        transition: LifecycleTransition,
    },
    /// Which hooks does it have?
    FindingHook {
        /// `AutoScalingGroupName`
        group: String,
        /// `DescribeLifecycleHooks`
        call: Call,
        /// Of which transition the hook is to be.
        transition: LifecycleTransition,
    },
    /// This one.
    Found(Found),
    /// None that is ours.
    Nothing(NoHook),
}

/// The hook that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub hook: HookRef,
    /// How often it is kept waiting.
    pub heartbeat_interval: Duration,
    /// How long it can be kept waiting at the most, where known.
    pub global_timeout: Option<Duration>,
}

/// Why there is no hook to complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoHook {
    /// Auto Scaling does not know the instance.
    NotInAGroup,
    /// The group has no hook of the transition that could be ours.
    None {
        /// `AutoScalingGroupName`
        group: String,
    },
    /// The group has several, and none is configured.
    Ambiguous {
        /// `AutoScalingGroupName`
        group: String,
        /// Their names.
        names: Vec<String>,
    },
    /// The configured one is not among them.
    Missing {
        /// `AutoScalingGroupName`
        group: String,
        /// What is configured.
        configured: String,
        /// What there is.
        names: Vec<String>,
    },
}

impl HookSearch {
    /// A search for the hook of `transition`; `None` where there is no lifecycle action to complete.
    pub(crate) fn begin(transition: Option<LifecycleTransition>, turn: &Turn<'_>) -> Self {
        let Some(transition) = transition else {
            return Self::NotWanted;
        };
        match &turn.policy.autoscaling.auto_scaling_group_name {
            Some(group) => Self::FindingHook {
                group: group.clone(),
                call: Call::due_at(turn.now),
                transition,
            },
            None => Self::FindingGroup {
                call: Call::due_at(turn.now),
                tags: true,
                transition,
            },
        }
    }

    /// The hook, once it is found.
    pub fn found(&self) -> Option<&Found> {
        if let Self::Found(found) = self {
            Some(found)
        } else {
            None
        }
    }

    /// Why there is none to complete, once that is known.
    pub fn nothing(&self) -> Option<&NoHook> {
        if let Self::Nothing(why) = self {
            Some(why)
        } else {
            None
        }
    }

    /// Whether there is still hope for one.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::FindingGroup { .. } | Self::FindingHook { .. })
    }

    pub(crate) fn absorb_group(
        &mut self,
        result: Result<Option<AutoScalingInstance>, Failure>,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        let Self::FindingGroup {
            call,
            tags,
            transition,
        } = self
        else {
            return;
        };
        let transition = *transition;
        match result {
            Ok(Some(found)) => {
                turn.good(health, Dependency::AutoScaling);
                let call = if *tags {
                    Call::due_at(turn.now)
                } else {
                    // Here for the second time: a group that is refused again is asked for ever later.
                    call.go_on(turn.now);
                    call.clone()
                };
                *self = Self::FindingHook {
                    group: found.group,
                    call,
                    transition,
                };
            }
            Ok(None) => {
                turn.good(health, Dependency::AutoScaling);
                self.none(transition, NoHook::NotInAGroup, turn);
            }
            Err(failure) => {
                turn.call_failed(call, health, Dependency::AutoScaling, FIND_GROUP, &failure);
            }
        }
    }

    pub(crate) fn absorb_hooks(
        &mut self,
        result: Result<Vec<LifecycleHook>, Failure>,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        let Self::FindingHook {
            group,
            call,
            transition,
        } = self
        else {
            return;
        };
        let transition = *transition;
        let settings = &turn.policy.autoscaling;
        let configured = match transition {
            LifecycleTransition::Launching => settings.launch_hook_name.as_ref(),
            LifecycleTransition::Terminating => settings.lifecycle_hook_name.as_ref(),
        };
        let interval = turn.policy.autoscaling.heartbeat_interval;
        match result {
            Ok(hooks) => {
                turn.good(health, Dependency::AutoScaling);
                match choose(&hooks, configured, group) {
                    Ok(hook) => {
                        let found = Found {
                            hook: HookRef::new(group, hook),
                            heartbeat_interval: interval.unwrap_or(hook.heartbeat_timeout / 3),
                            global_timeout: Some(hook.global_timeout),
                        };
                        self.use_hook(found, turn);
                    }
                    Err(why) => self.none(transition, why, turn),
                }
            }
            Err(failure) => {
                turn.call_failed(
                    call,
                    health,
                    Dependency::AutoScaling,
                    DESCRIBE_HOOKS,
                    &failure,
                );
                // What is configured in full needs no description, only a careful heartbeat.
                if let (FailureKind::Denied, Some(name)) = (failure.kind, configured) {
                    let found = Found {
                        hook: HookRef {
                            group: group.clone(),
                            name: name.clone(),
                        },
                        heartbeat_interval: interval.unwrap_or(BLIND_HEARTBEAT_INTERVAL),
                        global_timeout: None,
                    };
                    self.use_hook(found, turn);
                } else if failure.kind == FailureKind::Refused
                    && turn.policy.autoscaling.auto_scaling_group_name.is_none()
                {
                    // No group of that name: a tag may say anything, and Auto Scaling knows.
                    *self = Self::FindingGroup {
                        call: call.clone(),
                        tags: false,
                        transition,
                    };
                }
            }
        }
    }

    fn use_hook(&mut self, found: Found, turn: &mut Turn<'_>) {
        turn.say(Note::HookFound {
            hook: found.hook.clone(),
            heartbeat_interval: found.heartbeat_interval,
            global_timeout: found.global_timeout,
        });
        *self = Self::Found(found);
    }

    fn none(&mut self, transition: LifecycleTransition, why: NoHook, turn: &mut Turn<'_>) {
        turn.say(Note::NoHook {
            transition,
            why: why.clone(),
        });
        *self = Self::Nothing(why);
    }

    pub(crate) fn advance(&mut self, turn: &mut Turn<'_>) {
        match self {
            Self::FindingGroup { call, tags, .. } => {
                if call.start(turn.now) {
                    turn.act(Action::FindGroup { tags: *tags });
                }
            }
            Self::FindingHook {
                group,
                call,
                transition,
            } => {
                if call.start(turn.now) {
                    turn.act(Action::DescribeLifecycleHooks {
                        group: group.clone(),
                        transition: *transition,
                    });
                }
            }
            Self::NotWanted | Self::Found(_) | Self::Nothing(_) => {}
        }
    }

    pub(crate) fn wake(&self, wake: &mut Wake) {
        if let Self::FindingGroup { call, .. } | Self::FindingHook { call, .. } = self {
            wake.consider(call.wake_at());
        }
    }
}

/// Whether the hook belongs to a service of AWS that completes it itself.
fn is_of_aws(name: &str) -> bool {
    name == MANAGED_DRAINING_HOOK || name.starts_with(CODE_DEPLOY_HOOKS)
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
