//! The container instance that the ECS agent now is stays DRAINING while there is a reason, and only so long.

use ecs_lifecycle_simulator::{FaultKind, Hold, Instance, InstanceSpec, SpotAction};

use super::scene::{Active, Draining, SET, Scene, group, member, missing, s, serving, web};
use crate::control::{self, socket};
use crate::newcomer::{COMPLETE, ms};

/// The drain is over and `:Wait` is awaited; what happens then has ECS place a task.
async fn a_task_is_placed_after(event: impl Fn(&Instance)) {
    let scene = Scene::added(group(s(8), s(3600)), member([web(100)])).await;
    let scene = scene.watching().await;
    scene.instance.terminate();
    scene.asked(COMPLETE, 1).await;
    scene.instance.schedule_whenever_active(web(1_000), ms(0));
    event(&scene.instance);
    scene.runs().await;
    scene.ends_well().await;
}

/// 1: set back to ACTIVE after the drain is over, it is DRAINING again before the action is completed.
#[tokio::test]
async fn set_active_after_the_drain_it_drains_again() {
    a_task_is_placed_after(|instance| instance.set_container_instance_status(Active)).await;
}

/// 2: registered anew after the drain is over, the new container instance is DRAINING before the action is completed.
#[tokio::test]
async fn registered_anew_after_the_drain_it_drains_again() {
    a_task_is_placed_after(Instance::register_anew).await;
}

/// 5: an ACTIVE request that is under way when the termination comes does not outlast it.
#[tokio::test]
async fn an_active_request_under_way_does_not_outlast_a_termination() {
    let scene = serving([web(4_000)]).await;
    scene.drain_by_hand().await;
    scene.instance.schedule_whenever_active(web(500), ms(100));
    let mut gate = scene.simulator.hold(Hold::before(SET));
    let _undrain = control::start(&socket(&scene.scratch), &["undrain"]);
    let held = gate.reached(crate::stage::PATIENCE).await.unwrap();
    scene.instance.terminate();
    scene.polls(10).await;
    held.release();
    scene.ends_well().await;
}

/// 12: a container instance that ECS calls MISSING twice is asked for again.
#[tokio::test]
async fn a_container_instance_that_was_missing_is_asked_for_again() {
    let scene = serving([web(300)]).await;
    let arn = scene.instance.container_instance_arn();
    scene.fails(SET, missing("containerInstances", &arn), 2);
    scene.instance.terminate();
    scene.ends_well().await;
}

/// 13: stopped by a Spot interruption and started again, an instance outside a group is ACTIVE again.
#[tokio::test]
async fn stopped_by_spot_and_started_again_it_is_active() {
    let alone = InstanceSpec::new("demo").target_lifecycle_state(None);
    let scene = Scene::added(group(s(1), s(3600)), alone.task(web(100))).await;
    let mut scene = scene.watching().await;
    scene.instance.announce_spot(SpotAction::Stop, s(30));
    scene.becomes(Draining).await;
    scene.polls(5).await;
    scene.kill().await;
    scene.instance.stop_and_start();
    scene.reboot();
    scene.start();
    scene.becomes(Active).await;
}

/// 15: ECS fails for longer than the drain by hand may take; it is DRAINING all the same, once ECS works.
#[tokio::test]
async fn the_deadline_does_not_end_the_wish_to_drain() {
    let scene = Scene::added(group(s(1), s(3600)), member([web(600_000)])).await;
    let scene = scene.watching().await;
    let fault = ecs_lifecycle_simulator::Fault::on(SET, FaultKind::InternalError);
    let fault = scene.fault(fault);
    let drained = scene.command(&["drain", "--timeout", "4s"]).await;
    assert_eq!(drained.code, Some(0));
    scene.passes(s(9)).await;
    scene.simulator.remove_fault(fault);
    scene.becomes(Draining).await;
}

/// 15: the time of a Spot notice has passed and EC2 is late; it is DRAINING all the same.
#[tokio::test]
async fn the_time_of_a_spot_notice_does_not_end_the_wish_to_drain() {
    let mut scene = Scene::added(group(s(1), s(3600)), member([web(600_000)])).await;
    scene.instance.announce_spot(SpotAction::Terminate, ms(0));
    scene.passes(s(2)).await;
    scene.start();
    scene.becomes(Draining).await;
}

/// 20: the ECS agent loses its data in mid-drain; the action is not completed while the containers that it has
/// forgotten may run, and what it registers is DRAINING.
#[tokio::test]
async fn an_ecs_agent_that_forgets_does_not_end_the_drain() {
    let tasks = [web(600_000).runs_for(s(8)), web(600_000).runs_for(s(8))];
    let scene = Scene::added(group(ms(100), s(3600)), member(tasks)).await;
    let scene = scene.configured("drain.timeout=12s").watching().await;
    scene.instance.terminate();
    scene.becomes(Draining).await;
    scene.polls(10).await;
    scene.instance.ecs_agent_down().await;
    scene.passes(s(1)).await;
    scene.instance.register_anew();
    scene.instance.ecs_agent_up().unwrap();
    scene.ends_well().await;
}

/// 21: with several tasks that stand still, in another order at each read, ECS is asked whether it is still DRAINING.
#[tokio::test]
async fn a_drain_that_stands_still_is_noticed_whatever_the_order() {
    // So many that no order comes twice in a row by chance.
    let slow = vec![web(300).replacement_delay(s(2)); 7];
    let scene = Scene::added(group(ms(100), s(3600)), member(slow)).await;
    let scene = scene.configured("drain.recheck_after=1s").watching().await;
    scene.instance.terminate();
    scene.becomes(Draining).await;
    scene.polls(3).await;
    scene.instance.set_container_instance_status(Active);
    scene.ends_well().await;
    assert_eq!(scene.count(SET), 2);
    let said = "the container instance left DRAINING";
    assert!(scene.log().contains(said), "{}", scene.log());
}
