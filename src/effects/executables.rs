//! Runs the user's executables one after the other, in order of name, each with a time limit.
//!
//! Their output goes to the journal, line by line. They run as the agent's own user, in the sandbox of its unit,
//! and with the facts in their environment. At the time limit, everything that they have started is ended as well.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::Command;
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::config::Settings;
use crate::decide::{
    ExecutableEvent, ExecutableFacts, ExecutablesReport, Failure, FailureKind, Instance,
};
use crate::threads;

/// The most output, in bytes, that is logged of each stream. The rest is read and dropped.
const OUTPUT_LIMIT: u64 = 256 * 1024;
/// The most bytes of a line that are logged.
const LINE_LIMIT: usize = 2048;
/// How long an executable may run after SIGTERM, and how long its children may keep its output open.
const GRACE: Duration = Duration::from_secs(2);
/// Variables of systemd that are meant for the agent alone.
const NOT_INHERITED: [&str; 4] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "INVOCATION_ID",
];

/// Runs the executables in the configured directories.
pub struct ExecutableRunner {
    ready: (PathBuf, Duration),
    drain: (PathBuf, Duration),
}

impl ExecutableRunner {
    /// Takes the directories and time limits from the configuration.
    pub fn new(settings: &Settings) -> Self {
        Self {
            ready: (
                settings.ready.directory.clone(),
                settings.ready.command_timeout,
            ),
            drain: (
                settings.executables.directory.clone(),
                settings.executables.timeout,
            ),
        }
    }

    /// Runs the executables of `event`. If one of them says that the instance is not ready, the others are not run.
    ///
    /// # Errors
    /// Fails if the directory exists but cannot be read.
    pub async fn run(
        &self,
        event: ExecutableEvent,
        facts: &ExecutableFacts,
        instance: &Instance,
        clock: &Clock,
    ) -> Result<ExecutablesReport, Failure> {
        let (directory, timeout) = match event {
            ExecutableEvent::Ready => (self.ready.0.clone(), self.ready.1),
            ExecutableEvent::BeforeDrain | ExecutableEvent::AfterDrain => {
                (self.drain.0.join(event.as_str()), self.drain.1)
            }
        };
        let listed = directory.clone();
        let executables = threads::aside(move || executables(&listed)).await.flatten();
        let executables = executables.map_err(|error| {
            let message = format!("read {}: {error}", directory.display());
            Failure::new(FailureKind::Refused, message)
        })?;
        let mut report = ExecutablesReport::default();
        for path in executables {
            report.ran += 1;
            let mut command = Command::new(&path);
            command.envs(environment(event, facts, instance, clock));
            if let Err(why) = run(command, &path, timeout).await {
                let message = format!("{}: {why}", path.display());
                report
                    .failed
                    .push(Failure::new(FailureKind::Refused, message));
                if event.ends_at_a_failure() {
                    break;
                }
            }
        }
        Ok(report)
    }
}

/// The executables in a directory, in order of name. A missing directory has none.
fn executables(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let left_alone = name.starts_with('.') || name.ends_with('~');
        // Links are followed, because configuration management makes links.
        let Ok(about) = path.metadata() else { continue };
        if !left_alone && about.is_file() && about.permissions().mode() & 0o111 != 0 {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn environment(
    event: ExecutableEvent,
    facts: &ExecutableFacts,
    instance: &Instance,
    clock: &Clock,
) -> Vec<(&'static str, String)> {
    let known = facts.container_instance.as_ref();
    let deadline = clock.time_of(facts.deadline);
    let mut variables = vec![
        ("ECS_LIFECYCLE_EVENT", event.as_str().to_owned()),
        ("ECS_LIFECYCLE_INSTANCE_ID", instance.instance_id.clone()),
        ("ECS_LIFECYCLE_REGION", instance.region.clone()),
        (
            "ECS_LIFECYCLE_CLUSTER",
            known.map(|known| known.cluster.clone()).unwrap_or_default(),
        ),
        (
            "ECS_LIFECYCLE_CONTAINER_INSTANCE_ARN",
            known.map(|known| known.arn.clone()).unwrap_or_default(),
        ),
        ("ECS_LIFECYCLE_REASON", facts.reason.clone()),
        (
            "ECS_LIFECYCLE_DEADLINE",
            humantime::format_rfc3339_seconds(deadline).to_string(),
        ),
    ];
    if let Some(outcome) = facts.outcome {
        variables.push(("ECS_LIFECYCLE_OUTCOME", outcome.to_owned()));
    }
    variables
}

async fn run(mut command: Command, path: &Path, timeout: Duration) -> Result<(), String> {
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let runtime = Handle::current();
    // Starting a process waits for its file, which may be on a stuck disk.
    let mut child = threads::aside(move || {
        let _runtime = runtime.enter();
        command.spawn()
    })
    .await
    .flatten()
    .map_err(|error| format!("not run: {error}"))?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let printing = async {
        tokio::join!(print(&name, stdout), print(&name, stderr));
    };
    tokio::pin!(printing);
    let mut printed = false;
    let end = tokio::time::sleep(timeout);
    tokio::pin!(end);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.map_err(|error| error.to_string())?,
            () = &mut printing, if !printed => printed = true,
            () = &mut end => {
                // It may have ended in time, while this process stood still.
                if let Ok(Some(status)) = child.try_wait() {
                    break status;
                }
                group.end(Signal::TERM);
                let ended = tokio::time::timeout(GRACE, child.wait()).await;
                group.end(Signal::KILL);
                if ended.is_err() {
                    let _ = child.wait().await;
                }
                return Err(format!("did not end within {}; killed", humantime::format_duration(timeout)));
            }
        }
    };
    // Processes that it has left running on purpose are not ended.
    group.0 = None;
    if !printed {
        // Such a process may keep the output open forever.
        let _ = tokio::time::timeout(GRACE, &mut printing).await;
    }
    verdict(status)
}

fn verdict(status: ExitStatus) -> Result<(), String> {
    if status.success() {
        Ok(())
    } else {
        Err(status.to_string())
    }
}

/// The process group of a running executable. If it is dropped, the executable and everything that it has started
/// are killed.
struct Group(Option<Pid>);

impl Group {
    fn end(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // The group may have ended already.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end(Signal::KILL);
    }
}

/// Logs the output of an executable.
async fn print(name: &str, output: Option<impl AsyncRead + Unpin>) {
    let Some(output) = output else { return };
    let mut lines = BufReader::new(output.take(OUTPUT_LIMIT));
    let mut line = Vec::new();
    while let Ok(1..) = lines.read_until(b'\n', &mut line).await {
        line.truncate(LINE_LIMIT);
        let text = String::from_utf8_lossy(&line);
        tracing::info!(executable = name, "{}: {}", name, text.trim_end());
        line.clear();
    }
    // The rest is read and dropped, so that a full pipe does not block the executable.
    let _ = tokio::io::copy(&mut lines.into_inner().into_inner(), &mut tokio::io::sink()).await;
}
