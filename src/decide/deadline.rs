//! Until when a drain may take, by its reason.

use std::time::Duration;

use crate::Policy;
use crate::model::{Deadline, DeadlineSource, DrainReason, Limits, Moment};

/// A drain for maintenance that is due already is granted this long: EC2 may be late.
const MAINTENANCE_GRACE: Duration = Duration::from_secs(120);
/// A drain for maintenance takes no longer than this, whatever EC2 has put it off to.
const MAINTENANCE_CAP: Duration = Duration::from_hours(168);

impl Limits {
    pub(crate) fn deadlines(&self, started_at: Moment) -> impl Iterator<Item = Deadline> + use<> {
        let at_boot = self.wall_at_boot;
        let spot = self.spot.map(|at| Deadline {
            at: at.moment(at_boot),
            source: DeadlineSource::SpotInterruption,
        });
        let maintenance = self.maintenance.map(|at| {
            let at = at.moment(at_boot);
            let passed = at <= started_at;
            let source = DeadlineSource::Maintenance;
            let at = if passed {
                started_at + MAINTENANCE_GRACE
            } else {
                at
            };
            Deadline { at, source }
        });
        spot.into_iter().chain(maintenance)
    }
}

impl DrainReason {
    /// The deadline that the policy has for this reason.
    pub(crate) fn deadline(
        &self,
        started_at: Moment,
        limits: &Limits,
        policy: &Policy,
    ) -> Deadline {
        let (within, source) = match self {
            Self::Rebalance => (policy.drain.on_rebalance, DeadlineSource::OnRebalance),
            Self::ByHand => (limits.by_hand, DeadlineSource::ByHand),
            // Maintenance has a limit of its own, and no other.
            Self::Maintenance { .. } => {
                return Deadline {
                    at: started_at + MAINTENANCE_CAP,
                    source: DeadlineSource::Maintenance,
                };
            }
            Self::Terminated(_)
            | Self::WarmPool(_)
            | Self::RootVolume
            | Self::Spot { .. }
            | Self::Shutdown => (None, DeadlineSource::DrainTimeout),
        };
        Deadline {
            at: started_at + within.unwrap_or(policy.drain.timeout),
            source: within.map_or(DeadlineSource::DrainTimeout, |_| source),
        }
    }
}
