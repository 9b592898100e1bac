//! A core under test, and words for what it decides.

use std::time::Duration;

use ecs_lifecycle_config::Settings;
use ecs_lifecycle_decide::{
    Accepted, Action, Answer, AutoScalingInstance, CommandsReport, ContainerInstance,
    ContainerInstanceStatus, ContainerInstanceView, Event, Failure, FailureKind, Instance,
    LifecycleHook, LifecycleTransition, Memory, MetadataReading, Moment, Note, Phase,
    SpotInstanceAction, State, StateChange, TargetLifecycleState, Task, TaskStatus, step,
};

pub const INSTANCE: &str = "i-0123456789abcdef0";

/// The core, its time and its policy; and what it has done and said since that was last forgotten.
pub struct Agent {
    pub state: State,
    pub now: Moment,
    pub policy: Settings,
    pub actions: Vec<Action>,
    pub notes: Vec<Note>,
    writing: bool,
    /// Whether executables are answered for at once: there are none.
    pub no_commands: bool,
}

impl Agent {
    pub fn new(policy: Settings, recalled: Option<Memory>) -> Self {
        let now = Moment::from_millis(0);
        let state = State::new(recalled, now);
        Self {
            state,
            now,
            policy,
            actions: Vec::new(),
            notes: Vec::new(),
            writing: false,
            no_commands: true,
        }
    }

    /// One that has read who it is, has seen `InService`, and knows its container instance.
    pub fn in_service(policy: Settings) -> Self {
        let mut agent = Self::new(policy, None);
        agent.tick();
        agent.event(Event::Instance(Ok(instance())));
        agent.target(Some(TargetLifecycleState::InService));
        agent.event(Event::ContainerInstance(Ok(Some(container_instance()))));
        agent.remembered();
        agent
    }

    /// One that drains for `target`, DRAINING accepted, hook found.
    ///
    /// Nothing more will arrive from before DRAINING: that it may has a test of its own.
    pub fn draining(mut policy: Settings, target: TargetLifecycleState) -> Self {
        policy.ecs.placement_settle = Duration::ZERO;
        let mut agent = Self::in_service(policy);
        agent.target(Some(target));
        if agent.did("DescribeContainerInstance") {
            agent.clear();
            agent.answer(Answer::ContainerInstance(Ok(view(
                ContainerInstanceStatus::Active,
                1,
            ))));
        }
        agent.remembered();
        agent.answer(Answer::DrainingSet(Ok(draining_set(1))));
        agent.answer(Answer::Group(Ok(Some(group("Terminating")))));
        agent.answer(Answer::Hooks(Ok(vec![hook("drain-hook")])));
        agent.answer(Answer::Tasks(Ok(vec![task("a", TaskStatus::Running)])));
        agent
    }

    /// One whose tasks are gone: the drain is over, and the completion due.
    pub fn drained(policy: Settings, target: TargetLifecycleState) -> Self {
        let mut agent = Self::draining(policy, target);
        agent.run_dry();
        agent
    }

    /// Lets the tasks be gone, and everybody agree.
    pub fn run_dry(&mut self) {
        self.pass(Duration::from_secs(1));
        self.answer(Answer::Tasks(Ok(Vec::new())));
        self.pass(Duration::from_millis(500));
        self.answer(Answer::Tasks(Ok(Vec::new())));
        self.answer(Answer::ContainerInstance(Ok(view(
            ContainerInstanceStatus::Draining,
            0,
        ))));
        self.answer(Answer::Tasks(Ok(Vec::new())));
    }

    pub fn event(&mut self, event: Event) {
        let step = step(self.state.clone(), event, self.now, &self.policy);
        self.state = step.state;
        self.writing |= step
            .actions
            .iter()
            .any(|action| matches!(action, Action::Remember(_)));
        self.notes.extend(step.notes);
        for action in step.actions {
            match action {
                Action::RunCommands { event, .. } if self.no_commands => {
                    self.answer(Answer::Commands {
                        event,
                        result: Ok(CommandsReport::default()),
                    });
                }
                action => self.actions.push(action),
            }
        }
    }

    /// Lets the state directory have been written, as often as there is something to write.
    pub fn remembered(&mut self) {
        while std::mem::take(&mut self.writing) {
            self.event(Event::Remembered(Ok(())));
        }
    }

