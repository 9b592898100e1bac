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
            Self::Drain => "during the drain",
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
            Self::Waits => "not completed while the fault lasts; drained once it has passed",
            Self::Unheard => {
                "completed once, by the first attempt, whose answer the agent never gets"
            }
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
pub const LIFE_CYCLE: &str = "imds:GET /latest/meta-data/instance-life-cycle";
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
        "no metadata: a drain in progress continues, a new one begins late";
    DOCUMENT [Plain - Signal] Warned("instance-identity/document|cloudformation:SignalResource"),
        "at the start, the agent does not know its instance and waits; at completion, the document is part of the signal";
    LIFE_CYCLE [Plain - -] Silent("it decides only how often EC2's notices are read"),
        "EC2's notices are read as often as on a Spot Instance";
    SIGNATURE [- - Signal] Warned("instance-identity/signature|cloudformation:SignalResource"),
        "part of the signal";
    TARGET [Plain Plain Plain] Warned("autoscaling/target-lifecycle-state"),
        "the last good answer applies";
    SPOT [Plain Plain Plain] Warned("spot/instance-action"),
        "the last good answer applies";
    TAG [Tags - -] Silent("most launch templates have no tags in metadata"),
        "`DescribeAutoScalingInstances` is called instead";
    ROLE [Plain Expired Expired] Warned("credentials|no answer in time"),
        "no call to AWS can be made; everything on the instance continues";
    CREDENTIALS [Plain Expired Expired] Warned("credentials|no answer in time"),
        "no call to AWS can be made; everything on the instance continues";
    METADATA [Plain Plain Plain] Silent("the ECS agent may take minutes at boot; a drain that waits for it logs that"),
        "without the ARN nothing can be drained; read together with the tasks, because the ECS agent may register again";
    TASKS [Plain Plain Plain] Silent("a restart of the ECS agent causes three seconds of it"),
        "no answer does not mean \"no tasks\": earlier reads no longer count";
    UPDATE [Plain SetBack -] Warned(UPDATE),
        "tasks are watched and heartbeats are sent; the drain does not end before DRAINING is accepted";
    DESCRIBE [WarmPool Stalled Plain] Warned(DESCRIBE),
        "nothing is changed before ECS has confirmed that the container instance is on this machine; the drain does not end before ECS confirms that no tasks are left";
    LIST_TASKS [Fallback Fallback Fallback] Warned(LIST_TASKS),
        "called only while the introspection API is unavailable: the drain waits";
    DESCRIBE_TASKS [Stop Stalled Fallback] Warned(DESCRIBE_TASKS),
        "the drain waits for tasks of unknown kind; it does not stop or ignore them";
    DESCRIBE_SERVICES [Ignore Stalled Ignore] Warned(DESCRIBE_SERVICES),
        "the drain waits for tasks of unknown kind; it does not stop or ignore them";
    STOP_TASK [Stop StopLater -] Warned(STOP_TASK),
        "the drain waits for the task";
    FIND_GROUP [Plain - Early] Warned(FIND_GROUP),
        "the drain continues; nothing is completed before the hook is known";
    HOOKS [Plain - -] Warned(HOOKS),
        "the drain continues; nothing is completed before the hook is known";
    HEARTBEAT [Resumed Beats SlowEnd] Warned(HEARTBEAT),
        "the drain continues; retried within a quarter of the remaining HeartbeatTimeout";
    COMPLETE [- - Plain] Warned(COMPLETE),
        "heartbeats continue; after a lost answer, the agent finds out whether the completion was accepted";
    SIGNAL [- - Signal] Warned(SIGNAL),
        "the lifecycle action is completed at most a second later; the signal is sent up to five times";
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
        "the drain continues to its end and can no longer be cancelled",
        "check the instance's metadata options: the agent needs IMDSv2";
    TOKEN Of(ALL) Drain Revoked => Drained, Warned("/latest/api/token|with a fresh token too"),
        "the drain continues to its end with the current credentials",
        "check the instance's metadata options: the agent needs IMDSv2";
    DOCUMENT Of(ALL) Start Plain => Waits, Warned("instance-identity/document"),
        "waits: the region is not known, so no call to AWS can be made",
        "check the instance's metadata options: the agent needs IMDSv2";
    CREDENTIALS Of(ALL) Start Plain => Waits, Warned("credentials|no answer in time"),
        "no call to AWS can be made: the hook times out",
        "give the instance its instance profile";
    TASKS Of(ALL) Drain Plain => Drained, Warned("using the ECS API for tasks"),
        "after `ecs.introspection_grace` the agent uses the ECS API, and trusts it after `ecs.api_settle`",
        "check the ECS agent (`systemctl status ecs`)";
    METADATA Of(ALL) Start ShortTimeout => TimedOut, Warned("the ECS agent does not report a container instance"),
        "retries until the deadline: without an answer, the instance does not count as empty",
        "check the ECS agent (`systemctl status ecs`)";
    UPDATE NotDone Start ShortTimeout => TimedOut, Warned(UPDATE),
        "waits until the deadline: until DRAINING is accepted, ECS may place tasks here",
        "allow `ecs:UpdateContainerInstancesState` on the container instance";
    UPDATE AnswerLost Start Plain => Drained, Warned(UPDATE),
        "`DescribeContainerInstances` shows at the end that it is DRAINING",
        "nothing";
    DESCRIBE Of(DENIED) Start Plain => Drained, Warned(DESCRIBE),
        "DRAINING is requested again at the end: the answer contains the same information",
        "allow `ecs:DescribeContainerInstances`";
    DESCRIBE Of(TROUBLE) End ShortOrderly => TimedOut, Warned(DESCRIBE),
        "waits until the deadline: without an answer from ECS, a task may still be about to start",
        "wait for Amazon ECS; check endpoints and routes";
    LIST_TASKS Of(ALL) Start FallbackShort => TimedOut, Warned(LIST_TASKS),
        "waits until the deadline: introspection is unavailable as well, so the running tasks are not known",
        "check the ECS agent; allow `ecs:ListTasks`";
    DESCRIBE_TASKS Of(ALL) Start FallbackShort => TimedOut, Warned(DESCRIBE_TASKS),
        "waits until the deadline: introspection is unavailable as well, so the running tasks are not known",
        "check the ECS agent; allow `ecs:DescribeTasks`";
    DESCRIBE_SERVICES Of(DENIED) Start IgnoreOrderly => Drained, Warned(DESCRIBE_SERVICES),
        "`daemon_tasks = \"ignore\"` cannot be applied: the drain waits for daemons like for any other task",
        "allow `ecs:DescribeServices`";
    STOP_TASK NotDone Start StopShort => TimedOut, Warned(STOP_TASK),
        "the drain waits for the standalone task until the deadline",
        "allow `ecs:StopTask`";
    STOP_TASK AnswerLost Start Stop => Drained, Warned(STOP_TASK),
        "the task stops, as introspection shows",
        "nothing";
    FIND_GROUP Of(ALL) Start Plain => Waits, Warned(FIND_GROUP),
        "drains, but completes nothing: the hook times out",
        "allow `autoscaling:DescribeAutoScalingInstances`, or turn on instance tags in metadata, or set `autoscaling.auto_scaling_group_name`";
    FIND_GROUP Of(ALL) End Early => Drained, Warned(FIND_GROUP),
        "a refused completion is retried, even though the reason is not known",
        "allow `autoscaling:DescribeAutoScalingInstances`";
    HOOKS Of(DENIED) Start Named => Drained, Warned(HOOKS),
        "with `autoscaling.lifecycle_hook_name` set, that hook is completed without a look-up, with a heartbeat every 10 s",
        "allow `autoscaling:DescribeLifecycleHooks`";
    HOOKS Of(ALL) Start Plain => Waits, Warned(HOOKS),
        "drains, but completes nothing: the hook times out",
        "allow `autoscaling:DescribeLifecycleHooks`, or set `autoscaling.lifecycle_hook_name`";
    HEARTBEAT Of(ALL) Drain Beats => Drained, Warned(HEARTBEAT),
        "drains and completes, if the drain ends before the HeartbeatTimeout",
        "allow `autoscaling:RecordLifecycleActionHeartbeat`";
    COMPLETE NotDone End Plain => Waits, Warned(COMPLETE),
        "retries; heartbeats keep the instance waiting until the deadline",
        "allow `autoscaling:CompleteLifecycleAction`";
    COMPLETE AnswerLost End Plain => Unheard, Warned(COMPLETE),
        "retries until the instance is terminated; Auto Scaling ignores further attempts",
        "nothing";
    SIGNATURE Of(ALL) End Signal => Drained, Warned("instance-identity/signature|cloudformation:SignalResource"),
        "tried five times; the lifecycle action is completed in any case",
        "check the instance's metadata options: the agent needs IMDSv2";
    SIGNAL Of(ALL) End Signal => Drained, Warned(SIGNAL),
        "tried five times; the lifecycle action is completed in any case",
        "check stack and resource in `[cloudformation]`";
};
