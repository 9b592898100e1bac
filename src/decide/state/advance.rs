//! The second half of a step: whatever is due is started. It does not know which event came.

use super::super::Turn;
use super::super::action::Action;
use super::super::drain::Outcome;
use super::super::lifecycle::Completion;
use super::super::note::Note;
use super::absorb::IDENTITY_POLL;
use super::{Done, Phase, State};

impl State {
    pub(crate) fn advance(&mut self, turn: &mut Turn<'_>) {
        if self.exiting {
            return;
        }
        self.change_phase(turn);
        // Before the drain is looked at: a shutdown whose time is over completes nothing.
        if self.leaves(turn) {
            return;
        }
        self.memorize();
        self.write_down(turn);
        self.read(turn);
        self.advance_phase(turn);
        self.leaves(turn);
    }

    /// Ends the process where the machine is shut down, and its time is over or nothing is left to do.
    fn leaves(&mut self, turn: &mut Turn<'_>) -> bool {
        let Some(leave_at) = self.leave_at.filter(|_| !self.exiting) else {
            return false;
        };
        let draining = self.is_draining();
        if draining && turn.now < leave_at {
            return false;
        }
        self.exit(Note::Leaving { draining }, turn);
        true
    }

    /// What a restart could not find out again.
    fn memorize(&mut self) {
        self.memory
            .container_instance
            .clone_from(&self.container_instance);
        if let (Phase::Draining(drain), Some(memory)) = (&self.phase, &mut self.memory.drain) {
            memory.ours = drain.placement.is_ours();
        }
        if let Phase::Joining(join) = &self.phase {
            self.memory.join = Some(join.remembered);
        }
    }

    /// Starts what goes on in every phase.
    fn read(&mut self, turn: &mut Turn<'_>) {
        if self.read_instance.start(turn.now) {
            turn.act(Action::ReadInstance);
        }
        if self.read_metadata.start(turn.now) {
            self.metadata_started = turn.now;
            turn.act(Action::ReadMetadata);
        }
        if let Some(signal) = &mut self.parting {
            signal.advance(turn);
        }
        if self.read_identity.start(turn.now) {
            turn.act(Action::ReadContainerInstance);
        }
    }

    fn advance_phase(&mut self, turn: &mut Turn<'_>) {
        let remembered = self.memory == self.written;
        match &mut self.phase {
            Phase::Starting | Phase::Watching | Phase::Done(_) => {}
            Phase::Joining(join) => {
                if join
                    .advance(self.container_instance.as_ref(), turn)
                    .is_some()
                {
                    self.end_join(turn);
                }
            }
            Phase::Draining(drain) => {
                if let Some(leave_at) = self.leave_at {
                    drain.leave_at(leave_at);
                }
                let over = drain.advance(self.container_instance.as_ref(), remembered, turn);
                if drain.placement.wants_identity() {
                    self.read_identity.ask(turn.now + IDENTITY_POLL);
                }
                if let Some(outcome) = over {
                    self.complete(outcome, turn);
                }
            }
            Phase::Completing(drain, completion) => {
                drain.advance_heartbeat(completion.heartbeats(), turn);
                if completion.advance(&mut drain.hook, turn) {
                    let done = Done {
                        reason: drain.reason.clone(),
                        outcome: drain.outcome().unwrap_or(Outcome::Drained),
                        at: turn.now,
                    };
                    self.phase = Phase::Done(done);
                }
            }
            Phase::Returning {
                container_instance,
                call,
            } => {
                if call.start(turn.now) {
                    turn.act(Action::SetActive(container_instance.clone()));
                }
            }
        }
    }

    fn complete(&mut self, outcome: Outcome, turn: &mut Turn<'_>) {
        if let Phase::Draining(drain) = std::mem::replace(&mut self.phase, Phase::Watching) {
            let completion = Completion::new(drain.ending(outcome, turn.policy), turn);
            self.phase = Phase::Completing(drain, Box::new(completion));
            self.advance_phase(turn);
        }
    }

    /// Whether the state directory has to be written: only ever a difference, one write at a time.
    fn write_down(&mut self, turn: &mut Turn<'_>) {
        let settled = self.instance.is_some() && self.memory != self.written;
        if settled && !self.remember.is_wanted() {
            self.remember.ask(turn.now);
        }
        if self.remember.start(turn.now) {
            self.writing = self.memory.clone();
            turn.act(Action::Remember(self.memory.clone()));
        }
    }
}
