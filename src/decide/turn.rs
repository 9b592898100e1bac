//! The context of one step: the time, the policy, and the results so far.

use std::time::Duration;

use crate::Policy;
use crate::health::Health;
use crate::ledger::Ledger;
use crate::model::{Action, Failure, Moment, Note, Operation, Ticket, WallTime};

/// Handed through a step, from part to part.
pub(crate) struct Turn<'a> {
    /// The moment of the step.
    pub(crate) now: Moment,
    /// The configuration.
    pub(crate) policy: &'a Policy,
    /// The seed for jitter.
    pub(crate) seed: u64,
    /// What the wall clock shows at the boot clock's zero.
    pub(crate) wall_at_boot: WallTime,
    pub(crate) ledger: Ledger,
    pub(crate) health: Health,
    pub(crate) actions: Vec<(Ticket, Action)>,
    pub(crate) cancelled: Vec<Ticket>,
    pub(crate) notes: Vec<Note>,
    /// The call whose answer is taken in, and so is booked.
    pub(crate) answered: Option<Operation>,
    pub(crate) wake: Option<Moment>,
}

impl Turn<'_> {
    /// Whether a moment has come. If not, the core is woken at that moment. Every check of a moment goes
    /// through here, so no separate list of wake-ups can become wrong.
    pub(crate) fn reached(&mut self, at: Moment) -> bool {
        if at > self.now {
            self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
        }
        at <= self.now
    }

    /// Sends a request.
    pub(crate) fn send(&mut self, action: Action) -> Ticket {
        let ticket = self.ledger.book(action.clone(), self.now);
        self.actions.push((ticket, action));
        ticket
    }

    /// Cancels a request whose answer is not needed any more. It gets no answer.
    pub(crate) fn cancel(&mut self, which: impl Fn(&Action) -> bool) {
        while let Some(ticket) = self.ledger.find(&which).map(|flight| flight.ticket) {
            self.ledger.land(ticket);
            self.actions.retain(|(sent, _)| *sent != ticket);
            self.cancelled.push(ticket);
        }
    }

    /// Whether a request is under way that `which` is true of.
    pub(crate) fn is_flying(&self, which: impl Fn(&Action) -> bool) -> bool {
        self.ledger.find(which).is_some()
    }

    pub(crate) fn say(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// Books a good answer.
    pub(crate) fn good(&mut self) {
        if let Some(call) = self.answered {
            self.health.good(call, self.now, &mut self.notes);
        }
    }

    /// Books a failed poll, which is asked again at its next turn: said once it goes on for `quiet_for`.
    pub(crate) fn bad(&mut self, failure: &Failure, quiet_for: Duration) {
        if let Some(Operation { dependency, .. }) = self.answered {
            self.health
                .bad(dependency, failure, self.now, quiet_for, &mut self.notes);
        }
    }

    /// Books a failed call that is tried again in `retry_in`.
    pub(crate) fn failed_for(&mut self, failure: &Failure, retry_in: Duration) {
        if let Some(call) = self.answered {
            self.health
                .call_failed(call, failure, self.now, retry_in, &mut self.notes);
        }
    }
}
