//! Maps a lifecycle state to the stage of a lifecycle action.

use crate::model::{LifecycleState, LifecycleTransition, TargetLifecycleState as T};

/// The stage of a lifecycle action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The wait has not begun, or it is unknown. This is every state that is not listed below.
    Before,
    /// It waits for its hooks.
    Waiting,
    /// The wait is over.
    Over,
}

/// The stage depends on the transition, the target lifecycle state and the current one. The target is ahead of
/// the current state: an instance that leaves the warm pool comes from `Warmed:Running`, and one that is sent
/// there has not reached it yet.
pub fn stage(transition: LifecycleTransition, target: Option<&T>, state: &LifecycleState) -> Stage {
    use LifecycleState as S;
    let to_the_pool = target.is_some_and(T::is_warm);
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
        (_, S::WarmedRunning) if target == Some(&T::WarmedRunning) => Stage::Over,
        (_, S::WarmedStopped) if target == Some(&T::WarmedStopped) => Stage::Over,
        (_, S::WarmedHibernated) if target == Some(&T::WarmedHibernated) => Stage::Over,
        _ => Stage::Before,
    }
}
