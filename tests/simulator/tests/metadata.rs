//! The metadata service and the introspection server, over real sockets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]

mod common;

use std::time::Duration;

use common::{added, connect, introspect, metadata, pass, request, send, simple, token};
use ecs_lifecycle_simulator::{
    IMDS_TOKEN_MARKER, InstanceSpec, MaintenanceEvent, Options, Outcome, SECRET_KEY_MARKER,
    SESSION_TOKEN_MARKER, SIGNATURE_MARKER, Scenario, Simulator, SpotAction, TargetLifecycleState,
    TaskSpec,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const TTL: &str = "X-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "X-aws-ec2-metadata-token";
const STATE: &str = "/latest/meta-data/autoscaling/target-lifecycle-state";

#[tokio::test]
async fn only_version_2() {
    let (simulator, instance) = simple(0).await;
    let imds = instance.imds_endpoint();
    for headers in [&[][..], &[(TTL, "0")], &[(TTL, "21601")], &[(TTL, "x")]] {
        let answer = send(&imds, "PUT", "/latest/api/token", headers, "").await;
        assert_eq!(answer.unwrap().status, 400);
    }
    for headers in [&[][..], &[(TOKEN, "made up")]] {
        let answer = send(&imds, "GET", STATE, headers, "").await;
        assert_eq!(answer.unwrap().status, 401);
    }
    let token = token(&instance).await;
    assert!(token.contains(IMDS_TOKEN_MARKER));
    let headers = [(TOKEN, token.as_str())];
    let answer = send(&imds, "GET", STATE, &headers, "").await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "InService"));
    assert_eq!(answer.header("server").as_deref(), Some("EC2ws"));
    instance.revoke_tokens();
    let revoked = send(&imds, "GET", STATE, &headers, "").await.unwrap();
    assert_eq!(revoked.status, 401);
    simulator.world(|w| {
        let last = w.requests().last("imds:GET *").unwrap();
        let code = "401".to_owned();
        assert_eq!(last.outcome, Outcome::Refused { code });
        assert_eq!(last.instance.as_deref(), Some(instance.id()));
        assert_eq!(w.requests().count("imds:PUT /latest/api/token"), 5);
        assert_eq!(w.requests().accepted("imds:PUT /latest/api/token"), 1);
    });
}

#[tokio::test]
async fn tokens_expire_in_simulated_time() {
    let options = Options::default().speed(1000.0);
    let simulator = Simulator::start(options).await.unwrap();
    let instance = added(&simulator, InstanceSpec::new("c").group("g")).await;
    let token = token(&instance).await; // 60 s: 60 ms
    pass(&simulator, Duration::from_secs(60)).await;
    let (imds, headers) = (instance.imds_endpoint(), [(TOKEN, token.as_str())]);
    let answer = send(&imds, "GET", STATE, &headers, "").await.unwrap();
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn what_it_tells() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let spec = InstanceSpec::new("c")
        .group("g")
        .target_lifecycle_state(None)
        .tag("aws:autoscaling:groupName", "g");
    let instance = added(&simulator, spec).await;
    let text = async |path: &str| metadata(&instance, path).await.text();
    let status = async |path: &str| metadata(&instance, path).await.status;

    for (path, expected) in [
        ("instance-id", instance.id()),
        ("placement/region", "us-east-1"),
        ("placement/availability-zone", "us-east-1a"),
        ("services/domain", "amazonaws.com"),
        ("instance-type", "m5.large"),
        ("tags/instance/", "aws:autoscaling:groupName"),
        ("tags/instance/aws:autoscaling:groupName", "g"),
    ] {
        assert_eq!(text(&format!("meta-data/{path}")).await, expected, "{path}");
    }
    assert!(text("meta-data/ami-id").await.starts_with("ami-"));
    assert_eq!(status("meta-data/tags/instance/none").await, 404);
    assert_eq!(status("meta-data/made/up").await, 404);
    assert_eq!(text("meta-data/events/maintenance/scheduled").await, "[]");
    for path in [
        "meta-data/autoscaling/target-lifecycle-state",
        "meta-data/spot/instance-action",
        "meta-data/events/recommendations/rebalance",
    ] {
        assert_eq!(status(path).await, 404, "{path}");
    }

    instance.set_target(TargetLifecycleState::WarmedStopped);
    instance.interrupt_spot(SpotAction::Stop, Duration::from_secs(120));
    instance.recommend_rebalance();
    instance.set_maintenance(MaintenanceEvent {
        id: "instance-event-1".to_owned(),
        code: "system-reboot".to_owned(),
        state: "active".to_owned(),
        description: "scheduled reboot".to_owned(),
        not_before: Duration::from_secs(3600),
        not_after: Some(Duration::from_secs(7200)),
    });
    let target = text("meta-data/autoscaling/target-lifecycle-state").await;
    assert_eq!(target, "Warmed:Stopped");
    let json = async |path: &str| metadata(&instance, path).await.json();
    let spot = json("meta-data/spot/instance-action").await;
    assert_eq!(spot["action"], "stop");
    let time = spot["time"].as_str().unwrap();
    assert_eq!(time.len(), "2017-09-18T08:22:00Z".len());
    let rebalance = json("meta-data/events/recommendations/rebalance").await;
    assert!(rebalance["noticeTime"].as_str().unwrap().ends_with('Z'));
    let maintenance = json("meta-data/events/maintenance/scheduled").await;
    assert_eq!(maintenance[0]["Code"], "system-reboot");
    let end = maintenance[0]["NotAfter"].as_str().unwrap();
    assert!(end.ends_with(" GMT"));
}

