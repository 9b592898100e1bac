//! The pure core, through its one function: tables for what a search of its worlds (`tests/explore`) cannot
//! say better. No socket, no clock, no sleep.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]
#![allow(
    unreachable_pub,
    reason = "modules of one test program share their helpers"
)]

mod agent;
mod capacity;
mod drain;
mod executables;
mod fleet;
mod former;
mod joining;
mod own;
mod pace;
mod record;
mod shutdown;
mod stage;
mod tasks;
mod wants;
