//! Out of the warm pool, and back from a drain by hand.

use ecs_lifecycle_simulator::{Fault, FaultKind, Hold, LifecycleState, TargetLifecycleState};

use super::scene::{Active, Draining, LOOK, SET, Scene, group, member, s, web};
use crate::control::{self, socket};
use crate::newcomer::ms;
use crate::stage::TARGET;

/// Sends it to the pool, and waits until it is there.
pub async fn to_the_pool(scene: &Scene) {
    let stopped = TargetLifecycleState::WarmedStopped;
    assert!(scene.instance.send_to_warm_pool(stopped));
    scene
        .reaches(scene.agent(), LifecycleState::WarmedStopped)
        .await;
    assert!(!scene.has_lapsed(), "{}", scene.log());
}

pub async fn in_service() -> Scene {
    let scene = Scene::added(group(ms(100), s(12)), member([web(300)])).await;
    scene.watching().await
}

/// 9: out of the pool, where the target state is not in metadata at first.
#[tokio::test]
async fn out_of_the_pool_with_a_target_state_that_is_late_it_joins() {
    let mut scene = in_service().await;
    to_the_pool(&scene).await;
    scene.kill().await;
    scene.reboot();
    assert!(scene.instance.return_to_service());
    scene.hides_target(20);
    scene.start();
    scene.joins().await;
    scene.becomes(Active).await;
}

/// 9: out of the pool, where the looks at whose DRAINING it is were throttled on the way in.
#[tokio::test]
async fn out_of_the_pool_after_throttled_looks_it_joins() {
    let scene = in_service().await;
    scene.fails(LOOK, FaultKind::Throttled, 4);
    to_the_pool(&scene).await;
    assert!(scene.instance.return_to_service());
    scene.joins().await;
    scene.becomes(Active).await;
}

/// 9: out of the pool, where it was drained by hand before, and still is or is not.
#[tokio::test]
async fn out_of_the_pool_after_a_drain_by_hand_it_joins() {
    for undrained in [true, false] {
        let scene = in_service().await;
        assert_eq!(scene.command(&["drain", "--wait"]).await.code, Some(0));
        if undrained {
            scene.undrain().await;
        }
        to_the_pool(&scene).await;
        assert!(scene.instance.return_to_service());
        scene.joins().await;
        let status = if undrained { Active } else { Draining };
        scene.becomes(status).await;
    }
}

/// 9: out of the pool, where ECS refuses the change for longer than the launching action lasts.
#[tokio::test]
async fn out_of_the_pool_with_an_ecs_that_refuses_it_keeps_the_action_and_joins() {
    let scene = in_service().await;
    to_the_pool(&scene).await;
    let refused = scene.fault(Fault::on(SET, FaultKind::InternalError));
    assert!(scene.instance.return_to_service());
    scene.passes(s(16)).await;
    assert!(!scene.has_lapsed(), "{}", scene.log());
    scene.simulator.remove_fault(refused);
    scene.joins().await;
    scene.becomes(Active).await;
}

/// 10: undrained after the looks at whose DRAINING it is were throttled, it is ACTIVE again.
#[tokio::test]
async fn undrained_after_throttled_looks_it_is_active() {
    let scene = in_service().await;
    scene.fails(LOOK, FaultKind::Throttled, 4);
    scene.drain_by_hand().await;
    scene.undrain().await;
}

/// 10: undrained and killed before ECS has heard of it, with no target state at the next start, it is ACTIVE again.
#[tokio::test]
async fn undrained_and_killed_it_is_active() {
    let mut scene = in_service().await;
    assert_eq!(scene.command(&["drain", "--wait"]).await.code, Some(0));
    let mut gate = scene.simulator.hold(Hold::before(SET));
    let undrain = control::start(&socket(&scene.scratch), &["undrain"]);
    let held = gate.reached(crate::stage::PATIENCE).await.unwrap();
    control::end(undrain).await;
    scene.kill().await;
    held.reset();
    drop(gate);
    scene.fault(Fault::on(TARGET, FaultKind::Status(404, None)));
    scene.start();
    scene.becomes(Active).await;
}
