//! Deadlines: what is done when the tasks do not go in time.

use std::time::Duration;

use ecs_lifecycle_simulator::{
    AWS_CALLS, HookSpec, LifecycleActionResult, SpotAction, StackSpec, What,
};

use super::stage::{PATIENCE, Stage, group, web};

/// The result of our completion, if there was one.
fn result(stage: &Stage) -> Option<LifecycleActionResult> {
    stage.simulator.world(|world| {
        world
            .events_of(stage.instance.id())
            .find_map(|event| match &event.what {
                What::HookCompleted { result, .. } => Some(*result),
                _ => None,
            })
    })
}

#[tokio::test]
async fn on_expiry_the_configured_result_is_given() {
    let cases = [
        ("CONTINUE", LifecycleActionResult::Continue),
        ("ABANDON", LifecycleActionResult::Abandon),
    ];
    for (configured, expected) in cases {
        let stage = Stage::new(vec![web(600_000)])
            .await
            .set("drain", "timeout", "1s")
            .set("drain", "result_on_timeout", configured);
        let agent = stage.watching().await;
        stage.instance.terminate();
        stage.completed().await;
        assert_eq!(result(&stage), Some(expected));
        let log = agent.logged("deadline reached", PATIENCE).await.unwrap();
        assert!(log.contains("ERROR") && log.contains("web:"), "{log}");
    }
}

#[tokio::test]
async fn none_leaves_the_decision_to_the_hook() {
    let stage = Stage::new(vec![web(600_000)])
        .await
        .set("drain", "timeout", "1s")
        .set("drain", "result_on_timeout", "NONE");
    let agent = stage.watching().await;
    stage.instance.terminate();
    agent
        .logged("no lifecycle action to complete", PATIENCE)
        .await
        .unwrap();
    let calls = stage.count(AWS_CALLS);
    let polls = stage.count("imds:GET /latest/meta-data/spot/instance-action");
    stage
        .until("twenty quiet polls", |world| {
            world
                .requests()
                .count("imds:GET /latest/meta-data/spot/instance-action")
                > polls + 20
        })
        .await;
    assert_eq!(
        stage.count(AWS_CALLS),
        calls,
        "neither a completion nor a heartbeat"
    );
    assert_eq!(result(&stage), None);
}

#[tokio::test]
async fn the_global_timeout_of_the_hook_is_a_deadline() {
    let hook = HookSpec::terminating("short")
        .heartbeat_timeout(Duration::from_secs(9))
        .global_timeout(Duration::from_secs(6));
    let mut spec = group();
    spec.hooks = vec![hook];
    let stage = Stage::with_group(spec, vec![web(600_000)]).await;
    let agent = stage.watching().await;
    stage.instance.terminate();
    stage.completed().await;
    assert!(agent.text().contains("GlobalTimeout of the lifecycle hook"));
}

#[tokio::test]
async fn a_spot_interruption_is_a_deadline_and_completes_nothing() {
    let stage = Stage::new(vec![web(600_000)]).await;
    let agent = stage.watching().await;
    stage
        .instance
        .interrupt_spot(SpotAction::Terminate, Duration::from_secs(4));
    agent
        .logged("Spot interruption (terminate)", PATIENCE)
        .await
        .unwrap();
    stage.draining().await;
    agent.logged("deadline reached", PATIENCE).await.unwrap();
    assert_eq!(
        stage.count("autoscaling:*"),
        0,
        "there is no lifecycle action to ask about"
    );
}

#[tokio::test]
async fn heartbeats_keep_the_hook_waiting_until_the_deadline_and_no_longer() {
    let mut spec = group();
    spec.hooks =
        vec![HookSpec::terminating("drain-hook").heartbeat_timeout(Duration::from_secs(2))];
    let stage = Stage::with_group(spec, vec![web(600_000)])
        .await
        .set("drain", "timeout", "5s");
    let _agent = stage.watching().await;
    stage.instance.terminate();
    stage.completed().await;
    stage.simulator.world(|world| {
        let id = stage.instance.id();
        let lapsed = world.event_of(id, |what| matches!(what, What::HeartbeatLapsed { .. }));
        assert!(lapsed.is_none(), "a 2 s hook was kept waiting for 5 s");
        let beats = world
            .requests()
            .count("autoscaling:RecordLifecycleActionHeartbeat");
        assert!((4..=7).contains(&beats), "{beats} heartbeats, one a second");
        let started = world.event_of(id, |what| matches!(what, What::TargetStateSet(_)));
        let last = world
            .requests()
            .last("autoscaling:RecordLifecycleActionHeartbeat")
            .unwrap();
        let after = last.at_real - started.unwrap().at_real;
        assert!(
            after < Duration::from_millis(5_300),
            "the last heartbeat came after {after:?}"
        );
    });
}

#[tokio::test]
async fn on_timeout_cloudformation_hears_what_is_configured() {
    for (configured, expected) in [
        ("NONE", None),
        ("FAILURE", Some(false)),
        ("SUCCESS", Some(true)),
    ] {
        let stage = Stage::new(vec![web(600_000)])
            .await
            .set("drain", "timeout", "1s")
            .set("cloudformation", "stack_name", "demo-stack")
            .set("cloudformation", "signal_drained", "true")
            .set("cloudformation", "logical_resource_id", "Group")
            .set("cloudformation", "signal_on_timeout", configured);
        stage
            .simulator
            .add_stack(&StackSpec::new("demo-stack").waiting("Group"));
        let _agent = stage.watching().await;
        stage.instance.terminate();
        stage.completed().await;
        let heard = stage.simulator.world(|world| {
            world
                .events_of(stage.instance.id())
                .find_map(|event| match &event.what {
                    What::SignalReceived { success, .. } => Some(*success),
                    _ => None,
                })
        });
        assert_eq!(heard, expected, "{configured}");
    }
}
