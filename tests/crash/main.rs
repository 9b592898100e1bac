//! Crash-only: the agent is killed (or stopped) at every request of a drain, and at random moments of a
//! thousand random drains, and started again. What is asserted is the simulator's truth.
//!
//! `CRASH_DRAINS` is the number of random drains, `CRASH_SEED` the seed of the first one.

// A test that cannot go on fails, and the modules share their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub)]

mod back;
mod deadline;
mod file;
mod lives;
mod points;
mod random;
#[path = "../e2e/stage.rs"]
// Another test program uses the rest.
#[allow(dead_code, unused_imports)]
mod stage;
mod starved;

#[expect(clippy::print_stderr, reason = "a summary for whoever runs the test")]
fn report(line: &str) {
    eprintln!("{line}");
}
