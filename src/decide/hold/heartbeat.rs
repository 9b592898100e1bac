//! Sends heartbeats, so that the hook does not time out.
//!
//! The next heartbeat or its retry is at most a quarter of the remaining HeartbeatTimeout away, or one second.
//! The remaining time counts from when the last heartbeat was *sent* that was accepted or refused as too early,
//! because a slow answer must not lengthen the interval. The first heartbeat comes up to half an interval
//! sooner, depending on the instance. This spreads the heartbeats of a fleet that is terminated at once.

use std::time::Duration;

use super::Told;
use super::search::{Found, LEAST_INTERVAL};
use crate::model::{Action, FailureKind, HookRef, Moment, Note};
use crate::pace::{Pace, jitter, retry_delay};
use crate::turn::Turn;

/// The part that sends heartbeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    pace: Pace,
    /// When the HeartbeatTimeout began to count; `None` if nobody knows.
    base: Option<Moment>,
    timeout: Option<Duration>,
    interval: Duration,
    denied: bool,
}

impl Heartbeat {
    /// `since`: when the action began at the earliest, if that is known.
    pub(crate) fn new(since: Option<Moment>) -> Self {
        Self {
            pace: Pace::default(),
            base: since,
            timeout: None,
            interval: LEAST_INTERVAL,
            denied: false,
        }
    }

    /// When the next one is due.
    pub fn next_at(&self) -> Option<Moment> {
        self.pace.due()
    }

    /// Whether the last one was denied.
    pub(crate) fn is_denied(&self) -> bool {
        self.denied
    }

    /// The longest interval before the next heartbeat.
    pub(super) fn limit(&self, now: Moment) -> Duration {
        self.left(now)
            .map_or(LEAST_INTERVAL, |left| (left / 4).max(LEAST_INTERVAL))
    }

    /// How much longer the hook waits at least, if it is known.
    fn left(&self, now: Moment) -> Option<Duration> {
        let (base, timeout) = self.base.zip(self.timeout)?;
        Some((base + timeout).since(now))
    }

    /// Whether the hook has timed out, even if its wait began one HeartbeatTimeout later.
    pub(super) fn has_lapsed(&self, now: Moment) -> bool {
        let end = self.base.zip(self.timeout);
        end.is_some_and(|(base, timeout)| base + timeout * 2 <= now)
    }

    /// Takes in the answer to a heartbeat. Returns whether the wait has begun, if the answer shows it.
    pub(super) fn absorb(
        &mut self,
        result: Told,
        hook: &HookRef,
        sent: Moment,
        turn: &mut Turn<'_>,
    ) -> Option<bool> {
        let hook = hook.clone();
        self.denied = matches!(&result, Err(failure) if failure.kind == FailureKind::Denied);
        let regular = (sent + self.interval).max(turn.now);
        let next_in = regular.since(turn.now);
        match result {
            Ok(accepted) => {
                self.pace.succeeded();
                turn.good();
                self.base = self.base.max(Some(sent));
                self.pace.set(regular);
                turn.say(Note::HeartbeatAccepted {
                    hook,
                    next_in,
                    request_id: accepted.request_id,
                });
                Some(true)
            }
            Err(failure) if failure.kind == FailureKind::NoActiveAction => {
                // The wait has not begun yet, or the action is over. The next heartbeat will show it.
                self.pace.succeeded();
                turn.good();
                self.base = self.base.max(Some(sent));
                self.pace.set(regular);
                turn.say(Note::HeartbeatEarly { hook, next_in });
                Some(false)
            }
            Err(failure) => {
                let delay = retry_delay(failure.kind, self.pace.failures(), turn.seed);
                // More attempts do not help if the permission is missing.
                let delay = match failure.kind {
                    FailureKind::Denied => delay,
                    _ if self.has_lapsed(turn.now) => delay,
                    _ => delay.min(self.limit(turn.now)),
                };
                self.pace.retry_in(delay, turn.now);
                turn.failed_for(&failure, delay);
                None
            }
        }
    }

    pub(super) fn advance(&mut self, found: &Found, turn: &mut Turn<'_>) {
        if self.timeout != Some(found.heartbeat_timeout) {
            self.timeout = Some(found.heartbeat_timeout);
            self.interval = found.heartbeat_interval;
            let interval = found.heartbeat_interval.min(self.limit(turn.now));
            let spread = jitter(interval, 0, turn.seed);
            let first = self.base.map_or(turn.now, |base| base + spread);
            self.pace.ask(first.min(turn.now + self.limit(turn.now)));
        }
        let hook = &found.hook;
        let flying = turn.is_flying(|action| matches!(action, Action::Heartbeat(to) if to == hook));
        if !flying && self.pace.is_due(turn) {
            self.pace.sent();
            turn.send(Action::Heartbeat(hook.clone()));
        }
    }
}
