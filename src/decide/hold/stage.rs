//! What does a lifecycle state mean for a lifecycle action?

use crate::model::{LifecycleState, LifecycleTransition, TargetLifecycleState};

/// Where an instance is on the way through a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its wait has not begun, or nobody can tell: everything that is not listed as something else.
    Before,
    /// It waits for its hooks.
    Waiting,
    /// It has left the wait behind.
    Over,
}

/// A function of the transition, of where metadata says the instance is taken, and of where Auto Scaling says
/// it is. The target runs ahead of the state: `Warmed:Running` is behind an instance that leaves the pool, and
/// ahead of one that is sent there.
pub fn stage(
    transition: LifecycleTransition,
    target: Option<&TargetLifecycleState>,
    state: &LifecycleState,
) -> Stage {
    use LifecycleState as S;
    let to_the_pool = target.is_some_and(TargetLifecycleState::is_warm);
    match (transition, state) {
        (
            LifecycleTransition::Terminating,
            S::TerminatingWait
            | S::WarmedTerminatingWait
            | S::WarmedPendingWait
            | S::ReplacingRootVolumeWait,
        )
        | (LifecycleTransition::Launching, S::PendingWait) => Stage::Waiting,
        (LifecycleTransition::Launching, S::WarmedPendingWait) if to_the_pool => Stage::Waiting,
        (
            LifecycleTransition::Terminating,
            S::TerminatingProceed
            | S::TerminatingRetained
            | S::Terminated
            | S::WarmedTerminatingProceed
            | S::WarmedTerminatingRetained
            | S::WarmedTerminated
            | S::WarmedPendingProceed
            | S::WarmedPendingRetained
            | S::ReplacingRootVolumeProceed
            | S::RootVolumeReplaced,
        ) => Stage::Over,
        (
            LifecycleTransition::Launching,
            S::PendingProceed
            | S::InService
            | S::EnteringStandby
            | S::Standby
            | S::Detaching
            | S::Detached
            | S::Terminating
            | S::TerminatingWait
            | S::TerminatingProceed
            | S::TerminatingRetained
            | S::Terminated,
        ) => Stage::Over,
        (LifecycleTransition::Launching, S::WarmedPendingProceed) if to_the_pool => Stage::Over,
        (_, S::WarmedRunning | S::WarmedStopped | S::WarmedHibernated)
            if target.is_some_and(|target| target.as_str() == state.as_str()) =>
        {
            Stage::Over
        }
        _ => Stage::Before,
    }
}
