//! The benchmark: what the agent costs, and how quickly it acts, measured on the release binary against
//! the simulator, over real sockets and with the agent's default settings.
//!
//! It prints figures beside their budgets and writes them to `bench.json`. A figure over its budget is
//! marked, no more: time depends on the machine. Only a drain that did not do its job makes it fail.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose result is what it prints"
)]

mod binary;
mod calls;
mod features;
mod idle;
mod latency;
mod options;
mod processes;
mod random;
mod report;
mod scenarios;
mod stage;
mod startup;
mod statistics;

use std::process::ExitCode;
use std::sync::Arc;

use options::Options;
use report::Report;

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
    eprintln!("binary …");
    report.add(binary::measure(options));
    eprintln!("start-up …");
    report.add(startup::measure(options).await);
    eprintln!("idle, {} s …", options.idle().as_secs());
    report.add(idle::measure(options).await);
    eprintln!("latencies, {} drains …", options.samples());
    report.add(latency::measure(options).await);
    eprintln!("calls and memory …");
    let (calls, memory) = calls::measure(options).await;
    report.add(calls);
    report.add(memory);
    eprintln!("features …");
    report.add(features::measure(options).await);
    report
}
