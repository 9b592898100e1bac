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

/// A clock that runs faster than the machine's, for agents in a simulated world.
#[derive(Clone, Copy, Debug)]
struct Fast {
    speed: u32,
    /// The moment at which the clocks agree: on the boot clock, and in milliseconds since 1970.
    boot: i64,
    wall: i64,
}

impl Fast {
    /// The variable that sets the clock, as `SPEED@MILLISECONDS` since 1970. Release builds never read it.
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

    /// The current time on the boot clock, which runs on while the machine is suspended and is never set.
    pub fn now(&self) -> Moment {
        Moment::from_millis(self.fast.map_or_else(boot_time, Fast::now))
    }

    /// The current time on the wall clock.
    pub fn wall(&self) -> SystemTime {
        match self.fast {
            Some(_) => self.time_of(self.now()),
            None => SystemTime::now(),
        }
    }

    /// The wall-clock time at the boot clock's zero, from what the wall clock shows now.
    pub fn wall_at_boot(&self) -> WallTime {
        WallTime(match self.fast {
            Some(fast) => fast.wall.saturating_sub(fast.boot),
            None => wall_time(SystemTime::now())
                .0
                .saturating_sub(self.now().as_millis()),
        })
    }

    /// Both clocks and the boot id, as the state file needs them.
    pub fn clocks(&self) -> Clocks {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        Clocks {
            boot_id: boot_id.unwrap_or_default().trim().to_owned(),
            now: self.now(),
            wall: wall_time(self.wall()),
        }
    }

    /// How long a timer must run to end at `moment`.
    pub fn until(&self, moment: Moment) -> Duration {
        moment.since(self.now()) / self.fast.map_or(1, |fast| fast.speed.max(1))
    }

    /// Converts a wall-clock time to the boot clock, from what the wall clock shows now.
    pub fn moment_of(&self, time: SystemTime) -> Moment {
        wall_time(time).moment(self.wall_at_boot())
    }

    /// Converts a moment to wall-clock time, from what the wall clock shows now.
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

/// Converts a `SystemTime` to the core's `WallTime`, in milliseconds since 1970.
pub fn wall_time(time: SystemTime) -> WallTime {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    WallTime(match time.duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    })
}
