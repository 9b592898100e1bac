//! Amazon ECS: the container instance's state, and the tasks as the API sees them.

use std::collections::BTreeMap;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::operation::RequestId;
use aws_sdk_ecs::types;

use crate::clients::parse;
use crate::config::{HostPort, Protocol};
use crate::decide::{
    ApiTask, ContainerInstance, ContainerInstanceStatus, ContainerInstanceView, Failure,
    FailureKind, HostView, IamAction, Resources, StateChange, Task, TaskKind, TaskStatus, short,
};

use super::failure::Call;

/// The most tasks in one call of `DescribeTasks`.
const TASKS_AT_ONCE: usize = 100;
/// The most services in one call of `DescribeServices`.
const SERVICES_AT_ONCE: usize = 10;
/// More pages than any container instance can fill. An answer with more of them is malformed.
const MOST_PAGES: usize = 1_000;

/// Calls `UpdateContainerInstancesState`, to DRAINING or back to ACTIVE, and returns the resulting state.
///
/// # Errors
/// Fails if the call does. A failure `MISSING` or `INACTIVE` within a successful answer is not an error: it means
/// that the container instance is gone.
pub async fn set_state(
    ecs: &Client,
    target: &ContainerInstance,
    draining: bool,
) -> Result<StateChange, Failure> {
    let status = if draining {
        types::ContainerInstanceStatus::Draining
    } else {
        types::ContainerInstanceStatus::Active
    };
    let call = Call::new(
        IamAction::UpdateContainerInstancesState,
        format_args!("{} on {}", status.as_str(), target.id()),
    );
    let answer = ecs
        .update_container_instances_state()
        .cluster(&target.cluster)
        .container_instances(&target.arn)
        .status(status)
        .send()
        .await
        .map_err(|error| call.failed(&error))?;
    let view = view(&call, answer.container_instances(), answer.failures())?;
    Ok(StateChange {
        view,
        request_id: answer.request_id().map(str::to_owned),
    })
}

/// Calls `DescribeContainerInstances` for this container instance.
///
/// # Errors
/// Fails if the call does, or if the answer is incomplete.
pub async fn describe(
    ecs: &Client,
    target: &ContainerInstance,
) -> Result<ContainerInstanceView, Failure> {
    resources(ecs, target).await.map(|host| host.view)
}

/// Calls `DescribeContainerInstances` and returns the resources as well.
///
/// # Errors
/// Fails if the call does, or if the answer is incomplete.
pub async fn resources(ecs: &Client, target: &ContainerInstance) -> Result<HostView, Failure> {
    let call = Call::new(IamAction::DescribeContainerInstances, target.id());
    let answer = ecs
        .describe_container_instances()
        .cluster(&target.cluster)
        .container_instances(&target.arn)
        .send()
        .await
        .map_err(|error| call.failed(&error))?;
    let view = view(&call, answer.container_instances(), answer.failures())?;
    let instance = answer.container_instances().first();
    Ok(HostView {
        view,
        registered: amounts(instance.map_or(&[], |known| known.registered_resources())),
        remaining: amounts(instance.map_or(&[], |known| known.remaining_resources())),
        capacity_provider: instance
            .and_then(|known| known.capacity_provider_name())
            .map(str::to_owned),
    })
}

/// Calls `ListContainerInstances` and returns the ARNs of all registrations of an EC2 instance in the cluster.
/// Without a status, ECS lists every one that is not INACTIVE.
///
/// # Errors
/// Fails if the call fails.
pub async fn registrations(
    ecs: &Client,
    cluster: &str,
    instance_id: &str,
) -> Result<Vec<String>, Failure> {
    let call = Call::new(
        IamAction::ListContainerInstances,
        format_args!("of {instance_id}"),
    );
    let (mut arns, mut next) = (Vec::new(), None::<String>);
    for _ in 0..MOST_PAGES {
        let answer = ecs
            .list_container_instances()
            .cluster(cluster)
            .filter(format!("ec2InstanceId == {instance_id}"))
            .set_next_token(next.clone())
            .send()
            .await
            .map_err(|error| call.failed(&error))?;
        let page = answer.container_instance_arns.as_deref();
        arns.extend_from_slice(page.ok_or_else(|| call.malformed("no list"))?);
        if arns.iter().any(|arn| arn.len() > parse::LONGEST_TEXT) {
            return Err(call.malformed("an ARN that is too long"));
        }
        next = following(&call, next.as_deref(), answer.next_token())?;
        if next.is_none() {
            return Ok(arns);
        }
    }
    Err(call.malformed("pages without end"))
}

/// Returns the token of the page after that of `token`, if there is one. The same page again would be without end.
fn following(
    call: &Call,
    token: Option<&str>,
    next: Option<&str>,
) -> Result<Option<String>, Failure> {
    let next = next.filter(|next| !next.is_empty());
    if next.is_some() && next == token {
        return Err(call.malformed("the same page again"));
    }
    Ok(next.map(str::to_owned))
}

