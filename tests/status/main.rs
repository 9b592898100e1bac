//! The state for a person, with the core in every phase.

// A test that cannot go on fails, and the modules share their helpers.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
#![allow(unreachable_pub, dead_code)]

#[path = "../decide/agent.rs"]
mod agent;
mod line;
