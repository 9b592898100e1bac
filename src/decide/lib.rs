//! The decision: a pure function of (state, event, now, policy). No I/O, no clock, no logging, no SDK.
//!
//! ```text
//!                 metadata read once      a new instance
//!    Starting ───────────────────────▶ Watching ───────▶ Joining
//!                                       │   ▲  ◀─────────── │    joined, or out of time
//!        target Terminated / Warmed:…,  │   │
//!        or another reason to drain     │   │ not ours to put back
//!        (from Joining as well)         ▼   │                     ACTIVE again
//!                                     Draining ──── called off ──▶ Returning ──▶ Watching
//!                 tasks really gone,    │                            ▲
//!                 or the deadline       ▼                            │
//!                                    Completing ──── called off ─────┤
//!                 signal sent, action   │                            │
//!                 complete (or none is) ▼                            │
//!                                      Done ──────── called off ─────┘
//! ```
//!
//! A drain is called off where the target is `InService` again, or where its reason is gone that nobody
//! but the instance itself had (maintenance that was cancelled, a drain by hand).
//!
//! While `Draining`, independent parts work side by side, one file each in [`drain`]: *placement* (is the
//! container instance DRAINING?), *tasks* (what still runs?), *leftovers* (tasks that draining does not
//! stop). [`lifecycle`] has what launching and terminating share: *search* (which lifecycle action is
//! ours?), *heartbeat*, *completion*. [`Join`] is the other half of the story.
//!
//! Every [`step`] has two halves: *absorb* the event into the state, then *advance*, which starts
//! whatever is due. The second half does not know which event came, so a repeated observation changes
//! nothing, and no path can forget to look at another part.
//!
//! Invariants, each held by a property test in `tests/decide/properties.rs`:
//! - at most one lifecycle action is accepted as complete in a drain;
//! - none is completed before the tasks are gone or the deadline has come;
//! - none is completed because of a stop signal;
//! - while a drain works, heartbeats are never further apart than their interval, whatever else hangs;
//! - no heartbeat follows the deadline;
//! - the number of API calls of a plain drain depends neither on its length nor on the number of tasks.

mod action;
mod call;
mod commands;
pub mod drain;
mod event;
mod facts;
mod health;
mod join;
pub mod lifecycle;
mod memory;
mod note;
mod state;
mod time;

pub use action::{Action, DrainFigures, HookRef, LifecycleActionResult, SignalStatus};
pub use call::{Call, retry_delay, seed_of};
pub use commands::{CommandEvent, CommandFacts, Commands};
pub use drain::{Deadline, DeadlineSource, Drain, DrainReason, Limits, Outcome};
pub use event::{Accepted, Answer, CommandsReport, Event, StateChange};
pub use facts::{
    ApiTask, AutoScalingInstance, ContainerInstance, ContainerInstanceStatus,
    ContainerInstanceView, Failure, FailureKind, Instance, LifecycleHook, LifecycleTransition,
    MaintenanceEvent, MetadataReading, RebalanceRecommendation, SpotInstanceAction,
    TargetLifecycleState, Task, TaskKind, TaskStatus, short,
};
pub use health::{Condition, Dependency, Health};
pub use join::{Join, JoinOutcome};
pub use lifecycle::{Completion, NoHook};
pub use memory::{DrainByHand, JoinTarget, Memory, RememberedDrain, RememberedJoin};
pub use note::{Note, WaitedFor};
pub use state::{Done, Phase, State};
pub use time::Moment;

/// What the core decides by: the validated configuration.
pub type Policy = ecs_lifecycle_config::Settings;

/// What a step leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The state from now on.
    pub state: State,
    /// What to do, in order.
    pub actions: Vec<Action>,
    /// What to say, in order.
    pub notes: Vec<Note>,
    /// When to come back with a [`Event::Tick`], if nothing else happens before. Of the very moment of
    /// the step: to ask later would be to miss what comes due in between.
    pub wake: Option<Moment>,
}

/// Takes one event in, and decides.
pub fn step(mut state: State, event: Event, now: Moment, policy: &Policy) -> Step {
    let mut turn = Turn {
        now,
        policy,
        seed: state.seed(),
        actions: Vec::new(),
        notes: Vec::new(),
    };
    let before = state.phase.as_str();
    state.absorb(event, &mut turn);
    state.advance(&mut turn);
    if state.phase.as_str() != before {
        state.since = now;
    }
    Step {
        wake: state.wake_at(now, policy),
        state,
        actions: turn.actions,
        notes: turn.notes,
    }
}

/// One step in the making: what it may look at, and what it has decided so far.
pub(crate) struct Turn<'a> {
    now: Moment,
    policy: &'a Policy,
    seed: u64,
    actions: Vec<Action>,
    notes: Vec<Note>,
}

impl Turn<'_> {
    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn say(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// Books a failed call: it is due again after the policy's backoff, and reported.
    fn call_failed(
        &mut self,
        call: &mut Call,
        health: &mut Health,
        dependency: Dependency,
        what: &'static str,
        failure: &Failure,
    ) {
        let retry_in = call.failed(self.now, failure, self.seed);
        health.call_failed(
            dependency,
            what,
            failure,
            self.now,
            retry_in,
            &mut self.notes,
        );
    }

    /// Books a good answer from a dependency.
    fn good(&mut self, health: &mut Health, dependency: Dependency) {
        health.good(dependency, self.now, &mut self.notes);
    }
}

/// Looks for the moment at which the driver has to come back, if nothing happens before.
///
/// What was due by now has been started, or is held up by something whose end is an event of its own:
/// only moments still to come count, so the driver can never spin.
pub(crate) struct Wake {
    now: Moment,
    at: Option<Moment>,
}

impl Wake {
    fn consider(&mut self, moment: Option<Moment>) {
        let Some(moment) = moment.filter(|moment| *moment > self.now) else {
            return;
        };
        self.at = Some(self.at.map_or(moment, |at| at.min(moment)));
    }
}
