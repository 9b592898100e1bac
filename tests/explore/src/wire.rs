//! What an agent on the instance and the world around it say to each other.
//!
//! Neither side's own types: plain requests and replies, as they go over sockets, and the process's own
//! inputs. An adapter turns them into a core's types (`agents/`); the world (`world/`) answers them and
//! knows nothing of any core.

use std::fmt;

/// Milliseconds since the machine was booted for the first time in this story, never set, never stopped.
/// The world's own time: wall clock and boot clock are derived from it.
pub type Ms = u64;

/// Names one request among all that were ever sent in a story.
pub type Ticket = u32;

/// Names a container instance's registration: its ARN. 0 is the first.
pub type Arn = u8;

/// Names a task of a story.
pub type TaskId = u8;

/// The clocks of the machine, as a process reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// Which boot it is.
    pub boot_id: u8,
    /// `CLOCK_BOOTTIME`: milliseconds since that boot; goes on in sleep.
    pub boot: Ms,
    /// Wall-clock time in milliseconds since 1970; can be wrong, and be set.
    pub wall: i64,
}

/// The settings that decide, of which the rest are at their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `metadata.poll_interval`, in milliseconds.
    pub metadata_poll: Ms,
    /// `ecs.task_poll_interval`
    pub task_poll: Ms,
    /// `ecs.introspection_grace`: introspection may be away so long before the API is asked instead.
    pub introspection_grace: Ms,
    /// `ecs.api_poll_interval`
    pub api_poll: Ms,
    /// `aws.request_timeout`: no request takes longer; a request without an answer fails after it.
    pub request_timeout: Ms,
    /// `drain.timeout`
    pub drain_timeout: Ms,
    /// `drain.result_on_timeout`
    pub result_on_timeout: OnTimeout,
    /// `drain.standalone_tasks`: `None` waits for them; else they are stopped so many milliseconds after
    /// the drain began.
    pub standalone_stop_after: Option<Ms>,
    /// `drain.daemon_tasks`: daemons are not waited for.
    pub ignore_daemons: bool,
    /// `drain.recheck_after`
    pub recheck_after: Ms,
    /// `drain.on_rebalance`: how long a drain for a rebalance recommendation may take; `None`: ignored.
    pub on_rebalance: Option<Ms>,
    /// `drain.on_maintenance`: how long before `NotBefore` the drain begins; `None`: ignored.
    pub on_maintenance: Option<Ms>,
    /// `ready.enabled`
    pub ready: bool,
    /// `ready.timeout`
    pub ready_timeout: Ms,
    /// Whether `cloudformation.stack_name` and `logical_resource_id` are set.
    pub stack: bool,
    /// `cloudformation.signal_drained`
    pub signal_drained: bool,
    /// Whether there are executables in `hooks.d/before-drain`, `hooks.d/after-drain`, `ready.d`.
    pub executables: Executables,
    /// `hooks.timeout`: how long an executable may run.
    pub executable_timeout: Ms,
    /// `capacity.enabled`, for tasks of [`LARGEST`].
    pub capacity: bool,
}

/// `capacity.cpu`, `capacity.memory`
pub const LARGEST: Resources = Resources {
    cpu: 500,
    memory: 600,
};

/// Resources of a container instance, or what a task reserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resources {
    /// `CPU`
    pub cpu: i64,
    /// `MEMORY`
    pub memory: i64,
}

/// One sample, as the CloudWatch agent gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sample {
    /// `AutoScalingGroupName`, where it is known.
    pub group: Option<Group>,
    /// Its timestamp: the start of a minute, by the machine's wall clock.
    pub minute: i64,
    /// `ContainerCapacity`
    pub capacity: u32,
    /// `IdleHostCapacity`, in thousandths.
    pub idle: u32,
    /// `TasksPerHost`
    pub most: u32,
}

/// Which executables of the user's there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Executables {
    /// In `hooks.d/before-drain`.
    pub before_drain: bool,
    /// In `hooks.d/after-drain`.
    pub after_drain: bool,
    /// In `ready.d`.
    pub ready: bool,
}

/// `drain.result_on_timeout`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTimeout {
    /// Complete with CONTINUE.
    #[default]
    Continue,
    /// Complete with ABANDON.
    Abandon,
    /// Complete nothing: the hook lapses.
    None,
}

