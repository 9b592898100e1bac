//! What must happen: the whole of it. Two tables, one of faults that pass, one of faults that stay.

use super::kinds::{Group, Kind};
use super::scene::Scene;

/// When a fault begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before the agent starts.
    Start,
    /// DRAINING was accepted, the hook is known, tasks still run.
    Drain,
    /// The last container has just gone.
    End,
}

impl Phase {
    pub const ALL: [Self; 3] = [Self::Start, Self::Drain, Self::End];

    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "at the start",
            Self::Drain => "in mid-drain",
            Self::End => "at completion",
        }
    }
}

/// What the log says of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// A line at level warn or error with this in it.
    Warned(&'static str),
    /// Nothing, and why not.
    Silent(&'static str),
}

/// One outside call, and what a passing fault of it means. However it fails, and whenever: once the fault
/// has passed, the drain ends drained, and is completed exactly once.
pub struct Call {
    /// As the simulator names it.
    pub operation: &'static str,
    /// Where it is made, by phase, and so where a fault can hit it; `None`: not made in that phase.
    pub made: [Option<Scene>; 3],
    pub said: Said,
    /// What the agent does in the meantime, for the document.
    pub meanwhile: &'static str,
}

/// How a drain ends although a fault stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Drained, and completed once.
    Drained,
    /// At `drain.timeout`, with `result_on_timeout`, and not a moment sooner.
    TimedOut,
    /// Nothing is completed while the fault stays; once it is gone, the drain ends drained.
    Waits,
    /// The completion was carried out, and no answer ever says so: asked until the machine is gone.
    Unheard,
}

impl Fate {
    pub fn name(self) -> &'static str {
        match self {
            Self::Drained => "drained, completed once",
            Self::TimedOut => "at `drain.timeout`, with `result_on_timeout`",
            Self::Waits => "not completed while it lasts; drained once it is mended",
            Self::Unheard => "completed once, by the first try, of which the agent never hears",
        }
    }
}

