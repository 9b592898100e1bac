//! An instance that its group has just launched, and an agent to be started on it.

use std::time::Duration;

use ecs_lifecycle_rig::{AgentBuilder, AgentProcess, Scratch};
use ecs_lifecycle_simulator::{
    ContainerInstanceStatus, GroupSpec, HookSpec, Instance, InstanceSpec, LifecycleActionResult,
    LifecycleState, Options, Simulator, StackSpec, What, World,
};

use super::scripts::Scripts;
use super::stage::{PATIENCE, builder};

pub const COMPLETE: &str = "autoscaling:CompleteLifecycleAction";
pub const SIGNAL: &str = "cloudformation:SignalResource";
pub const TARGET: &str = "imds:GET /latest/meta-data/autoscaling/target-lifecycle-state";
pub const LAUNCH: &str = "launch-hook";
pub const DRAIN: &str = "drain-hook";
pub const STACK: &str = "demo-stack";
pub const RESOURCE: &str = "AutoScalingGroup";

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
        .set("ready", "poll_interval", "100ms")
        .set("ready", "directory", scripts.path("ready.d"))
        .set("executables", "directory", scripts.path("hooks.d"))
}

pub struct Newcomer {
    pub simulator: Simulator,
    pub instance: Instance,
    pub builder: AgentBuilder,
    pub scripts: Scripts,
    pub scratch: Scratch,
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
        Self {
            simulator,
            instance,
            builder,
            scripts,
            scratch,
        }
    }

    /// Sets a configuration key for the agents to come.
    pub fn set(mut self, section: &str, key: &str, value: &str) -> Self {
        self.builder = self.builder.set(section, key, value);
        self
    }

    pub fn id(&self) -> String {
        self.instance.id().to_owned()
    }

    pub fn start(&self) -> AgentProcess {
        self.builder.start().unwrap()
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
        self.until(agent, what, move |world| world.event_of(&id, &is).is_some())
            .await;
    }

    /// Waits until the container instance that the ECS agent now is has this status.
    pub async fn becomes(&self, agent: &AgentProcess, status: ContainerInstanceStatus) {
        let id = self.id();
        let is = move |world: &World| world.instance(&id).unwrap().status == status;
        self.until(agent, status.as_str(), is).await;
    }

    /// Waits until its group has brought it to this state.
    pub async fn reaches(&self, agent: &AgentProcess, state: LifecycleState) {
        self.happens(
            agent,
            state.as_str(),
            |what| matches!(what, What::LifecycleStateChanged { to, .. } if *to == Some(state)),
        )
        .await;
    }

    /// Waits until CloudFormation has heard from the instance.
    pub async fn signalled(&self, agent: &AgentProcess) {
        self.happens(agent, "a signal", |what| {
            matches!(what, What::SignalReceived { .. })
        })
        .await;
    }

    /// Waits until a hook's action is completed, by whomever.
    pub async fn completed(&self, agent: &AgentProcess, hook: &str) {
        self.happens(
            agent,
            "a completion",
            |what| matches!(what, What::HookCompleted { hook: name, .. } if name == hook),
        )
        .await;
    }

    /// Waits for so many more looks at the target state: the agent is up and watching.
    pub async fn polls(&self, agent: &AgentProcess, more: usize) {
        let before = self.count(TARGET);
        self.until(agent, "more polls", |world| {
            world.requests().count(TARGET) >= before + more
        })
        .await;
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
        assert!(
            !processes.iter().any(alive),
            "{processes:?}\n{}",
            agent.text()
        );
    }

    /// How many containers run, in truth.
    pub fn running(&self) -> usize {
        self.simulator
            .world(|world| world.running_tasks(self.instance.id()).len())
    }

    /// How often an operation arrived.
    pub fn count(&self, operation: &str) -> usize {
        self.simulator
            .world(|world| world.requests().count(operation))
    }

    /// How often an operation was carried out.
    pub fn executed(&self, operation: &str) -> usize {
        self.simulator
            .world(|world| world.requests().executed(operation))
    }

    /// When, in real time, something first happened to the instance.
    pub fn at(&self, is: impl Fn(&What) -> bool) -> Option<Duration> {
        self.simulator.world(|world| {
            world
                .event_of(self.instance.id(), is)
                .map(|event| event.at_real)
        })
    }

    /// The results with which a hook was completed.
    pub fn results(&self, name: &str) -> Vec<LifecycleActionResult> {
        self.simulator.world(|world| {
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
        self.simulator.world(|world| {
            let of_us = world.requests().matching(SIGNAL);
            of_us
                .filter(|request| request.params["UniqueId"] == self.instance.id())
                .map(|request| {
                    request.params["Status"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned()
                })
                .collect()
        })
    }
}
