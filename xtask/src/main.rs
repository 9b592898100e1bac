//! The command `cargo run -p xtask -- docs --out DIR`.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Generates what is shipped with ecs-lifecycle-agent.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Writes the man page, the completions and the sample configuration.
    Docs {
        /// The directory to write to.
        #[arg(long, value_name = "DIR", default_value = "target/dist")]
        out: PathBuf,
    },
}

fn main() -> io::Result<()> {
    let Task::Docs { out } = Cli::parse().task;
    let mut stdout = io::stdout();
    for file in xtask::docs(&out)? {
        writeln!(stdout, "{}", file.display())?;
    }
    Ok(())
}
