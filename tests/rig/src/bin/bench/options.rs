//! The command line, and what `--quick` changes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Part;

/// How to call it.
pub(crate) const USAGE: &str =
    "usage: bench --agent PATH [--beside PATH] [--out DIR] [--quick] [--only PART]";

/// What to measure, and how long.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The agent's release binary.
    pub(crate) agent: PathBuf,
    /// Another one, an earlier release for example: each part is measured of it, too, just before.
    pub(crate) beside: Option<PathBuf>,
    /// Where `bench.json` goes.
    pub(crate) out: PathBuf,
    /// Fewer samples, shorter waits.
    pub(crate) quick: bool,
    /// The only part to measure.
    pub(crate) only: Option<Part>,
}

impl Options {
    /// From the arguments, without the program's name.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut arguments = arguments;
        let (mut agent, mut beside) = (None, None);
        let (mut out, mut quick) = (PathBuf::from("target/bench"), false);
        let mut only = None;
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let missing = format!("{} needs a value", argument.display());
                arguments.next().map(PathBuf::from).ok_or(missing)
            };
            match argument.to_str() {
                Some("--agent") => agent = Some(value()?),
                Some("--beside") => beside = Some(value()?),
                Some("--out") => out = value()?,
                Some("--quick") => quick = true,
                Some("--only") => only = Some(part(&value()?)?),
                _ => return Err(format!("unknown argument {}", argument.display())),
            }
        }
        let agent = agent.ok_or("--agent is missing")?;
        if let Some(missing) = [Some(&agent), beside.as_ref()]
            .into_iter()
            .flatten()
            .find(|binary| !binary.is_file())
        {
            return Err(format!("{} is not a file", missing.display()));
        }
        Ok(Self {
            agent,
            beside,
            out,
            quick,
            only,
        })
    }

    /// The same measurements, of the binary that it is compared with.
    pub(crate) fn other(&self) -> Option<Self> {
        Some(Self {
            agent: self.beside.clone()?,
            beside: None,
            ..self.clone()
        })
    }

    fn either<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }

    /// How many drains are timed.
    pub(crate) fn samples(&self) -> usize {
        self.either(12, 48)
    }

    /// How many starts are timed.
    pub(crate) fn starts(&self) -> usize {
        self.either(5, 15)
    }

    /// How long the idle agent is looked at.
    pub(crate) fn idle(&self) -> Duration {
        Duration::from_secs(self.either(15, 60))
    }

    /// By how much the drains of two hours are sped up.
    pub(crate) fn time_scale(&self) -> u32 {
        self.either(480, 120)
    }
}

fn part(name: &Path) -> Result<Part, String> {
    let found = Part::ALL
        .into_iter()
        .find(|part| name == Path::new(part.name()));
    let names = || Part::ALL.map(Part::name).join(", ");
    found.ok_or_else(|| format!("no part {}: the parts are {}", name.display(), names()))
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
        let unknown = parse(&["--only", "everything"]).unwrap_err();
        assert!(unknown.contains("binary, start-up, idle"), "{unknown}");
        let agent = std::env::current_exe().unwrap();
        let beside = [
            "--agent",
            agent.to_str().unwrap(),
            "--beside",
            "/nonexistent",
        ];
        assert!(parse(&beside).is_err());
    }

    #[test]
    fn the_rest_has_defaults() {
        let agent = std::env::current_exe().unwrap();
        let agent = agent.to_str().unwrap();
        let one = parse(&["--only", "calls", "--agent", agent]).unwrap();
        assert_eq!(one.only, Some(Part::Calls));
        let options = parse(&["--quick", "--agent", agent]).unwrap();
        assert_eq!(options.only, None);
        assert!(options.quick);
        assert_eq!(options.out, PathBuf::from("target/bench"));
        assert!(options.other().is_none());
    }
}
