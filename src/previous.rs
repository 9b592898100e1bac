//! Falls back to the previous version if this one rejects the configuration.
//!
//! An upgrade keeps the binary that worked so far (`packaging/README.md`), so that a removed key does not leave an
//! instance without an agent.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::config::{ConfigError, Settings};
use crate::{logging, outbox, terminal};

/// The path at which the packages keep the previous binary.
pub const KEPT: &str = "/usr/lib/ecs-lifecycle-agent/previous/ecs-lifecycle-agent";

/// Executes the previous version with the same arguments. Returns if that is missing or is this one.
pub fn hand_over(error: &ConfigError, service: bool) {
    let kept = Path::new(KEPT);
    if !kept.is_file() || env::current_exe().is_ok_and(|this| this == kept) {
        return;
    }
    // Only the service logs this: the output of a command is for a person or a script.
    if service && logging::start(&Settings::default().log).is_ok() {
        tracing::error!(
            problems = error.to_string(),
            program = KEPT,
            "this version rejects the configuration; running the previous version instead. Correct the configuration, then restart the service"
        );
    }
    // `exec` ends all threads, including the one that writes the messages.
    outbox::flush();
    let failed = Command::new(kept).args(env::args_os().skip(1)).exec();
    terminal::complain(&format!("{KEPT}: {failed}"));
}
