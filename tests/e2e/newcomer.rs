//! An instance that its group has just launched, and an agent to be started on it.

use std::ops::Deref;
use std::time::Duration;

use ecs_lifecycle_rig::{AgentBuilder, AgentProcess, Scratch};
use ecs_lifecycle_simulator::{
    ContainerInstanceStatus, GroupSpec, HookSpec, Instance, InstanceSpec, LifecycleActionResult,
    LifecycleState, Options, Simulator, StackSpec, What, World,
};

use super::scripts::Scripts;
pub use super::stage::{COMPLETE, TARGET};
use super::stage::{PATIENCE, Stage, builder};

pub const SIGNAL: &str = "cloudformation:SignalResource";
pub const LAUNCH: &str = "launch-hook";
pub const DRAIN: &str = "drain-hook";
pub const STACK: &str = "demo-stack";
pub const RESOURCE: &str = "AutoScalingGroup";

/// A drain signals the stack, also that it has failed.
pub const FAILS: &str = "cloudformation.signal_drained=true cloudformation.signal_on_timeout=FAILURE \
                         cloudformation.stack_name=demo-stack \
                         cloudformation.logical_resource_id=AutoScalingGroup";

pub const CONTINUE: LifecycleActionResult = LifecycleActionResult::Continue;
pub const ABANDON: LifecycleActionResult = LifecycleActionResult::Abandon;

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// With a launching and a terminating hook, neither of which lapses within a test.
pub fn group() -> GroupSpec {
    with_launch_hook(HookSpec::launching(LAUNCH).heartbeat_timeout(Duration::from_secs(3600)))
}

/// With a launching hook of the test's own.
pub fn with_launch_hook(hook: HookSpec) -> GroupSpec {
    GroupSpec::new("demo-asg")
        .wait_delay(ms(100))
        .terminate_delay(ms(100))
        .hook(hook)
        .hook(HookSpec::terminating(DRAIN).heartbeat_timeout(Duration::from_secs(3600)))
}

/// A newcomer of the default group, the resource of the default stack, that boots in a moment.
pub fn spec() -> InstanceSpec {
    InstanceSpec::new("demo")
        .group("demo-asg")
        .stack_tags(STACK, RESOURCE)
        .registers_after(ms(300))
        .connects_after(ms(300))
}

/// A builder at a tenth of the usual intervals, with every path of its own.
pub fn agent(instance: &Instance, scratch: &Scratch, scripts: &Scripts) -> AgentBuilder {
    let socket = scratch.path().join("agent.sock").display().to_string();
    builder(instance, scratch.path())
        .set("agent", "socket", socket)
        .with("ready.poll_interval=100ms")
        .set("ready", "directory", scripts.path("ready.d"))
        .set("executables", "directory", scripts.path("hooks.d"))
}

/// A stage whose agents have executables and a socket of their own.
pub struct Newcomer {
    pub stage: Stage,
    pub scripts: Scripts,
}

impl Deref for Newcomer {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl Newcomer {
    /// The usual one.
    pub async fn new() -> Self {
        Self::launched(group(), spec()).await
    }

    /// Launched by `group`; its stack waits for its signal.
    pub async fn launched(group: GroupSpec, spec: InstanceSpec) -> Self {
        Self::with(group, spec, true).await
    }

    /// There from the start, as `spec` has it.
    pub async fn added(group: GroupSpec, spec: InstanceSpec) -> Self {
        Self::with(group, spec, false).await
    }

    async fn with(group: GroupSpec, spec: InstanceSpec, launched: bool) -> Self {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        simulator.add_cluster("demo");
        simulator.add_group(group);
        simulator.add_stack(&StackSpec::new(STACK).waiting(RESOURCE));
        let instance = if launched {
            simulator.launch(spec).await.unwrap()
        } else {
            simulator.add_instance(spec).await.unwrap()
        };
        let scratch = Scratch::new().unwrap();
        let scripts = Scripts::below(scratch.path());
        let builder = agent(&instance, &scratch, &scripts);
        let stage = Stage {
            simulator,
            instance,
            builder,
            scratch,
        };
        Self { stage, scripts }
    }

    /// Sets configuration keys for the agents to come.
    pub fn configured(mut self, settings: &str) -> Self {
        self.stage = self.stage.configured(settings);
        self
    }

    pub fn id(&self) -> String {
        self.instance.id().to_owned()
    }

