//! Amazon ECS, and the ECS agent.

use super::{FOREIGN, NEVER, PLACED, Registration, Service, Task, Timer, Truth};
use crate::wire::{
    Arn, Fault, InstanceStatus, Ms, Reply, Resources, Target, TaskId, TaskKind, TaskStatus,
};
use crate::world::faults::Lasting;

impl Truth {
    pub(super) fn register(&mut self, at: Ms) {
        let Ok(arn) = Arn::try_from(self.registrations.len()) else {
            return;
        };
        for old in &mut self.registrations {
            old.connected = false;
            old.member = NEVER;
        }
        let active = InstanceStatus::Active;
        self.registrations.push(Registration {
            status: active,
            since: at,
            was: active,
            connected: true,
            by_person: false,
            member: at,
            vanished: false,
        });
        self.current = Some(arn);
        // What it does not know as its own any more.
        for task in self
            .tasks
            .iter_mut()
            .filter(|it| it.arn != arn && it.left(at))
        {
            task.orphan = true;
        }
        self.say(|| format!("the ECS agent has registered as #{arn}"));
        if at > 0 {
            self.timer_in(800, Timer::Place(arn));
        }
    }

    pub(in crate::world) fn set_status(
        &mut self,
        arn: Arn,
        status: InstanceStatus,
        by_person: bool,
    ) {
        let now = self.now;
        let Some(it) = self.registrations.get_mut(usize::from(arn)) else {
            return;
        };
        if it.status == status {
            return;
        }
        it.was = it.status;
        it.status = status;
        it.since = now;
        it.by_person = by_person;
        it.member = if status == InstanceStatus::Active && it.connected {
            now
        } else {
            NEVER
        };
        let connected = it.connected;
        match status {
            InstanceStatus::Draining => {
                for task in self
                    .tasks
                    .iter_mut()
                    .filter(|it| it.arn == arn && it.kind != TaskKind::Standalone && it.left(now))
                {
                    if connected && !task.orphan {
                        task.ask(now);
                    } else {
                        task.asked = task.asked.min(now);
                    }
                }
            }
            InstanceStatus::Active => self.timer_in(800, Timer::Place(arn)),
            InstanceStatus::Inactive => {
                for task in self.tasks.iter_mut().filter(|it| it.arn == arn) {
                    task.given_up = task.given_up.min(now + 500);
                }
            }
            InstanceStatus::Registering | InstanceStatus::Missing => {}
        }
        self.say(|| format!("container instance #{arn} is {status:?}"));
    }

    pub(super) fn place(&mut self, arn: Arn, kind: TaskKind) -> bool {
        if self.placed >= PLACED || self.spec.full {
            return false;
        }
        self.placed += 1;
        let now = self.now;
        let (local, runs, ends) = (
            now + 700,
            now + 1_200,
            if kind == TaskKind::Standalone {
                now + 25_000
            } else {
                NEVER
            },
        );
        let takes = Some(5_000);
        self.tasks.push(Task {
            kind,
            arn,
            placed: now,
            local,
            runs,
            asked: NEVER,
            ends,
            takes,
            orphan: false,
            given_up: NEVER,
        });
        let id = self.tasks.len() - 1;
        self.say(|| format!("ECS places {kind:?} task {id} on #{arn}"));
        true
    }

    /// Where ECS may place a task now.
    pub(super) fn open(&self) -> Option<Arn> {
        let open = |it: &Registration| {
            self.up
                && it.connected
                && (it.status == InstanceStatus::Active
                    || it.status == InstanceStatus::Draining && self.now - it.since < 1_000)
        };
        self.registrations
            .iter()
            .position(open)
            .and_then(|it| Arn::try_from(it).ok())
    }

