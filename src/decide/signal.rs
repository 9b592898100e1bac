//! One signal to CloudFormation, until it is taken or given up.

use ecs_lifecycle_config::StackResource;

use crate::hold::Told;
use crate::model::{Action, FailureKind, LifecycleTransition, Moment, Note, SignalStatus};
use crate::pace::Pace;
use crate::turn::Turn;

/// How often a failing signal is tried in all.
const TRIES: u32 = 5;

/// A signal that has yet to be taken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Signal {
    target: StackResource,
    status: SignalStatus,
    transition: LifecycleTransition,
    pace: Pace,
    sent: bool,
}

impl Signal {
    pub(crate) fn new(
        target: StackResource,
        status: SignalStatus,
        transition: LifecycleTransition,
        due: Moment,
    ) -> Self {
        Self {
            target,
            status,
            transition,
            pace: Pace::at(due),
            sent: false,
        }
    }

    /// Takes the answer in; returns whether there is nothing left to do.
    pub(crate) fn absorb(&mut self, result: Told, turn: &mut Turn<'_>) -> bool {
        let stack = self.target.stack_name.clone();
        let resource = self.target.logical_resource_id.clone();
        let failure = match result {
            Ok(accepted) => {
                turn.good();
                turn.say(Note::Signalled {
                    status: self.status,
                    stack,
                    resource,
                    request_id: accepted.request_id,
                });
                return true;
            }
            Err(failure) => failure,
        };
        match failure.kind {
            FailureKind::NotSignalable => {
                turn.good();
                turn.say(Note::SignalNotAwaited { stack, resource });
                true
            }
            // Somebody has signalled for this instance before, cfn-signal in the user data, say.
            FailureKind::AlreadySignalled => {
                turn.good();
                turn.say(Note::AlreadySignalled { stack, resource });
                true
            }
            _ => {
                self.pace.failed(&failure, turn);
                let given_up = self.pace.failures() >= TRIES;
                if given_up {
                    turn.say(Note::SignalGivenUp { failure });
                }
                given_up
            }
        }
    }

    /// Whether it has left the machine, and so may have been taken.
    pub(crate) fn was_sent(&self) -> bool {
        self.sent
    }

    /// Sends it, if it is due.
    pub(crate) fn advance(&mut self, turn: &mut Turn<'_>) {
        let transition = self.transition;
        let flying = turn.is_flying(
            |action| matches!(action, Action::Signal { transition: of, .. } if *of == transition),
        );
        if !flying && self.pace.is_due(turn) {
            self.pace.sent();
            self.sent = true;
            turn.send(Action::Signal {
                transition,
                target: self.target.clone(),
                status: self.status,
            });
        }
    }
}
