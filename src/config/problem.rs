//! Problems of a configuration, in the form in which people read them.
//!
//! Every message says where, which key, what is wrong and what to do. These four parts must stay, but the form of
//! the line, `where: section.key: what: remedy`, may change.

use std::fmt;

use super::provenance::Origin;

/// The most problems that are reported in full: nobody reads more, and a garbage file has thousands.
const MOST_REPORTED: usize = 50;

/// One thing wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the problem was written.
    pub origin: Origin,
    /// The key as `section.key`, or the section; `None` when the source as a whole is at fault.
    pub key: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        write!(f, "{}: {}", self.what, self.remedy)
    }
}

/// Everything found wrong with the configuration; displayed as one line for each problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.lines())]
pub struct ConfigError {
    problems: Vec<Problem>,
    unreported: usize,
}

impl ConfigError {
    /// The problems, in the order of the sources and of the lines in a file.
    /// At most 50: the displayed text says how many more there are.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn lines(&self) -> String {
        let mut lines: Vec<String> = self.problems.iter().map(ToString::to_string).collect();
        if self.unreported > 0 {
            lines.push(format!("and {} more problems", self.unreported));
        }
        lines.join("\n")
    }
}

/// The reason why a rule refuses a value, and the remedy, without the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) what: String,
    pub(super) remedy: String,
}

impl Refusal {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// The problem of this refusal at a place.
    pub(super) fn at(self, origin: Origin, key: Option<String>) -> Problem {
        Problem {
            origin,
            key,
            what: self.what,
            remedy: self.remedy,
        }
    }
}

/// Collects problems while the sources are read.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    unreported: usize,
    warnings: Vec<Problem>,
}

impl Problems {
    /// Adds a warning: something that is accepted, but has to be changed one day.
    pub(super) fn warn(&mut self, warning: Problem) {
        if self.warnings.len() < MOST_REPORTED {
            self.warnings.push(warning);
        }
    }

    /// Adds a problem. It is a closure, so that none is composed once there are too many.
    pub(super) fn add(&mut self, problem: impl FnOnce() -> Problem) {
        if self.found.len() < MOST_REPORTED {
            self.found.push(problem());
        } else {
            self.unreported = self.unreported.saturating_add(1);
        }
    }

    /// The current end of the list, for [`Self::sort_by_line_since`].
    pub(super) fn mark(&self) -> usize {
        self.found.len()
    }

    /// Puts the problems found since `mark`, all in one file, in the order of its lines.
    pub(super) fn sort_by_line_since(&mut self, mark: usize) {
        if let Some(since) = self.found.get_mut(mark..) {
            since.sort_by_key(|problem| match &problem.origin {
                Origin::File { line, .. } => *line,
                Origin::Default | Origin::Environment(_) => None,
            });
        }
    }

    /// The warnings, if there is no problem.
    pub(super) fn into_result(self) -> Result<Vec<Problem>, ConfigError> {
        if self.found.is_empty() {
            return Ok(self.warnings);
        }
        Err(ConfigError {
            problems: self.found,
            unreported: self.unreported,
        })
    }
}
