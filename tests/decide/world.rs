//! A random world in virtual time: tasks that stop, answers that come late, get lost or say no, a
//! process that is killed and started again. It plays out the core's actions, and knows the truth.

use std::collections::BTreeMap;
use std::time::Duration;

use ecs_lifecycle_config::Settings;
use ecs_lifecycle_decide::{
    Action, Answer, ApiTask, CommandsReport, ContainerInstanceStatus, ContainerInstanceView, Event,
    Failure, FailureKind, LifecycleHook, LifecycleTransition, Memory, MetadataReading, Moment,
    Note, Outcome, Phase, State, StateChange, TargetLifecycleState, Task, TaskKind, TaskStatus,
    step,
};

use super::agent::{accepted, container_instance, group, instance, no_active_action};

/// What a run is like. Everything follows from it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub tasks: u64,
    /// Of a hundred calls, so many fail.
    pub faults: u64,
    /// How often the process is killed or asked to stop.
    pub deaths: u64,
    /// Seconds that the ECS API runs ahead of the containers.
    pub api_ahead: u64,
    /// Seconds from `Terminating` to `Terminating:Wait`.
    pub wait_delay: u64,
    pub heartbeat_timeout: u64,
    pub settings: Settings,
}

/// What is known after a run.
#[derive(Debug, Default)]
pub struct Record {
    pub accepted: Vec<(Moment, bool)>,
    pub heartbeats: Vec<Moment>,
    pub calls: BTreeMap<String, u64>,
    pub drain_started: Option<Moment>,
    pub hook_found: Option<Moment>,
    pub drains_over: Vec<(Moment, Outcome)>,
    pub ended_at: Option<Moment>,
    pub lapsed: bool,
    pub births: Vec<Moment>,
}

enum Happening {
    /// A call reaches the other side, unless it is lost on the way.
    Arrives {
        life: u64,
        epoch: u32,
        action: Action,
        fault: Fault,
    },
    /// An answer reaches the process that asked.
    Answered {
        life: u64,
        event: Event,
    },
    Terminate,
    Die {
        kill: bool,
    },
    Born,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Refused before anything was done.
    Before(FailureKind),
    /// Done, and the answer lost.
    After(FailureKind),
}

struct Truth {
    tasks: Vec<TruthTask>,
    draining: bool,
    terminating_at: Option<Moment>,
    heartbeat_at: Option<Moment>,
    proceeded: bool,
}

struct TruthTask {
    id: String,
    kind: TaskKind,
    appears: Moment,
    /// How long it takes from being told to stop.
    stop: Duration,
    told: Option<Moment>,
    /// Ends by itself.
    ends: Option<Moment>,
}

impl TruthTask {
    fn gone_at(&self) -> Option<Moment> {
        [self.told.map(|told| told + self.stop), self.ends]
            .into_iter()
            .flatten()
            .min()
    }
    fn runs(&self, now: Moment) -> bool {
        self.appears <= now && self.gone_at().is_none_or(|gone| gone > now)
    }
}

pub struct World {
    plan: Plan,
    random: u64,
    now: Moment,
    queue: BTreeMap<(Moment, u64), Happening>,
    sequence: u64,
    life: u64,
    state: Option<State>,
    wake: Option<Moment>,
    disk: Option<Memory>,
    truth: Truth,
    pub record: Record,
}

const TERMINATED_AT: Moment = Moment::from_millis(5_000);

impl World {
    pub fn new(plan: Plan) -> Self {
        let truth = Truth {
            tasks: Vec::new(),
            draining: false,
            terminating_at: None,
            heartbeat_at: None,
            proceeded: false,
        };
        let random = plan.seed;
        let now = Moment::from_millis(0);
        let mut world = Self {
            plan,
            random,
            now,
            queue: BTreeMap::new(),
            sequence: 0,
            life: 0,
            state: None,
            wake: None,
            disk: None,
            truth,
            record: Record::default(),
        };
        for n in 0..world.plan.tasks {
            let task = world.random_task(n);
            world.truth.tasks.push(task);
        }
        world.at(now, Happening::Born);
        world.at(TERMINATED_AT, Happening::Terminate);
        for _ in 0..world.plan.deaths {
            let when = TERMINATED_AT + Duration::from_millis(world.below(200_000));
            let kill = world.below(2) == 0;
            world.at(when, Happening::Die { kill });
        }
        world
    }

