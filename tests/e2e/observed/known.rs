//! One negative answer is not knowledge for ever, and a success is known where it is another's.

use ecs_lifecycle_simulator::TaskSpec;
use ecs_lifecycle_simulator::model::{Signal, SignalAuth};

use super::scene::{Draining, SET, Scene, group, member, missing, s, web};
use crate::newcomer::{self, COMPLETE, RESOURCE, SIGNAL, STACK, ms};

/// 12: a standalone task that `DescribeTasks` does not know at first is stopped later.
#[tokio::test]
async fn a_task_that_was_missing_is_asked_for_again() {
    let job = TaskSpec::standalone("job").stop_duration(ms(200));
    let scene = Scene::added(group(ms(100), s(3600)), member([job]))
        .await
        .configured("drain.standalone_tasks=stop")
        .watching()
        .await;
    let task = scene.world(|world| world.running_tasks(scene.instance.id()).remove(0));
    scene.fails("ecs:DescribeTasks", missing("tasks", &task), 1);
    scene.instance.terminate();
    scene.ends_well().await;
    assert_eq!(scene.count("ecs:StopTask"), 1);
}

/// 14: launched with a rebalance recommendation, its launching action is completed before it drains.
#[tokio::test]
async fn launched_with_a_rebalance_recommendation_it_joins_and_then_drains() {
    let scene = Scene::launched(group(ms(100), s(3600)), newcomer::spec()).await;
    let mut scene = scene.configured("drain.on_rebalance=20m");
    scene.instance.recommend_rebalance();
    scene.start();
    scene.joins().await;
    scene.becomes(Draining).await;
}

/// 16: cfn-signal has signalled already; that is a success, and nobody is called.
#[tokio::test]
async fn a_signal_that_exists_already_is_a_success() {
    let mut scene = Scene::launched(group(ms(100), s(3600)), newcomer::spec()).await;
    let signal = Signal {
        at_sim: scene.simulator.now(),
        stack: STACK.to_owned(),
        resource: RESOURCE.to_owned(),
        unique_id: scene.id(),
        status: "SUCCESS".to_owned(),
        auth: SignalAuth::InstanceIdentity(scene.id()),
    };
    let signalled = scene.simulator.change(|world| world.signal(signal));
    signalled.unwrap();
    scene.start();
    scene.asked(SIGNAL, 1).await;
    scene.passes(s(8)).await;
    assert_eq!(scene.count(SIGNAL), 1, "{}", scene.log());
    assert!(!scene.log().contains("ERROR"), "{}", scene.log());
}

/// 25: another machine's ECS agent answers introspection: its container instance is not drained for this one.
#[tokio::test]
async fn another_machines_container_instance_is_not_drained() {
    let mut scene = Scene::added(group(ms(100), s(3600)), member([web(300)])).await;
    let other = scene
        .simulator
        .add_instance(member([web(300)]))
        .await
        .unwrap();
    let url = other.introspection_endpoint();
    scene = scene.configured(&format!("ecs.introspection_endpoint={url}"));
    scene.start();
    scene.instance.terminate();
    let said = "the introspection endpoint reports a container instance of another machine";
    let log = scene.agent().says(said).await;
    let both = [other.id(), scene.instance.id()];
    assert!(both.iter().all(|id| log.contains(id)), "{log}");
    scene.passes(s(3)).await;
    assert_eq!(
        scene.count(SET) + scene.count(COMPLETE),
        0,
        "{}",
        scene.log()
    );
}
