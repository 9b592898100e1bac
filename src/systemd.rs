//! Notifies systemd of readiness, of the state in one line, and that the loop is alive.
//!
//! Outside of systemd, where `NOTIFY_SOCKET` is not set, nothing is sent.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::decide::Moment;

/// How much longer than the drain systemd waits at shutdown before it kills the agent.
const STOP_MARGIN: Duration = Duration::from_secs(5);
/// How long until a notification that failed is sent again.
const AGAIN: Duration = Duration::from_secs(1);

/// Sends the notifications. Only the loop that decides feeds the watchdog, so that systemd restarts an agent whose
/// loop hangs.
pub struct Notifier {
    socket: Option<OsString>,
    tell_at: Option<Moment>,
    watchdog: Option<Duration>,
    fed_at: Option<Moment>,
    status: String,
    ready: bool,
    leaving: bool,
}

impl Notifier {
    /// Takes the socket and the watchdog interval, if any, from the variables that systemd has set.
    pub fn from_environment() -> Self {
        Self {
            socket: env::var_os("NOTIFY_SOCKET"),
            tell_at: None,
            watchdog: sd_notify::watchdog_enabled(),
            fed_at: None,
            status: String::new(),
            ready: false,
            leaving: false,
        }
    }

    /// Sends what has changed. If systemd does not accept it, it is sent again later and the drain goes on.
    pub fn tell(&mut self, now: Moment, ready: bool, leave_at: Option<Moment>, status: &str) {
        if self.tell_at.is_some_and(|at| now < at) {
            return;
        }
        let mut news = Vec::new();
        if ready && !self.ready {
            news.push(NotifyState::Ready);
        }
        if let Some(leave_at) = leave_at.filter(|_| !self.leaving) {
            let wait = (leave_at.since(now) + STOP_MARGIN).as_micros();
            news.push(NotifyState::Stopping);
            news.push(NotifyState::ExtendTimeoutUsec(
                u32::try_from(wait).unwrap_or(u32::MAX),
            ));
        }
        let feeds = self.feeding_is_due(now);
        if feeds {
            news.push(NotifyState::Watchdog);
        }
        if status != self.status {
            news.push(NotifyState::Status(status));
        }
        if news.is_empty() {
            return;
        }
        if self.send(&news).is_err() {
            self.tell_at = Some(now + AGAIN);
            return;
        }
        self.tell_at = None;
        self.ready |= ready;
        self.leaving |= leave_at.is_some();
        if feeds {
            self.fed_at = Some(now);
        }
        if status != self.status {
            status.clone_into(&mut self.status);
        }
    }

    /// Never blocks: systemd may be busy and its queue full.
    fn send(&self, news: &[NotifyState<'_>]) -> io::Result<()> {
        let Some(path) = &self.socket else {
            return Ok(());
        };
        let lines: String = news.iter().map(|news| format!("{news}\n")).collect();
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to(lines.as_bytes(), path).map(drop)
    }

    fn feeding_is_due(&self, now: Moment) -> bool {
        self.watchdog
            .is_some_and(|every| self.fed_at.is_none_or(|fed| now.since(fed) >= every / 4))
    }

    /// When the next notification is due, if that is known.
    pub fn wake_at(&self) -> Option<Moment> {
        self.tell_at.or_else(|| {
            self.watchdog
                .zip(self.fed_at)
                .map(|(every, fed)| fed + every / 4)
        })
    }
}
