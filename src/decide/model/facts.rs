//! What can be known about the world: the values that observers and effects bring back to the core.
//!
//! Names and spellings are AWS's own. The metadata's *target* lifecycle state and the Auto Scaling API's
//! *current* one are two types, because they are two things: the target shows `Terminated` well before
//! the instance reaches `Terminating:Wait`.

use std::fmt;
use std::time::Duration;

use super::operation::IamAction;
use super::time::WallTime;

/// The machine the agent runs on. From the instance identity document, but where another path is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// `i-…`
    pub instance_id: String,
    /// `eu-central-1`, …
    pub region: String,
    /// `pendingTime`: when it was launched, or last started from a stop.
    pub pending_time: Option<WallTime>,
    /// Whether `meta-data/instance-life-cycle` is `on-demand`: EC2 does not interrupt such an instance.
    pub on_demand: bool,
}

/// `meta-data/autoscaling/target-lifecycle-state`: where Auto Scaling is taking the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetLifecycleState {
    /// In service, or on the way there.
    InService,
    /// To be terminated.
    Terminated,
    /// To leave the group, and to go on running.
    Detached,
    /// On standby, by somebody's hand.
    Standby,
    /// To the warm pool, hibernated.
    WarmedHibernated,
    /// To the warm pool, running.
    WarmedRunning,
    /// To the warm pool, stopped.
    WarmedStopped,
    /// To be terminated from the warm pool.
    WarmedTerminated,
    /// One that this version does not know. It is logged and not acted on.
    Unknown(String),
}

impl TargetLifecycleState {
    /// Whether it is one of the states of the warm pool that an instance is sent to from service.
    pub fn is_warm(&self) -> bool {
        matches!(
            self,
            Self::WarmedHibernated | Self::WarmedRunning | Self::WarmedStopped
        )
    }

    /// Parses the metadata's text.
    pub fn parse(text: &str) -> Self {
        match text {
            "InService" => Self::InService,
            "Terminated" => Self::Terminated,
            "Detached" => Self::Detached,
            "Standby" => Self::Standby,
            "Warmed:Hibernated" => Self::WarmedHibernated,
            "Warmed:Running" => Self::WarmedRunning,
            "Warmed:Stopped" => Self::WarmedStopped,
            "Warmed:Terminated" => Self::WarmedTerminated,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// AWS's spelling.
    pub fn as_str(&self) -> &str {
        match self {
            Self::InService => "InService",
            Self::Terminated => "Terminated",
            Self::Detached => "Detached",
            Self::Standby => "Standby",
            Self::WarmedHibernated => "Warmed:Hibernated",
            Self::WarmedRunning => "Warmed:Running",
            Self::WarmedStopped => "Warmed:Stopped",
            Self::WarmedTerminated => "Warmed:Terminated",
            Self::Unknown(text) => text,
        }
    }
}

impl fmt::Display for TargetLifecycleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `meta-data/spot/instance-action`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpotInstanceAction {
    /// `terminate`, `stop` or `hibernate`.
    pub action: String,
    /// When EC2 does it, in the words of the metadata service.
    pub time: String,
    /// The same as a point in time.
    pub at: WallTime,
}

/// `meta-data/events/recommendations/rebalance`: the Spot instance is at an elevated risk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebalanceRecommendation {
    /// When it was made, in the words of the metadata service.
    pub notice_time: String,
}

/// An event of `meta-data/events/maintenance/scheduled` that takes the instance away from its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaintenanceEvent {
    /// `EventId`
    pub id: String,
    /// `instance-stop`, `instance-retirement`, `instance-reboot` or `system-reboot`.
    pub code: String,
    /// `NotBefore`, in the words of the metadata service.
    pub not_before: String,
    /// The same as a point in time.
    pub at: WallTime,
}

/// One reading of the metadata paths that can start or call off a drain. Each path succeeds or fails on
/// its own; `Ok(None)` is the service's 404: not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataReading {
    /// `autoscaling/target-lifecycle-state`
    pub target_lifecycle_state: Result<Option<TargetLifecycleState>, Failure>,
    /// `None` if they were not asked for.
    pub notices: Option<Notices>,
    /// What AWS's clock shows at the boot clock's zero, by the answer's `Date`, to the second.
    pub wall_at_boot: Option<WallTime>,
}

/// What EC2 announces in the metadata service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notices {
    /// `spot/instance-action`
    pub spot_instance_action: Result<Option<SpotInstanceAction>, Failure>,
    /// `events/recommendations/rebalance`; not read, and so not set, where the policy does not ask for it.
    pub rebalance: Result<Option<RebalanceRecommendation>, Failure>,
    /// The earliest of `events/maintenance/scheduled` that counts, is active and has begun to matter; not
    /// read, and so not set, where the policy does not ask for it.
    pub maintenance: Result<Option<MaintenanceEvent>, Failure>,
}

/// Which container instance this machine is. From the ECS agent's introspection, `/v1/metadata`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerInstance {
    /// Short name or ARN of the cluster.
    pub cluster: String,
    /// `ContainerInstanceArn`
    pub arn: String,
}

