//! The only place that reads a clock.

#![expect(
    clippy::disallowed_methods,
    reason = "this is where the clocks are read"
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::decide::record::Clocks;
use crate::decide::{Moment, WallTime};

/// The machine's boot clock, and its relation to the wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// The clock of this machine.
    pub fn start() -> Self {
        Self
    }

    /// Now, on the boot clock, which runs on in sleep and is never set.
    pub fn now(&self) -> Moment {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let millis = now.tv_sec.saturating_mul(1_000);
        Moment::from_millis(millis.saturating_add(now.tv_nsec / 1_000_000))
    }

    /// Now, as the wall clock has it.
    pub fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    /// What the wall clock shows at the boot clock's zero, by what it shows at present.
    pub fn wall_at_boot(&self) -> WallTime {
        let now = self.now().as_millis();
        WallTime(wall_time(SystemTime::now()).0.saturating_sub(now))
    }

    /// Both, and which boot it is.
    pub fn clocks(&self) -> Clocks {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        Clocks {
            boot_id: boot_id.unwrap_or_default().trim().to_owned(),
            now: self.now(),
            wall: wall_time(SystemTime::now()),
        }
    }

    /// How long from now until `moment`.
    pub fn until(&self, moment: Moment) -> Duration {
        moment.since(self.now())
    }

    /// Where a wall-clock time lies on the boot clock, by what the wall clock says at present.
    pub fn moment_of(&self, time: SystemTime) -> Moment {
        wall_time(time).moment(self.wall_at_boot())
    }

    /// The wall-clock time of a moment, by what the wall clock says at present.
    pub fn time_of(&self, moment: Moment) -> SystemTime {
        let wall = WallTime::of(moment, self.wall_at_boot());
        UNIX_EPOCH + Duration::from_millis(u64::try_from(wall.0).unwrap_or(0))
    }
}

/// A time of the standard library's in the core's terms.
pub fn wall_time(time: SystemTime) -> WallTime {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    WallTime(match time.duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    })
}
