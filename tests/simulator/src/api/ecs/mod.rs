//! Amazon ECS (awsJson 1.1).

mod container_instances;
mod services;
mod tasks;

use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::params::page;
use crate::model::World;
use crate::net::Call;

pub(super) fn handle(world: &mut World, call: &Call, caller: &Caller) -> Result<Value, ApiError> {
    if !call.params.is_object() {
        return Err(ApiError::bad(
            "SerializationException",
            "the body is no JSON object",
        ));
    }
    match call.action.as_str() {
        "UpdateContainerInstancesState" => container_instances::update_state(world, call, caller),
        "DescribeContainerInstances" => container_instances::describe(world, call),
        "ListContainerInstances" => container_instances::list(world, call),
        "ListTasks" => tasks::list(world, call),
        "DescribeTasks" => tasks::describe(world, call),
        "StopTask" => tasks::stop(world, call),
        "DescribeServices" => services::describe(world, call),
        other => Err(ApiError::bad(
            "UnknownOperationException",
            format!("unknown operation {other}"),
        )),
    }
}

/// The cluster asked for, by name or ARN.
fn cluster(world: &World, call: &Call) -> Result<String, ApiError> {
    let given = call.text("cluster").unwrap_or("default");
    let name = given
        .rsplit_once(":cluster/")
        .map_or(given, |(_, name)| name);
    match world.clusters.iter().find(|c| *c == name) {
        Some(cluster) => Ok(cluster.clone()),
        None => Err(ApiError::bad(
            "ClusterNotFoundException",
            "Cluster not found.",
        )),
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidParameterException", message)
}

/// One page of ARNs under `key`.
fn arns_page(world: &World, call: &Call, key: &str, arns: &[String]) -> Result<Value, ApiError> {
    let most = world.options.page_size;
    let size = match call.count("maxResults") {
        Some(0) | Some(101..) => return Err(invalid("maxResults must be between 1 and 100.")),
        Some(asked) => asked.min(most),
        None => most,
    };
    let (arns, next) = page(arns, call.text("nextToken"), size)
        .ok_or_else(|| invalid("Invalid token in request"))?;
    let mut answer = json!({ key: arns });
    if let (Some(next), Some(fields)) = (next, answer.as_object_mut()) {
        fields.insert("nextToken".to_owned(), json!(next));
    }
    Ok(answer)
}

/// Whether `given` names the resource with this ARN: in full, or by its last part.
fn names(given: &str, arn: &str) -> bool {
    given == arn || arn.rsplit('/').next() == Some(given)
}

fn failure(arn: &str, reason: &str) -> Value {
    json!({"arn": arn, "reason": reason})
}
