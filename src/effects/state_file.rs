//! `state.json` in the state directory: what a restart could not find out again.
//!
//! Written whole and renamed into place, so that a crash leaves the old one or the new one. What is in it, and
//! what that means, is in `decide::record`.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Clock;
use crate::decide::record;
use crate::decide::{Failure, FailureKind, Memory};
use crate::threads;

/// The file is a few hundred bytes.
const MOST_BYTES: u64 = 64 * 1024;
/// How long the start waits for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The file.
#[derive(Clone)]
pub struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// The file in `directory`.
    pub fn new(directory: &Path) -> Self {
        Self {
            path: directory.join("state.json"),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it, aside; `None` where there is none.
    ///
    /// # Errors
    /// Where there is one that cannot be read or understood, or a disk that does not answer.
    pub async fn read(&self, clock: Clock) -> Result<Option<Memory>, Failure> {
        let path = self.path.clone();
        let text = tokio::time::timeout(PATIENCE, threads::aside(move || contents(&path)))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .flatten()
            .map_err(|error| self.failed("read", &error))?;
        text.map(|text| self.understand(&text, &clock)).transpose()
    }

    /// What a text in the form of the file means. It is the file's name that a failure names.
    ///
    /// # Errors
    /// Where it is not the JSON object that it should be, or a time in it is none.
    pub fn understand(&self, text: &[u8], clock: &Clock) -> Result<Memory, Failure> {
        record::understand(text, &clock.clocks())
            .map_err(|why| self.failed("understand", &io::Error::other(why)))
    }

    /// Writes it, aside: a slow disk must not hold up a heartbeat.
    ///
    /// # Errors
    /// Where the directory cannot be written to.
    pub async fn write(&self, memory: Memory, clock: Clock) -> Result<(), Failure> {
        let this = self.clone();
        threads::aside(move || this.replace(&memory, &clock))
            .await
            .flatten()
            .map_err(|error| self.failed("write", &error))
    }

    fn replace(&self, memory: &Memory, clock: &Clock) -> io::Result<()> {
        let text = record::compose(memory, &clock.clocks())?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let next = self.path.with_extension("json.new");
        let mut file = File::create(&next)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&next, &self.path)?;
        File::open(directory)?.sync_all()
    }

    fn failed(&self, what: &str, error: &io::Error) -> Failure {
        Failure::new(
            FailureKind::Unreachable,
            format!("{what} {}: {error}", self.path.display()),
        )
    }
}

fn contents(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut text)?;
    Ok(Some(text))
}
