//! The agent's configuration: from files and environment variables to one [`Settings`].
//!
//! There are three stages, with one file for each:
//!
//! 1. `sources` finds the files, `fragment` and `environment` read each source into entries
//!    (a known key, the value as written, where it was written). An unknown key is an error.
//! 2. `merge` checks each value by the rule of its key and lets later sources replace earlier
//!    ones, remembering in [`Provenance`] where the value in force was written.
//! 3. `validate` checks what no key can check alone; then the inputs become [`Settings`].
//!
//! # How to add a key or a section
//!
//! To add a key, add one entry to the table in `keys`: the struct field, the default, the check,
//! the environment variable, the sample, `check-config`'s output and the suggestions for mistyped
//! keys all follow from it. To add a section, add it there and to [`Settings`] in `settings`.
//!
//! # What breaks existing configurations
//!
//! Removing or renaming a key stops agents whose configuration has it from starting, and so does narrowing a rule:
//! both have to be announced. [`Effective::render`] must stay valid as a configuration that gives the same
//! settings, which the tests check.

mod choices;
mod duration;
mod endpoint;
mod environment;
mod fragment;
mod keys;
mod merge;
mod port;
mod problem;
mod provenance;
mod render;
mod rules;
mod settings;
mod sources;
mod table;
mod text;
mod validate;

#[cfg(test)]
mod tests;

pub use choices::{
    DaemonTasks, ExecutableFailure, LogLevel, LogTarget, ResultOnTimeout, SignalOnTimeout,
    StandaloneTasks,
};
pub use environment::environment;
pub use keys::{
    AgentSettings, AutoScalingSettings, AwsSettings, CapacitySettings, DrainSettings, EcsSettings,
    ExecutableSettings, LogSettings, MetadataSettings, MetricsSettings, ReadySettings,
};
pub use port::{HostPort, Protocol};
pub use problem::{ConfigError, Problem};
pub use provenance::{Origin, Provenance};
pub use render::sample_config;
pub use settings::{CloudFormationSettings, Settings, StackResource};

use std::path::PathBuf;

use merge::Merged;
use problem::Problems;

/// The sources of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadRequest {
    /// Where the standard files are looked for: `/` in production, elsewhere in tests.
    /// `config_file` is not affected by it.
    pub root: PathBuf,
    /// `--config`: read this file, which must exist, in place of all the standard files.
    pub config_file: Option<PathBuf>,
    /// Environment variables, as [`environment()`] collects them. Those that are not the agent's
    /// are ignored.
    pub environment: Vec<(String, String)>,
}

impl LoadRequest {
    /// The sources on the running system: root `/` and the environment of this process.
    #[must_use]
    pub fn system(config_file: Option<PathBuf>) -> Self {
        Self {
            root: PathBuf::from("/"),
            config_file,
            environment: environment(),
        }
    }
}

/// The configuration in force, and where it comes from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effective {
    /// The validated values.
    pub settings: Settings,
    /// Where each value was written.
    pub provenance: Provenance,
    /// The files that were read, the first with the lowest precedence. Masked files are not listed.
    pub files: Vec<PathBuf>,
    /// What is still accepted but has to be changed, such as old names.
    pub warnings: Vec<Problem>,
}

/// Loads the configuration: defaults, then files, then the environment, each replacing the earlier.
///
/// # Errors
///
/// Fails with every problem that was found. A wrong value is reported even if a later source replaces it, so that
/// removing that source cannot break the agent.
pub fn load(request: &LoadRequest) -> Result<Effective, ConfigError> {
    let mut problems = Problems::default();
    let mut merged = Merged::default();
    let mut files = Vec::new();

    for source in sources::paths(request, &mut problems) {
        let mark = problems.mark();
        if let Some(content) = sources::read(&source, &mut problems) {
            let entries = fragment::from_toml(&source.file, &content, &mut problems);
            merged.apply(entries, &mut problems);
            files.push(source.file);
        }
        problems.sort_by_line_since(mark);
    }
    let variables = environment::entries(&request.environment, &mut problems);
    merged.apply(variables, &mut problems);
    if let Some(fallback) = environment::state_directory(&request.environment) {
        merged.apply_if_unset(fallback, &mut problems);
    }
    validate::check(&merged, &mut problems);

    effective(merged, files, problems)
}

/// The configuration from one file of this content, without the file system and the environment, which would slow
/// down the fuzzer.
///
/// # Errors
///
/// Fails as [`load`] does.
#[doc(hidden)]
pub fn parse_text(content: &str) -> Result<Effective, ConfigError> {
    let mut problems = Problems::default();
    let mut merged = Merged::default();
    let file = PathBuf::from("config.toml");
    merged.apply(
        fragment::from_toml(&file, content, &mut problems),
        &mut problems,
    );
    problems.sort_by_line_since(0);
    validate::check(&merged, &mut problems);
    effective(merged, vec![file], problems)
}

fn effective(
    merged: Merged,
    files: Vec<PathBuf>,
    problems: Problems,
) -> Result<Effective, ConfigError> {
    let warnings = problems.into_result()?;
    Ok(Effective {
        settings: Settings::from(merged.inputs),
        provenance: merged.provenance,
        files,
        warnings,
    })
}
