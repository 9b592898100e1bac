//! Deadlines: what is done when the tasks do not go in time.

use std::time::Duration;

use ecs_lifecycle_simulator::{
    AWS_CALLS, HookSpec, LifecycleActionResult, LifecycleState, SpotAction, What,
};

use super::stage::{BEAT, Draining, SET, Stage, group, web};

/// The result of our completion, if there was one.
fn result(stage: &Stage) -> Option<LifecycleActionResult> {
    stage.world(|world| {
        let mut events = world.events_of(stage.instance.id());
        events.find_map(|event| match &event.what {
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
        let settings = format!("drain.timeout=1s drain.result_on_timeout={configured}");
        let stage = Stage::with(&settings, vec![web(600_000)]).await;
        let agent = stage.leaving().await;
        stage.completed().await;
        assert_eq!(result(&stage), Some(expected));
        let log = agent.says("deadline reached").await;
        assert!(log.contains("ERROR") && log.contains("web:"), "{log}");
    }
}

/// With retention, ABANDON leaves the instance as it is for a person, and a restart changes nothing.
#[tokio::test]
async fn a_retained_instance_is_left_as_it_is() {
    let settings = "drain.timeout=1s drain.result_on_timeout=ABANDON";
    let stage = Stage::with_group(group().retain_on_abandon(), vec![web(600_000)]).await;
    let stage = stage.configured(settings);
    let mut agent = stage.leaving().await;
    agent.says("lifecycle action completed").await;
    let id = stage.instance.id();
    let state = |stage: &Stage| stage.world(|world| world.instance(id).unwrap().lifecycle_state);
    assert_eq!(state(&stage), Some(LifecycleState::TerminatingRetained));
    agent.kill().await.unwrap();
    let agent = stage.start();
    stage.polls(21).await;
    assert_eq!(state(&stage), Some(LifecycleState::TerminatingRetained));
    assert_eq!(stage.status(), Draining);
    assert_eq!(
        (stage.count(SET), stage.completions()),
        (1, 1),
        "{}",
        agent.text()
    );
    stage.none_killed();
}

#[tokio::test]
async fn none_leaves_the_decision_to_the_hook() {
    let settings = "drain.timeout=1s drain.result_on_timeout=NONE";
    let stage = Stage::with(settings, vec![web(600_000)]).await;
    let agent = stage.leaving().await;
    agent.says("no lifecycle action to complete").await;
    let calls = stage.count(AWS_CALLS);
    stage.polls(21).await;
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
    let agent = stage.leaving().await;
    stage.completed().await;
    assert!(agent.text().contains("GlobalTimeout of the lifecycle hook"));
}

#[tokio::test]
async fn a_spot_interruption_is_a_deadline_and_completes_nothing() {
    let stage = Stage::new(vec![web(600_000)]).await;
    let agent = stage.watching().await;
    let four = Duration::from_secs(4);
    stage.instance.interrupt_spot(SpotAction::Terminate, four);
    agent.says("Spot interruption (terminate)").await;
    stage.draining().await;
    agent.says("deadline reached").await;
    assert_eq!(
        stage.count("autoscaling:*"),
        0,
        "there is no lifecycle action to ask about"
    );
}

#[tokio::test]
async fn heartbeats_keep_the_hook_waiting_until_the_deadline_and_no_longer() {
    let mut spec = group();
    spec.hooks[0].heartbeat_timeout = Duration::from_secs(2);
    let stage = Stage::with_group(spec, vec![web(600_000)]).await;
    let stage = stage.configured("drain.timeout=5s");
    let _agent = stage.leaving().await;
    stage.completed().await;
    stage.world(|world| {
        let id = stage.instance.id();
        let lapsed = world.event_of(id, |what| matches!(what, What::HeartbeatLapsed { .. }));
        assert!(lapsed.is_none(), "a 2 s hook was kept waiting for 5 s");
        let beats = world.requests().count(BEAT);
        assert!((4..=7).contains(&beats), "{beats} heartbeats, one a second");
        let started = world.event_of(id, |what| matches!(what, What::TargetStateSet(_)));
        let last = world.requests().last(BEAT).unwrap();
        let after = last.at_real - started.unwrap().at_real;
        assert!(after < Duration::from_millis(5_300), "{after:?}");
    });
}

#[tokio::test]
async fn on_timeout_cloudformation_hears_what_is_configured() {
    let cases = [
        ("NONE", None),
        ("FAILURE", Some(false)),
        ("SUCCESS", Some(true)),
    ];
    for (configured, expected) in cases {
        let settings = format!("drain.timeout=1s cloudformation.signal_on_timeout={configured}");
        let stage = Stage::with(&settings, vec![web(600_000)])
            .await
            .signalling();
        let _agent = stage.leaving().await;
        stage.completed().await;
        let heard = stage.world(|world| {
            let mut events = world.events_of(stage.instance.id());
            events.find_map(|event| match &event.what {
                What::SignalReceived { success, .. } => Some(*success),
                _ => None,
            })
        });
        assert_eq!(heard, expected, "{configured}");
    }
}
