//! Former registrations of this EC2 instance. An ECS agent that has lost its data, for example with the root
//! volume, registers again. ECS keeps the old container instance until a person deregisters it.
//!
//! ECS is asked once if there may be one, and again if one is known and somebody requests the status. No
//! decision depends on the answer.

use std::time::Duration;

use crate::model::{Action, ContainerInstance, Failure, FailureKind, Moment, Note, Operation};
use crate::pace::{Pace, growing};
use crate::registration::Registration;
use crate::turn::Turn;

/// The answer is not urgent.
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_CAP: Duration = Duration::from_hours(1);
/// A request for the status makes the agent ask ECS again after this long.
const AGAIN_AFTER: Duration = Duration::from_mins(1);
/// This many are remembered. Any others are shown once these are gone.
const MOST: usize = 10;

/// When ECS is asked for them. The ARNs are in the memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Former {
    look: Pace,
    asked: Option<Moment>,
    said_denied: bool,
}

impl Former {
    /// There may be one.
    pub(crate) fn suspect(&mut self, now: Moment) {
        self.look = Pace::at(now);
    }

    /// Somebody requests the status. A person may have removed what was `known`.
    pub(crate) fn ask_by_hand(&mut self, known: &[String], now: Moment) {
        let due = self.asked.is_none_or(|at| now.since(at) >= AGAIN_AFTER);
        if due && !known.is_empty() {
            self.suspect(now);
        }
    }

    /// Takes in an answer.
    pub(crate) fn absorb(
        &mut self,
        result: Result<Vec<String>, Failure>,
        here: Option<&Registration>,
        known: &mut Vec<String>,
        turn: &mut Turn<'_>,
    ) {
        let Some(Operation { dependency, name }) = turn.answered else {
            return;
        };
        let ours = here.map(|here| &here.target.arn);
        let retry_in = growing(RETRY_FIRST, RETRY_CAP, self.look.failures(), turn.seed);
        match result {
            // Without ours in it, the list proves nothing about the others: it may be too early, or the ECS
            // agent's port is answered by another machine's.
            Ok(arns) if ours.is_some_and(|ours| arns.contains(ours)) => {
                self.look.succeeded();
                let others = arns.into_iter().filter(|arn| Some(arn) != ours);
                let mut former: Vec<String> = others.collect();
                former.sort_unstable();
                former.truncate(MOST);
                if former != *known && !former.is_empty() {
                    let arns = former.clone();
                    turn.say(Note::FormerRegistrations { arns });
                }
                *known = former;
            }
            Ok(_) => self.look.retry_in(retry_in, turn.now),
            // No drain depends on it: it is said once, and not retried.
            Err(failure) if failure.kind == FailureKind::Denied => {
                if !std::mem::replace(&mut self.said_denied, true) {
                    turn.say(Note::Denied {
                        dependency,
                        action: name,
                        failure,
                    });
                }
            }
            Err(failure) => {
                self.look.retry_in(retry_in, turn.now);
                turn.say(Note::CallFailed {
                    what: name,
                    failure,
                    retry_in,
                });
            }
        }
    }

    /// Asks, if it is due.
    pub(crate) fn advance(&mut self, here: &ContainerInstance, turn: &mut Turn<'_>) {
        let flying = turn.is_flying(|action| matches!(action, Action::ListContainerInstances(_)));
        if !flying && self.look.is_due(turn) {
            self.look.sent();
            self.asked = Some(turn.now);
            turn.send(Action::ListContainerInstances(here.clone()));
        }
    }
}
