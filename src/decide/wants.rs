//! Pure functions that derive what is wanted from what is believed, anew in every step.

use std::time::Duration;

use crate::model::{
    DrainReason, Instance, JoinTarget, Memory, Moment, ReasonKey, RememberedDrain,
    TargetLifecycleState, WallTime,
};

/// If the instance was launched longer ago than this and nothing is remembered, it has joined already. The
/// agent was installed later, or has lost its state.
pub(crate) const NEW_FOR: Duration = Duration::from_hours(1);

/// What the agent is for at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Metadata has not been read.
    Unknown,
    /// To drain, because of this.
    Drain(DrainReason),
    /// To join.
    Join(JoinTarget),
    /// To watch.
    Serve,
}

/// What the container instance should be in ECS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// `DRAINING`
    Draining,
    /// `ACTIVE`, because this agent has set it to DRAINING.
    Active,
    /// The agent does not change it.
    Leave,
}

/// The reason to drain that follows from the target lifecycle state, if there is one.
pub(crate) fn asked_by_auto_scaling(
    target: Option<&TargetLifecycleState>,
    was_in_service: bool,
) -> Option<DrainReason> {
    match target? {
        target @ (TargetLifecycleState::Terminated | TargetLifecycleState::WarmedTerminated) => {
            Some(DrainReason::Terminated(target.clone()))
        }
        target if target.is_warm() && was_in_service => Some(DrainReason::WarmPool(target.clone())),
        _ => None,
    }
}

/// Whether the reason of Auto Scaling is known to be gone. A missing target state does not prove it.
pub(crate) fn is_taken_back(
    remembered: &RememberedDrain,
    target: Option<&TargetLifecycleState>,
    instance: &Instance,
    confirmed: bool,
) -> bool {
    let started_since = match (remembered.pending_time, instance.pending_time) {
        (Some(then), Some(now)) => then != now,
        _ => false,
    };
    let back_from_the_pool = matches!(
        remembered.reason.of_auto_scaling(),
        Some(DrainReason::WarmPool(_))
    ) && target == Some(&TargetLifecycleState::InService);
    // The target state is the same, but it means no drain: a new instance was taken for an old one.
    let misread = match &remembered.reason {
        ReasonKey::Target(then) => target == Some(then),
        _ => false,
    };
    started_since || back_from_the_pool || confirmed || misread
}

/// Where Auto Scaling is taking the instance, if that is somewhere to join.
pub(crate) fn way_in(
    target: Option<&TargetLifecycleState>,
    under_way: Option<JoinTarget>,
    pooled: bool,
) -> Option<JoinTarget> {
    match target {
        // Nothing says that the instance leaves the warm pool.
        None | Some(TargetLifecycleState::Unknown(_)) if pooled => under_way,
        // The instance was joining when it went to Standby or was detached. Its join still has to be reported.
        Some(TargetLifecycleState::Standby | TargetLifecycleState::Detached) => under_way,
        // A missing or unknown target state does not contradict it.
        None | Some(TargetLifecycleState::InService | TargetLifecycleState::Unknown(_)) => {
            Some(JoinTarget::Service)
        }
        Some(target) if target.is_warm() => Some(JoinTarget::WarmPool),
        Some(_) => None,
    }
}

/// Whether nothing is remembered of an instance that was launched long ago: it has been in service.
pub(crate) fn is_old(
    memory: &Memory,
    instance: &Instance,
    now: Moment,
    wall_at_boot: WallTime,
    new_for: Duration,
) -> bool {
    memory.join.is_none()
        && instance
            .pending_time
            .is_some_and(|pending| now.since(pending.moment(wall_at_boot)) >= new_for)
}

/// Whether the instance is to be reported to have joined `into`.
pub(crate) fn joins(
    into: JoinTarget,
    memory: &Memory,
    instance: &Instance,
    now: Moment,
    wall_at_boot: WallTime,
    new_for: Duration,
) -> bool {
    match &memory.join {
        Some(join) => join.into != into || !join.over,
        None => instance.pending_time.is_some_and(|pending| {
            let pending = pending.moment(wall_at_boot);
            // A wall clock behind `pendingTime` is wrong. Then only a short uptime shows that it is new.
            let may_be = pending <= now || now.since(Moment::default()) < new_for;
            may_be && now.since(pending) < new_for
        }),
    }
}
