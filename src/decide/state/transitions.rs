//! Which phase comes next: what starts a drain, what changes one, what calls it off.

use std::time::Duration;

use super::super::Turn;
use super::super::call::Call;
use super::super::drain::{Drain, DrainReason, SHUTDOWN};
use super::super::facts::TargetLifecycleState;
use super::super::memory::RememberedDrain;
use super::super::note::Note;
use super::{Phase, State};

/// How a drain is remembered that is over, while the container instance has yet to be put back.
const CALLED_OFF: &str = "called off";

impl State {
    /// Why the instance should be drained now, if it should.
    fn wanted(&self) -> Option<DrainReason> {
        match &self.target {
            Some(
                target
                @ (TargetLifecycleState::Terminated | TargetLifecycleState::WarmedTerminated),
            ) => Some(DrainReason::Terminated(target.clone())),
            Some(target) if is_warm(target) && self.memory.was_in_service => {
                Some(DrainReason::WarmPool(target.clone()))
            }
            _ => self.other_reason(),
        }
    }

    fn other_reason(&self) -> Option<DrainReason> {
        match (&self.spot, self.leave_at) {
            (Some(spot), _) => Some(DrainReason::Spot {
                action: spot.action.clone(),
            }),
            (None, Some(_)) => Some(DrainReason::Shutdown),
            (None, None) => None,
        }
    }

    pub(super) fn change_phase(&mut self, turn: &mut Turn<'_>) {
        if !self.is_ready() {
            return;
        }
        let in_service = self.target == Some(TargetLifecycleState::InService);
        let wanted = self.wanted();
        match (&mut self.phase, wanted) {
            (Phase::Starting, _) => {}
            (Phase::Draining(drain), Some(reason)) => {
                let spot = self.spot.as_ref();
                if drain.changed(reason, spot, turn) {
                    let key = drain.reason.key();
                    if let Some(memory) = &mut self.memory.drain {
                        memory.reason = key;
                    }
                }
            }
            (Phase::Completing(drain, _), Some(reason)) if !reason.supersedes(&drain.reason) => {}
            (Phase::Done(done), Some(reason)) if !reason.supersedes(&done.reason) => {}
            // Watching, Returning, or a drain that ended for another reason: a new one.
            (_, Some(reason)) => self.begin(reason, turn),
            (Phase::Watching, None) => {
                // Left over by a process that ended in a drain which has been called off since. One for
                // a shutdown is over once the machine is up again.
                let left_over = self.memory.drain.as_ref();
                if left_over.is_some_and(|drain| in_service || drain.reason == SHUTDOWN) {
                    self.call_off(None, turn);
                }
            }
            (Phase::Draining(drain) | Phase::Completing(drain, _), None) if in_service => {
                let reason = drain.reason.clone();
                self.call_off(Some(reason), turn);
            }
            (Phase::Done(done), None) if in_service => {
                let reason = done.reason.clone();
                self.call_off(Some(reason), turn);
            }
            (_, None) => {}
        }
    }

    fn begin(&mut self, reason: DrainReason, turn: &mut Turn<'_>) {
        self.epoch = self.epoch.wrapping_add(1);
        // A drain that metadata asked for before we looked for the first time was going on already:
        // its hook's clock may be nearly up.
        let started_into = self.metadata_reads == 1;
        let memory = self.memory.drain.take();
        // Taken out of service by us and not put back since, for whatever reason that was.
        let ours = memory.as_ref().is_some_and(|memory| memory.ours);
        let memory = memory.filter(|memory| memory.reason == reason.key());
        let resumed = memory.is_some();
        let remembered = memory.unwrap_or_else(|| RememberedDrain {
            reason: reason.key(),
            started_at: turn.now,
            ours,
        });
        // Out of the pool, and it has never left it: the ECS agent was never started, or has told us.
        let nothing_ever_ran = !self.memory.was_in_service
            && self.target == Some(TargetLifecycleState::WarmedTerminated);
        let drain = Drain::begin(
            reason,
            &remembered,
            started_into || resumed,
            nothing_ever_ran,
            self.spot.as_ref(),
            turn,
        );
        turn.say(Note::DrainStarted {
            reason: drain.reason.clone(),
            deadline: drain.deadline(turn.policy),
            in_: drain.deadline(turn.policy).at.since(turn.now),
            resumed,
        });
        self.memory.drain = Some(remembered);
        self.read_identity.ask(turn.now);
        self.phase = Phase::Draining(Box::new(drain));
    }

    pub(super) fn call_off(&mut self, reason: Option<DrainReason>, turn: &mut Turn<'_>) {
        // A DRAINING request still under way would land after our ACTIVE: let it end first.
        let in_flight =
            matches!(&self.phase, Phase::Draining(drain) if drain.placement.is_in_flight());
        let wait = if in_flight {
            turn.policy.aws.request_timeout
        } else {
            Duration::ZERO
        };
        self.epoch = self.epoch.wrapping_add(1);
        if let Some(reason) = reason {
            turn.say(Note::CalledOff {
                reason,
                target: TargetLifecycleState::InService,
            });
        }
        let ours = self.memory.drain.as_ref().is_some_and(|drain| drain.ours);
        // Should it be drained again before it is ACTIVE, that drain has a deadline of its own.
        if let Some(memory) = &mut self.memory.drain {
            CALLED_OFF.clone_into(&mut memory.reason);
        }
        match (&self.container_instance, ours) {
            (Some(container_instance), true) => {
                self.phase = Phase::Returning {
                    container_instance: container_instance.clone(),
                    call: Call::due_at(turn.now + wait),
                };
            }
            (known, _) => {
                if let Some(known) = known {
                    turn.say(Note::LeftDraining(known.clone()));
                }
                self.forget_drain();
            }
        }
    }

    pub(super) fn forget_drain(&mut self) {
        self.memory.drain = None;
        self.phase = Phase::Watching;
    }
}

/// Whether it is one of the states that an instance is sent to from service.
pub(super) fn is_warm(target: &TargetLifecycleState) -> bool {
    matches!(
        target,
        TargetLifecycleState::WarmedHibernated
            | TargetLifecycleState::WarmedRunning
            | TargetLifecycleState::WarmedStopped
    )
}
