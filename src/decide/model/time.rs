//! Time as the core sees it: points on the machine's boot clock, which nobody sets and which runs on in sleep.
//!
//! Nothing in the core reads a clock. What comes from outside as wall-clock time (a Spot notice,
//! `pendingTime`) stays a [`WallTime`] until it is compared, by what the wall clock is known to show then.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time, in milliseconds since the machine was booted. Negative before that: a drain that began
/// before a reboot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(i64);

impl Moment {
    /// The moment `millis` after the boot.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the boot.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero where it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(millis(rhs)))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(millis(rhs)))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}ms", self.0)
    }
}

/// Wall-clock time, in milliseconds since 1970: only ever what somebody outside has said. The machine's own
/// wall clock can be wrong, and be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(pub i64);

impl WallTime {
    /// The moment of a wall-clock time on a machine whose wall clock showed `at_boot` at [`Moment`] zero.
    pub fn moment(self, at_boot: Self) -> Moment {
        Moment(self.0.saturating_sub(at_boot.0))
    }

    /// The wall-clock time of a moment.
    pub fn of(moment: Moment, at_boot: Self) -> Self {
        Self(at_boot.0.saturating_add(moment.0))
    }
}