/// What an agent asks for. Each request is answered once, in any order, except [`Request::Exit`], and
/// except where the process dies before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    // Instance metadata.
    /// `GET dynamic/instance-identity/document` → [`Reply::Identity`].
    ReadIdentityDocument,
    /// The lifecycle paths, side by side → [`Reply::Metadata`]: target-lifecycle-state,
    /// spot/instance-action, and where the policy asks for them rebalance and scheduled maintenance.
    ReadMetadata,
    /// `meta-data/tags/instance/aws:autoscaling:groupName` → [`Reply::GroupTag`].
    ReadGroupTag,
    /// The stack's tags → [`Reply::StackTag`].
    ReadStackTags,

    // The ECS agent's introspection, on this machine.
    /// `GET /v1/metadata` → [`Reply::AgentMetadata`].
    ReadAgentMetadata,
    /// `GET /v1/tasks` → [`Reply::Tasks`].
    ReadTasks,
    /// `GET /v1/tasks`, for the capacity → [`Reply::TaskSet`].
    ReadTaskSet,

    // Amazon ECS.
    /// `UpdateContainerInstancesState` to DRAINING → [`Reply::ContainerInstance`].
    SetDraining(Arn),
    /// `UpdateContainerInstancesState` to ACTIVE → [`Reply::ContainerInstance`].
    SetActive(Arn),
    /// `DescribeContainerInstances` → [`Reply::ContainerInstance`].
    DescribeContainerInstance(Arn),
    /// `DescribeContainerInstances`, for the capacity → [`Reply::Resources`].
    DescribeResources(Arn),
    /// `ListContainerInstances` of this EC2 instance → [`Reply::Registrations`].
    ListContainerInstances,
    /// `DescribeTasks` (and `DescribeServices` for their kind) → [`Reply::ApiTasks`]; tasks that ECS does
    /// not know (yet, or any more) are left out.
    DescribeTasks(Arn, Vec<TaskId>),
    /// `ListTasks`, RUNNING and STOPPED, of the container instance, and `DescribeTasks` → [`Reply::ApiTasks`].
    ListTasks(Arn),
    /// `StopTask` → [`Reply::Done`].
    StopTask(Arn, TaskId),

    // Auto Scaling.
    /// `DescribeAutoScalingInstances` for this one → [`Reply::AutoScalingInstance`].
    DescribeAutoScalingInstance,
    /// `DescribeLifecycleHooks` of the group → [`Reply::Hooks`], those of the transition.
    DescribeLifecycleHooks(Group, Transition),
    /// `RecordLifecycleActionHeartbeat` → [`Reply::Done`].
    Heartbeat(Group, HookName),
    /// `CompleteLifecycleAction` → [`Reply::Done`].
    Complete(Group, HookName, ActionResult),

    // CloudFormation.
    /// `SignalResource`, UniqueId this instance → [`Reply::Done`].
    Signal(Status),

    // On the machine.
    /// Write the state file, replacing it as a whole → [`Reply::Done`]. The bytes are the agent's own.
    WriteStateFile(Vec<u8>),
    /// Run the executables of one directory, one after the other → [`Reply::Executables`].
    RunExecutables(Occasion),
    /// Send the figures of a drain to the CloudWatch agent → [`Reply::Done`].
    SendMetrics,
    /// Send a sample of the capacity to the CloudWatch agent → [`Reply::Done`].
    SendCapacity(Sample),
    /// End the process, of its own will. No reply.
    Exit,
}

impl Request {
    /// The container instance that it changes or looks at.
    pub fn container_instance(&self) -> Option<Arn> {
        match *self {
            Self::SetDraining(arn)
            | Self::SetActive(arn)
            | Self::DescribeResources(arn)
            | Self::DescribeContainerInstance(arn) => Some(arn),
            _ => None,
        }
    }
}

/// Which directory of executables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// `hooks.d/before-drain`: before DRAINING is asked for.
    BeforeDrain,
    /// `hooks.d/after-drain`: after the drain, before anybody is told.
    AfterDrain,
    /// `ready.d`: a new instance is a member; tried again where one fails.
    Ready,
}

/// `AutoScalingGroupName`: 0 is the group that the instance is in; others are stale tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Group(pub u8);

/// `LifecycleHookName`: each hook that ever existed in a story has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HookName(pub u8);

impl HookName {
    /// `ecs-managed-draining-termination-hook`, which belongs to ECS.
    pub const MANAGED: Self = Self(255);
}

/// `LifecycleTransition`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transition {
    /// `autoscaling:EC2_INSTANCE_LAUNCHING`
    Launching,
    /// `autoscaling:EC2_INSTANCE_TERMINATING`
    Terminating,
}

