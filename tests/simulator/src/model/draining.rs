//! What ECS does with the tasks of a container instance that is set to `DRAINING`.
//!
//! `PENDING` service tasks stop at once; `RUNNING` ones once they are replaced and no longer
//! protected; daemon tasks when no other service task is left; standalone tasks are left alone.

use super::World;
use super::agenda::Due;
use super::events::{What, Who};
use super::states::ContainerInstanceStatus;
use super::task::Container;
use crate::spec::TaskKind;

/// `stoppedReason` of a task that draining stops.
const REASON: &str = "Scaling activity initiated by (deployment ecs-svc/0000000000000000000)";

impl World {
    /// Sets a container instance's status, as a caller, an operator or AWS itself does.
    pub fn set_container_instance_status(
        &mut self,
        id: &str,
        to: ContainerInstanceStatus,
        by: Who,
    ) {
        let Some(instance) = self.instances.get_mut(id) else {
            return;
        };
        let from = instance.status;
        if from == to {
            return;
        }
        instance.status = to;
        self.event(id, What::ContainerInstanceStatusChanged { from, to, by });
        match to {
            ContainerInstanceStatus::Draining => self.start_draining(id),
            ContainerInstanceStatus::Active => {
                self.cancel_stops(id);
                self.schedule_next(id);
            }
            _ => {}
        }
    }

    fn start_draining(&mut self, id: &str) {
        let now = self.now();
        let Some(instance) = self.instances.get(id) else {
            return;
        };
        for arn in instance.tasks.clone() {
            let Some(task) = self
                .tasks
                .get(&arn)
                .filter(|t| t.told_at.is_none() && !t.is_over() && !t.api_stopped(now))
            else {
                continue;
            };
            match (&task.spec.kind, task.container) {
                (TaskKind::Standalone, _) => {}
                (_, Container::Pending) => self.tell_to_stop(&arn, REASON),
                // Its scheduler tells it to stop once another one is healthy.
                (TaskKind::Service { .. }, _) if self.is_scheduled(&arn) => {}
                (TaskKind::Service { .. }, _) => self.schedule_stop(&arn),
                (TaskKind::Daemon { .. }, _) => {}
            }
        }
        let Some(instance) = self.instances.get_mut(id) else {
            return;
        };
        for spec in std::mem::take(&mut instance.arrivals) {
            let delay = spec.after_draining.unwrap_or_default();
            self.place_later(id, spec, delay);
        }
        self.daemon_check(id);
    }

    /// Back to `ACTIVE`: stops that have not begun are called off.
    fn cancel_stops(&mut self, id: &str) {
        let tasks = self
            .instances
            .get(id)
            .map(|i| i.tasks.clone())
            .unwrap_or_default();
        for arn in tasks {
            if let Some(task) = self.tasks.get_mut(&arn) {
                task.stop_due = None;
            }
        }
    }

    /// Plans when ECS tells a running task to stop: when replaced, and no longer protected.
    pub(crate) fn schedule_stop(&mut self, arn: &str) {
        let now = self.now();
        let Some(task) = self.tasks.get_mut(arn).filter(|t| t.stop_due.is_none()) else {
            return;
        };
        let replaced = now + task.spec.replacement_delay;
        let at = replaced.max(task.placed_at + task.spec.protected_for);
        task.stop_due = Some(at);
        self.schedule(
            at,
            Due::TellToStop {
                task: arn.to_owned(),
            },
        );
    }

    pub(crate) fn tell_to_stop_due(&mut self, arn: &str) {
        if self
            .tasks
            .get(arn)
            .is_some_and(|t| t.stop_due == Some(self.now()))
        {
            self.tell_to_stop(arn, REASON);
        }
    }

    /// Daemon tasks go once ECS sees every other service task of the instance stopped.
    pub(crate) fn daemon_check(&mut self, id: &str) {
        let now = self.now();
        let Some(instance) = self.instances.get(id) else {
            return;
        };
        if instance.status != ContainerInstanceStatus::Draining {
            return;
        }
        let tasks: Vec<_> = instance
            .tasks
            .iter()
            .filter_map(|arn| self.tasks.get(arn))
            .collect();
        let others_left = tasks
            .iter()
            .any(|t| matches!(t.spec.kind, TaskKind::Service { .. }) && !t.api_stopped(now));
        if others_left {
            return;
        }
        let daemons: Vec<_> = tasks
            .iter()
            .filter(|t| {
                matches!(t.spec.kind, TaskKind::Daemon { .. })
                    && t.is_running()
                    && t.told_at.is_none()
            })
            .map(|t| t.arn.clone())
            .collect();
        for arn in daemons {
            self.schedule_stop(&arn);
        }
    }
}
