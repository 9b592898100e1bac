//! Two things at once: scenes that nobody has observed, and that must end well all the same.

use ecs_lifecycle_simulator::{
    ContainerInstanceStatus, Hold, HookSpec, InstanceSpec, LifecycleState, SpotAction, TaskSpec,
};

use super::pool::{in_service, to_the_pool};
use super::scene::{
    Active, Continue, Draining, LOOK, SET, Scene, WallClock, draining, group, member, s, serving,
    web,
};
use crate::control::{self, socket};
use crate::newcomer::{self, COMPLETE, DRAIN, LAUNCH, ms};
use crate::stage::PATIENCE;

async fn drained_early(wait: u64, lapses: u64) -> Scene {
    let scene = Scene::added(group(s(wait), s(lapses)), member([web(100)])).await;
    scene.watching().await
}

/// Somebody sets it ACTIVE while a completion is under way that is refused as too early: the next one waits for the
/// task that ECS has placed.
#[tokio::test]
async fn set_active_while_a_completion_is_under_way() {
    let scene = drained_early(6, 3600).await;
    let mut gate = scene.simulator.hold(Hold::before(COMPLETE));
    scene.instance.terminate();
    let held = gate.reached(PATIENCE).await.unwrap();
    scene.instance.schedule_whenever_active(web(1_000), ms(0));
    scene.instance.set_container_instance_status(Active);
    scene.runs().await;
    held.release();
    scene.ends_well().await;
}

/// The ECS agent registers anew, with a task at once, while the last look at the old container instance is under way:
/// what that look says is not enough.
#[tokio::test]
async fn registered_anew_during_the_last_look() {
    let scene = draining([web(500)]).await;
    let mut gate = scene.simulator.hold(Hold::before(LOOK));
    let held = gate.reached(PATIENCE).await.unwrap();
    scene.instance.schedule_whenever_active(web(1_000), ms(0));
    scene.instance.register_anew();
    scene.runs().await;
    held.release();
    scene.ends_well().await;
}

/// The ECS agent restarts during the last look, and a task arrives whose placement was under way: it is waited for.
#[tokio::test]
async fn the_ecs_agent_restarts_during_the_last_look() {
    let late = web(700).after_draining(ms(2_000)).pending_for(ms(300));
    let scene = draining([web(300), late]).await;
    let mut gate = scene.simulator.hold(Hold::before(LOOK));
    let held = gate.reached(PATIENCE).await.unwrap();
    scene.instance.ecs_agent_down().await;
    scene.passes(s(2)).await;
    scene.instance.ecs_agent_up().unwrap();
    held.release();
    scene.ends_well().await;
}

/// The ECS agent registers anew, with a task at once, while the request that sets the old container instance to
/// DRAINING is under way: the new one is set to DRAINING, too.
#[tokio::test]
async fn registered_anew_while_draining_is_asked_for() {
    let scene = serving([]).await;
    let mut gate = scene.simulator.hold(Hold::before(SET));
    scene.instance.terminate();
    let held = gate.reached(PATIENCE).await.unwrap();
    scene.instance.register_anew();
    scene.instance.schedule_whenever_active(web(1_000), ms(0));
    scene.runs().await;
    held.release();
    scene.ends_well().await;
}

/// The ECS agent loses its data and keeps its container instance: the drain waits for what ECS says of the tasks.
#[tokio::test]
async fn tasks_forgotten_under_the_same_registration() {
    let job = || TaskSpec::standalone("job").runs_for(s(6));
    let scene = draining([job(), job()]).await;
    scene.polls(10).await;
    scene.instance.forget_tasks();
    scene.ends_well().await;
}

/// The hook is deleted and made anew under another name before `:Wait` begins: the new one is completed.
#[tokio::test]
async fn the_hook_has_another_name_by_then() {
    let scene = drained_early(6, 20).await;
    scene.instance.terminate();
    scene.asked(COMPLETE, 1).await;
    let mut renamed = group(s(6), s(20));
    renamed.hooks = vec![HookSpec::terminating("other-hook").heartbeat_timeout(s(20))];
    scene.simulator.add_group(renamed);
    scene.hook_ends().await;
    assert_eq!(scene.results("other-hook"), [Continue], "{}", scene.log());
}

/// The instance is detached from its group while it is drained by hand: it stays DRAINING until it is undrained.
#[tokio::test]
async fn detached_while_it_is_drained_by_hand() {
    let stays = web(100).replacement_delay(s(3600));
    let scene = serving([stays]).await;
    scene.drain_by_hand().await;
    assert!(scene.instance.detach());
    scene.polls(10).await;
    scene.was_never_put_back();
    scene.undrain().await;
}

