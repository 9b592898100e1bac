//! What can be done to a story.

use std::fmt;

use crate::story::Footprint;

/// The parts of the world, one bit each.
pub(super) mod part {
    pub(in super::super) const METADATA: u32 = 1;
    pub(in super::super) const LOCAL: u32 = 1 << 1;
    pub(in super::super) const TASKS: u32 = 1 << 2;
    pub(in super::super) const PLACEMENT: u32 = 1 << 3;
    pub(in super::super) const GROUP: u32 = 1 << 4;
    pub(in super::super) const STACK: u32 = 1 << 5;
    pub(in super::super) const DISK: u32 = 1 << 6;
    pub(in super::super) const PROCESS: u32 = 1 << 7;
    pub(in super::super) const CLOCK: u32 = 1 << 8;
    pub(in super::super) const EXECUTABLES: u32 = 1 << 9;
    /// Whether a request to ECS, to Auto Scaling, to anybody at AWS works.
    pub(in super::super) const ECS_API: u32 = 1 << 10;
    pub(in super::super) const GROUP_API: u32 = 1 << 11;
    pub(in super::super) const ANY_API: u32 = 1 << 12;
    pub(in super::super) const ANY_CHANGE: u32 = 1 << 13;
}
use part::{
    ANY_API, ANY_CHANGE, CLOCK, DISK, ECS_API, EXECUTABLES, GROUP, GROUP_API, LOCAL, METADATA,
    PLACEMENT, PROCESS, STACK, TASKS,
};

/// One disturbance. Each of them is something that AWS, the machine or a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Move {
    /// ECS places a task, if it can: on an ACTIVE registration, or decided just before it was DRAINING.
    PlaceTask,
    /// A person sets the registration ACTIVE; ECS then places a task.
    PersonActive,
    /// A person sets it DRAINING, in the console.
    PersonDraining,
    /// The ECS agent loses its data and registers anew; what ran runs on, unknown to it.
    Reregister,
    /// Introspection refuses connections for 12 s.
    IntrospectionAway,
    /// Introspection lists nothing for 10 s, while containers run.
    Forgetful,
    /// A person deregisters the container instance.
    Deregister,
    /// kill -9; systemd starts it again after 2 s. What was under way arrives.
    Kill,
    /// kill -9; started again after 50 s. What was under way is lost.
    KillLong,
    /// SIGTERM, and started again: an upgrade.
    Restart,
    /// The machine reboots.
    Reboot,
    /// The state file is gone.
    StateLost,
    /// The reply to the next request to AWS is lost, after it has worked.
    LostReply,
    /// The next change at AWS is throttled.
    Throttled,
    /// The next request about a container instance or tasks: MISSING, or left out.
    Missing,
    /// `DescribeContainerInstances` answers for 6 s as it was before the last change.
    StaleDescribe,
    /// The target state is 404 for 12 s.
    Target404,
    /// A Spot interruption, 30 s ahead; then EC2 does it.
    Spot,
    /// `drain`
    DrainByHand,
    /// `undrain`
    UndrainByHand,
    /// Somebody replaces the group's terminating hook by another.
    HookReplaced,
    /// The clock is set three hours forward.
    ClockForward,
    /// The clock is set three hours back.
    ClockBack,
    /// The ECS API answers 500 for 9 s.
    EcsTrouble,
    /// Auto Scaling throttles for 15 s.
    GroupThrottled,

    // The others.
    /// Auto Scaling takes the instance.
    ScaleIn,
    /// Auto Scaling returns the instance to the warm pool.
    ToPool,
    /// Auto Scaling takes the instance out of the warm pool.
    OutOfPool,
    /// kill -9; systemd starts it again after 2 s. What was under way is lost.
    KillLosing,
    /// kill -9; started again after 20 s.
    KillMiddle,
    /// AWS answers 4 s late for 10 s.
    SlowReplies,
    /// Requests to AWS arrive 3 s late for 8 s.
    SlowRequests,
    /// The target state is garbage for 12 s.
    TargetGarbage,
    /// A rebalance recommendation, which goes after 25 s.
    Rebalance,
    /// Scheduled maintenance in 60 s, cancelled after 25 s.
    Maintenance,
    /// Auto Scaling puts it on standby, and back into service after 20 s.
    Standby,
    /// It is detached from its group.
    Detach,
    /// The next executables hang until their time is over.
    ExecutableHangs,
    /// The next executables fail.
    ExecutableFails,
    /// The tag in metadata names a former group, for good.
    StaleTag,
    /// The tag in metadata names a group that was deleted, for good.
    GroupGone,
    /// kill -9 in mid-step: of the next two requests or more that are sent at once, the first leaves.
    KillAfterFirst,
    /// kill -9 in mid-step: of the next two requests or more that are sent at once, the last does not leave.
    KillBeforeLast,
    /// An instance refresh replaces the root volume: the terminating hook, a reboot without state, the launching hook.
    ReplaceRoot,
    /// `CompleteLifecycleAction` is denied, for good.
    DenyComplete,
    /// `RecordLifecycleActionHeartbeat` is denied, for good.
    DenyHeartbeat,
    /// `DescribeContainerInstances` is denied, for good.
    DenyDescribe,
    /// Somebody deletes the group's hooks.
    HookDeleted,
    /// Writes to the disk fail for 10 s.
    DiskFails,
    /// Writes to the disk take a second, for 10 s.
    DiskSlow,
    /// `drain --timeout 4s`
    DrainByHandShort,
    /// Instance metadata does not answer for 12 s.
    MetadataAway,
    /// ECS throttles for 15 s.
    EcsThrottled,
    /// Auto Scaling throttles for 24 s.
    GroupThrottledLong,
    /// Somebody runs a standalone task here.
    RunTask,
    /// Another process answers in the ECS agent's place for 8 s, with the ARN of another instance.
    Impostor,
    /// All of AWS is out of reach for 10 s: no answer, nothing works.
    NoNetwork,
    /// Auto Scaling terminates the instance out of the warm pool; where it is stopped, it is started first.
    TerminatePooled,
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

