//! Is the hook kept waiting?
//!
//! The next heartbeat, or its retry, is never further away than a quarter of what is left of the
//! HeartbeatTimeout, or one second. What is left counts from when the last one was *sent* that was accepted,
//! or refused as too early: a slow answer must not stretch the interval. The first one comes up to half an
//! interval sooner, by the instance: those of a fleet that is terminated at once are spread from then on.

use std::time::Duration;

use super::Told;
use super::search::Found;
use crate::health::Dependency;
use crate::model::{Action, FailureKind, HookRef, Moment, Note};
use crate::pace::{Pace, jitter, retry_delay};
use crate::turn::Turn;

const LEAST: Duration = Duration::from_secs(1);

/// The part that sends heartbeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    pace: Pace,
    /// From when on the HeartbeatTimeout counts; `None` where the action went on before this process.
    base: Option<Moment>,
    timeout: Option<Duration>,
    denied: bool,
}

impl Heartbeat {
    pub(crate) fn new(resumed: bool, now: Moment) -> Self {
        Self {
            pace: Pace::default(),
            base: (!resumed).then_some(now),
            timeout: None,
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

    /// Never further away than this.
    pub(super) fn limit(&self, now: Moment) -> Duration {
        self.left(now).map_or(LEAST, |left| (left / 4).max(LEAST))
    }

    /// How long the hook waits at least, as far as known.
    fn left(&self, now: Moment) -> Option<Duration> {
        let (base, timeout) = self.base.zip(self.timeout)?;
        Some((base + timeout).since(now))
    }

    /// Whether the hook has lapsed, whenever within a HeartbeatTimeout its wait began.
    pub(super) fn has_lapsed(&self, now: Moment) -> bool {
        let end = self.base.zip(self.timeout);
        end.is_some_and(|(base, timeout)| base + timeout * 2 <= now)
    }

    /// Takes in how one went; returns whether it shows that the wait has begun.
    pub(super) fn absorb(
        &mut self,
        result: Told,
        hook: &HookRef,
        sent: Moment,
        turn: &mut Turn<'_>,
    ) -> bool {
        let hook = hook.clone();
        self.denied = matches!(&result, Err(failure) if failure.kind == FailureKind::Denied);
        let interval = self.timeout.unwrap_or_default() / 4;
        let interval = turn
            .policy
            .autoscaling
            .heartbeat_interval
            .map_or(interval, |own| own.min(interval))
            .max(LEAST);
        let regular = (sent + interval).max(turn.now);
        let next_in = regular.since(turn.now);
        match result {
            Ok(accepted) => {
                self.pace.succeeded();
                turn.good(Dependency::AutoScaling);
                self.base = self.base.max(Some(sent));
                self.pace.set(regular);
                turn.say(Note::HeartbeatAccepted {
                    hook,
                    next_in,
                    request_id: accepted.request_id,
                });
                true
            }
            Err(failure) if failure.kind == FailureKind::NoActiveAction => {
                // The wait has not come yet, or the action is over: the next one will tell.
                self.pace.succeeded();
                turn.good(Dependency::AutoScaling);
                self.base = self.base.max(Some(sent));
                self.pace.set(regular);
                turn.say(Note::HeartbeatEarly { hook, next_in });
                false
            }
            Err(failure) => {
                let delay = retry_delay(failure.kind, self.pace.failures(), turn.seed);
                // What is denied is not granted by asking more often.
                let delay = match failure.kind {
                    FailureKind::Denied => delay,
                    _ if self.has_lapsed(turn.now) => delay,
                    _ => delay.min(self.limit(turn.now)),
                };
                self.pace.retry_in(delay, turn.now);
                turn.failed_for(Action::Heartbeat(hook).operation(), &failure, delay);
                false
            }
        }
    }

    pub(super) fn advance(&mut self, found: &Found, turn: &mut Turn<'_>) {
        if self.timeout != Some(found.heartbeat_timeout) {
            self.timeout = Some(found.heartbeat_timeout);
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
