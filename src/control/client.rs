//! The client side of the socket: the subcommands `status`, `drain` and `undrain`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Client, Method};

use crate::decide::{Outcome, PhaseName};
use crate::status::report::Report;
use crate::terminal;

/// `EX_UNAVAILABLE` of sysexits.h: no agent answers.
const UNAVAILABLE: u8 = 69;
/// How long to wait for the agent's answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often `--watch` and `--wait` ask the agent.
const PACE: Duration = Duration::from_secs(1);
/// How often `--wait` prints a line if nothing changes.
const REMIND_EVERY: Duration = Duration::from_secs(10);
/// How long `drain --wait` tolerates an agent that does not answer, such as during a restart.
const PATIENCE: Duration = Duration::from_secs(60);
/// The shortest and the longest timeout of a drain by hand, as in the configuration.
const BOUNDS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_hours(48));

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// The agent does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// The agent has refused the request, or its answer cannot be parsed.
    #[error("{0}")]
    Refused(String),
}

impl Trouble {
    fn tell(&self) -> ExitCode {
        terminal::complain(&self.to_string());
        match self {
            Self::Unavailable(_) => ExitCode::from(UNAVAILABLE),
            Self::Refused(_) => ExitCode::FAILURE,
        }
    }
}

/// A client of the agent's socket.
pub struct Control {
    socket: PathBuf,
    http: Client,
}

/// Parses the timeout of a drain by hand, such as `30m`.
///
/// # Errors
/// Fails if it is not a duration, or if it is out of bounds.
pub fn drain_timeout(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(&text.replace("%20", " "))
        .map_err(|error| format!("{text:?} is not a duration such as 15m: {error}"))?;
    if (BOUNDS.0..=BOUNDS.1).contains(&duration) {
        Ok(duration)
    } else {
        Err(format!("{text:?} is not from 100ms to 2days"))
    }
}

impl Control {
    /// A client of the agent that listens on `socket`.
    ///
    /// # Errors
    /// Fails if the HTTP client cannot be set up.
    pub fn new(socket: &Path) -> Result<Self, reqwest::Error> {
        let http = Client::builder()
            .unix_socket(socket)
            .no_proxy()
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self {
            socket: socket.to_owned(),
            http,
        })
    }

    /// Runs `status`: prints the state once, or every second with `watch`.
    pub async fn status(&self, json: bool, watch: bool) -> ExitCode {
        loop {
            let text = match self.ask(Method::GET, "/status").await {
                Ok(body) if json => Ok(format!("{}\n", body.trim_end())),
                Ok(body) => understand(&body).map(|report| report.table()),
                Err(trouble) => Err(trouble),
            };
            let code = match text {
                // The screen is cleared before each table. In JSON, each state is one line.
                Ok(text) if watch && !json => terminal::print(&format!("\x1b[2J\x1b[H{text}")),
                Ok(text) => terminal::print(&text),
                Err(trouble) => trouble.tell(),
            };
            if !watch || code == ExitCode::FAILURE {
                return code;
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Runs `drain`: starts a drain by hand and, with `wait`, waits for its end.
    pub async fn drain(&self, timeout: Option<Duration>, wait: bool) -> ExitCode {
        let path = match timeout {
            Some(timeout) => format!("/drain?timeout={}ms", timeout.as_millis()),
            None => "/drain".to_owned(),
        };
        let report = match self.change(&path).await {
            Ok(report) => report,
            Err(trouble) => return trouble.tell(),
        };
        terminal::print(&format!("{}\n", report.line));
        if wait {
            self.wait(report).await
        } else {
            ExitCode::SUCCESS
        }
    }

    /// Waits for the end of the drain. The exit status is 0 if the instance was drained, else 1.
    async fn wait(&self, mut last: Report) -> ExitCode {
        let mut answered_at = tokio::time::Instant::now();
        let mut said_at = answered_at;
        loop {
            match (last.phase, last.outcome) {
                (PhaseName::Done, Some(Outcome::Drained)) => return ExitCode::SUCCESS,
                (PhaseName::Done, _) => return ExitCode::FAILURE,
                (PhaseName::Watching | PhaseName::Returning, _) if !last.drain_by_hand => {
                    terminal::complain("the drain was cancelled");
                    return ExitCode::FAILURE;
                }
                _ => {}
            }
            tokio::time::sleep(PACE).await;
            match self.report().await {
                Ok(report) => {
                    answered_at = tokio::time::Instant::now();
                    // The lines are not compared, because the time that is left changes every second.
                    let news = report.phase != last.phase
                        || report.waiting_for != last.waiting_for
                        || said_at.elapsed() >= REMIND_EVERY;
                    if news {
                        terminal::print(&format!("{}\n", report.line));
                        said_at = tokio::time::Instant::now();
                    }
                    last = report;
                }
                Err(trouble) if answered_at.elapsed() > PATIENCE => return trouble.tell(),
                Err(_) => {}
            }
        }
    }

    /// Runs `undrain`: cancels the drain by hand.
    pub async fn undrain(&self) -> ExitCode {
        match self.change("/undrain").await {
            Ok(report) => terminal::print(&format!("{}\n", report.line)),
            Err(trouble) => trouble.tell(),
        }
    }

    async fn report(&self) -> Result<Report, Trouble> {
        understand(&self.ask(Method::GET, "/status").await?)
    }

    async fn change(&self, path: &str) -> Result<Report, Trouble> {
        understand(&self.ask(Method::POST, path).await?)
    }

    async fn ask(&self, method: Method, path: &str) -> Result<String, Trouble> {
        let socket = self.socket.display();
        let answer = self
            .http
            .request(method, format!("http://localhost{path}"))
            .send()
            .await
            .map_err(|error| self.unavailable(&error))?;
        let status = answer.status();
        let body = answer
            .text()
            .await
            .map_err(|error| self.unavailable(&error))?;
        if status.is_success() {
            Ok(body)
        } else {
            Err(Trouble::Refused(format!("{socket}: {}", body.trim_end())))
        }
    }

    fn unavailable(&self, error: &reqwest::Error) -> Trouble {
        let mut why: &dyn std::error::Error = error;
        let mut denied = false;
        while let Some(source) = why.source() {
            why = source;
            denied |= why
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        }
        let remedy = if denied {
            "run this as root, or as a member of the agent's group"
        } else {
            "check `systemctl status ecs-lifecycle-agent` and `journalctl -u ecs-lifecycle-agent`"
        };
        let socket = self.socket.display();
        Trouble::Unavailable(format!(
            "cannot reach the agent at {socket}: {why}; {remedy}"
        ))
    }
}

fn understand(body: &str) -> Result<Report, Trouble> {
    serde_json::from_str(body).map_err(|error| {
        Trouble::Refused(format!(
            "cannot understand the running agent's answer; it may be another version: {error}"
        ))
    })
}