    /// Forgets what was done and said so far.
    pub fn clear(&mut self) {
        self.actions.clear();
        self.notes.clear();
    }

    pub fn tick(&mut self) {
        self.event(Event::Tick);
    }

    /// Lets time pass, and ticks once. What was done and said before is forgotten.
    pub fn pass(&mut self, time: Duration) {
        self.clear();
        self.now = self.now + time;
        self.tick();
    }

    pub fn answer(&mut self, answer: Answer) {
        self.event(Event::Work {
            epoch: self.state.epoch,
            answer,
        });
    }

    pub fn target(&mut self, target: Option<TargetLifecycleState>) {
        self.event(Event::Metadata(MetadataReading {
            target_lifecycle_state: Ok(target),
            spot_instance_action: Ok(None),
            rebalance: Ok(None),
            maintenance: Ok(None),
        }));
    }

    pub fn spot(&mut self, target: Option<TargetLifecycleState>, in_: Duration) {
        let deadline = self.now + in_;
        self.event(Event::Metadata(MetadataReading {
            target_lifecycle_state: Ok(target),
            spot_instance_action: Ok(Some(SpotInstanceAction {
                action: "terminate".to_owned(),
                time: format!("{deadline:?}"),
                deadline,
            })),
            rebalance: Ok(None),
            maintenance: Ok(None),
        }));
    }

    pub fn did(&self, action: &str) -> bool {
        self.actions.iter().any(|done| name(done) == action)
    }

    pub fn said(&self, note: &str) -> bool {
        self.notes.iter().any(|said| word(said) == note)
    }

    pub fn phase(&self) -> &'static str {
        match self.state.phase {
            Phase::Starting => "Starting",
            Phase::Watching => "Watching",
            Phase::Joining(_) => "Joining",
            Phase::Draining(_) => "Draining",
            Phase::Completing(..) => "Completing",
            Phase::Done(_) => "Done",
            Phase::Returning { .. } => "Returning",
        }
    }
}

/// The name of a variant, as `Debug` begins with it.
fn variant(debug: &str) -> String {
    debug
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect()
}

pub fn name(action: &Action) -> String {
    variant(&format!("{action:?}"))
}

pub fn word(note: &Note) -> String {
    variant(&format!("{note:?}"))
}

pub fn instance() -> Instance {
    Instance {
        instance_id: INSTANCE.to_owned(),
        region: "eu-central-1".to_owned(),
        // Long enough ago to have joined long since.
        launched_at: Some(Moment::from_millis(-86_400_000)),
    }
}

pub fn container_instance() -> ContainerInstance {
    ContainerInstance {
        cluster: "demo".to_owned(),
        arn: "arn:aws:ecs:eu-central-1:1:container-instance/demo/c1".to_owned(),
    }
}

pub fn task(id: &str, known: TaskStatus) -> Task {
    Task {
        arn: format!("arn:aws:ecs:eu-central-1:1:task/demo/{id}"),
        definition: "web:1".to_owned(),
        known,
        desired: Some(known),
    }
}

pub fn stopping(id: &str) -> Task {
    Task {
        desired: Some(TaskStatus::Stopped),
        ..task(id, TaskStatus::Running)
    }
}

pub fn view(status: ContainerInstanceStatus, running: u32) -> ContainerInstanceView {
    ContainerInstanceView {
        status,
        running,
        pending: 0,
        agent_connected: true,
    }
}

pub fn draining_set(running: u32) -> StateChange {
    StateChange {
        view: view(ContainerInstanceStatus::Draining, running),
        request_id: None,
    }
}

pub fn group(state: &str) -> AutoScalingInstance {
    AutoScalingInstance {
        group: "demo-asg".to_owned(),
        lifecycle_state: state.to_owned(),
    }
}

pub fn hook(name: &str) -> LifecycleHook {
    LifecycleHook {
        name: name.to_owned(),
        transition: LifecycleTransition::Terminating,
        default_result: None,
        heartbeat_timeout: Duration::from_secs(300),
        global_timeout: Duration::from_secs(30_000),
    }
}

pub fn accepted() -> Accepted {
    Accepted::default()
}

pub fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, "a failure of the test")
}

pub fn no_active_action() -> Failure {
    Failure::new(
        FailureKind::Refused,
        format!("ValidationError: No active Lifecycle Action found with instance ID {INSTANCE}"),
    )
}
