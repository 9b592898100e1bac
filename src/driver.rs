//! The loop: one queue of events, one owner of the state.
//!
//! ```text
//!   signals ──┐                        ┌──▶ notes ──▶ narrate ──▶ journal
//!   time ─────┤                        ├──▶ replies ──▶ control
//!   control ──┼──▶ event ──▶ step ─────┤
//!   answers ──┘     ▲                  └──▶ actions ▶ effects ┐
//!                   └─────────────────────────────────────────┘
//! ```
//!
//! Effects run beside the loop and their answers come back as events, so that a slow one delays nothing else.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::config::Settings;
use crate::control::Ask;
use crate::control::replies::{Facts, Replies};
use crate::decide::{self, Event, Memory, Moment, State, Ticket};
use crate::effects::Effects;
use crate::metrics::Metrics;
use crate::narrate;
use crate::signals::Stop;
use crate::status;
use crate::systemd::Notifier;

/// If the wall clock has moved this far against the boot clock, it was set. In milliseconds.
const CLOCK_SET: u64 = 500;
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Runs until the process is asked to stop.
///
/// # Errors
/// Fails if the kernel has no timer.
pub async fn run(
    settings: &Settings,
    effects: Arc<Effects>,
    clock: Clock,
    recalled: Option<Memory>,
    mut stop: mpsc::UnboundedReceiver<Stop>,
    mut asks: mpsc::UnboundedReceiver<Ask>,
) -> io::Result<()> {
    let mut alarm = Alarm::new()?;
    let (answers, mut events) = mpsc::unbounded_channel();
    let mut wall_at_boot = clock.wall_at_boot();
    let mut state = State::new(recalled, clock.now(), wall_at_boot);
    let mut notifier = Notifier::from_environment();
    let mut metrics = Metrics::default();
    let mut replies = Replies::default();
    let mut under_way: HashMap<Ticket, AbortHandle> = HashMap::new();
    let mut event = Event::Tick;
    loop {
        let shows = clock.wall_at_boot();
        if shows.0.abs_diff(wall_at_boot.0) > CLOCK_SET {
            wall_at_boot = shows;
            state.set_wall_clock(shows);
        }
        let now = clock.now();
        if let Event::Answered { ticket, .. } = &event {
            under_way.remove(ticket);
        }
        let step = decide::step(&mut state, event, now, settings);
        for note in &step.notes {
            narrate::narrate(note, &state);
            metrics.observe(note);
        }
        // The core no longer needs the answers to these actions.
        for ticket in step.cancelled {
            if let Some(task) = under_way.remove(&ticket) {
                task.abort();
            }
        }
        if step.exit {
            // Actions under way are dropped with the runtime. The agent does not wait for them.
            return Ok(());
        }
        for (ticket, action) in step.actions {
            let (effects, answers) = (Arc::clone(&effects), answers.clone());
            let instance = state.instance.clone();
            let task = tokio::spawn(async move {
                if let Some(answer) = effects.run(action, instance).await {
                    // Sending fails only if the loop has ended.
                    let _ = answers.send(Event::Answered { ticket, answer });
                }
            });
            under_way.insert(ticket, task.abort_handle());
        }
        let line = status::line(&state, now, settings);
        notifier.tell(now, state.is_ready(), state.leave_at(), &line);
        let facts = Facts {
            state: &state,
            now,
            policy: settings,
            clock: &clock,
            metrics: &metrics,
        };
        replies.send_due(&facts);
        let wake = [step.wake, notifier.wake_at(), replies.wake_at()];
        let wake = wake.into_iter().flatten().min();
        event = tokio::select! {
            biased;
            Some(Stop { signal, shutdown }) = stop.recv() => Event::StopRequested { signal, shutdown },
            Some(event) = events.recv() => event,
            Some(ask) = asks.recv() => replies.take(ask, &facts),
            rung = alarm.ring(wake, clock) => rung.map(|()| Event::Tick)?,
        };
    }
}

/// A timer of the kernel, on the boot clock. tokio's own timer wakes the process up to twice more for each sleep.
struct Alarm(pipe::Receiver);

impl Alarm {
    fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        // It is read as a pipe is: tokio has no type of its own for it.
        pipe::Receiver::from_owned_fd_unchecked(timer).map(Self)
    }

    async fn ring(&mut self, wake: Option<Moment>, clock: Clock) -> io::Result<()> {
        // Zero would disarm the timer.
        let left = wake
            .map_or(LONGEST_SLEEP, |moment| clock.until(moment))
            .clamp(Duration::from_nanos(1), LONGEST_SLEEP);
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: left.try_into().map_err(io::Error::other)?,
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        // A count of eight bytes. Since it does not fill the buffer, tokio knows that there is no second one.
        self.0.read(&mut [0; 16]).await.map(drop)
    }
}
