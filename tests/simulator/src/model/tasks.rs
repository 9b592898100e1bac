//! The life of a task: placed, running, told to stop, gone.

use super::World;
use super::agenda::Due;
use super::events::{What, Who};
use super::states::ContainerInstanceStatus;
use super::task::{Container, TaskModel};
use crate::ids;
use crate::spec::{ServiceSpec, TaskKind, TaskSpec};

impl World {
    /// Places a task on an instance and returns its ARN. A task that is to come only some time
    /// after `DRAINING` has no ARN before.
    pub fn place_task(&mut self, id: &str, spec: TaskSpec) -> Option<String> {
        let now = self.now();
        let instance = self.instances.get_mut(id).filter(|i| i.gone_at.is_none())?;
        if let Some(delay) = spec.after_draining {
            if instance.status == ContainerInstanceStatus::Draining {
                self.place_later(id, spec, delay);
            } else {
                instance.arrivals.push(spec);
            }
            return None;
        }
        let cluster = instance.cluster.clone();
        let registration = instance.container_instance_arn.clone();
        let number = self.number("task");
        let arn = self.ecs_arn(&format!("task/{cluster}/{}", ids::hex32(2, number)));
        if let Some(name) = spec.kind.service() {
            let daemon = matches!(spec.kind, TaskKind::Daemon { .. });
            self.add_service(if daemon {
                ServiceSpec::daemon(&cluster, name)
            } else {
                ServiceSpec::replica(&cluster, name)
            });
        }
        let starts = now + spec.pending_for;
        let task = TaskModel {
            arn: arn.clone(),
            cluster,
            instance: id.to_owned(),
            registration,
            forgotten: false,
            spec,
            placed_at: now,
            running_at: None,
            container: Container::Pending,
            stop_due: None,
            told_at: None,
            stopping_at: None,
            gone_at: None,
            api_stopped_at: None,
            stopped_reason: None,
        };
        self.tasks.insert(arn.clone(), task);
        if let Some(instance) = self.instances.get_mut(id) {
            instance.tasks.push(arn.clone());
        }
        self.event(id, What::TaskPlaced { task: arn.clone() });
        if starts == now {
            self.task_running(&arn);
        } else {
            self.schedule(starts, Due::TaskRunning { task: arn.clone() });
        }
        Some(arn)
    }

    /// Plans a placement that was under way.
    pub(crate) fn place_later(&mut self, id: &str, mut spec: TaskSpec, delay: std::time::Duration) {
        spec.after_draining = None;
        let at = self.now() + delay;
        self.schedule(
            at,
            Due::Place {
                instance: id.to_owned(),
                spec: Box::new(spec),
            },
        );
    }

    pub(crate) fn task_running(&mut self, arn: &str) {
        let now = self.now();
        let Some(task) = self.tasks.get_mut(arn) else {
            return;
        };
        if task.container != Container::Pending || task.told_at.is_some() {
            return;
        }
        task.container = Container::Running;
        task.running_at = Some(now);
        let (id, runs_for, kind) = (
            task.instance.clone(),
            task.spec.runs_for,
            task.spec.kind.clone(),
        );
        self.task_event(arn, |task| What::TaskRunning { task });
        if let Some(runs_for) = runs_for {
            self.schedule(
                now + runs_for,
                Due::TaskEnds {
                    task: arn.to_owned(),
                },
            );
        }
        let draining = self
            .instances
            .get(&id)
            .is_some_and(|i| i.status == ContainerInstanceStatus::Draining);
        match kind {
            TaskKind::Service { .. } if draining && !self.is_scheduled(arn) => {
                self.schedule_stop(arn);
            }
            TaskKind::Daemon { .. } if draining => self.daemon_check(&id),
            _ => {}
        }
    }

    /// `StopTask`, whatever the task belongs to. Returns whether there is such a task.
    pub fn stop_task(&mut self, arn: &str, reason: &str) -> bool {
        self.tell_to_stop(arn, reason);
        self.tasks.contains_key(arn)
    }

    /// ECS wants the task stopped. The ECS agent sets about it at once if it is up, else when it is.
    pub(crate) fn tell_to_stop(&mut self, arn: &str, reason: &str) {
        let now = self.now();
        let Some(task) = self
            .tasks
            .get_mut(arn)
            .filter(|t| t.told_at.is_none() && !t.is_over())
        else {
            return;
        };
        task.told_at = Some(now);
        task.stopped_reason = Some(reason.to_owned());
        let up = self
            .instances
            .get(&task.instance)
            .is_some_and(|i| i.ecs_agent_up);
        let reason = reason.to_owned();
        self.task_event(arn, |task| What::TaskToldToStop { task, reason });
        if up {
            self.begin_stop(arn);
        }
    }

