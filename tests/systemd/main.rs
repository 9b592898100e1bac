//! The unit and the binary in a machine that really boots: systemd in a container, the metadata service
//! on 169.254.169.254, the ECS agent's introspection on 127.0.0.1:51678, nothing overridden but the AWS
//! endpoints.
//!
//! Needs root and Debian's packages (`rootfs.sh` gets them). Where that cannot be had, each test says
//! `SKIPPED` and why; with `ECS_LIFECYCLE_REQUIRE_SYSTEMD=1` it fails instead.

// A test that cannot go on fails, and the modules share their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub)]

/// Below target/: the root file system that the machines boot.
const DIRECTORY: &str = "systemd";
/// Debian's packages in it, beside those of every test.
const MORE_PACKAGES: &str = "";
/// No test takes longer, even on a busy machine.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(180);

mod drain;
mod isolate;
mod journal;
mod machine;
mod operator;
mod restart;
mod shutdown;
mod stage;
mod start;
mod unit;
