//! A core under test in a small world of its own, in virtual time. The world answers each request as AWS
//! would, unless a test has it fail, or holds the answer back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ecs_lifecycle_config::{Settings, StackResource};
use ecs_lifecycle_decide::{
    Accepted, Action, Answer, ApiTask, AutoScalingInstance, ContainerInstance,
    ContainerInstanceStatus as Status, ContainerInstanceView, Event, ExecutableEvent,
    ExecutablesReport, Failure, FailureKind, HostView, Instance, LifecycleActionResult,
    LifecycleHook, LifecycleState, LifecycleTransition, LocalTask, Memory, MetadataReading, Moment,
    Note, Notices, Resources, SignalStatus, State, StateChange, TargetLifecycleState, Task,
    TaskKind, TaskStatus, Ticket, WallTime, step,
};

pub const INSTANCE: &str = "i-0123456789abcdef0";
pub const SECOND: Duration = Duration::from_secs(1);
/// What the wall clock shows at the boot: 2023-11-14T22:13:20Z.
pub const BOOT: WallTime = WallTime(1_700_000_000_000);

/// What there is, and how it answers.
pub struct World {
    pub pending_time: Option<WallTime>,
    pub on_demand: bool,
    pub target: Result<Option<TargetLifecycleState>, Failure>,
    pub notices: Notices,
    pub aws_at_boot: Option<WallTime>,
    pub identity: Option<ContainerInstance>,
    pub instance_id: String,
    pub ec2_instance_id: String,
    pub tasks: Vec<Task>,
    pub kinds: BTreeMap<String, TaskKind>,
    pub status: Status,
    pub agent_connected: bool,
    pub registrations: Vec<String>,
    pub registered: Resources,
    pub remaining: Resources,
    pub lifecycle: Option<LifecycleState>,
    pub hooks: Vec<LifecycleHook>,
    pub stack: Option<StackResource>,
    pub failed_commands: BTreeSet<&'static str>,
    pub failing: BTreeMap<&'static str, FailureKind>,
    pub held: BTreeSet<&'static str>,
}

/// The core, its time and its policy; and what it has done and said since that was last forgotten.
pub struct Agent {
    pub state: State,
    pub now: Moment,
    pub policy: Settings,
    pub world: World,
    pub actions: Vec<Action>,
    /// When each of them was begun.
    pub begun: Vec<Moment>,
    pub notes: Vec<Note>,
    pub cancelled: usize,
    pub exited: bool,
    under_way: Vec<(Ticket, Action)>,
    wake: Option<Moment>,
}

/// As long ago as that: it has joined long since.
pub fn old() -> Option<WallTime> {
    Some(WallTime(BOOT.0 - 86_400_000))
}

/// Launched at the boot, which was a minute and a half before the agent starts.
pub fn new() -> Option<WallTime> {
    Some(BOOT)
}

impl Agent {
    pub fn new(policy: Settings, recalled: Option<Memory>, pending_time: Option<WallTime>) -> Self {
        let now = Moment::from_millis(90_000);
        let world = World {
            pending_time,
            on_demand: false,
            target: Ok(Some(TargetLifecycleState::InService)),
            aws_at_boot: None,
            notices: Notices {
                spot_instance_action: Ok(None),
                rebalance: Ok(None),
                maintenance: Ok(None),
            },
            identity: Some(container_instance()),
            instance_id: INSTANCE.to_owned(),
            ec2_instance_id: INSTANCE.to_owned(),
            tasks: Vec::new(),
            kinds: BTreeMap::new(),
            status: Status::Active,
            agent_connected: true,
            registrations: vec![container_instance().arn],
            registered: Resources::default(),
            remaining: Resources::default(),
            lifecycle: Some(LifecycleState::InService),
            hooks: vec![
                hook("drain-hook", LifecycleTransition::Terminating),
                hook("launch-hook", LifecycleTransition::Launching),
            ],
            stack: None,
            failed_commands: BTreeSet::new(),
            failing: BTreeMap::new(),
            held: BTreeSet::new(),
        };
        Self {
            state: State::new(recalled, now, BOOT),
            now,
            policy,
            world,
            actions: Vec::new(),
            begun: Vec::new(),
            notes: Vec::new(),
            cancelled: 0,
            exited: false,
            under_way: Vec::new(),
            wake: Some(now),
        }
    }

    /// One that watches, with a task.
    pub fn in_service(policy: Settings) -> Self {
        let mut agent = Self::new(policy, None, old());
        agent.world.tasks = vec![task("a")];
        agent.run(3 * SECOND);
        agent.clear();
        agent
    }

    /// One that drains for `target`, DRAINING accepted, hook found.
    pub fn draining(policy: Settings, target: TargetLifecycleState) -> Self {
        let mut agent = Self::in_service(policy);
        agent.target(Some(target));
        agent.run(3 * SECOND);
        agent
    }

    /// One that is new, with a launching hook, not registered yet.
    pub fn joining(policy: Settings) -> Self {
        let mut agent = Self::new(policy, None, new());
        agent.world.lifecycle = Some(LifecycleState::PendingWait);
        agent.world.identity = None;
        agent.run(3 * SECOND);
        agent
    }

