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
pub struct Clock {
    fast: Option<Fast>,
}

/// A clock that runs faster than the machine's, as a simulated world does.
#[derive(Clone, Copy, Debug)]
struct Fast {
    speed: u32,
    /// Where both clocks show the same: on the boot clock, and in milliseconds since 1970.
    boot: i64,
    wall: i64,
}

impl Fast {
    /// `SPEED@MILLISECONDS` of this variable. A build for release never looks at it.
    const VARIABLE: &str = "ECS_LIFECYCLE_TEST_CLOCK";

    fn from_environment() -> Option<Self> {
        let text = std::env::var(Self::VARIABLE).ok()?;
        let (speed, wall) = text.split_once('@')?;
        let (speed, wall) = (speed.parse().ok()?, wall.parse::<i64>().ok()?);
        let since = wall_time(SystemTime::now()).0.saturating_sub(wall);
        Some(Self {
            speed,
            boot: boot_time().saturating_sub(since),
            wall,
        })
    }

    fn now(self) -> i64 {
        let since = boot_time().saturating_sub(self.boot);
        self.boot
            .saturating_add(since.saturating_mul(i64::from(self.speed)))
    }
}

impl Clock {
    /// The clock of this machine.
    pub fn start() -> Self {
        let fast = cfg!(debug_assertions).then(Fast::from_environment);
        Self {
            fast: fast.flatten(),
        }
    }

    /// Now, on the boot clock, which runs on in sleep and is never set.
    pub fn now(&self) -> Moment {
        Moment::from_millis(self.fast.map_or_else(boot_time, Fast::now))
    }

    /// Now, as the wall clock has it.
    pub fn wall(&self) -> SystemTime {
        match self.fast {
            Some(_) => self.time_of(self.now()),
            None => SystemTime::now(),
        }
    }

    /// What the wall clock shows at the boot clock's zero, by what it shows at present.
    pub fn wall_at_boot(&self) -> WallTime {
        WallTime(match self.fast {
            Some(fast) => fast.wall.saturating_sub(fast.boot),
            None => wall_time(SystemTime::now())
                .0
                .saturating_sub(self.now().as_millis()),
        })
    }

    /// Both, and which boot it is.
    pub fn clocks(&self) -> Clocks {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        Clocks {
            boot_id: boot_id.unwrap_or_default().trim().to_owned(),
            now: self.now(),
            wall: wall_time(self.wall()),
        }
    }

    /// How long from now until `moment`, for a timer.
    pub fn until(&self, moment: Moment) -> Duration {
        moment.since(self.now()) / self.fast.map_or(1, |fast| fast.speed.max(1))
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

fn boot_time() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let millis = now.tv_sec.saturating_mul(1_000);
    millis.saturating_add(now.tv_nsec / 1_000_000)
}

/// A time of the standard library's in the core's terms.
pub fn wall_time(time: SystemTime) -> WallTime {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    WallTime(match time.duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    })
}
