//! The user's own executables: those that say whether the instance is ready, and those around a drain.
//!
//! The core asks for a whole directory at once and hears how it went. Everything else goes on meanwhile,
//! heartbeats above all. Executables are cancelled when their result is not needed any more.

use crate::model::{Action, ExecutableEvent, ExecutableFacts, ExecutablesReport, Failure, Note};
use crate::pace::Pace;
use crate::turn::Turn;

/// The executables of one directory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Executables {
    event: ExecutableEvent,
    pace: Pace,
    running: bool,
    over: Option<bool>,
}

impl Executables {
    /// Those of `event`.
    pub(crate) fn of(event: ExecutableEvent, now: crate::model::Moment) -> Self {
        Self {
            event,
            pace: Pace::at(now),
            running: false,
            over: None,
        }
    }

    /// How it went, once it is over: whether all of them succeeded.
    pub(crate) fn over(&self) -> Option<bool> {
        self.over
    }

    /// Whether they run at present.
    pub(crate) fn are_running(&self) -> bool {
        self.running
    }

    /// Cancels them. It is no failure if they were not started or did not end.
    pub(crate) fn give_up(&mut self, turn: &mut Turn<'_>) {
        if std::mem::take(&mut self.running) {
            let event = self.event;
            turn.cancel(
                |action| matches!(action, Action::RunExecutables { event: of, .. } if *of == event),
            );
        }
    }

    pub(crate) fn advance(&mut self, facts: impl FnOnce() -> ExecutableFacts, turn: &mut Turn<'_>) {
        if self.over.is_none() && !self.running && self.pace.is_due(turn) {
            self.running = true;
            turn.send(Action::RunExecutables {
                event: self.event,
                facts: facts(),
            });
        }
    }

    /// Takes in how it went. Those that have failed are run again after a while where `again` says so.
    pub(crate) fn absorb(
        &mut self,
        result: Result<ExecutablesReport, Failure>,
        again: bool,
        turn: &mut Turn<'_>,
    ) {
        if !std::mem::take(&mut self.running) {
            return;
        }
        let event = self.event;
        let (ran, failed) = match result {
            Ok(report) => (report.ran, report.failed),
            Err(failure) => (0, vec![failure]),
        };
        let retry_in = match failed.first() {
            Some(failure) if again => Some(self.pace.back_off(failure, turn)),
            _ => {
                self.over = Some(failed.is_empty());
                None
            }
        };
        if failed.is_empty() && ran > 0 {
            turn.say(Note::ExecutablesSucceeded { event, ran });
        }
        for failure in failed {
            turn.say(Note::ExecutableFailed {
                event,
                failure,
                retry_in,
            });
        }
    }
}
