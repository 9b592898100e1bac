//! Gates: requests held before or after they are carried out, and callers that die meanwhile.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]

mod common;

use std::io;
use std::time::Duration;

use common::{Answer, Keys, SOON, ecs, pass, until};
use ecs_lifecycle_simulator::{
    AWS_CALLS, ContainerInstanceStatus, Hold, HoldPoint, Outcome, Scenario, World,
};
use serde_json::json;
use tokio::task::JoinHandle;

const UPDATE: &str = "ecs:UpdateContainerInstancesState";

fn drain(scenario: &Scenario) -> JoinHandle<io::Result<Answer>> {
    let arn = scenario.instance.container_instance_arn();
    let endpoint = scenario.simulator.ecs_endpoint();
    let params = json!({"cluster": "demo", "containerInstances": [arn], "status": "DRAINING"});
    tokio::spawn(async move { ecs(&endpoint, &Keys::fixed(), &UPDATE[4..], &params).await })
}

fn drained(scenario: &Scenario) -> bool {
    let id = scenario.instance.id();
    let status = scenario.simulator.world(|w| w.instance(id).unwrap().status);
    status == ContainerInstanceStatus::Draining
}

#[tokio::test]
async fn held_before_nothing_is_done_until_released() {
    let scenario = Scenario::simple(1).await.unwrap();
    let mut gate = scenario.simulator.hold(Hold::before(UPDATE));
    let call = drain(&scenario);
    let held = gate.reached(SOON).await.unwrap();
    assert_eq!(held.point, HoldPoint::Before);
    assert_eq!(held.operation, UPDATE);
    assert!(!drained(&scenario));
    assert_eq!(
        scenario
            .simulator
            .world(|w| w.requests().last(UPDATE).unwrap().outcome.clone()),
        Outcome::InFlight
    );
    held.release();
    assert_eq!(call.await.unwrap().unwrap().status, 200);
    assert!(drained(&scenario));
    let second = drain(&scenario).await.unwrap().unwrap();
    assert_eq!(second.status, 200, "holds one request only");
}

#[tokio::test]
async fn held_after_it_is_done_but_not_answered() {
    let scenario = Scenario::simple(1).await.unwrap();
    let hold = Hold::after(UPDATE).of_instance(scenario.instance.id());
    let mut gate = scenario.simulator.hold(hold);
    let call = drain(&scenario);
    let held = gate.reached(SOON).await.unwrap();
    assert!(drained(&scenario));
    assert!(!call.is_finished());
    assert!(
        scenario
            .simulator
            .world(|w| w.requests().last(UPDATE).unwrap().executed)
    );
    drop(held);
    let answer = call.await.unwrap().unwrap();
    assert_eq!(answer.status, 200, "dropping releases");
}

#[tokio::test]
async fn a_held_request_can_be_reset() {
    for (hold, done) in [(Hold::before(UPDATE), false), (Hold::after(UPDATE), true)] {
        let scenario = Scenario::simple(1).await.unwrap();
        let mut gate = scenario.simulator.hold(hold);
        let call = drain(&scenario);
        gate.reached(SOON).await.unwrap().reset();
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(drained(&scenario), done);
    }
}

#[tokio::test]
async fn a_caller_that_dies_while_held_before_is_not_served() {
    let scenario = Scenario::simple(1).await.unwrap();
    let mut gate = scenario.simulator.hold(Hold::before(UPDATE));
    let call = drain(&scenario);
    let held = gate.reached(SOON).await.unwrap();
    call.abort();
    let gone = Outcome::Fault {
        kind: "Disconnected".to_owned(),
    };
    let noticed = |w: &World| w.requests().last(UPDATE).is_some_and(|r| r.outcome == gone);
    until(&scenario.simulator, "noticed", noticed).await;
    held.release();
    pass(&scenario.simulator, Duration::from_millis(20)).await;
    assert!(!drained(&scenario));
}

#[tokio::test]
async fn the_nth_of_all_aws_calls() {
    let scenario = Scenario::simple(1).await.unwrap();
    let mut gate = scenario.simulator.hold(Hold::before(AWS_CALLS).nth(3));
    for _ in 0..2 {
        assert_eq!(drain(&scenario).await.unwrap().unwrap().status, 200);
    }
    let third = drain(&scenario);
    let held = gate.reached(SOON).await.unwrap();
    assert_eq!(held.seq, 3);
    held.release();
    assert_eq!(third.await.unwrap().unwrap().status, 200);
    assert!(gate.try_reached().is_none());
}

#[tokio::test]
async fn every_one_until_the_gate_is_dropped() {
    let scenario = Scenario::simple(1).await.unwrap();
    let mut gate = scenario.simulator.hold(Hold::before(UPDATE).every());
    let calls = [drain(&scenario), drain(&scenario), drain(&scenario)];
    gate.reached(SOON).await.unwrap().release();
    let arrived = |w: &World| w.requests().count(UPDATE) == 3;
    until(&scenario.simulator, "all arrived", arrived).await;
    drop(gate);
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status, 200);
    }
}

#[tokio::test]
async fn waiting_says_what_it_waited_for() {
    let scenario = Scenario::simple(1).await.unwrap();
    let mut gate = scenario.simulator.hold(Hold::before(UPDATE));
    let short = Duration::from_millis(10);
    assert!(gate.reached(short).await.unwrap_err().contains(UPDATE));
    let never = scenario.simulator.wait_until("pigs fly", short, |_| false);
    let error = never.await.unwrap_err();
    assert!(error.contains("pigs fly") && error.contains("TaskRunning"));
}
