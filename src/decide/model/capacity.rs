//! What an instance has, how many tasks of the configured size fit on it, and why nothing is said of that.

use std::fmt;

use super::facts::{ContainerInstanceStatus, ContainerInstanceView, Failure, TargetLifecycleState};
use super::memory::JoinTarget;
use super::reason::DrainReason;
use super::time::WallTime;
use ecs_lifecycle_config::{CapacitySettings, HostPort};

/// Resources of a container instance: `registeredResources`, or `remainingResources`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// `CPU`; `None` where ECS names none.
    pub cpu: Option<i64>,
    /// `MEMORY`, in MiB; `None` where ECS names none.
    pub memory: Option<i64>,
    /// `PORTS` and `PORTS_UDP`, which list the ports that are *taken*.
    pub ports: Vec<HostPort>,
}

/// The container instance as the ECS API sees it, with its resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostView {
    /// Status, connection, tasks.
    pub view: ContainerInstanceView,
    /// `registeredResources`
    pub registered: Resources,
    /// `remainingResources`
    pub remaining: Resources,
    /// `capacityProviderName`
    pub capacity_provider: Option<String>,
}

/// A task that the ECS agent has on this instance, and that has not stopped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTask {
    /// `TaskArn`
    pub arn: String,
    /// `family:revision`
    pub definition: String,
    /// Whether it has a network interface of its own.
    pub awsvpc: bool,
}

/// A resource that limits how many tasks fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// CPU units.
    Cpu,
    /// Memory.
    Memory,
    /// Ports of the host.
    Ports,
    /// Network interfaces for tasks.
    TaskEnis,
}

impl Limit {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Ports => "ports",
            Self::TaskEnis => "task-enis",
        }
    }
}

/// The figures of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// `ContainerCapacity`: how many more tasks fit.
    pub container_capacity: u32,
    /// `IdleHostCapacity`, in thousandths: which part of the host is free. Rounded down, so that a sum over
    /// hosts is never more than the truth.
    pub idle_thousandths: u32,
    /// `TasksPerHost`: how many would fit if no other task were there.
    pub tasks_per_host: u32,
    /// The resource that allows the fewest.
    pub limited_by: Limit,
}

impl Figures {
    /// `IdleHostCapacity`, as published.
    pub fn idle_host_capacity(&self) -> f64 {
        f64::from(self.idle_thousandths) / 1_000.0
    }

    /// `room for 2 more tasks of 250/400: memory`
    pub fn sentence(&self, task: &CapacitySettings) -> String {
        let count = self.container_capacity;
        let tasks = if count == 1 { "task" } else { "tasks" };
        let never = if self.tasks_per_host == 0 {
            " (none ever fits)"
        } else {
            ""
        };
        format!(
            "room for {count} more {tasks} of {}: {}{never}",
            size(task),
            self.limited_by.as_str()
        )
    }
}

/// What a task needs, in one word or two: `250/400`, `500/-, 80/tcp`, `256/256 awsvpc`.
pub fn size(task: &CapacitySettings) -> String {
    let amount = |amount: u32| match amount {
        0 => "-".to_owned(),
        some => some.to_string(),
    };
    let mut text = format!("{}/{}", amount(task.cpu), amount(task.memory));
    for port in &task.ports {
        text.push_str(&format!(", {port}"));
    }
    if task.awsvpc {
        text.push_str(" awsvpc");
    }
    text
}

/// One sample of the three figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapacitySample {
    /// The start of the minute that it is for.
    pub minute: WallTime,
    /// Short name or ARN of the cluster.
    pub cluster: String,
    /// The Auto Scaling group, if it is known.
    pub group: Option<String>,
    /// The figures.
    pub figures: Figures,
}

/// The figures as far as they are known, and why they are not published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The figures.
    pub figures: Option<Figures>,
    /// Why they are kept back; `None` where they are published.
    pub silence: Option<Silence>,
}

/// Why nothing is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Nothing says what a task needs.
    NotConfigured,
    /// `capacity.enabled` is false.
    NotEnabled,
    /// Metadata has not been read.
    NoMetadata,
    /// The instance joins.
    Joining(JoinTarget),
    /// It has not joined in time: the launch is reported to have failed.
    NotJoined,
    /// The instance is drained.
    Draining(DrainReason),
    /// A drain was called off, and the container instance is put back to ACTIVE.
    Returning,
    /// The target lifecycle state is another than `InService`.
    NotInService(Option<TargetLifecycleState>),
    /// The ECS agent has not told which container instance this is.
    NotRegistered,
    /// The container instance that it names is on another machine.
    Foreign,
    /// The ECS agent has not shown its tasks.
    NoTasks,
    /// ECS has not been asked yet.
    NotAsked,
    /// What ECS has said is too old.
    Stale,
    /// Somebody was asked, and has not answered well.
    Failed(Failure),
    /// The container instance is not ACTIVE.
    NotActive(ContainerInstanceStatus),
    /// The ECS agent is not connected.
    Disconnected,
    /// ECS does not say how much of this there is.
    Unnamed(Limit),
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConfigured => {
                f.write_str("[capacity] does not say what a task needs: set cpu and memory")
            }
            Self::NotEnabled => f.write_str("capacity.enabled is false"),
            Self::NoMetadata => f.write_str("instance metadata has not answered"),
            Self::Joining(JoinTarget::Service) => {
                f.write_str("joining: the instance has not joined its cluster yet")
            }
            Self::Joining(JoinTarget::WarmPool) => {
                f.write_str("the instance is on its way into the warm pool")
            }
            Self::NotJoined => f.write_str("the instance has not joined its cluster in time"),
            Self::Draining(reason) => write!(f, "the instance is drained: {reason}"),
            Self::Returning => {
                f.write_str("a drain was called off: the container instance goes back to ACTIVE")
            }
            Self::NotInService(None) => f.write_str("the target lifecycle state is not set"),
            Self::NotInService(Some(target)) => {
                write!(f, "the target lifecycle state is {target}")
            }
            Self::NotRegistered => f.write_str(
                "not registered: the ECS agent has not told which container instance this is",
            ),
            Self::Foreign => {
                f.write_str("the ECS agent names a container instance of another machine")
            }
            Self::NoTasks => f.write_str("the ECS agent has not shown its tasks"),
            Self::NotAsked => f.write_str("Amazon ECS has not been asked yet"),
            Self::Stale => f.write_str("what Amazon ECS has said is older than 12 minutes"),
            Self::Failed(failure) => f.write_str(&failure.message),
            Self::NotActive(status) => write!(f, "the container instance is {}", status.as_str()),
            Self::Disconnected => {
                f.write_str("disconnected: the ECS agent has no connection to Amazon ECS")
            }
            Self::Unnamed(limit) => {
                write!(f, "Amazon ECS names no {} of this instance", limit.as_str())
            }
        }
    }
}
