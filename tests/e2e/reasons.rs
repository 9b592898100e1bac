//! Why an instance is drained, and when it is not any more.

use ecs_lifecycle_simulator::{
    AWS_CALLS, ContainerInstanceStatus, InstanceSpec, LifecycleState, TargetLifecycleState,
};

use super::stage::{PATIENCE, Stage, group, web};

fn status(stage: &Stage) -> ContainerInstanceStatus {
    stage
        .simulator
        .world(|world| world.instance(stage.instance.id()).unwrap().status)
}

async fn in_the_pool(stage: &Stage) {
    let id = stage.instance.id().to_owned();
    stage
        .until("the warm pool", move |world| {
            let state = world
                .instance(&id)
                .and_then(|instance| instance.lifecycle_state);
            let pool = [
                LifecycleState::WarmedStopped,
                LifecycleState::WarmedRunning,
                LifecycleState::WarmedHibernated,
            ];
            state.is_some_and(|state| pool.contains(&state))
        })
        .await;
}

#[tokio::test]
async fn on_the_way_to_the_warm_pool_it_drains_and_on_the_way_back_it_is_active_again() {
    let states = [
        TargetLifecycleState::WarmedStopped,
        TargetLifecycleState::WarmedRunning,
        TargetLifecycleState::WarmedHibernated,
    ];
    for state in states {
        let stage = Stage::new(vec![web(500)]).await;
        let agent = stage.watching().await;
        stage.instance.send_to_warm_pool(state);
        stage.completed().await;
        stage
            .simulator
            .world(|world| assert!(world.killed().is_empty()));
        assert_eq!(status(&stage), ContainerInstanceStatus::Draining);
        in_the_pool(&stage).await;
        assert!(stage.instance.return_to_service());
        agent
            .logged("container instance is ACTIVE again", PATIENCE)
            .await
            .unwrap();
        assert_eq!(status(&stage), ContainerInstanceStatus::Active);
    }
}

#[tokio::test]
async fn what_an_operator_has_drained_is_left_draining() {
    let stage = Stage::new(vec![web(300)]).await;
    let agent = stage.watching().await;
    stage
        .instance
        .set_container_instance_status(ContainerInstanceStatus::Draining);
    stage
        .instance
        .send_to_warm_pool(TargetLifecycleState::WarmedStopped);
    in_the_pool(&stage).await;
    assert!(stage.instance.return_to_service());
    agent
        .logged("this agent did not set it", PATIENCE)
        .await
        .unwrap();
    assert_eq!(status(&stage), ContainerInstanceStatus::Draining);
}

#[tokio::test]
async fn launched_into_the_warm_pool_it_does_nothing() {
    let instance = InstanceSpec::new("demo")
        .group("demo-asg")
        .target_lifecycle_state(Some(TargetLifecycleState::WarmedRunning))
        .lifecycle_state(LifecycleState::WarmedRunning)
        .unregistered();
    let stage = Stage::with_instance(group(), instance).await;
    let agent = stage.builder.start().unwrap();
    agent.logged("never in service", PATIENCE).await.unwrap();
    assert_eq!(stage.count(AWS_CALLS), 0);
}

#[tokio::test]
async fn standby_and_detached_are_no_reasons() {
    let stage = Stage::new(vec![web(300)]).await;
    let agent = stage.watching().await;
    stage.instance.enter_standby();
    agent.logged("to=\"Standby\"", PATIENCE).await.unwrap();
    stage.instance.exit_standby();
    agent.logged("from=\"Standby\"", PATIENCE).await.unwrap();
    stage.instance.detach();
    agent.logged("to=\"Detached\"", PATIENCE).await.unwrap();
    assert_eq!(stage.count(AWS_CALLS), 0);
}

/// Outside a group the path is 404 for ever: no error, no word.
#[tokio::test]
async fn outside_a_group_it_watches_in_silence() {
    let instance = InstanceSpec::new("demo").target_lifecycle_state(None);
    let stage = Stage::with_instance(group(), instance).await;
    let agent = stage.builder.start().unwrap();
    agent
        .logged("watching over this instance", PATIENCE)
        .await
        .unwrap();
    stage
        .until("thirty polls", |world| {
            world
                .requests()
                .count("imds:GET /latest/meta-data/autoscaling/target-lifecycle-state")
                >= 30
        })
        .await;
    assert!(!agent.text().contains("WARN"), "{}", agent.text());
}

#[tokio::test]
async fn metadata_that_comes_and_goes_is_reported_and_outlived() {
    let stage = Stage::new(vec![web(300)]).await;
    let agent = stage.watching().await;
    stage.instance.revoke_tokens();
    let polls = stage.count("imds:GET /latest/meta-data/spot/instance-action");
    stage
        .until("five more polls", |world| {
            world
                .requests()
                .accepted("imds:GET /latest/meta-data/autoscaling/target-lifecycle-state")
                > polls + 5
        })
        .await;
    assert!(
        !agent.text().contains("WARN"),
        "a stale token is nobody's trouble:\n{}",
        agent.text()
    );
    stage.instance.close_imds().await;
    agent
        .logged("instance metadata is failing", PATIENCE)
        .await
        .unwrap();
    stage.instance.open_imds().unwrap();
    agent
        .logged("instance metadata has recovered", PATIENCE)
        .await
        .unwrap();
    stage.instance.terminate();
    stage.completed().await;
    stage.assert_safe();
}

#[tokio::test]
async fn metadata_that_is_away_at_the_start_is_waited_for() {
    let stage = Stage::new(vec![web(300)]).await;
    stage.instance.close_imds().await;
    let agent = stage.builder.start().unwrap();
    agent
        .logged("instance metadata is failing", PATIENCE)
        .await
        .unwrap();
    stage.instance.open_imds().unwrap();
    agent
        .logged("watching over this instance", PATIENCE)
        .await
        .unwrap();
    stage.instance.terminate();
    stage.completed().await;
    stage.assert_safe();
}

#[tokio::test]
async fn the_ecs_agent_registers_only_after_the_word_to_drain() {
    let instance = InstanceSpec::new("demo")
        .group("demo-asg")
        .task(web(500))
        .unregistered();
    let stage = Stage::with_instance(group(), instance).await;
    let agent = stage.builder.start().unwrap();
    agent.logged("to=\"InService\"", PATIENCE).await.unwrap();
    stage.instance.terminate();
    agent.logged("cannot drain yet", PATIENCE).await.unwrap();
    assert_eq!(
        stage.count("autoscaling:CompleteLifecycleAction"),
        0,
        "not knowing is not being empty"
    );
    stage.instance.register();
    stage.ends_well().await;
}
