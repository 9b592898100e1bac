//! Lifecycle hooks of an instance in a `:Wait` state: heartbeats, lapses, completions.

use std::time::Duration;

use super::World;
use super::agenda::Due;
use super::events::{What, Who};
use super::instance::PendingHook;
use super::states::LifecycleActionResult;
use crate::ids;
use crate::spec::HookSpec;

/// "No active Lifecycle Action found …": too early, already done, or never ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookError;

impl World {
    pub(crate) fn start_hooks(&mut self, id: &str, hooks: &[HookSpec], acceptance_delay: Duration) {
        let now = self.now();
        if let Some(instance) = self.instances.get_mut(id) {
            instance.hooks.clear();
        }
        for spec in hooks {
            let number = self.number("token");
            let pending = PendingHook {
                name: spec.name.clone(),
                token: ids::uuid(2, number),
                heartbeat_timeout: spec.heartbeat_timeout,
                heartbeat_deadline: now + spec.heartbeat_timeout,
                global_deadline: now + spec.effective_global_timeout(),
                accepting_from: now + acceptance_delay,
                default_result: spec.default_result,
                result: None,
            };
            self.event(
                id,
                What::HookPending {
                    hook: pending.name.clone(),
                    token: pending.token.clone(),
                },
            );
            let (instance, hook) = (id.to_owned(), pending.name.clone());
            self.schedule(
                pending.global_deadline,
                Due::Global {
                    instance: instance.clone(),
                    hook: hook.clone(),
                },
            );
            self.schedule(
                pending.heartbeat_deadline,
                Due::Heartbeat { instance, hook },
            );
            if let Some(instance) = self.instances.get_mut(id) {
                instance.hooks.push(pending);
            }
        }
    }

    /// `RecordLifecycleActionHeartbeat`: restarts the heartbeat clock, never the global one.
    pub fn heartbeat(
        &mut self,
        id: &str,
        hook: &str,
        token: Option<&str>,
    ) -> Result<(), HookError> {
        self.check_pending(id, hook, token)?;
        let now = self.now();
        let pending = self.hook_mut(id, hook).ok_or(HookError)?;
        pending.heartbeat_deadline = now + pending.heartbeat_timeout;
        let deadline = pending.heartbeat_deadline;
        self.schedule(
            deadline,
            Due::Heartbeat {
                instance: id.to_owned(),
                hook: hook.to_owned(),
            },
        );
        self.event(
            id,
            What::HookHeartbeat {
                hook: hook.to_owned(),
            },
        );
        Ok(())
    }

    /// `CompleteLifecycleAction`.
    pub fn complete(
        &mut self,
        id: &str,
        hook: &str,
        token: Option<&str>,
        result: LifecycleActionResult,
        by: Who,
    ) -> Result<(), HookError> {
        self.check_pending(id, hook, token)?;
        if let Some(instance) = self.instances.get_mut(id) {
            *instance.completions.entry(hook.to_owned()).or_default() += 1;
        }
        self.event(
            id,
            What::HookCompleted {
                hook: hook.to_owned(),
                result,
                by,
            },
        );
        self.finish_hook(id, hook, result);
        Ok(())
    }

    pub(crate) fn heartbeat_due(&mut self, id: &str, hook: &str) {
        let now = self.now();
        let Some(pending) = self.instances.get(id).and_then(|i| i.pending_hook(hook)) else {
            return;
        };
        if pending.heartbeat_deadline != now {
            return;
        }
        let default_result = pending.default_result;
        self.event(
            id,
            What::HeartbeatLapsed {
                hook: hook.to_owned(),
                default_result,
            },
        );
        self.finish_hook(id, hook, default_result);
    }

    pub(crate) fn global_due(&mut self, id: &str, hook: &str) {
        let now = self.now();
        let Some(pending) = self.instances.get(id).and_then(|i| i.pending_hook(hook)) else {
            return;
        };
        if pending.global_deadline != now {
            return;
        }
        let default_result = pending.default_result;
        self.event(
            id,
            What::GlobalTimeoutExpired {
                hook: hook.to_owned(),
                default_result,
            },
        );
        self.finish_hook(id, hook, default_result);
    }

    /// The instance whose hook has this token.
    pub(crate) fn instance_of_token(&self, token: &str) -> Option<String> {
        self.instances
            .values()
            .find(|i| i.hooks.iter().any(|h| h.token == token))
            .map(|i| i.id.clone())
    }

    fn check_pending(&self, id: &str, hook: &str, token: Option<&str>) -> Result<(), HookError> {
        let pending = self
            .instances
            .get(id)
            .and_then(|i| i.pending_hook(hook))
            .ok_or(HookError)?;
        let token_fits = token.is_none_or(|t| t == pending.token);
        if token_fits && self.now() >= pending.accepting_from {
            Ok(())
        } else {
            Err(HookError)
        }
    }

    fn finish_hook(&mut self, id: &str, hook: &str, result: LifecycleActionResult) {
        if let Some(pending) = self.hook_mut(id, hook) {
            pending.result = Some(result);
        }
        let abandoned = result == LifecycleActionResult::Abandon;
        let all_done = self
            .instances
            .get(id)
            .is_some_and(|i| i.hooks.iter().all(|h| h.result.is_some()));
        if abandoned || all_done {
            self.proceed(id, abandoned);
        }
    }

    fn hook_mut(&mut self, id: &str, hook: &str) -> Option<&mut PendingHook> {
        self.instances
            .get_mut(id)?
            .hooks
            .iter_mut()
            .find(|h| h.name == hook)
    }
}
