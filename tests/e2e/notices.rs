//! What EC2 announces: a rebalance recommendation, and scheduled maintenance.

use std::time::Duration;

use ecs_lifecycle_simulator::{
    AWS_CALLS, ContainerInstanceStatus, LifecycleActionResult, MaintenanceEvent,
};

use super::by_hand::{is, stage, watching};
use super::control::{self, socket};
use super::newcomer::{COMPLETE, DRAIN, Newcomer, ms};
use super::stage::{PATIENCE, web};

const HOUR: Duration = Duration::from_secs(3600);
const DRAINING: &str = "ecs:UpdateContainerInstancesState";

fn announce(stage: &Newcomer, code: &str, state: &str, within: Duration) {
    let not_before = stage.simulator.now() + within;
    let prefix = match state {
        "completed" => "[Completed] ",
        "canceled" => "[Canceled] ",
        _ => "",
    };
    stage.instance.set_maintenance(MaintenanceEvent {
        id: "instance-event-0d59937288b749b32".to_owned(),
        code: code.to_owned(),
        state: state.to_owned(),
        description: format!("{prefix}scheduled {code}"),
        not_before,
        not_after: Some(not_before + HOUR),
    });
}

#[tokio::test]
async fn a_rebalance_recommendation_drains_where_configured() {
    let stage = stage(vec![web(300)])
        .await
        .set("drain", "on_rebalance", "20m");
    let agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    stage.instance.recommend_rebalance();
    stage
        .becomes(&agent, ContainerInstanceStatus::Draining)
        .await;
    let done = control::until(&socket, "drained", |status| status["phase"] == "done").await;
    let reason = done["reason"].as_str().unwrap_or_default().to_lowercase();
    assert!(reason.contains("rebalance"), "{done:#}");
    assert_eq!(stage.count(COMPLETE), 0);
    // Auto Scaling acts upon it: now there is an action to complete.
    stage.instance.terminate();
    stage.completed(&agent, DRAIN).await;
    stage.instance.wait_until_gone(PATIENCE).await.unwrap();
    assert_eq!(stage.results(DRAIN), [LifecycleActionResult::Continue]);
    stage
        .simulator
        .world(|world| assert!(world.killed().is_empty()));
}

