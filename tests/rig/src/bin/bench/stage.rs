//! A simulated instance with the agent watching over it, and what may be asked of them afterwards.

use std::time::{Duration, Instant};

use ecs_lifecycle_rig::{AgentBuilder, AgentProcess, Scratch};
use ecs_lifecycle_simulator::{
    GroupSpec, HookSpec, Instance, InstanceSpec, Simulator, TaskSpec, What,
};

use crate::options::Options;

/// Longer than anything takes that is waited for besides a drain itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The line that tells of the first reading of the metadata.
pub(crate) const FIRST_READING: &str = "target lifecycle state is";
/// The agent's regular look at the metadata.
pub(crate) const POLL: &str = "imds:GET /latest/meta-data/autoscaling/target-lifecycle-state";
pub(crate) const SET_DRAINING: &str = "ecs:UpdateContainerInstancesState";
pub(crate) const COMPLETE: &str = "autoscaling:CompleteLifecycleAction";

const CLUSTER: &str = "bench";
const GROUP: &str = "bench-asg";
const HOOK: &str = "bench-hook";

/// A configuration key that is not at its default: section, key, value.
pub(crate) type Setting = (&'static str, &'static str, String);

/// A simulator in real time with a cluster, a group and its hook. `HeartbeatTimeout` is an hour divided
/// by `scale`, and `GlobalTimeout` what follows from an hour, likewise.
pub(crate) async fn simulator(scale: u32) -> Result<Simulator, String> {
    let options = ecs_lifecycle_simulator::Options::default();
    let simulator = Simulator::start(options).await.map_err(text)?;
    simulator.add_cluster(CLUSTER);
    let hook = HookSpec::terminating(HOOK)
        .heartbeat_timeout(Duration::from_hours(1) / scale)
        .global_timeout(Duration::from_hours(48) / scale);
    simulator.add_group(GroupSpec::new(GROUP).hook(hook));
    Ok(simulator)
}

/// An instance, and an agent that has looked at it.
pub(crate) struct Stage {
    pub(crate) simulator: Simulator,
    pub(crate) instance: Instance,
    pub(crate) agent: AgentProcess,
    state: Scratch,
}

impl Stage {
    /// Adds an On-Demand Instance with these tasks, starts an agent on it, and waits until it knows both.
    pub(crate) async fn new(
        options: &Options,
        simulator: &Simulator,
        tasks: Vec<TaskSpec>,
        settings: &[Setting],
    ) -> Result<Self, String> {
        let spec = InstanceSpec {
            tasks,
            ..InstanceSpec::default().on_demand()
        };
        Self::with(options, simulator, spec, settings).await
    }

    /// The same with an instance of the caller's.
    pub(crate) async fn with(
        options: &Options,
        simulator: &Simulator,
        spec: InstanceSpec,
        settings: &[Setting],
    ) -> Result<Self, String> {
        let stage = Self::started(options, simulator, spec, settings).await?;
        for line in [FIRST_READING, "this is a container instance of cluster"] {
            stage.agent.logged(line, PATIENCE).await?;
        }
        Ok(stage)
    }

    /// The same without the wait.
    pub(crate) async fn started(
        options: &Options,
        simulator: &Simulator,
        mut spec: InstanceSpec,
        settings: &[Setting],
    ) -> Result<Self, String> {
        spec.cluster = CLUSTER.to_owned();
        let instance = simulator
            .add_instance(spec.group(GROUP))
            .await
            .map_err(text)?;
        let state = Scratch::new().map_err(text)?;
        let mut builder = AgentBuilder::new(&options.agent, &instance, state.path());
        for (section, key, value) in settings {
            builder = builder.set(section, key, value.clone());
        }
        let agent = builder.start().map_err(text)?;
        Ok(Self {
            simulator: simulator.clone(),
            instance,
            agent,
            state,
        })
    }

    /// Where the agent answers.
    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.state.path().join("agent.sock")
    }

    /// Waits until the lifecycle action is complete and the instance gone, and makes sure that the agent
    /// has done its job: one completion, after the last container, and none of them killed.
    pub(crate) async fn drained(&self, within: Duration) -> Result<(), String> {
        let id = self.instance.id();
        self.simulator
            .wait_until("a completion", within, |world| world.completions(id) > 0)
            .await
            .map_err(|error| format!("{error}\nthe agent's log:\n{}", self.agent.text()))?;
        self.instance.wait_until_gone(PATIENCE).await?;
        let (completions, killed) = self.simulator.world(|world| {
            let killed = world
                .events_of(id)
                .filter(|event| matches!(event.what, What::Killed { .. }))
                .count();
            (world.completions(id), killed)
        });
        if completions == 1 && killed == 0 {
            Ok(())
        } else {
            let log = self.agent.text();
            Err(format!(
                "{id}: {completions} completions, {killed} containers killed; the agent's log:\n{log}"
            ))
        }
    }

    /// When something first happened to the instance, in seconds since the simulator's start.
    pub(crate) fn event(&self, is: impl Fn(&What) -> bool) -> Option<f64> {
        self.events(is).into_iter().next()
    }

    /// All the times that it happened.
    pub(crate) fn events(&self, is: impl Fn(&What) -> bool) -> Vec<f64> {
        self.simulator.world(|world| {
            world
                .events_of(self.instance.id())
                .filter(|event| is(&event.what))
                .map(|event| event.at_real.as_secs_f64())
                .collect()
        })
    }

    /// When an operation first arrived at or after a moment, on the same scale.
    pub(crate) fn request(&self, operation: &str, from: f64) -> Option<f64> {
        self.simulator.world(|world| {
            world
                .requests()
                .of_instance(self.instance.id())
                .filter(|request| request.operation == operation)
                .map(|request| request.at_real.as_secs_f64())
                .find(|at| *at >= from)
        })
    }
}

/// For a person.
pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The clock that the times of log lines are read from.
#[allow(
    clippy::disallowed_methods,
    reason = "the time of a process's start is not known otherwise"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
