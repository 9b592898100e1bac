//! One kind of outside call, and the one place where the retry policy is written.
//!
//! The SDK's own retries are off: every request that leaves the instance was decided here, so that the
//! core can prove how many there are, and a test can replay them.

use std::time::Duration;

use super::facts::{Failure, FailureKind};
use super::time::Moment;

/// Bookkeeping for one kind of call. At most one is in flight; a failed one is due again after a
/// backoff; one that is not due does not happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    due: Option<Moment>,
    in_flight: bool,
    failures: u32,
}

impl Call {
    /// A call that is due at `moment`.
    pub fn due_at(moment: Moment) -> Self {
        Self {
            due: Some(moment),
            ..Self::default()
        }
    }

    /// A call that nobody has asked for yet.
    pub fn idle() -> Self {
        Self::default()
    }

    /// Asks for the call at `moment`, or sooner where it is already due sooner.
    pub fn ask(&mut self, moment: Moment) {
        self.due = Some(self.due.map_or(moment, |due| due.min(moment)));
    }

    /// Sets when it is due, whatever was asked for before.
    pub fn set_due(&mut self, moment: Moment) {
        self.due = Some(moment);
    }

    /// Nobody wants the call any more. One in flight stays in flight.
    pub fn cancel(&mut self) {
        self.due = None;
    }

    /// True, once, when the call is to be made now; it is in flight from then on.
    pub fn start(&mut self, now: Moment) -> bool {
        let start = !self.in_flight && self.due.is_some_and(|due| due <= now);
        if start {
            self.due = None;
            self.in_flight = true;
        }
        start
    }

    /// The answer came, and it was a good one.
    pub fn succeeded(&mut self) {
        self.in_flight = false;
        self.failures = 0;
    }

    /// The answer came, and the next call of the same search is due: what has failed so far still counts.
    pub fn go_on(&mut self, now: Moment) {
        self.in_flight = false;
        self.set_due(now);
    }

    /// The call failed: it is due again after a backoff. Returns that delay.
    pub fn failed(&mut self, now: Moment, failure: &Failure, seed: u64) -> Duration {
        let delay = retry_delay(failure.kind, self.failures, seed);
        self.retry_in(now, delay);
        delay
    }

    /// The call failed, and the caller knows better than the policy when to try again.
    pub fn retry_in(&mut self, now: Moment, delay: Duration) {
        self.in_flight = false;
        self.failures = self.failures.saturating_add(1);
        self.set_due(now + delay);
    }

    /// Whether the call is under way.
    pub fn is_in_flight(&self) -> bool {
        self.in_flight
    }

    /// Whether the call is wanted: due some time, or under way.
    pub fn is_wanted(&self) -> bool {
        self.in_flight || self.due.is_some()
    }

    /// How many times in a row it has failed.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// When the driver has to look again for this call's sake: never while it is in flight, as its
    /// answer is an event of its own.
    pub fn wake_at(&self) -> Option<Moment> {
        if self.in_flight { None } else { self.due }
    }
}

/// How long to wait before trying again: exponential, capped, with jitter.
///
/// `failures` is the number of failures before this one. The jitter takes the delay down to half at the
/// least. It comes from `seed` (the instance) and the count, not from a random source: the core stays
/// repeatable, and two instances of a fleet still do not march in step.
pub fn retry_delay(kind: FailureKind, failures: u32, seed: u64) -> Duration {
    let (first, cap) = match kind {
        // A moment's trouble: be back quickly, a machine is waiting to be terminated.
        FailureKind::Unreachable
        | FailureKind::Timeout
        | FailureKind::Server
        | FailureKind::Malformed => (500, 10_000),
        // The bucket is shared by the account: leave it time to fill.
        FailureKind::Throttled => (1_000, 20_000),
        // Credentials arrive late at boot, and are renewed by the SDK.
        FailureKind::Credentials => (1_000, 10_000),
        // The other side said no: it may come round (a REGISTERING instance does).
        FailureKind::Refused => (1_000, 5_000),
        // Only a person can mend it: look again now and then, as they may.
        FailureKind::Denied => (10_000, 60_000),
    };
    let full: u64 = (first << failures.min(16)).min(cap);
    let half = full / 2;
    Duration::from_millis(half + mix(seed ^ u64::from(failures)) % (half + 1))
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
