//! One agent over all its lives: killed, stopped, started again, with the log of all of them.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ecs_lifecycle_rig::{AgentBuilder, AgentProcess};
use ecs_lifecycle_simulator::World;

use super::stage::{PATIENCE, Stage};
use super::starved;

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// SIGKILL
    Kill,
    /// SIGTERM, which has to be obeyed within two seconds.
    Term,
}

/// A busy machine may be this much slower than it should be.
pub const SLACK: Duration = Duration::from_secs(2);

pub struct Lives {
    builder: AgentBuilder,
    process: Option<AgentProcess>,
    log: String,
    pub kills: usize,
    pub stops: usize,
    pub starts: usize,
    waited: Duration,
}

impl Lives {
    /// The first one has yet to begin.
    pub fn new(builder: &AgentBuilder) -> Self {
        Self {
            builder: builder.clone(),
            process: None,
            log: String::new(),
            kills: 0,
            stops: 0,
            starts: 0,
            waited: Duration::ZERO,
        }
    }

    pub fn start(builder: &AgentBuilder) -> Self {
        let mut lives = Self::new(builder);
        lives.begin();
        lives
    }

    /// For how long the agent was ready to run, and had to wait for a processor, in all lives.
    pub fn waited(&self) -> Duration {
        self.waited + self.process.as_ref().map_or(Duration::ZERO, waited)
    }

    /// Starts a new process, where none runs.
    pub fn begin(&mut self) {
        if self.process.is_none() {
            self.process = Some(self.builder.start().unwrap());
            self.starts += 1;
        }
    }

    /// Ends the present life.
    pub async fn end(&mut self, end: End) -> Result<(), String> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        let ended = match end {
            End::Kill => {
                self.kills += 1;
                self.waited += waited(&process);
                process.kill().await.map_err(|error| error.to_string())
            }
            End::Term => {
                self.stops += 1;
                process.signal("TERM").await.unwrap();
                let before = waited(&process);
                let ended = process.ended(Duration::from_secs(2)).await;
                self.waited += waited(&process).max(before);
                ended.map(|_| ()).map_err(|error| error.to_string())
            }
        };
        self.log.push_str(&process.text());
        self.log.push_str(&format!("---- {end:?} ----\n"));
        ended
    }

    /// Whether any life ended by itself: no machine is to blame for that.
    pub fn panicked(&self) -> bool {
        self.log().contains("panicked")
    }

    /// Everything it has said, in all lives.
    pub fn log(&self) -> String {
        let now = self.process.as_ref().map(AgentProcess::text);
        format!("{}{}", self.log, now.unwrap_or_default())
    }
}

fn waited(process: &AgentProcess) -> Duration {
    process.id().map_or(Duration::ZERO, starved::waited)
}

/// What the agent has written down of its drain.
#[derive(Clone, Debug)]
pub struct Written {
    /// By the wall clock, which each process reads anew and rounds to milliseconds.
    pub started_at: SystemTime,
    /// By the boot clock, in milliseconds: this is what decides.
    pub started_at_boot: i64,
    pub ours: bool,
}

pub fn state_file(directory: &Path) -> PathBuf {
    directory.join("state.json")
}

/// Reads `state.json`: it is whole at any time, or not there.
pub fn written(directory: &Path) -> Option<Written> {
    let text = std::fs::read(state_file(directory)).ok()?;
    let record: serde_json::Value = serde_json::from_slice(&text).expect("state.json is whole");
    let drain = record.get("drain")?;
    Some(Written {
        started_at: humantime::parse_rfc3339(drain["started_at"].as_str().unwrap()).unwrap(),
        started_at_boot: drain["started_at_boot_milliseconds"].as_i64().unwrap(),
        ours: drain["ours"].as_bool().unwrap(),
    })
}

/// The wall clock, which is what the state file tells time by.
#[expect(
    clippy::disallowed_methods,
    reason = "compared with what the agent wrote down"
)]
pub fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// How far apart two times are.
pub fn apart(a: SystemTime, b: SystemTime) -> Duration {
    a.duration_since(b).unwrap_or_else(|error| error.duration())
}

/// What every poll of the agent begins with.
pub const TARGET: &str = "imds:GET /latest/meta-data/autoscaling/target-lifecycle-state";

/// Waits until the agent has read the target state that many times more.
pub async fn polled(stage: &Stage, times: usize) -> Result<(), String> {
    let until = stage.count(TARGET) + times;
    let enough = |world: &World| world.requests().count(TARGET) >= until;
    let polls = format!("{times} polls");
    stage.simulator.wait_until(&polls, PATIENCE, enough).await
}

/// Waits until the agent watches, and knows its container instance.
pub async fn watching(stage: &Stage) -> Result<(), String> {
    polled(stage, 2).await?;
    let file = state_file(stage.scratch.path());
    let known = |_: &World| {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        text.contains("container_instance_arn") && text.contains("\"was_in_service\": true")
    };
    stage
        .simulator
        .wait_until("what is remembered of a quiet instance", PATIENCE, known)
        .await
}
