//! What the core asks the driver to do. Each action has a ticket, and is answered by one event that
//! carries it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::capacity::CapacitySample;
use super::facts::{ContainerInstance, HookRef, LifecycleActionResult, LifecycleTransition};
use super::memory::Memory;
use super::operation::{Dependency, IamAction, Operation};
use super::reason::{DrainReason, Outcome};
use super::time::Moment;
use ecs_lifecycle_config::StackResource;

/// One thing to do. The driver runs it beside the loop, with a timeout of its own, and brings the
/// outcome back as an event: a slow call delays nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the instance identity from the metadata service.
    ReadInstance,
    /// Read the metadata paths that can start or call off a drain.
    ReadMetadata {
        /// Whether EC2's notices are read with the target lifecycle state.
        notices: bool,
    },
    /// Ask the ECS agent which container instance this is.
    ReadContainerInstance,
    /// Ask the ECS agent for its tasks.
    ReadTasks {
        /// The tasks for which the agent needs to know whether they have stopped.
        open: BTreeSet<String>,
    },
    /// Write down what a restart could not find out again.
    Remember(Box<Memory>),
    /// `ecs:UpdateContainerInstancesState` to DRAINING.
    SetDraining(ContainerInstance),
    /// `ecs:UpdateContainerInstancesState` back to ACTIVE.
    SetActive(ContainerInstance),
    /// `ecs:DescribeContainerInstances` for this one.
    DescribeContainerInstance(ContainerInstance),
    /// `ecs:ListContainerInstances`: every registration of this EC2 instance in the cluster of this one.
    ListContainerInstances(ContainerInstance),
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
    RunExecutables {
        /// Which directory.
        event: ExecutableEvent,
        /// The facts for their environment.
        facts: ExecutableFacts,
    },
    /// Send the figures of a drain to the CloudWatch agent.
    SendMetrics(DrainFigures),
    /// Ask the ECS agent for the tasks that have not stopped, and which of them have network interfaces.
    ReadTaskSet,
    /// `ecs:DescribeContainerInstances` for this one: its resources.
    DescribeResources(ContainerInstance),
    /// Send one sample of this instance's capacity to the CloudWatch agent.
    SendCapacity(CapacitySample),
    /// `autoscaling:RecordLifecycleActionHeartbeat`
    Heartbeat(HookRef),
    /// `cloudformation:SignalResource`
    Signal {
        /// `Launching` for a join, `Terminating` for a drain.
        transition: LifecycleTransition,
        /// Which resource.
        target: StackResource,
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
}

impl Action {
    /// The service that it calls, and the operation, in the spelling of IAM for AWS.
    pub fn operation(&self) -> Operation {
        use Dependency::{AutoScaling, CloudFormation, Ecs, Introspection, Metadata};
        let (dependency, name) = match self {
            Self::ReadInstance | Self::ReadMetadata { .. } => (Metadata, "read instance metadata"),
            Self::FindStack => (Metadata, "read the stack from the instance's tags"),
            Self::ReadContainerInstance | Self::ReadTasks { .. } | Self::ReadTaskSet => {
                (Introspection, "ask the ECS agent's introspection")
            }
            Self::Remember(_) => (Dependency::StateDirectory, "write state.json"),
            Self::SetDraining(_) | Self::SetActive(_) => {
                (Ecs, IamAction::UpdateContainerInstancesState.as_str())
            }
            Self::DescribeContainerInstance(_) | Self::DescribeResources(_) => {
                (Ecs, IamAction::DescribeContainerInstances.as_str())
            }
            Self::ListContainerInstances(_) => (Ecs, IamAction::ListContainerInstances.as_str()),
            Self::ClassifyTasks { .. } => (Ecs, "ecs:DescribeTasks or ecs:DescribeServices"),
            Self::ListTasks { .. } => (Ecs, "ecs:ListTasks or ecs:DescribeTasks"),
            Self::StopTask { .. } => (Ecs, IamAction::StopTask.as_str()),
            Self::FindGroup { .. } => (
                AutoScaling,
                IamAction::DescribeAutoScalingInstances.as_str(),
            ),
            Self::DescribeLifecycleHooks { .. } => {
                (AutoScaling, IamAction::DescribeLifecycleHooks.as_str())
            }
            Self::Heartbeat(_) => (
                AutoScaling,
                IamAction::RecordLifecycleActionHeartbeat.as_str(),
            ),
            Self::Complete { .. } => (AutoScaling, IamAction::CompleteLifecycleAction.as_str()),
            Self::Signal { .. } => (CloudFormation, IamAction::SignalResource.as_str()),
            Self::RunExecutables { .. } => (Dependency::Executables, "run the executables"),
            Self::SendCapacity(_) => (Dependency::CloudWatchAgent, "send the capacity"),
            Self::SendMetrics(_) => (Dependency::CloudWatchAgent, "send the figures of the drain"),
        };
        Operation { dependency, name }
    }
}

/// Names one action among all of a process: its answer carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u32);

/// When executables are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutableEvent {
    /// The instance is a member of its cluster: is it ready as well?
    Ready,
    /// A drain begins: the container instance is not DRAINING yet.
    BeforeDrain,
    /// A drain is over: nobody has been told yet.
    AfterDrain,
}

impl ExecutableEvent {
    /// Whether those after one that failed are not run: an instance is ready only if all succeed.
    pub fn ends_at_a_failure(self) -> bool {
        match self {
            Self::Ready => true,
            Self::BeforeDrain | Self::AfterDrain => false,
        }
    }

    /// The word for it: of the directory, and in the executables' environment.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::BeforeDrain => "before-drain",
            Self::AfterDrain => "after-drain",
        }
    }
}

/// What the executables are told, beside what is known of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutableFacts {
    /// Which container instance, if that is known.
    pub container_instance: Option<ContainerInstance>,
    /// Why the instance is drained; empty for [`ExecutableEvent::Ready`].
    pub reason: String,
    /// Until when.
    pub deadline: Moment,
    /// `drained`, `timed-out`; for [`ExecutableEvent::AfterDrain`].
    pub outcome: Option<&'static str>,
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
