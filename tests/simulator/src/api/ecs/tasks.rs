//! Tasks: list, description, stop.

use serde_json::{Value, json};

use super::container_instances::find as find_instance;
use super::{arns_page, cluster, failure, invalid, names};
use crate::api::ApiError;
use crate::model::{TaskModel, World};
use crate::net::Call;

pub(super) fn list(world: &World, call: &Call) -> Result<Value, ApiError> {
    let cluster = cluster(world, call)?;
    let now = world.now();
    let desired = call.text("desiredStatus").unwrap_or("RUNNING");
    if !matches!(desired, "RUNNING" | "PENDING" | "STOPPED") {
        return Err(invalid(
            "desiredStatus should be one of RUNNING, PENDING, STOPPED.",
        ));
    }
    let instance = match call.text("containerInstance") {
        None => None,
        Some(given) => Some(
            find_instance(world, &cluster, given)
                .map(|r| r.arn.to_owned())
                .ok_or_else(|| invalid("The referenced container instance was not found."))?,
        ),
    };
    if let Some(service) = call.text("serviceName") {
        let name = service.rsplit('/').next().unwrap_or(service);
        if world.find_service(&cluster, name).is_none() {
            return Err(ApiError::bad(
                "ServiceNotFoundException",
                "Service not found.",
            ));
        }
    }
    let wanted = |t: &&TaskModel| {
        t.cluster == cluster
            && t.desired_status(now) == desired
            && instance.as_ref().is_none_or(|arn| t.registration == *arn)
            && call
                .text("serviceName")
                .is_none_or(|s| t.spec.kind.service() == s.rsplit('/').next())
            && call
                .text("family")
                .is_none_or(|family| t.spec.family == family)
            && call
                .text("startedBy")
                .is_none_or(|by| started_by(t).as_deref() == Some(by))
    };
    let arns: Vec<_> = world
        .tasks
        .values()
        .filter(wanted)
        .map(|t| t.arn.clone())
        .collect();
    arns_page(world, call, "taskArns", &arns)
}

pub(super) fn describe(world: &World, call: &Call) -> Result<Value, ApiError> {
    let cluster = cluster(world, call)?;
    let asked = call.texts("tasks");
    if asked.is_empty() {
        return Err(invalid("Tasks cannot be empty."));
    }
    if asked.len() > 100 {
        return Err(invalid("Tasks cannot be more than 100."));
    }
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for given in &asked {
        match find(world, &cluster, given) {
            Some(task) => found.push(render(world, task)),
            None if given.starts_with("arn:") => failures.push(failure(given, "MISSING")),
            None => failures.push(failure(
                &world.ecs_arn(&format!("task/{cluster}/{given}")),
                "MISSING",
            )),
        }
    }
    Ok(json!({"tasks": found, "failures": failures}))
}

pub(super) fn stop(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let cluster = cluster(world, call)?;
    let given = call
        .text("task")
        .ok_or_else(|| invalid("Task cannot be empty."))?;
    let reason = call
        .text("reason")
        .unwrap_or("Task stopped by user")
        .to_owned();
    let arn = find(world, &cluster, given).map(|t| t.arn.clone());
    let arn = arn.ok_or_else(|| invalid("The referenced task was not found."))?;
    world.stop_task(&arn, &reason);
    let task = world.task(&arn).map(|t| render(world, t));
    Ok(json!({"task": task}))
}

fn find<'a>(world: &'a World, cluster: &str, given: &str) -> Option<&'a TaskModel> {
    let exact = world.task(given).filter(|t| t.cluster == cluster);
    exact.or_else(|| {
        world
            .tasks
            .values()
            .find(|t| t.cluster == cluster && names(given, &t.arn))
    })
}

fn started_by(task: &TaskModel) -> Option<String> {
    match task.spec.kind.service() {
        Some(service) => Some(format!(
            "ecs-svc/{:019}",
            service.bytes().map(u64::from).sum::<u64>()
        )),
        None => task.spec.started_by.clone(),
    }
}

fn render(world: &World, task: &TaskModel) -> Value {
    let now = world.now();
    let definition = format!("task-definition/{}:{}", task.spec.family, task.spec.version);
    let mut json = json!({
        "taskArn": task.arn,
        "clusterArn": world.ecs_arn(&format!("cluster/{}", task.cluster)),
        "taskDefinitionArn": world.ecs_arn(&definition),
        "containerInstanceArn": task.registration,
        "group": task.group(),
        "launchType": "EC2",
        "lastStatus": task.last_status(now),
        "desiredStatus": task.desired_status(now),
        "createdAt": world.calendar.epoch_seconds(task.placed_at),
        "containers": [],
        "attachments": [],
        "tags": [],
        "version": 2,
    });
    let Some(fields) = json.as_object_mut() else {
        return json;
    };
    if let Some(by) = started_by(task) {
        fields.insert("startedBy".to_owned(), json!(by));
    }
    if task.desired_status(now) == "STOPPED" {
        fields.insert("stoppedReason".to_owned(), json!(task.stopped_reason));
        if let Some(at) = task.told_at {
            fields.insert(
                "stoppingAt".to_owned(),
                json!(world.calendar.epoch_seconds(at)),
            );
        }
    }
    if let Some(at) = task.api_stopped_at.filter(|at| *at <= now) {
        fields.insert(
            "stoppedAt".to_owned(),
            json!(world.calendar.epoch_seconds(at)),
        );
    }
    json
}
