//! No lifecycle action lapses while the agent may still complete it.

use ecs_lifecycle_simulator::{
    Fault, FaultKind, GroupSpec, Instance, LifecycleState, TargetLifecycleState, What,
};

use super::scene::{BEAT, Scene, group, member, s, web};
use crate::newcomer::{COMPLETE, ms};

fn pending(what: &What) -> bool {
    matches!(what, What::HookPending { .. })
}

/// 6: heartbeats are throttled until four seconds before the action lapses; the next one comes in time.
#[tokio::test]
async fn a_heartbeat_that_failed_is_tried_again_before_the_action_lapses() {
    let scene = Scene::added(group(ms(100), s(30)), member([web(600_000)])).await;
    let scene = scene.watching().await;
    let throttled = Fault::on(BEAT, FaultKind::Throttled);
    let throttled = scene.fault(throttled);
    scene.instance.terminate();
    scene.happens("the action", pending).await;
    scene.passes(s(26)).await;
    scene.simulator.remove_fault(throttled);
    scene.passes(s(5)).await;
    assert!(!scene.has_lapsed(), "{}", scene.log());
}

/// 7: while an executable runs past the deadline, heartbeats go on.
#[tokio::test]
async fn heartbeats_go_on_while_an_executable_runs_past_the_deadline() {
    let scene = Scene::added(group(ms(100), s(6)), member([web(100)])).await;
    let scene = scene.configured("drain.timeout=3s");
    let scripts = &scene.stage.scripts;
    scripts.add("hooks.d/after-drain", "slow", "say began; hold");
    let mut scene = scene.watching().await;
    scene.instance.terminate();
    scene.stage.scripts.said().await;
    scene.passes(s(14)).await;
    scene.stage.scripts.release().await;
    scene.hook_ends().await;
    assert!(!scene.has_lapsed(), "{}", scene.log());
}

/// 8: a completion is refused as too early, and the state that a look shows comes before `:Wait`: it is waited for.
#[tokio::test]
async fn a_state_that_comes_before_the_wait_is_not_taken_for_the_end() {
    let lead = || group(ms(100), s(5)).target_lead(s(5));
    type Move = fn(&Instance) -> bool;
    let cases: [(&str, GroupSpec, Move); 3] = [
        (
            "Warmed:Pending",
            group(s(5), s(5)).pool_states(),
            |instance| instance.send_to_warm_pool(TargetLifecycleState::WarmedStopped),
        ),
        ("Standby", lead(), |instance| {
            instance.enter_standby() && instance.terminate()
        }),
        ("Warmed:Running", lead(), Instance::terminate),
    ];
    for (state, group, leave) in cases {
        let mut spec = member([web(100)]);
        if state == "Warmed:Running" {
            spec = spec.lifecycle_state(LifecycleState::WarmedRunning);
        }
        let scene = Scene::added(group, spec).await.watching().await;
        assert!(leave(&scene.instance));
        scene.asked(COMPLETE, 1).await;
        scene.hook_ends().await;
        assert!(!scene.has_lapsed(), "{state}\n{}", scene.log());
    }
}

/// 18: the tag in metadata names a former group that is gone; the group that Auto Scaling names is told.
#[tokio::test]
async fn a_tag_that_names_a_former_group_is_not_believed_for_ever() {
    let spec = member([web(100)]).tag("aws:autoscaling:groupName", "former-asg");
    let scene = Scene::added(group(ms(100), s(3600)), spec).await;
    let scene = scene.watching().await;
    scene.instance.terminate();
    scene.ends_well().await;
}

/// 19: drained long before `:Wait`, it asks Auto Scaling more and more seldom.
#[tokio::test]
async fn what_is_too_early_is_asked_more_seldom() {
    let scene = Scene::added(group(s(30), s(3600)), member([web(100)])).await;
    let scene = scene.watching().await;
    scene.instance.terminate();
    scene.ends_well().await;
    let asked = scene.world(|world| {
        let asked = world.requests().matching(COMPLETE);
        asked.map(|one| one.at_real).collect::<Vec<_>>()
    });
    let later = &asked[5..];
    let gaps = u32::try_from(later.len() - 1).unwrap();
    let mean = (later[later.len() - 1] - later[0]) / gaps;
    assert!(mean > ms(2_400), "{mean:?}: {asked:?}\n{}", scene.log());
}
