//! One lifecycle action, of either transition: found, held up by heartbeats, completed.
//!
//! *search*: which hook is ours? *heartbeat*: is it kept waiting? *completion*: is it told how it went?
//! *stage*: what does a lifecycle state mean for it? Launching and terminating differ in no other way.

mod completion;
mod heartbeat;
mod search;
mod stage;

pub use completion::Completion;
pub use heartbeat::Heartbeat;
pub use search::{
    Found, MANAGED_DRAINING_HOOK, Search, choose, foreign_target, heartbeat_interval,
};
pub use stage::{Stage, stage};

use std::time::Duration;

use crate::ledger::Flight;
use crate::model::{
    Accepted, Action, Answer, FailureKind, HookRef, LifecycleActionResult, LifecycleTransition,
    Moment, Nothing, TargetLifecycleState,
};
use crate::turn::Turn;

/// The hooks are read again no more often than this while requests are refused.
const DOUBT_EVERY: Duration = Duration::from_secs(15);

/// What to do with a lifecycle action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Keep it waiting.
    NotYet,
    /// Complete it with this result.
    Send(LifecycleActionResult),
    /// Never complete it.
    Never(Nothing),
}

/// A lifecycle action that is, or may be, ours to complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    transition: LifecycleTransition,
    /// Answers to earlier requests are ignored: they can be about an earlier action of the same hook.
    began: Moment,
    /// When a request was last refused in such a way that the hook may be gone.
    doubted_at: Option<Moment>,
    /// Finds the hook.
    pub search: Search,
    /// Sends its heartbeats.
    pub heartbeat: Heartbeat,
    /// Completes it.
    pub completion: Completion,
}

impl Hold {
    /// `since`: when the action began at the earliest, if that is known.
    pub(crate) fn new(transition: LifecycleTransition, since: Option<Moment>, now: Moment) -> Self {
        Self {
            transition,
            began: now,
            doubted_at: None,
            search: Search::new(transition, now),
            heartbeat: Heartbeat::new(since),
            completion: Completion::new(transition, now),
        }
    }

    /// Takes up the hook that an earlier process has found.
    pub(crate) fn adopt(
        &mut self,
        remembered: Option<&(LifecycleTransition, HookRef)>,
        turn: &Turn<'_>,
    ) {
        if let Some((_, hook)) = remembered.filter(|(of, _)| *of == self.transition) {
            self.search.adopt(hook, turn);
        }
    }

    /// The hook that a restart has to keep waiting.
    pub(crate) fn remembered(&self) -> Option<(LifecycleTransition, HookRef)> {
        let hook = self.hook().filter(|_| !self.is_closed());
        hook.map(|hook| (self.transition, hook.clone()))
    }

    /// The hook that is ours, once found.
    pub fn hook(&self) -> Option<&HookRef> {
        self.search.found().map(|found| &found.hook)
    }

    /// Whether nothing is left to be completed.
    pub fn is_closed(&self) -> bool {
        self.completion.is_closed()
    }

    /// Takes in an answer to one of its requests.
    pub(crate) fn absorb(
        &mut self,
        answer: Answer,
        flight: &Flight,
        target: Option<&TargetLifecycleState>,
        turn: &mut Turn<'_>,
    ) {
        match (answer, &flight.action) {
            (Answer::Hooks(result), Action::DescribeLifecycleHooks { transition, .. })
                if *transition == self.transition =>
            {
                let before = self.hook().cloned();
                self.search.absorb_hooks(result, &flight.action, turn);
                if before.is_some() && self.hook() != before.as_ref() {
                    self.start_over(turn.now);
                }
            }
            (Answer::Group(result), Action::FindGroup { tags }) => {
                let hook = self.hook().cloned();
                let moved = match (&result, tags) {
                    (Ok(Some(found)), false) => self.search.is_in(&found.group, turn),
                    _ => false,
                };
                if self.search.wants_group(*tags) {
                    self.search.absorb_group(result.clone(), turn);
                } else if let (Err(failure), false) = (&result, tags)
                    && self.search.wants_proof()
                    && !self.completion.is_looking()
                {
                    self.search.doubt_again(failure, turn);
                }
                if !tags {
                    let doubted = self.search.is_doubted();
                    self.completion
                        .absorb_look(result, hook, flight, target, doubted, turn);
                    if self.completion.doubts_the_hook() {
                        self.search.ask_again(turn.now);
                    }
                }
                if moved {
                    self.start_over(turn.now);
                }
            }
            (Answer::Heartbeat(result), Action::Heartbeat(hook)) if self.is_ours(hook, flight) => {
                self.doubt_if_refused(&result, turn);
                match self.heartbeat.absorb(result, hook, flight.sent, turn) {
                    Some(true) => {
                        // The wait has begun, so a completion that was too early is accepted from now on.
                        self.completion.hurry(turn.now);
                        self.search.trust();
                    }
                    Some(false) => self.search.doubt(turn.now),
                    None => {}
                }
            }
            (Answer::Completed(result), Action::Complete { hook, result: told })
                if self.is_ours(hook, flight) =>
            {
                self.doubt_if_refused(&result, turn);
                self.completion.absorb(result, hook, *told, turn);
            }
            _ => {}
        }
    }

    /// Auto Scaling may not know the hook any more.
    fn doubt_if_refused(&mut self, result: &Told, turn: &Turn<'_>) {
        let refused = matches!(result, Err(failure) if failure.kind == FailureKind::Refused);
        let late = |at| turn.now.since(at) >= DOUBT_EVERY;
        if refused && self.doubted_at.is_none_or(late) {
            self.doubted_at = Some(turn.now);
            self.search.ask_again(turn.now);
        }
    }

    /// The hook has changed, and the heartbeats of the new one are unknown.
    fn start_over(&mut self, now: Moment) {
        self.heartbeat = Heartbeat::new(None);
        self.completion.start_over(now);
    }

    fn is_ours(&self, hook: &HookRef, flight: &Flight) -> bool {
        self.hook() == Some(hook) && flight.sent >= self.began
    }

    /// Starts what is due. `since`: when the action began, as far as known; `holding`: whether heartbeats may
    /// be sent now.
    pub(crate) fn advance(
        &mut self,
        since: Moment,
        holding: bool,
        verdict: Verdict,
        turn: &mut Turn<'_>,
    ) {
        if self.completion.is_closed() {
            return;
        }
        if let Verdict::Never(why) = verdict {
            return self.completion.nothing(why, turn);
        }
        self.search.advance(turn);
        if self.search.found().is_none() && !self.search.is_open() {
            if let Verdict::Send(_) = verdict
                && self.search.confirms_nothing(turn.now)
            {
                self.completion.nothing(Nothing::NoHook, turn);
            }
            return;
        }
        let Some(found) = self.search.found().cloned() else {
            return;
        };
        if holding && !self.completion.is_denied() {
            self.heartbeat.advance(&found, turn);
        }
        self.completion.began_at(since);
        self.completion.look(turn);
        let end = found.global_timeout.map(|timeout| since + timeout);
        let limit = (!self.heartbeat.has_lapsed(turn.now)).then(|| self.heartbeat.limit(turn.now));
        self.completion.hurry_before(limit, end, turn);
        if let Verdict::Send(result) = verdict {
            self.completion.advance(&found.hook, result, turn);
        }
    }
}

/// An answer without content.
pub(crate) type Told = Result<Accepted, crate::model::Failure>;