impl ContainerInstance {
    /// The last part of the ARN, as the console shows it.
    pub fn id(&self) -> &str {
        short(&self.arn)
    }
}

/// The last part of an ARN.
pub fn short(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// A task's status, as far as the ECS agent's introspection tells it: every state but two is `PENDING`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// Neither running nor stopped yet.
    Pending,
    /// Running.
    Running,
    /// Its containers are gone.
    Stopped,
}

/// A task on this instance, from introspection or from the ECS API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// `TaskArn`
    pub arn: String,
    /// `family:revision`, where known.
    pub definition: String,
    /// Where it is: `KnownStatus` of introspection, `lastStatus` of the API.
    pub known: TaskStatus,
    /// Whether ECS has told it to stop: its desired status is STOPPED. Without a desired status, nobody has said so.
    pub stopping: bool,
}

impl Task {
    /// One of which an earlier process has seen that it was not STOPPED.
    pub(crate) fn recalled(arn: &str) -> Self {
        Self {
            arn: arn.to_owned(),
            definition: "unknown".to_owned(),
            known: TaskStatus::Running,
            stopping: false,
        }
    }
}

/// The kind of a task, by what started it. Only the ECS API knows it, not introspection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// Of a replica service: draining replaces it.
    Service(String),
    /// Of a daemon service: draining stops it last.
    Daemon(String),
    /// Of no service: draining leaves it alone.
    Standalone,
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => write!(f, "service {name}"),
            Self::Daemon(name) => write!(f, "daemon {name}"),
            Self::Standalone => f.write_str("standalone"),
        }
    }
}

/// A task as the ECS API sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiTask {
    /// The task.
    pub task: Task,
    /// What started it.
    pub kind: TaskKind,
}

/// `status` of a container instance in the ECS API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerInstanceStatus {
    /// Takes new tasks.
    Active,
    /// Takes no new tasks.
    Draining,
    /// Not there yet.
    Registering,
    /// `INACTIVE`: deregistered. Nothing can be placed on it.
    Inactive,
    /// `failures[]` has it as `MISSING`: ECS does not know it, yet or any more.
    Missing,
    /// Any other.
    Other(String),
}

impl ContainerInstanceStatus {
    /// Parses the API's text.
    pub fn parse(text: &str) -> Self {
        match text {
            "ACTIVE" => Self::Active,
            "DRAINING" => Self::Draining,
            "REGISTERING" => Self::Registering,
            "INACTIVE" => Self::Inactive,
            "MISSING" => Self::Missing,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether ECS places no task here. MISSING does not count as that.
    pub fn takes_no_tasks(&self) -> bool {
        matches!(self, Self::Draining | Self::Inactive)
    }

    /// AWS's spelling.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
            Self::Registering => "REGISTERING",
            Self::Inactive => "INACTIVE",
            Self::Missing => "MISSING",
            Self::Other(text) => text,
        }
    }
}

/// The container instance as the ECS API sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerInstanceView {
    /// `status`
    pub status: ContainerInstanceStatus,
    /// `runningTasksCount`: leaves out tasks on their way to STOPPED.
    pub running: u32,
    /// `pendingTasksCount`
    pub pending: u32,
    /// `agentConnected`
    pub agent_connected: bool,
    /// `ec2InstanceId`: on which machine it is.
    pub ec2_instance_id: Option<String>,
}

/// The instance's *current* state in its group. From `DescribeAutoScalingInstances`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoScalingInstance {
    /// `AutoScalingGroupName`
    pub group: String,
    /// `LifecycleState`; `None` where only a tag has told the group.
    pub lifecycle_state: Option<LifecycleState>,
}

macro_rules! lifecycle_states {
    ($( $State:ident = $text:literal, )+) => {
        /// `LifecycleState` of the Auto Scaling API: where the instance is, not where it is taken.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum LifecycleState {
            $( #[doc = concat!("`", $text, "`")] $State, )+
            /// One that this version does not know.
            Other(String),
        }

        impl LifecycleState {
            /// Parses the API's text.
            pub fn parse(text: &str) -> Self {
                match text {
                    $( $text => Self::$State, )+
                    other => Self::Other(other.to_owned()),
                }
            }

            /// AWS's spelling.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$State => $text, )+
                    Self::Other(text) => text,
                }
            }
        }
    };
}

