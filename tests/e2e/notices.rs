//! What EC2 announces: a rebalance recommendation, and scheduled maintenance.

use std::time::Duration;

use ecs_lifecycle_simulator::{AWS_CALLS, InstanceSpec, MaintenanceEvent};

use super::by_hand::{stage_with, watching};
use super::control::{self, socket};
use super::newcomer::{COMPLETE, CONTINUE, DRAIN, Newcomer, group, ms};
use super::stage::{Active, Draining, PATIENCE, SET, web};

const HOUR: Duration = Duration::from_secs(3600);

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
    let stage = stage_with("drain.on_rebalance=20m", vec![web(300)]).await;
    let agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    stage.instance.recommend_rebalance();
    stage.becomes(&agent, Draining).await;
    let done = control::phase(&socket, "done").await;
    let reason = done["reason"].as_str().unwrap_or_default().to_lowercase();
    assert!(reason.contains("rebalance"), "{done:#}");
    assert_eq!(stage.count(COMPLETE), 0);
    // Auto Scaling acts upon it: now there is an action to complete.
    stage.instance.terminate();
    stage.completed(&agent, DRAIN).await;
    stage.instance.wait_until_gone(PATIENCE).await.unwrap();
    assert_eq!(stage.results(DRAIN), [CONTINUE]);
    stage.none_killed();
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
        let settings = "drain.on_maintenance=1h drain.on_rebalance=20m";
        let stage = stage_with(settings, vec![web(600_000)]).await;
        let agent = watching(&stage).await;
        if code == "rebalance" {
            stage.instance.recommend_rebalance();
        } else {
            announce(&stage, code, "active", HOUR / 2);
        }
        stage.becomes(&agent, Draining).await;
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
        let settings = if configured {
            "drain.on_maintenance=1h"
        } else {
            ""
        };
        let stage = stage_with(settings, vec![web(300)]).await;
        let agent = watching(&stage).await;
        announce(&stage, code, state, within);
        stage.instance.recommend_rebalance();
        stage.polls(&agent, 30).await;
        let calls = stage.count(AWS_CALLS);
        assert_eq!(calls, 0, "{code} {state}\n{}", agent.text());
    }
}

/// A notice two minutes ahead is soon enough every two seconds, and scheduled maintenance every thirty.
#[tokio::test]
async fn an_on_demand_instance_is_asked_for_notices_less_often() {
    const SPOT: &str = "imds:GET /latest/meta-data/spot/instance-action";
    let spec = InstanceSpec::new("demo").group("demo-asg");
    for (spec, every) in [(spec.clone(), 2), (spec.on_demand(), 30)] {
        let stage = Newcomer::added(group(), spec).await;
        let agent = watching(&stage).await;
        stage.polls(&agent, 30).await;
        let read = stage.count(SPOT);
        let most = 1 + stage.simulator.now().as_secs() / every;
        assert!(read as u64 <= most, "{read}\n{}", agent.text());
        assert!(read > 1 || every == 30, "{read}\n{}", agent.text());
    }
}

/// The time comes while the agent watches: it drains so long before.
#[tokio::test]
async fn maintenance_that_comes_nearer_begins_in_time() {
    let stage = stage_with("drain.on_maintenance=1h", vec![web(300)]).await;
    let _agent = watching(&stage).await;
    // NotBefore counts whole seconds.
    announce(&stage, "instance-stop", "active", HOUR + ms(4_000));
    let announced = stage.simulator.now();
    stage.counts(SET, 1).await;
    let waited = stage.simulator.now().saturating_sub(announced);
    assert!(waited > ms(2_500) && waited < ms(50_000), "{waited:?}");
}

/// Cancelled, in mid-drain or after it: the instance is put back.
#[tokio::test]
async fn maintenance_that_is_cancelled_is_undone() {
    for after in ["draining", "done"] {
        let millis = if after == "done" { 100 } else { 600_000 };
        let stage = stage_with("drain.on_maintenance=1h", vec![web(millis)]).await;
        let agent = watching(&stage).await;
        let socket = socket(&stage.scratch);
        announce(&stage, "system-reboot", "active", HOUR / 2);
        stage.becomes(&agent, Draining).await;
        control::phase(&socket, after).await;
        announce(&stage, "system-reboot", "canceled", HOUR / 2);
        stage.becomes(&agent, Active).await;
        control::phase(&socket, "watching").await;
        assert_eq!(stage.count(COMPLETE), 0);
        stage.polls(&agent, 20).await;
        assert_eq!(stage.status(), Active, "{after}");
    }
}

/// The machine is rebooted, the agent starts again, the event is over: back into service.
#[tokio::test]
async fn after_the_reboot_it_is_active_again() {
    let stage = stage_with("drain.on_maintenance=1h", vec![web(100)]).await;
    let mut agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    announce(&stage, "system-reboot", "active", HOUR / 2);
    stage.becomes(&agent, Draining).await;
    control::phase(&socket, "done").await;
    agent.signal("TERM").await.unwrap();
    agent.ended(PATIENCE).await.unwrap();
    stage.instance.ecs_agent_down().await;
    // Still announced at first: it stays drained.
    let mut agent = stage.start();
    stage.instance.ecs_agent_up().unwrap();
    stage.polls(&agent, 20).await;
    assert_eq!(stage.status(), Draining, "{}", agent.text());
    agent.kill().await.unwrap();
    announce(&stage, "system-reboot", "completed", Duration::ZERO);
    let agent = stage.start();
    stage.becomes(&agent, Active).await;
    control::phase(&socket, "watching").await;
}

/// What an operator had drained before is not put back.
#[tokio::test]
async fn what_was_drained_before_is_left_so() {
    let stage = stage_with("drain.on_maintenance=1h", vec![web(100)]).await;
    let agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    stage.instance.set_container_instance_status(Draining);
    announce(&stage, "system-reboot", "active", HOUR / 2);
    control::phase(&socket, "done").await;
    announce(&stage, "system-reboot", "canceled", HOUR / 2);
    control::phase(&socket, "watching").await;
    stage.polls(&agent, 20).await;
    assert_eq!(stage.status(), Draining);
}

/// Auto Scaling's word outranks the announcement, also one that is cancelled afterwards.
#[tokio::test]
async fn a_termination_outranks_a_cancelled_maintenance() {
    let stage = stage_with("drain.on_maintenance=1h", vec![web(3_000)]).await;
    let agent = watching(&stage).await;
    announce(&stage, "instance-stop", "active", HOUR / 2);
    stage.becomes(&agent, Draining).await;
    stage.instance.terminate();
    stage.polls(&agent, 3).await;
    announce(&stage, "instance-stop", "canceled", HOUR / 2);
    stage.completed(&agent, DRAIN).await;
    stage.instance.wait_until_gone(PATIENCE).await.unwrap();
    stage.none_killed();
    assert_eq!(stage.completions(), 1);
}
