//! The version before: it goes on where this one refuses the configuration.
//!
//! An upgrade keeps the binary that worked so far (`packaging/README.md`). A key that is gone must not leave
//! an instance without an agent.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::config::{ConfigError, Settings};
use crate::{logging, outbox, terminal};

/// Where the packages keep it.
pub const KEPT: &str = "/usr/lib/ecs-lifecycle-agent/previous/ecs-lifecycle-agent";

/// Becomes the version before, with the same arguments. It returns where there is none, or where this is it.
pub fn hand_over(error: &ConfigError, service: bool) {
    let kept = Path::new(KEPT);
    if !kept.is_file() || env::current_exe().is_ok_and(|this| this == kept) {
        return;
    }
    // A command says nothing of its own: its output is for a person, or for a script.
    if service && logging::start(&Settings::default().log).is_ok() {
        tracing::error!(
            problems = error.to_string(),
            program = KEPT,
            "this version rejects the configuration; running the previous version instead. Correct the configuration, then restart the service"
        );
    }
    // The next program has none of this one's threads, and one of them sends the messages.
    outbox::flush();
    let failed = Command::new(kept).args(env::args_os().skip(1)).exec();
    terminal::complain(&format!("{KEPT}: {failed}"));
}
