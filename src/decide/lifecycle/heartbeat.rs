//! Is the hook kept waiting?
//!
//! A heartbeat is sent a third of the HeartbeatTimeout after the one before, counted from when that one
//! was *sent*: a slow answer must not stretch the interval. Two may be lost before the hook lapses.

use std::time::Duration;

use super::super::Turn;
use super::super::action::{Action, HookRef};
use super::super::call::{Call, retry_delay};
use super::super::event::Accepted;
use super::super::facts::Failure;
use super::super::health::{Dependency, Health};
use super::super::note::Note;
use super::super::time::Moment;
use super::search::Found;

/// The part that sends heartbeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    call: Call,
    /// When the last one was sent, or when the interval started to count.
    base: Moment,
    interval: Option<Duration>,
    at_once: bool,
}

impl Heartbeat {
    /// `resumed`: the action went on before this process, so nobody knows how old the last heartbeat is.
    pub(crate) fn begin(resumed: bool, now: Moment) -> Self {
        Self {
            call: Call::idle(),
            base: now,
            interval: None,
            at_once: resumed,
        }
    }

    pub(crate) fn absorb(
        &mut self,
        result: Result<Accepted, Failure>,
        hook: &HookRef,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        let interval = self.interval.unwrap_or_default();
        let regular = self.base + interval;
        let hook = hook.clone();
        match result {
            Ok(accepted) => {
                self.call.succeeded();
                turn.good(health, Dependency::AutoScaling);
                self.call.set_due(regular);
                let next_in = regular.since(turn.now);
                turn.say(Note::HeartbeatAccepted {
                    hook,
                    next_in,
                    request_id: accepted.request_id,
                });
            }
            Err(failure) if is_no_active_action(&failure) => {
                // The wait has not come yet, or the action is over: the next one will tell.
                self.call.succeeded();
                turn.good(health, Dependency::AutoScaling);
                self.call.set_due(regular);
                turn.say(Note::HeartbeatEarly {
                    hook,
                    next_in: regular.since(turn.now),
                });
            }
            Err(failure) => {
                // Another third of the timeout must not pass before the next try.
                let delay =
                    retry_delay(failure.kind, self.call.failures(), turn.seed).min(interval);
                self.call.retry_in(turn.now, delay);
                let what = "autoscaling:RecordLifecycleActionHeartbeat";
                health.call_failed(
                    Dependency::AutoScaling,
                    what,
                    &failure,
                    turn.now,
                    delay,
                    &mut turn.notes,
                );
            }
        }
    }

    pub(crate) fn advance(&mut self, found: &Found, turn: &mut Turn<'_>) {
        if self.interval != Some(found.heartbeat_interval) {
            self.interval = Some(found.heartbeat_interval);
            let first = if self.at_once {
                turn.now
            } else {
                self.base + found.heartbeat_interval
            };
            self.call.set_due(first);
        }
        if self.call.start(turn.now) {
            self.base = turn.now;
            turn.act(Action::Heartbeat(found.hook.clone()));
        }
    }

    /// When the next one is due, if one is.
    pub fn next_at(&self) -> Option<Moment> {
        self.call.wake_at()
    }
}

/// Auto Scaling's way to say that the action is not active: not yet, or not any more.
pub(super) fn is_no_active_action(failure: &Failure) -> bool {
    failure.kind == super::super::facts::FailureKind::Refused
        && failure.message.contains("No active Lifecycle Action found")
}
