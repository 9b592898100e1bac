//! The library behind the `ecs-lifecycle-agent` binary: observe → decide → act.
//!
//! Read in this order: [`decide`] (the state machine, pure), [`driver`] (the loop), [`effects`] (carries out the
//! actions), [`clients`] (one file for each service), [`narrate`] (the messages). `docs/architecture.md` has a
//! diagram. It is a library so that tests can use it; none of its interfaces is stable.

pub use ecs_lifecycle_config as config;
pub use ecs_lifecycle_decide as decide;

pub mod capacity;
pub mod cli;
pub mod clients;
pub mod clock;
pub mod control;
pub mod doctor;
pub mod driver;
pub mod effects;
pub mod logging;
pub mod metrics;
pub mod narrate;
pub mod outbox;
pub mod previous;
pub mod signals;
pub mod status;
pub mod systemd;
pub mod terminal;
pub mod threads;
