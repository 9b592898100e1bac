//! The requests that the loop has taken and not answered yet.

use std::time::Duration;

use crate::clock::Clock;
use crate::config::Settings;
use crate::decide::{Event, HEAD_START, HandRefusal, Moment, State};
use crate::metrics::{self, Metrics};
use crate::status::report::{self, Report};

use super::{Ask, Reply, Request};

/// How long a status reply waits for ECS to say what started the tasks. A later answer is in the next reply.
const PATIENCE: Duration = Duration::from_millis(30);

/// The data that replies are composed of.
pub struct Facts<'a> {
    /// The state of the core.
    pub state: &'a State,
    /// The moment of the last step.
    pub now: Moment,
    /// The configuration in force.
    pub policy: &'a Settings,
    /// Converts moments to wall-clock times.
    pub clock: &'a Clock,
    /// The counters for `GET /metrics`.
    pub metrics: &'a Metrics,
}

impl Facts<'_> {
    fn report(&self) -> Report {
        report::report(self.state, self.now, self.policy, self.clock)
    }
}

/// The requests that wait for a reply.
#[derive(Default)]
pub struct Replies {
    pending: Vec<(Ask, Moment)>,
}

impl Replies {
    /// Takes a request and returns its event, which the core has to process before the reply.
    pub fn take(&mut self, ask: Ask, facts: &Facts<'_>) -> Event {
        let event = match ask.request {
            Request::Status => Event::StatusAsked,
            Request::Metrics => Event::Tick,
            Request::Drain { timeout } => match facts.state.refuses_drain() {
                None => Event::DrainByHand { timeout },
                Some(why) => return refuse(ask, &words(&why, facts)),
            },
            Request::Undrain => match facts.state.refuses_undrain() {
                None => Event::UndrainByHand,
                Some(why) => return refuse(ask, &words(&why, facts)),
            },
        };
        let patience = match ask.request {
            Request::Status | Request::Metrics => PATIENCE,
            // What was asked for must outlive a restart.
            Request::Drain { .. } | Request::Undrain => HEAD_START,
        };
        self.pending.push((ask, facts.clock.now() + patience));
        event
    }

    /// Sends the replies that are due.
    pub fn send_due(&mut self, facts: &Facts<'_>) {
        let asking = facts.state.is_asked_by_hand();
        let written = facts.state.is_written();
        let waits = |(ask, until): &(Ask, Moment)| {
            facts.now < *until
                && match ask.request {
                    Request::Status => asking,
                    Request::Drain { .. } | Request::Undrain => !written,
                    Request::Metrics => false,
                }
        };
        let (waiting, due): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(waits);
        self.pending = waiting;
        for (ask, _) in due {
            // The client may have disconnected.
            let _ = ask.reply.send(reply(ask.request, facts));
        }
    }

    /// When the next pending reply is due at the latest.
    pub fn wake_at(&self) -> Option<Moment> {
        self.pending.iter().map(|(_, until)| *until).min()
    }
}

fn refuse(ask: Ask, why: &str) -> Event {
    let _ = ask.reply.send(Reply::refusal(409, why));
    Event::Tick
}

fn reply(request: Request, facts: &Facts<'_>) -> Reply {
    if request == Request::Undrain
        && let Some(why) = facts.state.other_reason()
    {
        return Reply::refusal(409, &words(&why, facts));
    }
    if request == Request::Metrics {
        return Reply {
            status: 200,
            content_type: metrics::CONTENT_TYPE,
            body: facts.metrics.render(facts.state, facts.now, facts.policy),
        };
    }
    match serde_json::to_string(&facts.report()) {
        Ok(body) => Reply::json(body),
        Err(error) => Reply::refusal(500, &error.to_string()),
    }
}

fn words(refusal: &HandRefusal, facts: &Facts<'_>) -> String {
    match refusal {
        HandRefusal::NotStarted => "instance metadata has not been read yet; try again".to_owned(),
        HandRefusal::Joining => {
            "the instance has not joined its cluster yet; try again when it has".to_owned()
        }
        HandRefusal::OtherReason(reason) => {
            format!("no drain by hand is left, but the instance is still drained: {reason}")
        }
        HandRefusal::NoDrain => {
            format!("there is no drain by hand: {}", facts.report().line)
        }
    }
}
