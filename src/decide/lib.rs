//! The decision: a pure function of (state, event, now, policy). No I/O, no clock, no logging, no SDK.
//!
//! ```text
//!  event ──▶ absorb ──▶ beliefs ──▶ wants ──▶ advance ──▶ actions, notes
//!                       (each with   (pure      (each part closes
//!                        its age)    functions)  its own difference)
//! ```
//!
//! What is *wanted* is derived afresh in every step from what is *believed* (`wants`); each part compares
//! the two and sends the request that closes the difference. No part has to be told that something happened,
//! and none can forget to look. What is under way is in the `ledger`: a request outlives what it was wanted
//! for, and its answer counts by when it was *sent*.
//!
//! Only episodes latch: one [`Drain`], one [`Join`]. Each holds one lifecycle action ([`hold`]): found, kept
//! waiting, completed. Beside them, for as long as the process lives: who we are and whether ECS places tasks
//! here ([`registration`]), what runs here ([`tasks`]), and which service started each task (`kinds`).
//!
//! The [`Phase`] is derived, for people. Nothing is decided by it.

mod by_hand;
mod capacity;
mod deadline;
pub mod drain;
mod executables;
mod former;
mod health;
pub mod hold;
mod join;
mod kinds;
mod ledger;
mod leftovers;
mod metadata;
mod model;
mod pace;
pub mod registration;
mod signal;
mod state;
pub mod tasks;
mod turn;
mod wants;
mod whereabouts;
mod written;

pub use by_hand::HandRefusal;
pub use capacity::{Capacity, judge, phase as capacity_phase};
pub use drain::Drain;
pub use health::{Condition, Health};
pub use hold::Hold;
pub use join::Join;
pub use kinds::Kinds;
pub use leftovers::Leftovers;
pub use model::*;
pub use pace::{retry_delay, seed_of};
pub use state::{Phase, State};
pub use wants::Intent;
pub use written::HEAD_START;

pub(crate) use turn::Turn;

/// The validated configuration. The core decides by it.
pub type Policy = ecs_lifecycle_config::Settings;

/// The result of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The requests to send, in order. Each answer carries the ticket of its request.
    pub actions: Vec<(Ticket, Action)>,
    /// Requests to cancel, because their answers are not needed any more. They get no answer.
    pub cancelled: Vec<Ticket>,
    /// The messages to log, in order.
    pub notes: Vec<Note>,
    /// Whether the process ends now, with nothing further done.
    pub exit: bool,
    /// When to send the next [`Event::Tick`] if no other event comes first. It is computed for the moment
    /// of the step. If it were computed later, the core could miss a moment in between.
    pub wake: Option<Moment>,
}

/// The maximum number of rounds in a step. A decision of one part can allow another part to continue.
const ROUNDS: usize = 8;

/// Takes in one event, changes the state, and returns what else follows from it.
pub fn step(state: &mut State, event: Event, now: Moment, policy: &Policy) -> Step {
    let before = state.phase().name();
    let mut turn = state.turn(now, policy);
    state.notice_a_pause(now);
    state.absorb(event, &mut turn);
    for _ in 0..ROUNDS {
        let sent = (turn.actions.len(), turn.notes.len());
        turn.wake = None;
        state.advance(&mut turn);
        if sent == (turn.actions.len(), turn.notes.len()) {
            break;
        }
    }
    state.end_turn(&mut turn);
    if state.phase().name() != before {
        state.since = now;
    }
    state.wake = turn.wake;
    Step {
        wake: turn.wake.filter(|_| !state.gone),
        exit: state.gone,
        actions: turn.actions,
        cancelled: turn.cancelled,
        notes: turn.notes,
    }
}
