//! The drain and the join: how they begin, change and end, and what has to be remembered of them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::State;
use crate::drain::Drain;
use crate::join::Join;
use crate::model::{
    DrainReason, JoinOutcome, JoinTarget, LifecycleTransition, Limits, Moment, Note, ReasonKey,
    RememberedDrain, RememberedJoin, SignalStatus, TargetLifecycleState,
};
use crate::signal::Signal;
use crate::turn::Turn;
use crate::wants::Intent;

impl State {
    /// Begins and ends the episodes that the intent asks for.
    pub(super) fn reconcile(&mut self, turn: &mut Turn<'_>) {
        match self.intent.clone() {
            Intent::Unknown => {}
            Intent::Drain(reason) => {
                self.part(turn);
                let limits = self.limits(turn);
                let since = self.waits_since(&reason);
                match &mut self.drain {
                    Some(drain) => {
                        if drain.change(reason, limits, since, &mut self.tasks, turn)
                            && let Some(here) = &mut self.registration
                        {
                            here.begin_again(true, turn.now);
                        }
                    }
                    None => self.begin_drain(reason, limits, since, turn),
                }
            }
            Intent::Join(into) => {
                if into == JoinTarget::Service {
                    self.leave_the_pool(turn.now);
                }
                self.call_off(turn);
                if self.join.as_ref().is_none_or(|join| join.way_in() != into) {
                    self.begin_join(into, turn);
                }
            }
            Intent::Serve => {
                self.leave_the_pool(turn.now);
                self.call_off(turn);
                if let Some(mut join) = self.join.take() {
                    join.end(turn);
                }
            }
        }
    }

    /// When the hook began to wait at the earliest. If nobody saw the target come that is the reason, it may have
    /// been waiting for long and may time out soon.
    fn waits_since(&self, reason: &DrainReason) -> Option<Moment> {
        let named = matches!(
            reason,
            DrainReason::Terminated(to) | DrainReason::WarmPool(to) if Some(to) == self.target()
        );
        self.metadata.came_after.filter(|_| named)
    }

    fn begin_drain(
        &mut self,
        reason: DrainReason,
        limits: Limits,
        since: Option<Moment>,
        turn: &mut Turn<'_>,
    ) {
        let before = self.memory.drain.take();
        // The agent has set it to DRAINING and has not set it back to ACTIVE since.
        let ours = before.as_ref().is_some_and(|before| before.ours);
        if let Some(before) = &before {
            self.tasks.recall(&before.tasks);
        }
        let same = before.filter(|before| before.reason == reason.key());
        let resumed = same.is_some();
        let remembered = same.unwrap_or_else(|| RememberedDrain {
            reason: reason.key(),
            started_at: turn.now,
            ours,
            pending_time: self.instance.as_ref().and_then(|known| known.pending_time),
            outcome: None,
            over_at: None,
            tasks: BTreeMap::new(),
            signalled: false,
            completed: false,
            spent: Duration::ZERO,
        });
        // Out of the pool, and it has never left it: the ECS agent was never started, or has told us. Without a
        // memory of the way in, nobody knows.
        let pooled = |join: RememberedJoin| join.into == JoinTarget::WarmPool;
        let nothing_ever_ran = !self.memory.was_in_service
            && self.memory.join.is_some_and(pooled)
            && self.metadata.target == Some(TargetLifecycleState::WarmedTerminated);
        let mut drain = Drain::begin(
            reason,
            &remembered,
            since.filter(|_| !resumed),
            resumed,
            nothing_ever_ran,
            limits,
            turn,
        );
        if resumed {
            drain.hold.adopt(self.memory.hook.as_ref(), turn);
        }
        let deadline = drain.deadline(turn.policy);
        turn.say(Note::DrainStarted {
            reason: drain.reason.clone(),
            deadline,
            in_: deadline.at.since(turn.now),
            resumed,
        });
        self.memory.drain = Some(remembered);
        if let Some(here) = &mut self.registration {
            here.begin_again(ours, turn.now);
        }
        self.tasks.look_again(turn.now);
        self.identity.ask(turn.now);
        self.drain = Some(drain);
    }

    fn begin_join(&mut self, into: JoinTarget, turn: &mut Turn<'_>) {
        self.blank = false;
        let before = self.memory.join;
        let remembered = before
            .filter(|join| join.into == into && !join.over)
            .unwrap_or_else(|| {
                let signalled = before.is_some_and(|join| join.signalled);
                RememberedJoin::new(into, turn.now, signalled)
            });
        self.parting = None;
        let mut join = Join::begin(remembered, turn);
        let resumed = remembered.started_at < turn.now;
        if resumed {
            join.hold.adopt(self.memory.hook.as_ref(), turn);
        }
        turn.say(Note::JoinStarted {
            into,
            in_: join.deadline(turn.policy).since(turn.now),
            resumed,
        });
        self.memory.join = Some(remembered);
        self.identity.ask(turn.now);
        self.join = Some(join);
    }

