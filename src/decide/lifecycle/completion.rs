//! The end of a lifecycle action: CloudFormation is told, and the action is completed.
//!
//! Where an instance goes, the signal goes first; where one comes, it goes last, as a stack that hears of
//! the new instance may take the old one away. Neither waits for the other for ever.
//!
//! "No active Lifecycle Action found" has two meanings. Too early: the instance is still `Terminating` (or
//! `Pending`), or has just begun to wait. Or already done. Only a look at the instance tells them apart.

use std::time::Duration;

use super::super::action::{Action, HookRef, LifecycleActionResult, SignalStatus};
use super::super::call::Call;
use super::super::event::{Accepted, Answer};
use super::super::facts::{AutoScalingInstance, Failure, LifecycleTransition};
use super::super::health::{Dependency, Health};
use super::super::note::Note;
use super::super::time::Moment;
use super::super::{Turn, Wake};
use super::heartbeat::is_no_active_action;
use super::search::HookSearch;
use super::signal::Signal;
use ecs_lifecycle_config::StackResource;

/// How long the completion waits for the signal's answer.
const SIGNAL_HEAD_START: Duration = Duration::from_secs(1);
/// How long, at a launch, the signal waits for the completion.
const COMPLETION_HEAD_START: Duration = Duration::from_secs(30);
/// How long completions may be refused although the wait has begun.
const ACCEPTED_LATE: Duration = Duration::from_secs(15);
/// After this many refusals in a row the instance is looked at again.
const LOOK_EVERY: u32 = 5;
const COMPLETE: &str = "autoscaling:CompleteLifecycleAction";
const LOOK: &str = "autoscaling:DescribeAutoScalingInstances";

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Of which transition the lifecycle action is.
    pub(crate) transition: LifecycleTransition,
    /// What to signal, to which resource.
    pub(crate) signal: Option<(StackResource, SignalStatus)>,
    /// How the lifecycle action ends, or why there is none to be ended.
    pub(crate) result: Result<LifecycleActionResult, String>,
    /// Whether the hook is kept waiting until the completion is accepted.
    pub(crate) keeps_waiting: bool,
}

/// What remains to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    ending: Ending,
    decided_at: Moment,
    signal: Option<Signal>,
    complete: Call,
    look: Call,
    /// A request may have been carried out although no answer came.
    maybe_accepted: bool,
    /// When the instance was first seen to wait.
    waiting_since: Option<Moment>,
    refusals: u32,
    settled: bool,
}

impl Completion {
    pub(crate) fn new(ending: Ending, turn: &Turn<'_>) -> Self {
        let (now, transition) = (turn.now, ending.transition);
        let (signal_at, complete_at) = match (transition, &ending.signal) {
            (LifecycleTransition::Terminating, Some(_)) => (now, now + SIGNAL_HEAD_START),
            (LifecycleTransition::Launching, _) => (now + COMPLETION_HEAD_START, now),
            (LifecycleTransition::Terminating, None) => (now, now),
        };
        let signal = ending
            .signal
            .clone()
            .map(|(target, status)| Signal::new(target, status, transition, signal_at));
        let complete = Call::due_at(complete_at);
        Self {
            ending,
            decided_at: turn.now,
            signal,
            complete,
            look: Call::idle(),
            maybe_accepted: false,
            waiting_since: None,
            refusals: 0,
            settled: false,
        }
    }

    /// Whether the hook still has to be kept waiting: what timed out asks for no more time.
    pub(crate) fn heartbeats(&self) -> bool {
        self.ending.keeps_waiting && !self.settled
    }

    /// Whether there was a resource to signal, and it need not be signalled any more.
    pub(crate) fn is_signalled(&self) -> bool {
        self.ending.signal.is_some() && self.signal.is_none()
    }

    /// Takes in an answer; those to the work that is over are late, and mean nothing.
    pub(crate) fn absorb(
        &mut self,
        answer: Answer,
        hook: &mut HookSearch,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        match answer {
            Answer::Signalled(result) => self.absorb_signalled(result, health, turn),
            Answer::Completed(result) => self.absorb_completed(result, hook, health, turn),
            Answer::Group(result) if hook.is_open() => hook.absorb_group(result, health, turn),
            Answer::Group(result) => self.absorb_look(result, hook, health, turn),
            Answer::Hooks(result) => hook.absorb_hooks(result, health, turn),
            _ => {}
        }
    }

    /// Takes in how the signal went.
    pub(crate) fn absorb_signalled(
        &mut self,
        result: Result<Accepted, Failure>,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        if let Some(signal) = &mut self.signal
            && signal.absorb(result, health, turn)
        {
            self.signal = None;
        }
        self.complete_now(turn.now);
    }

    /// What is left to be signalled, where nobody waits for the completion any more.
    pub(crate) fn into_signal(self, now: Moment) -> Option<Signal> {
        let mut signal = self.signal?;
        signal.hurry(now);
        Some(signal)
    }

    /// The signal has had its say: the completion need not wait for the rest of its head start.
    fn complete_now(&mut self, now: Moment) {
        if self.ending.transition == LifecycleTransition::Terminating
            && self.complete.failures() == 0
            && self.complete.is_wanted()
            && !self.complete.is_in_flight()
        {
            self.complete.set_due(now);
        }
    }