lifecycle_states! {
    Pending = "Pending",
    PendingWait = "Pending:Wait",
    PendingProceed = "Pending:Proceed",
    InService = "InService",
    EnteringStandby = "EnteringStandby",
    Standby = "Standby",
    Detaching = "Detaching",
    Detached = "Detached",
    Terminating = "Terminating",
    TerminatingWait = "Terminating:Wait",
    TerminatingProceed = "Terminating:Proceed",
    TerminatingRetained = "Terminating:Retained",
    Terminated = "Terminated",
    WarmedPending = "Warmed:Pending",
    WarmedPendingWait = "Warmed:Pending:Wait",
    WarmedPendingProceed = "Warmed:Pending:Proceed",
    WarmedPendingRetained = "Warmed:Pending:Retained",
    WarmedHibernated = "Warmed:Hibernated",
    WarmedRunning = "Warmed:Running",
    WarmedStopped = "Warmed:Stopped",
    WarmedTerminating = "Warmed:Terminating",
    WarmedTerminatingWait = "Warmed:Terminating:Wait",
    WarmedTerminatingProceed = "Warmed:Terminating:Proceed",
    WarmedTerminatingRetained = "Warmed:Terminating:Retained",
    WarmedTerminated = "Warmed:Terminated",
    ReplacingRootVolume = "ReplacingRootVolume",
    ReplacingRootVolumeWait = "ReplacingRootVolume:Wait",
    ReplacingRootVolumeProceed = "ReplacingRootVolume:Proceed",
    RootVolumeReplaced = "RootVolumeReplaced",
}

/// `LifecycleTransition`: which change of state a lifecycle hook holds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifecycleTransition {
    /// Into the group.
    Launching,
    /// Out of it.
    Terminating,
}

impl LifecycleTransition {
    /// What AWS spells so; `None` for one that this version does not know.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Launching, Self::Terminating]
            .into_iter()
            .find(|known| known.as_str() == text)
    }

    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Launching => "autoscaling:EC2_INSTANCE_LAUNCHING",
            Self::Terminating => "autoscaling:EC2_INSTANCE_TERMINATING",
        }
    }
}

/// A lifecycle hook. From `DescribeLifecycleHooks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleHook {
    /// `LifecycleHookName`
    pub name: String,
    /// `LifecycleTransition`
    pub transition: LifecycleTransition,
    /// `HeartbeatTimeout`
    pub heartbeat_timeout: Duration,
    /// `GlobalTimeout`
    pub global_timeout: Duration,
    /// `DefaultResult`
    pub default_result: Option<LifecycleActionResult>,
    /// `NotificationTargetARN`: whoever listens there may complete it, too.
    pub notification_target: Option<String>,
}

/// What kind of trouble a call met: decides when it is tried again, and what is said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection, or one that broke.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// An answer of status 5xx.
    Server,
    /// An answer that is not what the protocol says.
    Malformed,
    /// Too many requests.
    Throttled,
    /// No valid credentials: none yet, or expired ones.
    Credentials,
    /// The role lacks a permission.
    Denied,
    /// The other side understood, and said no.
    Refused,
    /// Auto Scaling: there is no active lifecycle action, not yet or not any more.
    NoActiveAction,
    /// CloudFormation: nothing waits for a signal at present.
    NotSignalable,
    /// CloudFormation: this instance has signalled already.
    AlreadySignalled,
    /// ECS does not know what was named, not yet or not any more.
    Missing,
}

impl FailureKind {
    /// Whether the other side may have done what was asked, although no good answer came.
    pub fn may_have_happened(self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::Timeout | Self::Server | Self::Malformed
        )
    }
}

/// Names a hook of a group: with the instance id, that is what Auto Scaling needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRef {
    /// `AutoScalingGroupName`
    pub group: String,
    /// `LifecycleHookName`
    pub name: String,
}

impl HookRef {
    /// The reference to `hook` of `group`.
    pub fn new(group: &str, hook: &LifecycleHook) -> Self {
        Self {
            group: group.to_owned(),
            name: hook.name.clone(),
        }
    }
}

/// Why there is no hook to complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoHook {
    /// Auto Scaling does not know the instance.
    NotInAGroup,
    /// The group has no hook of the transition that could be ours.
    None {
        /// `AutoScalingGroupName`
        group: String,
    },
    /// The group has several, and none is configured.
    Ambiguous {
        /// `AutoScalingGroupName`
        group: String,
        /// Their names.
        names: Vec<String>,
    },
    /// The configured one is not among them.
    Missing {
        /// `AutoScalingGroupName`
        group: String,
        /// What is configured.
        configured: String,
        /// What there is.
        names: Vec<String>,
    },
}

/// `LifecycleActionResult`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifecycleActionResult {
    /// `CONTINUE`
    Continue,
    /// `ABANDON`
    Abandon,
}

impl LifecycleActionResult {
    /// Parses AWS's spelling.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Continue, Self::Abandon]
            .into_iter()
            .find(|known| known.as_str() == text)
    }

    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "CONTINUE",
            Self::Abandon => "ABANDON",
        }
    }
}

/// A call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of trouble.
    pub kind: FailureKind,
    /// What was tried, on what, and what came back. Never holds a credential or a token.
    pub message: String,
    /// The action of AWS that failed. Some of the core's actions are several calls.
    pub action: Option<IamAction>,
    /// The service's error code, where it gave one: `ThrottlingException`, …
    pub code: Option<String>,
    /// AWS's request id, where an answer came.
    pub request_id: Option<String>,
}

impl Failure {
    /// A failure with no answer from AWS behind it.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            action: None,
            code: None,
            request_id: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
