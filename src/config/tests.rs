//! Tests of the configuration as a whole, with real files below a temporary root.
//!
//! A message that a test quotes is one that people rely on, so it must be changed only on purpose.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

mod capacity;
mod interface;
mod mistakes;
mod properties;
mod sources;
mod together;
mod values;
mod variables;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{ConfigError, Effective, LoadRequest, Settings, load};

const MAIN: &str = "etc/ecs-lifecycle-agent/config.toml";

/// A temporary root directory, which is removed at the end.
struct Root {
    path: PathBuf,
    environment: Vec<(String, String)>,
}

impl Root {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "ecs-lifecycle-agent-config-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self {
            path,
            environment: Vec::new(),
        }
    }

    fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn link(self, path: &str, target: impl AsRef<Path>) -> Self {
        let path = self.path.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn request(&self) -> LoadRequest {
        LoadRequest {
            root: self.path.clone(),
            config_file: None,
            environment: self.environment.clone(),
        }
    }

    fn load(&self) -> Result<Effective, ConfigError> {
        load(&self.request())
    }

    fn settings(&self) -> Settings {
        self.load().unwrap().settings
    }

    /// The problems, one in each line, with the root taken out of the paths.
    fn problems(&self) -> Vec<String> {
        let error = self
            .load()
            .expect_err("the configuration should be refused");
        let root = self.path.to_string_lossy().into_owned();
        let text = error.to_string().replace(&root, "");
        text.lines().map(str::to_owned).collect()
    }

    fn only_problem(&self) -> String {
        let mut problems = self.problems();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        problems.remove(0)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // A directory that is left behind does no harm.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A root whose main file has this content.
fn main_file(content: impl AsRef<[u8]>) -> Root {
    Root::new().file(MAIN, content)
}

/// A root whose main file has this value as its only one.
fn with(section: &str, key: &str, value: &str) -> Root {
    main_file(format!("[{section}]\n{key} = \"{value}\"\n"))
}
