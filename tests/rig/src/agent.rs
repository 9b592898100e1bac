//! The agent as a child process.

#![expect(
    clippy::disallowed_methods,
    reason = "a log line is stamped when it is read"
)]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ecs_lifecycle_simulator::Instance;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// One line of the agent's log.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// When it was read.
    pub at: Instant,
    /// The line, as it was.
    pub text: String,
}

/// How to start an agent.
#[derive(Clone, Debug)]
#[must_use]
pub struct AgentBuilder {
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    arguments: Vec<String>,
}

impl AgentBuilder {
    /// Of `binary`, for a simulated instance. The child gets no environment but what is set here, so
    /// that nothing of the machine's own AWS configuration leaks in.
    pub fn new(binary: impl AsRef<Path>, instance: &Instance, state_directory: &Path) -> Self {
        let mut builder = Self {
            binary: binary.as_ref().to_owned(),
            environment: instance.env().into_iter().collect(),
            arguments: Vec::new(),
        };
        builder = builder
            .set(
                "ecs",
                "introspection_endpoint",
                instance.introspection_endpoint(),
            )
            .set(
                "agent",
                "state_directory",
                state_directory.display().to_string(),
            )
            .set("log", "target", "terminal");
        // Everything else that the machine may hold is kept out as well.
        for (section, key, name) in [
            ("agent", "socket", "agent.sock"),
            ("ready", "directory", "ready.d"),
            ("executables", "directory", "hooks.d"),
        ] {
            let path = state_directory.join(name).display().to_string();
            builder = builder.set(section, key, path);
        }
        builder
    }

    /// Sets a configuration key, as an environment variable does.
    pub fn set(self, section: &str, key: &str, value: impl Into<String>) -> Self {
        let name = format!(
            "ECS_LIFECYCLE_AGENT_{}__{}",
            section.to_uppercase(),
            key.to_uppercase()
        );
        self.env(&name, value)
    }

    /// Sets configuration keys: `section.key=value`, with blanks between them.
    #[expect(clippy::panic, reason = "a test fails by it")]
    pub fn with(self, settings: &str) -> Self {
        settings.split_whitespace().fold(self, |builder, setting| {
            let setting = setting.split_once('=');
            match setting.and_then(|(name, value)| Some((name.split_once('.')?, value))) {
                Some(((section, key), value)) => builder.set(section, key, value),
                None => panic!("no section.key=value in {settings:?}"),
            }
        })
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Takes an environment variable away again.
    pub fn unset(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// Starts it by `program`, which is given its arguments.
    pub fn by(mut self, program: impl AsRef<Path>) -> Self {
        program.as_ref().clone_into(&mut self.binary);
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Starts it. `--config /dev/null` keeps the machine's own configuration files out.
    pub fn start(&self) -> io::Result<AgentProcess> {
        self.start_onto(Stdio::piped())
    }

    /// Starts it with a standard error of the test's own, which is not part of its log.
    pub fn start_onto(&self, stderr: impl Into<Stdio>) -> io::Result<AgentProcess> {
        let mut child = Command::new(&self.binary)
            .env_clear()
            .envs(&self.environment)
            .args(["--config", "/dev/null"])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()?;
        let log = Log::default();
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(log.clone().follow(BufReader::new(stdout)));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(log.clone().follow(BufReader::new(stderr)));
        }
        Ok(AgentProcess { child, log })
    }
}

#[derive(Clone)]
struct Log {
    lines: Arc<Mutex<Vec<LogLine>>>,
    count: Arc<watch::Sender<usize>>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            lines: Arc::default(),
            count: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Log {
    async fn follow(self, reader: impl tokio::io::AsyncBufRead + Unpin) {
        let mut lines = reader.lines();
        while let Ok(Some(text)) = lines.next_line().await {
            self.lock().push(LogLine {
                at: Instant::now(),
                text,
            });
            self.count.send_modify(|count| *count += 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<LogLine>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running agent; killed when dropped.
pub struct AgentProcess {
    child: Child,
    log: Log,
}

impl AgentProcess {
    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Its log so far.
    pub fn log(&self) -> Vec<LogLine> {
        self.log.lock().clone()
    }

    /// Its log so far, as one text.
    pub fn text(&self) -> String {
        self.log
            .lock()
            .iter()
            .map(|line| format!("{}\n", line.text))
            .collect()
    }

    /// Waits until a line of the log contains `part`, and returns that line.
    pub async fn logged(&self, part: &str, timeout: Duration) -> Result<String, String> {
        self.logged_times(1, part, timeout).await
    }

    /// Waits until so many lines of the log contain `part`, and returns the last of them.
    pub async fn logged_times(
        &self,
        times: usize,
        part: &str,
        timeout: Duration,
    ) -> Result<String, String> {
        let mut count = self.log.count.subscribe();
        let search = async {
            loop {
                count.borrow_and_update();
                let found = self
                    .log
                    .lock()
                    .iter()
                    .filter(|line| line.text.contains(part))
                    .nth(times.saturating_sub(1))
                    .cloned();
                if let Some(line) = found {
                    return line.text;
                }
                if count.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        };
        tokio::time::timeout(timeout, search).await.map_err(|_| {
            format!(
                "{part:?} was not logged within {timeout:?}:\n{}",
                self.text()
            )
        })
    }

    /// The first line that contains `part`, once it is logged; a panic where none is within a minute.
    #[expect(clippy::panic, reason = "a test fails by it")]
    pub async fn says(&self, part: &str) -> String {
        let line = self.logged(part, Duration::from_mins(1)).await;
        line.unwrap_or_else(|log| panic!("{log}"))
    }

    /// SIGKILL, and waits for the end.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// Sends a signal by name (`TERM`, `INT`).
    pub async fn signal(&self, name: &str) -> io::Result<()> {
        let id = self
            .child
            .id()
            .ok_or_else(|| io::Error::other("the agent has ended"))?;
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(id.to_string())
            .status()
            .await?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other("kill failed"))
        }
    }

    /// Waits for the end.
    pub async fn ended(&mut self, timeout: Duration) -> io::Result<ExitStatus> {
        tokio::time::timeout(timeout, self.child.wait())
            .await
            .map_err(|_| {
                io::Error::other(format!("still running after {timeout:?}:\n{}", self.text()))
            })?
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// A value of `/proc/PID/status` in bytes: `VmHWM` is the peak of resident memory.
    pub fn memory(&self, field: &str) -> io::Result<u64> {
        let id = self
            .child
            .id()
            .ok_or_else(|| io::Error::other("the agent has ended"))?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|kib| kib.parse::<u64>().ok())
            .map(|kib| kib * 1024)
            .ok_or_else(|| io::Error::other(format!("no {field} in /proc/{id}/status")))
    }

    /// Processor time so far, user and system, in clock ticks of `_SC_CLK_TCK` (100 a second on Linux).
    pub fn cpu_ticks(&self) -> io::Result<u64> {
        let id = self
            .child
            .id()
            .ok_or_else(|| io::Error::other("the agent has ended"))?;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The second field, in parentheses, may hold spaces; utime and stime are the 14th and 15th.
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let field = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
        field(11)
            .zip(field(12))
            .map(|(user, system)| user + system)
            .ok_or_else(|| io::Error::other("no times in /proc/PID/stat"))
    }
}
