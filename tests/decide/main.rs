//! The pure core, through its one function: tables for every transition, and a random world in virtual
//! time for the invariants. No socket, no clock, no sleep.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]
#![allow(
    unreachable_pub,
    reason = "modules of one test program share their helpers"
)]

mod agent;
mod joining;
mod own;
mod parts;
mod properties;
mod returning;
mod shutdown;
mod transitions;
mod world;