/// Returns the command that removes a container instance from its cluster.
pub fn deregister_command(cluster: &str, arn: &str) -> String {
    format!(
        "aws ecs deregister-container-instance --cluster {cluster} --container-instance {arn} --force"
    )
}

/// Other resources, and ports that are not numbers, are skipped.
fn amounts(list: &[types::Resource]) -> Resources {
    let mut resources = Resources::default();
    for resource in list {
        let ports = |protocol| {
            let numbers = resource.string_set_value().iter();
            numbers
                .filter_map(|port| port.parse().ok())
                .map(move |number| HostPort { number, protocol })
        };
        match resource.name() {
            Some("CPU") => resources.cpu = Some(resource.integer_value().into()),
            Some("MEMORY") => resources.memory = Some(resource.integer_value().into()),
            Some("PORTS") => resources.ports.extend(ports(Protocol::Tcp)),
            Some("PORTS_UDP") => resources.ports.extend(ports(Protocol::Udp)),
            _ => {}
        }
    }
    resources
}

fn view(
    call: &Call,
    instances: &[types::ContainerInstance],
    failures: &[types::Failure],
) -> Result<ContainerInstanceView, Failure> {
    if let Some(instance) = instances.first() {
        let status = match instance.status() {
            Some("DEREGISTERING") => ContainerInstanceStatus::Inactive,
            Some(status) => ContainerInstanceStatus::parse(status),
            None => return Err(call.malformed("a container instance without a status")),
        };
        let count = |count: i32| u32::try_from(count).unwrap_or(0);
        return Ok(ContainerInstanceView {
            status,
            running: count(instance.running_tasks_count()),
            pending: count(instance.pending_tasks_count()),
            agent_connected: instance.agent_connected(),
            ec2_instance_id: instance.ec2_instance_id().map(str::to_owned),
        });
    }
    match failures.first().and_then(types::Failure::reason) {
        Some(gone @ ("MISSING" | "INACTIVE")) => Ok(ContainerInstanceView {
            status: ContainerInstanceStatus::parse(gone),
            running: 0,
            pending: 0,
            agent_connected: false,
            ec2_instance_id: None,
        }),
        Some(reason) => Err(Failure::new(
            FailureKind::Refused,
            format!("{call}: failure {reason}"),
        )),
        None => Err(call.malformed("neither a container instance nor a failure")),
    }
}

/// The tasks of the container instance that are not STOPPED, and what started them.
///
/// `ListTasks` returns tasks with the desired status RUNNING by default. Those with the desired status STOPPED may
/// still be stopping, so a second list is read. ECS keeps stopped tasks in it for an hour or more, however many
/// there were. They are described a hundred at a time and not kept.
///
/// # Errors
/// Fails if a call does, or if an answer is incomplete.
pub async fn list_tasks(
    ecs: &Client,
    target: &ContainerInstance,
    daemons: bool,
) -> Result<Vec<ApiTask>, Failure> {
    let mut found = BTreeMap::new();
    let mut arns = Vec::new();
    for desired in [types::DesiredStatus::Running, types::DesiredStatus::Stopped] {
        let call = Call::new(
            IamAction::ListTasks,
            format_args!("{} on {}", desired.as_str(), target.id()),
        );
        let mut next: Option<String> = None;
        for number in 0.. {
            if number >= MOST_PAGES {
                return Err(call.malformed("pages without end"));
            }
            let answer = ecs
                .list_tasks()
                .cluster(&target.cluster)
                .container_instance(&target.arn)
                .desired_status(desired.clone())
                .set_next_token(next.clone())
                .send()
                .await
                .map_err(|error| call.failed(&error))?;
            // The SDK reads an empty body as an empty object, so a missing list does not mean an empty one.
            let page = answer.task_arns.as_deref();
            arns.extend_from_slice(page.ok_or_else(|| call.malformed("no list of tasks"))?);
            next = following(&call, next.as_deref(), answer.next_token())?;
            if next.is_none() {
                break;
            }
            // The tasks beyond whole hundreds are described with the next page.
            let whole = arns.len() - arns.len() % TASKS_AT_ONCE;
            let full: Vec<String> = arns.drain(..whole).collect();
            keep_the_rest(&mut found, each_task(ecs, &target.cluster, full).await?);
        }
    }
    keep_the_rest(&mut found, each_task(ecs, &target.cluster, arns).await?);
    let mut tasks: Vec<ApiTask> = found.into_values().collect();
    if daemons {
        mark_daemons(ecs, &target.cluster, &mut tasks).await?;
    }
    Ok(tasks)
}

