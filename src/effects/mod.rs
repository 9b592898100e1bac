//! Carries out the core's actions, by a client of AWS or of this machine or by one of the modules here, and
//! returns their answers.
//!
//! [`Effects::run`] is the whole interface: it takes an action and returns its answer. Nothing here decides,
//! retries or keeps state.

pub mod emf;
pub mod executables;
pub mod state_file;

use std::path::Path;

use crate::clients::aws::Aws;
use crate::clients::cloudformation::{self, CloudFormation};
use crate::clients::{Endpoints, Imds, Introspection, Warnings, autoscaling, ecs};
use crate::clock::{Clock, wall_time};
use crate::config::{MetricsSettings, Settings, StackResource};
use crate::decide::{
    Accepted, Action, Answer, AutoScalingInstance, Failure, Instance, Memory, SignalStatus,
};

use executables::ExecutableRunner;
use state_file::StateFile;

/// The clients and files through which the agent acts.
pub struct Effects {
    clock: Clock,
    imds: Imds,
    introspection: Introspection,
    aws: Aws,
    cloudformation: CloudFormation,
    cloudformation_endpoint: Option<String>,
    state_file: StateFile,
    executables: ExecutableRunner,
    metrics: MetricsSettings,
}

impl Effects {
    /// Sets up the clients. Nothing is sent yet.
    pub fn new(settings: &Settings, endpoints: &Endpoints, clock: Clock) -> Self {
        Self {
            clock,
            imds: Imds::new(
                &endpoints.imds,
                settings.metadata.request_timeout,
                clock,
                Warnings {
                    rebalance: settings.drain.on_rebalance.is_some(),
                    maintenance: settings.drain.on_maintenance.is_some(),
                },
            ),
            introspection: Introspection::new(
                &settings.ecs.introspection_endpoint,
                settings.ecs.introspection_timeout,
            ),
            aws: Aws::new(settings.aws.request_timeout),
            cloudformation: CloudFormation::new(settings.aws.request_timeout),
            cloudformation_endpoint: endpoints.cloudformation.clone(),
            state_file: StateFile::new(&settings.agent.state_directory),
            executables: ExecutableRunner::new(settings),
            metrics: settings.metrics.clone(),
        }
    }

    /// Reads what an earlier process wrote to the state file.
    ///
    /// # Errors
    /// Fails if there is a state file that cannot be read or parsed.
    pub async fn recall(&self) -> Result<Option<Memory>, Failure> {
        self.state_file.read(self.clock).await
    }

    /// The path of the state file.
    pub fn state_file(&self) -> &Path {
        self.state_file.path()
    }

    /// Carries out one action and returns its answer. `instance` is this EC2 instance, which the core knows before
    /// it calls AWS.
    pub async fn run(&self, action: Action, instance: Option<Instance>) -> Option<Answer> {
        let answer = match action {
            Action::ReadInstance => Answer::Instance(self.imds.instance().await),
            Action::ReadMetadata { notices } => Answer::Metadata(self.imds.reading(notices).await),
            Action::ReadContainerInstance => {
                Answer::Identity(self.introspection.container_instance().await)
            }
            Action::Remember(memory) => {
                Answer::Remembered(self.state_file.write(*memory, self.clock).await)
            }
            Action::ReadTasks { open } => Answer::Tasks(self.introspection.tasks(open).await),
            Action::FindStack => Answer::Stack(self.find_stack().await),
            Action::SendMetrics(figures) => {
                let endpoint = self.metrics.emf_endpoint.as_deref()?;
                let now = wall_time(self.clock.wall());
                let record = emf::drain(&figures, &instance?, now, &self.metrics.log_group);
                Answer::MetricsSent(emf::send(endpoint, &record).await)
            }
            Action::ReadTaskSet => Answer::TaskSet(self.introspection.task_set().await),
            Action::SendCapacity(sample) => {
                let record = emf::capacity(&sample, &instance?, &self.metrics.log_group);
                Answer::MetricsSent(emf::send(self.metrics.capacity_endpoint(), &record).await)
            }
            Action::RunExecutables { event, facts } => {
                let clock = &self.clock;
                Answer::Executables(self.executables.run(event, &facts, &instance?, clock).await)
            }
            // The SDK's futures are large, and the others are made every second.
            action => Box::pin(self.ask_aws(action, &instance?)).await?,
        };
        Some(answer)
    }

