//! What the core asks the driver to do. Each action but [`Action::Exit`] is answered by one event.

use std::time::Duration;

use super::commands::{CommandEvent, CommandFacts};
use super::drain::{DrainReason, Outcome};
use super::facts::{ContainerInstance, LifecycleHook, LifecycleTransition};
use super::memory::Memory;

/// One thing to do. The driver runs it beside the loop, with a timeout of its own, and brings the
/// outcome back as an event: a slow call delays nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the instance identity from the metadata service.
    ReadInstance,
    /// Read the metadata paths that can start or call off a drain.
    ReadMetadata,
    /// Ask the ECS agent which container instance this is.
    ReadContainerInstance,
    /// Ask the ECS agent for its tasks.
    ReadTasks,
    /// Write down what a restart could not find out again.
    Remember(Memory),
    /// `ecs:UpdateContainerInstancesState` to DRAINING.
    SetDraining(ContainerInstance),
    /// `ecs:UpdateContainerInstancesState` back to ACTIVE.
    SetActive(ContainerInstance),
    /// `ecs:DescribeContainerInstances` for this one.
    DescribeContainerInstance(ContainerInstance),
    /// `ecs:DescribeTasks` for these tasks, and `ecs:DescribeServices` where `daemons` have to be told
    /// from other services' tasks.
    ClassifyTasks {
        /// Where.
        container_instance: ContainerInstance,
        /// Task ARNs.
        tasks: Vec<String>,
        /// Whether to look up which services are daemons.
        daemons: bool,
    },
    /// `ecs:ListTasks` (every page, running and stopped) and `ecs:DescribeTasks`: the slow way to know
    /// the tasks while introspection is away.
    ListTasks {
        /// Where.
        container_instance: ContainerInstance,
        /// Whether to look up which services are daemons.
        daemons: bool,
    },
    /// `ecs:StopTask`
    StopTask {
        /// Where.
        container_instance: ContainerInstance,
        /// Task ARN.
        task: String,
        /// Shown in the console as the reason.
        reason: String,
    },
    /// Which Auto Scaling group is this instance in, and in which state? From the instance's tags where
    /// `tags` allows and they are on, else `autoscaling:DescribeAutoScalingInstances`.
    FindGroup {
        /// Whether the tag will do: it does not know the lifecycle state.
        tags: bool,
    },
    /// `autoscaling:DescribeLifecycleHooks`
    DescribeLifecycleHooks {
        /// `AutoScalingGroupName`
        group: String,
        /// Which of them.
        transition: LifecycleTransition,
    },
    /// Which CloudFormation resource is this instance of? From the instance's tags.
    FindStack,
    /// Run the user's executables for this event, one after the other.
    RunCommands {
        /// Which directory.
        event: CommandEvent,
        /// What they are told.
        facts: CommandFacts,
    },
    /// Send the figures of a drain to the CloudWatch agent.
    SendMetrics(DrainFigures),
    /// `autoscaling:RecordLifecycleActionHeartbeat`
    Heartbeat(HookRef),
    /// `cloudformation:SignalResource`
    Signal {
        /// Stack name or id.
        stack: String,
        /// `LogicalResourceId`
        resource: String,
        /// What to say.
        status: SignalStatus,
    },
    /// `cloudformation:SignalResource`, for a join: it may outlive it.
    SignalJoin {
        /// Stack name or id.
        stack: String,
        /// `LogicalResourceId`
        resource: String,
        /// What to say.
        status: SignalStatus,
    },
    /// `autoscaling:CompleteLifecycleAction`
    Complete {
        /// Which action.
        hook: HookRef,
        /// How it went.
        result: LifecycleActionResult,
    },
    /// End the process, with nothing further done.
    Exit,
}

/// The figures of one drain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainFigures {
    /// Short name or ARN of the cluster, if it is known.
    pub cluster: Option<String>,
    /// Why.
    pub reason: DrainReason,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// How many tasks it has waited for.
    pub tasks: usize,
}

/// Names a hook of a group: with the instance id, that is what Auto Scaling needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRef {
    /// `AutoScalingGroupName`
    pub group: String,
    /// `LifecycleHookName`
    pub name: String,
}

impl HookRef {
    /// The reference to `hook` of `group`.
    pub fn new(group: &str, hook: &LifecycleHook) -> Self {
        Self {
            group: group.to_owned(),
            name: hook.name.clone(),
        }
    }
}

/// `Status` of a CloudFormation signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalStatus {
    /// `SUCCESS`
    Success,
    /// `FAILURE`
    Failure,
}

impl SignalStatus {
    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
        }
    }
}

/// `LifecycleActionResult`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifecycleActionResult {
    /// `CONTINUE`
    Continue,
    /// `ABANDON`
    Abandon,
}

impl LifecycleActionResult {
    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "CONTINUE",
            Self::Abandon => "ABANDON",
        }
    }
}
