//! What the driver tells the core: time, signals to the process, and the outcomes of actions.

use std::time::Duration;

use super::action::Ticket;
use super::capacity::{HostView, LocalTask};
use super::facts::{
    ApiTask, AutoScalingInstance, ContainerInstance, ContainerInstanceView, Failure, Instance,
    LifecycleHook, MetadataReading, Task,
};
use ecs_lifecycle_config::StackResource;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are only ever a few at a time"
)]
pub enum Event {
    /// Time has passed: the moment that the core asked to be woken at has come.
    Tick,
    /// The process was asked to stop (SIGTERM, SIGINT).
    StopRequested {
        /// `SIGTERM`, `SIGINT`
        signal: &'static str,
        /// Whether it is the whole machine that is being shut down.
        shutdown: bool,
    },
    /// A person on the machine asks for a drain.
    DrainByHand {
        /// How long it may take; `None` for `drain.timeout`.
        timeout: Option<Duration>,
    },
    /// A person on the machine calls off that drain.
    UndrainByHand,
    /// A person on the machine asks for the status, with the kinds of the tasks.
    StatusAsked,
    /// Outcome of an action.
    Answered {
        /// Of which.
        ticket: Ticket,
        /// The outcome.
        answer: Answer,
    },
}

/// Outcomes of actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of [`super::Action::ReadInstance`].
    Instance(Result<Instance, Failure>),
    /// Of [`super::Action::ReadMetadata`].
    Metadata(MetadataReading),
    /// Of [`super::Action::ReadContainerInstance`]; `None` while the ECS agent has no ARN yet.
    Identity(Result<Option<ContainerInstance>, Failure>),
    /// Of [`super::Action::ReadTasks`]: stopped ones, too.
    Tasks(Result<Vec<Task>, Failure>),
    /// Of [`super::Action::Remember`].
    Remembered(Result<(), Failure>),
    /// Of [`super::Action::SetDraining`] and [`super::Action::SetActive`].
    StateSet(Result<StateChange, Failure>),
    /// Of [`super::Action::DescribeContainerInstance`].
    ContainerInstance(Result<ContainerInstanceView, Failure>),
    /// Of [`super::Action::ListContainerInstances`]: ARNs.
    Registrations(Result<Vec<String>, Failure>),
    /// Of [`super::Action::ClassifyTasks`].
    Classified(Result<Vec<ApiTask>, Failure>),
    /// Of [`super::Action::ListTasks`].
    ApiTasks(Result<Vec<ApiTask>, Failure>),
    /// Of [`super::Action::StopTask`].
    TaskStopped(Result<(), Failure>),
    /// Of [`super::Action::FindGroup`]; `None` where Auto Scaling does not know the instance.
    Group(Result<Option<AutoScalingInstance>, Failure>),
    /// Of [`super::Action::DescribeLifecycleHooks`]: those of the transition that was asked for.
    Hooks(Result<Vec<LifecycleHook>, Failure>),
    /// Of [`super::Action::Heartbeat`].
    Heartbeat(Result<Accepted, Failure>),
    /// Of [`super::Action::Signal`].
    Signalled(Result<Accepted, Failure>),
    /// Of [`super::Action::Complete`].
    Completed(Result<Accepted, Failure>),
    /// Of [`super::Action::FindStack`]; `None` where the instance's tags name no stack.
    Stack(Result<Option<StackResource>, Failure>),
    /// Of [`super::Action::RunExecutables`]; a failure where the directory cannot be read.
    Executables(Result<ExecutablesReport, Failure>),
    /// Of [`super::Action::ReadTaskSet`].
    TaskSet(Result<Vec<LocalTask>, Failure>),
    /// Of [`super::Action::DescribeResources`].
    Resources(Result<HostView, Failure>),
    /// Of [`super::Action::SendMetrics`] and [`super::Action::SendCapacity`].
    MetricsSent(Result<(), Failure>),
}

/// How the executables of one directory went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutablesReport {
    /// How many there were.
    pub ran: usize,
    /// What became of those that did not succeed, by name.
    pub failed: Vec<Failure>,
}

/// The answer to a request that carries nothing but "yes".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// AWS's request id.
    pub request_id: Option<String>,
}

/// The answer to `UpdateContainerInstancesState`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The container instance as it is now.
    pub view: ContainerInstanceView,
    /// AWS's request id.
    pub request_id: Option<String>,
}
