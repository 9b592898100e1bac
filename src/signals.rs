//! Signals to the process, and whether they mean the whole machine.

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;

use crate::threads;

/// The service manager has this long to say what it is doing: the process has to end within two seconds.
const ASKING: Duration = Duration::from_millis(1_500);

/// The process was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// `SIGTERM`, `SIGINT`
    pub signal: &'static str,
    /// Whether it is the whole machine that is being shut down.
    pub shutdown: bool,
}

/// Passes on SIGTERM and SIGINT. Only where it makes a difference (`ask_systemd`), systemd is asked
/// whether the machine is being shut down, or just this service stopped.
///
/// # Errors
/// Where the handlers cannot be set up.
pub fn watch(ask_systemd: bool) -> io::Result<mpsc::UnboundedReceiver<Stop>> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (send, receive) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(signal) = signals.next().await {
            let shutdown = ask_systemd && signal == SIGTERM && machine_stops().await;
            let signal = if signal == SIGINT {
                "SIGINT"
            } else {
                "SIGTERM"
            };
            if send.send(Stop { signal, shutdown }).is_err() {
                return;
            }
        }
    });
    Ok(receive)
}

/// `systemctl is-system-running` says `stopping` from the moment that a shutdown has begun.
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
            // `offline`, `unknown`, nothing: it could not ask.
            _ => {
                let said = String::from_utf8_lossy(&output.stderr);
                format!("{}: {}", output.status, said.trim())
            }
        },
        Ok(Ok(Err(error)) | Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    // Not to know means to stop at once: the next start takes the drain up again.
    tracing::warn!(
        error = trouble,
        "systemctl does not say whether the machine is shut down: stopping at once"
    );
    false
}
