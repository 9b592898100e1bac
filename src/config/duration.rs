//! Durations as people write them: `90s`, `15m`, `1h 30m`.
//!
//! A number without a unit is refused, because some would mean seconds by `900` and others milliseconds. More may
//! be accepted in the future; what is written must be read back to the same nanosecond.

use std::time::Duration;

use super::problem::Refusal;
use super::rules::{Raw, Rule, toml_string};
use super::text::{quoted, shortened};

/// A duration as people write it, between two bounds.
pub(super) struct Between {
    pub(super) least: Duration,
    pub(super) most: Duration,
}

impl Between {
    fn bare_number(&self, number: &str) -> Refusal {
        Refusal::new(
            format!("{} is a number without a unit", shortened(number)),
            format!("write \"{}s\" if seconds are meant", shortened(number)),
        )
    }
}

impl Rule for Between {
    type Value = Duration;

    fn accepts(&self) -> String {
        let least = humantime::format_duration(self.least);
        let most = humantime::format_duration(self.most);
        format!("a duration from \"{least}\" to \"{most}\"")
    }

    fn parse(&self, text: &str) -> Result<Duration, Refusal> {
        // humantime accepts "0" without a unit, but here every number needs one.
        if is_plain_number(text.trim()) {
            return Err(self.bare_number(text.trim()));
        }
        let wanted = || format!("write {}, for example \"1m 30s\"", self.accepts());
        let duration = humantime::parse_duration(text).map_err(|error| {
            Refusal::new(
                format!(
                    "{} is not a duration ({})",
                    quoted(text),
                    shortened(&error.to_string())
                ),
                wanted(),
            )
        })?;
        if duration < self.least {
            return Err(Refusal::new(
                format!("{} is too short", quoted(text)),
                wanted(),
            ));
        }
        if duration > self.most {
            return Err(Refusal::new(
                format!("{} is too long", quoted(text)),
                wanted(),
            ));
        }
        Ok(duration)
    }

    fn write(&self, value: &Duration) -> Option<String> {
        Some(toml_string(&humantime::format_duration(*value).to_string()))
    }

    fn read(&self, raw: &Raw) -> Result<Duration, Refusal> {
        match raw {
            Raw::Text(text) => self.parse(text),
            Raw::Other { written, .. } if is_plain_number(written) => {
                Err(self.bare_number(written))
            }
            other => Err(Refusal::new(
                format!(
                    "{} was found where a duration in quotes belongs",
                    other.kind()
                ),
                format!("write {}, for example \"1m 30s\"", self.accepts()),
            )),
        }
    }
}

fn is_plain_number(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == '.')
}
