//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::control::client::drain_timeout;

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
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Watch over this instance, and drain it when it is to be terminated (the default).
    Run,
    /// Print the configuration in force, and where each value comes from.
    CheckConfig,
    /// Ask the running agent what it does, why, and what it waits for.
    Status {
        /// Print JSON: docs/status.md describes it.
        #[arg(long)]
        json: bool,
        /// Ask again every second, until interrupted.
        #[arg(long)]
        watch: bool,
    },
    /// Have the running agent drain this instance, until `undrain`.
    Drain {
        /// Return when the drain has ended: with 0 if drained, with 1 if the deadline came first.
        #[arg(long)]
        wait: bool,
        /// How long the drain may take, such as 30m, in place of drain.timeout.
        #[arg(long, value_name = "DURATION", value_parser = drain_timeout)]
        timeout: Option<Duration>,
    },
    /// Say how many more tasks fit on this instance, whether that is published, and why not.
    ///
    /// It only reads, with or without a running agent. The exit status is 0 where the figures would be
    /// published, and 1 where not.
    Capacity {
        /// Print JSON: docs/capacity.md describes it.
        #[arg(long)]
        json: bool,
    },
    /// Take back a drain by hand: the container instance goes back to ACTIVE.
    Undrain,
    /// Examine this machine: is everything there that the agent needs, and does it answer?
    ///
    /// Run it on a live instance, or with --image while an image is built. It only reads: what cannot be
    /// tried without changing something is said to be untried. The exit status is 0 where all is well, 1
    /// where there are warnings, and 2 where something keeps the agent from its work.
    Doctor(DoctorArguments),
}

/// What `doctor` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct DoctorArguments {
    /// Check what an image holds: no metadata, no role, no cluster.
    #[arg(long)]
    pub image: bool,

    /// Check only which changed defaults touch this instance: docs/upgrading.md says what to do.
    #[arg(long, conflicts_with = "image")]
    pub before_upgrade: bool,

    /// Print the findings as JSON.
    #[arg(long)]
    pub json: bool,

    /// Look for the files of the host below this directory.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}
