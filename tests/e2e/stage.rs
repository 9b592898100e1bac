//! What nearly every test needs: a simulated instance, and an agent on it.

use std::path::Path;
use std::time::Duration;

use ecs_lifecycle_rig::{AgentBuilder, AgentProcess, Scratch};
use ecs_lifecycle_simulator::{
    GroupSpec, HookSpec, Instance, InstanceSpec, Options, Simulator, TaskSpec, World,
};

/// Longer than anything here takes, on a machine busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a plain drain asks of AWS: five calls, and one to see that the container instance is on this machine,
/// as no join has seen it.
pub const PLAIN_CALLS: usize = 6;

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
        .set("metadata", "poll_interval", "100ms")
        .set("ecs", "introspection_poll_interval", "100ms")
        .set("ecs", "placement_settle", "300ms")
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

    /// Sets a configuration key for the agents to come.
    pub fn set(mut self, section: &str, key: &str, value: &str) -> Self {
        self.builder = self.builder.set(section, key, value);
        self
    }

    /// Starts an agent, and waits until it watches and knows its container instance.
    pub async fn watching(&self) -> AgentProcess {
        let agent = self.builder.start().unwrap();
        agent
            .logged("target lifecycle state is", PATIENCE)
            .await
            .unwrap();
        agent
            .logged("this is a container instance of cluster", PATIENCE)
            .await
            .unwrap();
        agent
    }

    /// Waits for something to become true of the world.
    pub async fn until(&self, what: &str, condition: impl FnMut(&World) -> bool) {
        self.simulator
            .wait_until(what, PATIENCE, condition)
            .await
            .unwrap();
    }

    /// Waits until ECS has accepted to set it to `DRAINING`.
    pub async fn draining(&self) {
        self.until("DRAINING", |world| {
            world
                .requests()
                .accepted("ecs:UpdateContainerInstancesState")
                > 0
        })
        .await;
    }

    /// Waits until the hook's action was completed, by whomever.
    pub async fn completed(&self) {
        let id = self.instance.id().to_owned();
        self.until("a completion", move |world| world.completions(&id) > 0)
            .await;
    }

    /// Waits for the end: completed once, and nobody was killed.
    pub async fn ends_well(&self) {
        self.completed().await;
        self.instance.wait_until_gone(PATIENCE).await.unwrap();
        self.assert_safe();
    }

    /// How often an operation arrived.
    pub fn count(&self, operation: &str) -> usize {
        self.simulator
            .world(|world| world.requests().count(operation))
    }

    /// The one thing that must hold whatever happens: no container was killed, and one completion at the
    /// most was accepted.
    pub fn assert_safe(&self) {
        self.simulator.world(|world| {
            assert!(world.killed().is_empty(), "killed: {:?}", world.killed());
            assert!(world.completions(self.instance.id()) <= 1);
        });
    }
}
