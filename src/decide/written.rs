//! How much of what has to be remembered is on the disk.

use std::time::Duration;

use crate::model::{Action, Failure, Memory, Moment};
use crate::pace::Pace;
use crate::turn::Turn;

/// The longest wait for a write to the state directory. A stuck disk must not stop the drain.
pub const HEAD_START: Duration = Duration::from_millis(250);

/// What the state directory has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Written {
    memory: Memory,
    writing: Memory,
    /// What has to be written, and since when.
    unwritten: Option<(Memory, Moment)>,
    write: Pace,
}

impl Written {
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            write: Pace::at(now),
            ..Self::default()
        }
    }

    /// An earlier process has written `memory`.
    pub(crate) fn has(&mut self, memory: &Memory) {
        self.memory.clone_from(memory);
    }

    pub(crate) fn absorb(&mut self, result: Result<(), Failure>, turn: &mut Turn<'_>) {
        match result {
            Ok(()) => {
                self.write.succeeded();
                self.memory.clone_from(&self.writing);
                turn.good();
            }
            Err(failure) => self.write.failed(&failure, turn),
        }
    }

    /// Whether all of `memory` is on the disk.
    pub(crate) fn has_all(&self, memory: &Memory) -> bool {
        *memory == self.memory
    }

    /// Whether all of `memory` is on the disk, or the time to wait for it is over.
    pub(crate) fn is_safe(&mut self, memory: &Memory, turn: &mut Turn<'_>) -> bool {
        if self.has_all(memory) {
            self.unwritten = None;
            return true;
        }
        let since = match self.unwritten.take() {
            Some((unwritten, since)) if unwritten == *memory => since,
            _ => turn.now,
        };
        self.unwritten = Some((memory.clone(), since));
        turn.reached(since + HEAD_START)
    }

    /// Writes `memory` after a change, one write at a time.
    pub(crate) fn advance(&mut self, memory: &Memory, turn: &mut Turn<'_>) {
        let flying = turn.is_flying(|action| matches!(action, Action::Remember(_)));
        if !flying && !self.has_all(memory) && self.write.is_due(turn) {
            self.write.set(turn.now);
            self.writing.clone_from(memory);
            turn.send(Action::Remember(Box::new(memory.clone())));
        }
    }
}
