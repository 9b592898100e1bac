//! What an administrator puts into `hooks.d`: run before a drain, and after it.

use ecs_lifecycle_simulator::{What, World};

use super::by_hand::{stage, stage_with, watching, with_heartbeat};
use super::newcomer::{ABANDON, COMPLETE, CONTINUE, DRAIN, FAILS, SIGNAL, ms};
use super::stage::{PATIENCE, SET, web};

const BEFORE: &str = "hooks.d/before-drain";
const AFTER: &str = "hooks.d/after-drain";

/// Before and after, in the order of their names, each with what it may want to know.
#[tokio::test]
async fn they_run_before_and_after_with_all_that_is_known() {
    let mut stage = stage(vec![web(500)]).await;
    for name in ["20-second", "10-first"] {
        stage.scripts.add(BEFORE, name, "tell; hold");
        stage.scripts.add(AFTER, name, "tell; hold");
    }
    stage.scripts.add(BEFORE, ".hidden", "say never");
    stage.scripts.add(BEFORE, "old~", "say never");
    stage.scripts.file(BEFORE, "00-data", "say never", "644");
    let agent = watching(&stage).await;
    stage.instance.terminate();
    let arn = stage.instance.container_instance_arn();
    for (event, outcome) in [("before-drain", None), ("after-drain", Some("drained"))] {
        for name in ["10-first", "20-second"] {
            let said = stage.scripts.said().await;
            assert_eq!(said.script, name);
            for (variable, value) in [
                ("EVENT", event),
                ("INSTANCE_ID", stage.instance.id()),
                ("REGION", "us-east-1"),
                ("CLUSTER", "demo"),
                ("CONTAINER_INSTANCE_ARN", &arn),
            ] {
                let variable = format!("ECS_LIFECYCLE_{variable}");
                let told = said.variable(&variable);
                assert_eq!(told, Some(value), "{variable}: {said:?}");
            }
            let reason = said.variable("ECS_LIFECYCLE_REASON").unwrap_or_default();
            assert!(reason.contains("Terminated"), "{said:?}");
            let deadline = said.variable("ECS_LIFECYCLE_DEADLINE").unwrap_or_default();
            let moment = deadline.ends_with('Z') && deadline.contains('T');
            assert!(moment, "{said:?}");
            assert_eq!(said.variable("ECS_LIFECYCLE_OUTCOME"), outcome, "{said:?}");
            let (asked, completed) = (stage.count(SET), stage.count(COMPLETE));
            if event == "before-drain" {
                assert_eq!(asked, 0, "before means before:\n{}", agent.text());
            } else {
                assert_eq!(stage.running(), 0, "after means after");
            }
            assert_eq!(completed, 0);
            stage.scripts.release().await;
        }
    }
    stage.completed(&agent, DRAIN).await;
    assert_eq!(stage.results(DRAIN), [CONTINUE]);
    stage.scripts.said_all().await;
}

/// At the deadline, too, with that as the outcome.
#[tokio::test]
async fn afterwards_they_are_told_of_a_deadline() {
    let mut stage = stage_with("drain.timeout=2s", vec![web(600_000)]).await;
    stage.scripts.add(AFTER, "any", "tell");
    let agent = watching(&stage).await;
    stage.instance.terminate();
    let said = stage.scripts.said().await;
    assert_eq!(said.variable("ECS_LIFECYCLE_OUTCOME"), Some("timed-out"));
    stage.completed(&agent, DRAIN).await;
}

/// The lifecycle action is kept waiting while they run.
#[tokio::test]
async fn heartbeats_go_on_while_they_run() {
    let mut stage = with_heartbeat(ms(12_000), vec![web(100)]).await;
    stage.scripts.add(BEFORE, "slow", "say began; hold");
    stage.scripts.add(AFTER, "slow", "say began; hold");
    let agent = watching(&stage).await;
    stage.instance.terminate();
    let id = stage.id();
    for beats in [4, 6] {
        stage.scripts.said().await;
        let beaten = |world: &World| {
            let events = world.events_of(&id);
            let is = |what: &What| matches!(what, What::HookHeartbeat { .. });
            events.filter(|event| is(&event.what)).count() >= beats
        };
        stage.until(&agent, "heartbeats", beaten).await;
        stage.scripts.release().await;
    }
    stage.completed(&agent, DRAIN).await;
    stage.never_lapsed();
    assert_eq!(stage.results(DRAIN), [CONTINUE]);
}

