//! What is observed, all of it on this machine: instance metadata and the ECS agent's introspection.
//!
//! Reading is one thing, understanding another: [`imds`] and [`introspection`] fetch, and hand the bytes
//! to pure parsers in [`parse`], which take anything and panic at nothing.

pub mod imds;
pub mod introspection;
pub mod parse;

pub use imds::{Imds, Warnings};
pub use introspection::Introspection;
