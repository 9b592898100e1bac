//! Reading the world: look-ups for the simulated APIs and questions for tests.

use super::events::{TruthEvent, What};
use super::{GroupModel, InstanceModel, ServiceModel, StackModel, TaskModel, World};
use crate::spec::HostResources;

impl World {
    /// An instance, also one that is gone.
    pub fn instance(&self, id: &str) -> Option<&InstanceModel> {
        self.instances.get(id)
    }

    /// All instances, also those that are gone.
    pub fn instances(&self) -> impl Iterator<Item = &InstanceModel> {
        self.instances.values()
    }

    /// A task.
    pub fn task(&self, arn: &str) -> Option<&TaskModel> {
        self.tasks.get(arn)
    }

    /// The tasks of an instance, in the order of their placement.
    pub fn tasks_of<'a>(&'a self, instance: &str) -> impl Iterator<Item = &'a TaskModel> {
        let arns = self
            .instances
            .get(instance)
            .map(|i| i.tasks.as_slice())
            .unwrap_or_default();
        arns.iter().filter_map(|arn| self.tasks.get(arn))
    }

    /// A group.
    pub fn group(&self, name: &str) -> Option<&GroupModel> {
        self.groups.get(name)
    }

    /// A stack.
    pub fn stack(&self, name: &str) -> Option<&StackModel> {
        self.stacks.get(name)
    }

    /// The events of one instance.
    pub fn events_of<'a>(
        &'a self,
        instance: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a TruthEvent> {
        self.events().iter().filter(move |e| e.instance == instance)
    }

    /// The first event of an instance that `is` accepts.
    pub fn event_of(&self, instance: &str, is: impl Fn(&What) -> bool) -> Option<&TruthEvent> {
        self.events()
            .iter()
            .find(|e| e.instance == instance && is(&e.what))
    }

    /// ARNs of every task whose container was killed by the end of its instance. Empty is safe.
    pub fn killed(&self) -> Vec<String> {
        self.events()
            .iter()
            .filter_map(|e| match &e.what {
                What::Killed { task } => Some(task.clone()),
                _ => None,
            })
            .collect()
    }

    /// Every accepted completion so far, of all hooks, of one instance.
    pub fn completions(&self, instance: &str) -> u32 {
        self.instances
            .get(instance)
            .map(|i| i.completions.values().sum())
            .unwrap_or_default()
    }

    /// ARNs of tasks whose containers run on the instance, in truth.
    pub fn running_tasks(&self, instance: &str) -> Vec<String> {
        self.tasks_of(instance)
            .filter(|t| t.is_running())
            .map(|t| t.arn.clone())
            .collect()
    }

    /// What is left on the instance; ports are listed that are *taken*. What a task reserves is free once it
    /// is `STOPPED`.
    pub fn remaining(&self, instance: &InstanceModel) -> HostResources {
        let mut left = instance.resources.clone();
        let holds = |task: &&TaskModel| task.last_status(self.now()) != "STOPPED";
        for task in self.tasks_of(&instance.id).filter(holds) {
            let takes = &task.spec.reserves;
            left.cpu -= takes.cpu;
            left.memory -= takes.memory;
            left.ports.extend(takes.ports.iter().cloned());
        }
        left
    }

    /// Whether the instance is gone.
    pub fn is_gone(&self, instance: &str) -> bool {
        self.instances
            .get(instance)
            .is_some_and(InstanceModel::is_gone)
    }

    /// `runningTasksCount` and `pendingTasksCount`: as documented they leave out tasks that are
    /// `DEACTIVATING`, `STOPPING` or `DEPROVISIONING`.
    pub fn task_counts(&self, instance: &str) -> (usize, usize) {
        let arn = self.instance(instance).map(|i| &i.container_instance_arn);
        arn.map(|arn| self.counts_under(arn)).unwrap_or_default()
    }

    /// The same of one registration, by its ARN.
    pub(crate) fn counts_under(&self, arn: &str) -> (usize, usize) {
        let with = |status| {
            self.tasks
                .values()
                .filter(|t| t.registration == arn && t.last_status(self.now()) == status)
                .count()
        };
        (with("RUNNING"), with("PENDING"))
    }

    pub(crate) fn find_service(&self, cluster: &str, name: &str) -> Option<&ServiceModel> {
        self.services
            .iter()
            .find(|s| s.spec.cluster == cluster && s.spec.name == name)
    }
}