/// `LifecycleActionResult`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActionResult {
    /// `CONTINUE`
    Continue,
    /// `ABANDON`
    Abandon,
}

/// `Status` of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// `SUCCESS`
    Success,
    /// `FAILURE`
    Failure,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Request::ReadIdentityDocument`].
    Identity {
        /// `pendingTime`, as true wall-clock time (AWS's clock).
        pending_time: i64,
    },
    /// To [`Request::ReadMetadata`]: each path succeeds or fails by itself.
    Metadata {
        /// `autoscaling/target-lifecycle-state`; `None` is the 404.
        target: Result<Option<Target>, Fault>,
        /// `spot/instance-action`: its time, true wall-clock time.
        spot: Result<Option<i64>, Fault>,
        /// `events/recommendations/rebalance`
        rebalance: Result<bool, Fault>,
        /// `events/maintenance/scheduled`: `NotBefore` of an active event, true wall-clock time.
        maintenance: Result<Option<i64>, Fault>,
    },
    /// To [`Request::ReadGroupTag`]; `None` where tags in metadata are off or the tag is absent.
    GroupTag(Option<Group>),
    /// To [`Request::ReadStackTags`]: whether they name the stack's resource.
    StackTag(bool),
    /// To [`Request::ReadAgentMetadata`].
    AgentMetadata(Arn),
    /// To [`Request::ReadTasks`], in the order in which the ECS agent lists them.
    Tasks(Vec<LocalTask>),
    /// To [`Request::ReadTaskSet`]: those that have not stopped.
    TaskSet(Vec<TaskId>),
    /// To [`Request::DescribeResources`]: `registeredResources`, `remainingResources`.
    Resources(ContainerInstance, Resources, Resources),
    /// To [`Request::ListContainerInstances`].
    Registrations(Vec<Arn>),
    /// To all that answer with the container instance.
    ContainerInstance(ContainerInstance),
    /// To [`Request::DescribeTasks`], [`Request::ListTasks`].
    ApiTasks(Vec<ApiTask>),
    /// To [`Request::DescribeAutoScalingInstance`]; `None`: Auto Scaling does not know the instance.
    AutoScalingInstance(Option<(Group, LifecycleState)>),
    /// To [`Request::DescribeLifecycleHooks`].
    Hooks(Vec<Hook>),
    /// To what is answered by "yes" alone.
    Done,
    /// To [`Request::RunExecutables`]: whether all of them succeeded (also where there were none).
    Executables(bool),
    /// It did not succeed.
    Failed(Fault),
}

/// A lifecycle hook of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hook {
    /// `LifecycleHookName`
    pub name: HookName,
    /// `LifecycleTransition`
    pub transition: Transition,
    /// `HeartbeatTimeout`
    pub heartbeat_timeout: Ms,
    /// `GlobalTimeout`
    pub global_timeout: Ms,
    /// `DefaultResult`
    pub default_result: ActionResult,
}

/// A task as introspection lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalTask {
    /// Which.
    pub task: TaskId,
    /// `KnownStatus`
    pub known: TaskStatus,
    /// `DesiredStatus`; may be absent.
    pub desired: Option<TaskStatus>,
}

/// A task as the ECS API describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ApiTask {
    /// Which.
    pub task: TaskId,
    /// `lastStatus`; every one but RUNNING and STOPPED is PENDING here (also DEACTIVATING, STOPPING, …).
    pub last: TaskStatus,
    /// `desiredStatus`
    pub desired: TaskStatus,
    /// Who asked for it.
    pub kind: TaskKind,
}

/// Who asked for a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// A replica service.
    Service,
    /// A daemon service.
    Daemon,
    /// `RunTask`: draining leaves it alone.
    Standalone,
}

/// A task's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskStatus {
    /// Neither running nor stopped.
    Pending,
    /// Running.
    Running,
    /// Stopped.
    Stopped,
}

/// A container instance in the ECS API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContainerInstance {
    /// `status`
    pub status: InstanceStatus,
    /// `runningTasksCount`
    pub running: u8,
    /// `pendingTasksCount`: together they leave out tasks on their way to STOPPED.
    pub pending: u8,
    /// `agentConnected`
    pub connected: bool,
    /// Whether `ec2InstanceId` is this machine's.
    pub ours: bool,
}

/// `status` of a container instance, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InstanceStatus {
    /// `REGISTERING`
    Registering,
    /// `ACTIVE`
    Active,
    /// `DRAINING`
    Draining,
    /// `INACTIVE`: deregistered.
    Inactive,
    /// `failures[]`: `MISSING`.
    Missing,
}

/// `target-lifecycle-state`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// `InService`
    InService,
    /// `Terminated`
    Terminated,
    /// `Detached`
    Detached,
    /// `Standby`
    Standby,
    /// `Warmed:Hibernated`
    WarmedHibernated,
    /// `Warmed:Running`
    WarmedRunning,
    /// `Warmed:Stopped`
    WarmedStopped,
    /// `Warmed:Terminated`
    WarmedTerminated,
    /// Garbage, or a state that nobody knows yet.
    Unknown,
}

/// `LifecycleState` of `DescribeAutoScalingInstances`, as AWS spells it: `Terminating:Wait`, …
pub type LifecycleState = &'static str;

/// Why a request did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// No connection: nothing arrived.
    Unreachable,
    /// No answer within the request's timeout: it may have worked.
    Timeout,
    /// A 5xx: it may have worked.
    Server,
    /// An answer that makes no sense, 200 with another body, or a truncated one: it may have worked.
    Malformed,
    /// `ThrottlingException`: it did not work.
    Throttled,
    /// No valid credentials: it did not work.
    Credentials,
    /// `AccessDenied`: it did not work.
    Denied,
    /// `ValidationError: No active Lifecycle Action found`
    NoActiveAction,
    /// CloudFormation: the resource cannot be signalled at present.
    NotSignalable,
    /// CloudFormation: this UniqueId has signalled already.
    AlreadySignalled,
    /// ECS: `failures: MISSING`, of a change.
    Missing,
    /// ECS: `failures: INACTIVE`, of a change.
    Inactive,
    /// ECS: the state cannot be changed (REGISTERING), or any other refusal.
    Refused,
}

/// What a process is given: a reply, time, a person's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The moment that the agent asked for has come; also the first input of a process.
    Tick,
    /// The answer to a request of this process.
    Reply(Ticket, Reply),
    /// `drain [--timeout]`, over the control socket.
    DrainByHand(Option<Ms>),
    /// `undrain`, over the control socket.
    UndrainByHand,
    /// SIGTERM; whether it is the whole machine that is being shut down.
    Stop {
        /// A shutdown of the machine.
        shutdown: bool,
    },
}

/// What a process does with an input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// What it asks for now, each with a ticket taken from the [`Tickets`] that it was handed.
    pub requests: Vec<(Ticket, Request)>,
    /// Requests that nobody waits for any more. Executables are ended; of the others only the answer is dropped.
    pub cancelled: Vec<Ticket>,
    /// When it wants an [`Input::Tick`], on the boot clock, if nothing comes before.
    pub wake: Option<Ms>,
}

/// Numbers the requests of a story.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tickets(Ticket);

impl Tickets {
    /// One that was never given before.
    pub fn draw(&mut self) -> Ticket {
        self.0 += 1;
        self.0
    }
}

/// A process of the agent. The world starts it, feeds it, kills it.
pub trait Agent: Clone {
    /// Starts a process, with the state file that is on the disk (`None`: there is none, or it cannot be
    /// read). The first input is a [`Input::Tick`].
    fn start(policy: &Policy, disk: Option<&[u8]>, clocks: Clocks) -> Self;

    /// Takes one input.
    fn step(&mut self, input: Input, clocks: Clocks, tickets: &mut Tickets) -> Output;

    /// Whether it refuses a person's word, and says so.
    fn refuses(&self, _: &Input) -> bool {
        false
    }

    /// One line for a story: what it says of itself.
    fn line(&self) -> String;
}

impl Request {
    /// Whether it is more than a question: something is other than before once it has left.
    pub fn changes(&self) -> bool {
        !matches!(
            self,
            Self::ReadIdentityDocument
                | Self::ReadMetadata
                | Self::ReadStackTags
                | Self::ReadGroupTag
                | Self::ReadAgentMetadata
                | Self::ReadTasks
                | Self::ReadTaskSet
                | Self::DescribeContainerInstance(_)
                | Self::DescribeTasks(..)
                | Self::DescribeResources(_)
                | Self::ListTasks(_)
                | Self::ListContainerInstances
                | Self::DescribeAutoScalingInstance
                | Self::DescribeLifecycleHooks(..)
        )
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The bytes are the agent's own; a person wants to read the rest.
            Self::WriteStateFile(bytes) => write!(f, "WriteStateFile({} bytes)", bytes.len()),
            other => fmt::Debug::fmt(other, f),
        }
    }
}