    /// Waits for something to become true of the world; the agent's log where it does not.
    pub async fn until(&self, agent: &AgentProcess, what: &str, is: impl FnMut(&World) -> bool) {
        let waited = self.simulator.wait_until(what, PATIENCE, is).await;
        if let Err(error) = waited {
            panic!("{error}\n{}", agent.text());
        }
    }

    /// Waits until something happened to the instance.
    pub async fn happens(&self, agent: &AgentProcess, what: &str, is: impl Fn(&What) -> bool) {
        let id = self.id();
        let happened = move |world: &World| world.event_of(&id, &is).is_some();
        self.until(agent, what, happened).await;
    }

    /// Waits until the container instance that the ECS agent now is has this status.
    pub async fn becomes(&self, agent: &AgentProcess, status: ContainerInstanceStatus) {
        let id = self.id();
        let is = move |world: &World| world.instance(&id).unwrap().status == status;
        self.until(agent, status.as_str(), is).await;
    }

    /// Waits until its group has brought it to this state.
    pub async fn reaches(&self, agent: &AgentProcess, state: LifecycleState) {
        let reached = |what: &What| matches!(what, What::LifecycleStateChanged { to, .. } if *to == Some(state));
        self.happens(agent, state.as_str(), reached).await;
    }

    /// Waits until its ECS agent is connected.
    pub async fn connected(&self, agent: &AgentProcess) {
        let connected = |what: &What| *what == What::AgentConnected(true);
        self.happens(agent, "a connection", connected).await;
    }

    /// Waits until CloudFormation has heard from the instance.
    pub async fn signalled(&self, agent: &AgentProcess) {
        let heard = |what: &What| matches!(what, What::SignalReceived { .. });
        self.happens(agent, "a signal", heard).await;
    }

    /// Waits until a hook's action is completed, by whomever.
    pub async fn completed(&self, agent: &AgentProcess, hook: &str) {
        let completed =
            |what: &What| matches!(what, What::HookCompleted { hook: name, .. } if name == hook);
        self.happens(agent, "a completion", completed).await;
    }

    /// Waits for so many more looks at the target state: the agent is up and watching.
    pub async fn polls(&self, agent: &AgentProcess, more: usize) {
        let before = self.count(TARGET);
        let polled = |world: &World| world.requests().count(TARGET) >= before + more;
        self.until(agent, "more polls", polled).await;
    }

    /// Processes that the agent's executables have named are gone, given a moment to end. One that nobody has
    /// reaped yet has no command line.
    pub async fn ends(&self, agent: &AgentProcess, processes: &[String]) {
        let alive = |process: &String| {
            let command = std::fs::read(format!("/proc/{process}/cmdline"));
            command.is_ok_and(|command| !command.is_empty())
        };
        for _ in 0..10 {
            if processes.iter().any(alive) {
                self.polls(agent, 5).await;
            }
        }
        let left = processes.iter().any(alive);
        assert!(!left, "{processes:?}\n{}", agent.text());
    }

    /// How many containers run, in truth.
    pub fn running(&self) -> usize {
        self.world(|world| world.running_tasks(self.instance.id()).len())
    }

    /// How often an operation was carried out.
    pub fn executed(&self, operation: &str) -> usize {
        self.world(|world| world.requests().executed(operation))
    }

    /// When, in real time, something first happened to the instance.
    pub fn at(&self, is: impl Fn(&What) -> bool) -> Option<Duration> {
        let at = |world: &World| Some(world.event_of(self.instance.id(), is)?.at_real);
        self.world(at)
    }

    pub fn never_lapsed(&self) {
        let lapsed = self.at(|what| matches!(what, What::HeartbeatLapsed { .. }));
        assert_eq!(lapsed, None);
    }

    /// The results with which a hook was completed.
    pub fn results(&self, name: &str) -> Vec<LifecycleActionResult> {
        self.world(|world| {
            let events = world.events_of(self.instance.id());
            events
                .filter_map(|event| match &event.what {
                    What::HookCompleted { hook, result, .. } if hook == name => Some(*result),
                    _ => None,
                })
                .collect()
        })
    }

    /// `Status` of every signal that arrived for the instance, accepted or not.
    pub fn signals(&self) -> Vec<String> {
        self.world(|world| {
            let params = world.requests().matching(SIGNAL).map(|it| &it.params);
            let of_us = params.filter(|it| it["UniqueId"] == self.instance.id());
            of_us
                .map(|it| it["Status"].as_str().unwrap_or_default().to_owned())
                .collect()
        })
    }
}
