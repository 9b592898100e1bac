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
//! here ([`registration`]), what runs here ([`tasks`]), whose it is (`leftovers`).
//!
//! The [`Phase`] is derived, for people. Nothing is decided by it.

mod by_hand;
mod capacity;
pub mod drain;
mod executables;
mod former;
mod health;
pub mod hold;
mod join;
mod ledger;
mod leftovers;
mod model;
mod pace;
pub mod registration;
mod signal;
mod state;
pub mod tasks;
mod turn;
mod wants;
mod whereabouts;

pub use by_hand::HandRefusal;
pub use capacity::{Capacity, judge, phase as capacity_phase};
pub use drain::Drain;
pub use health::{Condition, Dependency, Health};
pub use hold::{Hold, NoHook};
pub use join::Join;
pub use leftovers::Leftovers;
pub use model::*;
pub use pace::{retry_delay, seed_of};
pub use state::{Phase, State};
pub use wants::Intent;

pub(crate) use turn::Turn;

/// What the core decides by: the validated configuration.
pub type Policy = ecs_lifecycle_config::Settings;

/// What a step leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The state from now on.
    pub state: State,
    /// What to do, in order, each with the ticket that its answer carries.
    pub actions: Vec<(Ticket, Action)>,
    /// What nobody waits for any more: it is ended, and has no answer.
    pub cancelled: Vec<Ticket>,
    /// What to say, in order.
    pub notes: Vec<Note>,
    /// Whether the process ends now, with nothing further done.
    pub exit: bool,
    /// When to come back with a [`Event::Tick`], if nothing else happens before. Of the very moment of
    /// the step: to ask later would be to miss what comes due in between.
    pub wake: Option<Moment>,
}

/// As many rounds as one step takes at the most: what one part has decided may let another go on.
const ROUNDS: usize = 8;

/// Takes one event in, and decides.
pub fn step(mut state: State, event: Event, now: Moment, policy: &Policy) -> Step {
    let before = state.phase().name();
    let mut turn = state.turn(now, policy);
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
    Step {
        wake: turn.wake.filter(|_| !state.is_exiting()),
        exit: state.is_exiting(),
        state,
        actions: turn.actions,
        cancelled: turn.cancelled,
        notes: turn.notes,
    }
}
