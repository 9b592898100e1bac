//! The facts that the doctor judges. Each can be missing, because nothing that is broken may stop the doctor.

use std::path::PathBuf;

use crate::config::{ConfigError, Effective, Settings};
use crate::decide::{
    ApiTask, AutoScalingInstance, ContainerInstance, ContainerInstanceView, Failure, HostView,
    Instance, LifecycleHook, TargetLifecycleState,
};

/// The answer to a query; `None` if it could not be sent because something else is missing.
pub type Asked<T> = Option<Result<T, Failure>>;

/// Everything that was gathered.
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
    /// The settings in force, or the defaults if the configuration is invalid.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.configuration
            .as_ref()
            .map(|effective| effective.settings.clone())
            .unwrap_or_default()
    }
}

/// What the file system shows. Paths begin with the root that was given.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The agent's unit, if it is installed.
    pub unit: Option<Unit>,
    /// A link that starts the unit.
    pub wanted_by: Option<PathBuf>,
    /// Whether the unit runs, as its control group shows; `None` if there are no control groups.
    pub active: Option<bool>,
    /// The program that runs, if that can be seen.
    pub running: Option<PathBuf>,
    /// The unit's files that set variables of the configuration, which a shell does not have.
    pub unit_environment: Vec<String>,
    /// The unit file of Docker.
    pub docker_unit: Option<PathBuf>,
    /// The unit file of the ECS agent.
    pub ecs_unit: Option<PathBuf>,
    /// Whether a link starts the ECS agent's unit.
    pub ecs_wanted: bool,
    /// Whether dbus-broker is installed.
    pub dbus_broker: bool,
    /// The content of `/etc/ecs/ecs.config`; `None` if there is no such file.
    pub ecs_config: Option<Result<EcsConfig, String>>,
    /// The data source that cloud-init ended with, from its `result.json`; `None` if there is no such file.
    pub cloud_init: Option<String>,
    /// The files in which the ECS agent has stored its registration.
    pub ecs_agent_data: Vec<PathBuf>,
    /// The path of the state directory.
    pub state_directory: PathBuf,
    /// Whether the state directory can be written to.
    pub state: StateDirectory,
    /// Which instance the state file is about.
    pub state_file: StateFile,
    /// The variables and files of this shell that take precedence over the role's credentials.
    pub credential_overrides: Vec<String>,
}

/// The agent's unit file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The path of the file, or of the link that masks it.
    pub path: PathBuf,
    /// Whether the unit is masked.
    pub masked: bool,
    /// The program of its `ExecStart=`, and whether it exists and can be executed.
    pub program: Option<(PathBuf, Program)>,
}

/// Whether the program of a unit can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// It exists and is executable.
    Executable,
    /// It exists but is not executable.
    NotExecutable,
    /// It does not exist.
    Missing,
}

/// `/etc/ecs/ecs.config`. The file can hold passwords of registries, so only these values are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EcsConfig {
    /// The value of `ECS_CLUSTER`.
    pub cluster: Option<String>,
    /// The value of `ECS_ENABLE_SPOT_INSTANCE_DRAINING`.
    pub spot_draining: Option<String>,
    /// The value of `ECS_CONTAINER_STOP_TIMEOUT`.
    pub stop_timeout: Option<String>,
    /// The numbers of the lines that are no assignment, and what is wrong with them.
    pub odd: Vec<(usize, &'static str)>,
}

/// Whether the state directory can be written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StateDirectory {
    /// A file was written to it.
    Writable,
    /// It does not exist.
    #[default]
    Missing,
    /// This user may not see it.
    Hidden,
    /// It cannot be written to, for this reason.
    Unwritable(String),
    /// It was not tried, because an image is checked.
    NotWritten,
}

/// Which instance the state file is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StateFile {
    /// There is no state file.
    #[default]
    None,
    /// The id of the instance in it.
    About(String),
    /// It cannot be read or understood, for this reason.
    Unreadable(String),
}

/// The facts that only a live instance has.
#[derive(Clone, Debug)]
pub struct Live {
    /// The answers of instance metadata.
    pub metadata: Metadata,
    /// The container instance that the ECS agent reports.
    pub ecs_agent: Result<Option<ContainerInstance>, Failure>,
    /// The number of tasks that the ECS agent reports.
    pub local_tasks: Result<usize, Failure>,
    /// The answer of `DescribeContainerInstances`.
    pub container_instance: Asked<ContainerInstanceView>,
    /// The answer of `ListContainerInstances`: the ARNs of all registrations of this EC2 instance.
    pub registrations: Asked<Vec<String>>,
    /// The resources in the answer of `DescribeContainerInstances`.
    pub host: Option<HostView>,
    /// Whether something listens where the samples of the capacity go; `None` if none are sent.
    pub listener: Asked<()>,
    /// The answer of `ListTasks`, `DescribeTasks` and `DescribeServices`, called in this order.
    pub tasks: Asked<Vec<ApiTask>>,
    /// The answer of `DescribeAutoScalingInstances`.
    pub auto_scaling: Asked<Option<AutoScalingInstance>>,
    /// The group whose hooks were described.
    pub group: Option<String>,
    /// The answer of `DescribeLifecycleHooks`.
    pub hooks: Asked<Vec<LifecycleHook>>,
}

/// The answers of instance metadata.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The identity of the instance, by IMDSv2.
    pub instance: Result<Instance, Failure>,
    /// The answer to a request without a token.
    pub without_token: Result<WithoutToken, Failure>,
    /// The `autoscaling/target-lifecycle-state`.
    pub target: Asked<Option<TargetLifecycleState>>,
    /// The names of the instance's tags; `None` if metadata has no tags.
    pub tags: Asked<Option<Vec<String>>>,
    /// The name of the instance's role; `None` if it has none.
    pub role: Asked<Option<String>>,
}

/// The answer to a request without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithoutToken {
    /// The HTTP status, which is 401 if IMDSv2 is required.
    pub status: u16,
    /// How many seconds this machine's clock is ahead of the answer's `Date`. It is negative if behind.
    pub clock_ahead: Option<i64>,
}
