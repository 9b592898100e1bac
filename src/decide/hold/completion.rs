//! Is the lifecycle action told how it went?
//!
//! "No active Lifecycle Action found" has two meanings: too early, or already done. Only a look at the
//! instance tells them apart, and only what is listed as over is over; refused twice, a while apart, during
//! the wait itself is over, too. What is too early is tried again ever more seldom: a fleet behind a slow
//! load balancer must not march in step.

use std::time::Duration;

use super::Told;
use super::stage::{Stage, stage};
use crate::health::Dependency;
use crate::ledger::Flight;
use crate::model::{
    Action, AutoScalingInstance, Failure, FailureKind, HookRef, LifecycleActionResult,
    LifecycleState, LifecycleTransition, Moment, Note, Nothing, TargetLifecycleState,
};
use crate::pace::{Pace, jitter};
use crate::turn::Turn;

/// Two refusals so far apart, both during the wait, or where Auto Scaling does not know the instance, are no
/// mistake.
const APART: Duration = Duration::from_secs(15);
/// The instance is looked at no more often than this.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What is too early is tried again after this at first, and after that at last.
const SOONEST: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(60);

/// The end of a lifecycle action.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    transition: LifecycleTransition,
    decided_at: Option<Moment>,
    complete: Pace,
    look: Option<Pace>,
    refusals: u32,
    /// Since when the action is on its way, as far as known.
    since: Moment,
    /// When the last look was asked for.
    looked_at: Option<Moment>,
    /// When the last refusal was heard: whatever was seen before it has to be seen again.
    refused_at: Option<Moment>,
    /// Since when refusals have met a wait, or an instance that Auto Scaling does not know.
    closed_since: Option<Moment>,
    doubts: bool,
    denied: bool,
    /// The last try has failed in another way than by being too early.
    fails: bool,
    closed: bool,
}

impl Completion {
    pub(super) fn new(transition: LifecycleTransition, now: Moment) -> Self {
        Self {
            transition,
            decided_at: None,
            complete: Pace::at(now),
            look: None,
            refusals: 0,
            since: now,
            looked_at: None,
            refused_at: None,
            closed_since: None,
            doubts: false,
            denied: false,
            fails: false,
            closed: false,
        }
    }

    /// Whether nothing is left to be completed.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// An earlier process has completed it.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Whether completing is denied, and so pointless to wait for.
    pub(crate) fn is_denied(&self) -> bool {
        self.denied
    }

    /// When the last refusal was heard.
    pub(crate) fn refused_at(&self) -> Option<Moment> {
        self.refused_at
    }

    /// Whether the next try has to be justified now.
    pub(crate) fn is_due(&self, turn: &mut Turn<'_>) -> bool {
        !self.closed && self.look.is_none() && self.complete.is_due(turn)
    }

    /// Whether the hook that is taken for ours may be another by now.
    pub(super) fn doubts_the_hook(&mut self) -> bool {
        std::mem::take(&mut self.doubts)
    }

    /// Another hook is ours now: what was refused was of the one before.
    pub(super) fn start_over(&mut self, now: Moment) {
        if !self.closed {
            *self = Self {
                decided_at: self.decided_at,
                since: self.since,
                refused_at: self.refused_at,
                ..Self::new(self.transition, now)
            };
        }
    }

    /// The wait has begun.
    pub(super) fn hurry(&mut self, now: Moment) {
        if self.refusals > 0 {
            self.complete.ask(now);
        }
    }

    /// The action ends at `end`, whatever is sent: the next try is no further away than a quarter of what is
    /// left. Where trying fails, no further than `limit` either: the hook may lapse.
    pub(super) fn hurry_before(
        &mut self,
        limit: Option<Duration>,
        end: Option<Moment>,
        now: Moment,
    ) {
        if self.denied || self.complete.due().is_none() {
            return;
        }
        if let Some(end) = end.filter(|end| *end > now) {
            self.complete.ask(now + (end.since(now) / 4).max(SOONEST));
        }
        if let Some(limit) = limit.filter(|_| self.fails) {
            self.complete.ask(now + limit);
        }
    }

    /// When the next try is due.
    pub(crate) fn due(&self) -> Option<Moment> {
        self.complete.due()
    }

    /// There is nothing to complete.
    pub(super) fn nothing(&mut self, why: Nothing, turn: &mut Turn<'_>) {
        self.closed = true;
        turn.say(Note::NothingToComplete { why });
    }

