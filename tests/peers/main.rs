//! The agent beside programs that we did not write: AWS's own `cfn-signal`, a CloudFormation that waits for
//! signals, and a reader of metrics. `tests/peers/setup.sh` fetches them.

// A test that cannot go on fails, and the modules share their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub)]

mod cfn_signal;
mod http;
mod ministack;
mod openmetrics;
mod tap;

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longer than anything here takes, on a machine busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Below `target/peers`.
fn peer(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
    assert!(
        root.join("ready").exists(),
        "no peers to test with: run tests/peers/setup.sh, or make test, which does"
    );
    root.join(path)
}
