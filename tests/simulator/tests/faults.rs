//! Every kind of fault, over real sockets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]

mod common;

use std::io;
use std::time::Duration;

use common::{Answer, Api, Keys, connect, ecs, introspect, pass, request, send, simple, until};
use ecs_lifecycle_simulator::{
    ContainerInstanceStatus, Fault, FaultKind, Outcome, RequestRecord, Scenario, World,
};
use serde_json::json;
use tokio::io::AsyncWriteExt;

const UPDATE: &str = "ecs:UpdateContainerInstancesState";

async fn drain(scenario: &Scenario) -> io::Result<Answer> {
    let arn = scenario.instance.container_instance_arn();
    let params = json!({"cluster": "demo", "containerInstances": [arn], "status": "DRAINING"});
    let (endpoint, keys) = (scenario.simulator.ecs_endpoint(), Keys::fixed());
    ecs(&endpoint, &keys, &UPDATE[4..], &params).await
}

fn fault_of(kind: &str) -> Outcome {
    let kind = kind.to_owned();
    Outcome::Fault { kind }
}

/// Hits one `UpdateContainerInstancesState` with the fault; what came back, what was recorded, and
/// whether it was carried out.
async fn hit(kind: FaultKind) -> (io::Result<Answer>, RequestRecord, bool) {
    let scenario = Scenario::simple(1).await.unwrap();
    let name = kind.name();
    let id = scenario.simulator.fault(Fault::on(UPDATE, kind).times(1));
    let answer = drain(&scenario).await;
    assert_eq!(scenario.simulator.fault_hits(id), 1);
    let (record, drained) = scenario.simulator.world(|w| {
        let drained =
            w.instance(scenario.instance.id()).unwrap().status == ContainerInstanceStatus::Draining;
        (w.requests().last(UPDATE).unwrap().clone(), drained)
    });
    assert_eq!(record.outcome, fault_of(name));
    assert_eq!(record.executed, drained);
    assert_eq!(drain(&scenario).await.unwrap().status, 200, "only once");
    (answer, record, drained)
}

#[tokio::test]
async fn refuse_resets_without_carrying_out() {
    let (answer, _, drained) = hit(FaultKind::Refuse).await;
    assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(!drained);
}

#[tokio::test]
async fn a_lost_response_is_carried_out() {
    let (answer, _, drained) = hit(FaultKind::LostResponse).await;
    assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(drained);
}

#[tokio::test]
async fn reset_mid_body_is_carried_out() {
    let (answer, _, drained) = hit(FaultKind::ResetMidBody).await;
    assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(drained);
}

#[tokio::test]
async fn truncated_is_carried_out_and_too_short() {
    let (answer, _, drained) = hit(FaultKind::Truncated).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200);
    assert!(!answer.complete() && !answer.body.is_empty());
    assert!(drained);
}

#[tokio::test]
async fn statuses_and_bodies_as_asked() {
    let (answer, record, drained) = hit(FaultKind::Status(503, Some("busy".to_owned()))).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, record.status), (503, Some(503)));
    assert_eq!(answer.text(), "busy");
    assert!(!drained);
}

#[tokio::test]
async fn errors_as_the_json_protocol_has_them() {
    for (kind, status, code) in [
        (FaultKind::Throttled, 400, "ThrottlingException"),
        (FaultKind::AccessDenied, 400, "AccessDeniedException"),
        (FaultKind::ExpiredCredentials, 400, "ExpiredTokenException"),
        (FaultKind::InternalError, 500, "ServerException"),
    ] {
        let (answer, _, drained) = hit(kind).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(answer.json()["__type"], code);
        assert!(!drained && answer.header("x-amzn-requestid").is_some());
        if code == "AccessDeniedException" {
            let message = answer.json()["Message"].as_str().unwrap().to_owned();
            let why = format!("is not authorized to perform: {UPDATE} on resource: arn:");
            assert!(message.contains(&why), "{message}");
        }
    }
}

#[tokio::test]
async fn errors_as_the_query_protocol_has_them() {
    let Scenario { simulator, .. } = Scenario::simple(0).await.unwrap();
    for (kind, status, code) in [
        (FaultKind::Throttled, 400, "Throttling"),
        (FaultKind::AccessDenied, 403, "AccessDenied"),
        (FaultKind::ExpiredCredentials, 403, "ExpiredToken"),
        (FaultKind::InternalError, 500, "InternalFailure"),
    ] {
        simulator.fault(Fault::on("autoscaling:*", kind).times(1));
        let api = Api::new(&simulator, Keys::fixed());
        let answer = api.auto_scaling("DescribeAutoScalingInstances", &[]).await;
        assert_eq!(answer.status, status);
        let text = answer.text();
        assert!(text.contains(&format!("<Code>{code}</Code>")), "{text}");
    }
}