    fn random_task(&mut self, n: u64) -> TruthTask {
        let kind = match self.below(4) {
            0 => TaskKind::Standalone,
            1 => TaskKind::Daemon(format!("daemon-{n}")),
            _ => TaskKind::Service(format!("service-{n}")),
        };
        let standalone = kind == TaskKind::Standalone;
        let late = self.below(8) == 0;
        let appears = if late {
            TERMINATED_AT + Duration::from_millis(self.below(20_000))
        } else {
            Moment::from_millis(0)
        };
        let ends = standalone.then(|| TERMINATED_AT + Duration::from_millis(self.below(300_000)));
        let stop = Duration::from_millis(self.below(120_000));
        TruthTask {
            id: format!("{n}"),
            kind,
            appears,
            stop,
            told: None,
            ends,
        }
    }

    /// Services' tasks only, each of which takes `stop` to stop.
    pub fn plain_tasks(&mut self, tasks: u64, stop: Duration) {
        self.truth.tasks = (0..tasks)
            .map(|n| TruthTask {
                id: format!("{n}"),
                kind: TaskKind::Service("web".to_owned()),
                appears: Moment::from_millis(0),
                stop,
                told: None,
                ends: None,
            })
            .collect();
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.random() % end }
    }

    fn at(&mut self, moment: Moment, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((moment, self.sequence), happening);
    }

    /// Runs until `end`, or until the agent is done.
    pub fn run(&mut self, end: Moment) {
        let mut guard = 0_u64;
        while self.now < end {
            guard += 1;
            assert!(guard < 2_000_000, "the core spins at {:?}", self.now);
            let wake = self.wake.filter(|_| self.state.is_some());
            let next = self.queue.first_key_value().map(|((at, _), _)| *at);
            match (next, wake) {
                (Some(next), wake) if wake.is_none_or(|wake| next <= wake) => {
                    self.now = self.now.max(next);
                    self.settle_truth();
                    if let Some((_, happening)) = self.queue.pop_first() {
                        self.happen(happening);
                    }
                }
                (_, Some(wake)) => {
                    self.now = wake;
                    self.settle_truth();
                    self.step(Event::Tick);
                }
                (_, None) => panic!(
                    "nothing will ever happen again at {:?}: {:?}",
                    self.now, self.state
                ),
            }
            let done = matches!(
                self.state.as_ref().map(|state| &state.phase),
                Some(Phase::Done(_))
            );
            if done && self.truth.terminating_at.is_some() {
                self.record.ended_at = Some(self.now);
                return;
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Born => {
                self.life += 1;
                self.record.births.push(self.now);
                self.state = Some(State::new(self.disk.clone(), self.now));
                self.step(Event::Tick);
            }
            Happening::Terminate => {
                self.truth.terminating_at = Some(self.now);
            }
            Happening::Die { kill } => {
                if self.state.is_none() {
                    return;
                }
                if !kill {
                    self.step(Event::StopRequested {
                        signal: "SIGTERM",
                        shutdown: false,
                    });
                }
                self.state = None;
                self.life += 1;
                let back = self.now + Duration::from_millis(100 + self.below(5_000));
                self.at(back, Happening::Born);
            }
            Happening::Arrives {
                life,
                epoch,
                action,
                fault,
            } => self.arrives(life, epoch, action, fault),
            Happening::Answered { life, event } => {
                if life == self.life && self.state.is_some() {
                    self.step(event);
                }
            }
        }
    }

    fn step(&mut self, event: Event) {
        let Some(state) = self.state.take() else {
            return;
        };
        let asked_to_stop = matches!(event, Event::StopRequested { .. });
        let taken = step(state, event, self.now, &self.plan.settings);
        if asked_to_stop {
            assert_eq!(
                taken.actions,
                [Action::Exit],
                "a stop signal completes nothing"
            );
        } else {
            // Nothing that is due may be left lying: a second look at the same moment does nothing.
            let again = step(
                taken.state.clone(),
                Event::Tick,
                self.now,
                &self.plan.settings,
            );
            assert_eq!(again.actions, [], "left lying at {:?}", self.now);
            assert_eq!(again.notes, [], "said twice at {:?}", self.now);
        }
        for note in &taken.notes {
            match note {
                Note::DrainStarted { .. } => {
                    self.record.drain_started.get_or_insert(self.now);
                }
                Note::HookFound { .. } => {
                    self.record.hook_found.get_or_insert(self.now);
                }
                Note::DrainOver { outcome, .. } => {
                    self.record.drains_over.push((self.now, *outcome));
                }
                _ => {}
            }
        }
        self.wake = taken.wake;
        let epoch = taken.state.epoch;
        self.state = Some(taken.state);
        for action in taken.actions {
            self.send(epoch, action);
        }
    }

    fn send(&mut self, epoch: u32, action: Action) {
        let name = super::agent::name(&action);
        *self.record.calls.entry(name.clone()).or_default() += 1;
        if name == "Heartbeat" {
            self.record.heartbeats.push(self.now);
        }
        let fault = self.random_fault(&action);
        let latency = if self.below(20) == 0 {
            self.below(4_000)
        } else {
            self.below(50)
        };
        let life = self.life;
        self.at(
            self.now + Duration::from_millis(latency),
            Happening::Arrives {
                life,
                epoch,
                action,
                fault,
            },
        );
    }

    fn random_fault(&mut self, action: &Action) -> Fault {
        if self.below(100) >= self.plan.faults || matches!(action, Action::Exit) {
            return Fault::None;
        }
        let kinds = [
            FailureKind::Unreachable,
            FailureKind::Timeout,
            FailureKind::Server,
            FailureKind::Malformed,
            FailureKind::Throttled,
            FailureKind::Credentials,
            FailureKind::Denied,
        ];
        let kind = kinds[usize::try_from(self.below(7)).unwrap_or(0)];
        if kind.may_have_happened() && self.below(2) == 0 {
            Fault::After(kind)
        } else {
            Fault::Before(kind)
        }
    }

    fn arrives(&mut self, life: u64, epoch: u32, action: Action, fault: Fault) {
        let event = match fault {
            Fault::Before(kind) => failed(epoch, &action, kind),
            Fault::After(kind) => {
                let _ = self.carry_out(epoch, action.clone());
                failed(epoch, &action, kind)
            }
            Fault::None => self.carry_out(epoch, action),
        };
        let latency = Duration::from_millis(self.below(30));
        if let Some(event) = event {
            self.at(self.now + latency, Happening::Answered { life, event });
        }
    }

    /// The truth moves on: daemons are told last, late tasks are told when they arrive.
    fn settle_truth(&mut self) {
        let now = self.now;
        if self.truth.draining {
            for task in &mut self.truth.tasks {
                if matches!(task.kind, TaskKind::Service(_)) && task.appears <= now {
                    task.told.get_or_insert(now);
                }
            }
            let services_run = self
                .truth
                .tasks
                .iter()
                .any(|task| matches!(task.kind, TaskKind::Service(_)) && task.runs(now));
            if !services_run {
                for task in &mut self.truth.tasks {
                    if matches!(task.kind, TaskKind::Daemon(_)) && task.appears <= now {
                        task.told.get_or_insert(now);
                    }
                }
            }
        }
        if let Some(wait_at) = self.wait_at().filter(|at| *at <= now) {
            let last = self.truth.heartbeat_at.unwrap_or(wait_at);
            if !self.truth.proceeded
                && now.since(last) > Duration::from_secs(self.plan.heartbeat_timeout)
            {
                self.record.lapsed = true;
            }
        }
    }

    fn wait_at(&self) -> Option<Moment> {
        self.truth
            .terminating_at
            .map(|at| at + Duration::from_secs(self.plan.wait_delay))
    }

    fn waiting(&self) -> bool {
        self.wait_at().is_some_and(|at| at <= self.now) && !self.truth.proceeded
    }

    pub fn containers_run(&self) -> bool {
        self.truth.tasks.iter().any(|task| task.runs(self.now))
    }

    fn view(&self) -> ContainerInstanceView {
        let ahead = Duration::from_secs(self.plan.api_ahead);
        let running = self
            .truth
            .tasks
            .iter()
            .filter(|task| task.runs(self.now) && task.runs(self.now + ahead))
            .count();
        ContainerInstanceView {
            status: if self.truth.draining {
                ContainerInstanceStatus::Draining
            } else {
                ContainerInstanceStatus::Active
            },
            running: u32::try_from(running).unwrap_or(0),
            pending: u32::try_from(self.on_their_way().count()).unwrap_or(0),
            agent_connected: true,
        }
    }

    /// Placed before DRAINING, and known to ECS, but not to the ECS agent yet.
    fn on_their_way(&self) -> impl Iterator<Item = &TruthTask> {
        self.truth
            .tasks
            .iter()
            .filter(|task| task.appears > self.now)
    }

    fn api_tasks(&self) -> Vec<ApiTask> {
        let ahead = Duration::from_secs(self.plan.api_ahead);
        let pending = self.on_their_way().map(|task| ApiTask {
            task: Task {
                arn: task.id.clone(),
                definition: "web:1".to_owned(),
                known: TaskStatus::Pending,
                desired: Some(TaskStatus::Running),
            },
            kind: task.kind.clone(),
        });
        self.tasks(ahead).into_iter().chain(pending).collect()
    }

    fn tasks(&self, ahead: Duration) -> Vec<ApiTask> {
        self.truth
            .tasks
            .iter()
            .filter(|task| task.runs(self.now) && task.runs(self.now + ahead))
            .map(|task| ApiTask {
                task: Task {
                    arn: task.id.clone(),
                    definition: "web:1".to_owned(),
                    known: TaskStatus::Running,
                    desired: Some(if task.told.is_some() {
                        TaskStatus::Stopped
                    } else {
                        TaskStatus::Running
                    }),
                },
                kind: task.kind.clone(),
            })
            .collect()
    }

    fn carry_out(&mut self, epoch: u32, action: Action) -> Option<Event> {
        let drain = |answer| Some(Event::Work { epoch, answer });
        match action {
            Action::ReadInstance => Some(Event::Instance(Ok(instance()))),
            Action::ReadMetadata => {
                let target = if self.truth.terminating_at.is_some() {
                    TargetLifecycleState::Terminated
                } else {
                    TargetLifecycleState::InService
                };
                Some(Event::Metadata(MetadataReading {
                    target_lifecycle_state: Ok(Some(target)),
                    spot_instance_action: Ok(None),
                    rebalance: Ok(None),
                    maintenance: Ok(None),
                }))
            }
            Action::ReadContainerInstance => {
                Some(Event::ContainerInstance(Ok(Some(container_instance()))))
            }
            Action::Remember(memory) => {
                self.disk = Some(memory);
                Some(Event::Remembered(Ok(())))
            }
            Action::ReadTasks => drain(Answer::Tasks(Ok(self
                .tasks(Duration::ZERO)
                .into_iter()
                .map(|t| t.task)
                .collect()))),
            Action::SetDraining(_) => {
                self.truth.draining = true;
                self.settle_truth();
                drain(Answer::DrainingSet(Ok(StateChange {
                    view: self.view(),
                    request_id: None,
                })))
            }
            Action::SetActive(_) => {
                self.truth.draining = false;
                Some(Event::ActiveSet(Ok(StateChange {
                    view: self.view(),
                    request_id: None,
                })))
            }
            Action::DescribeContainerInstance(_) => {
                drain(Answer::ContainerInstance(Ok(self.view())))
            }
            Action::ClassifyTasks { .. } => {
                drain(Answer::Classified(Ok(self.tasks(Duration::ZERO))))
            }
            Action::ListTasks { .. } => drain(Answer::ApiTasks(Ok(self.api_tasks()))),
            Action::StopTask { task, .. } => {
                let now = self.now;
                for truth in self.truth.tasks.iter_mut().filter(|truth| truth.id == task) {
                    truth.told.get_or_insert(now);
                }
                drain(Answer::TaskStopped {
                    task,
                    result: Ok(()),
                })
            }
            Action::FindGroup { .. } => {
                let state = match (
                    self.truth.terminating_at,
                    self.truth.proceeded,
                    self.waiting(),
                ) {
                    (None, ..) => "InService",
                    (_, true, _) => "Terminating:Proceed",
                    (_, _, true) => "Terminating:Wait",
                    _ => "Terminating",
                };
                drain(Answer::Group(Ok(Some(group(state)))))
            }
            Action::DescribeLifecycleHooks { .. } => {
                drain(Answer::Hooks(Ok(vec![LifecycleHook {
                    name: "drain-hook".to_owned(),
                    transition: LifecycleTransition::Terminating,
                    default_result: None,
                    heartbeat_timeout: Duration::from_secs(self.plan.heartbeat_timeout),
                    global_timeout: Duration::from_secs(self.plan.heartbeat_timeout * 100),
                }])))
            }
            Action::Heartbeat(_) => {
                if self.waiting() {
                    self.truth.heartbeat_at = Some(self.now);
                    drain(Answer::Heartbeat(Ok(accepted())))
                } else {
                    drain(Answer::Heartbeat(Err(no_active_action())))
                }
            }
            Action::Signal { .. } => drain(Answer::Signalled(Ok(accepted()))),
            Action::Complete { .. } => {
                if self.waiting() {
                    self.truth.proceeded = true;
                    let running = self.containers_run();
                    self.record.accepted.push((self.now, running));
                    drain(Answer::Completed(Ok(accepted())))
                } else {
                    drain(Answer::Completed(Err(no_active_action())))
                }
            }
            Action::SignalJoin { .. } => Some(Event::JoinSignalled(Ok(accepted()))),
            Action::FindStack => drain(Answer::Stack(Ok(None))),
            Action::RunCommands { event, .. } => drain(Answer::Commands {
                event,
                result: Ok(CommandsReport::default()),
            }),
            Action::SendMetrics(_) => Some(Event::MetricsSent(Ok(()))),
            Action::Exit => None,
        }
    }
}

