//! `fleet`: many cores in one account, in virtual time.
#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program for developers"
)]
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "fields that say what they are"
)]
mod core;
mod world;
use world::{Scene, play};
fn main() {
    for auto_scaling in [None, Some((100, 20))] {
        for batch in [0, 100] {
            for wait in [1, 300] {
                for fleet in [10, 130, 1000] {
                    if std::env::var_os("DUMP").is_some()
                        && (fleet < 1000 || batch > 0 || wait < 2 || auto_scaling.is_some())
                    {
                        continue;
                    }
                    if (batch > 0 || auto_scaling.is_some()) && fleet < 1000 {
                        continue;
                    }
                    let t = std::time::Instant::now();
                    let f = play(Scene {
                        fleet,
                        wait,
                        batch,
                        auto_scaling,
                    });
                    let p = |v: &Vec<u64>, q: usize| {
                        v.get((v.len() * q / 100).min(v.len().saturating_sub(1)))
                            .copied()
                            .unwrap_or(0) as f64
                            / 1000.0
                    };
                    println!(
                        "{fleet} wait {wait} batch {batch} as {auto_scaling:?}: calls {} ({:.2} each) throttled {} late {} draining {:.1}/{:.1} n{} done {:.1}/{:.1} n{} last {} lapsed {} killed {} peak {} cpu {:?}\n   {:?}",
                        f.total(),
                        f.total() as f64 / fleet as f64,
                        f.throttled,
                        f.throttled_late,
                        p(&f.draining, 50),
                        p(&f.draining, 99),
                        f.draining.len(),
                        p(&f.done, 50),
                        p(&f.done, 99),
                        f.done.len(),
                        f.last,
                        f.lapsed,
                        f.killed,
                        f.peak,
                        t.elapsed(),
                        f.calls
                    );
                }
            }
        }
    }
}
