//! Is the container instance DRAINING, so that ECS places nothing more on it?
//!
//! Asked for at once, even with no tasks: a task placed a moment later would die with the instance. The
//! answer to `UpdateContainerInstancesState` says the status it led to, so no second call verifies it.
//! `DescribeContainerInstances` is for the end of the drain, and for whenever something looks as if
//! somebody had set the instance back.

use super::super::Policy;
use super::super::action::Action;
use super::super::call::Call;
use super::super::event::StateChange;
use super::super::facts::{
    ContainerInstance, ContainerInstanceStatus, ContainerInstanceView, Failure, FailureKind,
};
use super::super::health::{Dependency, Health};
use super::super::note::Note;
use super::super::time::Moment;
use super::super::{Turn, Wake};
use super::DrainReason;

const SET: &str = "ecs:UpdateContainerInstancesState";
const LOOK: &str = "ecs:DescribeContainerInstances";
/// How often the look that says whose DRAINING it is may fail: a few seconds, while the hook waits.
const PRIOR_TRIES: u32 = 4;

/// The part of a drain that keeps new tasks away.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    set: Call,
    look: Call,
    draining_since: Option<Moment>,
    prior: Prior,
    /// Whether the instance may be sent back into service.
    may_return: bool,
    known: bool,
    said_awaiting: bool,
    said_gone: bool,
    describe_denied: bool,
}

/// Was the instance in service before we drained it? Only worth a call where the drain can be called
/// off: what an operator has set to DRAINING is not ours to put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prior {
    NotAsked,
    Asking,
    Settled { ours: bool },
}

impl Placement {
    pub(super) fn begin(reason: &DrainReason, ours: bool, now: Moment) -> Self {
        let never_back = matches!(reason, DrainReason::Terminated(_));
        Self {
            set: Call::due_at(now),
            look: Call::idle(),
            draining_since: None,
            prior: if ours || never_back {
                Prior::Settled { ours }
            } else {
                Prior::NotAsked
            },
            may_return: !never_back,
            known: false,
            said_awaiting: false,
            said_gone: false,
            describe_denied: false,
        }
    }

    /// Whether ECS has confirmed that it places nothing here.
    pub fn is_draining(&self) -> bool {
        self.draining_since.is_some()
    }

    /// Since when it has.
    pub fn draining_since(&self) -> Option<Moment> {
        self.draining_since
    }

    /// Whether that was long enough ago for everything placed before to have arrived.
    pub(super) fn has_settled(&self, turn: &Turn<'_>) -> bool {
        self.draining_since
            .is_some_and(|since| turn.now.since(since) >= turn.policy.ecs.placement_settle)
    }

    /// Whether it was this agent that took the instance out of service.
    pub fn is_ours(&self) -> bool {
        self.prior == Prior::Settled { ours: true }
    }

    /// Whether the container instance is still unknown, or ECS knows it no more.
    pub fn wants_identity(&self) -> bool {
        !self.known || self.said_gone
    }

    /// Whether a DRAINING request is under way.
    pub fn is_in_flight(&self) -> bool {
        self.set.is_in_flight()
    }

    /// The container instance has become another: drain that one.
    pub fn start_over(&mut self, now: Moment) {
        self.draining_since = None;
        self.said_gone = false;
        self.set.ask(now);
    }

    /// Asks ECS for the container instance's status and counts.
    pub(super) fn ask_look(&mut self, at: Moment) {
        // A role that may not describe may still set: DRAINING once more changes nothing, and its
        // answer has the same fields.
        if self.describe_denied {
            self.set.ask(at);
        } else {
            self.look.ask(at);
        }
    }

    /// Asks again after `delay`, as the last answer was not good enough.
    pub(super) fn look_again(&mut self, now: Moment, delay: std::time::Duration) {
        self.ask_look(now + delay);
    }

    /// Whether an answer is already on its way or due.
    pub(super) fn is_looking(&self) -> bool {
        self.look.is_wanted() || self.describe_denied && self.set.is_wanted()
    }

