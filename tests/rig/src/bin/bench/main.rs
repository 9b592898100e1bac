//! The benchmark: what the agent costs, and how quickly it acts, measured on the release binary against
//! the simulator, over real sockets and with the agent's default settings.
//!
//! It prints figures beside their budgets and writes them to `bench.json`. A figure over its budget is
//! marked, no more: time depends on the machine. Only a drain that did not do its job makes it fail.

// A program whose result is what it prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod binary;
mod calls;
mod features;
mod idle;
mod instructions;
mod latency;
mod options;
mod pasted;
mod processes;
mod report;
mod scenarios;
mod stage;
mod startup;
mod statistics;

use std::process::ExitCode;
use std::sync::Arc;

use options::Options;
use report::{Measured, Report};

/// `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(options) => Arc::new(options),
        Err(problem) => {
            eprintln!("{problem}\n{}", options::USAGE);
            return ExitCode::from(USAGE);
        }
    };
    let report = measure(&options).await;
    println!("{}", report.text());
    println!("{}\n", pasted::text(&report, options.beside.is_some()));
    let written = report.write(&options.out);
    match &written {
        Ok(path) => println!("written to {}", path.display()),
        Err(error) => eprintln!("{}: {error}", options.out.display()),
    }
    if report.failures.is_empty() && written.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One after the other: what is measured must not be disturbed by what is measured beside it.
async fn measure(options: &Arc<Options>) -> Report {
    let mut report = Report::new(options);
    let other = options.other().map(Arc::new);
    for part in Part::ALL {
        if options.only.is_some_and(|only| only != part) {
            continue;
        }
        eprintln!("{}{} …", part.name(), part.size(options));
        let beside = match &other {
            Some(other) => part.measure(other).await,
            None => Vec::new(),
        };
        report.add(part.measure(options).await, beside);
    }
    report
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Binary,
    Startup,
    Idle,
    Latency,
    Calls,
    Features,
    Instructions,
}

impl Part {
    pub(crate) const ALL: [Self; 7] = [
        Self::Binary,
        Self::Startup,
        Self::Idle,
        Self::Latency,
        Self::Calls,
        Self::Features,
        Self::Instructions,
    ];

    /// As it is named on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Startup => "start-up",
            Self::Idle => "idle",
            Self::Latency => "latencies",
            Self::Calls => "calls",
            Self::Features => "features",
            Self::Instructions => "instructions",
        }
    }

    fn size(self, options: &Options) -> String {
        match self {
            Self::Idle => format!(", {} s", options.idle().as_secs()),
            Self::Latency => format!(", {} drains", options.samples()),
            Self::Calls => " and memory".to_owned(),
            Self::Binary | Self::Startup | Self::Features | Self::Instructions => String::new(),
        }
    }

    async fn measure(self, options: &Arc<Options>) -> Measured {
        match self {
            Self::Binary => vec![binary::measure(options)],
            Self::Startup => vec![startup::measure(options).await],
            Self::Idle => vec![idle::measure(options).await],
            Self::Latency => vec![latency::measure(options).await],
            Self::Calls => calls::measure(options).await,
            Self::Features => vec![features::measure(options).await],
            Self::Instructions => vec![instructions::measure(options).await],
        }
    }
}
