//! `ecs-lifecycle-agent doctor`: the real binary, on set-ups that are broken in one way each. Every test
//! names all the checks that are to complain, so that one cause is not said twice, nor in a wrong place.

// A test that cannot go on fails, and the modules share their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub)]

mod aws;
mod document;
mod healthy;
mod hooks;
mod host;
mod image;
mod metadata;
mod rude;
mod stage;
mod upgrade;
