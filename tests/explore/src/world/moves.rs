//! What can be done to a story.

use std::fmt;

use crate::story::Footprint;

/// The parts of the world, one bit each.
pub(super) mod part {
    pub(in crate::world) const METADATA: u32 = 1;
    pub(in crate::world) const LOCAL: u32 = 1 << 1;
    pub(in crate::world) const TASKS: u32 = 1 << 2;
    pub(in crate::world) const PLACEMENT: u32 = 1 << 3;
    pub(in crate::world) const GROUP: u32 = 1 << 4;
    pub(in crate::world) const STACK: u32 = 1 << 5;
    pub(in crate::world) const DISK: u32 = 1 << 6;
    pub(in crate::world) const PROCESS: u32 = 1 << 7;
    pub(in crate::world) const CLOCK: u32 = 1 << 8;
    pub(in crate::world) const EXECUTABLES: u32 = 1 << 9;
    /// Whether a request to ECS, to Auto Scaling, to anybody at AWS works.
    pub(in crate::world) const ECS_API: u32 = 1 << 10;
    pub(in crate::world) const GROUP_API: u32 = 1 << 11;
    pub(in crate::world) const ANY_API: u32 = 1 << 12;
    pub(in crate::world) const ANY_CHANGE: u32 = 1 << 13;
    /// The CloudWatch agent.
    pub(in crate::world) const SINK: u32 = 1 << 14;
}
use part::{
    ANY_API, ANY_CHANGE, CLOCK, DISK, ECS_API, EXECUTABLES, GROUP, GROUP_API, LOCAL, METADATA,
    PLACEMENT, PROCESS, SINK, STACK, TASKS,
};

