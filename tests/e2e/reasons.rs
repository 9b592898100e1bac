//! Why an instance is drained, and when it is not any more.

use ecs_lifecycle_simulator::TargetLifecycleState::{
    WarmedHibernated, WarmedRunning, WarmedStopped,
};
use ecs_lifecycle_simulator::{AWS_CALLS, InstanceSpec, LifecycleState, World};

use super::stage::{Active, COMPLETE, Draining, Stage, TARGET, group, web};

async fn in_the_pool(stage: &Stage) {
    let pooled = |world: &World| {
        use LifecycleState::{WarmedHibernated, WarmedRunning, WarmedStopped};
        let state = world.instance(stage.instance.id()).unwrap().lifecycle_state;
        matches!(
            state,
            Some(WarmedHibernated | WarmedRunning | WarmedStopped)
        )
    };
    stage.until("the warm pool", pooled).await;
}

#[tokio::test]
async fn on_the_way_to_the_warm_pool_it_drains_and_on_the_way_back_it_is_active_again() {
    for state in [WarmedStopped, WarmedRunning, WarmedHibernated] {
        let stage = Stage::new(vec![web(500)]).await;
        let agent = stage.watching().await;
        stage.instance.send_to_warm_pool(state);
        stage.completed().await;
        stage.none_killed();
        assert_eq!(stage.status(), Draining);
        in_the_pool(&stage).await;
        assert!(stage.instance.return_to_service());
        agent.says("container instance is ACTIVE again").await;
        assert_eq!(stage.status(), Active);
    }
}

#[tokio::test]
async fn what_an_operator_has_drained_is_left_draining() {
    let stage = Stage::new(vec![web(300)]).await;
    let agent = stage.watching().await;
    stage.instance.set_container_instance_status(Draining);
    stage.instance.send_to_warm_pool(WarmedStopped);
    in_the_pool(&stage).await;
    assert!(stage.instance.return_to_service());
    agent.says("this agent did not set it").await;
    assert_eq!(stage.status(), Draining);
}

#[tokio::test]
async fn launched_into_the_warm_pool_it_does_nothing() {
    let instance = InstanceSpec::new("demo")
        .group("demo-asg")
        .target_lifecycle_state(Some(WarmedRunning))
        .lifecycle_state(LifecycleState::WarmedRunning)
        .unregistered();
    let stage = Stage::with_instance(group(), instance).await;
    let agent = stage.start();
    agent.says("never in service").await;
    assert_eq!(stage.count(AWS_CALLS), 0);
}

#[tokio::test]
async fn standby_and_detached_are_no_reasons() {
    let stage = Stage::new(vec![web(300)]).await;
    let agent = stage.watching().await;
    stage.instance.enter_standby();
    agent.says("to=\"Standby\"").await;
    stage.instance.exit_standby();
    agent.says("from=\"Standby\"").await;
    stage.instance.detach();
    agent.says("to=\"Detached\"").await;
    assert_eq!(stage.count(AWS_CALLS), 0);
}

/// Outside a group the path is 404 for ever: no error, no word.
#[tokio::test]
async fn outside_a_group_it_watches_in_silence() {
    let instance = InstanceSpec::new("demo").target_lifecycle_state(None);
    let stage = Stage::with_instance(group(), instance).await;
    let agent = stage.start();
    agent.says("watching over this instance").await;
    stage.polls(30).await;
    assert!(!agent.text().contains("WARN"), "{}", agent.text());
}

#[tokio::test]
async fn metadata_that_comes_and_goes_is_reported_and_outlived() {
    let stage = Stage::new(vec![web(300)]).await;
    let agent = stage.watching().await;
    stage.instance.revoke_tokens();
    let polls = stage.count(TARGET);
    let more = |world: &World| world.requests().accepted(TARGET) > polls + 5;
    stage.until("five more polls", more).await;
    let text = agent.text();
    assert!(
        !text.contains("WARN"),
        "a stale token is nobody's trouble:\n{text}"
    );
    stage.instance.close_imds().await;
    agent.says("instance metadata is failing").await;
    stage.instance.open_imds().unwrap();
    agent.says("instance metadata has recovered").await;
    stage.drains().await;
}

#[tokio::test]
async fn metadata_that_is_away_at_the_start_is_waited_for() {
    let stage = Stage::new(vec![web(300)]).await;
    stage.instance.close_imds().await;
    let agent = stage.start();
    agent.says("instance metadata is failing").await;
    stage.instance.open_imds().unwrap();
    agent.says("watching over this instance").await;
    stage.drains().await;
}

#[tokio::test]
async fn the_ecs_agent_registers_only_after_the_word_to_drain() {
    let instance = InstanceSpec::new("demo")
        .group("demo-asg")
        .task(web(500))
        .unregistered();
    let stage = Stage::with_instance(group(), instance).await;
    let agent = stage.start();
    agent.says("to=\"InService\"").await;
    stage.instance.terminate();
    agent.says("cannot drain yet").await;
    assert_eq!(stage.count(COMPLETE), 0, "not knowing is not being empty");
    stage.instance.register();
    stage.ends_well().await;
}
