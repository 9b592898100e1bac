//! The real binary against the simulator, over real sockets. What is asserted is the simulator's truth
//! and its record of requests, not what the agent says of itself.

// A test that cannot go on fails, and the modules share their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub)]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod by_hand;
mod capacity;
mod clocks;
mod control;
mod deadline;
mod early;
mod emf;
mod executables;
mod fleet;
mod hooks;
mod joining;
mod large;
mod leftovers;
mod names;
mod newcomer;
mod notices;
mod observed;
mod openmetrics;
mod packages;
mod plain;
mod proxies;
mod ready;
mod reasons;
mod restart;
mod rolling;
mod root_volume;
mod scripts;
mod signal;
mod stage;
mod status;
mod stuck;
mod surface;
mod tls;
