//! Deadlines and restarts: what was over in time stays so, and what was not is looked at first.

use super::scene::{Continue, Draining, LOOK, Scene, WallClock, group, member, s, web};
use crate::newcomer::{self, COMPLETE, DRAIN, FAILS, LAUNCH, ms};

const THREE_HOURS: i64 = 3 * 3600;

/// 3: the clock is three hours behind at first and set right in mid-drain; after a kill the drain has the deadline
/// that it had.
#[tokio::test]
async fn a_clock_that_is_set_in_mid_drain_moves_no_deadline() {
    let mut scene = Scene::added(group(ms(100), s(3600)), member([web(6_000)])).await;
    let Some(clock) = WallClock::beside(&mut scene, -THREE_HOURS) else {
        return;
    };
    let mut scene = scene.watching().await;
    scene.instance.terminate();
    scene.becomes(Draining).await;
    scene.polls(10).await;
    clock.set(0);
    scene.polls(5).await;
    scene.kill().await;
    scene.start();
    scene.ends_well().await;
}

/// 4: killed after it was drained and started after the deadline, it was drained in time.
#[tokio::test]
async fn drained_in_time_stays_so_over_a_restart() {
    for on_timeout in ["ABANDON", "NONE"] {
        let scene = Scene::added(group(s(9), s(3600)), member([web(100)])).await;
        let settings = format!("drain.timeout=4s drain.result_on_timeout={on_timeout}");
        let scene = scene.configured(&settings).configured(FAILS);
        let mut scene = scene.watching().await;
        scene.instance.terminate();
        scene.asked(COMPLETE, 1).await;
        scene.kill().await;
        scene.passes(s(4)).await;
        scene.start();
        scene.ends_well().await;
        assert_eq!(scene.signals(), ["SUCCESS"], "{on_timeout}");
        assert_eq!(scene.results(DRAIN), [Continue], "{on_timeout}");
    }
}

/// 11: killed while it joins and started after `ready.timeout`, it looks first, and finds a healthy member.
#[tokio::test]
async fn a_join_is_looked_at_before_its_deadline_counts() {
    let spec = newcomer::spec().connects_after(s(2));
    let scene = Scene::launched(group(ms(100), s(3600)), spec).await;
    let mut scene = scene.configured("ready.timeout=4s");
    scene.start();
    scene.asked(LOOK, 1).await;
    scene.kill().await;
    scene.passes(s(5)).await;
    scene.start();
    scene.signalled(scene.agent()).await;
    assert_eq!(scene.results(LAUNCH), [Continue], "{}", scene.log());
    assert_eq!(scene.signals(), ["SUCCESS"]);
}

/// 17: the clock is three hours ahead when the agent starts, and right a little later; the new instance joins.
#[tokio::test]
async fn a_clock_that_is_ahead_at_first_hides_no_newcomer() {
    let mut scene = Scene::launched(group(ms(100), s(3600)), newcomer::spec()).await;
    let Some(clock) = WallClock::beside(&mut scene, THREE_HOURS) else {
        return;
    };
    scene.start();
    scene.polls(40).await;
    clock.set(0);
    scene.joins().await;
}
