//! What is done about it: one module a counterpart, each a thin shell around one or two calls.
//!
//! [`Effects::run`] is the whole interface: an action in, the event that answers it out. Nothing here
//! decides, repeats or remembers.

pub mod autoscaling;
pub mod aws;
pub mod bounded;
pub mod cloudformation;
pub mod commands;
pub mod ecs;
pub mod emf;
pub mod failure;
pub mod state_file;

use std::path::Path;

use crate::clock::Clock;
use crate::config::{Settings, StackResource};
use crate::decide::{
    Accepted, Action, Answer, AutoScalingInstance, Event, Failure, Instance, Memory, SignalStatus,
};
use crate::http;
use crate::observe::{Imds, Introspection, Warnings};

use aws::Aws;
use cloudformation::CloudFormation;
use commands::CommandRunner;
use state_file::StateFile;

/// Where our own HTTP calls go, as the standard AWS variables and the configuration say.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Instance metadata.
    pub imds: String,
    /// CloudFormation, where it is overridden.
    pub cloudformation: Option<String>,
}

impl Endpoints {
    /// Reads `AWS_EC2_METADATA_SERVICE_ENDPOINT`, `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE`,
    /// `AWS_ENDPOINT_URL_CLOUDFORMATION` and `AWS_ENDPOINT_URL`, as the SDKs do.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let ipv6 = set("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
            .is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
        let default = if ipv6 {
            "http://[fd00:ec2::254]"
        } else {
            "http://169.254.169.254"
        };
        let ignored = set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Self {
            imds: set("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| default.to_owned()),
            cloudformation: set("AWS_ENDPOINT_URL_CLOUDFORMATION")
                .or_else(|| set("AWS_ENDPOINT_URL"))
                .filter(|_| !ignored),
        }
    }
}

/// Everything that the agent can do to the world.
pub struct Effects {
    clock: Clock,
    imds: Imds,
    introspection: Introspection,
    aws: Aws,
    cloudformation: CloudFormation,
    state_file: StateFile,
    commands: CommandRunner,
    emf_endpoint: Option<String>,
}

impl Effects {
    /// Sets up the clients. Nothing is sent yet.
    ///
    /// # Errors
    /// Where the HTTP client cannot be set up at all.
    pub fn new(
        settings: &Settings,
        endpoints: &Endpoints,
        clock: Clock,
    ) -> Result<Self, reqwest::Error> {
        let local = http::local_client()?;
        Ok(Self {
            clock,
            imds: Imds::new(
                local.clone(),
                &endpoints.imds,
                settings.metadata.request_timeout,
                clock,
                Warnings {
                    rebalance: settings.drain.on_rebalance.is_some(),
                    maintenance: settings.drain.on_maintenance,
                },
            ),
            introspection: Introspection::new(
                local,
                &settings.ecs.introspection_endpoint,
                settings.ecs.introspection_timeout,
            ),
            aws: Aws::new(settings.aws.request_timeout),
            cloudformation: CloudFormation::new(
                endpoints.cloudformation.clone(),
                settings.aws.request_timeout,
            ),
            state_file: StateFile::new(&settings.agent.state_directory),
            commands: CommandRunner::new(settings),
            emf_endpoint: settings.metrics.emf_endpoint.clone(),
        })
    }

    /// What an earlier process has written down.
    ///
    /// # Errors
    /// Where there is something that cannot be read or understood.
    pub fn recall(&self) -> Result<Option<Memory>, Failure> {
        self.state_file.read(&self.clock)
    }

    /// Where it is written down.
    pub fn state_file(&self) -> &Path {
        self.state_file.path()
    }

    /// Carries out one action and brings back the event that answers it. `instance` is the machine, which
    /// is known before anything is asked of AWS.
    pub async fn run(
        &self,
        action: Action,
        epoch: u32,
        instance: Option<Instance>,
    ) -> Option<Event> {
        let event = match action {
            Action::ReadInstance => Event::Instance(self.imds.instance().await),
            Action::ReadMetadata => Event::Metadata(self.imds.reading().await),
            Action::ReadContainerInstance => {
                Event::ContainerInstance(self.introspection.container_instance().await)
            }
            Action::Remember(memory) => {
                Event::Remembered(self.state_file.write(memory, self.clock).await)
            }
            Action::ReadTasks => Event::Work {
                epoch,
                answer: Answer::Tasks(self.introspection.tasks().await),
            },
            Action::SignalJoin {
                stack,
                resource,
                status,
            } => Event::JoinSignalled(self.signal(stack, resource, status, &instance?).await),
            Action::SendMetrics(figures) => {
                let endpoint = self.emf_endpoint.as_deref()?;
                let record = emf::record(&figures, &instance?, self.clock.wall());
                Event::MetricsSent(emf::send(endpoint, &record).await)
            }
            Action::SetActive(container_instance) => {
                let ecs = self.aws.ecs(&instance?).await;
                Event::ActiveSet(
                    self.aws
                        .book(ecs::set_state(&ecs, &container_instance, false).await),
                )
            }
            action => Event::Work {
                epoch,
                answer: self.ask_aws(action, &instance?).await?,
            },
        };
        Some(event)
    }

