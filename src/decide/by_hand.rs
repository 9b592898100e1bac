//! What a person on the machine may ask for: a drain, and to take it back.

use crate::model::DrainReason;
use crate::state::{Phase, State};

/// Why a person is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandRefusal {
    /// Instance metadata has not been read, so it is not known what there is to drain.
    NotStarted,
    /// The instance has not joined its cluster yet.
    Joining,
    /// The drain has a reason that no person on the machine has given. A drain by hand is taken back.
    OtherReason(DrainReason),
    /// There is no drain by hand.
    NoDrain,
}

impl State {
    /// Why this instance cannot be drained by hand now; `None` where it can.
    pub fn refuses_drain(&self) -> Option<HandRefusal> {
        match self.phase() {
            Phase::Starting => Some(HandRefusal::NotStarted),
            Phase::Joining(_) => Some(HandRefusal::Joining),
            Phase::Watching
            | Phase::Draining(_)
            | Phase::Completing(_)
            | Phase::Done(_)
            | Phase::Returning => None,
        }
    }

    /// Why there is nothing to take back now; `None` where there is.
    pub fn refuses_undrain(&self) -> Option<HandRefusal> {
        match self.phase() {
            Phase::Starting => Some(HandRefusal::NotStarted),
            _ if self.memory().by_hand.is_some() => None,
            _ => Some(self.other_reason().unwrap_or(HandRefusal::NoDrain)),
        }
    }

    /// Why the instance is drained, if not by hand.
    pub fn other_reason(&self) -> Option<HandRefusal> {
        let reason = self.drain.as_ref().map(|drain| &drain.reason);
        let other = reason.filter(|reason| **reason != DrainReason::ByHand);
        other.cloned().map(HandRefusal::OtherReason)
    }
}