use Move::*;

pub(super) const NAMED: [Move; 25] = [
    PlaceTask,
    PersonActive,
    PersonDraining,
    Reregister,
    IntrospectionAway,
    Forgetful,
    Deregister,
    Kill,
    KillLong,
    Restart,
    Reboot,
    StateLost,
    LostReply,
    ScaleIn,
    Missing,
    StaleDescribe,
    Target404,
    Spot,
    DrainByHandShort,
    UndrainByHand,
    HookReplaced,
    ClockForward,
    ClockBack,
    EcsTrouble,
    GroupThrottled,
];

pub(super) const OTHERS: [Move; 33] = [
    Throttled,
    DrainByHand,
    KillAfterFirst,
    KillBeforeLast,
    GroupGone,
    ReplaceRoot,
    ToPool,
    OutOfPool,
    KillLosing,
    KillMiddle,
    SlowReplies,
    SlowRequests,
    TargetGarbage,
    Rebalance,
    Maintenance,
    Standby,
    Detach,
    ExecutableHangs,
    ExecutableFails,
    StaleTag,
    DenyComplete,
    DenyHeartbeat,
    DenyDescribe,
    HookDeleted,
    DiskFails,
    DiskSlow,
    MetadataAway,
    EcsThrottled,
    GroupThrottledLong,
    RunTask,
    Impostor,
    NoNetwork,
    TerminatePooled,
];

pub(super) fn footprint(kind: Move) -> Footprint {
    let writes = match kind {
        PlaceTask | RunTask => TASKS,
        PersonActive | PersonDraining => PLACEMENT,
        Reregister | Deregister => PLACEMENT | LOCAL | TASKS,
        IntrospectionAway | Forgetful | Impostor => LOCAL,
        Kill | KillLong | KillLosing | KillMiddle | KillAfterFirst | KillBeforeLast | Restart
        | DrainByHand | DrainByHandShort | UndrainByHand => PROCESS,
        Reboot => PROCESS | LOCAL | TASKS,
        StateLost | DiskFails | DiskSlow => DISK,
        LostReply | SlowReplies | NoNetwork => ANY_API,
        SlowRequests => {
            return Footprint {
                reads: PROCESS,
                writes: ANY_API,
            };
        }
        Throttled => ANY_CHANGE,
        Missing | EcsTrouble | EcsThrottled | DenyDescribe => ECS_API,
        StaleDescribe => PLACEMENT,
        Target404 | TargetGarbage | MetadataAway | Rebalance | Maintenance => METADATA,
        Spot => METADATA,
        StaleTag | GroupGone => METADATA | GROUP,
        ReplaceRoot | ScaleIn | ToPool | OutOfPool | TerminatePooled | Standby | Detach => {
            METADATA | GROUP
        }
        HookReplaced | HookDeleted => GROUP,
        ClockForward | ClockBack => CLOCK,
        GroupThrottled | GroupThrottledLong | DenyComplete | DenyHeartbeat => GROUP_API,
        ExecutableHangs | ExecutableFails => EXECUTABLES,
    };
    Footprint { reads: 0, writes }
}

/// Of a request's arrival.
pub(super) fn arrival(request: &crate::wire::Request) -> Footprint {
    use crate::wire::Request as R;
    let (reads, writes) = match request {
        R::ReadIdentityDocument | R::ReadStackTags | R::ReadMetadata | R::ReadGroupTag => {
            (METADATA, 0)
        }
        R::ReadAgentMetadata => (LOCAL, 0),
        R::ReadTasks => (LOCAL | TASKS, 0),
        R::SetDraining(_) | R::SetActive(_) => (ECS_API | ANY_API | ANY_CHANGE, PLACEMENT | TASKS),
        R::DescribeContainerInstance(_) => (ECS_API | ANY_API | PLACEMENT | TASKS, 0),
        R::DescribeTasks(..) | R::ListTasks(_) => (ECS_API | ANY_API | TASKS, 0),
        R::StopTask(..) => (ECS_API | ANY_API | ANY_CHANGE, TASKS),
        R::DescribeAutoScalingInstance | R::DescribeLifecycleHooks(..) => {
            (GROUP_API | ANY_API | GROUP, 0)
        }
        R::Heartbeat(..) => (GROUP_API | ANY_API | ANY_CHANGE, GROUP),
        R::Complete(..) => (
            GROUP_API | ANY_API | ANY_CHANGE | TASKS | PLACEMENT | LOCAL,
            GROUP,
        ),
        R::Signal(_) => (ANY_API | ANY_CHANGE, STACK),
        R::WriteStateFile(_) => (0, DISK),
        R::RunExecutables(_) => (EXECUTABLES, 0),
        R::SendMetrics | R::Exit => (0, 0),
    };
    // What is under way when the process is killed may be lost: an arrival is a moment of the process's, too.
    Footprint {
        reads: reads | if writes != 0 { PROCESS } else { 0 },
        writes,
    }
}