#[tokio::test]
async fn tags_only_where_enabled_and_roles_only_where_there() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let instance = added(&simulator, InstanceSpec::new("c").without_role()).await;
    for path in [
        "meta-data/tags/instance/",
        "meta-data/iam/security-credentials/",
    ] {
        assert_eq!(metadata(&instance, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn identity_and_credentials_carry_markers() {
    let Scenario { instance, .. } = Scenario::simple(0).await.unwrap();
    let document = metadata(&instance, "dynamic/instance-identity/document").await;
    let document = document.json();
    assert_eq!(document["instanceId"], instance.id());
    assert_eq!(document["accountId"], "123456789012");
    let signature = metadata(&instance, "dynamic/instance-identity/signature").await;
    let signature = signature.text();
    assert!(signature.lines().count() > 2 && signature.contains(SIGNATURE_MARKER));
    let path = "meta-data/iam/security-credentials/demo-instance-role";
    let credentials = metadata(&instance, path).await.json();
    let has = |key: &str, marker: &str| credentials[key].as_str().unwrap().contains(marker);
    assert!(has("SecretAccessKey", SECRET_KEY_MARKER));
    assert!(has("Token", SESSION_TOKEN_MARKER));
    // The same until they run out.
    assert_eq!(metadata(&instance, path).await.json(), credentials);
}

#[tokio::test]
async fn credentials_are_renewed() {
    let options = Options::default()
        .speed(1000.0)
        .credential_lifetime(Duration::from_secs(100));
    let scenario = Scenario::with_tasks(options, vec![]).await.unwrap();
    let (simulator, instance) = (scenario.simulator, scenario.instance);
    let path = "meta-data/iam/security-credentials/demo-instance-role";
    let first = metadata(&instance, path).await.json();
    pass(&simulator, Duration::from_secs(80)).await;
    let second = metadata(&instance, path).await.json();
    assert_ne!(second["AccessKeyId"], first["AccessKeyId"]);
}

#[tokio::test]
async fn introspection_and_its_traps() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let batch = TaskSpec::standalone("batch").omit_desired_status();
    let spec = InstanceSpec::new("c")
        .unregistered()
        .task(TaskSpec::service("web").pending_for(Duration::from_secs(3600)))
        .task(batch.stop_duration(Duration::ZERO));
    let instance = added(&simulator, spec).await;
    let answer = introspect(&instance, "/v1/metadata").await.unwrap().json();
    assert_eq!(answer["ContainerInstanceArn"], json!(null));
    instance.register();
    let answer = introspect(&instance, "/v1/metadata").await.unwrap().json();
    let arn = instance.container_instance_arn();
    assert_eq!(answer["ContainerInstanceArn"], arn);
    assert_eq!(answer["Cluster"], "c");

    let unknown = introspect(&instance, "/v2/what").await.unwrap();
    assert_eq!(unknown.status, 200);
    assert!(unknown.json()["AvailableCommands"].is_array());

    let task = async |family: &str| {
        let tasks = introspect(&instance, "/v1/tasks").await.unwrap().json();
        let tasks = tasks["Tasks"].as_array().unwrap();
        let found = tasks.iter().find(|task| task["Family"] == family);
        found.unwrap().clone()
    };
    let web = task("web").await;
    assert_eq!(web["KnownStatus"], "PENDING");
    assert_eq!(web["DesiredStatus"], "RUNNING");
    let batch = task("batch").await;
    assert_eq!(batch["KnownStatus"], "RUNNING");
    assert_eq!(batch.get("DesiredStatus"), None);
    simulator.change(|w| w.stop_task(batch["Arn"].as_str().unwrap(), "test"));
    // Stopped tasks stay listed.
    assert_eq!(task("batch").await["KnownStatus"], "STOPPED");
}

/// The same tasks, in an order that changes from read to read and is drawn from the seed.
#[tokio::test]
async fn introspection_has_no_order() {
    let reads = async |seed| {
        let options = Options {
            seed,
            ..Options::default()
        };
        let tasks = vec![TaskSpec::service("web"); 5];
        let scenario = Scenario::with_tasks(options, tasks).await.unwrap();
        let mut reads = Vec::new();
        for _ in 0..10 {
            let answer = introspect(&scenario.instance, "/v1/tasks").await.unwrap();
            let tasks = answer.json()["Tasks"].as_array().unwrap().clone();
            let arns = tasks.iter().map(|task| task["Arn"].to_string());
            reads.push(arns.collect::<Vec<_>>());
        }
        reads
    };
    let (one, other) = (reads(7).await, reads(8).await);
    assert_eq!(one, reads(7).await);
    assert_ne!(one, other);
    assert!(one.iter().any(|read| *read != one[0]));
    let sorted = |read: &Vec<String>| {
        let mut read = read.clone();
        read.sort();
        read
    };
    assert!(one.iter().all(|read| sorted(read) == sorted(&one[0])));
}

#[tokio::test]
async fn refused_while_the_ecs_agent_is_down_and_back_at_the_same_port() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let instance = added(&simulator, InstanceSpec::new("c").ecs_agent_down()).await;
    let endpoint = instance.introspection_endpoint();
    for _ in 0..3 {
        let refused = introspect(&instance, "/v1/tasks").await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        instance.ecs_agent_up().unwrap();
        let answer = introspect(&instance, "/v1/tasks").await.unwrap();
        assert_eq!(answer.status, 200);
        let mut idle = connect(&endpoint).await.unwrap();
        instance.ecs_agent_down().await;
        let read = idle.read(&mut [0; 16]).await;
        assert!(
            matches!(read, Ok(0) | Err(_)),
            "an idle connection is broken off"
        );
    }
    assert_eq!(instance.introspection_endpoint(), endpoint);
}

#[tokio::test]
async fn connections_are_kept_alive() {
    let Scenario { instance, .. } = Scenario::simple(1).await.unwrap();
    let mut stream = connect(&instance.introspection_endpoint()).await.unwrap();
    for _ in 0..3 {
        let text = request("GET", "/v1/metadata", &[], "", "keep-alive");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"}") {
            let mut buffer = [0; 1024];
            let read = stream.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "closed");
            bytes.extend_from_slice(&buffer[..read]);
        }
        assert!(bytes.starts_with(b"HTTP/1.1 200 OK"));
    }
}
