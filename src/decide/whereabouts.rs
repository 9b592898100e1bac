//! Where does Auto Scaling say that the instance is? Metadata knows only where it is *taken*. Auto Scaling is
//! asked where that is not enough: a reason is not named any more, the target state is gone or unknown, or a
//! machine has just booted that remembers nothing, as one does whose root volume was replaced.

use std::time::Duration;

use crate::model::{Action, AutoScalingInstance, Failure, LifecycleState, Moment};
use crate::pace::{Pace, growing};
use crate::turn::Turn;

/// Two looks so far apart that agree are believed against what metadata says.
const CONFIRMED_FOR: Duration = Duration::from_secs(15);
const ASK_FIRST: Duration = Duration::from_secs(5);
const ASK_CAP: Duration = Duration::from_secs(60);

/// What a lifecycle state says of an instance, as far as it decides something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On its way into service, for the first time or with a new root volume.
    Arriving,
    /// In service.
    InService,
    /// In its group, or let go of it: not taken away.
    Living,
    /// Its root volume is about to be replaced.
    ReplacingRootVolume,
    /// About to be terminated.
    Terminating,
    /// Anywhere else, or nowhere.
    Elsewhere,
}

impl Place {
    fn of(state: &LifecycleState) -> Self {
        use LifecycleState as S;
        match state {
            S::Pending | S::PendingWait | S::PendingProceed | S::RootVolumeReplaced => {
                Self::Arriving
            }
            S::InService => Self::InService,
            S::EnteringStandby | S::Standby | S::Detaching | S::Detached => Self::Living,
            S::ReplacingRootVolume | S::ReplacingRootVolumeWait => Self::ReplacingRootVolume,
            S::Terminating | S::TerminatingWait => Self::Terminating,
            _ => Self::Elsewhere,
        }
    }

    fn is_alive(self) -> bool {
        matches!(self, Self::Arriving | Self::InService | Self::Living)
    }
}

/// Why Auto Scaling is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Whether a reason is gone that metadata no longer names, or still names: until that is known.
    IsItGone,
    /// What metadata does not say: a few times.
    WhatIsNotSaid,
}

impl Question {
    fn most(self) -> u32 {
        match self {
            Self::IsItGone => u32::MAX,
            Self::WhatIsNotSaid => 5,
        }
    }
}

/// What Auto Scaling has said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Whereabouts {
    pace: Pace,
    asked: u32,
    place: Option<Place>,
    /// When it was first and last asked, of looks that all call the instance alive.
    alive: Option<(Moment, Moment)>,
}

impl Whereabouts {
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            pace: Pace::at(now),
            ..Self::default()
        }
    }

    /// What was said last.
    pub(crate) fn place(&self) -> Option<Place> {
        self.place
    }

    /// The last look says that the instance is not taken away.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.is_some()
    }

    /// Auto Scaling has said twice, a while apart, that the instance is not taken away.
    pub(crate) fn is_surely_alive(&self) -> bool {
        self.alive
            .is_some_and(|(first, last)| last.since(first) >= CONFIRMED_FOR)
    }

    pub(crate) fn absorb(&mut self, found: Option<&AutoScalingInstance>, sent: Moment) {
        let state = found.and_then(|found| found.lifecycle_state.as_ref());
        let place = state.map_or(Place::Elsewhere, Place::of);
        self.place = Some(place);
        self.alive = place
            .is_alive()
            .then(|| (self.alive.map_or(sent, |(first, _)| first), sent));
    }

    pub(crate) fn failed(&mut self, failure: &Failure, turn: &mut Turn<'_>) {
        self.pace.failed(failure, turn);
    }

    /// Asks, if it is due.
    pub(crate) fn advance(&mut self, question: Question, turn: &mut Turn<'_>) {
        let flying = turn.is_flying(|action| matches!(action, Action::FindGroup { tags: false }));
        if self.asked < question.most() && !flying && self.pace.is_due(turn) {
            let delay = growing(ASK_FIRST, ASK_CAP, self.asked, turn.seed);
            self.asked = self.asked.saturating_add(1);
            self.pace.set(turn.now + delay);
            turn.send(Action::FindGroup { tags: false });
        }
    }
}
