//! Generates files from the code, so that they cannot disagree with it: the man page, the shell completions and
//! the sample configuration.

pub mod man;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_complete::Shell;
use ecs_lifecycle_agent::cli::Cli;

/// The name of the program.
pub const PROGRAM: &str = "ecs-lifecycle-agent";

/// The shells that completions are written for.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// The command line, with the full names of its subcommands.
#[must_use]
pub fn command() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    command
}

/// Writes the man page to `man/`, the completions to `completions/` and the sample configuration, all below `out`.
/// Returns the files.
///
/// # Errors
/// Fails if a file cannot be written.
pub fn docs(out: &Path) -> io::Result<Vec<PathBuf>> {
    let pages = out.join("man");
    let completions = out.join("completions");
    fs::create_dir_all(&pages)?;
    fs::create_dir_all(&completions)?;
    let page = pages.join(format!("{PROGRAM}.8"));
    fs::write(&page, man::page(&command())?)?;
    let sample = out.join("config.toml");
    fs::write(&sample, ecs_lifecycle_agent::config::sample_config())?;
    let mut files = vec![page];
    for shell in SHELLS {
        files.push(clap_complete::generate_to(
            shell,
            &mut Cli::command(),
            PROGRAM,
            &completions,
        )?);
    }
    files.push(sample);
    Ok(files)
}
