//! Signals to the process, and whether the whole machine is shutting down.

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;

use crate::threads;

/// How long to wait for systemctl: the process has to end within two seconds.
const ASKING: Duration = Duration::from_millis(1_500);

/// A request to stop the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// `SIGTERM`, `SIGINT` or `SIGHUP`.
    pub signal: &'static str,
    /// Whether the whole machine is shutting down.
    pub shutdown: bool,
}

/// Reports SIGTERM, SIGINT and SIGHUP. With `ask_systemd`, asks systemd on SIGTERM whether the machine is shutting down or
/// only this service is being stopped.
///
/// # Errors
/// Fails if the signal handlers cannot be installed.
pub fn watch(ask_systemd: bool) -> io::Result<mpsc::UnboundedReceiver<Stop>> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let (send, receive) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(signal) = signals.next().await {
            let shutdown = ask_systemd && signal == SIGTERM && machine_stops().await;
            let signal = match signal {
                SIGINT => "SIGINT",
                SIGHUP => "SIGHUP",
                _ => "SIGTERM",
            };
            if send.send(Stop { signal, shutdown }).is_err() {
                return;
            }
        }
    });
    Ok(receive)
}

/// Whether a shutdown has begun: from then on `systemctl is-system-running` prints `stopping`.
async fn machine_stops() -> bool {
    let ask = threads::aside(|| {
        Command::new("systemctl")
            .arg("is-system-running")
            .stdin(Stdio::null())
            .output()
    });
    let trouble = match tokio::time::timeout(ASKING, ask).await {
        Ok(Ok(Ok(output))) => match String::from_utf8_lossy(&output.stdout).trim() {
            "stopping" => return true,
            "initializing" | "starting" | "running" | "degraded" | "maintenance" => return false,
            // `offline`, `unknown` or no output: systemctl could not reach systemd.
            _ => {
                let said = String::from_utf8_lossy(&output.stderr);
                format!("{}: {}", output.status, said.trim())
            }
        },
        Ok(Ok(Err(error)) | Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    // If it is not known, stop at once: the next start resumes the drain.
    tracing::warn!(
        error = trouble,
        "systemctl does not say whether the machine is shut down: stopping at once"
    );
    false
}
