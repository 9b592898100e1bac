//! `state.json` in the state directory: what a restart could not find out again.
//!
//! Written whole and renamed into place, so that a crash leaves the old one or the new one. Times are
//! wall-clock ones there, as the agent's own axis ends with the process.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::decide::{
    ContainerInstance, DrainByHand, Failure, FailureKind, JoinTarget, Memory, RememberedDrain,
    RememberedJoin,
};

/// The file is a few hundred bytes.
const MOST_BYTES: u64 = 64 * 1024;

/// The file.
#[derive(Clone)]
pub struct StateFile {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Record {
    instance_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    container_instance_arn: Option<String>,
    #[serde(default)]
    was_in_service: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drain: Option<DrainRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    join: Option<JoinRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drain_by_hand: Option<ByHandRecord>,
}

#[derive(Serialize, Deserialize)]
struct JoinRecord {
    into: JoinedInto,
    /// RFC 3339, with milliseconds.
    started_at: String,
    #[serde(default)]
    over: bool,
    #[serde(default)]
    signalled: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum JoinedInto {
    Service,
    WarmPool,
}

#[derive(Serialize, Deserialize)]
struct ByHandRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_milliseconds: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct DrainRecord {
    reason: String,
    /// RFC 3339, with milliseconds.
    started_at: String,
    #[serde(default)]
    ours: bool,
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

    /// Reads it; `None` where there is none.
    ///
    /// # Errors
    /// Where there is one that cannot be read or understood.
    pub fn read(&self, clock: &Clock) -> Result<Option<Memory>, Failure> {
        let mut text = Vec::new();
        match File::open(&self.path) {
            Ok(file) => file
                .take(MOST_BYTES)
                .read_to_end(&mut text)
                .map_err(|error| self.failed("read", &error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read", &error)),
        };
        self.understand(&text, clock).map(Some)
    }

    /// What a text in the form of the file means. It is the file's name that a failure names.
    ///
    /// # Errors
    /// Where it is not the JSON object that it should be, or a time in it is none.
    pub fn understand(&self, text: &[u8], clock: &Clock) -> Result<Memory, Failure> {
        let record: Record = serde_json::from_slice(text)
            .map_err(|error| self.failed("understand", &io::Error::other(brief(&error))))?;
        self.memory(record, clock)
    }

    fn memory(&self, record: Record, clock: &Clock) -> Result<Memory, Failure> {
        let drain = match record.drain {
            Some(drain) => {
                let started_at = humantime::parse_rfc3339(&drain.started_at)
                    .map_err(|error| self.failed("understand", &io::Error::other(error)))?;
                let started_at = clock.moment_of(started_at);
                Some(RememberedDrain {
                    reason: drain.reason,
                    started_at,
                    ours: drain.ours,
                })
            }
            None => None,
        };
        let join = record
            .join
            .map(|join| {
                let started_at = humantime::parse_rfc3339(&join.started_at)
                    .map_err(|error| self.failed("understand", &io::Error::other(error)))?;
                Ok(RememberedJoin {
                    into: match join.into {
                        JoinedInto::Service => JoinTarget::Service,
                        JoinedInto::WarmPool => JoinTarget::WarmPool,
                    },
                    started_at: clock.moment_of(started_at),
                    over: join.over,
                    signalled: join.signalled,
                })
            })
            .transpose()?;
        let by_hand = record.drain_by_hand.map(|asked| DrainByHand {
            timeout: asked.timeout_milliseconds.map(Duration::from_millis),
        });
        let container_instance = record
            .cluster
            .zip(record.container_instance_arn)
            .map(|(cluster, arn)| ContainerInstance { cluster, arn });
        Ok(Memory {
            instance_id: record.instance_id,
            container_instance,
            was_in_service: record.was_in_service,
            drain,
            join,
            by_hand,
        })
    }

    /// Writes it, on a thread of its own: a slow disk must not hold up a heartbeat.
    ///
    /// # Errors
    /// Where the directory cannot be written to.
    pub async fn write(&self, memory: Memory, clock: Clock) -> Result<(), Failure> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            this.replace(memory, &clock)
                .map_err(|error| this.failed("write", &error))
        })
        .await
        .unwrap_or_else(|error| Err(self.failed("write", &io::Error::other(error))))
    }

    /// The text of the file.
    ///
    /// # Errors
    /// Where serialisation fails, which it has no reason to.
    pub fn compose(memory: Memory, clock: &Clock) -> serde_json::Result<Vec<u8>> {
        let (cluster, container_instance_arn) = memory
            .container_instance
            .map(|known| (known.cluster, known.arn))
            .unzip();
        let record = Record {
            instance_id: memory.instance_id,
            cluster,
            container_instance_arn,
            was_in_service: memory.was_in_service,
            drain: memory.drain.map(|drain| DrainRecord {
                reason: drain.reason,
                started_at: rfc3339(clock.time_of(drain.started_at)),
                ours: drain.ours,
            }),
            join: memory.join.map(|join| JoinRecord {
                into: match join.into {
                    JoinTarget::Service => JoinedInto::Service,
                    JoinTarget::WarmPool => JoinedInto::WarmPool,
                },
                started_at: rfc3339(clock.time_of(join.started_at)),
                over: join.over,
                signalled: join.signalled,
            }),
            drain_by_hand: memory.by_hand.map(|asked| ByHandRecord {
                timeout_milliseconds: asked
                    .timeout
                    .map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            }),
        };
        let mut text = serde_json::to_vec_pretty(&record)?;
        text.push(b'\n');
        Ok(text)
    }

    fn replace(&self, memory: Memory, clock: &Clock) -> io::Result<()> {
        let text = Self::compose(memory, clock)?;
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

/// A time as the file has it. A remembered time at the edge of what can be written may have been moved
/// beyond it by a clock that was set meanwhile: it stays at the edge.
fn rfc3339(time: SystemTime) -> String {
    /// 9999-12-31T23:59:59Z
    const LATEST: Duration = Duration::from_secs(253_402_300_799);
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    humantime::format_rfc3339_millis(UNIX_EPOCH + since_1970.min(LATEST)).to_string()
}

/// What is wrong, without more of the text than a log line can bear, and on one line.
fn brief(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.chars()
        .take(200)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
