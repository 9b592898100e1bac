//! Which phase comes next: what starts a drain, what changes one, what calls it off.

use std::time::Duration;

use super::super::Turn;
use super::super::action::SignalStatus;
use super::super::call::Call;
use super::super::drain::{Drain, DrainReason, Limits};
use super::super::facts::{LifecycleTransition, TargetLifecycleState};
use super::super::join::Join;
use super::super::lifecycle::Signal;
use super::super::memory::{JoinTarget, RememberedDrain, RememberedJoin};
use super::super::note::Note;
use super::super::time::Moment;
use super::{Phase, State};

/// An instance that was launched longer ago than this, of which nothing is remembered, has joined long
/// since: the agent is new there, or has lost its state.
const NEW_FOR: Duration = Duration::from_hours(1);

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
        if let Some(spot) = &self.spot {
            let action = spot.action.clone();
            Some(DrainReason::Spot { action })
        } else if let Some(event) = &self.maintenance {
            Some(DrainReason::Maintenance {
                code: event.code.clone(),
                not_before: event.not_before.clone(),
            })
        } else if self.rebalance.is_some() {
            Some(DrainReason::Rebalance)
        } else if self.memory.by_hand.is_some() {
            Some(DrainReason::ByHand)
        } else {
            self.leave_at.map(|_| DrainReason::Shutdown)
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            spot: self.spot.as_ref().map(|spot| spot.deadline),
            maintenance: self.maintenance.as_ref().map(|event| event.deadline),
            by_hand: self.memory.by_hand.and_then(|asked| asked.timeout),
        }
    }

    /// Where Auto Scaling is taking the instance, if that is somewhere to join.
    fn way_in(&self) -> Option<JoinTarget> {
        match &self.target {
            None | Some(TargetLifecycleState::InService) => Some(JoinTarget::Service),
            Some(target) if is_warm(target) => Some(JoinTarget::WarmPool),
            Some(_) => None,
        }
    }

    /// Where the instance is to be reported to have joined, if it is new there.
    fn joins(&self, turn: &Turn<'_>) -> Option<JoinTarget> {
        let into = self.way_in()?;
        let due = match &self.memory.join {
            Some(join) => join.into != into || !join.over,
            None => {
                let new_for = NEW_FOR.max(turn.policy.ready.timeout);
                let launched_at = self.instance.as_ref().and_then(|known| known.launched_at);
                launched_at.is_some_and(|at| turn.now.since(at) < new_for)
            }
        };
        (due && turn.policy.ready.enabled).then_some(into)
    }

    fn begin_join(&mut self, into: JoinTarget, turn: &mut Turn<'_>) {
        self.epoch = self.epoch.wrapping_add(1);
        let before = self.memory.join;
        let remembered = before
            .filter(|join| join.into == into && !join.over)
            .unwrap_or(RememberedJoin {
                into,
                started_at: turn.now,
                over: false,
                signalled: before.is_some_and(|join| join.signalled),
            });
        // A clock that was set back between two processes must not lengthen the join.
        let remembered = RememberedJoin {
            started_at: remembered.started_at.min(turn.now),
            ..remembered
        };
        self.parting = None;
        let join = Join::begin(remembered, turn);
        turn.say(Note::JoinStarted {
            into,
            in_: join.deadline(turn.policy).since(turn.now),
            resumed: remembered.started_at < turn.now,
        });
        self.memory.join = Some(remembered);
        self.read_identity.ask(turn.now);
        self.phase = Phase::Joining(Box::new(join));
    }

    pub(super) fn end_join(&mut self, turn: &mut Turn<'_>) {
        if let Some(join) = &mut self.memory.join {
            join.over = true;
        }
        self.phase = Phase::Watching;
        self.change_phase(turn);
    }

    /// Sent back from service: nothing launches it there, and the way out of the pool is a launch again.
    pub(super) fn back_to_the_pool(&mut self, now: Moment) {
        let signalled = self.memory.join.is_none_or(|join| join.signalled);
        self.memory.join = Some(RememberedJoin {
            into: JoinTarget::WarmPool,
            started_at: now,
            over: true,
            signalled,
        });
    }

    pub(super) fn change_phase(&mut self, turn: &mut Turn<'_>) {
        if !self.is_ready() {
            return;
        }
        let in_service = self.target == Some(TargetLifecycleState::InService);
        let wanted = self.wanted();
        let limits = self.limits();
        let way_in = self.way_in();
        match (&mut self.phase, wanted) {
            (Phase::Starting, _) => {}
            // The stack and the group wait for the end of the join; a mere warning can.
            (Phase::Joining(_), Some(reason)) if reason.is_own() => {}
            (Phase::Draining(drain), Some(reason)) => {
                if drain.changed(reason, limits, turn)
                    && let Some(memory) = &mut self.memory.drain
                {
                    memory.reason = drain.reason.key();
                    memory.started_at = drain.started_at;
                }
            }
            (Phase::Completing(drain, _), Some(reason)) if !reason.supersedes(&drain.reason) => {}
            (Phase::Done(done), Some(reason)) if !reason.supersedes(&done.reason) => {}
            // Watching, Returning, or a drain that ended for another reason: a new one.
            (_, Some(reason)) => self.begin(reason, turn),
            // Metadata has told meanwhile that the way leads elsewhere.
            (Phase::Joining(join), None) if way_in != Some(join.way_in()) => {
                self.phase = Phase::Watching;
            }
            (Phase::Watching, None) => {
                // Left over by a process that ended in a drain which has been called off since. One for
                // a shutdown is over once the machine is up again.
                let left_over = self.memory.drain.as_ref();
                if left_over.is_some_and(|drain| in_service || drain.is_own()) {
                    self.call_off(None, turn);
                }
            }
            (Phase::Draining(drain) | Phase::Completing(drain, _), None)
                if in_service || drain.reason.is_own() =>
            {
                let reason = drain.reason.clone();
                self.call_off(Some(reason), turn);
            }
            (Phase::Done(done), None) if in_service || done.reason.is_own() => {
                let reason = done.reason.clone();
                self.call_off(Some(reason), turn);
            }
            (_, None) => {}
        }
        // Whatever led there: a drain that was called off may have kept it from joining.
        if matches!(self.phase, Phase::Watching)
            && let Some(into) = self.joins(turn)
        {
            self.begin_join(into, turn);
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
            self.limits(),
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
        let phase = std::mem::replace(&mut self.phase, Phase::Draining(Box::new(drain)));
        self.part(phase, turn);
    }

    /// To abandon a launch is to have the instance terminated: the stack has yet to hear of it, also where
    /// an earlier process was killed in between.
    fn part(&mut self, phase: Phase, turn: &Turn<'_>) {
        let Some(remembered) = &mut self.memory.join else {
            return;
        };
        if let Phase::Joining(join) = phase {
            // Taken away before it was decided: nobody waits for it any more.
            remembered.over |= join.outcome().is_none()
                && matches!(self.target, Some(TargetLifecycleState::Terminated));
            self.parting = join.into_signal(turn.now);
        } else if self.parting.is_none()
            && remembered.has_failed(turn.now, turn.policy)
            && let Some(target) = turn.policy.cloudformation.resource.clone()
        {
            self.parting = Some(Signal::new(
                target,
                SignalStatus::Failure,
                LifecycleTransition::Launching,
                turn.now,
            ));
        }
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
            turn.say(Note::CalledOff { reason });
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
