//! Killed, stopped, started again.

use std::time::Duration;

use ecs_lifecycle_simulator::{Fault, FaultKind, HookSpec, What};

use super::stage::{PATIENCE, Stage, group, web};

/// Stopped by SIGTERM and started again, over and over: the deadline counts from the first start.
#[tokio::test]
async fn no_restart_moves_the_deadline() {
    let stage = Stage::new(vec![web(600_000)])
        .await
        .set("drain", "timeout", "6s");
    let mut agent = stage.watching().await;
    stage.instance.terminate();
    for _ in 0..4 {
        stage.draining().await;
        stage.simulator.clear_requests();
        agent.signal("TERM").await.unwrap();
        agent.ended(Duration::from_secs(2)).await.unwrap();
        agent = stage.builder.start().unwrap();
        agent
            .logged("with its original deadline", PATIENCE)
            .await
            .unwrap();
    }
    stage.completed().await;
    stage.simulator.world(|world| {
        let id = stage.instance.id();
        let at = |is: fn(&What) -> bool| world.event_of(id, is).unwrap().at_real;
        let started = at(|what| matches!(what, What::TargetStateSet(_)));
        let completed = at(|what| matches!(what, What::HookCompleted { .. }));
        let took = completed - started;
        assert!(took > Duration::from_millis(5_900), "{took:?}");
        assert!(took < Duration::from_millis(7_500), "{took:?}");
    });
}

#[tokio::test]
async fn restarted_it_heartbeats_at_once() {
    let mut spec = group();
    spec.hooks =
        vec![HookSpec::terminating("drain-hook").heartbeat_timeout(Duration::from_secs(3600))];
    let stage = Stage::with_group(spec, vec![web(600_000)]).await;
    let mut agent = stage.watching().await;
    stage.instance.terminate();
    stage.draining().await;
    agent.kill().await.unwrap();
    let _agent = stage.builder.start().unwrap();
    stage
        .until("a heartbeat", |world| {
            world
                .requests()
                .count("autoscaling:RecordLifecycleActionHeartbeat")
                == 1
        })
        .await;
}

#[tokio::test]
async fn started_again_after_the_completion_it_is_done_without_another() {
    let spec = group().terminate_delay(Duration::from_secs(600));
    let stage = Stage::with_group(spec, vec![web(100)]).await;
    let mut agent = stage.watching().await;
    stage.instance.terminate();
    stage.completed().await;
    agent.kill().await.unwrap();
    let agent = stage.builder.start().unwrap();
    agent
        .logged("lifecycle action was already completed", PATIENCE)
        .await
        .unwrap();
    stage
        .simulator
        .world(|world| assert_eq!(world.completions(stage.instance.id()), 1));
}

#[tokio::test]
async fn a_spoilt_state_file_is_reported_and_outlived() {
    for text in ["", "{", "null", "{\"instance_id\":7}", "\u{0}\u{0}"] {
        let stage = Stage::new(vec![web(100)]).await;
        std::fs::write(stage.scratch.path().join("state.json"), text).unwrap();
        let agent = stage.builder.start().unwrap();
        let line = agent
            .logged("ignoring unusable state file", PATIENCE)
            .await
            .unwrap();
        assert!(
            line.contains("WARN") && line.contains("state.json"),
            "{line}"
        );
        agent
            .logged("this is a container instance of cluster", PATIENCE)
            .await
            .unwrap();
        stage.instance.terminate();
        stage.completed().await;
        stage.assert_safe();
    }
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_written_does_not_stop_a_drain() {
    let stage = Stage::new(vec![web(100)])
        .await
        .set("agent", "state_directory", "/proc/nowhere");
    let agent = stage.watching().await;
    agent
        .logged("write state.json failed", PATIENCE)
        .await
        .unwrap();
    stage.instance.terminate();
    stage.completed().await;
    stage.assert_safe();
}

#[tokio::test]
async fn a_process_that_dies_while_its_completion_is_on_the_way_completes_once() {
    let stage = Stage::new(vec![web(100)]).await;
    let mut agent = stage.watching().await;
    stage.simulator.fault(
        Fault::on(
            "autoscaling:CompleteLifecycleAction",
            FaultKind::SlowResponse(Duration::from_secs(600)),
        )
        .times(1),
    );
    stage.instance.terminate();
    stage.completed().await;
    agent.kill().await.unwrap();
    let agent = stage.builder.start().unwrap();
    agent
        .logged("was already completed", PATIENCE)
        .await
        .unwrap();
    stage
        .simulator
        .world(|world| assert_eq!(world.completions(stage.instance.id()), 1));
}
