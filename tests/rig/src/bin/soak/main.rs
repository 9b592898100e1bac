//! The soak: a week's worth of polling in minutes, on the release binary against the simulator, with
//! everything around it flapping. Are memory, file descriptors and threads flat?
//!
//! Several agents side by side poll at the shortest interval; their polls count together. It prints
//! figures and writes them to `soak.json`. It fails where memory or file descriptors grow, or where an
//! agent died or got stuck.
//!
//! Introspection lists the same number of tasks all the time, as the ECS agent forgets what stopped long
//! ago. The simulated ECS API forgets nothing: what `ListTasks` has for an agent whose introspection API is unavailable
//! grows by thousands of stopped tasks. Memory must not follow it: once it did, by a third of a KiB for each.
//! To tell where a growth comes from: `--weather` has one kind of trouble alone.

// A program whose result is what it prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod counts;
mod introspection;
mod options;
mod process;
mod report;
mod series;
mod stage;
mod story;
mod weather;

use std::process::ExitCode;
use std::sync::Arc;

use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use counts::Counts;
use options::Options;
use report::Report;
use stage::Stage;

/// `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{}", options::USAGE);
            return ExitCode::from(USAGE);
        }
    };
    let report = match soak(&options).await {
        Ok(report) => report,
        Err(failure) => {
            eprintln!("{failure}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", report.text());
    let written = report.write(&options.out);
    match &written {
        Ok(path) => println!("written to {}", path.display()),
        Err(error) => eprintln!("{}: {error}", options.out.display()),
    }
    if report.failures().is_empty() && written.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// All agents at once, each with a story and weather of its own; this task only looks.
async fn soak(options: &Options) -> Result<Report, String> {
    let counts = Arc::new(Counts::default());
    let simulator = stage::simulator().await?;
    let mut stages = Vec::new();
    for number in 0..options.agents() {
        stages.push(Stage::new(options, &simulator, counts.clone(), number).await?);
    }
    let mut report = Report::new(options, stages.len());
    let mut stories = tokio::task::JoinSet::new();
    for stage in &stages {
        stories.spawn(story::tell(stage.play()));
        stories.spawn(weather::change(stage.play(), options.weather));
    }
    let began = Instant::now();
    let mut samples = interval_at(began + options.every(), options.every());
    samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut harvests = interval(options.every() * 6);
    while began.elapsed() < options.length() && report.failures().is_empty() {
        tokio::select! {
            _ = samples.tick() => {
                counts.take(&simulator, false);
                report.sample(began.elapsed(), &mut stages, &counts);
            }
            // The record of the requests would otherwise be gigabytes.
            _ = harvests.tick() => counts.take(&simulator, true),
            Some(ended) = stories.join_next() => {
                // A story never ends well: it ends.
                let why = ended.map_or_else(|error| error.to_string(), |Err(why)| why);
                report.fail(why);
            }
        }
    }
    stories.shutdown().await;
    report.finish(&simulator, &stages, &counts);
    for stage in &stages {
        let path = options.out.join(format!("agent-{}.log", stage.number()));
        let written =
            std::fs::create_dir_all(&options.out).and_then(|()| std::fs::write(&path, stage.log()));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(report)
}
