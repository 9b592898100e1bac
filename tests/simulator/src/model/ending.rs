//! Ends of instances, and what they do to containers.

use super::World;
use super::events::{What, Who};
use super::states::ContainerInstanceStatus;
use super::task::Container;

impl World {
    /// Every container that still runs on the instance is killed, each one recorded.
    pub(crate) fn kill_containers(&mut self, id: &str) {
        let now = self.now();
        let tasks = self
            .instances
            .get(id)
            .map(|i| i.tasks.clone())
            .unwrap_or_default();
        for arn in tasks {
            let Some(task) = self.tasks.get_mut(&arn).filter(|t| !t.is_over()) else {
                continue;
            };
            let was_running = task.is_running();
            task.container = Container::Killed;
            task.gone_at = Some(now);
            let stopped = task.api_stopped_at.map_or(now, |at| at.min(now));
            task.api_stopped_at = Some(stopped);
            task.stopped_reason
                .get_or_insert_with(|| "Host EC2 terminated.".to_owned());
            if was_running {
                self.event(id, What::Killed { task: arn });
            }
        }
    }

    /// The instance exists no more.
    pub(crate) fn end_instance(&mut self, id: &str, reason: &str) {
        let now = self.now();
        let Some(instance) = self.instances.get_mut(id).filter(|i| i.gone_at.is_none()) else {
            return;
        };
        instance.gone_at = Some(now);
        instance.ecs_agent_up = false;
        self.kill_containers(id);
        self.set_lifecycle(id, None);
        self.set_container_instance_status(id, ContainerInstanceStatus::Inactive, Who::Aws);
        self.event(
            id,
            What::InstanceGone {
                reason: reason.to_owned(),
            },
        );
    }

    /// Termination by the EC2 API or console: no hook is waited for, the OS is shut down at once.
    pub fn terminate_outside_auto_scaling(&mut self, id: &str) {
        self.end_instance(id, "terminated by the EC2 API");
    }

    /// The time of a Spot interruption has come.
    pub(crate) fn spot_time(&mut self, id: &str) {
        let now = self.now();
        let Some((action, at)) = self.instances.get(id).and_then(|i| i.spot) else {
            return;
        };
        if at == now {
            self.end_instance(id, &format!("Spot interruption ({action})"));
        }
    }
}