    /// What belongs to one drain, or to one join.
    async fn ask_aws(&self, action: Action, instance: &Instance) -> Option<Answer> {
        let aws = &self.aws;
        let answer = match action {
            Action::SetDraining(container_instance) => {
                let ecs = aws.ecs(instance).await;
                Answer::DrainingSet(aws.book(ecs::set_state(&ecs, &container_instance, true).await))
            }
            Action::DescribeContainerInstance(container_instance) => {
                let ecs = aws.ecs(instance).await;
                Answer::ContainerInstance(aws.book(ecs::describe(&ecs, &container_instance).await))
            }
            Action::ClassifyTasks {
                container_instance,
                tasks,
                daemons,
            } => {
                let ecs = aws.ecs(instance).await;
                let result =
                    ecs::describe_tasks(&ecs, &container_instance.cluster, &tasks, daemons).await;
                Answer::Classified(aws.book(result))
            }
            Action::ListTasks {
                container_instance,
                daemons,
            } => {
                let ecs = aws.ecs(instance).await;
                Answer::ApiTasks(
                    aws.book(ecs::list_tasks(&ecs, &container_instance, daemons).await),
                )
            }
            Action::StopTask {
                container_instance,
                task,
                reason,
            } => {
                let ecs = aws.ecs(instance).await;
                let result =
                    ecs::stop_task(&ecs, &container_instance.cluster, &task, &reason).await;
                Answer::TaskStopped {
                    task,
                    result: aws.book(result),
                }
            }
            Action::FindGroup { tags } => Answer::Group(self.find_group(tags, instance).await),
            Action::DescribeLifecycleHooks { group, transition } => {
                let client = aws.autoscaling(instance).await;
                let mut result = autoscaling::lifecycle_hooks(&client, &group).await;
                if let Ok(hooks) = &mut result {
                    hooks.retain(|hook| hook.transition == transition);
                }
                Answer::Hooks(aws.book(result))
            }
            Action::FindStack => Answer::Stack(self.find_stack().await),
            Action::RunCommands { event, facts } => Answer::Commands {
                event,
                result: self
                    .commands
                    .run(event, &facts, instance, &self.clock)
                    .await,
            },
            Action::Heartbeat(hook) => {
                let client = aws.autoscaling(instance).await;
                let result = autoscaling::heartbeat(&client, &hook, &instance.instance_id).await;
                Answer::Heartbeat(aws.book(result))
            }
            Action::Complete { hook, result } => {
                let client = aws.autoscaling(instance).await;
                let id = &instance.instance_id;
                let result = autoscaling::complete(&client, &hook, id, result).await;
                Answer::Completed(aws.book(result))
            }
            Action::Signal {
                stack,
                resource,
                status,
            } => Answer::Signalled(self.signal(stack, resource, status, instance).await),
            Action::ReadInstance
            | Action::ReadMetadata
            | Action::ReadContainerInstance
            | Action::ReadTasks
            | Action::Remember(_)
            | Action::SetActive(_)
            | Action::SignalJoin { .. }
            | Action::SendMetrics(_)
            | Action::Exit => return None,
        };
        Some(answer)
    }

    async fn signal(
        &self,
        stack: String,
        resource: String,
        status: SignalStatus,
        instance: &Instance,
    ) -> Result<Accepted, Failure> {
        let signal = cloudformation::Signal {
            stack,
            resource,
            status,
        };
        self.cloudformation
            .signal(&self.imds, instance, &signal)
            .await
    }

    /// CloudFormation tags the group with what it is, and Auto Scaling its instances.
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

    /// The tag costs no call to AWS, and is there where the launch template allows tags in metadata.
    async fn find_group(
        &self,
        tags: bool,
        instance: &Instance,
    ) -> Result<Option<AutoScalingInstance>, Failure> {
        if tags && let Ok(Some(group)) = self.imds.tag("aws:autoscaling:groupName").await {
            return Ok(Some(AutoScalingInstance {
                group,
                lifecycle_state: String::new(),
            }));
        }
        let client = self.aws.autoscaling(instance).await;
        self.aws
            .book(autoscaling::describe_instance(&client, &instance.instance_id).await)
    }
}
