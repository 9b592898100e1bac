//! Warm pool, standby, detachment: ways out of service that do not end the instance.
//!
//! On its way into the warm pool an instance runs the group's terminating hooks like any other.

use super::World;
use super::agenda::Due;
use super::events::What;
use super::instance::Destination;
use super::states::{LifecycleState, TargetLifecycleState};

impl World {
    /// Sends an instance to the warm pool. `state` is one of the `Warmed:*` target states.
    pub fn send_to_warm_pool(&mut self, id: &str, state: TargetLifecycleState) -> bool {
        self.leave_service(id, Some(state), Destination::WarmPool(state))
    }

    /// Terminating hooks are done: into the pool. Containers are not killed, but if some still run
    /// while the instance is stopped or hibernated, `Suspended` says so.
    pub(crate) fn land_in_pool(&mut self, id: &str, target: TargetLifecycleState) {
        let returning = self
            .instances
            .get_mut(id)
            .map(|i| std::mem::take(&mut i.returning));
        if returning != Some(true) {
            self.set_lifecycle(id, Some(LifecycleState::WarmedPending));
        }
        let state = match target {
            TargetLifecycleState::WarmedStopped => LifecycleState::WarmedStopped,
            TargetLifecycleState::WarmedHibernated => LifecycleState::WarmedHibernated,
            TargetLifecycleState::WarmedRunning => LifecycleState::WarmedRunning,
            _ => return self.end_instance(id, "terminated in the warm pool"),
        };
        if state != LifecycleState::WarmedRunning {
            for task in self.running_tasks(id) {
                self.event(id, What::Suspended { task });
            }
        }
        self.set_lifecycle(id, Some(state));
    }

    /// Takes an instance back into service from the warm pool: `Pending`, launching hooks, `InService`.
    pub fn return_to_service(&mut self, id: &str) -> bool {
        let Some(instance) = self.instances.get_mut(id) else {
            return false;
        };
        let back = matches!(
            instance.lifecycle_state,
            Some(
                LifecycleState::WarmedStopped
                    | LifecycleState::WarmedHibernated
                    | LifecycleState::WarmedRunning
                    | LifecycleState::Standby
                    | LifecycleState::TerminatingRetained
            )
        );
        if !back {
            return false;
        }
        instance.destination = Destination::Gone;
        let stopped = matches!(
            instance.lifecycle_state,
            Some(LifecycleState::WarmedStopped | LifecycleState::WarmedHibernated)
        );
        if stopped {
            // Started again: EC2 counts that as its launch.
            instance.launched_at = self.calendar.since_1970(self.now);
        }
        self.set_target(id, TargetLifecycleState::InService);
        let epoch = self.set_lifecycle(id, Some(LifecycleState::Pending));
        let at = self.now() + self.group_of(id).map(|g| g.wait_delay).unwrap_or_default();
        self.schedule(
            at,
            Due::EnterWait {
                instance: id.to_owned(),
                epoch,
            },
        );
        true
    }

    /// Puts an instance on standby (no hooks run).
    pub fn enter_standby(&mut self, id: &str) -> bool {
        if !self.is_in_service(id) {
            return false;
        }
        self.set_target(id, TargetLifecycleState::Standby);
        self.set_lifecycle(id, Some(LifecycleState::EnteringStandby));
        self.set_lifecycle(id, Some(LifecycleState::Standby));
        true
    }

    /// Takes an instance back from standby. Launching hooks do not run for that.
    pub fn exit_standby(&mut self, id: &str) -> bool {
        if self.instances.get(id).and_then(|i| i.lifecycle_state) != Some(LifecycleState::Standby) {
            return false;
        }
        self.set_target(id, TargetLifecycleState::InService);
        self.set_lifecycle(id, Some(LifecycleState::Pending));
        self.set_lifecycle(id, Some(LifecycleState::InService));
        true
    }

    /// Detaches an instance from its group: it lives on by itself.
    pub fn detach(&mut self, id: &str) -> bool {
        if !self.is_in_service(id) {
            return false;
        }
        self.set_target(id, TargetLifecycleState::Detached);
        self.set_lifecycle(id, Some(LifecycleState::Detaching));
        self.set_lifecycle(id, None);
        true
    }

    fn is_in_service(&self, id: &str) -> bool {
        self.instances.get(id).and_then(|i| i.lifecycle_state) == Some(LifecycleState::InService)
    }
}
