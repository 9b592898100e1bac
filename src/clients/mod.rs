//! One file for each service that the agent talks to, reads and writes alike: instance metadata (`imds`) and the
//! ECS agent (`introspection`) on this machine, ECS, Auto Scaling and CloudFormation over the network.
//!
//! Fetching and parsing are separate: [`parse`] is pure, accepts any bytes, and never panics.

pub mod autoscaling;
pub mod aws;
pub mod bounded;
pub mod cloudformation;
pub mod ecs;
mod endpoints;
pub mod failure;
pub mod http;
pub mod imds;
pub mod introspection;
pub mod names;
pub mod parse;

pub use endpoints::Endpoints;
pub use imds::{Imds, Warnings};
pub use introspection::Introspection;
