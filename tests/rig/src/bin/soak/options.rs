//! The command line, and what `--quick` changes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::weather::Weather;

/// How to call it.
pub(crate) const USAGE: &str = "usage: soak --agent PATH [--out DIR] [--minutes M] [--agents N] [--quick]
            [--weather tokens|credentials|no-metadata|metadata|no-ecs-agent|introspection|aws|calm]";

/// What to run, and how long.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The agent's release binary.
    pub(crate) agent: PathBuf,
    /// Where `soak.json` goes.
    pub(crate) out: PathBuf,
    /// The one kind of weather that there is to be, instead of all.
    pub(crate) weather: Option<Weather>,
    minutes: Option<u64>,
    agents: Option<u64>,
    quick: bool,
}

impl Options {
    /// From the arguments, without the program's name.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut arguments = arguments;
        let (mut agent, mut out) = (None, PathBuf::from("target/soak"));
        let (mut minutes, mut agents, mut weather, mut quick) = (None, None, None, false);
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let missing = format!("{} needs a value", argument.display());
                arguments.next().ok_or(missing)
            };
            match argument.to_str() {
                Some("--agent") => agent = Some(PathBuf::from(value()?)),
                Some("--out") => out = PathBuf::from(value()?),
                Some("--minutes") => {
                    let number = value()?.to_str().and_then(|text| text.parse().ok());
                    minutes = Some(
                        number
                            .filter(|minutes| (1..=10_000).contains(minutes))
                            .ok_or("--minutes needs a number from 1 to 10000")?,
                    );
                }
                Some("--agents") => {
                    let number = value()?.to_str().and_then(|text| text.parse().ok());
                    agents = Some(
                        number
                            .filter(|agents| (1..=100).contains(agents))
                            .ok_or("--agents needs a number from 1 to 100")?,
                    );
                }
                Some("--weather") => {
                    let value = value()?;
                    let named = value.to_str().and_then(Weather::named);
                    weather =
                        Some(named.ok_or_else(|| format!("unknown weather {}", value.display()))?);
                }
                Some("--quick") => quick = true,
                _ => return Err(format!("unknown argument {}", argument.display())),
            }
        }
        let agent = agent.ok_or("--agent is missing")?;
        if !agent.is_file() {
            return Err(format!("{} is not a file", agent.display()));
        }
        Ok(Self {
            agent,
            out,
            weather,
            minutes,
            agents,
            quick,
        })
    }

    fn either<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }

    /// How many agents run side by side.
    pub(crate) fn agents(&self) -> u64 {
        self.agents.unwrap_or(self.either(3, 10))
    }

    /// How long they run: ten agents come to a week's polls in it.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_mins(self.minutes.unwrap_or(self.either(1, 14)))
    }

    /// How often they are looked at.
    pub(crate) fn every(&self) -> Duration {
        Duration::from_secs(self.either(1, 5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn the_agent_has_to_be_named_and_there() {
        assert_eq!(parse(&[]).unwrap_err(), "--agent is missing");
        assert_eq!(parse(&["--agent"]).unwrap_err(), "--agent needs a value");
        assert!(parse(&["--agent", "/nonexistent"]).is_err());
        assert!(parse(&["--fast"]).is_err());
    }

    #[test]
    fn the_rest_has_defaults() {
        let agent = std::env::current_exe().unwrap();
        let agent = agent.to_str().unwrap();
        let quick = parse(&["--quick", "--agent", agent]).unwrap();
        assert_eq!(quick.length(), Duration::from_mins(1));
        assert_eq!(quick.out, PathBuf::from("target/soak"));
        assert!(quick.weather.is_none() && quick.agents() == 3);
        let calm = parse(&["--weather", "calm", "--agents", "1", "--agent", agent]).unwrap();
        assert!(calm.weather == Some(Weather::Calm) && calm.agents() == 1);
        assert!(parse(&["--weather", "fine", "--agent", agent]).is_err());
        let long = parse(&["--minutes", "100", "--agent", agent]).unwrap();
        assert_eq!(long.length(), Duration::from_mins(100));
        assert!(parse(&["--minutes", "0", "--agent", agent]).is_err());
    }
}
