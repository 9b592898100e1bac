//! `state.json` in the state directory: what a restarted agent could not find out again.
//!
//! It is written to a new file and renamed, so that a crash leaves either the old or the new one. `decide::record`
//! defines its content.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Clock;
use crate::decide::record;
use crate::decide::{Failure, FailureKind, Memory};
use crate::threads;

/// The most that is read, in bytes. The file has a few hundred.
const MOST_BYTES: u64 = 64 * 1024;
/// How long to wait until the file has been read. A directory that is not mounted yet may be a moment later.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long after a failure it is read again.
const AGAIN: Duration = Duration::from_millis(200);

/// The state file of one directory.
#[derive(Clone)]
pub struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// The state file in `directory`, which need not exist.
    pub fn new(directory: &Path) -> Self {
        Self {
            path: directory.join("state.json"),
        }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file on a thread of its own; `None` if there is none.
    ///
    /// # Errors
    /// Fails if it cannot be read or parsed, or if the disk does not answer within five seconds.
    pub async fn read(&self, clock: Clock) -> Result<Option<Memory>, Failure> {
        let mut failure = io::ErrorKind::TimedOut.into();
        let text = tokio::time::timeout(PATIENCE, async {
            loop {
                let path = self.path.clone();
                match threads::aside(move || contents(&path)).await.flatten() {
                    Ok(text) => return text,
                    // It says nothing of the file.
                    Err(error) => failure = error,
                }
                tokio::time::sleep(AGAIN).await;
            }
        })
        .await
        .map_err(|_elapsed| self.failed("read", &failure))?;
        text.map(|text| self.understand(&text, &clock)).transpose()
    }

    /// Parses the content of a state file. A failure names the path of this file.
    ///
    /// # Errors
    /// Fails if it is not the expected JSON object, or if a time in it is invalid.
    pub fn understand(&self, text: &[u8], clock: &Clock) -> Result<Memory, Failure> {
        record::understand(text, &clock.clocks())
            .map_err(|why| self.failed("understand", &io::Error::other(why)))
    }

    /// Writes the file on a thread of its own, because a slow disk must not delay a heartbeat.
    ///
    /// # Errors
    /// Fails if the directory or the file cannot be written.
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