    pub(super) fn ecs_up(&mut self, fresh: bool) {
        if !self.up {
            return;
        }
        let pool = matches!(
            self.scaling.target,
            Some(
                Target::WarmedStopped
                    | Target::WarmedHibernated
                    | Target::WarmedRunning
                    | Target::WarmedTerminated
            )
        );
        if fresh || self.current.is_none() {
            if self.current.is_none() && pool {
                return;
            }
            self.ecs_down = self.ecs_down.min(self.now);
            return self.register(self.now);
        }
        self.ecs_down = self.now;
        let now = self.now;
        if let Some(it) = self
            .current
            .and_then(|it| self.registrations.get_mut(usize::from(it)))
            && it.status != InstanceStatus::Inactive
        {
            it.connected = true;
            if it.status == InstanceStatus::Active {
                it.member = now;
                if let Some(arn) = self.current {
                    self.timer_in(800, Timer::Place(arn));
                }
            }
            // It hears only now which are to stop.
            let current = self.current;
            let asked = |it: &&mut Task| Some(it.arn) == current && !it.orphan && it.asked <= now;
            for task in self.tasks.iter_mut().filter(asked) {
                if let Some(takes) = task.takes {
                    task.ends = task.ends.min(now + takes);
                }
            }
        }
    }

    /// The status of a task in the ECS agent's list, if it is there.
    pub(in crate::world) fn local_status(&self, id: usize) -> Option<crate::wire::LocalTask> {
        use crate::wire::TaskStatus::{Pending, Running, Stopped};
        let now = self.now;
        let task = self.tasks.get(id)?;
        if task.orphan
            || now < task.local
            || self.faults.lasts(Lasting::Forgetful, now)
            || Some(task.arn) != self.current
        {
            return None;
        }
        let known = if now >= task.ends + 100 {
            Stopped
        } else if now < task.runs || id % 2 == 1 && now >= task.asked && task.takes.is_some() {
            Pending
        } else {
            Running
        };
        let desired = if now >= task.asked {
            Some(Stopped)
        } else if id == 0 {
            None
        } else {
            Some(Running)
        };
        Some(crate::wire::LocalTask {
            task: TaskId::try_from(id).ok()?,
            known,
            desired,
        })
    }

    pub(super) fn local_tasks(&mut self) -> Reply {
        self.faults.felt(Lasting::Forgetful, self.now);
        let mut tasks: Vec<_> = (0..self.tasks.len())
            .filter_map(|it| self.local_status(it))
            .collect();
        self.reads = (self.reads + 1) % 6;
        let by = usize::from(self.reads) % tasks.len().max(1);
        tasks.rotate_left(by);
        if self.reads >= 3 {
            tasks.reverse();
        }
        Reply::Tasks(tasks)
    }

    /// The same list, for the capacity: of what has not stopped.
    pub(super) fn task_set(&mut self) -> Reply {
        let Reply::Tasks(tasks) = self.local_tasks() else {
            return Reply::TaskSet(Vec::new());
        };
        let left = |it: &crate::wire::LocalTask| it.known != TaskStatus::Stopped;
        Reply::TaskSet(tasks.into_iter().filter(left).map(|it| it.task).collect())
    }

    pub(super) fn change(&mut self, arn: Arn, to: InstanceStatus) -> Reply {
        if self.missing() || self.vanished(arn) {
            return Reply::Failed(Fault::Missing);
        }
        if arn == FOREIGN {
            self.touched_another_instance(to);
            self.foreign = to == InstanceStatus::Draining;
            return self.describe(arn, false);
        }
        match self.registration(arn).map(|it| (it.status, it.by_person)) {
            None => return Reply::Failed(Fault::Missing),
            Some((InstanceStatus::Inactive, _)) => return Reply::Failed(Fault::Inactive),
            Some((InstanceStatus::Draining, true)) if to == InstanceStatus::Active => {
                self.undid_a_person(arn)
            }
            Some((InstanceStatus::Draining, true)) => self.drains_a_persons(arn),
            Some(_) => {}
        }
        if to == InstanceStatus::Draining {
            self.drains(arn);
        }
        self.set_status(arn, to, false);
        self.describe(arn, false)
    }

    /// ECS does not find what it has.
    fn missing(&mut self) -> bool {
        let next = self.faults.missing_next;
        self.faults.missing_next = next.saturating_sub(1);
        next > 0 || self.faults.felt(Lasting::Missing, self.now)
    }

