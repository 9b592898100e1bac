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
    /// The drain has a reason that no person on the machine has given.
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
            // Even if a person asked for a drain before: the instance has to go for another reason now.
            Phase::Draining(drain) | Phase::Completing(drain) | Phase::Done(drain)
                if drain.reason != DrainReason::ByHand =>
            {
                Some(HandRefusal::OtherReason(drain.reason.clone()))
            }
            _ if self.memory().by_hand.is_some() => None,
            _ => Some(HandRefusal::NoDrain),
        }
    }
}
