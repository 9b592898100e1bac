//! Programs of Debian's that a few tests need: `packages.sh` gets them, as `make test` does.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// As for the tests that boot a machine.
const REQUIRE: &str = "ECS_LIFECYCLE_REQUIRE_SYSTEMD";

/// Whether `path` is there. Where it is not, the test says that it is skipped, or fails where it is required.
pub fn has(path: &str, test: &str) -> bool {
    if Path::new(path).exists() {
        return true;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/packages.sh");
    let output = Command::new(script).output().unwrap();
    let why = String::from_utf8_lossy(&output.stdout);
    is_possible(Path::new(path).exists(), &format!("no {path}: {why}"), test)
}

/// Whether a test can run here. Where it cannot, it says why, or fails where it is required.
pub fn is_possible(possible: bool, why: &str, test: &str) -> bool {
    assert!(
        possible || std::env::var_os(REQUIRE).is_none(),
        "{why}, and {REQUIRE} is set"
    );
    if !possible {
        // Past the harness, which keeps what a passed test prints.
        let line = format!("SKIPPED: {test}: {why}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    possible
}