    pub(super) fn absorb(
        &mut self,
        result: Told,
        hook: &HookRef,
        told: LifecycleActionResult,
        action: &Action,
        turn: &mut Turn<'_>,
    ) {
        match result {
            Ok(accepted) => {
                turn.good(Dependency::AutoScaling);
                self.closed = true;
                turn.say(Note::Completed {
                    transition: self.transition,
                    hook: hook.clone(),
                    result: told,
                    after: turn.now.since(self.decided_at.unwrap_or(turn.now)),
                    request_id: accepted.request_id,
                });
            }
            Err(failure) if failure.kind == FailureKind::NoActiveAction => {
                turn.good(Dependency::AutoScaling);
                (self.denied, self.fails) = (false, false);
                if self.wants_look(turn.now) {
                    self.look = Some(Pace::at(turn.now));
                }
                self.refused_at = Some(turn.now);
                let delay = self.early_delay(turn);
                self.complete.retry_in(delay, turn.now);
                self.refusals = self.refusals.saturating_add(1);
            }
            Err(failure) => {
                self.denied |= failure.kind == FailureKind::Denied;
                self.fails = true;
                turn.failed(action.operation(), &failure, &mut self.complete);
            }
        }
    }

    /// Where the instance is, is asked more seldom than whether it may be completed: the answer costs more.
    fn wants_look(&self, now: Moment) -> bool {
        let seldom = (now.since(self.since) / 3).max(LOOK_EVERY);
        self.closed_since.is_some() || self.looked_at.is_none_or(|at| now.since(at) >= seldom)
    }

    /// Three eighths of the time that the action has been on its way, and with jitter half of that at the
    /// least: the longer the wait takes to begin, the more seldom it is asked for.
    fn early_delay(&self, turn: &Turn<'_>) -> Duration {
        if let Some(since) = self.closed_since {
            // To be confirmed once.
            return (since + APART).since(turn.now).max(SOONEST);
        }
        let delay = (turn.now.since(self.since) * 3 / 8).min(SELDOM);
        jitter(delay, self.refusals, turn.seed).max(SOONEST)
    }

    pub(super) fn absorb_look(
        &mut self,
        result: Result<Option<AutoScalingInstance>, Failure>,
        hook: Option<HookRef>,
        flight: &Flight,
        target: Option<&TargetLifecycleState>,
        turn: &mut Turn<'_>,
    ) {
        let (Some(look), Some(hook)) = (&mut self.look, hook) else {
            return;
        };
        match result {
            Ok(instance) => {
                self.look = None;
                turn.good(Dependency::AutoScaling);
                if self.closed || self.refused_at.is_none_or(|at| flight.sent < at) {
                    return;
                }
                let lifecycle_state = instance.and_then(|instance| instance.lifecycle_state);
                if self.is_over(lifecycle_state.as_ref(), target, turn.now) {
                    self.closed = true;
                    turn.say(Note::AlreadyCompleted {
                        hook,
                        lifecycle_state,
                    });
                } else {
                    let next_in = self.early_delay(turn);
                    self.complete.set(turn.now + next_in);
                    turn.say(Note::CompleteEarly {
                        hook,
                        lifecycle_state,
                        next_in,
                    });
                }
            }
            // Not to know is no reason not to try: a refused completion does no harm.
            Err(failure) => {
                turn.failed(flight.action.operation(), &failure, look);
                self.look = None;
            }
        }
    }

    /// Whether there is nothing left to complete, now that Auto Scaling has refused and shows `state`.
    fn is_over(
        &mut self,
        state: Option<&LifecycleState>,
        target: Option<&TargetLifecycleState>,
        now: Moment,
    ) -> bool {
        let stage = state.map(|state| stage(self.transition, target, state));
        match stage {
            Some(Stage::Over) => true,
            Some(Stage::Before) => {
                self.closed_since = None;
                false
            }
            Some(Stage::Waiting) | None => {
                let since = *self.closed_since.get_or_insert(now);
                self.doubts = stage.is_some();
                now.since(since) >= APART
            }
        }
    }

    /// The action has been on its way since `since`.
    pub(super) fn began_at(&mut self, since: Moment) {
        self.since = since;
    }

    /// Whether it has asked where the instance is.
    pub(super) fn is_looking(&self) -> bool {
        self.look.is_some()
    }

    /// Looks at the instance after a refusal, whatever is still wanted to be completed.
    pub(super) fn look(&mut self, turn: &mut Turn<'_>) {
        let asking = turn.is_flying(|action| matches!(action, Action::FindGroup { tags: false }));
        if let Some(look) = &mut self.look
            && !asking
            && look.is_due(turn)
        {
            look.sent();
            self.looked_at = Some(turn.now);
            turn.send(Action::FindGroup { tags: false });
        }
    }

    pub(super) fn advance(
        &mut self,
        hook: &HookRef,
        result: LifecycleActionResult,
        turn: &mut Turn<'_>,
    ) {
        self.decided_at.get_or_insert(turn.now);
        let flying = turn.is_flying(|action| matches!(action, Action::Complete { .. }));
        if self.look.is_none() && !flying && self.complete.is_due(turn) {
            self.complete.sent();
            turn.send(Action::Complete {
                hook: hook.clone(),
                result,
            });
        }
    }
}
