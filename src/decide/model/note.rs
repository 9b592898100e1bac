//! What the core has to tell an operator: facts, not sentences. `narrate` puts them into words, at the
//! right level, with fields.

#![expect(
    missing_docs,
    reason = "each note has its line; its fields are named after what they hold"
)]

use std::time::Duration;

use super::action::{ExecutableEvent, SignalStatus};
use super::capacity::LocalTask;
use super::facts::{
    ContainerInstance, ContainerInstanceView, Failure, HookRef, Instance, LifecycleActionResult,
    LifecycleState, LifecycleTransition, NoHook, TargetLifecycleState,
};
use super::memory::JoinTarget;
use super::operation::Dependency;
use super::reason::{Deadline, DrainReason, Outcome};

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Metadata was read for the first time.
    Watching { instance: Instance },
    /// The ECS agent has told who we are.
    ContainerInstanceKnown(ContainerInstance),
    /// The target lifecycle state is another than before.
    TargetLifecycleState {
        from: Option<TargetLifecycleState>,
        to: Option<TargetLifecycleState>,
    },
    /// A target lifecycle state that this version does not know.
    UnknownTarget(String),
    /// To the warm pool, but it has never been in service: nothing to drain.
    NeverInService(TargetLifecycleState),
    /// A drain begins, or is taken up again after a restart.
    DrainStarted {
        reason: DrainReason,
        deadline: Deadline,
        in_: Duration,
        resumed: bool,
    },
    /// A drain in progress has a further reason or another deadline.
    DrainChanged {
        reason: DrainReason,
        deadline: Deadline,
        in_: Duration,
    },
    /// Waits for the ECS agent to tell which container instance this is.
    AwaitingContainerInstance,
    /// ECS places no more tasks here.
    Draining {
        view: ContainerInstanceView,
        request_id: Option<String>,
    },
    /// ECS does not know this container instance (any more).
    ContainerInstanceGone(ContainerInstanceView),
    /// The ECS agent names a container instance that is on another machine: it is left alone.
    ForeignContainerInstance {
        container_instance: ContainerInstance,
        theirs: String,
        ours: String,
    },
    /// ECS still has former registrations of this EC2 instance: ARNs.
    FormerRegistrations { arns: Vec<String> },
    /// A task has appeared, or has vanished without having stopped, after the drain was over: it goes on.
    DrainReopened {
        reason: DrainReason,
        tasks: Vec<WaitedFor>,
    },
    /// Somebody set the container instance back while we drain: DRAINING is issued again.
    SetBack(ContainerInstanceView),
    /// The hook that is ours to complete.
    HookFound {
        hook: HookRef,
        heartbeat_interval: Duration,
        global_timeout: Option<Duration>,
        foreign_target: Option<String>,
    },
    /// There is no hook that is ours to complete.
    NoHook {
        transition: LifecycleTransition,
        why: NoHook,
    },
    /// The drain waits.
    Waiting {
        tasks: Vec<WaitedFor>,
        why: &'static str,
        deadline: Deadline,
        in_: Duration,
    },
    /// Introspection has been away too long: the ECS API is asked instead.
    FallbackToApi { away_for: Duration },
    /// Introspection is back.
    BackToIntrospection,
    /// Tasks were stopped on behalf of `standalone_tasks`.
    StoppingTask { task: String },
    /// ECS has taken the order to stop a task.
    TaskStopAccepted { task: String },
    /// The container runtime has nothing left, ECS says otherwise: wait for it.
    EcsDisagrees { view: ContainerInstanceView },
    /// A heartbeat was accepted.
    HeartbeatAccepted {
        hook: HookRef,
        next_in: Duration,
        request_id: Option<String>,
    },
    /// A heartbeat was refused as there is no active lifecycle action (yet).
    HeartbeatEarly { hook: HookRef, next_in: Duration },
    /// The drain is over.
    DrainOver {
        outcome: Outcome,
        took: Duration,
        left: Vec<WaitedFor>,
        deadline: Deadline,
    },
    /// CloudFormation has taken the signal.
    Signalled {
        status: SignalStatus,
        stack: String,
        resource: String,
        request_id: Option<String>,
    },
    /// CloudFormation was not waiting for a signal.
    SignalNotAwaited { stack: String, resource: String },
    /// Somebody has signalled for this instance already.
    AlreadySignalled { stack: String, resource: String },
    /// The signal will not be tried again.
    SignalGivenUp { failure: Failure },
    /// The lifecycle action is not active yet.
    CompleteEarly {
        hook: HookRef,
        lifecycle_state: Option<LifecycleState>,
        next_in: Duration,
    },
    /// The lifecycle action is complete: the instance may be terminated, or goes into service.
    Completed {
        transition: LifecycleTransition,
        hook: HookRef,
        result: LifecycleActionResult,
        after: Duration,
        request_id: Option<String>,
    },
    /// The lifecycle action was already completed.
    AlreadyCompleted {
        hook: HookRef,
        lifecycle_state: Option<LifecycleState>,
    },
    /// Nothing to complete: `why` says it.
    NothingToComplete { why: Nothing },
    /// A drain was called off.
    CalledOff { reason: DrainReason },
    /// A new instance is to join, or goes on to after a restart.
    JoinStarted {
        into: JoinTarget,
        in_: Duration,
        resumed: bool,
    },
    /// The join waits.
    Joining { waits: String, in_: Duration },
    /// The instance is a member of its cluster, and ready.
    Joined { took: Duration },
    /// The instance has not become a member in time.
    JoinTimedOut { took: Duration, waited: String },
    /// The user's executables have all succeeded.
    ExecutablesSucceeded { event: ExecutableEvent, ran: usize },
    /// One of them has not.
    ExecutableFailed {
        event: ExecutableEvent,
        failure: Failure,
        retry_in: Option<Duration>,
    },
    /// A person on the machine has asked for a drain.
    DrainAskedByHand { timeout: Option<Duration> },
    /// A person on the machine has called off that drain.
    UndrainAskedByHand,
    /// The figures of a drain have not reached the CloudWatch agent.
    MetricsNotSent { failure: Failure },
    /// A task has come or gone that reserves more than `[capacity]` says: CPU units and MiB.
    LargerTask {
        task: LocalTask,
        cpu: i64,
        memory: i64,
        configured: (u32, u32),
    },
    /// The container instance takes tasks again.
    ReturnedToService(ContainerInstance),
    /// It was not this agent that drained it: left as it is.
    LeftDraining(ContainerInstance),
    /// A call failed; it is tried again.
    CallFailed {
        what: &'static str,
        failure: Failure,
        retry_in: Duration,
    },
    /// A call failed for want of a permission. Said once per action.
    Denied {
        dependency: Dependency,
        action: &'static str,
        failure: Failure,
    },
    /// A dependency does not answer as it should.
    Failing {
        dependency: Dependency,
        failure: Failure,
        for_: Duration,
    },
    /// It does again.
    Recovered {
        dependency: Dependency,
        after: Duration,
    },
    /// The machine is shut down, which is held up to drain.
    ShutdownHeldUp {
        signal: &'static str,
        grace: Duration,
    },
    /// The shutdown goes on.
    Leaving { draining: bool },
    /// The process was asked to stop.
    Stopping {
        signal: &'static str,
        draining: bool,
    },
}

/// Why there is no lifecycle action to complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// The reason of the drain has none.
    NoAction,
    /// `result_on_timeout` is `NONE`: the hook's own timeout decides.
    LeftToTheHook,
    /// No hook of the group is known to be ours.
    NoHook,
}

/// A task that a drain waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitedFor {
    /// Task ARN.
    pub arn: String,
    /// `family:revision`
    pub definition: String,
    /// `service web`, `standalone`, …; `None` where nothing made it worth asking ECS.
    pub kind: Option<String>,
    /// Whether ECS has told it to stop.
    pub stopping: bool,
}
