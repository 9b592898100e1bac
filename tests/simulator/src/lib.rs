//! Plays everything around `ecs-lifecycle-agent` on loopback, over the real protocols: instance
//! metadata (IMDSv2), the ECS agent's introspection server, Amazon ECS, Auto Scaling, CloudFormation.
//!
//! Behind the sockets is a model of the truth ([`World`]): what containers really run, what Auto
//! Scaling really waits for. Tests assert on that, not on what the agent says. The one signal that
//! must never show up is [`What::Killed`].
//!
//! Start with [`Scenario`] or [`Simulator::start`]; see the README for an example.
//!
//! - [`model`]: the pure state machine.
//! - [`spec`]: what a test declares.
//! - `fault`: faults and gates.
//! - `net`: sockets.
//! - `metadata`, `api`: the protocols.

mod api;
mod clock;
mod fault;
mod ids;
mod instance;
mod metadata;
pub mod model;
mod net;
mod pattern;
mod report;
mod scenario;
mod secrets;
mod shared;
mod simulator;
pub mod spec;

pub use clock::{Calendar, Clock, SimTime};
pub use fault::{Fault, FaultId, FaultKind, Gate, HeldRequest, Hold, HoldPoint};
pub use instance::Instance;
pub use model::{
    Container, ContainerInstanceStatus, GroupSize, HookTransition, LifecycleActionResult,
    LifecycleState, MaintenanceEvent, Outcome, RequestLog, RequestRecord, Service, SpotAction,
    TargetLifecycleState, TruthEvent, What, Who, World,
};
pub use pattern::AWS_CALLS;
pub use scenario::Scenario;
pub use secrets::{
    IMDS_TOKEN_MARKER, SECRET_KEY_MARKER, SECRET_MARKERS, SESSION_TOKEN_MARKER, SIGNATURE_MARKER,
    STATIC_ACCESS_KEY_ID,
};
pub use simulator::Simulator;
pub use spec::{
    AlarmSpec, ApiSkew, Deployment, GroupSpec, HookSpec, HostResources, InstanceSpec, MetricSpec,
    Options, Placement, Policy, Reservation, ResourceSpec, ServiceSpec, StackSpec, Statistic,
    TaskKind, TaskSpec,
};

/// Keeps the README's example compiling.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
