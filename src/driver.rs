//! The loop: one queue of events, one owner of the state.
//!
//! ```text
//!   signals ──┐                        ┌──▶ notes ──▶ narrate ──▶ journal
//!   time ─────┤                        ├──▶ replies ──▶ control
//!   control ──┼──▶ event ──▶ step ─────┤
//!   answers ──┘     ▲                  └──▶ actions ──▶ act ──┐
//!                   └─────────────────────────────────────────┘
//! ```
//!
//! Effects run beside the loop and come back as events: nothing that is slow can delay anything else.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::act::Effects;
use crate::clock::Clock;
use crate::config::Settings;
use crate::control::Ask;
use crate::control::replies::{Facts, Replies};
use crate::decide::{self, Action, Event, Memory, State};
use crate::metrics::Metrics;
use crate::narrate;
use crate::signals::Stop;
use crate::status;
use crate::systemd::Notifier;

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
    let mut state = State::new(recalled, clock.now());
    let mut notifier = Notifier::from_environment();
    let mut metrics = Metrics::default();
    let mut replies = Replies::default();
    let mut commands: Vec<(u32, AbortHandle)> = Vec::new();
    let mut event = Event::Tick;
    loop {
        let now = clock.now();
        let step = decide::step(state, event, now, settings);
        state = step.state;
        for note in &step.notes {
            narrate::narrate(note, &state);
            metrics.observe(note);
        }
        for action in step.actions {
            if action == Action::Exit {
                // What is under way is dropped with the runtime. Nothing is finished in a hurry.
                return;
            }
            let (effects, answers) = (Arc::clone(&effects), answers.clone());
            let (epoch, instance) = (state.epoch, state.instance.clone());
            let is_commands = matches!(action, Action::RunCommands { .. });
            let task = tokio::spawn(async move {
                if let Some(event) = effects.run(action, epoch, instance).await {
                    // The loop has ended where nobody listens any more.
                    let _ = answers.send(event);
                }
            });
            if is_commands {
                commands.push((epoch, task.abort_handle()));
            }
        }
        // The user's executables end with the drain or the join that they were run for.
        commands.retain(|(epoch, task)| {
            if *epoch != state.epoch {
                task.abort();
            }
            !task.is_finished() && *epoch == state.epoch
        });
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
            () = sleep_until(wake, clock) => Event::Tick,
        };
    }
}

async fn sleep_until(wake: Option<decide::Moment>, clock: Clock) {
    match wake {
        Some(moment) => tokio::time::sleep_until(clock.instant_of(moment)).await,
        // Something is under way, and its answer is the next event.
        None => std::future::pending().await,
    }
}
