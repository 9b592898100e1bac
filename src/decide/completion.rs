//! The end of a drain: CloudFormation is told, then the lifecycle action is completed.
//!
//! The signal goes first, but no failure of it holds the instance: after a short head start the lifecycle
//! action is completed whatever became of the signal.
//!
//! "No active Lifecycle Action found" has two meanings. Too early: the instance is still `Terminating`,
//! or has just become `Terminating:Wait`. Or already done. Only a look at the instance tells them apart.

use std::time::Duration;

use super::action::{Action, LifecycleActionResult, SignalStatus};
use super::call::Call;
use super::drain::{Drain, Outcome, is_no_active_action};
use super::event::{Accepted, Answer};
use super::facts::{AutoScalingInstance, Failure};
use super::health::{Dependency, Health};
use super::note::Note;
use super::time::Moment;
use super::{Turn, Wake};
use crate::config::{ResultOnTimeout, SignalOnTimeout};

/// How long the completion waits for the signal's answer.
const SIGNAL_HEAD_START: Duration = Duration::from_secs(1);
/// How often a failing signal is tried in all.
const SIGNAL_TRIES: u32 = 5;
/// How long completions may be refused although the wait has begun.
const ACCEPTED_LATE: Duration = Duration::from_secs(15);
/// After this many refusals in a row the instance is looked at again.
const LOOK_EVERY: u32 = 5;
const COMPLETE: &str = "autoscaling:CompleteLifecycleAction";
const LOOK: &str = "autoscaling:DescribeAutoScalingInstances";

