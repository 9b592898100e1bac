//! What nearly every test needs: a simulated instance, and an agent on it.

use std::path::Path;
use std::time::Duration;

use ecs_lifecycle_rig::{AgentBuilder, AgentProcess, Scratch};
use ecs_lifecycle_simulator::{
    ContainerInstanceStatus, Fault, FaultId, GroupSpec, HookSpec, Instance, InstanceSpec, Options,
    Simulator, StackSpec, TaskSpec, World,
};

/// Longer than anything here takes, on a machine busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a plain drain asks of AWS: five calls, and one to see that the container instance is on this machine,
/// as no join has seen it.
pub const PLAIN_CALLS: usize = 6;

pub const COMPLETE: &str = "autoscaling:CompleteLifecycleAction";
pub const BEAT: &str = "autoscaling:RecordLifecycleActionHeartbeat";
pub const SET: &str = "ecs:UpdateContainerInstancesState";
pub const TARGET: &str = "imds:GET /latest/meta-data/autoscaling/target-lifecycle-state";
/// What an agent logs that knows its container instance.
pub const KNOWN: &str = "this is a container instance of cluster";
/// The stack of [`Stage::signalling`].
pub const STACK: &str =
    "cloudformation.stack_name=demo-stack cloudformation.logical_resource_id=Group";

pub use ContainerInstanceStatus::{Active, Draining, Registering};

/// A simulated instance, and an agent to be started on it.
pub struct Stage {
    pub simulator: Simulator,
    pub instance: Instance,
    pub builder: AgentBuilder,
    pub scratch: Scratch,
}

/// A group whose hook becomes active quickly.
pub fn group() -> GroupSpec {
    GroupSpec::new("demo-asg")
        .wait_delay(Duration::from_millis(100))
        .hook(HookSpec::terminating("drain-hook").heartbeat_timeout(Duration::from_secs(3600)))
}

/// The agent. Another build, a packaged one say, can be put to the same tests by `AGENT_BINARY`.
pub fn binary() -> String {
    std::env::var("AGENT_BINARY")
        .unwrap_or_else(|_| env!("CARGO_BIN_EXE_ecs-lifecycle-agent").to_owned())
}

/// An agent for `instance`, at a tenth of the default intervals: the same course of events, sooner.
pub fn builder(instance: &Instance, state_directory: &Path) -> AgentBuilder {
    AgentBuilder::new(binary(), instance, state_directory)
        .with("metadata.poll_interval=100ms ecs.introspection_poll_interval=100ms")
        .with("ecs.placement_settle=300ms")
}

/// A task of a service, gone `millis` after it was told to stop.
pub fn web(millis: u64) -> TaskSpec {
    TaskSpec::service("web").stop_duration(Duration::from_millis(millis))
}

/// In a region of the test's own.
pub async fn in_region(region: &str, tasks: Vec<TaskSpec>) -> Stage {
    let options = Options {
        region: region.to_owned(),
        ..Options::default()
    };
    let instance = InstanceSpec::new("demo").group("demo-asg");
    let instance = tasks.into_iter().fold(instance, InstanceSpec::task);
    Stage::with_options(options, group(), instance).await
}

impl Stage {
    /// With the default group.
    pub async fn new(tasks: Vec<TaskSpec>) -> Self {
        Self::with_group(group(), tasks).await
    }

    /// With a group of the test's own.
    pub async fn with_group(group: GroupSpec, tasks: Vec<TaskSpec>) -> Self {
        let instance = InstanceSpec::new("demo").group(&group.name);
        let instance = tasks.into_iter().fold(instance, InstanceSpec::task);
        Self::with_instance(group, instance).await
    }

    /// With a group and an instance of the test's own.
    pub async fn with_instance(group: GroupSpec, instance: InstanceSpec) -> Self {
        Self::with_options(Options::default(), group, instance).await
    }