#[tokio::test]
async fn bodies_that_make_no_sense() {
    let (answer, _, drained) = hit(FaultKind::Garbage).await;
    let parsed = serde_json::from_slice::<serde_json::Value>(&answer.unwrap().body);
    assert!(parsed.is_err() && !drained);
    let (answer, _, drained) = hit(FaultKind::Empty).await;
    assert!(answer.unwrap().body.is_empty() && !drained);
    let (answer, _, drained) = hit(FaultKind::WrongType).await;
    assert!(answer.unwrap().json()["containerInstances"].is_object() && !drained);
    let (answer, _, drained) = hit(FaultKind::Huge(5_000_000)).await;
    assert!(answer.unwrap().body.len() >= 5_000_000 && !drained);
}

#[tokio::test]
async fn hang_never_answers_and_keeps_the_connection() {
    let (simulator, instance) = simple(0).await;
    simulator.fault(Fault::on("introspection:*", FaultKind::Hang).times(1));
    let mut stream = connect(&instance.introspection_endpoint()).await.unwrap();
    let text = request("GET", "/v1/tasks", &[], "", "keep-alive");
    stream.write_all(text.as_bytes()).await.unwrap();
    let hung = |w: &World| {
        let last = w.requests().last("introspection:*");
        last.is_some_and(|r| r.outcome == fault_of("Hang"))
    };
    until(&simulator, "it hangs", hung).await;
    pass(&simulator, Duration::from_millis(50)).await;
    // Neither answered nor closed; others are answered.
    let nothing = stream.try_read(&mut [0; 16]).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    let other = introspect(&instance, "/v1/tasks").await.unwrap();
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn delays_are_simulated_time_and_the_rest_is_as_usual() {
    let options = ecs_lifecycle_simulator::Options::default().speed(100.0);
    let scenario = Scenario::with_tasks(options, vec![]).await.unwrap();
    let five = Duration::from_secs(5);
    let delayed = Fault::on(UPDATE, FaultKind::Delay(five));
    scenario.simulator.fault(delayed);
    let before = scenario.simulator.now();
    assert_eq!(drain(&scenario).await.unwrap().status, 200);
    assert!(scenario.simulator.now() - before >= five);
    scenario.simulator.world(|w| {
        let record = w.requests().last(UPDATE).unwrap();
        assert_eq!(record.outcome, Outcome::Accepted);
        let mut events = w.events().iter().rev();
        let event = events.find(|e| format!("{:?}", e.what).contains("Draining"));
        let took = event.unwrap().at_sim - record.at_sim;
        assert!(took >= five, "carried out after the delay");
    });
}

#[tokio::test]
async fn on_the_instance_as_its_servers_do_it() {
    let (simulator, instance) = simple(1).await;
    let token_path = "imds:PUT /latest/api/token";
    for (kind, status) in [
        (FaultKind::Throttled, 429),
        (FaultKind::AccessDenied, 403),
        (FaultKind::ExpiredCredentials, 401),
        (FaultKind::InternalError, 500),
    ] {
        let fault = Fault::on(token_path, kind).times(1);
        simulator.fault(fault.of_instance(instance.id()));
        let headers = [("X-aws-ec2-metadata-token-ttl-seconds", "60")];
        let imds = instance.imds_endpoint();
        let answer = send(&imds, "PUT", "/latest/api/token", &headers, "").await;
        assert_eq!(answer.unwrap().status, status);
    }
    simulator.fault(Fault::on("introspection:GET /v1/tasks", FaultKind::InternalError).times(1));
    let answer = introspect(&instance, "/v1/tasks").await.unwrap();
    assert_eq!(answer.status, 500);
    assert_eq!(answer.text(), "{\"Tasks\":null}");
}

#[tokio::test]
async fn a_slow_response_is_carried_out_at_once() {
    let scenario = Scenario::simple(1).await.unwrap();
    let slow = FaultKind::SlowResponse(Duration::from_secs(3600));
    scenario.simulator.fault(Fault::on(UPDATE, slow));
    let gives_up = tokio::time::timeout(Duration::from_millis(50), drain(&scenario)).await;
    assert!(gives_up.is_err());
    let noticed = |w: &World| {
        let last = w.requests().last(UPDATE);
        last.is_some_and(|r| r.executed && r.outcome == fault_of("Disconnected"))
    };
    until(&scenario.simulator, "noticed", noticed).await;
}

#[tokio::test]
async fn rules_can_be_taken_away() {
    let scenario = Scenario::simple(1).await.unwrap();
    let throttled = Fault::on("ecs:*", FaultKind::Throttled);
    let id = scenario.simulator.fault(throttled);
    assert_eq!(drain(&scenario).await.unwrap().status, 400);
    scenario.simulator.remove_fault(id);
    assert_eq!(drain(&scenario).await.unwrap().status, 200);
    scenario.simulator.fault(Fault::on("*", FaultKind::Empty));
    scenario.simulator.clear_faults();
    assert_eq!(drain(&scenario).await.unwrap().status, 200);
    scenario.simulator.clear_requests();
    assert!(scenario.simulator.world(|w| w.requests().all().is_empty()));
}
