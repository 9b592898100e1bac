//! What instance metadata says: where Auto Scaling is taking the instance, and the notices of EC2.

use std::time::Duration;

use crate::model::{
    Action, Failure, MaintenanceEvent, MetadataReading, Moment, Note, RebalanceRecommendation,
    SpotInstanceAction, TargetLifecycleState,
};
use crate::pace::Pace;
use crate::turn::Turn;

/// A target state counts as seen to change if the reading before it is at most this much late.
const FLIP_SLACK: Duration = Duration::from_secs(2);

/// How seldom EC2's notices are read. They come two minutes ahead, and each path costs a request.
const NOTICES_EVERY: Duration = Duration::from_secs(2);
/// The same of an On-Demand Instance: only scheduled maintenance concerns it, which is announced long before.
const ON_DEMAND_EVERY: Duration = Duration::from_secs(30);

/// What metadata has said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Metadata {
    read: Pace,
    sent: Moment,
    /// When the last reading was sent that includes the notices.
    notices_sent: Option<Moment>,
    /// Whether it has been read at least once.
    pub(crate) is_ready: bool,
    /// The target lifecycle state as last read; `None` for 404.
    pub(crate) target: Option<TargetLifecycleState>,
    /// When the last reading was sent that named a target state.
    named_at: Option<Moment>,
    /// The last target state that metadata has named.
    pub(crate) last_named: Option<TargetLifecycleState>,
    /// The present target came after this reading, a moment ago; `None` if nobody has seen it come.
    pub(crate) came_after: Option<Moment>,
    /// Whether metadata has named more than one to this process.
    pub(crate) target_changed: bool,
    pub(crate) spot: Option<SpotInstanceAction>,
    pub(crate) rebalance: Option<RebalanceRecommendation>,
    maintenance: Option<MaintenanceEvent>,
}

impl Metadata {
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            sent: now,
            ..Self::default()
        }
    }

    /// The machine is known, so its metadata can be watched.
    pub(crate) fn ask(&mut self, now: Moment) {
        self.read.ask(now);
    }

    /// The scheduled event, once it has begun to matter.
    pub(crate) fn imminent(&self, turn: &mut Turn<'_>) -> Option<&MaintenanceEvent> {
        let event = self.maintenance.as_ref()?;
        let before = turn.policy.drain.on_maintenance?;
        turn.reached(event.at.moment(turn.wall_at_boot) - before)
            .then_some(event)
    }

    pub(crate) fn absorb(&mut self, reading: MetadataReading, turn: &mut Turn<'_>) {
        let every = turn.policy.metadata.poll_interval;
        self.read.set((self.sent + every).max(turn.now));
        let mut failure = None;
        let mut keep = |bad: Failure| {
            failure.get_or_insert(bad);
        };
        match reading.target_lifecycle_state {
            Ok(target) => {
                self.is_ready = true;
                self.absorb_target(target, turn);
            }
            Err(bad) => keep(bad),
        }
        if let Some(notices) = reading.notices {
            match notices.spot_instance_action {
                Ok(spot) => {
                    self.is_ready |= spot.is_some();
                    self.spot = spot;
                }
                Err(bad) => keep(bad),
            }
            match notices.rebalance {
                Ok(rebalance) => self.rebalance = rebalance,
                Err(bad) => keep(bad),
            }
            match notices.maintenance {
                Ok(maintenance) => self.maintenance = maintenance,
                Err(bad) => keep(bad),
            }
        }
        match failure {
            Some(bad) => {
                turn.bad(&bad, Duration::ZERO);
                // Only a complete reading shows that all paths answer again.
                self.notices_sent = None;
            }
            None => turn.good(),
        }
    }

    fn absorb_target(&mut self, target: Option<TargetLifecycleState>, turn: &mut Turn<'_>) {
        let known = target
            .as_ref()
            .is_some_and(|target| !matches!(target, TargetLifecycleState::Unknown(_)));
        if known {
            if target != self.target {
                let fresh = turn.policy.metadata.poll_interval * 2 + FLIP_SLACK;
                let named_lately = |at: &Moment| self.sent.since(*at) <= fresh;
                self.came_after = self.named_at.filter(named_lately);
            }
            self.named_at = Some(self.sent);
            self.target_changed |= self.last_named.is_some() && self.last_named != target;
            self.last_named.clone_from(&target);
        }
        if target != self.target {
            turn.say(Note::TargetLifecycleState {
                from: self.target.clone(),
                to: target.clone(),
            });
            if let Some(TargetLifecycleState::Unknown(text)) = &target {
                turn.say(Note::UnknownTarget(text.clone()));
            }
            self.target = target;
        }
    }

    pub(crate) fn advance(&mut self, on_demand: bool, turn: &mut Turn<'_>) {
        let flying = turn.is_flying(|action| matches!(action, Action::ReadMetadata { .. }));
        if !flying && self.read.is_due(turn) {
            self.read.sent();
            self.sent = turn.now;
            let every = if on_demand {
                ON_DEMAND_EVERY
            } else {
                NOTICES_EVERY
            };
            let late = |sent| turn.now.since(sent) >= every;
            let notices = self.notices_sent.is_none_or(late);
            if notices {
                self.notices_sent = Some(turn.now);
            }
            turn.send(Action::ReadMetadata { notices });
        }
    }
}