    /// With a simulator of the test's own.
    pub async fn with_options(options: Options, group: GroupSpec, instance: InstanceSpec) -> Self {
        let simulator = Simulator::start(options).await.unwrap();
        simulator.add_cluster("demo");
        simulator.add_group(group);
        let instance = simulator.add_instance(instance).await.unwrap();
        let scratch = Scratch::new().unwrap();
        let builder = builder(&instance, scratch.path());
        Self {
            simulator,
            instance,
            builder,
            scratch,
        }
    }

    /// With these settings: `section.key=value`, with blanks between them.
    pub async fn with(settings: &str, tasks: Vec<TaskSpec>) -> Self {
        Self::new(tasks).await.configured(settings)
    }

    /// Sets configuration keys for the agents to come.
    pub fn configured(mut self, settings: &str) -> Self {
        self.builder = self.builder.with(settings);
        self
    }

    pub fn set(mut self, section: &str, key: &str, value: &str) -> Self {
        self.builder = self.builder.set(section, key, value);
        self
    }

    /// Signals a stack that waits for it, once drained.
    pub fn signalling(self) -> Self {
        let stack = StackSpec::new("demo-stack").waiting("Group");
        self.simulator.add_stack(&stack);
        self.configured(STACK)
            .configured("cloudformation.signal_drained=true")
    }

    pub fn start(&self) -> AgentProcess {
        self.builder.start().unwrap()
    }

    /// Starts an agent, and waits until it watches and knows its container instance.
    pub async fn watching(&self) -> AgentProcess {
        let agent = self.start();
        agent.says("target lifecycle state is").await;
        agent.says(KNOWN).await;
        agent
    }

    /// An agent that watches, and its instance is to be terminated.
    pub async fn leaving(&self) -> AgentProcess {
        let agent = self.watching().await;
        self.instance.terminate();
        agent
    }

    /// Waits for something to become true of the world.
    pub async fn until(&self, what: &str, condition: impl FnMut(&World) -> bool) {
        let waited = self.simulator.wait_until(what, PATIENCE, condition).await;
        waited.unwrap();
    }

    /// Waits until an operation has arrived so often.
    pub async fn counts(&self, operation: &str, times: usize) {
        let often = |world: &World| world.requests().count(operation) >= times;
        self.until(operation, often).await;
    }

    /// Waits for so many more looks at the target state.
    pub async fn polls(&self, more: usize) {
        self.counts(TARGET, self.count(TARGET) + more).await;
    }

    /// Waits until ECS has accepted to set it to `DRAINING`.
    pub async fn draining(&self) {
        let accepted = |world: &World| world.requests().accepted(SET) > 0;
        self.until("DRAINING", accepted).await;
    }

    /// Waits until the hook's action was completed, by whomever.
    pub async fn completed(&self) {
        self.until("a completion", |world| {
            world.completions(self.instance.id()) > 0
        })
        .await;
    }

    /// Terminated, it is completed, and nobody was killed.
    pub async fn drains(&self) {
        self.instance.terminate();
        self.completed().await;
        self.assert_safe();
    }

    /// Waits for the end: completed once, and nobody was killed.
    pub async fn ends_well(&self) {
        self.completed().await;
        self.instance.wait_until_gone(PATIENCE).await.unwrap();
        self.assert_safe();
    }

    pub fn world<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        self.simulator.world(read)
    }

    pub fn fault(&self, fault: Fault) -> FaultId {
        self.simulator.fault(fault)
    }

    /// How often an operation arrived.
    pub fn count(&self, operation: &str) -> usize {
        self.world(|world| world.requests().count(operation))
    }

    /// What ECS has the container instance as.
    pub fn status(&self) -> ContainerInstanceStatus {
        self.world(|world| world.instance(self.instance.id()).unwrap().status)
    }

    /// How often the hook's action was completed.
    pub fn completions(&self) -> u32 {
        self.world(|world| world.completions(self.instance.id()))
    }

    pub fn none_killed(&self) {
        self.world(|world| assert!(world.killed().is_empty(), "killed: {:?}", world.killed()));
    }

    /// The one thing that must hold whatever happens: no container was killed, and one completion at the
    /// most was accepted.
    pub fn assert_safe(&self) {
        self.none_killed();
        assert!(self.completions() <= 1);
    }
}
