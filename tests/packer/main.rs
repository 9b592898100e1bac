//! The image, built by Packer: the template of `packer/` with nothing left out, against moto as EC2 and SSM,
//! its provisioners over SSH in a machine that really booted. Then that machine boots as an instance of the
//! image.
//!
//! The machine is a Debian, as there is no Amazon Linux to boot: `packer/provision/packages.sh` has a branch
//! for it. Needs what `tests/systemd` needs, Packer (`packer/tools.sh` builds it), and `make packages`.

// A test that cannot go on fails, and several test programs share the modules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, unreachable_pub, dead_code)]

/// Below target/: the root file system that the machines boot.
const DIRECTORY: &str = "image";
/// Debian's packages in it, beside those of every test.
const MORE_PACKAGES: &str = "rpm,openssh-server,sudo,curl";
/// No test takes longer, even on a busy machine.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(480);

mod build;
mod check;
#[path = "../packages/file.rs"]
mod file;
mod first_boot;
#[path = "../systemd/isolate.rs"]
mod isolate;
mod lint;
#[path = "../systemd/machine.rs"]
mod machine;
mod moto;
mod packer;
#[path = "../systemd/stage.rs"]
mod stage;
