//! Container instances: their state, their description, their list.

use serde_json::{Value, json};

use super::{arns_page, cluster, failure, invalid, names};
use crate::api::ApiError;
use crate::api::auth::Caller;
use crate::model::{ContainerInstanceStatus, InstanceModel, TaskModel, World};
use crate::net::Call;
use crate::spec::HostResources;

pub(super) fn update_state(
    world: &mut World,
    call: &Call,
    caller: &Caller,
) -> Result<Value, ApiError> {
    let cluster = cluster(world, call)?;
    let to = match call.text("status") {
        Some("DRAINING") => ContainerInstanceStatus::Draining,
        Some("ACTIVE") => ContainerInstanceStatus::Active,
        _ => {
            return Err(invalid(
                "Container instances status should be one of [ACTIVE, DRAINING]",
            ));
        }
    };
    let asked = call.texts("containerInstances");
    if asked.is_empty() || asked.len() > 10 {
        return Err(invalid(
            "Container instances should have between 1 and 10 entries.",
        ));
    }
    let mut failures = Vec::new();
    let mut accepted = Vec::new();
    for given in &asked {
        let found = find(world, &cluster, given)
            .map(|i| (i.id.clone(), i.container_instance_arn.clone(), i.status));
        match found {
            None => failures.push(failure(&missing_arn(world, &cluster, given), "MISSING")),
            Some((_, arn, ContainerInstanceStatus::Inactive)) => {
                failures.push(failure(&arn, "INACTIVE"))
            }
            Some((_, arn, ContainerInstanceStatus::Registering)) => {
                if !world.options.registering_in_failures {
                    return Err(invalid(
                        "Container instance is in REGISTERING status and can not be changed.",
                    ));
                }
                failures.push(failure(&arn, "REGISTERING"));
            }
            Some((id, _, _)) => accepted.push(id),
        }
    }
    for id in &accepted {
        world.set_container_instance_status(id, to, caller.who());
    }
    let changed: Vec<_> = accepted
        .iter()
        .filter_map(|id| world.instance(id))
        .map(|i| render(world, i))
        .collect();
    Ok(json!({"containerInstances": changed, "failures": failures}))
}

pub(super) fn describe(world: &World, call: &Call) -> Result<Value, ApiError> {
    let cluster = cluster(world, call)?;
    let asked = call.texts("containerInstances");
    if asked.is_empty() || asked.len() > 100 {
        return Err(invalid(
            "Container instances should have between 1 and 100 entries.",
        ));
    }
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for given in &asked {
        match find(world, &cluster, given) {
            Some(instance) => found.push(render(world, instance)),
            None => failures.push(failure(&missing_arn(world, &cluster, given), "MISSING")),
        }
    }
    Ok(json!({"containerInstances": found, "failures": failures}))
}

pub(super) fn list(world: &World, call: &Call) -> Result<Value, ApiError> {
    let cluster = cluster(world, call)?;
    let wanted_status = match call.text("status") {
        None => None,
        Some(name) => Some(
            ContainerInstanceStatus::from_name(name).ok_or_else(|| invalid("Invalid status."))?,
        ),
    };
    let wanted_id = match call.text("filter") {
        None => None,
        Some(filter) => Some(
            instance_filter(filter).ok_or_else(|| invalid(format!("Invalid filter: {filter}")))?,
        ),
    };
    let of_cluster = world
        .instances()
        .filter(|i| i.registered && i.cluster == cluster);
    let listed = of_cluster.filter(|i| match wanted_status {
        Some(status) => i.status == status,
        None => i.status != ContainerInstanceStatus::Inactive,
    });
    let listed = listed.filter(|i| wanted_id.as_ref().is_none_or(|id| *id == i.id));
    let arns: Vec<_> = listed.map(|i| i.container_instance_arn.clone()).collect();
    arns_page(world, call, "containerInstanceArns", &arns)
}

/// `ec2InstanceId == i-…`, the one filter that is understood.
fn instance_filter(filter: &str) -> Option<String> {
    let (name, value) = filter.split_once("==")?;
    (name.trim() == "ec2InstanceId").then(|| value.trim().trim_matches(['\'', '"']).to_owned())
}

pub(super) fn find<'a>(world: &'a World, cluster: &str, given: &str) -> Option<&'a InstanceModel> {
    let mut of_cluster = world
        .instances()
        .filter(|i| i.registered && i.cluster == cluster);
    of_cluster.find(|i| names(given, &i.container_instance_arn))
}

fn missing_arn(world: &World, cluster: &str, given: &str) -> String {
    if given.starts_with("arn:") {
        return given.to_owned();
    }
    world.ecs_arn(&format!("container-instance/{cluster}/{given}"))
}

/// `registeredResources` and `remainingResources`: ports are listed in both that are *taken*. What a task
/// reserves is free once it is `STOPPED`.
fn resources(world: &World, instance: &InstanceModel) -> (Value, Value) {
    let has = &instance.resources;
    let mut left = has.clone();
    let holds = |task: &&TaskModel| task.last_status(world.now()) != "STOPPED";
    for task in world.tasks_of(&instance.id).filter(holds) {
        let takes = &task.spec.reserves;
        left.cpu -= takes.cpu;
        left.memory -= takes.memory;
        left.ports.extend(takes.ports.iter().cloned());
    }
    let render = |amounts: &HostResources| {
        let integer = |name: &str, value: i32| json!({"name": name, "type": "INTEGER", "doubleValue": 0.0, "longValue": 0, "integerValue": value});
        let ports = |name: &str, protocol: &str| {
            let of_it = amounts
                .ports
                .iter()
                .filter_map(|port| port.strip_suffix(protocol));
            let mut taken: Vec<&str> = of_it.collect();
            taken.sort_unstable();
            json!({"name": name, "type": "STRINGSET", "doubleValue": 0.0, "longValue": 0, "integerValue": 0,
                   "stringSetValue": taken})
        };
        json!([
            integer("CPU", amounts.cpu),
            integer("MEMORY", amounts.memory),
            ports("PORTS", "/tcp"),
            ports("PORTS_UDP", "/udp"),
        ])
    };
    (render(has), render(&left))
}

fn render(world: &World, instance: &InstanceModel) -> Value {
    let (running, pending) = world.task_counts(&instance.id);
    let (registered, remaining) = resources(world, instance);
    let mut json = json!({
        "containerInstanceArn": instance.container_instance_arn,
        "ec2InstanceId": instance.id,
        "version": 3,
        "versionInfo": {"agentVersion": "1.98.0", "agentHash": "02ff320c", "dockerVersion": "DockerVersion: 25.0.8"},
        "remainingResources": remaining,
        "registeredResources": registered,
        "status": instance.status.as_str(),
        "agentConnected": instance.agent_connected(),
        "runningTasksCount": running,
        "pendingTasksCount": pending,
        "attributes": [],
        "registeredAt": world.calendar.epoch_seconds(std::time::Duration::ZERO),
        "attachments": [],
        "tags": [],
    });
    if let (Some(provider), Some(fields)) = (&instance.capacity_provider, json.as_object_mut()) {
        fields.insert("capacityProviderName".to_owned(), json!(provider));
    }
    json
}
