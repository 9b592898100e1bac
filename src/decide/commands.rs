//! The user's own executables: those that say whether the instance is ready, and those around a drain.
//!
//! The core asks for a whole directory at once and hears how it went. Everything else goes on meanwhile,
//! heartbeats above all.

use super::Turn;
use super::action::Action;
use super::call::Call;
use super::event::CommandsReport;
use super::facts::{ContainerInstance, Failure};
use super::note::Note;
use super::time::Moment;

/// When executables are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandEvent {
    /// The instance is a member of its cluster: is it ready as well?
    Ready,
    /// A drain begins: the container instance is not DRAINING yet.
    BeforeDrain,
    /// A drain is over: nobody has been told yet.
    AfterDrain,
}

impl CommandEvent {
    /// The word for it: of the directory, and in the executables' environment.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::BeforeDrain => "before-drain",
            Self::AfterDrain => "after-drain",
        }
    }
}

/// What the executables are told, beside what is known of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandFacts {
    /// Which container instance, if that is known.
    pub container_instance: Option<ContainerInstance>,
    /// Why the instance is drained; empty for [`CommandEvent::Ready`].
    pub reason: String,
    /// Until when.
    pub deadline: Moment,
    /// `drained`, `timed-out`; for [`CommandEvent::AfterDrain`].
    pub outcome: Option<&'static str>,
}

/// The executables of one directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Commands {
    event: CommandEvent,
    call: Call,
    over: Option<bool>,
}

impl Commands {
    /// Those of `event`, which nobody has asked for yet.
    pub(super) fn of(event: CommandEvent) -> Self {
        Self {
            event,
            call: Call::idle(),
            over: None,
        }
    }

    /// Asks for them, once, or again after a failure of theirs.
    pub(super) fn ask(&mut self, at: Moment) {
        if self.over.is_none() && !self.call.is_wanted() {
            self.call.set_due(at);
        }
    }

    /// How it went, once it is over: whether all of them succeeded.
    pub(super) fn over(&self) -> Option<bool> {
        self.over
    }

    /// Whether they run at present.
    pub(super) fn are_running(&self) -> bool {
        self.call.is_in_flight()
    }

    /// Nobody waits for them any more. That they were never run, or not to their end, is no failure.
    pub(super) fn give_up(&mut self) {
        self.call = Call::idle();
    }

    pub(super) fn start(&mut self, facts: impl FnOnce() -> CommandFacts, turn: &mut Turn<'_>) {
        if self.call.start(turn.now) {
            turn.act(Action::RunCommands {
                event: self.event,
                facts: facts(),
            });
        }
    }

    /// Takes in how it went. Those that have failed are run again after a while where `again` says so.
    pub(super) fn absorb(
        &mut self,
        event: CommandEvent,
        result: Result<CommandsReport, Failure>,
        again: bool,
        turn: &mut Turn<'_>,
    ) {
        if event != self.event || !self.call.is_in_flight() {
            return;
        }
        let (ran, failed) = match result {
            Ok(report) => (report.ran, report.failed),
            Err(failure) => (0, vec![failure]),
        };
        let retry_in = match failed.first() {
            Some(failure) if again => Some(self.call.failed(turn.now, failure, turn.seed)),
            _ => {
                self.call.succeeded();
                self.over = Some(failed.is_empty());
                None
            }
        };
        if failed.is_empty() && ran > 0 {
            turn.say(Note::CommandsSucceeded { event, ran });
        }
        for failure in failed {
            turn.say(Note::CommandFailed {
                event,
                failure,
                retry_in,
            });
        }
    }

    pub(super) fn wake_at(&self) -> Option<Moment> {
        self.call.wake_at()
    }
}
