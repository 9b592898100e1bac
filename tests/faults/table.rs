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

/// Faults that pass.
pub const CALLS: &[Call] = &[
    Call {
        operation: TOKEN,
        made: [
            Some(Scene::Plain),
            Some(Scene::Revoked),
            Some(Scene::Revoked),
        ],
        said: Said::Warned("/latest/api/token|with a fresh token too"),
        meanwhile: "no metadata: a drain that has begun goes on, one that is asked for begins late",
    },
    Call {
        operation: DOCUMENT,
        made: [Some(Scene::Plain), None, Some(Scene::Signal)],
        said: Said::Warned("instance-identity/document|cloudformation:SignalResource"),
        meanwhile: "at the start it does not know who it is, and waits; at completion it is part of the signal",
    },
    Call {
        operation: SIGNATURE,
        made: [None, None, Some(Scene::Signal)],
        said: Said::Warned("instance-identity/signature|cloudformation:SignalResource"),
        meanwhile: "part of the signal",
    },
    Call {
        operation: TARGET,
        made: [Some(Scene::Plain); 3],
        said: Said::Warned("autoscaling/target-lifecycle-state"),
        meanwhile: "the last good answer stands",
    },
    Call {
        operation: SPOT,
        made: [Some(Scene::Plain); 3],
        said: Said::Warned("spot/instance-action"),
        meanwhile: "the last good answer stands",
    },
    Call {
        operation: TAG,
        made: [Some(Scene::Tags), None, None],
        said: Said::Silent("most launch templates have no tags in metadata"),
        meanwhile: "`DescribeAutoScalingInstances` is asked in its place",
    },
    Call {
        operation: ROLE,
        made: [
            Some(Scene::Plain),
            Some(Scene::Expired),
            Some(Scene::Expired),
        ],
        said: Said::Warned("credentials|no answer in time"),
        meanwhile: "no call to AWS can be made; everything on the instance goes on",
    },
    Call {
        operation: CREDENTIALS,
        made: [
            Some(Scene::Plain),
            Some(Scene::Expired),
            Some(Scene::Expired),
        ],
        said: Said::Warned("credentials|no answer in time"),
        meanwhile: "no call to AWS can be made; everything on the instance goes on",
    },
    Call {
        operation: METADATA,
        made: [Some(Scene::Plain); 3],
        said: Said::Silent(
            "the ECS agent may take minutes at boot; a drain that has to wait for it says so",
        ),
        meanwhile: "without its ARN nothing can be drained; asked with every reading of the tasks: it may register anew",
    },
    Call {
        operation: TASKS,
        made: [Some(Scene::Plain); 3],
        said: Said::Silent("three seconds of it are what a restart of the ECS agent looks like"),
        meanwhile: "no answer is not \"no tasks\": whatever was seen before it has to be seen again",
    },
    Call {
        operation: UPDATE,
        made: [Some(Scene::Plain), Some(Scene::SetBack), None],
        said: Said::Warned(UPDATE),
        meanwhile: "tasks are watched, the hook is kept waiting; nothing is over before DRAINING is accepted",
    },
    Call {
        operation: DESCRIBE,
        made: [
            Some(Scene::WarmPool),
            Some(Scene::Stalled),
            Some(Scene::Plain),
        ],
        said: Said::Warned(DESCRIBE),
        meanwhile: "nothing is changed before ECS has shown whose container instance it is, and nothing is over before ECS agrees that nothing is left",
    },
    Call {
        operation: LIST_TASKS,
        made: [Some(Scene::Fallback); 3],
        said: Said::Warned(LIST_TASKS),
        meanwhile: "asked only while introspection API is unavailable: the drain waits",
    },
    Call {
        operation: DESCRIBE_TASKS,
        made: [
            Some(Scene::Stop),
            Some(Scene::Stalled),
            Some(Scene::Fallback),
        ],
        said: Said::Warned(DESCRIBE_TASKS),
        meanwhile: "a task of unknown kind is waited for, never stopped or ignored",
    },
    Call {
        operation: DESCRIBE_SERVICES,
        made: [
            Some(Scene::Ignore),
            Some(Scene::Stalled),
            Some(Scene::Ignore),
        ],
        said: Said::Warned(DESCRIBE_SERVICES),
        meanwhile: "a task of unknown kind is waited for, never stopped or ignored",
    },
    Call {
        operation: STOP_TASK,
        made: [Some(Scene::Stop), Some(Scene::StopLater), None],
        said: Said::Warned(STOP_TASK),
        meanwhile: "the task is waited for",
    },
    Call {
        operation: FIND_GROUP,
        made: [Some(Scene::Plain), None, Some(Scene::Early)],
        said: Said::Warned(FIND_GROUP),
        meanwhile: "the drain goes on; nothing is completed before the hook is known",
    },
    Call {
        operation: HOOKS,
        made: [Some(Scene::Plain), None, None],
        said: Said::Warned(HOOKS),
        meanwhile: "the drain goes on; nothing is completed before the hook is known",
    },
    Call {
        operation: HEARTBEAT,
        made: [
            Some(Scene::Resumed),
            Some(Scene::Beats),
            Some(Scene::SlowEnd),
        ],
        said: Said::Warned(HEARTBEAT),
        meanwhile: "the drain goes on; tried again within a quarter of what is left of the HeartbeatTimeout",
    },
    Call {
        operation: COMPLETE,
        made: [None, None, Some(Scene::Plain)],
        said: Said::Warned(COMPLETE),
        meanwhile: "heartbeats go on; an answer that was lost is found out, not repeated in vain",
    },
    Call {
        operation: SIGNAL,
        made: [None, None, Some(Scene::Signal)],
        said: Said::Warned(SIGNAL),
        meanwhile: "the lifecycle action is completed a second later at the most; the signal is tried five times",
    },
];

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
pub const LASTING: &[Lasting] = &[
    Lasting {
        operation: TARGET,
        hits: Hits::Of(ALL),
        phase: Phase::Drain,
        scene: Scene::Plain,
        fate: Fate::Drained,
        said: Said::Warned("autoscaling/target-lifecycle-state"),
        meanwhile: "the drain goes on to its end: it can no longer be called off",
        remedy: "look at the instance's metadata options: the agent needs IMDSv2",
    },
    Lasting {
        operation: TOKEN,
        hits: Hits::Of(ALL),
        phase: Phase::Drain,
        scene: Scene::Revoked,
        fate: Fate::Drained,
        said: Said::Warned("/latest/api/token|with a fresh token too"),
        meanwhile: "the drain goes on to its end, on the credentials it has",
        remedy: "look at the instance's metadata options: the agent needs IMDSv2",
    },
    Lasting {
        operation: DOCUMENT,
        hits: Hits::Of(ALL),
        phase: Phase::Start,
        scene: Scene::Plain,
        fate: Fate::Waits,
        said: Said::Warned("instance-identity/document"),
        meanwhile: "nothing can be done: the region says whom to ask",
        remedy: "look at the instance's metadata options: the agent needs IMDSv2",
    },
    Lasting {
        operation: CREDENTIALS,
        hits: Hits::Of(ALL),
        phase: Phase::Start,
        scene: Scene::Plain,
        fate: Fate::Waits,
        said: Said::Warned("credentials|no answer in time"),
        meanwhile: "no call to AWS can be made: the lifecycle hook's own timeout decides",
        remedy: "give the instance its instance profile",
    },
    Lasting {
        operation: TASKS,
        hits: Hits::Of(ALL),
        phase: Phase::Drain,
        scene: Scene::Plain,
        fate: Fate::Drained,
        said: Said::Warned("using the ECS API for tasks"),
        meanwhile: "after `ecs.introspection_grace` the ECS API is asked, and believed after `ecs.api_settle`",
        remedy: "look at the ECS agent (`systemctl status ecs`)",
    },
    Lasting {
        operation: METADATA,
        hits: Hits::Of(ALL),
        phase: Phase::Start,
        scene: Scene::ShortTimeout,
        fate: Fate::TimedOut,
        said: Said::Warned("the ECS agent does not report a container instance"),
        meanwhile: "asked until the deadline: not to know is not to be empty",
        remedy: "look at the ECS agent (`systemctl status ecs`)",
    },
    Lasting {
        operation: UPDATE,
        hits: Hits::NotDone,
        phase: Phase::Start,
        scene: Scene::ShortTimeout,
        fate: Fate::TimedOut,
        said: Said::Warned(UPDATE),
        meanwhile: "waits until the deadline: ECS may place tasks here all the time",
        remedy: "allow `ecs:UpdateContainerInstancesState` on the container instance",
    },
    Lasting {
        operation: UPDATE,
        hits: Hits::AnswerLost,
        phase: Phase::Start,
        scene: Scene::Plain,
        fate: Fate::Drained,
        said: Said::Warned(UPDATE),
        meanwhile: "`DescribeContainerInstances` tells at the end that it is DRAINING",
        remedy: "nothing",
    },
    Lasting {
        operation: DESCRIBE,
        hits: Hits::Of(DENIED),
        phase: Phase::Start,
        scene: Scene::Plain,
        fate: Fate::Drained,
        said: Said::Warned(DESCRIBE),
        meanwhile: "DRAINING is issued once more at the end: its answer says the same",
        remedy: "allow `ecs:DescribeContainerInstances`",
    },
    Lasting {
        operation: DESCRIBE,
        hits: Hits::Of(TROUBLE),
        phase: Phase::End,
        scene: Scene::ShortOrderly,
        fate: Fate::TimedOut,
        said: Said::Warned(DESCRIBE),
        meanwhile: "waits until the deadline: without ECS's word a task may be on its way",
        remedy: "wait for Amazon ECS; look at endpoints and routes",
    },
    Lasting {
        operation: LIST_TASKS,
        hits: Hits::Of(ALL),
        phase: Phase::Start,
        scene: Scene::FallbackShort,
        fate: Fate::TimedOut,
        said: Said::Warned(LIST_TASKS),
        meanwhile: "with introspection away as well, nobody knows what runs: waits until the deadline",
        remedy: "look at the ECS agent; allow `ecs:ListTasks`",
    },
    Lasting {
        operation: DESCRIBE_TASKS,
        hits: Hits::Of(ALL),
        phase: Phase::Start,
        scene: Scene::FallbackShort,
        fate: Fate::TimedOut,
        said: Said::Warned(DESCRIBE_TASKS),
        meanwhile: "with introspection away as well, nobody knows what runs: waits until the deadline",
        remedy: "look at the ECS agent; allow `ecs:DescribeTasks`",
    },
    Lasting {
        operation: DESCRIBE_SERVICES,
        hits: Hits::Of(DENIED),
        phase: Phase::Start,
        scene: Scene::IgnoreOrderly,
        fate: Fate::Drained,
        said: Said::Warned(DESCRIBE_SERVICES),
        meanwhile: "`daemon_tasks = \"ignore\"` cannot be followed: daemons are waited for like any other task",
        remedy: "allow `ecs:DescribeServices`",
    },
    Lasting {
        operation: STOP_TASK,
        hits: Hits::NotDone,
        phase: Phase::Start,
        scene: Scene::StopShort,
        fate: Fate::TimedOut,
        said: Said::Warned(STOP_TASK),
        meanwhile: "the standalone task is waited for until the deadline",
        remedy: "allow `ecs:StopTask`",
    },
    Lasting {
        operation: STOP_TASK,
        hits: Hits::AnswerLost,
        phase: Phase::Start,
        scene: Scene::Stop,
        fate: Fate::Drained,
        said: Said::Warned(STOP_TASK),
        meanwhile: "the task stops all the same, which introspection shows",
        remedy: "nothing",
    },
    Lasting {
        operation: FIND_GROUP,
        hits: Hits::Of(ALL),
        phase: Phase::Start,
        scene: Scene::Plain,
        fate: Fate::Waits,
        said: Said::Warned(FIND_GROUP),
        meanwhile: "drains, and completes nothing: the lifecycle hook's own timeout decides",
        remedy: "allow `autoscaling:DescribeAutoScalingInstances`, or turn on instance tags in metadata, or set `autoscaling.auto_scaling_group_name`",
    },
    Lasting {
        operation: FIND_GROUP,
        hits: Hits::Of(ALL),
        phase: Phase::End,
        scene: Scene::Early,
        fate: Fate::Drained,
        said: Said::Warned(FIND_GROUP),
        meanwhile: "a completion that is refused is tried again: not to know why is no reason not to",
        remedy: "allow `autoscaling:DescribeAutoScalingInstances`",
    },
    Lasting {
        operation: HOOKS,
        hits: Hits::Of(DENIED),
        phase: Phase::Start,
        scene: Scene::Named,
        fate: Fate::Drained,
        said: Said::Warned(HOOKS),
        meanwhile: "with `autoscaling.lifecycle_hook_name` set, that one is completed, unseen, with a heartbeat every 10 s",
        remedy: "allow `autoscaling:DescribeLifecycleHooks`",
    },
    Lasting {
        operation: HOOKS,
        hits: Hits::Of(ALL),
        phase: Phase::Start,
        scene: Scene::Plain,
        fate: Fate::Waits,
        said: Said::Warned(HOOKS),
        meanwhile: "drains, and completes nothing: the lifecycle hook's own timeout decides",
        remedy: "allow `autoscaling:DescribeLifecycleHooks`, or set `autoscaling.lifecycle_hook_name`",
    },
    Lasting {
        operation: HEARTBEAT,
        hits: Hits::Of(ALL),
        phase: Phase::Drain,
        scene: Scene::Beats,
        fate: Fate::Drained,
        said: Said::Warned(HEARTBEAT),
        meanwhile: "drains and completes, if that is done before the HeartbeatTimeout is over",
        remedy: "allow `autoscaling:RecordLifecycleActionHeartbeat`",
    },
    Lasting {
        operation: COMPLETE,
        hits: Hits::NotDone,
        phase: Phase::End,
        scene: Scene::Plain,
        fate: Fate::Waits,
        said: Said::Warned(COMPLETE),
        meanwhile: "keeps on trying; heartbeats hold the instance until the deadline",
        remedy: "allow `autoscaling:CompleteLifecycleAction`",
    },
    Lasting {
        operation: COMPLETE,
        hits: Hits::AnswerLost,
        phase: Phase::End,
        scene: Scene::Plain,
        fate: Fate::Unheard,
        said: Said::Warned(COMPLETE),
        meanwhile: "keeps on asking until the instance is gone; Auto Scaling takes a second try for none",
        remedy: "nothing",
    },
    Lasting {
        operation: SIGNATURE,
        hits: Hits::Of(ALL),
        phase: Phase::End,
        scene: Scene::Signal,
        fate: Fate::Drained,
        said: Said::Warned("instance-identity/signature|cloudformation:SignalResource"),
        meanwhile: "tried five times; the lifecycle action is completed whatever becomes of it",
        remedy: "look at the instance's metadata options: the agent needs IMDSv2",
    },
    Lasting {
        operation: SIGNAL,
        hits: Hits::Of(ALL),
        phase: Phase::End,
        scene: Scene::Signal,
        fate: Fate::Drained,
        said: Said::Warned(SIGNAL),
        meanwhile: "tried five times; the lifecycle action is completed whatever becomes of it",
        remedy: "check stack and resource in `[cloudformation]`",
    },
];
