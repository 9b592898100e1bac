//! Requests that the loop has taken and not answered yet.

use std::time::Duration;

use crate::clock::Clock;
use crate::config::Settings;
use crate::decide::{DrainReason, Event, Moment, Phase, State};
use crate::metrics::{self, Metrics};
use crate::status::report::{self, Report};

use super::{Ask, Reply, Request};

/// How long an answer waits for ECS to say whose the tasks are. What ECS says later is in the next one.
const PATIENCE: Duration = Duration::from_millis(30);

/// What answers are made of.
pub struct Facts<'a> {
    /// What the core knows.
    pub state: &'a State,
    /// The moment of the last step.
    pub now: Moment,
    /// The configuration.
    pub policy: &'a Settings,
    /// For times that a person can read.
    pub clock: &'a Clock,
    /// What was counted.
    pub metrics: &'a Metrics,
}

impl Facts<'_> {
    fn report(&self) -> Report {
        report::report(self.state, self.now, self.policy, self.clock)
    }
}

/// The requests.
#[derive(Default)]
pub struct Replies {
    pending: Vec<(Ask, Moment)>,
}

impl Replies {
    /// Takes a request; the event that it is to the core, whose step comes before the answer.
    pub fn take(&mut self, ask: Ask, facts: &Facts<'_>) -> Event {
        let event = match ask.request {
            Request::Status => Event::StatusAsked,
            Request::Metrics => Event::Tick,
            Request::Drain { timeout } => match refuses_drain(facts.state) {
                None => Event::DrainByHand { timeout },
                Some(why) => return refuse(ask, &why),
            },
            Request::Undrain => match refuses_undrain(facts) {
                None => Event::UndrainByHand,
                Some(why) => return refuse(ask, &why),
            },
        };
        self.pending.push((ask, facts.clock.now() + PATIENCE));
        event
    }

    /// Answers what can be answered by now.
    pub fn send_due(&mut self, facts: &Facts<'_>) {
        let asking = facts.state.is_asked_by_hand();
        let waits = |(ask, until): &(Ask, Moment)| {
            asking && ask.request == Request::Status && facts.now < *until
        };
        let (waiting, due): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(waits);
        self.pending = waiting;
        for (ask, _) in due {
            // Whoever has asked may have gone away.
            let _ = ask.reply.send(reply(ask.request, facts));
        }
    }

    /// When the first of them has to be answered.
    pub fn wake_at(&self) -> Option<Moment> {
        self.pending.iter().map(|(_, until)| *until).min()
    }
}

fn refuse(ask: Ask, why: &str) -> Event {
    let _ = ask.reply.send(Reply::refusal(409, why));
    Event::Tick
}

fn reply(request: Request, facts: &Facts<'_>) -> Reply {
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

fn refuses_drain(state: &State) -> Option<String> {
    match state.phase() {
        Phase::Starting => Some("instance metadata has not been read yet: try again".to_owned()),
        Phase::Joining(_) => Some(
            "the instance has not joined its cluster yet: nothing to drain; try again when it has"
                .to_owned(),
        ),
        _ => None,
    }
}

fn refuses_undrain(facts: &Facts<'_>) -> Option<String> {
    let by_hand = DrainReason::ByHand.to_string();
    let report = facts.report();
    match report.reason {
        // Whatever was asked for by hand before: somebody else takes the instance now.
        Some(reason) if reason != by_hand => Some(format!(
            "not drained by hand: the reason is {reason}, which only its author can take back"
        )),
        _ if facts.state.memory().by_hand.is_some() => None,
        _ => Some(format!("not drained by hand: {}", report.line)),
    }
}