    fn absorb_completed(
        &mut self,
        result: Result<Accepted, Failure>,
        search: &HookSearch,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        let (Some(hook), Ok(lifecycle_result)) = (ours(search), self.ending.result.clone()) else {
            return;
        };
        match result {
            Ok(accepted) => {
                self.complete.succeeded();
                turn.good(health, Dependency::AutoScaling);
                self.settle(turn.now);
                turn.say(Note::Completed {
                    transition: self.ending.transition,
                    hook,
                    result: lifecycle_result,
                    after: turn.now.since(self.decided_at),
                    request_id: accepted.request_id,
                });
            }
            Err(failure) if is_no_active_action(&failure) => {
                turn.good(health, Dependency::AutoScaling);
                if self.refusals.is_multiple_of(LOOK_EVERY) {
                    self.complete.retry_in(turn.now, self.early_delay());
                    self.complete.cancel();
                    self.look.ask(turn.now);
                } else {
                    self.try_again_soon(turn);
                }
                self.refusals = self.refusals.saturating_add(1);
            }
            Err(failure) => {
                self.maybe_accepted |= failure.kind.may_have_happened();
                turn.call_failed(
                    &mut self.complete,
                    health,
                    Dependency::AutoScaling,
                    COMPLETE,
                    &failure,
                );
            }
        }
    }

    /// Within a second or two; after five minutes of refusals, not quite so often.
    fn early_delay(&self) -> Duration {
        match self.refusals {
            0..2 => Duration::from_secs(1),
            2..150 => Duration::from_secs(2),
            _ => Duration::from_secs(10),
        }
    }

    fn try_again_soon(&mut self, turn: &Turn<'_>) {
        let delay = self.early_delay();
        self.complete.retry_in(turn.now, delay);
    }

    fn absorb_look(
        &mut self,
        result: Result<Option<AutoScalingInstance>, Failure>,
        search: &HookSearch,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        let Some(hook) = ours(search) else { return };
        match result {
            Ok(instance) => {
                self.look.succeeded();
                turn.good(health, Dependency::AutoScaling);
                let lifecycle_state = instance.map(|instance| instance.lifecycle_state);
                if self.is_over(lifecycle_state.as_deref(), turn.now) {
                    self.settle(turn.now);
                    turn.say(Note::AlreadyCompleted {
                        hook,
                        lifecycle_state,
                    });
                } else {
                    let next_in = self.early_delay();
                    self.try_again_soon(turn);
                    turn.say(Note::CompleteEarly {
                        hook,
                        lifecycle_state,
                        next_in,
                    });
                }
            }
            Err(failure) => {
                // Not to know is no reason not to try: a refused completion does no harm.
                let delay = self.look.failed(turn.now, &failure, turn.seed);
                self.look.cancel();
                health.call_failed(
                    Dependency::AutoScaling,
                    LOOK,
                    &failure,
                    turn.now,
                    delay,
                    &mut turn.notes,
                );
                let delay = delay.min(self.early_delay());
                self.complete.retry_in(turn.now, delay);
            }
        }
    }

    /// Whether there is nothing left to complete, now that Auto Scaling has refused and shows `state`.
    fn is_over(&mut self, state: Option<&str>, now: Moment) -> bool {
        match state {
            // Gone.
            None => true,
            // Still on its way to the wait, or not even that: the target state runs ahead. Whatever was
            // sent so far came too early, whether it was answered or not.
            Some(state) if self.is_before_the_wait(state) => {
                self.maybe_accepted = false;
                false
            }
            // Waiting, and yet no action of ours: the wait has only just begun; or else it was completed
            // by the request whose answer was lost, with another hook still to go.
            Some(state) if state.ends_with(":Wait") => {
                let since = *self.waiting_since.get_or_insert(now);
                self.maybe_accepted && now.since(since) >= ACCEPTED_LATE
            }
            Some(_) => true,
        }
    }

    fn is_before_the_wait(&self, state: &str) -> bool {
        let before: &[&str] = match self.ending.transition {
            LifecycleTransition::Launching => &["Pending", "Warmed:Pending"],
            LifecycleTransition::Terminating => {
                &["Terminating", "Warmed:Terminating", "InService", "Pending"]
            }
        };
        before.contains(&state)
    }

    /// The lifecycle action is no more: a signal that comes after it need not wait any longer.
    fn settle(&mut self, now: Moment) {
        self.settled = true;
        if let (LifecycleTransition::Launching, Some(signal)) =
            (self.ending.transition, &mut self.signal)
        {
            signal.hurry(now);
        }
    }

    /// Starts whatever is due; returns whether all is told.
    pub(crate) fn advance(&mut self, hook: &mut HookSearch, turn: &mut Turn<'_>) -> bool {
        // First, as a signal may wait for it.
        if !self.settled {
            hook.advance(turn);
            self.advance_completion(hook, turn);
        }
        if let Some(signal) = &mut self.signal {
            signal.advance(turn);
        }
        self.settled && self.signal.is_none()
    }

    fn advance_completion(&mut self, search: &HookSearch, turn: &mut Turn<'_>) {
        let nothing = match &self.ending.result {
            Err(why) => Some(why.clone()),
            Ok(_) if search.found().is_none() && !search.is_open() => {
                Some("no lifecycle hook of this group is known to be ours".to_owned())
            }
            Ok(_) => None,
        };
        if let Some(why) = nothing {
            self.settle(turn.now);
            turn.say(Note::NothingToComplete { why });
            return;
        }
        let (Some(hook), Ok(result)) = (ours(search), self.ending.result.clone()) else {
            return;
        };
        if self.look.start(turn.now) {
            turn.act(Action::FindGroup { tags: false });
        }
        if self.complete.start(turn.now) {
            turn.act(Action::Complete { hook, result });
        }
    }

    pub(crate) fn wake(&self, wake: &mut Wake) {
        if let Some(signal) = &self.signal {
            signal.wake(wake);
        }
        wake.consider(self.complete.wake_at());
        wake.consider(self.look.wake_at());
    }
}

/// The hook that is ours to complete, once found.
fn ours(search: &HookSearch) -> Option<HookRef> {
    search.found().map(|found| found.hook.clone())
}
