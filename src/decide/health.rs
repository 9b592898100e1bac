//! The condition of what the agent depends on: what to say of a failure, and how often.
//!
//! A dependency that is away is a reported condition, never an exit and never a guess.

use std::time::Duration;

use crate::model::{Dependency, Failure, FailureKind, IamAction, Moment, Note, Operation};

/// A failing dependency is spoken of again after this long.
const REMIND_EVERY: Duration = Duration::from_secs(60);
/// A denied call that the agent needs is tried again within this time.
const TRIED_AGAIN: Duration = Duration::from_secs(90);

/// What is failing now, and what has been said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    failing: Vec<Condition>,
    /// The last failure of each dependency that has recovered since.
    recovered: Vec<Recovered>,
    denied: Vec<(Dependency, Option<IamAction>)>,
}

/// A dependency that has failed before, and answers again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Which.
    pub dependency: Dependency,
    /// Its last failure.
    pub last: Failure,
    /// When that was.
    pub failed_at: Moment,
}

/// One failing dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Which.
    pub dependency: Dependency,
    /// Since when.
    pub since: Moment,
    /// The last failure.
    pub last: Failure,
    /// When that was.
    pub failed_at: Moment,
    /// The call that was denied, if the last failure is that.
    denied: Option<&'static str>,
    said_at: Option<Moment>,
}

impl Health {
    /// Everything that is failing now.
    pub fn failing(&self) -> &[Condition] {
        &self.failing
    }

    /// The last failure of everything that has failed before, and does not now.
    pub fn recovered(&self) -> &[Recovered] {
        &self.recovered
    }

    /// Records a good answer to a call. It says nothing of another call that is denied, as long as that is tried
    /// again.
    pub(crate) fn good(&mut self, call: Operation, now: Moment, notes: &mut Vec<Note>) {
        let Operation { dependency, name } = call;
        let recovers = |known: &Condition| {
            let denied = known.denied.is_some_and(|denied| denied != name);
            known.dependency == dependency && !(denied && now.since(known.failed_at) < TRIED_AGAIN)
        };
        let Some(at) = self.failing.iter().position(recovers) else {
            return;
        };
        let condition = self.failing.swap_remove(at);
        self.recovered
            .retain(|known| known.dependency != dependency);
        self.recovered.push(Recovered {
            dependency,
            last: condition.last,
            failed_at: condition.failed_at,
        });
        if condition.said_at.is_some() {
            notes.push(Note::Recovered {
                dependency,
                after: now.since(condition.since),
            });
        }
    }

    /// Records a failed poll: said the first time, then once a minute. `quiet_for` is how long it may
    /// fail before it is worth a word.
    pub(crate) fn bad(
        &mut self,
        dependency: Dependency,
        failure: &Failure,
        now: Moment,
        quiet_for: Duration,
        notes: &mut Vec<Note>,
    ) {
        let condition = self.touch(dependency, failure, now);
        let for_ = now.since(condition.since);
        let due = condition
            .said_at
            .is_none_or(|said| now.since(said) >= REMIND_EVERY);
        if for_ >= quiet_for && due {
            condition.said_at = Some(now);
            notes.push(Note::Failing {
                dependency,
                failure: failure.clone(),
                for_,
            });
        }
    }

    /// Records a failed call that is tried again in `retry_in`. A missing permission is said once.
    pub(crate) fn call_failed(
        &mut self,
        operation: Operation,
        failure: &Failure,
        now: Moment,
        retry_in: Duration,
        notes: &mut Vec<Note>,
    ) {
        let what = operation.name;
        let condition = self.touch(operation.dependency, failure, now);
        condition.said_at = Some(now);
        condition.denied = (failure.kind == FailureKind::Denied).then_some(what);
        if failure.kind != FailureKind::Denied {
            notes.push(Note::CallFailed {
                what,
                failure: failure.clone(),
                retry_in,
            });
            return;
        }
        // Some effects are several calls: the failure says which of them it was.
        let denied = (operation.dependency, failure.action);
        if !self.denied.contains(&denied) {
            self.denied.push(denied);
            notes.push(Note::Denied {
                dependency: operation.dependency,
                action: failure.action.map_or(what, IamAction::as_str),
                failure: failure.clone(),
            });
        }
    }

    fn touch(&mut self, dependency: Dependency, failure: &Failure, now: Moment) -> &mut Condition {
        let at = self
            .failing
            .iter()
            .position(|c| c.dependency == dependency)
            .unwrap_or_else(|| {
                self.failing.push(Condition {
                    dependency,
                    since: now,
                    last: failure.clone(),
                    failed_at: now,
                    denied: None,
                    said_at: None,
                });
                self.failing.len() - 1
            });
        #[expect(
            clippy::indexing_slicing,
            reason = "the position was just found or pushed"
        )]
        let condition = &mut self.failing[at];
        condition.last = failure.clone();
        condition.failed_at = now;
        condition
    }
}
