//! When a call is due, and the one place where the retry policy is written.
//!
//! The SDK's own retries are off: every request that leaves the instance was decided here, so that the
//! core can prove how many there are, and a test can replay them.

use std::time::Duration;

use crate::Turn;
use crate::model::{Failure, FailureKind, Moment};

/// When one kind of call is due. What is under way is in the [`crate::ledger::Ledger`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    due: Option<Moment>,
    failures: u32,
}

impl Pace {
    /// Due at `moment`.
    pub(crate) fn at(moment: Moment) -> Self {
        Self {
            due: Some(moment),
            failures: 0,
        }
    }

    /// Due at `moment`, or sooner where it is already due sooner.
    pub(crate) fn ask(&mut self, moment: Moment) {
        self.due = Some(self.due.map_or(moment, |due| due.min(moment)));
    }

    /// Due at `moment`, whatever was asked for before.
    pub(crate) fn set(&mut self, moment: Moment) {
        self.due = Some(moment);
    }

    /// When it is due, if it is.
    pub(crate) fn due(&self) -> Option<Moment> {
        self.due
    }

    /// How many times in a row it has failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether it is due now. If not yet, the step wakes up for it.
    pub(crate) fn is_due(&self, turn: &mut Turn<'_>) -> bool {
        self.due.is_some_and(|due| turn.reached(due))
    }

    /// It was sent: due when somebody asks again.
    pub(crate) fn sent(&mut self) {
        self.due = None;
    }

    /// A good answer came.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// It failed: due again after the policy's backoff. The failure is booked.
    pub(crate) fn failed(&mut self, failure: &Failure, turn: &mut Turn<'_>) {
        let delay = self.back_off(failure, turn);
        turn.failed_for(failure, delay);
    }

    /// It failed: due again after the policy's backoff, which is returned.
    pub(crate) fn back_off(&mut self, failure: &Failure, turn: &Turn<'_>) -> Duration {
        let delay = retry_delay(failure.kind, self.failures, turn.seed);
        self.retry_in(delay, turn.now);
        delay
    }

    /// It failed, and the caller knows better than the policy when to try again.
    pub(crate) fn retry_in(&mut self, delay: Duration, now: Moment) {
        self.failures = self.failures.saturating_add(1);
        self.due = Some(now + delay);
    }
}

/// How long to wait before trying again: exponential, capped, with jitter.
///
/// `failures` is the number of failures before this one. The jitter takes the delay down to half at the
/// least. It comes from `seed` (the instance) and the count, not from a random source: the core stays
/// repeatable, and two instances of a fleet still do not march in step.
pub fn retry_delay(kind: FailureKind, failures: u32, seed: u64) -> Duration {
    let (first, cap) = match kind {
        // This is often short. Retry quickly, because an instance is waiting to be terminated.
        FailureKind::Unreachable
        | FailureKind::Timeout
        | FailureKind::Server
        | FailureKind::Malformed => (500, 10_000),
        // The whole account shares the request quota, so it gets time to refill.
        FailureKind::Throttled => (4_000, 20_000),
        // Credentials arrive late at boot, and are renewed by the SDK.
        FailureKind::Credentials => (1_000, 10_000),
        // The service refused. It may accept later, for example once an instance is not REGISTERING any more.
        FailureKind::Refused
        | FailureKind::NoActiveAction
        | FailureKind::NotSignalable
        | FailureKind::AlreadySignalled => (1_000, 5_000),
        // It is not known yet, or not any more. The agent asks again at growing intervals.
        FailureKind::Missing => (1_000, 60_000),
        // Only a person can fix this. Retry from time to time, in case they have.
        FailureKind::Denied => (10_000, 60_000),
    };
    jitter(
        Duration::from_millis((first << failures.min(16)).min(cap)),
        failures,
        seed,
    )
}

/// Between the half and the whole of `full`.
pub(crate) fn jitter(full: Duration, count: u32, seed: u64) -> Duration {
    let half = full / 2;
    let spread = u64::try_from(half.as_millis())
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    half + Duration::from_millis(mix(seed ^ u64::from(count)) % spread)
}

/// `first`, doubling with each of `count`, up to `most`; with jitter.
pub(crate) fn growing(first: Duration, most: Duration, count: u32, seed: u64) -> Duration {
    let full = first.saturating_mul(1 << count.min(16)).min(most);
    jitter(full, count, seed)
}

/// A number from a seed, the same each time.
pub(crate) fn spread(seed: u64) -> u64 {
    mix(seed) >> 1
}

/// SplitMix64's finalizer (Steele et al., 2014): spreads a seed over all 64 bits.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A seed for [`retry_delay`] from an instance id: FNV-1a, as the standard hasher's is not promised to
/// stay the same between releases.
pub fn seed_of(instance_id: &str) -> u64 {
    instance_id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