    /// The next process on the same machine.
    pub fn restart(&mut self) {
        let memory = self.state.memory().clone();
        self.restart_with(Some(memory));
    }

    /// The next process, which remembers nothing.
    pub fn forget(&mut self) {
        self.restart_with(None);
    }

    fn restart_with(&mut self, memory: Option<Memory>) {
        self.state = State::new(memory, self.now, BOOT);
        (self.under_way, self.wake) = (Vec::new(), Some(self.now));
        self.clear();
        self.run(3 * SECOND);
    }

    pub fn event(&mut self, event: Event) {
        let step = step(&mut self.state, event, self.now, &self.policy);
        self.wake = step.wake;
        self.exited |= step.exit;
        self.notes.extend(step.notes);
        self.cancelled += step.cancelled.len();
        self.under_way
            .retain(|(ticket, _)| !step.cancelled.contains(ticket));
        for (ticket, action) in step.actions {
            self.actions.push(action.clone());
            self.begun.push(self.now);
            self.under_way.push((ticket, action));
        }
    }

    /// Lets the world answer whatever is not held back.
    pub fn settle(&mut self) {
        for _ in 0..1_000 {
            let held = &self.world.held;
            let next = |(_, action): &(_, Action)| !held.contains(name(action).as_str());
            let Some(at) = self.under_way.iter().position(next) else {
                return;
            };
            let (ticket, action) = self.under_way.remove(at);
            let answer = self.world.answer(&action);
            self.event(Event::Answered { ticket, answer });
        }
        panic!("requests without end: {:?}", self.under_way);
    }

    /// Lets an event come, and everything that follows at once.
    pub fn take(&mut self, event: Event) {
        self.event(event);
        self.settle();
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(wake) = self.wake.filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            self.take(Event::Tick);
            assert!(self.wake.is_none_or(|next| next > self.now), "it spins");
        }
        self.now = end;
        self.take(Event::Tick);
    }

    /// Forgets what was done and said so far.
    pub fn clear(&mut self) {
        self.actions.clear();
        self.begun.clear();
        self.notes.clear();
    }

    pub fn target(&mut self, target: Option<TargetLifecycleState>) {
        if let Some(TargetLifecycleState::Terminated) = target {
            self.world.lifecycle = Some(LifecycleState::TerminatingWait);
        }
        self.world.target = Ok(target);
    }

    /// Lets the tasks be gone.
    pub fn stop_tasks(&mut self) {
        for task in &mut self.world.tasks {
            task.known = TaskStatus::Stopped;
        }
    }

    pub fn count(&self, action: &str) -> usize {
        let is_it = |done: &&Action| name(done) == action;
        self.actions.iter().filter(is_it).count()
    }

    /// When the last one was begun.
    pub fn begun(&self, action: &str) -> Moment {
        let at = self.actions.iter().rposition(|done| name(done) == action);
        self.begun[at.unwrap()]
    }

    pub fn did(&self, action: &str) -> bool {
        self.count(action) > 0
    }

    pub fn said(&self, note: &str) -> usize {
        let is_it = |said: &&Note| variant(said) == note;
        self.notes.iter().filter(is_it).count()
    }

    pub fn phase(&self) -> &'static str {
        self.state.phase().name().as_str()
    }

    /// The results of all completions.
    pub fn results(&self) -> Vec<LifecycleActionResult> {
        let result = |action: &Action| match action {
            Action::Complete { result, .. } => Some(*result),
            _ => None,
        };
        self.actions.iter().filter_map(result).collect()
    }

    /// All signals to CloudFormation.
    pub fn signals(&self) -> Vec<SignalStatus> {
        let status = |action: &Action| match action {
            Action::Signal { status, .. } => Some(*status),
            _ => None,
        };
        self.actions.iter().filter_map(status).collect()
    }
}