    async fn ask_aws(&self, action: Action, instance: &Instance) -> Option<Answer> {
        let aws = &self.aws;
        let id = &instance.instance_id;
        let answer = match &action {
            Action::SetDraining(target) | Action::SetActive(target) => {
                let draining = matches!(action, Action::SetDraining(_));
                let set = |ecs| async move { ecs::set_state(&ecs, target, draining).await };
                Answer::StateSet(aws.ecs(instance, set).await)
            }
            Action::DescribeContainerInstance(target) => {
                let describe = |ecs| async move { ecs::describe(&ecs, target).await };
                Answer::ContainerInstance(aws.ecs(instance, describe).await)
            }
            Action::ListContainerInstances(target) => {
                let list = |ecs| async move { ecs::registrations(&ecs, &target.cluster, id).await };
                Answer::Registrations(aws.ecs(instance, list).await)
            }
            Action::DescribeResources(target) => {
                let describe = |ecs| async move { ecs::resources(&ecs, target).await };
                Answer::Resources(aws.ecs(instance, describe).await)
            }
            Action::ClassifyTasks {
                container_instance: target,
                tasks,
                daemons,
            } => {
                let describe = |ecs| async move {
                    ecs::describe_tasks(&ecs, &target.cluster, tasks, *daemons).await
                };
                Answer::Classified(aws.ecs(instance, describe).await)
            }
            Action::ListTasks {
                container_instance: target,
                daemons,
            } => {
                let list = |ecs| async move { ecs::list_tasks(&ecs, target, *daemons).await };
                Answer::ApiTasks(aws.ecs(instance, list).await)
            }
            Action::StopTask {
                container_instance: target,
                task,
                reason,
            } => {
                let stop =
                    |ecs| async move { ecs::stop_task(&ecs, &target.cluster, task, reason).await };
                Answer::TaskStopped(aws.ecs(instance, stop).await)
            }
            Action::FindGroup { tags } => Answer::Group(self.find_group(*tags, instance).await),
            Action::DescribeLifecycleHooks { group, transition } => {
                let describe =
                    |client| async move { autoscaling::lifecycle_hooks(&client, group).await };
                let mut result = aws.autoscaling(instance, describe).await;
                if let Ok(hooks) = &mut result {
                    hooks.retain(|hook| hook.transition == *transition);
                }
                Answer::Hooks(result)
            }
            Action::Heartbeat(hook) => {
                let beat = |client| async move { autoscaling::heartbeat(&client, hook, id).await };
                Answer::Heartbeat(aws.autoscaling(instance, beat).await)
            }
            Action::Complete { hook, result } => {
                let complete =
                    |client| async move { autoscaling::complete(&client, hook, id, *result).await };
                Answer::Completed(aws.autoscaling(instance, complete).await)
            }
            Action::Signal { target, status, .. } => {
                Answer::Signalled(self.signal(target, *status, instance).await)
            }
            _ => return None,
        };
        Some(answer)
    }

    async fn signal(
        &self,
        target: &StackResource,
        status: SignalStatus,
        instance: &Instance,
    ) -> Result<Accepted, Failure> {
        let signal = cloudformation::Signal {
            stack: target.stack_name.clone(),
            resource: target.logical_resource_id.clone(),
            status,
        };
        let endpoint = match &self.cloudformation_endpoint {
            Some(endpoint) => endpoint.clone(),
            None => self.aws.cloudformation_endpoint(instance).await?,
        };
        self.cloudformation
            .signal(&self.imds, instance, &signal, &endpoint)
            .await
    }

    /// Finds the stack by instance tags: CloudFormation tags the group, and Auto Scaling tags its instances.
    async fn find_stack(&self) -> Result<Option<StackResource>, Failure> {
        let (stack, resource) = tokio::try_join!(
            self.imds.tag("aws:cloudformation:stack-name"),
            self.imds.tag("aws:cloudformation:logical-id"),
        )?;
        Ok(stack
            .zip(resource)
            .map(|(stack_name, logical_resource_id)| StackResource {
                stack_name,
                logical_resource_id,
            }))
    }

    /// Reads the group from its tag, which needs tags in metadata but no AWS call. Otherwise it asks Auto Scaling.
    async fn find_group(
        &self,
        tags: bool,
        instance: &Instance,
    ) -> Result<Option<AutoScalingInstance>, Failure> {
        if tags && let Ok(Some(group)) = self.imds.tag("aws:autoscaling:groupName").await {
            return Ok(Some(AutoScalingInstance {
                group,
                lifecycle_state: None,
            }));
        }
        let id = &instance.instance_id;
        let describe = |client| async move { autoscaling::describe_instance(&client, id).await };
        self.aws.autoscaling(instance, describe).await
    }
}
