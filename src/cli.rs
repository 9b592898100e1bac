//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::control::client::drain_timeout;

/// Drains an ECS container instance before it is terminated.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    /// Read only this configuration file instead of the standard files.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The command; the default is run.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the binary can do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Watch this instance and drain it before it is terminated (the default).
    Run,
    /// Print the effective configuration and where each value comes from.
    CheckConfig,
    /// Show what the running agent is doing, why, and what it is waiting for.
    Status {
        /// Print JSON (docs/status.md).
        #[arg(long)]
        json: bool,
        /// Ask again every second, until interrupted.
        #[arg(long)]
        watch: bool,
    },
    /// Tell the running agent to drain this instance until `undrain`.
    Drain {
        /// Wait for the drain to end. Exit with 0 if drained, with 1 if the deadline came first.
        #[arg(long)]
        wait: bool,
        /// How long the drain may take, such as 30m, instead of drain.timeout.
        #[arg(long, value_name = "DURATION", value_parser = drain_timeout)]
        timeout: Option<Duration>,
    },
    /// Show how many more tasks fit on this instance and whether that is published.
    ///
    /// It changes nothing and needs no running agent. The exit status is 0 if the figures would be published
    /// and 1 otherwise.
    Capacity {
        /// Print JSON (docs/capacity.md).
        #[arg(long)]
        json: bool,
    },
    /// Cancel a drain by hand: the container instance is set back to ACTIVE.
    Undrain,
    /// Check whether this machine has everything that the agent needs.
    ///
    /// Run it on a live instance, or with --image while an image is built. It changes nothing; what cannot be
    /// tested without a change is reported as untried. The exit status is 0 if all is well, 1 if there are
    /// warnings, and 2 if something prevents the agent from working.
    Doctor(DoctorArguments),
}

/// What `doctor` takes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct DoctorArguments {
    /// Check an image: no metadata, no role, no cluster.
    #[arg(long)]
    pub image: bool,

    /// Check only which changed defaults affect this instance (docs/upgrading.md).
    #[arg(long, conflicts_with = "image")]
    pub before_upgrade: bool,

    /// Print the findings as JSON.
    #[arg(long)]
    pub json: bool,

    /// Look for the host's files below this directory.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}
