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
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::config::Settings;
use crate::control::Ask;
use crate::control::replies::{Facts, Replies};
use crate::decide::{self, Event, Memory, State, Ticket};
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
pub async fn run(
    settings: &Settings,
    effects: Arc<Effects>,
    clock: Clock,
    recalled: Option<Memory>,
    mut stop: mpsc::UnboundedReceiver<Stop>,
    mut asks: mpsc::UnboundedReceiver<Ask>,
) {
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
        let mut news = vec![event];
        if shows.0.abs_diff(wall_at_boot.0) > CLOCK_SET {
            wall_at_boot = shows;
            news.insert(0, Event::WallClock(shows));
        }
        let mut wake = None;
        let mut now = clock.now();
        for event in news {
            now = clock.now();
            if let Event::Answered { ticket, .. } = &event {
                under_way.remove(ticket);
            }
            let step = decide::step(state, event, now, settings);
            state = step.state;
            wake = step.wake;
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
                return;
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
        let wake = [wake, notifier.wake_at(), replies.wake_at()];
        let wake = wake.into_iter().flatten().min();
        event = tokio::select! {
            biased;
            Some(Stop { signal, shutdown }) = stop.recv() => Event::StopRequested { signal, shutdown },
            Some(event) = events.recv() => event,
            Some(ask) = asks.recv() => replies.take(ask, &facts),
            () = sleep_until(wake, clock) => Event::Tick,
        };
    }
}

/// Timers stop while the machine is suspended and the boot clock does not, so no sleep exceeds `LONGEST_SLEEP`.
async fn sleep_until(wake: Option<decide::Moment>, clock: Clock) {
    let left = wake.map_or(LONGEST_SLEEP, |moment| clock.until(moment));
    // Timers count whole milliseconds, and this one must not end before the moment.
    let rounding = Duration::from_millis(u64::from(!left.is_zero()));
    tokio::time::sleep(left.min(LONGEST_SLEEP) + rounding).await;
}
