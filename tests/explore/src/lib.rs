//! An adversary that searches.

pub mod agents;
pub mod search;
pub mod story;
pub mod wire;
pub mod world;
