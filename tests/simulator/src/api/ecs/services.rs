//! Services: their description, for the scheduling strategy.

use serde_json::{Value, json};

use super::{cluster, failure, invalid};
use crate::api::ApiError;
use crate::model::{ServiceModel, World};
use crate::net::Call;

pub(super) fn describe(world: &World, call: &Call) -> Result<Value, ApiError> {
    let cluster = cluster(world, call)?;
    let asked = call.texts("services");
    if asked.is_empty() || asked.len() > 10 {
        return Err(invalid("Services should have between 1 and 10 entries."));
    }
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for given in &asked {
        let name = given.rsplit('/').next().unwrap_or(given);
        match world.find_service(&cluster, name) {
            Some(service) => found.push(render(world, service)),
            None => failures.push(failure(
                &world.ecs_arn(&format!("service/{cluster}/{name}")),
                "MISSING",
            )),
        }
    }
    Ok(json!({"services": found, "failures": failures}))
}

fn render(world: &World, service: &ServiceModel) -> Value {
    let spec = &service.spec;
    let now = world.now();
    let of_service = || {
        world
            .tasks
            .values()
            .filter(|t| t.cluster == spec.cluster && t.spec.kind.service() == Some(&spec.name))
    };
    let with = |status: &str| {
        of_service()
            .filter(|t| t.last_status(now) == status)
            .count()
    };
    json!({
        "serviceArn": world.ecs_arn(&format!("service/{}/{}", spec.cluster, spec.name)),
        "serviceName": spec.name,
        "clusterArn": world.ecs_arn(&format!("cluster/{}", spec.cluster)),
        "status": "ACTIVE",
        "desiredCount": spec.runs.as_ref().map_or_else(|| of_service().count(), |runs| runs.desired),
        "runningCount": with("RUNNING"),
        "pendingCount": with("PENDING"),
        "launchType": "EC2",
        "schedulingStrategy": if spec.daemon { "DAEMON" } else { "REPLICA" },
        "deployments": [],
        "events": [],
    })
}