    fn begin_stop(&mut self, arn: &str) {
        let now = self.now();
        // An ECS agent that has lost its data knows nothing of it.
        let Some(task) = self.tasks.get_mut(arn).filter(|t| !t.forgotten) else {
            return;
        };
        task.stopping_at = Some(now);
        let lag = task.spec.local_lag;
        let gone = if task.container == Container::Pending {
            now
        } else {
            now + task.spec.stop_duration
        };
        let api_stopped = task.skewed(gone, now);
        task.api_stopped_at = Some(api_stopped);
        let instance = task.instance.clone();
        self.schedule(
            now + lag,
            Due::LocalDesired {
                task: arn.to_owned(),
            },
        );
        self.schedule(api_stopped, Due::DaemonCheck { instance });
        self.schedule(
            gone,
            Due::ContainerGone {
                task: arn.to_owned(),
            },
        );
    }

    /// The task ends by itself.
    pub(crate) fn task_ends(&mut self, arn: &str) {
        let now = self.now();
        let Some(task) = self.tasks.get_mut(arn).filter(|t| !t.is_over()) else {
            return;
        };
        let instance = task.instance.clone();
        if task.api_stopped_at.is_none_or(|at| at > now) {
            let api_stopped = task.skewed(now, now);
            task.api_stopped_at = Some(api_stopped);
            self.schedule(api_stopped, Due::DaemonCheck { instance });
        }
        if let Some(task) = self.tasks.get_mut(arn) {
            task.stopped_reason
                .get_or_insert_with(|| "Essential container in task exited".to_owned());
        }
        self.container_gone(arn);
    }

    pub(crate) fn container_gone(&mut self, arn: &str) {
        let now = self.now();
        let Some(task) = self.tasks.get_mut(arn).filter(|t| !t.is_over()) else {
            return;
        };
        task.container = Container::Gone;
        task.gone_at = Some(now);
        let lag = task.spec.local_lag;
        self.task_event(arn, |task| What::ContainerGone { task });
        self.schedule(
            now + lag,
            Due::LocalKnown {
                task: arn.to_owned(),
            },
        );
    }

    /// The ECS agent goes up or down. Coming up, it sets about what it missed.
    pub fn set_ecs_agent(&mut self, id: &str, up: bool) {
        let Some(instance) = self.instances.get_mut(id).filter(|i| i.ecs_agent_up != up) else {
            return;
        };
        instance.ecs_agent_up = up;
        let tasks = instance.tasks.clone();
        self.event(id, What::EcsAgentUp(up));
        for arn in tasks.iter().filter(|_| up) {
            let missed =
                |t: &&TaskModel| t.told_at.is_some() && t.stopping_at.is_none() && !t.is_over();
            if self.tasks.get(arn).filter(missed).is_some() {
                self.begin_stop(arn);
            }
        }
    }

    /// The container instance registers with ECS, if it has not; `REGISTERING` becomes `ACTIVE`.
    pub fn register(&mut self, id: &str) {
        let Some(instance) = self.instances.get_mut(id) else {
            return;
        };
        let registering = instance.status == ContainerInstanceStatus::Registering;
        let connects_after = instance.connects_after;
        if !std::mem::replace(&mut instance.registered, true) {
            if connects_after.is_zero() {
                instance.connected = true;
            }
            self.event(id, What::ContainerInstanceRegistered);
            let at = self.now() + connects_after;
            let instance = id.to_owned();
            self.schedule(at, Due::Connect { instance });
        }
        if registering {
            self.set_container_instance_status(id, ContainerInstanceStatus::Active, Who::Aws);
        }
    }

    /// Whether the ECS agent has its connection to ECS (`agentConnected`, while it runs).
    pub fn set_agent_connected(&mut self, id: &str, connected: bool) {
        let instance = self.instances.get_mut(id);
        if let Some(instance) = instance.filter(|i| i.connected != connected) {
            instance.connected = connected;
            self.event(id, What::AgentConnected(connected));
        }
    }

    pub(crate) fn task_event(&mut self, arn: &str, what: impl FnOnce(String) -> What) {
        if let Some(instance) = self.tasks.get(arn).map(|t| t.instance.clone()) {
            self.event(&instance, what(arn.to_owned()));
        }
    }
}
