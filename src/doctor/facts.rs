//! What there is to judge by. Every fact can be missing: nothing that is broken stops the doctor.

use std::path::PathBuf;

use crate::config::{ConfigError, Effective, Settings};
use crate::decide::{
    ApiTask, AutoScalingInstance, ContainerInstance, ContainerInstanceView, Failure, HostView,
    Instance, LifecycleHook, TargetLifecycleState,
};

/// The answer to something that was asked; `None` where it could not be, for want of something else.
pub type Asked<T> = Option<Result<T, Failure>>;

/// All that was found out.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The configuration, or what is wrong with it.
    pub configuration: Result<Effective, ConfigError>,
    /// What the file system shows.
    pub host: Host,
    /// What only a live instance has; `None` while an image is built.
    pub live: Option<Live>,
}

impl Facts {
    /// The settings in force; the defaults, where the configuration is wrong.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.configuration
            .as_ref()
            .map(|effective| effective.settings.clone())
            .unwrap_or_default()
    }
}

/// What the file system shows. Paths are as seen from the root that was given.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The agent's unit.
    pub unit: Option<Unit>,
    /// A link by which something starts the unit.
    pub wanted_by: Option<PathBuf>,
    /// Whether the unit runs, as its control group shows; `None` where there are no control groups.
    pub active: Option<bool>,
    /// The program that runs, where that can be seen.
    pub running: Option<PathBuf>,
    /// The unit's files that set variables by which the agent is configured: a shell does not have them.
    pub unit_environment: Vec<String>,
    /// The unit of Docker.
    pub docker_unit: Option<PathBuf>,
    /// The unit of the ECS agent.
    pub ecs_unit: Option<PathBuf>,
    /// Whether something starts the ECS agent's unit.
    pub ecs_wanted: bool,
    /// Whether dbus-broker is installed.
    pub dbus_broker: bool,
    /// `/etc/ecs/ecs.config`; `None` where there is none.
    pub ecs_config: Option<Result<EcsConfig, String>>,
    /// The data source that cloud-init ended with, by its `result.json`; `None` where there is none.
    pub cloud_init: Option<String>,
    /// What the ECS agent has stored about itself.
    pub ecs_agent_data: Vec<PathBuf>,
    /// The state directory.
    pub state_directory: PathBuf,
    /// What became of it.
    pub state: StateDirectory,
    /// The state file.
    pub state_file: StateFile,
    /// What in this shell's environment or home takes precedence over the role's credentials.
    pub credential_overrides: Vec<String>,
}

/// A unit file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is masked.
    pub masked: bool,
    /// The program of its `ExecStart=`, and whether it is there and can be executed.
    pub program: Option<(PathBuf, Program)>,
}

/// A program that a unit starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// There, and executable.
    Executable,
    /// There, and not executable.
    NotExecutable,
    /// Not there.
    Missing,
}

/// `/etc/ecs/ecs.config`. It can hold passwords of registries: nothing else of it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EcsConfig {
    /// `ECS_CLUSTER`
    pub cluster: Option<String>,
    /// `ECS_ENABLE_SPOT_INSTANCE_DRAINING`
    pub spot_draining: Option<String>,
    /// `ECS_CONTAINER_STOP_TIMEOUT`
    pub stop_timeout: Option<String>,
    /// The lines that are no assignment, by number, and what is wrong with them.
    pub odd: Vec<(usize, &'static str)>,
}

/// What became of the state directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StateDirectory {
    /// It was written to.
    Writable,
    /// There is none.
    #[default]
    Missing,
    /// This user may not look.
    Hidden,
    /// It cannot be written to.
    Unwritable(String),
    /// Nobody tried.
    NotWritten,
}

/// The state file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StateFile {
    /// There is none.
    #[default]
    None,
    /// It is about this instance.
    About(String),
    /// It cannot be read or understood.
    Unreadable(String),
}

/// What only a live instance has.
#[derive(Clone, Debug)]
pub struct Live {
    /// Metadata.
    pub metadata: Metadata,
    /// The ECS agent's word for which container instance this is.
    pub ecs_agent: Result<Option<ContainerInstance>, Failure>,
    /// How many tasks it shows.
    pub local_tasks: Result<usize, Failure>,
    /// `DescribeContainerInstances`
    pub container_instance: Asked<ContainerInstanceView>,
    /// `ListContainerInstances`: the ARNs of all registrations of this EC2 instance.
    pub registrations: Asked<Vec<String>>,
    /// Its resources, by the same answer as the container instance.
    pub host: Option<HostView>,
    /// Whether somebody listens where samples of the capacity go; `None` where none are sent.
    pub listener: Asked<()>,
    /// `ListTasks`, `DescribeTasks`, `DescribeServices`, in this order.
    pub tasks: Asked<Vec<ApiTask>>,
    /// `DescribeAutoScalingInstances`
    pub auto_scaling: Asked<Option<AutoScalingInstance>>,
    /// The group whose hooks were asked for.
    pub group: Option<String>,
    /// `DescribeLifecycleHooks`
    pub hooks: Asked<Vec<LifecycleHook>>,
}

/// What instance metadata answers.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// Who this machine is, by IMDSv2.
    pub instance: Result<Instance, Failure>,
    /// What a request without a token gets.
    pub without_token: Result<WithoutToken, Failure>,
    /// `autoscaling/target-lifecycle-state`
    pub target: Asked<Option<TargetLifecycleState>>,
    /// The names of the instance's tags; `None` where metadata has none.
    pub tags: Asked<Option<Vec<String>>>,
    /// The name of the role.
    pub role: Asked<Option<String>>,
}

/// The answer to a request without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithoutToken {
    /// 401, where IMDSv2 is required.
    pub status: u16,
    /// How far this machine's clock is from the answer's, in seconds: positive where it is ahead.
    pub clock_ahead: Option<i64>,
}
