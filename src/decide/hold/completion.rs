//! Completes the lifecycle action.
//!
//! "No active Lifecycle Action found" means too early, or already completed. The lifecycle state of the instance
//! tells them apart: only the states that are listed as over are over. The action is also over if it is refused
//! twice during the wait, a while apart. A completion that is too early is retried at growing intervals, so that
//! a fleet behind a slow load balancer does not send its requests at the same time.

use std::time::Duration;

use super::Told;
use super::stage::{Stage, stage};
use crate::ledger::Flight;
use crate::model::{
    Action, AutoScalingInstance, Failure, FailureKind, HookRef, LifecycleActionResult,
    LifecycleState, LifecycleTransition, Moment, Note, Nothing, TargetLifecycleState,
};
use crate::pace::{Pace, jitter};
use crate::turn::Turn;

/// Two refusals this far apart are final, if both come during the wait or if Auto Scaling does not know the
/// instance.
const APART: Duration = Duration::from_secs(15);
/// The instance is looked at no more often than this.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The shortest and the longest interval before a completion that was too early is retried.
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
    /// When the action began, as far as is known.
    since: Moment,
    /// When the last look was asked for.
    looked_at: Option<Moment>,
    /// When the last refusal arrived. Evidence from before it has to be renewed.
    refused_at: Option<Moment>,
    /// When a refusal first came during a wait, or for an instance that Auto Scaling does not know.
    closed_since: Option<Moment>,
    doubts: bool,
    denied: bool,
    /// The last attempt has failed, and not because it was too early.
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

    /// Whether completing is denied. Then nothing is gained by waiting.
    pub(crate) fn is_denied(&self) -> bool {
        self.denied
    }

    /// When the last refusal arrived.
    pub(crate) fn refused_at(&self) -> Option<Moment> {
        self.refused_at
    }

    /// Whether the next attempt is due, so that its evidence is needed now.
    pub(crate) fn is_due(&self, turn: &mut Turn<'_>) -> bool {
        !self.closed && self.look.is_none() && self.complete.is_due(turn)
    }

    /// Whether the hook may have been replaced by another one.
    pub(super) fn doubts_the_hook(&mut self) -> bool {
        std::mem::take(&mut self.doubts)
    }

    /// The hook has changed. The refusals were about the one before.
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

    /// The action ends at `end`, so the next attempt is at most a quarter of the remaining time away. If attempts
    /// fail, it is also at most `limit` away, because the hook can time out.
    pub(super) fn hurry_before(
        &mut self,
        limit: Option<Duration>,
        end: Option<Moment>,
        turn: &mut Turn<'_>,
    ) {
        let now = turn.now;
        if self.denied || self.complete.due().is_none() {
            return;
        }
        if let Some(end) = end.filter(|end| *end > now) {
            self.complete.ask(now + (end.since(now) / 4).max(SOONEST));
        }
        if let Some(limit) = limit.filter(|_| self.fails) {
            self.complete.ask(now + limit);
        }
        // Whether the evidence for it was complete was decided by the former moment.
        self.complete.is_due(turn);
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
        turn: &mut Turn<'_>,
    ) {
        match result {
            Ok(accepted) => {
                turn.good();
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
                turn.good();
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
                self.complete.failed(&failure, turn);
            }
        }
    }

    /// The lifecycle state is read less often than a completion is tried, because that call costs more.
    fn wants_look(&self, now: Moment) -> bool {
        let seldom = (now.since(self.since) / 3).max(LOOK_EVERY);
        self.closed_since.is_some() || self.looked_at.is_none_or(|at| now.since(at) >= seldom)
    }

    /// Three eighths of the age of the action, and at least half of that with jitter. The longer the wait takes
    /// to begin, the longer the intervals.
    fn early_delay(&self, turn: &Turn<'_>) -> Duration {
        let confirmed_at = self.closed_since.map(|since| since + APART);
        if let Some(at) = confirmed_at.filter(|at| *at > turn.now) {
            // A second refusal confirms it.
            return at.since(turn.now).max(SOONEST);
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
        doubted: bool,
        turn: &mut Turn<'_>,
    ) {
        let (Some(look), Some(hook)) = (&mut self.look, hook) else {
            return;
        };
        match result {
            Ok(instance) => {
                turn.good();
                // Somebody else's question, from before the refusal, does not say what became of the action.
                if self.refused_at.is_some_and(|at| flight.sent < at) {
                    return look.ask(turn.now);
                }
                self.look = None;
                if self.closed || self.refused_at.is_none() {
                    return;
                }
                let lifecycle_state = instance.and_then(|instance| instance.lifecycle_state);
                if self.is_over(lifecycle_state.as_ref(), target, doubted, turn.now) {
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
            // If the state is unknown, the completion is tried anyway. A refused one does no harm, and is looked into
            // at once.
            Err(failure) => {
                look.failed(&failure, turn);
                (self.look, self.looked_at) = (None, None);
            }
        }
    }

    /// Whether there is nothing left to complete, now that Auto Scaling has refused and shows `state`. If the hook
    /// is `doubted`, the refusals may be about a former one.
    fn is_over(
        &mut self,
        state: Option<&LifecycleState>,
        target: Option<&TargetLifecycleState>,
        doubted: bool,
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
                now.since(since) >= APART && !doubted
            }
        }
    }

    /// The action began at `since`.
    pub(super) fn began_at(&mut self, since: Moment) {
        self.since = since;
    }

    /// Whether it waits for the lifecycle state.
    pub(super) fn is_looking(&self) -> bool {
        self.look.is_some()
    }

    /// Reads the lifecycle state after a refusal.
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