/// One that hangs is ended at `hooks.timeout`, with all that it started; the drain goes on.
#[tokio::test]
async fn one_that_hangs_is_ended_at_its_limit() {
    let mut stage = stage_with("executables.timeout=1s", vec![web(100)]).await;
    let scripts = &stage.scripts;
    scripts.add(BEFORE, "10-hangs", "sleep 603 & say $! $$; wait");
    scripts.add(BEFORE, "20-next", "say next");
    scripts.add(AFTER, "10-hangs", "say began; exec sleep 604");
    let agent = watching(&stage).await;
    let began = stage.simulator.now();
    stage.instance.terminate();
    let hung = stage.scripts.said().await;
    assert_eq!(stage.scripts.said().await.script, "20-next");
    stage.ends(&agent, &hung.words).await;
    stage.completed(&agent, DRAIN).await;
    assert_eq!(stage.results(DRAIN), [CONTINUE]);
    let took = stage.simulator.now().saturating_sub(began);
    assert!(took > ms(1_900) && took < ms(50_000), "{took:?}");
    agent.says("10-hangs").await;
}

/// By default a failure is a line in the log.
#[tokio::test]
async fn a_failure_is_ignored_and_told() {
    for folder in [BEFORE, AFTER] {
        let stage = stage(vec![web(100)]).await;
        stage.scripts.add(folder, "50-fails", "exit 3");
        let agent = watching(&stage).await;
        stage.instance.terminate();
        stage.completed(&agent, DRAIN).await;
        assert_eq!(stage.results(DRAIN), [CONTINUE]);
        agent.says("50-fails").await;
    }
}

/// Or it is held against the outcome, as if the deadline had come; what is left to do is done.
#[tokio::test]
async fn a_failure_may_be_held_against_the_outcome() {
    for folder in [BEFORE, AFTER] {
        let stage = stage(vec![web(300)])
            .await
            .configured("executables.on_failure=fail drain.result_on_timeout=ABANDON")
            .configured(FAILS);
        stage.scripts.add(folder, "50-fails", "exit 3");
        let agent = watching(&stage).await;
        stage.instance.terminate();
        stage.completed(&agent, DRAIN).await;
        assert_eq!(stage.results(DRAIN), [ABANDON], "{folder}");
        stage.signalled(&agent).await;
        assert_eq!(stage.signals(), ["FAILURE"], "{folder}");
        assert_eq!(stage.count(SET), 1, "it is drained all the same");
        stage.none_killed();
    }
}

/// Time that they take is time of the drain: the deadline does not wait.
#[tokio::test]
async fn the_deadline_does_not_wait_for_them() {
    let mut stage = stage_with("drain.timeout=5s executables.timeout=1m", vec![web(100)]).await;
    stage.scripts.add(BEFORE, "slow", "say $$; exec sleep 605");
    let agent = watching(&stage).await;
    let began = stage.simulator.now();
    stage.instance.terminate();
    let process = stage.scripts.said().await.words[0].clone();
    stage.completed(&agent, DRAIN).await;
    let completed = stage.at(|what| matches!(what, What::HookCompleted { .. }));
    let completed = completed.unwrap();
    let took = completed.saturating_sub(began);
    assert!(took > ms(4_500) && took < ms(45_000), "{took:?}");
    stage.ends(&agent, &[process]).await;
}

/// Stopped and started in the middle, it completes once, and takes its way to the end.
#[tokio::test]
async fn killed_while_one_runs_it_goes_on() {
    for folder in [BEFORE, AFTER] {
        let mut stage = stage(vec![web(100)]).await;
        stage.scripts.add(folder, "slow", "say began; hold");
        let mut agent = watching(&stage).await;
        stage.instance.terminate();
        stage.scripts.said().await;
        agent.kill().await.unwrap();
        assert_eq!(stage.count(COMPLETE), 0);
        stage.scripts.release().await;
        // It may be run again, or not: a drain that is over is over.
        stage.scripts.release().await;
        let agent = stage.start();
        stage.completed(&agent, DRAIN).await;
        stage.instance.wait_until_gone(PATIENCE).await.unwrap();
        assert_eq!(stage.results(DRAIN), [CONTINUE], "{folder}");
        stage.none_killed();
    }
}

/// Nothing of it where nothing is drained.
#[tokio::test]
async fn they_do_not_run_for_nothing() {
    let mut stage = stage(vec![web(100)]).await;
    stage.scripts.add(BEFORE, "any", "say ran");
    stage.scripts.add(AFTER, "any", "say ran");
    let agent = watching(&stage).await;
    stage.instance.enter_standby();
    stage.polls(&agent, 20).await;
    stage.scripts.said_all().await;
    assert_eq!(stage.count(SIGNAL), 0);
}
