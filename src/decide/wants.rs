//! What is wanted, derived afresh in every step from what is believed. Pure, and small.

use std::time::Duration;

use crate::model::{
    DrainReason, Instance, JoinTarget, Memory, Moment, ReasonKey, RememberedDrain,
    TargetLifecycleState, WallTime,
};

/// An instance that was launched longer ago than this, of which nothing is remembered, has joined long
/// since: the agent is new there, or has lost its state.
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
    /// `ACTIVE`, as it was this agent that had set it to DRAINING.
    Active,
    /// Nobody's business.
    Leave,
}

/// Why the instance should be drained because of Auto Scaling, by what metadata says now.
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

/// Whether the reason that Auto Scaling once had is known to be gone. Silence is no such knowledge.
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
    // Metadata still says the same, and it means something else: an instance that was taken for an old one.
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
        // Nobody has said that it leaves the pool.
        None | Some(TargetLifecycleState::Unknown(_)) if pooled => under_way,
        // What is let in first, and then leaves its group for a while, has still to be told of.
        Some(TargetLifecycleState::Standby | TargetLifecycleState::Detached) => under_way,
        // Silence and nonsense are no word against it.
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
            // A wall clock that is behind `pendingTime` is wrong: then what has been up for long is not new.
            let may_be = pending <= now || now.since(Moment::default()) < new_for;
            may_be && now.since(pending) < new_for
        }),
    }
}
