//! What a test declares: options, clusters, groups, hooks, instances, tasks and stacks.
//!
//! Every duration in a specification is simulated time. Everything has a default; the builder
//! methods take and return `self`.

mod group;
mod instance;
mod options;
mod scaling;
mod stack;
mod task;

pub use group::{GroupSpec, HookSpec};
pub use instance::{HostResources, InstanceSpec};
pub use options::Options;
pub use scaling::{AlarmSpec, MetricSpec, Policy, Statistic};
pub use stack::{ResourceSpec, StackSpec};
pub use task::{ApiSkew, Deployment, Placement, Reservation, ServiceSpec, TaskKind, TaskSpec};
