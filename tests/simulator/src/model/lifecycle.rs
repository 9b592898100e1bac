//! Auto Scaling's state machine of an instance.
//!
//! ```text
//! Pending ──▶ Pending:Wait ──▶ Pending:Proceed ──▶ InService
//! Warmed:Pending ──▶ Warmed:Pending:Wait ──▶ Warmed:Pending:Proceed ──▶ Warmed:*   (launched into the pool)
//! InService ──▶ Warmed:Pending ──▶ Warmed:Pending:Wait ──▶ … ──▶ Warmed:*   (back to the pool, with pool_states)
//! InService ──▶ Terminating ──▶ Terminating:Wait ──▶ Terminating:Proceed ──▶ gone
//!               (wait_delay)    (hooks pending)  │   (terminate_delay)  └──▶ Warmed:Pending ──▶ Warmed:*
//!                                                └──▶ Terminating:Retained (ABANDON, if the group retains)
//! InService ──▶ ReplacingRootVolume ──▶ …:Wait ──▶ …:Proceed ──▶ RootVolumeReplaced ──▶ Pending   (`replacing`)
//! ```
//!
//! Containers that still run at `Terminating:Proceed` are killed there (`ending`).

use super::World;
use super::agenda::Due;
use super::events::What;
use super::instance::Destination;
use super::states::{HookTransition, LifecycleState, TargetLifecycleState};
use crate::spec::GroupSpec;

impl World {
    /// Has Auto Scaling terminate an instance (scale-in, instance refresh, …). Returns whether it
    /// was not on its way out already.
    pub fn terminate(&mut self, id: &str) -> bool {
        let target = Some(TargetLifecycleState::Terminated);
        self.leave_service(id, target, Destination::Gone)
    }

    /// Sets the target state and starts on the terminating hooks.
    pub(crate) fn leave_service(
        &mut self,
        id: &str,
        target: Option<TargetLifecycleState>,
        to: Destination,
    ) -> bool {
        let Some(lead) = self.group_of(id).map(|g| g.target_lead) else {
            return false;
        };
        let leaving = self
            .instances
            .get(id)
            .and_then(|i| i.lifecycle_state)
            .is_none_or(LifecycleState::is_terminating);
        if leaving {
            return false;
        }
        if let Some(target) = target {
            self.set_target(id, target);
        }
        let Some(instance) = self.instances.get_mut(id) else {
            return false;
        };
        instance.target_lifecycle_state = target;
        instance.destination = to;
        let epoch = instance.epoch;
        if lead.is_zero() {
            self.leave(id, epoch);
        } else {
            let (at, instance) = (self.now() + lead, id.to_owned());
            self.schedule(at, Due::Leave { instance, epoch });
        }
        true
    }

    /// The group's own state follows the target state.
    pub(crate) fn leave(&mut self, id: &str, epoch: u64) {
        let Some((delay, pool_states)) = self.group_of(id).map(|g| (g.wait_delay, g.pool_states))
        else {
            return;
        };
        let Some(instance) = self.instances.get_mut(id).filter(|i| i.epoch == epoch) else {
            return;
        };
        let to_pool = matches!(instance.destination, Destination::WarmPool(_));
        instance.returning = pool_states && to_pool;
        let state = match instance.destination {
            Destination::NewRootVolume => LifecycleState::ReplacingRootVolume,
            _ if instance.returning => LifecycleState::WarmedPending,
            _ => LifecycleState::Terminating,
        };
        let epoch = self.set_lifecycle(id, Some(state));
        let (at, instance) = (self.now() + delay, id.to_owned());
        self.schedule(at, Due::EnterWait { instance, epoch });
    }

    /// Sets what the metadata shows as the target state.
    pub fn set_target(&mut self, id: &str, target: TargetLifecycleState) {
        if let Some(instance) = self.instances.get_mut(id)
            && instance.target_lifecycle_state != Some(target)
        {
            instance.target_lifecycle_state = Some(target);
            self.event(id, What::TargetStateSet(target));
        }
    }

    /// Sets the current state; transitions scheduled before are void. Returns the new epoch.
    pub(crate) fn set_lifecycle(&mut self, id: &str, to: Option<LifecycleState>) -> u64 {
        let Some(instance) = self.instances.get_mut(id) else {
            return 0;
        };
        let from = instance.lifecycle_state;
        if from == to {
            return instance.epoch;
        }
        instance.lifecycle_state = to;
        if to == Some(LifecycleState::InService) {
            instance.in_service_since = Some(self.now);
        }
        instance.epoch += 1;
        let epoch = instance.epoch;
        self.event(id, What::LifecycleStateChanged { from, to });
        epoch
    }