/// A Spot notice and a scale-in come in either order: the action is completed before EC2 acts.
#[tokio::test]
async fn a_spot_notice_and_a_scale_in() {
    for spot_first in [true, false] {
        let scene = serving([web(2_000)]).await;
        let spot = || scene.instance.interrupt_spot(SpotAction::Terminate, s(40));
        if spot_first {
            spot();
            scene.becomes(Draining).await;
            scene.instance.terminate();
        } else {
            scene.instance.terminate();
            scene.becomes(Draining).await;
            spot();
        }
        scene.ends_well().await;
    }
}

/// The machine is rebooted in mid-drain, and its wall clock is three hours behind for a while: the drain ends as usual.
#[tokio::test]
async fn rebooted_in_mid_drain_with_a_clock_that_is_behind() {
    let mut scene = draining([web(8_000)]).await;
    scene.polls(5).await;
    scene.kill().await;
    scene.reboot();
    let Some(clock) = WallClock::beside(&mut scene, -3 * 3600) else {
        return;
    };
    scene.start();
    scene.polls(10).await;
    clock.set(0);
    scene.ends_well().await;
}

/// Started for a moment while it is in the pool, it changes nothing; it joins when it comes into service.
#[tokio::test]
async fn stopped_and_started_in_the_pool() {
    let mut scene = in_service().await;
    to_the_pool(&scene).await;
    for _ in 0..2 {
        scene.kill().await;
        scene.instance.stop_and_start();
        scene.reboot();
        scene.start();
        scene.polls(20).await;
    }
    scene.was_never_put_back();
    assert!(scene.instance.return_to_service());
    scene.joins().await;
    scene.becomes(Active).await;
}

/// The termination comes while the launching action's completion is under way: the terminating action is completed.
#[tokio::test]
async fn terminated_while_its_join_is_completed() {
    let mut scene = Scene::launched(group(ms(100), s(3600)), newcomer::spec()).await;
    let mut gate = scene.simulator.hold(Hold::before(COMPLETE));
    scene.start();
    let held = gate.reached(PATIENCE).await.unwrap();
    scene.instance.terminate();
    scene.becomes(Draining).await;
    held.release();
    scene.stage.completed(scene.agent(), DRAIN).await;
    assert_eq!(scene.results(DRAIN), [Continue], "{}", scene.log());
    assert!(scene.results(LAUNCH).is_empty());
}

/// Deregistered by somebody while it drains: there is nothing left to set, and the action is completed.
#[tokio::test]
async fn deregistered_in_mid_drain() {
    let scene = draining([web(3_000)]).await;
    scene.polls(3).await;
    let inactive = ContainerInstanceStatus::Inactive;
    scene.instance.set_container_instance_status(inactive);
    scene.stage.completed(scene.agent(), DRAIN).await;
    scene.instance.wait_until_gone(PATIENCE).await.unwrap();
    let killed = scene.world(|world| world.killed());
    assert!(killed.is_empty(), "{}", scene.log());
}

/// It is undrained and drained again by hand while the request for ACTIVE is under way: it ends up DRAINING.
#[tokio::test]
async fn drained_again_while_active_is_asked_for() {
    let scene = in_service().await;
    scene.drain_by_hand().await;
    let mut gate = scene.simulator.hold(Hold::before(SET));
    let undrain = control::start(&socket(&scene.scratch), &["undrain"]);
    let held = gate.reached(PATIENCE).await.unwrap();
    control::end(undrain).await;
    assert_eq!(scene.command(&["drain"]).await.code, Some(0));
    held.release();
    scene.asked(SET, 3).await;
    scene.becomes(Draining).await;
    scene.polls(10).await;
    let expected = ["DRAINING", "ACTIVE", "DRAINING"];
    assert_eq!(scene.statuses(), expected, "{}", scene.log());
}

/// Metadata shows no target state for a while in mid-drain: that takes nothing back.
#[tokio::test]
async fn the_target_state_is_away_in_mid_drain() {
    let mut scene = draining([web(4_000)]).await;
    scene.hides_target(20);
    scene.polls(5).await;
    scene.kill().await;
    scene.start();
    scene.ends_well().await;
    scene.was_never_put_back();
}

/// Outside a group, a Spot notice comes on top of a drain by hand: when the notice is gone, the hand still counts.
#[tokio::test]
async fn outside_a_group_spot_and_a_hand() {
    let alone = InstanceSpec::new("demo").lifecycle_state(LifecycleState::InService);
    let scene = Scene::added(group(s(1), s(3600)), alone.task(web(100))).await;
    let mut scene = scene.watching().await;
    scene.drain_by_hand().await;
    scene.instance.announce_spot(SpotAction::Stop, s(30));
    scene.polls(5).await;
    scene.kill().await;
    scene.instance.stop_and_start();
    scene.reboot();
    scene.start();
    scene.polls(20).await;
    scene.becomes(Draining).await;
    scene.was_never_put_back();
    scene.undrain().await;
}
