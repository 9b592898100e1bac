//! The only place that reads a clock.

#![expect(
    clippy::disallowed_methods,
    reason = "this is where the clocks are read"
)]

use std::time::{Duration, Instant, SystemTime};

use crate::decide::Moment;

/// The agent's own axis of time, and its relation to the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts the axis now.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// Now, on the agent's axis.
    pub fn now(&self) -> Moment {
        Moment::from_millis(millis(self.start.elapsed()))
    }

    /// Now, as the wall clock has it.
    pub fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    /// The runtime's instant of a moment that has not passed yet.
    pub fn instant_of(&self, moment: Moment) -> tokio::time::Instant {
        let ahead = Duration::from_millis(u64::try_from(moment.as_millis()).unwrap_or(0));
        tokio::time::Instant::from_std(self.start + ahead)
    }

    /// Where a wall-clock time lies on the agent's axis, by what the wall clock says at present.
    pub fn moment_of(&self, time: SystemTime) -> Moment {
        let now = self.now();
        match time.duration_since(SystemTime::now()) {
            Ok(ahead) => now + ahead,
            Err(behind) => now - behind.duration(),
        }
    }

    /// The wall-clock time of a moment, by what the wall clock says at present.
    pub fn time_of(&self, moment: Moment) -> SystemTime {
        let wall = SystemTime::now();
        let now = self.now();
        if moment >= now {
            wall + moment.since(now)
        } else {
            wall - now.since(moment)
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