/// Keeps all but stopped tasks. A task that is told to stop meanwhile is in both lists; the last answer counts.
fn keep_the_rest(found: &mut BTreeMap<String, ApiTask>, described: Vec<ApiTask>) {
    for task in described {
        if task.task.known == TaskStatus::Stopped {
            found.remove(&task.task.arn);
        } else {
            found.insert(task.task.arn.clone(), task);
        }
    }
}

/// Calls `DescribeTasks`, and `DescribeServices` to distinguish `daemons` from other services' tasks.
///
/// # Errors
/// Fails if a call does, or if an answer is incomplete.
pub async fn describe_tasks(
    ecs: &Client,
    cluster: &str,
    arns: &[String],
    daemons: bool,
) -> Result<Vec<ApiTask>, Failure> {
    let mut tasks = each_task(ecs, cluster, arns.to_vec()).await?;
    if daemons {
        mark_daemons(ecs, cluster, &mut tasks).await?;
    }
    Ok(tasks)
}

async fn each_task(
    ecs: &Client,
    cluster: &str,
    mut arns: Vec<String>,
) -> Result<Vec<ApiTask>, Failure> {
    arns.sort_unstable();
    arns.dedup();
    let mut tasks = Vec::with_capacity(arns.len());
    for chunk in arns.chunks(TASKS_AT_ONCE) {
        let call = Call::new(
            IamAction::DescribeTasks,
            format_args!("of {} tasks", chunk.len()),
        );
        let answer = ecs
            .describe_tasks()
            .cluster(cluster)
            .set_tasks(Some(chunk.to_vec()))
            .send()
            .await
            .map_err(|error| call.failed(&error))?;
        let found = answer.tasks.as_deref();
        for task in found.ok_or_else(|| call.malformed("no list of tasks"))? {
            tasks.push(api_task(&call, task)?);
        }
    }
    Ok(tasks)
}

fn api_task(call: &Call, task: &types::Task) -> Result<ApiTask, Failure> {
    let arn = task
        .task_arn()
        .ok_or_else(|| call.malformed("a task without an ARN"))?;
    let known = task
        .last_status()
        .ok_or_else(|| call.malformed("a task without a lastStatus"))?;
    let kind = match task
        .group()
        .and_then(|group| group.strip_prefix("service:"))
    {
        Some(name) => TaskKind::Service(name.to_owned()),
        None => TaskKind::Standalone,
    };
    Ok(ApiTask {
        task: Task {
            arn: arn.to_owned(),
            definition: task
                .task_definition_arn()
                .map(short)
                .unwrap_or_default()
                .to_owned(),
            // DEACTIVATING, STOPPING and DEPROVISIONING do not count as stopped.
            known: parse::status(known),
            stopping: task.desired_status().map(parse::status) == Some(TaskStatus::Stopped),
        },
        kind,
    })
}

async fn mark_daemons(ecs: &Client, cluster: &str, tasks: &mut [ApiTask]) -> Result<(), Failure> {
    let mut names: Vec<String> = tasks
        .iter()
        .filter_map(|task| service_of(&task.kind))
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut daemon: BTreeMap<String, bool> = BTreeMap::new();
    for chunk in names.chunks(SERVICES_AT_ONCE) {
        let call = Call::new(
            IamAction::DescribeServices,
            format_args!("of {}", chunk.join(", ")),
        );
        let answer = ecs
            .describe_services()
            .cluster(cluster)
            .set_services(Some(chunk.to_vec()))
            .send()
            .await
            .map_err(|error| call.failed(&error))?;
        let found = answer.services.as_deref();
        for service in found.ok_or_else(|| call.malformed("no list of services"))? {
            if let Some(name) = service.service_name() {
                let strategy = service.scheduling_strategy();
                daemon.insert(
                    name.to_owned(),
                    strategy == Some(&types::SchedulingStrategy::Daemon),
                );
            }
        }
    }
    for task in tasks {
        if let Some(name) = service_of(&task.kind).filter(|name| daemon.get(name) == Some(&true)) {
            task.kind = TaskKind::Daemon(name);
        }
    }
    Ok(())
}

fn service_of(kind: &TaskKind) -> Option<String> {
    if let TaskKind::Service(name) = kind {
        Some(name.clone())
    } else {
        None
    }
}

/// Calls `StopTask`, with a reason that ECS shows.
///
/// # Errors
/// Fails if the call does, or if the answer has no task.
pub async fn stop_task(
    ecs: &Client,
    cluster: &str,
    task: &str,
    reason: &str,
) -> Result<(), Failure> {
    let call = Call::new(IamAction::StopTask, format_args!("{}", short(task)));
    let answer = ecs
        .stop_task()
        .cluster(cluster)
        .task(task)
        .reason(reason)
        .send()
        .await
        .map_err(|error| call.failed(&error))?;
    match answer.task() {
        Some(_) => Ok(()),
        None => Err(call.malformed("no task")),
    }
}
