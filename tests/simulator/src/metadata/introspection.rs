//! The ECS agent's introspection server, with its traps: stopped tasks stay listed, an unknown path
//! answers 200, `KnownStatus` knows three values only, and the order of the tasks is random.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::api::Reply;
use crate::ids::mix;
use crate::model::{InstanceModel, TaskModel, World};
use crate::net::Call;

pub(super) fn handle(world: &mut World, id: &str, call: &Call) -> Reply {
    let read = mix(world.options.seed ^ world.number("introspection read"));
    let Some(instance) = world.instance(id) else {
        return json_reply(500, &json!({"Tasks": null}));
    };
    let path = call
        .action
        .split_once(' ')
        .map(|(_, path)| path)
        .unwrap_or_default();
    match path {
        "/v1/metadata" => json_reply(200, &metadata(instance)),
        "/v1/tasks" => {
            let known = world.tasks_of(id).filter(|t| !t.forgotten);
            let mut drawn: Vec<_> = (read..)
                .zip(known)
                .map(|(draw, known)| (mix(draw), task(world, known)))
                .collect();
            drawn.sort_by_key(|(draw, _)| *draw);
            let tasks: Vec<_> = drawn.into_iter().map(|(_, task)| task).collect();
            json_reply(200, &json!({"Tasks": tasks}))
        }
        _ => json_reply(
            200,
            &json!({"AvailableCommands": ["/v1/metadata", "/v1/tasks", "/license"]}),
        ),
    }
}

fn metadata(instance: &InstanceModel) -> Value {
    json!({
        "Cluster": instance.cluster,
        "ContainerInstanceArn": instance.registered.then_some(&instance.container_instance_arn),
        "Version": "Amazon ECS Agent - v1.98.0 (*02ff320c)",
    })
}

fn task(world: &World, task: &TaskModel) -> Value {
    let now = world.now();
    let family = &task.spec.family;
    let id = task.arn.rsplit('/').next().unwrap_or_default();
    let mut container = json!({
        "DockerId": format!("{id}{id}"),
        "DockerName": format!("ecs-{family}-{}-{family}-{id}", task.spec.version),
        "Name": family,
    });
    if let (true, Some(fields)) = (task.spec.reserves.awsvpc, container.as_object_mut()) {
        let network = json!({"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.0.9"]});
        fields.insert("Networks".to_owned(), json!([network]));
    }
    let mut json = json!({
        "Arn": task.arn,
        "KnownStatus": task.known_status(now),
        "Family": family,
        "Version": task.spec.version.to_string(),
        "Containers": [container],
    });
    if let (Some(status), Some(fields)) = (task.local_desired_status(now), json.as_object_mut()) {
        fields.insert("DesiredStatus".to_owned(), json!(status));
    }
    json
}

fn json_reply(status: u16, body: &Value) -> Reply {
    let bytes = Bytes::from(body.to_string());
    if status == 200 {
        Reply::ok("application/json", bytes)
    } else {
        Reply::refused(status, "application/json", bytes, &status.to_string())
    }
}
