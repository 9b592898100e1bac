//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Drains an ECS container instance before it is terminated.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    /// Read this configuration file only, in place of the standard files.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// What to do; without a command, run.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the binary can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Watch over this instance, and drain it when it is to be terminated (the default).
    Run,
    /// Print the configuration in force, and where each value comes from.
    CheckConfig,
}
