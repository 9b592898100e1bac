//! One signal to CloudFormation, until it is taken or given up.

use super::super::action::{Action, SignalStatus};
use super::super::call::Call;
use super::super::event::Accepted;
use super::super::facts::{Failure, LifecycleTransition};
use super::super::health::{Dependency, Health};
use super::super::note::Note;
use super::super::time::Moment;
use super::super::{Turn, Wake};
use ecs_lifecycle_config::StackResource;

/// How often a failing signal is tried in all.
const TRIES: u32 = 5;
const SIGNAL: &str = "cloudformation:SignalResource";

/// A signal that has yet to be taken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Signal {
    target: StackResource,
    status: SignalStatus,
    transition: LifecycleTransition,
    call: Call,
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
            call: Call::due_at(due),
        }
    }

    /// Nothing is to be waited for any more.
    pub(crate) fn hurry(&mut self, now: Moment) {
        if self.call.failures() == 0 && !self.call.is_in_flight() {
            self.call.set_due(now);
        }
    }

    /// Takes the answer in; returns whether there is nothing left to do.
    pub(crate) fn absorb(
        &mut self,
        result: Result<Accepted, Failure>,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) -> bool {
        let StackResource {
            stack_name: stack,
            logical_resource_id: resource,
        } = self.target.clone();
        match result {
            Ok(accepted) => {
                turn.good(health, Dependency::CloudFormation);
                turn.say(Note::Signalled {
                    status: self.status,
                    stack,
                    resource,
                    request_id: accepted.request_id,
                });
                true
            }
            Err(failure) if failure.message.contains("cannot be signaled") => {
                turn.good(health, Dependency::CloudFormation);
                turn.say(Note::SignalNotAwaited { stack, resource });
                true
            }
            Err(failure) => {
                let call = &mut self.call;
                turn.call_failed(call, health, Dependency::CloudFormation, SIGNAL, &failure);
                let given_up = call.failures() >= TRIES;
                if given_up {
                    turn.say(Note::SignalGivenUp { failure });
                }
                given_up
            }
        }
    }

    /// Sends it, if it is due.
    pub(crate) fn advance(&mut self, turn: &mut Turn<'_>) {
        if !self.call.start(turn.now) {
            return;
        }
        let StackResource {
            stack_name: stack,
            logical_resource_id: resource,
        } = self.target.clone();
        let status = self.status;
        turn.act(match self.transition {
            LifecycleTransition::Launching => Action::SignalJoin {
                stack,
                resource,
                status,
            },
            LifecycleTransition::Terminating => Action::Signal {
                stack,
                resource,
                status,
            },
        });
    }

    pub(crate) fn wake(&self, wake: &mut Wake) {
        wake.consider(self.call.wake_at());
    }
}
