//! Where each value in force was written.
//!
//! `check-config` prints it, and problems name it. A place must always fit on one line, because it is printed as a
//! TOML comment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::text::one_line;

/// A place where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// It was not written: the value is the built-in default, or not set.
    #[default]
    Default,
    /// It was written in a file.
    File {
        /// The path of the file, with the root below which it was found.
        path: PathBuf,
        /// The line, counted from 1; `None` if the file as a whole is meant.
        line: Option<usize>,
    },
    /// The environment variable of this name.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: None } => f.write_str(&one_line(&path.to_string_lossy())),
            Self::File {
                path,
                line: Some(line),
            } => write!(f, "{}:{line}", one_line(&path.to_string_lossy())),
            Self::Environment(name) => write!(f, "environment {}", one_line(name)),
        }
    }
}

/// For each key, where the value in force was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provenance {
    // Keys that are not in here have their defaults.
    written: BTreeMap<&'static str, BTreeMap<&'static str, Origin>>,
}

impl Provenance {
    /// Where the value of `section.key` was written; [`Origin::Default`] if nowhere.
    #[must_use]
    pub fn of(&self, section: &str, key: &str) -> &Origin {
        self.written
            .get(section)
            .and_then(|keys| keys.get(key))
            .unwrap_or(&Origin::Default)
    }

    /// The keys that were written somewhere, as `(section, key, origin)`, in alphabetical order.
    pub fn written(&self) -> impl Iterator<Item = (&'static str, &'static str, &Origin)> {
        self.written.iter().flat_map(|(section, keys)| {
            keys.iter()
                .map(move |(key, origin)| (*section, *key, origin))
        })
    }

    pub(super) fn record(&mut self, section: &'static str, key: &'static str, origin: Origin) {
        self.written.entry(section).or_default().insert(key, origin);
    }
}
