//! The command line.

use std::path::PathBuf;

/// What `--help` prints.
pub const USAGE: &str = "\
usage: demo --agent PATH [--out DIR]

  --agent PATH  the ecs-lifecycle-agent binary to show
  --out DIR     where summary.json and timeline.svg go (target/demo)

There is no colour if NO_COLOR is set or the output is not a terminal.
";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The binary to show.
    pub agent: PathBuf,
    /// Where the results go.
    pub out: PathBuf,
}

/// Reads the arguments; `None` where help was asked for.
pub fn parse(mut given: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut agent = None;
    let mut out = PathBuf::from("target/demo");
    while let Some(name) = given.next() {
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        let mut value = || given.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--agent" => agent = Some(PathBuf::from(value()?)),
            "--out" => out = PathBuf::from(value()?),
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    let agent = agent.ok_or("--agent is missing")?;
    Ok(Some(Arguments { agent, out }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Result<Option<Arguments>, String> {
        parse(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn reads_what_it_knows_and_refuses_the_rest() {
        let given = of(&["--agent", "a", "--out", "b"]).unwrap().unwrap();
        assert_eq!(given.agent, PathBuf::from("a"));
        assert_eq!(given.out, PathBuf::from("b"));
        assert_eq!(of(&["--help"]), Ok(None));
        assert!(of(&[]).unwrap_err().contains("--agent"));
        assert!(of(&["--agent"]).unwrap_err().contains("value"));
        assert!(of(&["--nonsense"]).unwrap_err().contains("--nonsense"));
    }
}