/// The event of an action that failed.
fn failed(epoch: u32, action: &Action, kind: FailureKind) -> Option<Event> {
    let failure = || Failure::new(kind, "a fault of the test");
    let answer = match action {
        Action::ReadInstance => return Some(Event::Instance(Err(failure()))),
        Action::ReadMetadata => {
            return Some(Event::Metadata(MetadataReading {
                target_lifecycle_state: Err(failure()),
                spot_instance_action: Err(failure()),
                rebalance: Ok(None),
                maintenance: Ok(None),
            }));
        }
        Action::ReadContainerInstance => return Some(Event::ContainerInstance(Err(failure()))),
        Action::Remember(_) => return Some(Event::Remembered(Err(failure()))),
        Action::SetActive(_) => return Some(Event::ActiveSet(Err(failure()))),
        Action::Exit => return None,
        Action::ReadTasks => Answer::Tasks(Err(failure())),
        Action::SetDraining(_) => Answer::DrainingSet(Err(failure())),
        Action::DescribeContainerInstance(_) => Answer::ContainerInstance(Err(failure())),
        Action::ClassifyTasks { .. } => Answer::Classified(Err(failure())),
        Action::ListTasks { .. } => Answer::ApiTasks(Err(failure())),
        Action::StopTask { task, .. } => Answer::TaskStopped {
            task: task.clone(),
            result: Err(failure()),
        },
        Action::FindGroup { .. } => Answer::Group(Err(failure())),
        Action::DescribeLifecycleHooks { .. } => Answer::Hooks(Err(failure())),
        Action::Heartbeat(_) => Answer::Heartbeat(Err(failure())),
        Action::Signal { .. } => Answer::Signalled(Err(failure())),
        Action::Complete { .. } => Answer::Completed(Err(failure())),
        Action::FindStack => Answer::Stack(Err(failure())),
        Action::SignalJoin { .. } => return Some(Event::JoinSignalled(Err(failure()))),
        Action::SendMetrics(_) => return Some(Event::MetricsSent(Err(failure()))),
        Action::RunCommands { event, .. } => Answer::Commands {
            event: *event,
            result: Err(failure()),
        },
    };
    Some(Event::Work { epoch, answer })
}
