//! The usual set-up in one line.

use std::io;

use crate::instance::Instance;
use crate::simulator::Simulator;
use crate::spec::{GroupSpec, HookSpec, InstanceSpec, Options, TaskSpec};

/// A simulator with cluster `demo`, group `demo-asg`, hook `drain-hook`, and one instance.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The simulator.
    pub simulator: Simulator,
    /// The instance.
    pub instance: Instance,
}

impl Scenario {
    /// The cluster's name.
    pub const CLUSTER: &str = "demo";
    /// The Auto Scaling group's name.
    pub const GROUP: &str = "demo-asg";
    /// The terminating hook's name.
    pub const HOOK: &str = "drain-hook";

    /// One instance with so many tasks of the service `web`; hook with 3600 s and `ABANDON`.
    pub async fn simple(tasks: usize) -> io::Result<Self> {
        Self::with_tasks(Options::default(), vec![TaskSpec::service("web"); tasks]).await
    }

    /// The same with these tasks.
    pub async fn with_tasks(options: Options, tasks: Vec<TaskSpec>) -> io::Result<Self> {
        let group = GroupSpec::new(Self::GROUP).hook(HookSpec::terminating(Self::HOOK));
        Self::with_group(options, group, tasks).await
    }

    /// The same with this group (and its hooks).
    pub async fn with_group(
        options: Options,
        group: GroupSpec,
        tasks: Vec<TaskSpec>,
    ) -> io::Result<Self> {
        let simulator = Simulator::start(options).await?;
        simulator.add_cluster(Self::CLUSTER);
        let spec = InstanceSpec {
            tasks,
            ..InstanceSpec::new(Self::CLUSTER).group(&group.name)
        };
        simulator.add_group(group);
        let instance = simulator.add_instance(spec).await?;
        Ok(Self {
            simulator,
            instance,
        })
    }
}
