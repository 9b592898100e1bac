//! The subcommand `doctor`: checks whether this machine has everything that the agent needs.
//!
//! Gather → judge → render. [`gather`] runs all queries that change nothing, concurrently and each with a timeout.
//! [`judge`] is a pure function of the answers. [`render`] puts the findings into text or JSON. `docs/doctor.md`
//! lists the checks.

pub mod facts;
pub mod finding;
pub mod gather;
pub mod judge;
pub mod render;

use std::process::ExitCode;

use crate::cli::DoctorArguments;
use crate::config::{ConfigError, Effective};
use crate::terminal;

pub use facts::Facts;
pub use finding::{Check, Finding, Status};

/// Examines this machine and prints the findings. The exit status is that of the worst one: 0 if all is well, 1 if
/// there are warnings, and 2 if there are failures.
#[must_use]
pub fn run(arguments: &DoctorArguments, configuration: Result<Effective, ConfigError>) -> ExitCode {
    let facts = match gather::gather(arguments, configuration) {
        Ok(facts) => facts,
        Err(error) => {
            terminal::complain(&format!("the doctor cannot start: {error}"));
            return ExitCode::from(2);
        }
    };
    let findings = if arguments.before_upgrade {
        judge::before_upgrade(&facts)
    } else {
        judge::judge(&facts)
    };
    let text = if arguments.json {
        let mode = match arguments {
            DoctorArguments { image: true, .. } => "image",
            DoctorArguments {
                before_upgrade: true,
                ..
            } => "before-upgrade",
            _ => "instance",
        };
        render::json(&findings, mode)
    } else {
        render::text(&findings)
    };
    if terminal::print(&text) != ExitCode::SUCCESS {
        return ExitCode::from(2);
    }
    ExitCode::from(match render::worst(&findings) {
        Status::Ok | Status::Untried => 0,
        Status::Warning => 1,
        Status::Failure => 2,
    })
}