    /// To abandon a launch is to have the instance terminated: the stack has yet to hear of it, also where
    /// an earlier process was killed in between.
    fn part(&mut self, turn: &mut Turn<'_>) {
        let join = self.join.take();
        let Some(remembered) = &mut self.memory.join else {
            return;
        };
        if let Some(join) = join {
            // The instance was terminated before the join ended, so no signal is needed. A target that was not
            // seen to change may be out of date: the root volume may have been replaced.
            remembered.over |= join.outcome().is_none()
                && self.metadata.target_changed
                && matches!(self.metadata.target, Some(TargetLifecycleState::Terminated));
            self.parting = join.into_signal(turn);
        } else if self.drain.is_none()
            && self.parting.is_none()
            && remembered.outcome == Some(JoinOutcome::TimedOut)
            && !remembered.signalled
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

    /// The reason is known to be gone, so the container instance is put back to ACTIVE if the agent drained it.
    fn call_off(&mut self, turn: &mut Turn<'_>) {
        if let Some(mut drain) = self.drain.take() {
            drain.end(turn);
            self.memorize_whose();
            turn.say(Note::CalledOff {
                reason: drain.reason,
            });
        }
        let Some(memory) = &mut self.memory.drain else {
            return;
        };
        if memory.reason == ReasonKey::CalledOff {
            return;
        }
        if memory.ours {
            memory.reason = ReasonKey::CalledOff;
            if let Some(here) = &mut self.registration {
                here.change_again();
            }
            (memory.outcome, memory.over_at) = (None, None);
            memory.tasks.clear();
        } else {
            self.memory.drain = None;
            if let Some(known) = self.container_instance().cloned() {
                turn.say(Note::LeftDraining(known));
            }
        }
    }

    /// The way out of the pool is a launch, also of an instance that nothing was known of when it was sent
    /// there.
    pub(super) fn leave_the_pool(&mut self, now: Moment) {
        let drain = self.memory.drain.as_ref();
        let pooled = drain.and_then(|drain| drain.reason.of_auto_scaling());
        if self.memory.join.is_none() && matches!(pooled, Some(DrainReason::WarmPool(_))) {
            self.memory.join = Some(RememberedJoin {
                over: true,
                ..RememberedJoin::new(JoinTarget::WarmPool, now, true)
            });
        }
    }

    /// Collects what a restart could not find out again.
    pub(super) fn memorize(&mut self) {
        if let Some(here) = &self.registration {
            self.memory.container_instance = Some(here.target.clone());
            if here.is_verified() {
                self.memory.verified = Some(here.target.arn.clone());
            }
        }
        self.memorize_whose();
        if let (Some(drain), Some(memory)) = (&self.drain, &mut self.memory.drain) {
            drain.remember(memory);
            self.tasks.remember(&mut memory.tasks);
        }
        if let Some(join) = &self.join {
            self.memory.join = Some(join.remembered);
        }
        let drain = self.drain.as_ref().map(|drain| &drain.hold);
        if let Some(hold) = drain.or(self.join.as_ref().map(|join| &join.hold)) {
            self.memory.hook = hold.remembered();
        }
    }

    /// Whether ECS has to show the status before the agent changes it. A terminated instance does not return, unless
    /// its root volume was replaced. An earlier process that has changed nothing may have found DRAINING.
    pub(super) fn needs_prior(&self) -> bool {
        let may_return = !matches!(&self.intent, Intent::Drain(DrainReason::Terminated(_)));
        may_return
            || self.joins_though_terminated()
            || self.drain.as_ref().is_some_and(Drain::is_resumed)
    }

    /// The agent has set DRAINING, unless ECS showed DRAINING before the agent's change. Without such a look, it is
    /// put back to ACTIVE: an instance that stays out of service for ever is the worse mistake.
    fn memorize_whose(&mut self) {
        let needs_prior = self.needs_prior();
        let blindly = self.drain.as_ref().is_some_and(Drain::may_place)
            && self
                .registration
                .as_ref()
                .is_some_and(|here| here.may_change_blindly(needs_prior));
        if let (Some(here), Some(memory)) = (&self.registration, &mut self.memory.drain)
            && memory.reason != ReasonKey::CalledOff
        {
            match here.was_active() {
                Some(active) => memory.ours = active,
                None => memory.ours |= here.was_changed() || blindly,
            }
        }
    }
}
