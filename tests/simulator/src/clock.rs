//! The simulator's clock: simulated time is real time since the start, times a speed.
//!
//! Everything in the model is measured in [`SimTime`]. Timestamps that leave the simulator (a Spot
//! instance-action's `time`, credentials' `Expiration`, …) are wall-clock times: the moment at which
//! the thing *really* happens, so that a program with an ordinary clock can act on them at any speed.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Simulated time since the start of the simulator.
pub type SimTime = Duration;

/// Maps real time to simulated time.
#[derive(Clone, Debug)]
pub struct Clock {
    started: Instant,
    calendar: Calendar,
}

impl Clock {
    /// A clock that starts now. A speed that is not a positive number counts as 1.
    pub fn start(speed: f64) -> Self {
        Self::start_with(speed, false)
    }

    /// The same, whose dates may be of simulated time.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clocks"
    )]
    pub fn start_with(speed: f64, simulated_dates: bool) -> Self {
        let epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            started: Instant::now(),
            calendar: Calendar {
                simulated_dates,
                ..Calendar::new(epoch, speed)
            },
        }
    }

    /// Simulated time now.
    pub fn now(&self) -> SimTime {
        self.started.elapsed().mul_f64(self.calendar.speed)
    }

    /// Real time since the start.
    pub fn real_now(&self) -> Duration {
        self.started.elapsed()
    }

    /// What maps simulated time to dates, for the model.
    pub fn calendar(&self) -> Calendar {
        self.calendar.clone()
    }

    /// How long a simulated duration takes in reality.
    pub fn real(&self, simulated: Duration) -> Duration {
        self.calendar.real(simulated)
    }
}

/// Maps simulated time to real time and to dates, without looking at any clock.
#[derive(Clone, Debug)]
pub struct Calendar {
    epoch: Duration,
    speed: f64,
    /// Whether dates are of simulated time, for a program whose clock runs as fast.
    simulated_dates: bool,
}

impl Calendar {
    /// A calendar in which simulated time 0 is `epoch` after 1970.
    pub fn new(epoch: Duration, speed: f64) -> Self {
        let speed = if speed.is_finite() && speed > 0.0 {
            speed
        } else {
            1.0
        };
        Self {
            epoch,
            speed,
            simulated_dates: false,
        }
    }

    /// Real time since the start at a simulated moment.
    pub fn real(&self, at: SimTime) -> Duration {
        if self.speed == 1.0 {
            at
        } else {
            at.div_f64(self.speed)
        }
    }

    /// Time since 1970 at a simulated moment.
    pub fn since_1970(&self, at: SimTime) -> Duration {
        if self.simulated_dates {
            self.epoch + at
        } else {
            self.really(at)
        }
    }

    /// Time since 1970 at a simulated moment, on the machine's clock, by which requests are signed.
    pub fn really(&self, at: SimTime) -> Duration {
        self.epoch + self.real(at)
    }

    /// Seconds since 1970 at a simulated moment, with their fraction.
    pub fn epoch_seconds(&self, at: SimTime) -> f64 {
        self.since_1970(at).as_secs_f64()
    }

    /// `2017-09-18T08:22:00Z`
    pub fn iso(&self, at: SimTime) -> String {
        self.date(self.since_1970(at))
    }

    /// The same of a time since 1970.
    pub fn date(&self, since_1970: Duration) -> String {
        let (year, month, day, hour, minute, second) = civil(since_1970);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// `Mon, 21 Jan 2019 09:00:43 GMT`, the form of a `Date` header.
    #[must_use]
    pub fn header(&self, at: SimTime) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        let days = usize::try_from(self.since_1970(at).as_secs() / 86_400).unwrap_or(0);
        let weekday = DAYS.get(days % 7).unwrap_or(&"Thu");
        format!("{weekday}, {:0>24}", self.maintenance(at))
    }

    /// `21 Jan 2019 09:00:43 GMT`, the form of scheduled maintenance events.
    pub fn maintenance(&self, at: SimTime) -> String {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let (year, month, day, hour, minute, second) = civil(self.since_1970(at));
        let month = usize::try_from(month - 1)
            .ok()
            .and_then(|m| MONTHS.get(m))
            .unwrap_or(&"Jan");
        format!("{day} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

/// Civil date and time (days-to-date as in Howard Hinnant's `civil_from_days`).
fn civil(since_1970: Duration) -> (i64, i64, i64, i64, i64, i64) {
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month, day, rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_rendered_as_aws_does() {
        let calendar = Calendar::new(Duration::from_secs(1_505_722_920), 1.0);
        assert_eq!(calendar.iso(Duration::ZERO), "2017-09-18T08:22:00Z");
        assert_eq!(
            calendar.maintenance(Duration::from_secs(1)),
            "18 Sep 2017 08:22:01 GMT"
        );
        assert_eq!(
            calendar.header(Duration::from_secs(1)),
            "Mon, 18 Sep 2017 08:22:01 GMT"
        );
        let leap = Calendar::new(Duration::from_secs(1_709_164_800), 1.0);
        assert_eq!(leap.iso(Duration::ZERO), "2024-02-29T00:00:00Z");
    }

    #[test]
    fn timestamps_are_when_it_really_happens() {
        let calendar = Calendar::new(Duration::from_secs(0), 10.0);
        assert_eq!(
            calendar.iso(Duration::from_secs(100)),
            "1970-01-01T00:00:10Z"
        );
    }
}
