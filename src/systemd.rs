//! What systemd is told: ready, the state in one line, and that the loop is alive.
//!
//! Outside of systemd (`NOTIFY_SOCKET` not set) all of it does nothing.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::decide::Moment;

/// How much longer than the drain itself systemd has to wait before it loses patience at shutdown.
const STOP_MARGIN: Duration = Duration::from_secs(5);

/// Tells systemd. The watchdog is fed from the loop that decides, and only from there: a loop that is
/// stuck means a restart.
pub struct Notifier {
    watchdog: Option<Duration>,
    fed_at: Option<Moment>,
    status: String,
    ready: bool,
    leaving: bool,
}

impl Notifier {
    /// With the watchdog interval that systemd has set, if any.
    pub fn from_environment() -> Self {
        Self {
            watchdog: sd_notify::watchdog_enabled(),
            fed_at: None,
            status: String::new(),
            ready: false,
            leaving: false,
        }
    }

    /// Tells what is new.
    pub fn tell(&mut self, now: Moment, ready: bool, leave_at: Option<Moment>, status: &str) {
        let mut news = Vec::new();
        if ready && !std::mem::replace(&mut self.ready, true) {
            news.push(NotifyState::Ready);
        }
        if let Some(leave_at) = leave_at.filter(|_| !self.leaving) {
            self.leaving = true;
            let wait = (leave_at.since(now) + STOP_MARGIN).as_micros();
            news.push(NotifyState::Stopping);
            news.push(NotifyState::ExtendTimeoutUsec(
                u32::try_from(wait).unwrap_or(u32::MAX),
            ));
        }
        if self.feeding_is_due(now) {
            self.fed_at = Some(now);
            news.push(NotifyState::Watchdog);
        }
        if status != self.status {
            self.status = status.to_owned();
            news.push(NotifyState::Status(status));
        }
        if !news.is_empty() {
            // systemd that does not listen is systemd's trouble: the drain goes on.
            let _ = sd_notify::notify(&news);
        }
    }

    fn feeding_is_due(&self, now: Moment) -> bool {
        self.watchdog
            .is_some_and(|every| self.fed_at.is_none_or(|fed| now.since(fed) >= every / 4))
    }

    /// When the watchdog has to be fed next.
    pub fn wake_at(&self) -> Option<Moment> {
        self.watchdog
            .zip(self.fed_at)
            .map(|(every, fed)| fed + every / 4)
    }
}
