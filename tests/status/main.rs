//! The state for a person, with the core in every phase.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "modules of one test program share their helpers"
)]

#[path = "../decide/agent.rs"]
mod agent;
mod line;
