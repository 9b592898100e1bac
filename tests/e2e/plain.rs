//! Drains in which nothing goes wrong.

use std::time::Duration;

use ecs_lifecycle_simulator::{AWS_CALLS, TaskSpec, What};

use super::stage::{PLAIN_CALLS, Stage, web};

/// However many tasks there are, of whatever kind.
#[tokio::test]
async fn a_plain_drain_takes_six_calls_and_kills_nothing() {
    let second = Duration::from_secs(1);
    let cases = [
        vec![web(300), web(600), web(900)],
        vec![web(500), TaskSpec::daemon("logs").stop_duration(second / 2)],
        vec![web(100), TaskSpec::standalone("job").runs_for(second * 3)],
        (0..300).map(|n| web(100 + 10 * n)).collect(),
    ];
    for tasks in cases {
        let stage = Stage::new(tasks).await;
        let agent = stage.leaving().await;
        stage.ends_well().await;
        stage.world(|world| {
            let calls = world.requests().aws_calls();
            let calls: Vec<_> = calls.map(|call| (call.at_real, &call.operation)).collect();
            assert_eq!(calls.len(), PLAIN_CALLS, "{calls:#?}\n{}", agent.text());
        });
        assert_eq!(stage.count("ecs:StopTask"), 0);
    }
}

#[tokio::test]
async fn idle_it_makes_no_call_to_aws() {
    let stage = Stage::new(vec![web(100)]).await;
    let _agent = stage.watching().await;
    stage.polls(50).await;
    assert_eq!(stage.count(AWS_CALLS), 0);
}

#[tokio::test]
async fn draining_comes_at_once_even_with_no_tasks() {
    let stage = Stage::new(Vec::new()).await;
    let _agent = stage.leaving().await;
    stage.completed().await;
    assert_eq!(stage.count("ecs:UpdateContainerInstancesState"), 1);
    stage.world(|world| {
        let draining = world.event_of(stage.instance.id(), |what| {
            matches!(what, What::ContainerInstanceStatusChanged { .. })
        });
        assert!(draining.is_some());
    });
}

#[tokio::test]
async fn a_stop_signal_completes_nothing_and_is_obeyed_within_two_seconds() {
    for signal in ["TERM", "INT", "HUP"] {
        let stage = Stage::new(vec![web(60_000)]).await;
        let mut agent = stage.leaving().await;
        stage.draining().await;
        agent.signal(signal).await.unwrap();
        let status = agent.ended(Duration::from_secs(2)).await.unwrap();
        assert!(status.success(), "{status}");
        assert_eq!(stage.count("autoscaling:CompleteLifecycleAction"), 0);
    }
}
