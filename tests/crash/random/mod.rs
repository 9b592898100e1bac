//! A thousand random drains, each of them from one seed, in accelerated time.

mod dice;
mod drain;
mod plan;
mod verdict;

use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use drain::Tally;

use super::report;
use super::starved::unless_starved;

const DRAINS: u64 = 1_000;
const SEED: u64 = 20_260_101;
/// Drains at a time: two processors can follow.
const AT_ONCE: usize = 24;
/// Failures that are printed in full.
const IN_FULL: usize = 3;

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is not a number: {text}"))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_drains_end_as_they_should() {
    let (drains, first) = (number("CRASH_DRAINS", DRAINS), number("CRASH_SEED", SEED));
    report(&format!(
        "{drains} random drains, CRASH_SEED={first} is the first"
    ));
    let started = Instant::now();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut runs = JoinSet::new();
    for seed in first..first + drains {
        let places = Arc::clone(&places);
        runs.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            let name = format!("CRASH_SEED={seed}");
            (seed, unless_starved(&name, || drain::run(seed)).await)
        });
    }
    let mut total = Tally::default();
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    let mut failed = Vec::new();
    while let Some(run) = runs.join_next().await {
        let (seed, (tally, result)) = run.unwrap();
        total.add(&tally);
        match result {
            Ok(outcome) => *outcomes.entry(outcome).or_default() += 1,
            Err(failure) => {
                report(&format!(
                    "CRASH_SEED={seed} CRASH_DRAINS=1: {}",
                    failure.why
                ));
                if failed.len() < IN_FULL {
                    report(&failure.story);
                }
                failed.push(seed);
            }
        }
    }
    let outcomes: Vec<String> = outcomes
        .iter()
        .map(|(outcome, count)| format!("{outcome} {count}"))
        .collect();
    report(&format!(
        "{drains} drains in {} s: {} kills, {} SIGTERMs, {} starts, {} faulty answers; {}; {} failed",
        started.elapsed().as_secs(),
        total.kills,
        total.stops,
        total.starts,
        total.faults,
        outcomes.join(", "),
        failed.len(),
    ));
    assert!(
        failed.is_empty(),
        "failed; each by itself with CRASH_SEED=… CRASH_DRAINS=1: {failed:?}"
    );
    // A run that never got to the point would prove nothing.
    assert!(drains < 100 || total.kills > 0 && total.stops > 0 && total.faults > 0);
}

/// Simulated and real time are the same here: the agent's intervals are what is short.
const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}
