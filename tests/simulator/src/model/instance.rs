//! One instance: what EC2, Auto Scaling, ECS and the metadata service know of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::credentials::Identity;
use super::states::{
    ContainerInstanceStatus, LifecycleActionResult, LifecycleState, SpotAction,
    TargetLifecycleState,
};
use crate::clock::SimTime;
use crate::spec::{HostResources, TaskSpec};

/// An instance in the model.
#[derive(Clone, Debug)]
pub struct InstanceModel {
    /// Its id.
    pub id: String,
    /// Its group, if any.
    pub group: Option<String>,
    /// `LifecycleState`; `None`: in no group (any more).
    pub lifecycle_state: Option<LifecycleState>,
    /// `target-lifecycle-state`; `None` is a 404.
    pub target_lifecycle_state: Option<TargetLifecycleState>,
    /// `instance-life-cycle`
    pub life_cycle: &'static str,
    /// Where it goes once its terminating hooks are done.
    pub(crate) destination: Destination,
    /// Counts changes of the lifecycle state, so that transitions made void by one are ignored.
    pub(crate) epoch: u64,
    /// The hooks of the present (or last) `:Wait` state.
    pub hooks: Vec<PendingHook>,
    /// Accepted completions per hook name.
    pub completions: BTreeMap<String, u32>,
    /// When it was gone.
    pub gone_at: Option<SimTime>,
    /// Its cluster.
    pub cluster: String,
    /// `containerInstanceArn`.
    pub container_instance_arn: String,
    /// Earlier registrations of its ECS agent, by ARN: ECS still has them.
    pub former: BTreeMap<String, ContainerInstanceStatus>,
    /// Whether it is registered.
    pub registered: bool,
    /// The container instance's status.
    pub status: ContainerInstanceStatus,
    /// Whether the ECS agent runs (`agentConnected`, and whether introspection answers).
    pub ecs_agent_up: bool,
    /// Whether the ECS agent has its connection to ECS, while it runs.
    pub connected: bool,
    /// How long after registering it has.
    pub(crate) connects_after: Duration,
    /// When it was launched, or started again, since 1970 (`pendingTime`).
    pub launched_at: Duration,
    /// Since when it is in service, where it was launched in the simulation.
    pub in_service_since: Option<SimTime>,
    /// ARNs of its tasks, in the order of their placement.
    pub tasks: Vec<String>,
    /// What the scheduler places on it, so long after it has become `ACTIVE`.
    pub(crate) scheduled: Option<(TaskSpec, Duration)>,
    /// Whether it is on its way back to the warm pool, in the pool's states.
    pub(crate) returning: bool,
    /// Tasks to be placed some time after `DRAINING`.
    pub(crate) arrivals: Vec<TaskSpec>,
    /// An announced Spot interruption.
    pub spot: Option<(SpotAction, SimTime)>,
    /// A rebalance recommendation.
    pub rebalance: Option<SimTime>,
    /// Scheduled maintenance events.
    pub maintenance: Vec<MaintenanceEvent>,
    /// Tags in the metadata, where they are enabled.
    pub metadata_tags: Option<BTreeMap<String, String>>,
    /// What it has for tasks.
    pub resources: HostResources,
    /// `capacityProviderName`
    pub capacity_provider: Option<String>,
    /// `user-data`; `None` is a 404.
    pub user_data: Option<String>,
    /// Metadata tokens and credentials.
    pub(crate) identity: Identity,
}

impl InstanceModel {
    /// The hook of this name, if its action is pending.
    pub fn pending_hook(&self, name: &str) -> Option<&PendingHook> {
        let waiting = self.lifecycle_state.is_some_and(LifecycleState::is_wait);
        self.hooks
            .iter()
            .find(|h| waiting && h.name == name && h.result.is_none())
    }

    /// `agentConnected`.
    pub fn agent_connected(&self) -> bool {
        self.ecs_agent_up && self.connected
    }

    /// Whether it exists no more.
    pub fn is_gone(&self) -> bool {
        self.gone_at.is_some()
    }
}

/// Where an instance goes after its terminating hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Gone,
    WarmPool(TargetLifecycleState),
    NewRootVolume,
}

/// A hook of an instance in a `:Wait` state.
#[derive(Clone, Debug)]
pub struct PendingHook {
    /// `LifecycleHookName`.
    pub name: String,
    /// `LifecycleActionToken`.
    pub token: String,
    /// `HeartbeatTimeout`.
    pub heartbeat_timeout: Duration,
    /// When it lapses for want of a heartbeat.
    pub heartbeat_deadline: SimTime,
    /// When it lapses in any case.
    pub global_deadline: SimTime,
    /// Completions and heartbeats are refused before.
    pub accepting_from: SimTime,
    /// Taken if it lapses.
    pub default_result: LifecycleActionResult,
    /// `None` while it is pending.
    pub result: Option<LifecycleActionResult>,
}

/// A scheduled maintenance event, as the metadata service lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaintenanceEvent {
    /// `EventId`.
    pub id: String,
    /// `Code`: `system-reboot`, `instance-stop`, `instance-retirement`, …
    pub code: String,
    /// `State`: `active`, `completed` or `canceled`.
    pub state: String,
    /// `Description`.
    pub description: String,
    /// `NotBefore`.
    pub not_before: SimTime,
    /// `NotAfter`.
    pub not_after: Option<SimTime>,
}