/// A rebalance recommendation, a stop, a reboot or a retirement, once it is near enough: each says how long.
#[tokio::test]
async fn a_notice_drains_with_a_deadline_of_its_own() {
    for (code, minutes) in [
        ("rebalance", 20.0),
        ("instance-stop", 30.0),
        ("instance-retirement", 30.0),
        ("system-reboot", 30.0),
        ("instance-reboot", 30.0),
    ] {
        let stage = stage(vec![web(600_000)])
            .await
            .set("drain", "on_maintenance", "1h")
            .set("drain", "on_rebalance", "20m");
        let agent = watching(&stage).await;
        if code == "rebalance" {
            stage.instance.recommend_rebalance();
        } else {
            announce(&stage, code, "active", HOUR / 2);
        }
        stage
            .becomes(&agent, ContainerInstanceStatus::Draining)
            .await;
        let (left, status) = control::deadline(&socket(&stage.scratch)).await;
        assert!(left > minutes - 2.0 && left <= minutes, "{status:#}");
        if code == "rebalance" {
            let source = &status["deadline"]["source"];
            assert_eq!(source, "drain.on_rebalance", "{status:#}");
        }
        let reason = status["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(code), "{code}: {status:#}");
    }
}

/// What is not configured, far off, does not stop the instance, or is over, is no reason.
#[tokio::test]
async fn other_notices_are_no_reason() {
    for (configured, code, state, within) in [
        (false, "instance-retirement", "active", ms(60_000)),
        (true, "instance-stop", "active", HOUR * 2),
        (true, "system-maintenance", "active", HOUR / 2),
        (true, "system-reboot", "canceled", HOUR / 2),
        (true, "instance-retirement", "completed", HOUR / 2),
    ] {
        let mut stage = stage(vec![web(300)]).await;
        if configured {
            stage = stage.set("drain", "on_maintenance", "1h");
        }
        let agent = watching(&stage).await;
        announce(&stage, code, state, within);
        stage.instance.recommend_rebalance();
        stage.polls(&agent, 30).await;
        let calls = stage.count(AWS_CALLS);
        assert_eq!(calls, 0, "{code} {state}\n{}", agent.text());
    }
}

/// The time comes while the agent watches: it drains so long before.
#[tokio::test]
async fn maintenance_that_comes_nearer_begins_in_time() {
    let stage = stage(vec![web(300)])
        .await
        .set("drain", "on_maintenance", "1h");
    let agent = watching(&stage).await;
    // NotBefore counts whole seconds.
    announce(&stage, "instance-stop", "active", HOUR + ms(4_000));
    let announced = stage.simulator.now();
    stage
        .until(&agent, "a drain", |world| {
            world.requests().count(DRAINING) > 0
        })
        .await;
    let waited = stage.simulator.now().saturating_sub(announced);
    assert!(waited > ms(2_500) && waited < ms(50_000), "{waited:?}");
}

/// Cancelled, in mid-drain or after it: the instance is put back.
#[tokio::test]
async fn maintenance_that_is_cancelled_is_undone() {
    for after in ["draining", "done"] {
        let millis = if after == "done" { 100 } else { 600_000 };
        let stage = stage(vec![web(millis)])
            .await
            .set("drain", "on_maintenance", "1h");
        let agent = watching(&stage).await;
        let socket = socket(&stage.scratch);
        announce(&stage, "system-reboot", "active", HOUR / 2);
        stage
            .becomes(&agent, ContainerInstanceStatus::Draining)
            .await;
        control::until(&socket, after, |status| status["phase"] == after).await;
        announce(&stage, "system-reboot", "canceled", HOUR / 2);
        stage.becomes(&agent, ContainerInstanceStatus::Active).await;
        control::until(&socket, "watching", |status| status["phase"] == "watching").await;
        assert_eq!(stage.count(COMPLETE), 0);
        stage.polls(&agent, 20).await;
        assert!(
            stage
                .simulator
                .world(is(&stage, ContainerInstanceStatus::Active)),
            "{after}"
        );
    }
}

/// The machine is rebooted, the agent starts again, the event is over: back into service.
#[tokio::test]
async fn after_the_reboot_it_is_active_again() {
    let stage = stage(vec![web(100)])
        .await
        .set("drain", "on_maintenance", "1h");
    let mut agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    announce(&stage, "system-reboot", "active", HOUR / 2);
    stage
        .becomes(&agent, ContainerInstanceStatus::Draining)
        .await;
    control::until(&socket, "drained", |status| status["phase"] == "done").await;
    agent.signal("TERM").await.unwrap();
    agent.ended(PATIENCE).await.unwrap();
    stage.instance.ecs_agent_down().await;
    // Still announced at first: it stays drained.
    let mut agent = stage.start();
    stage.instance.ecs_agent_up().unwrap();
    stage.polls(&agent, 20).await;
    assert!(
        stage
            .simulator
            .world(is(&stage, ContainerInstanceStatus::Draining)),
        "{}",
        agent.text()
    );
    agent.kill().await.unwrap();
    announce(&stage, "system-reboot", "completed", Duration::ZERO);
    let agent = stage.start();
    stage.becomes(&agent, ContainerInstanceStatus::Active).await;
    control::until(&socket, "watching", |status| status["phase"] == "watching").await;
}

/// What an operator had drained before is not put back.
#[tokio::test]
async fn what_was_drained_before_is_left_so() {
    let stage = stage(vec![web(100)])
        .await
        .set("drain", "on_maintenance", "1h");
    let agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    stage
        .instance
        .set_container_instance_status(ContainerInstanceStatus::Draining);
    announce(&stage, "system-reboot", "active", HOUR / 2);
    control::until(&socket, "drained", |status| status["phase"] == "done").await;
    announce(&stage, "system-reboot", "canceled", HOUR / 2);
    control::until(&socket, "watching", |status| status["phase"] == "watching").await;
    stage.polls(&agent, 20).await;
    assert!(
        stage
            .simulator
            .world(is(&stage, ContainerInstanceStatus::Draining))
    );
}

/// Auto Scaling's word outranks the announcement, also one that is cancelled afterwards.
#[tokio::test]
async fn a_termination_outranks_a_cancelled_maintenance() {
    let stage = stage(vec![web(3_000)])
        .await
        .set("drain", "on_maintenance", "1h");
    let agent = watching(&stage).await;
    announce(&stage, "instance-stop", "active", HOUR / 2);
    stage
        .becomes(&agent, ContainerInstanceStatus::Draining)
        .await;
    stage.instance.terminate();
    stage.polls(&agent, 3).await;
    announce(&stage, "instance-stop", "canceled", HOUR / 2);
    stage.completed(&agent, DRAIN).await;
    stage.instance.wait_until_gone(PATIENCE).await.unwrap();
    stage.simulator.world(|world| {
        assert!(world.killed().is_empty());
        assert_eq!(world.completions(stage.instance.id()), 1);
    });
}