impl World {
    fn answer(&mut self, action: &Action) -> Answer {
        let kind = self.failing.get(name(action).as_str()).copied();
        let failure = kind.map(|kind| Failure::new(kind, action.operation().name));
        macro_rules! answer {
            ($value:expr) => {
                failure.map_or_else(|| Ok($value), Err)
            };
        }
        match action {
            Action::ReadInstance => Answer::Instance(answer!(Instance {
                instance_id: self.instance_id.clone(),
                region: "eu-central-1".to_owned(),
                pending_time: self.pending_time,
                on_demand: self.on_demand,
            })),
            Action::ReadMetadata { notices } => Answer::Metadata(MetadataReading {
                target_lifecycle_state: self.target.clone(),
                notices: notices.then(|| self.notices.clone()),
                wall_at_boot: self.aws_at_boot,
            }),
            Action::ReadContainerInstance => Answer::Identity(answer!(self.identity.clone())),
            Action::ReadTasks { .. } => Answer::Tasks(answer!(self.tasks.clone())),
            Action::Remember(_) => Answer::Remembered(answer!(())),
            Action::SetDraining(_) => Answer::StateSet(answer!(self.set(Status::Draining))),
            Action::SetActive(_) => Answer::StateSet(answer!(self.set(Status::Active))),
            Action::DescribeContainerInstance(_) => Answer::ContainerInstance(answer!(self.view())),
            Action::ListContainerInstances(_) => {
                Answer::Registrations(answer!(self.registrations.clone()))
            }
            Action::ClassifyTasks { tasks, .. } => {
                Answer::Classified(answer!(self.api_tasks(|task| tasks.contains(&task.arn))))
            }
            Action::ListTasks { .. } => Answer::ApiTasks(answer!(self.api_tasks(|_| true))),
            Action::StopTask { task, .. } => Answer::TaskStopped(answer!(self.stop(task))),
            Action::FindGroup { .. } => Answer::Group(answer!(Some(AutoScalingInstance {
                group: "demo-asg".to_owned(),
                lifecycle_state: self.lifecycle.clone(),
            }))),
            Action::DescribeLifecycleHooks { transition, .. } => {
                let mut hooks = self.hooks.clone();
                hooks.retain(|hook| hook.transition == *transition);
                Answer::Hooks(answer!(hooks))
            }
            Action::FindStack => Answer::Stack(answer!(self.stack.clone())),
            Action::RunExecutables { event, .. } => {
                Answer::Executables(answer!(self.commands(*event)))
            }
            Action::SendMetrics(_) | Action::SendCapacity(_) => Answer::MetricsSent(answer!(())),
            Action::ReadTaskSet => Answer::TaskSet(answer!(self.task_set())),
            Action::DescribeResources(_) => Answer::Resources(answer!(HostView {
                view: self.view(),
                registered: self.registered.clone(),
                remaining: self.remaining.clone(),
                capacity_provider: None,
            })),
            Action::Heartbeat(_) => Answer::Heartbeat(answer!(Accepted::default())),
            Action::Signal { .. } => Answer::Signalled(answer!(Accepted::default())),
            Action::Complete { .. } => Answer::Completed(answer!(Accepted::default())),
        }
    }

    fn set(&mut self, status: Status) -> StateChange {
        self.status = status;
        StateChange {
            view: self.view(),
            request_id: None,
        }
    }

    fn view(&self) -> ContainerInstanceView {
        let runs = |task: &&Task| task.known != TaskStatus::Stopped && !task.stopping;
        let running = self.tasks.iter().filter(runs).count();
        ContainerInstanceView {
            status: self.status.clone(),
            running: u32::try_from(running).unwrap_or(u32::MAX),
            pending: 0,
            agent_connected: self.agent_connected,
            ec2_instance_id: Some(self.ec2_instance_id.clone()),
        }
    }

    fn task_set(&self) -> Vec<LocalTask> {
        let living = |task: &&Task| task.known != TaskStatus::Stopped;
        let local = |task: &Task| LocalTask {
            arn: task.arn.clone(),
            definition: task.definition.clone(),
            awsvpc: false,
        };
        self.tasks.iter().filter(living).map(local).collect()
    }

    fn api_tasks(&self, which: impl Fn(&Task) -> bool) -> Vec<ApiTask> {
        let tasks = self.tasks.iter().filter(|task| which(task));
        let service = || TaskKind::Service("web".to_owned());
        tasks
            .map(|task| ApiTask {
                task: task.clone(),
                kind: self.kinds.get(&task.arn).cloned().unwrap_or_else(service),
            })
            .collect()
    }

    fn stop(&mut self, arn: &str) {
        for task in self.tasks.iter_mut().filter(|task| task.arn == arn) {
            task.stopping = true;
        }
    }

    fn commands(&self, event: ExecutableEvent) -> ExecutablesReport {
        let failure = || Failure::new(FailureKind::Refused, "an executable of the test");
        let failed = self.failed_commands.contains(event.as_str());
        ExecutablesReport {
            ran: usize::from(failed),
            failed: failed.then(failure).into_iter().collect(),
        }
    }
}

/// The name of a variant, as `Debug` begins with it.
fn variant(value: &impl std::fmt::Debug) -> String {
    let debug = format!("{value:?}");
    let name = debug.chars().take_while(char::is_ascii_alphanumeric);
    name.collect()
}

pub fn name(action: &Action) -> String {
    variant(action)
}

pub fn container_instance() -> ContainerInstance {
    ContainerInstance {
        cluster: "demo".to_owned(),
        arn: "arn:aws:ecs:eu-central-1:1:container-instance/demo/c1".to_owned(),
    }
}

pub fn task(id: &str) -> Task {
    Task {
        arn: format!("arn:aws:ecs:eu-central-1:1:task/demo/{id}"),
        definition: "web:1".to_owned(),
        known: TaskStatus::Running,
        stopping: false,
    }
}

pub fn stopping(id: &str) -> Task {
    Task {
        stopping: true,
        ..task(id)
    }
}

pub fn hook(name: &str, transition: LifecycleTransition) -> LifecycleHook {
    LifecycleHook {
        name: name.to_owned(),
        transition,
        default_result: None,
        heartbeat_timeout: Duration::from_secs(300),
        global_timeout: Duration::from_secs(30_000),
        notification_target: None,
    }
}