/// Which kinds of faults a row is about.
#[derive(Clone, Copy, Debug)]
pub enum Hits {
    /// Of these groups.
    Of(&'static [Group]),
    /// Of all groups, but only where the request is not carried out.
    NotDone,
    /// Where the request is carried out, and its answer lost.
    AnswerLost,
}

impl Hits {
    pub fn takes(self, kind: &Kind) -> bool {
        match self {
            Self::Of(groups) => groups.contains(&kind.group),
            Self::NotDone => !kind.fault.hits_the_answer(),
            Self::AnswerLost => kind.fault.hits_the_answer(),
        }
    }
}

/// A fault that stays.
pub struct Lasting {
    pub operation: &'static str,
    pub hits: Hits,
    pub phase: Phase,
    pub scene: Scene,
    pub fate: Fate,
    pub said: Said,
    /// What the agent goes on with, for the document.
    pub meanwhile: &'static str,
    /// What a person should do.
    pub remedy: &'static str,
}

pub const TOKEN: &str = "imds:PUT /latest/api/token";
pub const DOCUMENT: &str = "imds:GET /latest/dynamic/instance-identity/document";
pub const SIGNATURE: &str = "imds:GET /latest/dynamic/instance-identity/signature";
pub const TARGET: &str = "imds:GET /latest/meta-data/autoscaling/target-lifecycle-state";
pub const SPOT: &str = "imds:GET /latest/meta-data/spot/instance-action";
pub const TAG: &str = "imds:GET /latest/meta-data/tags/instance/aws:autoscaling:groupName";
pub const ROLE: &str = "imds:GET /latest/meta-data/iam/security-credentials/";
pub const CREDENTIALS: &str =
    "imds:GET /latest/meta-data/iam/security-credentials/demo-instance-role";
pub const METADATA: &str = "introspection:GET /v1/metadata";
pub const TASKS: &str = "introspection:GET /v1/tasks";
pub const UPDATE: &str = "ecs:UpdateContainerInstancesState";
pub const DESCRIBE: &str = "ecs:DescribeContainerInstances";
pub const LIST_TASKS: &str = "ecs:ListTasks";
pub const DESCRIBE_TASKS: &str = "ecs:DescribeTasks";
pub const DESCRIBE_SERVICES: &str = "ecs:DescribeServices";
pub const STOP_TASK: &str = "ecs:StopTask";
pub const FIND_GROUP: &str = "autoscaling:DescribeAutoScalingInstances";
pub const HOOKS: &str = "autoscaling:DescribeLifecycleHooks";
pub const HEARTBEAT: &str = "autoscaling:RecordLifecycleActionHeartbeat";
pub const COMPLETE: &str = "autoscaling:CompleteLifecycleAction";
pub const SIGNAL: &str = "cloudformation:SignalResource";

macro_rules! made {
    (-) => {
        None
    };
    ($scene:ident) => {
        Some(Scene::$scene)
    };
}

/// An operation, the scenes by phase, what is said of the fault, and what the agent does meanwhile.
macro_rules! calls {
    ($($operation:ident [$($made:tt)*] $said:ident($what:expr), $meanwhile:literal;)*) => {
        &[$(Call {
            operation: $operation,
            made: [$(made!($made)),*],
            said: Said::$said($what),
            meanwhile: $meanwhile,
        }),*]
    };
}

/// An operation, the faults, the phase and the scene; how it ends and what is said; the meantime, and the remedy.
macro_rules! lasting {
    ($($operation:ident $hits:ident $(($groups:ident))? $phase:ident $scene:ident => $fate:ident, $said:ident($what:expr),
        $meanwhile:literal, $remedy:literal;)*) => {
        &[$(Lasting {
            operation: $operation,
            hits: Hits::$hits $(($groups))?,
            phase: Phase::$phase,
            scene: Scene::$scene,
            fate: Fate::$fate,
            said: Said::$said($what),
            meanwhile: $meanwhile,
            remedy: $remedy,
        }),*]
    };
}

/// Faults that pass.
pub const CALLS: &[Call] = calls! {
    TOKEN [Plain Revoked Revoked] Warned("/latest/api/token|with a fresh token too"),
        "no metadata: a drain that has begun goes on, one that is asked for begins late";
    DOCUMENT [Plain - Signal] Warned("instance-identity/document|cloudformation:SignalResource"),
        "at the start it does not know who it is, and waits; at completion it is part of the signal";
    SIGNATURE [- - Signal] Warned("instance-identity/signature|cloudformation:SignalResource"),
        "part of the signal";
    TARGET [Plain Plain Plain] Warned("autoscaling/target-lifecycle-state"),
        "the last good answer stands";
    SPOT [Plain Plain Plain] Warned("spot/instance-action"),
        "the last good answer stands";
    TAG [Tags - -] Silent("most launch templates have no tags in metadata"),
        "`DescribeAutoScalingInstances` is asked in its place";
    ROLE [Plain Expired Expired] Warned("credentials|no answer in time"),
        "no call to AWS can be made; everything on the instance goes on";
    CREDENTIALS [Plain Expired Expired] Warned("credentials|no answer in time"),
        "no call to AWS can be made; everything on the instance goes on";
    METADATA [Plain Plain Plain] Silent("the ECS agent may take minutes at boot; a drain that has to wait for it says so"),
        "without its ARN nothing can be drained; asked with every reading of the tasks: it may register anew";
    TASKS [Plain Plain Plain] Silent("three seconds of it are what a restart of the ECS agent looks like"),
        "no answer is not \"no tasks\": whatever was seen before it has to be seen again";
    UPDATE [Plain SetBack -] Warned(UPDATE),
        "tasks are watched, the hook is kept waiting; nothing is over before DRAINING is accepted";
    DESCRIBE [WarmPool Stalled Plain] Warned(DESCRIBE),
        "nothing is changed before ECS has shown whose container instance it is, and nothing is over before ECS agrees that nothing is left";
    LIST_TASKS [Fallback Fallback Fallback] Warned(LIST_TASKS),
        "asked only while introspection API is unavailable: the drain waits";
    DESCRIBE_TASKS [Stop Stalled Fallback] Warned(DESCRIBE_TASKS),
        "a task of unknown kind is waited for, never stopped or ignored";
    DESCRIBE_SERVICES [Ignore Stalled Ignore] Warned(DESCRIBE_SERVICES),
        "a task of unknown kind is waited for, never stopped or ignored";
    STOP_TASK [Stop StopLater -] Warned(STOP_TASK),
        "the task is waited for";
    FIND_GROUP [Plain - Early] Warned(FIND_GROUP),
        "the drain goes on; nothing is completed before the hook is known";
    HOOKS [Plain - -] Warned(HOOKS),
        "the drain goes on; nothing is completed before the hook is known";
    HEARTBEAT [Resumed Beats SlowEnd] Warned(HEARTBEAT),
        "the drain goes on; tried again within a quarter of what is left of the HeartbeatTimeout";
    COMPLETE [- - Plain] Warned(COMPLETE),
        "heartbeats go on; an answer that was lost is found out, not repeated in vain";
    SIGNAL [- - Signal] Warned(SIGNAL),
        "the lifecycle action is completed a second later at the most; the signal is tried five times";
};

const ALL: &[Group] = &Group::ALL;
/// All but a denial, which only a person can mend.
const TROUBLE: &[Group] = &[
    Group::NoAnswer,
    Group::Server,
    Group::Nonsense,
    Group::Throttled,
    Group::Expired,
];
const DENIED: &[Group] = &[Group::Denied];

/// Faults that stay.
pub const LASTING: &[Lasting] = lasting! {
    TARGET Of(ALL) Drain Plain => Drained, Warned("autoscaling/target-lifecycle-state"),
        "the drain goes on to its end: it can no longer be called off",
        "look at the instance's metadata options: the agent needs IMDSv2";
    TOKEN Of(ALL) Drain Revoked => Drained, Warned("/latest/api/token|with a fresh token too"),
        "the drain goes on to its end, on the credentials it has",
        "look at the instance's metadata options: the agent needs IMDSv2";
    DOCUMENT Of(ALL) Start Plain => Waits, Warned("instance-identity/document"),
        "nothing can be done: the region says whom to ask",
        "look at the instance's metadata options: the agent needs IMDSv2";
    CREDENTIALS Of(ALL) Start Plain => Waits, Warned("credentials|no answer in time"),
        "no call to AWS can be made: the lifecycle hook's own timeout decides",
        "give the instance its instance profile";
    TASKS Of(ALL) Drain Plain => Drained, Warned("using the ECS API for tasks"),
        "after `ecs.introspection_grace` the ECS API is asked, and believed after `ecs.api_settle`",
        "look at the ECS agent (`systemctl status ecs`)";
    METADATA Of(ALL) Start ShortTimeout => TimedOut, Warned("the ECS agent does not report a container instance"),
        "asked until the deadline: not to know is not to be empty",
        "look at the ECS agent (`systemctl status ecs`)";
    UPDATE NotDone Start ShortTimeout => TimedOut, Warned(UPDATE),
        "waits until the deadline: ECS may place tasks here all the time",
        "allow `ecs:UpdateContainerInstancesState` on the container instance";
    UPDATE AnswerLost Start Plain => Drained, Warned(UPDATE),
        "`DescribeContainerInstances` tells at the end that it is DRAINING",
        "nothing";
    DESCRIBE Of(DENIED) Start Plain => Drained, Warned(DESCRIBE),
        "DRAINING is issued once more at the end: its answer says the same",
        "allow `ecs:DescribeContainerInstances`";
    DESCRIBE Of(TROUBLE) End ShortOrderly => TimedOut, Warned(DESCRIBE),
        "waits until the deadline: without ECS's word a task may be on its way",
        "wait for Amazon ECS; look at endpoints and routes";
    LIST_TASKS Of(ALL) Start FallbackShort => TimedOut, Warned(LIST_TASKS),
        "with introspection away as well, nobody knows what runs: waits until the deadline",
        "look at the ECS agent; allow `ecs:ListTasks`";
    DESCRIBE_TASKS Of(ALL) Start FallbackShort => TimedOut, Warned(DESCRIBE_TASKS),
        "with introspection away as well, nobody knows what runs: waits until the deadline",
        "look at the ECS agent; allow `ecs:DescribeTasks`";
    DESCRIBE_SERVICES Of(DENIED) Start IgnoreOrderly => Drained, Warned(DESCRIBE_SERVICES),
        "`daemon_tasks = \"ignore\"` cannot be followed: daemons are waited for like any other task",
        "allow `ecs:DescribeServices`";
    STOP_TASK NotDone Start StopShort => TimedOut, Warned(STOP_TASK),
        "the standalone task is waited for until the deadline",
        "allow `ecs:StopTask`";
    STOP_TASK AnswerLost Start Stop => Drained, Warned(STOP_TASK),
        "the task stops all the same, which introspection shows",
        "nothing";
    FIND_GROUP Of(ALL) Start Plain => Waits, Warned(FIND_GROUP),
        "drains, and completes nothing: the lifecycle hook's own timeout decides",
        "allow `autoscaling:DescribeAutoScalingInstances`, or turn on instance tags in metadata, or set `autoscaling.auto_scaling_group_name`";
    FIND_GROUP Of(ALL) End Early => Drained, Warned(FIND_GROUP),
        "a completion that is refused is tried again: not to know why is no reason not to",
        "allow `autoscaling:DescribeAutoScalingInstances`";
    HOOKS Of(DENIED) Start Named => Drained, Warned(HOOKS),
        "with `autoscaling.lifecycle_hook_name` set, that one is completed, unseen, with a heartbeat every 10 s",
        "allow `autoscaling:DescribeLifecycleHooks`";
    HOOKS Of(ALL) Start Plain => Waits, Warned(HOOKS),
        "drains, and completes nothing: the lifecycle hook's own timeout decides",
        "allow `autoscaling:DescribeLifecycleHooks`, or set `autoscaling.lifecycle_hook_name`";
    HEARTBEAT Of(ALL) Drain Beats => Drained, Warned(HEARTBEAT),
        "drains and completes, if that is done before the HeartbeatTimeout is over",
        "allow `autoscaling:RecordLifecycleActionHeartbeat`";
    COMPLETE NotDone End Plain => Waits, Warned(COMPLETE),
        "keeps on trying; heartbeats hold the instance until the deadline",
        "allow `autoscaling:CompleteLifecycleAction`";
    COMPLETE AnswerLost End Plain => Unheard, Warned(COMPLETE),
        "keeps on asking until the instance is gone; Auto Scaling takes a second try for none",
        "nothing";
    SIGNATURE Of(ALL) End Signal => Drained, Warned("instance-identity/signature|cloudformation:SignalResource"),
        "tried five times; the lifecycle action is completed whatever becomes of it",
        "look at the instance's metadata options: the agent needs IMDSv2";
    SIGNAL Of(ALL) End Signal => Drained, Warned(SIGNAL),
        "tried five times; the lifecycle action is completed whatever becomes of it",
        "check stack and resource in `[cloudformation]`";
};
