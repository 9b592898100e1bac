//! Container instances: their state, their description, their list.

use serde_json::{Value, json};

use super::{arns_page, cluster, failure, invalid, names};
use crate::api::ApiError;
use crate::api::auth::Caller;
use crate::model::{ContainerInstanceStatus, InstanceModel, World};
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
            .map(|r| (r.instance.id.clone(), r.arn.to_owned(), r.status));
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
            Some((id, arn, _)) => accepted.push((id, arn)),
        }
    }
    for (id, arn) in &accepted {
        let instance = world.instances.get_mut(id);
        match instance.and_then(|i| i.former.get_mut(arn)) {
            Some(former) => *former = to,
            None => world.set_container_instance_status(id, to, caller.who()),
        }
    }
    let changed: Vec<_> = accepted
        .iter()
        .filter_map(|(_, arn)| find(world, &cluster, arn))
        .map(|r| render(world, &r))
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
            Some(registration) => found.push(render(world, &registration)),
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
    let listed = registrations(world, &cluster).filter(|r| match wanted_status {
        Some(status) => r.status == status,
        None => r.status != ContainerInstanceStatus::Inactive,
    });
    let listed = listed.filter(|r| wanted_id.as_ref().is_none_or(|id| *id == r.instance.id));
    let arns: Vec<_> = listed.map(|r| r.arn.to_owned()).collect();
    arns_page(world, call, "containerInstanceArns", &arns)
}

/// `ec2InstanceId == i-…`, the one filter that is understood.
fn instance_filter(filter: &str) -> Option<String> {
    let (name, value) = filter.split_once("==")?;
    (name.trim() == "ec2InstanceId").then(|| value.trim().trim_matches(['\'', '"']).to_owned())
}

/// A container instance: the one that an instance's ECS agent is now, or one that it was.
pub(super) struct Registration<'a> {
    instance: &'a InstanceModel,
    pub(super) arn: &'a str,
    status: ContainerInstanceStatus,
    connected: bool,
}

fn registrations<'a>(world: &'a World, cluster: &str) -> impl Iterator<Item = Registration<'a>> {
    let of_cluster = world.instances().filter(move |i| i.cluster == cluster);
    of_cluster.flat_map(|instance| {
        let former = instance
            .former
            .iter()
            .map(move |(arn, status)| Registration {
                instance,
                arn,
                status: *status,
                connected: false,
            });
        former.chain(instance.registered.then(|| Registration {
            instance,
            arn: &instance.container_instance_arn,
            status: instance.status,
            connected: instance.agent_connected(),
        }))
    })
}

pub(super) fn find<'a>(world: &'a World, cluster: &str, given: &str) -> Option<Registration<'a>> {
    registrations(world, cluster).find(|r| names(given, r.arn))
}

fn missing_arn(world: &World, cluster: &str, given: &str) -> String {
    if given.starts_with("arn:") {
        return given.to_owned();
    }
    world.ecs_arn(&format!("container-instance/{cluster}/{given}"))
}

/// `registeredResources` and `remainingResources`: ports are listed in both that are *taken*.
fn resources(world: &World, instance: &InstanceModel) -> (Value, Value) {
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
    (
        render(&instance.resources),
        render(&world.remaining(instance)),
    )
}

fn render(world: &World, registration: &Registration<'_>) -> Value {
    let (running, pending) = world.counts_under(registration.arn);
    let (registered, remaining) = resources(world, registration.instance);
    let mut json = json!({
        "containerInstanceArn": registration.arn,
        "ec2InstanceId": registration.instance.id,
        "version": 3,
        "versionInfo": {"agentVersion": "1.98.0", "agentHash": "02ff320c", "dockerVersion": "DockerVersion: 25.0.8"},
        "remainingResources": remaining,
        "registeredResources": registered,
        "status": registration.status.as_str(),
        "agentConnected": registration.connected,
        "runningTasksCount": running,
        "pendingTasksCount": pending,
        "attributes": [],
        "registeredAt": world.calendar.epoch_seconds(std::time::Duration::ZERO),
        "attachments": [],
        "tags": [],
    });
    if let (Some(provider), Some(fields)) = (
        &registration.instance.capacity_provider,
        json.as_object_mut(),
    ) {
        fields.insert("capacityProviderName".to_owned(), json!(provider));
    }
    json
}