    /// `DescribeContainerInstances`, with the resources.
    pub(super) fn resources(&mut self, arn: Arn) -> Reply {
        let reply = self.describe(arn, true);
        let Reply::ContainerInstance(it) = reply else {
            return reply;
        };
        let registered = Resources {
            cpu: 2_048,
            memory: 4_096,
        };
        // What a task reserves is free once ECS has it as STOPPED.
        let reserved = |(id, it): &(usize, &Task)| {
            it.arn == arn && it.placed <= self.now && self.now < it.api_stopped(*id)
        };
        let tasks = self.tasks.iter().enumerate().filter(reserved).count();
        let tasks = i64::try_from(tasks).unwrap_or(0);
        let remaining = Resources {
            cpu: registered.cpu - 300 * tasks,
            memory: registered.memory - 700 * tasks,
        };
        Reply::Resources(it, registered, remaining)
    }

    pub(in crate::world) fn describe(&mut self, arn: Arn, read: bool) -> Reply {
        use crate::wire::ContainerInstance;
        let missing = ContainerInstance {
            status: InstanceStatus::Missing,
            running: 0,
            pending: 0,
            connected: false,
            ours: false,
        };
        if self.vanished(arn) {
            return Reply::ContainerInstance(missing);
        }
        if read && self.missing() {
            self.judge.trouble[Service::Ecs as usize] = self.now;
            return Reply::ContainerInstance(missing);
        }
        let stale = read && self.faults.felt(Lasting::Stale, self.now);
        if stale {
            self.judge.trouble[Service::Ecs as usize] = self.now;
        }
        if arn == FOREIGN {
            let it = ContainerInstance {
                status: if self.foreign {
                    InstanceStatus::Draining
                } else {
                    InstanceStatus::Active
                },
                running: 2,
                connected: true,
                ..missing
            };
            return Reply::ContainerInstance(it);
        }
        let Some(it) = self.registration(arn) else {
            return Reply::ContainerInstance(missing);
        };
        let stale = stale && self.now - it.since < 10_000;
        // What is stale is of just before the last change.
        let at = if stale {
            it.since.saturating_sub(1)
        } else {
            self.now
        };
        let counted = |id: &usize, task: &Task| {
            task.arn == arn && task.left(at) && at < task.asked && at < task.api_stopped(*id)
        };
        let (mut running, mut pending) = (0, 0);
        for (id, task) in self.tasks.iter().enumerate() {
            if counted(&id, task) {
                *(if task.runs <= at {
                    &mut running
                } else {
                    &mut pending
                }) += 1;
            }
        }
        let status = if stale { it.was } else { it.status };
        Reply::ContainerInstance(ContainerInstance {
            status,
            running,
            pending,
            connected: it.connected,
            ours: true,
        })
    }

    pub(super) fn listed(&self) -> Reply {
        let known = |(arn, it): (usize, &Registration)| {
            let listed = !it.vanished && it.status != InstanceStatus::Inactive;
            Arn::try_from(arn).ok().filter(|_| listed)
        };
        Reply::Registrations(
            self.registrations
                .iter()
                .enumerate()
                .filter_map(known)
                .collect(),
        )
    }

    pub(super) fn api_tasks(&mut self, arn: Arn, ids: Option<&Vec<TaskId>>) -> Reply {
        use crate::wire::ApiTask;
        use crate::wire::TaskStatus::{Pending, Running, Stopped};
        if self.vanished(arn) {
            return Reply::ApiTasks(Vec::new());
        }
        if self.missing() {
            self.judge.trouble[Service::Ecs as usize] = self.now;
            return Reply::ApiTasks(Vec::new());
        }
        let now = self.now;
        let tasks = self.tasks.iter().enumerate().filter_map(|(at, task)| {
            let id = TaskId::try_from(at).ok()?;
            if task.placed > now || task.arn != arn || ids.is_some_and(|ids| !ids.contains(&id)) {
                return None;
            }
            let last = if now >= task.api_stopped(at) {
                Stopped
            } else if now < task.runs || now >= task.asked {
                Pending
            } else {
                Running
            };
            let desired = if now >= task.asked || last == Stopped {
                Stopped
            } else {
                Running
            };
            Some(ApiTask {
                task: id,
                last,
                desired,
                kind: task.kind,
            })
        });
        Reply::ApiTasks(tasks.collect())
    }
}
