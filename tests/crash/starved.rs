//! What the machine did not let happen.
//!
//! The times here are real ones, and short: heartbeats have seconds. Where other work takes the processors,
//! a drain can be late that is not the agent's doing. Linux says how long something that was ready to run
//! had to wait for a processor; a drain that failed after much of that proves nothing, and is repeated. One
//! that failed without it, or again and again, has failed.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

/// Waiting of the agent and of this process that comes into the range of what is asserted: half of
/// the slack of the crash tests.
const MUCH: Duration = Duration::from_secs(1);
const TRIES: u32 = 4;

/// How long the threads of a process have waited for a processor so far.
pub fn waited(process: u32) -> Duration {
    threads(&Path::new("/proc").join(process.to_string()))
}

fn threads(process: &Path) -> Duration {
    // A thread that has just ended, or a kernel that does not count, is no reason to fail.
    let Ok(tasks) = fs::read_dir(process.join("task")) else {
        return Duration::ZERO;
    };
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').nth(1)?.parse().ok())
        .map(Duration::from_nanos)
        .sum()
}

/// Plays something that says how long its agent has waited, again where it failed for want of a processor.
pub async fn unless_starved<T, F>(name: &str, mut play: impl FnMut() -> F) -> T
where
    F: Future<Output = (T, bool, Duration)>,
{
    let mut tries = 1;
    loop {
        let before = threads(Path::new("/proc/self"));
        let (result, failed, agent) = play().await;
        let waited = agent + threads(Path::new("/proc/self")).saturating_sub(before);
        if !failed || waited < MUCH || tries == TRIES {
            return result;
        }
        super::report(&format!(
            "{name}: repeated, as it was kept from the processors for {waited:?}"
        ));
        tries += 1;
    }
}

#[test]
fn waiting_is_counted() {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let spin = || {
        let sum = (0..20_000_000_u64).fold(0, |sum: u64, it| std::hint::black_box(sum ^ it));
        (sum, waited(std::process::id()))
    };
    let spinning: Vec<_> = (0..4 * processors)
        .map(|_| std::thread::spawn(spin))
        .collect();
    let most = spinning.into_iter().map(|it| it.join().unwrap().1).max();
    assert!(most > Some(Duration::ZERO), "does Linux not tell?");
}