    pub(super) fn absorb_set(
        &mut self,
        result: Result<StateChange, Failure>,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) -> Option<ContainerInstanceView> {
        match result {
            Ok(change) => {
                self.set.succeeded();
                turn.good(health, Dependency::Ecs);
                self.observe(&change.view, change.request_id, turn);
                if !change.view.status.takes_no_tasks() {
                    // Accepted, but not DRAINING: not to be believed until it says so.
                    self.set.ask(turn.now + std::time::Duration::from_secs(1));
                }
                Some(change.view)
            }
            Err(failure) => {
                turn.call_failed(&mut self.set, health, Dependency::Ecs, SET, &failure);
                None
            }
        }
    }

    pub(super) fn absorb_look(
        &mut self,
        result: Result<ContainerInstanceView, Failure>,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) -> Option<ContainerInstanceView> {
        match result {
            Ok(view) => {
                self.look.succeeded();
                turn.good(health, Dependency::Ecs);
                if self.prior == Prior::Asking {
                    self.prior = Prior::Settled {
                        ours: view.status == ContainerInstanceStatus::Active,
                    };
                    return None;
                }
                self.observe(&view, None, turn);
                Some(view)
            }
            Err(failure) => {
                turn.call_failed(&mut self.look, health, Dependency::Ecs, LOOK, &failure);
                if self.prior == Prior::Asking {
                    // Not known: then it is not ours to put back. The drain does not wait for ever.
                    let denied = failure.kind == FailureKind::Denied;
                    if denied || self.look.failures() >= PRIOR_TRIES {
                        self.prior = Prior::Settled { ours: false };
                        self.look.cancel();
                    }
                } else if failure.kind == FailureKind::Denied {
                    self.describe_denied = true;
                    self.look.cancel();
                    self.set.ask(turn.now + std::time::Duration::from_secs(1));
                }
                None
            }
        }
    }

    fn observe(
        &mut self,
        view: &ContainerInstanceView,
        request_id: Option<String>,
        turn: &mut Turn<'_>,
    ) {
        match &view.status {
            ContainerInstanceStatus::Gone(_) => {
                if !std::mem::replace(&mut self.said_gone, true) {
                    turn.say(Note::ContainerInstanceGone(view.clone()));
                }
                self.draining_since.get_or_insert(turn.now);
            }
            ContainerInstanceStatus::Draining if self.draining_since.is_none() => {
                self.draining_since = Some(turn.now);
                turn.notes.push(Note::Draining {
                    view: view.clone(),
                    request_id,
                });
            }
            ContainerInstanceStatus::Draining => {}
            _ if self.draining_since.take().is_some() => {
                turn.say(Note::SetBack(view.clone()));
                // Whoever drained it before has taken that back: the next DRAINING is ours.
                if self.may_return && view.status == ContainerInstanceStatus::Active {
                    self.prior = Prior::Settled { ours: true };
                }
                self.set.ask(turn.now);
            }
            _ => {}
        }
    }

    pub(super) fn advance(
        &mut self,
        container_instance: Option<&ContainerInstance>,
        remembered: bool,
        turn: &mut Turn<'_>,
    ) {
        let Some(container_instance) = container_instance else {
            if !std::mem::replace(&mut self.said_awaiting, true) {
                turn.say(Note::AwaitingContainerInstance);
            }
            return;
        };
        self.known = true;
        if self.prior == Prior::NotAsked {
            self.prior = Prior::Asking;
            self.look.ask(turn.now);
        }
        if self.look.start(turn.now) {
            turn.act(Action::DescribeContainerInstance(
                container_instance.clone(),
            ));
        }
        if self.prior != Prior::Asking && remembered && self.set.start(turn.now) {
            turn.act(Action::SetDraining(container_instance.clone()));
        }
    }

    pub(super) fn wake(&self, wake: &mut Wake, policy: &Policy) {
        wake.consider(
            self.draining_since
                .map(|since| since + policy.ecs.placement_settle),
        );
        wake.consider(self.set.wake_at());
        wake.consider(self.look.wake_at());
    }
}