/// What remains to be told at the end of a drain.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    outcome: Outcome,
    decided_at: Moment,
    signal: Option<(SignalStatus, Call)>,
    result: Option<LifecycleActionResult>,
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
    pub(super) fn new(outcome: Outcome, drain: &Drain, turn: &Turn<'_>) -> Self {
        let policy = turn.policy;
        let status = match (outcome, policy.cloudformation.signal_on_timeout) {
            (Outcome::Drained, _) | (Outcome::TimedOut, SignalOnTimeout::Success) => {
                Some(SignalStatus::Success)
            }
            (Outcome::TimedOut, SignalOnTimeout::Failure) => Some(SignalStatus::Failure),
            (Outcome::TimedOut, SignalOnTimeout::None) => None,
        };
        let result = match (outcome, policy.drain.result_on_timeout) {
            (Outcome::Drained, _) | (Outcome::TimedOut, ResultOnTimeout::Continue) => {
                Some(LifecycleActionResult::Continue)
            }
            (Outcome::TimedOut, ResultOnTimeout::Abandon) => Some(LifecycleActionResult::Abandon),
            (Outcome::TimedOut, ResultOnTimeout::None) => None,
        };
        // A Spot notice and the warm pool are no business of a stack that waits for a termination.
        let signalled = policy.cloudformation.resource.is_some()
            && matches!(drain.reason, super::DrainReason::Terminated(_));
        let signal = status
            .filter(|_| signalled)
            .map(|status| (status, Call::due_at(turn.now)));
        let head_start = if signal.is_some() {
            SIGNAL_HEAD_START
        } else {
            Duration::ZERO
        };
        Self {
            outcome,
            decided_at: turn.now,
            signal,
            result,
            complete: Call::due_at(turn.now + head_start),
            look: Call::idle(),
            maybe_accepted: false,
            waiting_since: None,
            refusals: 0,
            settled: false,
        }
    }

    /// How the drain ended.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether the hook still has to be kept waiting: a drain that timed out asks for no more time.
    pub(super) fn heartbeats(&self) -> bool {
        self.outcome == Outcome::Drained && !self.settled
    }

    pub(super) fn absorb(
        &mut self,
        answer: Answer,
        drain: &mut Drain,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        match answer {
            Answer::Signalled(result) => self.absorb_signalled(result, health, turn),
            Answer::Completed(result) => self.absorb_completed(result, drain, health, turn),
            Answer::Group(result) if drain.hook.is_open() => {
                drain.hook.absorb_group(result, health, turn)
            }
            Answer::Group(result) => self.absorb_look(result, drain, health, turn),
            Answer::Hooks(result) => drain.hook.absorb_hooks(result, health, turn),
            Answer::Heartbeat(result) => drain.absorb_heartbeat(result, health, turn),
            // Late answers to the drain that is over.
            Answer::Tasks(_)
            | Answer::DrainingSet(_)
            | Answer::ContainerInstance(_)
            | Answer::Classified(_)
            | Answer::ApiTasks(_)
            | Answer::TaskStopped { .. } => {}
        }
    }

    fn absorb_signalled(
        &mut self,
        result: Result<Accepted, Failure>,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        let Some((status, call)) = &mut self.signal else {
            return;
        };
        let Some(target) = turn.policy.cloudformation.resource.clone() else {
            return;
        };
        let (stack, resource) = (target.stack_name, target.logical_resource_id);
        match result {
            Ok(accepted) => {
                turn.good(health, Dependency::CloudFormation);
                let request_id = accepted.request_id;
                turn.say(Note::Signalled {
                    status: *status,
                    stack,
                    resource,
                    request_id,
                });
                self.signal = None;
            }
            Err(failure) if failure.message.contains("cannot be signaled") => {
                turn.good(health, Dependency::CloudFormation);
                turn.say(Note::SignalNotAwaited { stack, resource });
                self.signal = None;
            }
            Err(failure) => {
                let what = "cloudformation:SignalResource";
                turn.call_failed(call, health, Dependency::CloudFormation, what, &failure);
                if call.failures() >= SIGNAL_TRIES {
                    self.signal = None;
                    turn.say(Note::SignalGivenUp { failure });
                }
            }
        }
        self.complete_now(turn.now);
    }

    /// The signal has had its say: the completion need not wait for the rest of its head start.
    fn complete_now(&mut self, now: Moment) {
        if self.complete.failures() == 0
            && self.complete.is_wanted()
            && !self.complete.is_in_flight()
        {
            self.complete.set_due(now);
        }
    }

    fn absorb_completed(
        &mut self,
        result: Result<Accepted, Failure>,
        drain: &Drain,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        let (Some(hook), Some(lifecycle_result)) = (drain.hook_ref(), self.result) else {
            return;
        };
        match result {
            Ok(accepted) => {
                self.complete.succeeded();
                turn.good(health, Dependency::AutoScaling);
                self.settled = true;
                turn.say(Note::Completed {
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
        drain: &Drain,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        let Some(hook) = drain.hook_ref() else { return };
        match result {
            Ok(instance) => {
                self.look.succeeded();
                turn.good(health, Dependency::AutoScaling);
                let lifecycle_state = instance.map(|instance| instance.lifecycle_state);
                if self.is_over(lifecycle_state.as_deref(), turn.now) {
                    self.settled = true;
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
            Some("Terminating" | "Warmed:Terminating" | "InService" | "Pending") => {
                self.maybe_accepted = false;
                false
            }
            // Waiting, and yet no action of ours: the wait has only just begun; or else it was completed
            // by the request whose answer was lost, with another hook still to go.
            Some("Terminating:Wait" | "Warmed:Terminating:Wait") => {
                let since = *self.waiting_since.get_or_insert(now);
                self.maybe_accepted && now.since(since) >= ACCEPTED_LATE
            }
            Some(_) => true,
        }
    }

    /// Starts whatever is due; returns whether all is told.
    pub(super) fn advance(&mut self, drain: &mut Drain, turn: &mut Turn<'_>) -> bool {
        if let Some((status, call)) = &mut self.signal
            && let Some(target) = &turn.policy.cloudformation.resource
            && call.start(turn.now)
        {
            turn.actions.push(Action::Signal {
                stack: target.stack_name.clone(),
                resource: target.logical_resource_id.clone(),
                status: *status,
            });
        }
        if !self.settled {
            drain.hook.advance(turn);
            self.advance_completion(drain, turn);
        }
        self.settled && self.signal.is_none()
    }

    fn advance_completion(&mut self, drain: &Drain, turn: &mut Turn<'_>) {
        let nothing = if self.result.is_none() {
            Some("result_on_timeout is NONE: the lifecycle hook's own timeout decides".to_owned())
        } else if !drain.reason.has_lifecycle_action() {
            Some("a Spot interruption has no lifecycle action".to_owned())
        } else if drain.hook.found().is_none() && !drain.hook.is_open() {
            Some("no lifecycle hook of this group is known to be ours".to_owned())
        } else {
            None
        };
        if let Some(why) = nothing {
            self.settled = true;
            turn.say(Note::NothingToComplete { why });
            return;
        }
        let (Some(hook), Some(result)) = (drain.hook_ref(), self.result) else {
            return;
        };
        if self.look.start(turn.now) {
            turn.act(Action::FindGroup { tags: false });
        }
        if self.complete.start(turn.now) {
            turn.act(Action::Complete { hook, result });
        }
    }

    pub(super) fn wake(&self, wake: &mut Wake) {
        wake.consider(self.signal.as_ref().and_then(|(_, call)| call.wake_at()));
        wake.consider(self.complete.wake_at());
        wake.consider(self.look.wake_at());
    }
}
