//! The timeline of what really happened, whatever anybody was told.

use std::time::Duration;

use super::states::{
    ContainerInstanceStatus, LifecycleActionResult, LifecycleState, SpotAction,
    TargetLifecycleState,
};
use crate::clock::SimTime;

/// Something that really happened.
#[derive(Clone, Debug, PartialEq)]
pub struct TruthEvent {
    /// When, in simulated time: exactly when it was due, not when it was noticed.
    pub at_sim: SimTime,
    /// When, in real time since the start.
    pub at_real: Duration,
    /// The instance concerned; empty if none is.
    pub instance: String,
    /// What.
    pub what: What,
}

/// Who changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A caller of the API: the instance whose credentials were used, or the static access key id.
    Api(String),
    /// An operator (the test).
    Operator,
    /// AWS by itself.
    Aws,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The instance was launched, or was there from the start.
    Launched,
    /// The metadata's target state was set.
    TargetStateSet(TargetLifecycleState),
    /// The current state in the group changed; `None` is "in no group".
    LifecycleStateChanged {
        /// From.
        from: Option<LifecycleState>,
        /// To.
        to: Option<LifecycleState>,
    },
    /// The container instance's status changed.
    ContainerInstanceStatusChanged {
        /// From.
        from: ContainerInstanceStatus,
        /// To.
        to: ContainerInstanceStatus,
        /// Who did it.
        by: Who,
    },
    /// The container instance got its ARN.
    ContainerInstanceRegistered,
    /// The ECS agent went up (`true`) or down.
    EcsAgentUp(bool),
    /// `agentConnected` changed otherwise.
    AgentConnected(bool),
    /// A task was placed.
    TaskPlaced {
        /// Its ARN.
        task: String,
    },
    /// Its container started.
    TaskRunning {
        /// Its ARN.
        task: String,
    },
    /// ECS decided that it has to stop.
    TaskToldToStop {
        /// Its ARN.
        task: String,
        /// Why.
        reason: String,
    },
    /// Local introspection shows another `DesiredStatus`.
    TaskDesiredStatus {
        /// Its ARN.
        task: String,
        /// The new status.
        status: &'static str,
    },
    /// Local introspection shows another `KnownStatus`.
    TaskKnownStatus {
        /// Its ARN.
        task: String,
        /// The new status.
        status: &'static str,
    },
    /// Its container is gone, in an orderly way.
    ContainerGone {
        /// Its ARN.
        task: String,
    },
    /// **The instance ended while this task's container was still running.**
    Killed {
        /// Its ARN.
        task: String,
    },
    /// The instance was stopped or hibernated into the warm pool with this container running.
    Suspended {
        /// Its ARN.
        task: String,
    },
    /// A hook became pending.
    HookPending {
        /// `LifecycleHookName`.
        hook: String,
        /// `LifecycleActionToken`.
        token: String,
    },
    /// A heartbeat was accepted.
    HookHeartbeat {
        /// `LifecycleHookName`.
        hook: String,
    },
    /// A completion was accepted.
    HookCompleted {
        /// `LifecycleHookName`.
        hook: String,
        /// `LifecycleActionResult`.
        result: LifecycleActionResult,
        /// Who did it.
        by: Who,
    },
    /// No heartbeat came in time: the default result was taken.
    HeartbeatLapsed {
        /// `LifecycleHookName`.
        hook: String,
        /// `DefaultResult`.
        default_result: LifecycleActionResult,
    },
    /// The global timeout was over: the default result was taken.
    GlobalTimeoutExpired {
        /// `LifecycleHookName`.
        hook: String,
        /// `DefaultResult`.
        default_result: LifecycleActionResult,
    },
    /// A Spot interruption was announced.
    SpotInterruption {
        /// What will be done.
        action: SpotAction,
        /// When.
        at: SimTime,
    },
    /// A rebalance recommendation was given.
    RebalanceRecommended,
    /// A maintenance event was announced or changed.
    MaintenanceEvent {
        /// `EventId`.
        id: String,
    },
    /// CloudFormation accepted a signal.
    SignalReceived {
        /// `StackName`.
        stack: String,
        /// `LogicalResourceId`.
        resource: String,
        /// `UniqueId`.
        unique_id: String,
        /// Whether its `Status` is `SUCCESS`.
        success: bool,
    },
    /// The number of a service's tasks that find no place has changed.
    TasksWait {
        /// The service.
        service: String,
        /// How many.
        count: usize,
    },
    /// An alarm has changed its state.
    Alarm {
        /// Its name.
        alarm: String,
        /// Whether it is in ALARM.
        on: bool,
    },
    /// A policy has changed the size that is desired of a group.
    DesiredCapacity {
        /// The group.
        group: String,
        /// From.
        from: usize,
        /// To.
        to: usize,
    },
    /// The instance is gone.
    InstanceGone {
        /// Why.
        reason: String,
    },
}