/// The moves, each with what it changes: an enum, and the lists of it.
macro_rules! moves {
    ($($list:ident { $($(#[$doc:meta])* $name:ident: $writes:expr;)* })*) => {
        /// One disturbance. Each of them is something that AWS, the machine or a person does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Move {
            $($($(#[$doc])* $name,)*)*
        }

        $(pub(super) const $list: &[Move] = &[$(Move::$name),*];)*

        const fn writes(kind: Move) -> u32 {
            match kind {
                $($(Move::$name => $writes,)*)*
            }
        }
    };
}

moves! {
    NAMED {
        /// ECS places a task, if it can: on an ACTIVE registration, or decided just before it was DRAINING.
        PlaceTask: TASKS;
        /// A person sets the registration ACTIVE; ECS then places a task.
        PersonActive: PLACEMENT;
        /// A person sets it DRAINING, in the console.
        PersonDraining: PLACEMENT;
        /// The ECS agent loses its data and registers anew; what ran runs on, unknown to it.
        Reregister: PLACEMENT | LOCAL | TASKS;
        /// Introspection refuses connections for 12 s.
        IntrospectionAway: LOCAL;
        /// Introspection lists nothing for 10 s, while containers run.
        Forgetful: LOCAL;
        /// A person deregisters the container instance.
        Deregister: PLACEMENT | LOCAL | TASKS;
        /// kill -9; systemd starts it again after 2 s. What was under way arrives.
        Kill: PROCESS;
        /// kill -9; started again after 50 s. What was under way is lost.
        KillLong: PROCESS;
        /// SIGTERM, and started again: an upgrade.
        Restart: PROCESS;
        /// The machine reboots.
        Reboot: PROCESS | LOCAL | TASKS;
        /// The state file is gone.
        StateLost: DISK;
        /// The reply to the next request to AWS is lost, after it has worked.
        LostReply: ANY_API;
        /// Auto Scaling takes the instance.
        ScaleIn: METADATA | GROUP;
        /// The next request about a container instance or tasks: MISSING, or left out.
        Missing: ECS_API;
        /// `DescribeContainerInstances` answers for 6 s as it was before the last change.
        StaleDescribe: PLACEMENT;
        /// The target state is 404 for 12 s.
        Target404: METADATA;
        /// A Spot interruption, 30 s ahead; then EC2 does it.
        Spot: METADATA;
        /// `drain --timeout 4s`
        DrainByHandShort: PROCESS;
        /// `undrain`
        UndrainByHand: PROCESS;
        /// Somebody replaces the group's terminating hook by another.
        HookReplaced: GROUP;
        /// The clock is set three hours forward.
        ClockForward: CLOCK;
        /// The clock is set three hours back.
        ClockBack: CLOCK;
        /// The ECS API answers 500 for 9 s.
        EcsTrouble: ECS_API;
        /// Auto Scaling throttles for 15 s.
        GroupThrottled: GROUP_API;
    }
    OTHERS {
        /// The next change at AWS is throttled.
        Throttled: ANY_CHANGE;
        /// `drain`
        DrainByHand: PROCESS;
        /// kill -9 in mid-step: of the next two requests or more that are sent at once, the first leaves.
        KillAfterFirst: PROCESS;
        /// kill -9 in mid-step: of the next two requests or more that are sent at once, the last does not leave.
        KillBeforeLast: PROCESS;
        /// The tag in metadata names a group that was deleted, for good.
        GroupGone: METADATA | GROUP;
        /// Auto Scaling returns the instance to the warm pool.
        ToPool: METADATA | GROUP;
        /// Auto Scaling takes the instance out of the warm pool.
        OutOfPool: METADATA | GROUP;
        /// kill -9; systemd starts it again after 2 s. What was under way is lost.
        KillLosing: PROCESS;
        /// kill -9; started again after 20 s.
        KillMiddle: PROCESS;
        /// AWS answers 4 s late for 10 s.
        SlowReplies: ANY_API;
        /// Requests to AWS arrive 3 s late for 8 s.
        SlowRequests: ANY_API;
        /// The target state is garbage for 12 s.
        TargetGarbage: METADATA;
        /// A rebalance recommendation, which goes after 25 s.
        Rebalance: METADATA;
        /// Scheduled maintenance in 60 s, cancelled after 25 s.
        Maintenance: METADATA;
        /// Auto Scaling puts it on standby, and back into service after 20 s.
        Standby: METADATA | GROUP;
        /// It is detached from its group.
        Detach: METADATA | GROUP;
        /// The next executables hang until their time is over.
        ExecutableHangs: EXECUTABLES;
        /// The next executables fail.
        ExecutableFails: EXECUTABLES;
        /// The tag in metadata names a former group, for good.
        StaleTag: METADATA | GROUP;
        /// `CompleteLifecycleAction` is denied, for good.
        DenyComplete: GROUP_API;
        /// `RecordLifecycleActionHeartbeat` is denied, for good.
        DenyHeartbeat: GROUP_API;
        /// `DescribeContainerInstances` is denied, for good.
        DenyDescribe: ECS_API;
        /// Somebody deletes the group's hooks.
        HookDeleted: GROUP;
        /// Writes to the disk fail for 10 s.
        DiskFails: DISK;
        /// Writes to the disk take a second, for 10 s.
        DiskSlow: DISK;
        /// Instance metadata does not answer for 12 s.
        MetadataAway: METADATA;
        /// ECS throttles for 15 s.
        EcsThrottled: ECS_API;
        /// Auto Scaling throttles for 24 s.
        GroupThrottledLong: GROUP_API;
        /// Somebody runs a standalone task here.
        RunTask: TASKS;
        /// Another process answers in the ECS agent's place for 8 s, with the ARN of another instance.
        Impostor: LOCAL;
        /// All of AWS is out of reach for 10 s: no answer, nothing works.
        NoNetwork: ANY_API;
        /// Auto Scaling terminates the instance out of the warm pool; where it is stopped, it is started first.
        TerminatePooled: METADATA | GROUP;
        /// An instance refresh replaces the root volume: the terminating hook, a reboot without state, the launching hook.
        ReplaceRoot: METADATA | GROUP;
        /// ECS says MISSING of container instances, and leaves tasks out, for 12 s.
        MissingLong: ECS_API;
        /// The next three requests about a container instance or tasks: MISSING, or left out.
        MissingThrice: ECS_API;
        /// The container instance is gone from ECS for good: MISSING. What runs runs on.
        Vanished: PLACEMENT | LOCAL | TASKS;
        /// The tag in metadata names a former group, for good, which has hooks of the same template: the instance was detached
        /// and attached elsewhere.
        FormerGroup: METADATA | GROUP;
        /// The CloudWatch agent takes no connection for 70 s.
        SampleRefused: SINK;
        /// The CloudWatch agent takes the next sample, and does not say so.
        SampleUnanswered: SINK;
        /// The ECS agent is upgraded: away for 8 s, disconnected, then there again as the same, with all its tasks.
        AgentUpgraded: LOCAL | PLACEMENT | TASKS;
        /// ECS gives up the tasks: STOPPED, though their containers run on and introspection says so.
        GivenUp: TASKS;
        /// Somebody adds a terminating hook where there is none.
        HookAdded: GROUP;
        /// The process gets no processor time for 20 s: SIGSTOP, a suspended machine. What reaches it waits.
        StandStill: PROCESS;
        /// Somebody restores the root volume from a snapshot of at least 10 s ago: the machine reboots with that state file.
        RootRestored: PROCESS | LOCAL | TASKS | DISK;
    }
}

impl Move {
    pub(super) fn by_hand(self) -> bool {
        matches!(
            self,
            Self::DrainByHand | Self::DrainByHandShort | Self::UndrainByHand
        )
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

pub(super) fn footprint(kind: Move) -> Footprint {
    let reads = match kind {
        // Whoever sends feels that requests are slow.
        Move::SlowRequests => PROCESS,
        // Auto Scaling may be about to take the machine down.
        Move::RootRestored => GROUP,
        _ => 0,
    };
    let writes = writes(kind);
    Footprint { reads, writes }
}

/// Of a request's arrival.
pub(super) fn arrival(request: &crate::wire::Request) -> Footprint {
    use crate::wire::Request as R;
    let (reads, writes) = match request {
        R::ReadIdentityDocument | R::ReadStackTags | R::ReadMetadata | R::ReadGroupTag => {
            (METADATA, 0)
        }
        R::ReadAgentMetadata => (LOCAL, 0),
        R::ReadTasks | R::ReadTaskSet => (LOCAL | TASKS, 0),
        R::SetDraining(_) | R::SetActive(_) => (ECS_API | ANY_API | ANY_CHANGE, PLACEMENT | TASKS),
        R::DescribeContainerInstance(_) | R::DescribeResources(_) => {
            (ECS_API | ANY_API | PLACEMENT | TASKS, 0)
        }
        R::ListContainerInstances => (ECS_API | ANY_API | PLACEMENT, 0),
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
        R::SendCapacity(_) => (SINK, SINK),
        R::SendMetrics | R::Exit => (0, 0),
    };
    // What is under way when the process is killed may be lost: an arrival is a moment of the process's, too.
    Footprint {
        reads: reads | if writes != 0 { PROCESS } else { 0 },
        writes,
    }
}