    pub(crate) fn enter_wait(&mut self, id: &str, epoch: u64) {
        let Some(state) = self.state_at(id, epoch) else {
            return;
        };
        let (wait, transition) = match state {
            LifecycleState::Pending => (LifecycleState::PendingWait, HookTransition::Launching),
            LifecycleState::WarmedPending if self.is_returning(id) => (
                LifecycleState::WarmedPendingWait,
                HookTransition::Terminating,
            ),
            LifecycleState::WarmedPending => {
                (LifecycleState::WarmedPendingWait, HookTransition::Launching)
            }
            LifecycleState::Terminating => {
                (LifecycleState::TerminatingWait, HookTransition::Terminating)
            }
            LifecycleState::ReplacingRootVolume => (
                LifecycleState::ReplacingRootVolumeWait,
                HookTransition::Terminating,
            ),
            _ => return,
        };
        let Some(group) = self.group_of(id) else {
            return;
        };
        let delay = group.acceptance_delay;
        let hooks: Vec<_> = group
            .hooks
            .iter()
            .filter(|h| h.transition == transition)
            .cloned()
            .collect();
        if hooks.is_empty() {
            self.proceed(id, false);
            return;
        }
        self.set_lifecycle(id, Some(wait));
        self.start_hooks(id, &hooks, delay);
    }

    /// All hooks of the present `:Wait` are done.
    pub(crate) fn proceed(&mut self, id: &str, abandoned: bool) {
        let Some(instance) = self.instances.get(id) else {
            return;
        };
        let destination = instance.destination;
        let next = match instance.lifecycle_state {
            Some(LifecycleState::Pending | LifecycleState::PendingWait) => {
                Some(LifecycleState::PendingProceed)
            }
            Some(LifecycleState::WarmedPending | LifecycleState::WarmedPendingWait) => {
                Some(LifecycleState::WarmedPendingProceed)
            }
            _ => None,
        };
        let Some((retain, delay)) = self
            .group_of(id)
            .map(|g| (g.retain_on_abandon, g.terminate_delay))
        else {
            return;
        };
        let at = self.now() + delay;
        if next.is_some() && abandoned {
            self.terminate(id);
        } else if let Some(next) = next {
            let epoch = self.set_lifecycle(id, Some(next));
            self.schedule(
                at,
                Due::Arrive {
                    instance: id.to_owned(),
                    epoch,
                },
            );
        } else if abandoned && retain && destination == Destination::Gone {
            self.set_lifecycle(id, Some(LifecycleState::TerminatingRetained));
        } else {
            let state = match destination {
                Destination::NewRootVolume => LifecycleState::ReplacingRootVolumeProceed,
                _ => LifecycleState::TerminatingProceed,
            };
            let epoch = self.set_lifecycle(id, Some(state));
            if !matches!(destination, Destination::WarmPool(_)) {
                self.kill_containers(id);
            }
            self.schedule(
                at,
                Due::Arrive {
                    instance: id.to_owned(),
                    epoch,
                },
            );
        }
    }

    /// The end of a transition that takes its time.
    pub(crate) fn arrive(&mut self, id: &str, epoch: u64) {
        let Some(state) = self.state_at(id, epoch) else {
            return;
        };
        let Some(destination) = self.instances.get(id).map(|i| i.destination) else {
            return;
        };
        match (state, destination) {
            (LifecycleState::PendingProceed, _) => {
                self.set_lifecycle(id, Some(LifecycleState::InService));
            }
            (LifecycleState::ReplacingRootVolumeProceed, _) => {
                self.set_lifecycle(id, Some(LifecycleState::RootVolumeReplaced));
            }
            (LifecycleState::TerminatingProceed, Destination::Gone) => {
                self.end_instance(id, "terminated by Auto Scaling");
            }
            (
                LifecycleState::WarmedPendingProceed | LifecycleState::TerminatingProceed,
                Destination::WarmPool(target),
            ) => self.land_in_pool(id, target),
            _ => {}
        }
    }

    fn is_returning(&self, id: &str) -> bool {
        self.instances.get(id).is_some_and(|i| i.returning)
    }

    /// The state, unless it has changed since `epoch`.
    fn state_at(&self, id: &str, epoch: u64) -> Option<LifecycleState> {
        self.instances
            .get(id)
            .filter(|i| i.epoch == epoch)
            .and_then(|i| i.lifecycle_state)
    }

    pub(crate) fn group_of(&self, id: &str) -> Option<&GroupSpec> {
        let group = self.instances.get(id)?.group.as_ref()?;
        self.groups.get(group).map(|g| &g.spec)
    }
}
