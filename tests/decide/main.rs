//! The pure core, through its one function: tables for what a search of its worlds (`tests/explore`) cannot
//! say better. No socket, no clock, no sleep.

// A test that cannot go on fails, and the modules share their helpers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![allow(unreachable_pub)]

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
