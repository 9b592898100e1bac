//! The packages, in a machine that really boots: installed by hand and from signed repositories, upgraded in the
//! middle of a drain and to a version that refuses the configuration, removed, purged.
//!
//! `make packages` has to have made them. Otherwise as `tests/systemd`, whose machine and stage these are.

// A test that cannot go on fails, and several test programs share the modules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub, dead_code)]

/// Below target/: the root file system that the machines boot.
const DIRECTORY: &str = "package-tests";
/// Debian's packages in it, beside those of every test.
const MORE_PACKAGES: &str = "rpm,openssh-server,sudo,curl,dnf,createrepo-c,reprepro,gnupg";
/// No test takes longer, even on a busy machine.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(300);

mod deb;
mod file;
#[path = "../systemd/isolate.rs"]
mod isolate;
#[path = "../systemd/machine.rs"]
mod machine;
mod refused;
mod repository;
mod rpm;
#[path = "../systemd/stage.rs"]
mod stage;
