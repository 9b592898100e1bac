//! `doctor`: is this machine set up so that the agent can do its work?
//!
//! Gather → judge → render. [`gather`] asks everything that can be asked without changing anything, side
//! by side and each with a timeout; [`judge`] is a pure function of what came back; [`render`] puts it
//! into words or JSON. `docs/doctor.md` lists the checks.

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

/// Examines this machine and prints what was found. The exit status says the worst: 0 all is well,
/// 1 there are warnings, 2 there are failures.
#[must_use]
pub fn run(arguments: &DoctorArguments, configuration: Result<Effective, ConfigError>) -> ExitCode {
    let facts = match gather::gather(arguments, configuration) {
        Ok(facts) => facts,
        Err(error) => {
            terminal::complain(&format!("the doctor cannot work here: {error}"));
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
