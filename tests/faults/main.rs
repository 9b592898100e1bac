//! The fault matrix: every outside call × every kind of fault × every phase of a drain, against the real
//! binary. What must happen is said once, in `table`; `cell` plays one cell of it; docs/faults.md is
//! rendered from it.
//!
//! `FAULTS=part,part cargo test --test faults` plays only the cells whose name contains all the parts.

// A test that cannot go on fails, and the modules share their helpers. It prints how many cells were played.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub, clippy::print_stdout)]

mod cell;
mod claims;
mod document;
mod kinds;
mod matrix;
mod scene;
// Another test program uses the rest.
#[allow(dead_code, unused_imports)]
#[path = "../e2e/stage.rs"]
mod stage;
#[path = "../crash/starved.rs"]
mod starved;
mod table;

#[expect(clippy::print_stderr, reason = "a summary for whoever runs the test")]
fn report(line: &str) {
    eprintln!("{line}");
}
