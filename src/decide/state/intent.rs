//! What the agent is for at present.

use super::State;
use crate::model::{DrainReason, Instance, Limits, TargetLifecycleState};
use crate::turn::Turn;
use crate::wants::{self, Intent};
use crate::whereabouts::{Place, Question};

impl State {
    /// What the agent is for at present.
    pub(super) fn find_intent(&self, turn: &mut Turn<'_>) -> Intent {
        let Some(instance) = &self.instance else {
            return Intent::Unknown;
        };
        if let Some(reason) = self.asked_by_auto_scaling(instance, turn) {
            return Intent::Drain(reason);
        }
        if !self.is_ready() {
            // A drain by hand needs no metadata, unless the instance has to join first.
            let settled = self
                .memory
                .join
                .map_or(self.is_old(instance, turn), |join| join.over);
            let by_hand = self.memory.by_hand.filter(|_| settled);
            return by_hand.map_or(Intent::Unknown, |_| Intent::Drain(DrainReason::ByHand));
        }
        if let Some(spot) = &self.metadata.spot {
            return Intent::Drain(DrainReason::Spot {
                action: spot.action.clone(),
            });
        }
        if self.leave_at.is_some() {
            return Intent::Drain(self.warning(turn).unwrap_or(DrainReason::Shutdown));
        }
        let under_way = self
            .memory
            .join
            .filter(|join| !join.over)
            .map(|join| join.into);
        let pooled = self
            .metadata
            .last_named
            .as_ref()
            .is_some_and(TargetLifecycleState::is_warm);
        let into = wants::way_in(self.believed_target(), under_way, pooled);
        let due = |into| {
            wants::joins(
                into,
                &self.memory,
                instance,
                turn.now,
                self.wall_at_boot(),
                self.new_for(turn),
            )
        };
        let arrives = self.whereabouts.place() == Some(Place::Arriving) && self.blank;
        if let Some(into) = into.filter(|into| turn.policy.ready.enabled && (arrives || due(*into)))
        {
            return Intent::Join(into);
        }
        self.warning(turn).map_or(Intent::Serve, Intent::Drain)
    }

    /// The reason to drain that comes from Auto Scaling, also if metadata does not name it any more.
    fn asked_by_auto_scaling(&self, instance: &Instance, turn: &Turn<'_>) -> Option<DrainReason> {
        let target = self.believed_target();
        let old = self.is_old(instance, turn);
        wants::asked_by_auto_scaling(target, self.memory.was_in_service || old)
            .or_else(|| {
                let remembered = self.memory.drain.as_ref()?;
                let reason = remembered.reason.of_auto_scaling()?;
                // Where metadata says so, too, one look is enough.
                let alive = self.whereabouts.is_surely_alive()
                    || target == Some(&TargetLifecycleState::InService)
                        && self.whereabouts.is_alive();
                let gone = wants::is_taken_back(remembered, target, instance, alive);
                (!gone).then_some(reason)
            })
            .or_else(|| match (self.whereabouts.place()?, target) {
                (Place::ReplacingRootVolume, _) => Some(DrainReason::RootVolume),
                (Place::Terminating, None | Some(TargetLifecycleState::Unknown(_))) => {
                    Some(DrainReason::Terminated(TargetLifecycleState::Terminated))
                }
                _ => None,
            })
    }

    /// Whether what metadata says may be of the time before the root volume was replaced: nobody has seen the
    /// target change, and the machine remembers nothing, or joins although it is said to be terminated.
    fn may_be_replaced(&self) -> bool {
        !self.metadata.target_changed && self.blank || self.joins_though_terminated()
    }

    /// Whether a join was under way when metadata first said `Terminated`.
    pub(super) fn joins_though_terminated(&self) -> bool {
        let terminated = self.metadata.target == Some(TargetLifecycleState::Terminated);
        let joining = self.memory.join.is_some_and(|join| !join.over);
        !self.metadata.target_changed && joining && terminated
    }

    /// The target state, unless Auto Scaling contradicts it: nobody has seen the target come.
    fn believed_target(&self) -> Option<&TargetLifecycleState> {
        self.target().filter(|_| !self.is_contradicted())
    }

    fn is_contradicted(&self) -> bool {
        // An instance in standby may be terminated from there: that is no contradiction.
        let place = self.whereabouts.place();
        self.metadata.target == Some(TargetLifecycleState::Terminated)
            && !self.metadata.target_changed
            && matches!(place, Some(Place::Arriving | Place::InService))
            && self.whereabouts.is_surely_alive()
    }

    /// What Auto Scaling has to be asked, as metadata does not say it.
    pub(super) fn question(&self) -> Option<Question> {
        if !self.is_ready() {
            return None;
        }
        let target = self.believed_target();
        let named = wants::asked_by_auto_scaling(target, self.memory.was_in_service).is_some();
        let held = matches!(&self.intent, Intent::Drain(reason) if reason.has_lifecycle_action());
        let spoke = self.metadata.last_named.is_some() || self.memory.was_in_service;
        let strange = match &self.metadata.target {
            None => spoke,
            Some(target) => matches!(target, TargetLifecycleState::Unknown(_)),
        };
        let unsettled = match self.whereabouts.place() {
            None => true,
            Some(Place::Arriving) => named,
            Some(_) => false,
        };
        if held && !named || self.is_contradicted() {
            Some(Question::IsItGone)
        } else if strange || unsettled && self.may_be_replaced() {
            Some(Question::WhatIsNotSaid)
        } else {
            None
        }
    }

    /// A reason to drain that does not terminate the instance, or not yet.
    fn warning(&self, turn: &mut Turn<'_>) -> Option<DrainReason> {
        if let Some(event) = self.metadata.imminent(turn) {
            Some(DrainReason::Maintenance {
                code: event.code.clone(),
                not_before: event.not_before.clone(),
            })
        } else if self.metadata.rebalance.is_some() {
            Some(DrainReason::Rebalance)
        } else {
            self.memory.by_hand.map(|_| DrainReason::ByHand)
        }
    }

    pub(super) fn limits(&self, turn: &mut Turn<'_>) -> Limits {
        Limits {
            spot: self.metadata.spot.as_ref().map(|spot| spot.at),
            maintenance: self.metadata.imminent(turn).map(|event| event.at),
            by_hand: self.memory.by_hand.and_then(|asked| asked.timeout),
            wall_at_boot: self.wall_at_boot(),
        }
    }
}
