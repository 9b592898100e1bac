//! Killed, stopped, started again.

use std::time::Duration;

use ecs_lifecycle_simulator::{Fault, FaultKind, What};

use super::stage::{BEAT, COMPLETE, KNOWN, Stage, group, web};

/// Stopped by SIGTERM and started again, over and over: the deadline counts from the first start.
#[tokio::test]
async fn no_restart_moves_the_deadline() {
    let stage = Stage::with("drain.timeout=6s", vec![web(600_000)]).await;
    let mut agent = stage.leaving().await;
    for _ in 0..4 {
        stage.draining().await;
        stage.simulator.clear_requests();
        agent.signal("TERM").await.unwrap();
        agent.ended(Duration::from_secs(2)).await.unwrap();
        agent = stage.start();
        agent.says("with its original deadline").await;
    }
    stage.completed().await;
    stage.world(|world| {
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
    let stage = Stage::new(vec![web(600_000)]).await;
    let mut agent = stage.leaving().await;
    stage.draining().await;
    agent.kill().await.unwrap();
    let _agent = stage.start();
    stage.counts(BEAT, 1).await;
}

/// The machine is suspended while the deadline passes and the task stops: the task is looked at before anything
/// is decided.
#[tokio::test]
async fn a_pause_past_the_deadline_is_no_timeout() {
    let settings = "drain.timeout=4s drain.result_on_timeout=ABANDON";
    let stage = Stage::with(settings, vec![web(3_000)]).await;
    let agent = stage.leaving().await;
    stage.draining().await;
    agent.signal("STOP").await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    agent.signal("CONT").await.unwrap();
    agent.says("drained: no tasks are left").await;
    stage.completed().await;
    stage.none_killed();
}

#[tokio::test]
async fn started_again_after_the_completion_it_is_done_without_another() {
    let spec = group().terminate_delay(Duration::from_secs(600));
    let stage = Stage::with_group(spec, vec![web(100)]).await;
    let mut agent = stage.leaving().await;
    stage.completed().await;
    agent.kill().await.unwrap();
    let agent = stage.start();
    agent.says("lifecycle action was already completed").await;
    assert_eq!(stage.completions(), 1);
}

#[tokio::test]
async fn a_spoilt_state_file_is_reported_and_outlived() {
    for text in ["", "{", "null", "{\"instance_id\":7}", "\u{0}\u{0}"] {
        let stage = Stage::new(vec![web(100)]).await;
        std::fs::write(stage.scratch.path().join("state.json"), text).unwrap();
        let agent = stage.start();
        let line = agent.says("ignoring unusable state file").await;
        assert!(line.contains("WARN"), "{line}");
        assert!(line.contains("state.json"), "{line}");
        agent.says(KNOWN).await;
        stage.drains().await;
    }
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_written_does_not_stop_a_drain() {
    let stage = Stage::with("agent.state_directory=/proc/nowhere", vec![web(100)]).await;
    let agent = stage.watching().await;
    agent.says("write state.json failed").await;
    stage.drains().await;
}

#[tokio::test]
async fn a_process_that_dies_while_its_completion_is_on_the_way_completes_once() {
    let stage = Stage::new(vec![web(100)]).await;
    let mut agent = stage.watching().await;
    let slow = FaultKind::SlowResponse(Duration::from_secs(600));
    stage.fault(Fault::on(COMPLETE, slow).times(1));
    stage.instance.terminate();
    stage.completed().await;
    agent.kill().await.unwrap();
    let agent = stage.start();
    agent.says("was already completed").await;
    assert_eq!(stage.completions(), 1);
}
