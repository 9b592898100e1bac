//! The validated configuration that the rest of the agent works with.
//!
//! Most sections have the form of their keys and come from the table in `keys`. Where two keys belong together, as
//! in `[cloudformation]`, the type here says so and no other code has to check it. Code outside of `config` sees
//! only this and never a file.

use super::choices::SignalOnTimeout;
use super::keys::{
    AgentSettings, AutoScalingSettings, AwsSettings, CapacitySettings, CloudFormationInputs,
    DrainSettings, EcsSettings, ExecutableSettings, Inputs, LogSettings, MetadataSettings,
    MetricsSettings, ReadySettings,
};

/// The validated configuration. `Settings::default()` is that of an empty configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The section `[metadata]`.
    pub metadata: MetadataSettings,
    /// The section `[ecs]`.
    pub ecs: EcsSettings,
    /// The section `[aws]`.
    pub aws: AwsSettings,
    /// The section `[ready]`.
    pub ready: ReadySettings,
    /// The section `[drain]`.
    pub drain: DrainSettings,
    /// The section `[executables]`.
    pub executables: ExecutableSettings,
    /// The section `[autoscaling]`.
    pub autoscaling: AutoScalingSettings,
    /// The section `[cloudformation]`.
    pub cloudformation: CloudFormationSettings,
    /// The section `[agent]`.
    pub agent: AgentSettings,
    /// The section `[metrics]`.
    pub metrics: MetricsSettings,
    /// The section `[capacity]`.
    pub capacity: CapacitySettings,
    /// The section `[log]`.
    pub log: LogSettings,
}

/// Which CloudFormation resource is signalled when a drain ends, or a new instance has joined.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudFormationSettings {
    /// The resource; `None` if nothing is signalled.
    pub resource: Option<StackResource>,
    /// Whether it is signalled at the end of a drain.
    pub signal_drained: bool,
    /// The status that is signalled when the drain does not finish in time.
    pub signal_on_timeout: SignalOnTimeout,
}

/// A resource of a CloudFormation stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackResource {
    /// The stack's name or ARN.
    pub stack_name: String,
    /// The resource's `LogicalResourceId` in the template.
    pub logical_resource_id: String,
}

impl CapacitySettings {
    /// Whether any resource of a task is configured.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.cpu > 0 || self.memory > 0 || !self.ports.is_empty() || self.awsvpc
    }
}

impl MetricsSettings {
    /// The endpoint for samples of the capacity, which by default is the CloudWatch agent's.
    #[must_use]
    pub fn capacity_endpoint(&self) -> &str {
        self.emf_endpoint
            .as_deref()
            .unwrap_or("tcp://127.0.0.1:25888")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::from(Inputs::default())
    }
}

impl From<Inputs> for Settings {
    fn from(inputs: Inputs) -> Self {
        Self {
            metadata: inputs.metadata,
            ecs: inputs.ecs,
            aws: inputs.aws,
            ready: inputs.ready,
            drain: inputs.drain,
            executables: inputs.executables,
            autoscaling: inputs.autoscaling,
            cloudformation: inputs.cloudformation.into(),
            agent: inputs.agent,
            metrics: inputs.metrics,
            capacity: inputs.capacity,
            log: inputs.log,
        }
    }
}

/// Converts the settings back, to print those in force as a configuration.
impl From<Settings> for Inputs {
    fn from(settings: Settings) -> Self {
        Self {
            metadata: settings.metadata,
            ecs: settings.ecs,
            aws: settings.aws,
            ready: settings.ready,
            drain: settings.drain,
            executables: settings.executables,
            autoscaling: settings.autoscaling,
            cloudformation: settings.cloudformation.into(),
            agent: settings.agent,
            metrics: settings.metrics,
            capacity: settings.capacity,
            log: settings.log,
        }
    }
}

impl From<CloudFormationInputs> for CloudFormationSettings {
    fn from(inputs: CloudFormationInputs) -> Self {
        // `validate` has already reported one name without the other.
        let resource = inputs.stack_name.zip(inputs.logical_resource_id).map(
            |(stack_name, logical_resource_id)| StackResource {
                stack_name,
                logical_resource_id,
            },
        );
        Self {
            resource,
            signal_drained: inputs.signal_drained,
            signal_on_timeout: inputs.signal_on_timeout,
        }
    }
}

impl From<CloudFormationSettings> for CloudFormationInputs {
    fn from(settings: CloudFormationSettings) -> Self {
        let (stack_name, logical_resource_id) = settings
            .resource
            .map(|resource| (resource.stack_name, resource.logical_resource_id))
            .unzip();
        Self {
            stack_name,
            logical_resource_id,
            signal_drained: settings.signal_drained,
            signal_on_timeout: settings.signal_on_timeout,
        }
    }
}
