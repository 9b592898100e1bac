//! An ECS agent that loses its data and registers anew, and a scheduler that uses what is `ACTIVE`.

use std::time::Duration;

use super::World;
use super::agenda::Due;
use super::events::What;
use super::instance::InstanceModel;
use super::states::ContainerInstanceStatus;
use crate::ids;
use crate::spec::TaskSpec;

impl World {
    /// The ECS agent loses its data: introspection lists none of the tasks so far, whose containers go on.
    pub fn forget_tasks(&mut self, id: &str) {
        for task in self.tasks.values_mut().filter(|t| t.instance == id) {
            task.forgotten = true;
        }
    }

    /// The ECS agent registers a second container instance, `ACTIVE`, beside the one it had, which ECS keeps as
    /// it was, disconnected. ECS calls the tasks of the first one `STOPPED`, though their containers go on.
    pub fn register_anew(&mut self, id: &str) {
        self.lose_registration(id);
        self.event(id, What::ContainerInstanceRegistered);
        self.schedule_next(id);
    }

    /// The next registration of its ECS agent is another one.
    pub(crate) fn lose_registration(&mut self, id: &str) {
        self.forget_tasks(id);
        let now = self.now();
        for task in self.tasks.values_mut().filter(|t| t.instance == id) {
            task.api_stopped_at.get_or_insert(now);
        }
        let number = self.number("registration");
        let Some(instance) = self.instances.get(id) else {
            return;
        };
        let name = ids::hex32(3, number);
        let arn = self.ecs_arn(&format!("container-instance/{}/{name}", instance.cluster));
        if let Some(instance) = self.instances.get_mut(id) {
            let former = std::mem::replace(&mut instance.container_instance_arn, arn);
            instance.former.insert(former, instance.status);
            instance.status = ContainerInstanceStatus::Active;
        }
    }

    /// From now on the scheduler places this task whenever the instance is `ACTIVE`, so long after it became so.
    pub fn schedule_whenever_active(&mut self, id: &str, task: TaskSpec, after: Duration) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.scheduled = Some((task, after));
        }
        self.schedule_next(id);
    }

    pub(crate) fn schedule_next(&mut self, id: &str) {
        let Some(instance) = self.instances.get(id).filter(|i| takes_tasks(i)) else {
            return;
        };
        if let Some((_, after)) = &instance.scheduled {
            let arn = instance.container_instance_arn.clone();
            let (at, instance) = (self.now() + *after, id.to_owned());
            self.schedule(at, Due::Schedule { instance, arn });
        }
    }

    pub(crate) fn schedule_due(&mut self, id: &str, arn: &str) {
        let instance = self.instances.get(id).filter(|i| takes_tasks(i));
        let same = instance.filter(|i| i.container_instance_arn == arn);
        if let Some((task, _)) = same.and_then(|i| i.scheduled.clone()) {
            self.place_task(id, task);
        }
    }
}

fn takes_tasks(instance: &InstanceModel) -> bool {
    instance.status == ContainerInstanceStatus::Active && !instance.is_gone()
}
