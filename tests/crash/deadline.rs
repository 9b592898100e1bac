//! No death moves the deadline.

use std::time::Duration;

use ecs_lifecycle_simulator::{Hold, What};

use super::lives::{End, Lives, SLACK, watching, written};
use super::stage::{PATIENCE, Stage, web};

/// A task that never ends, and an agent that dies at four requests on the way to the deadline.
#[tokio::test]
async fn killed_over_and_over_it_completes_at_the_deadline_it_had() {
    let timeout = Duration::from_secs(6);
    let stage = Stage::with("drain.timeout=6s", vec![web(600_000)]).await;
    let mut lives = Lives::start(&stage.builder);
    watching(&stage).await.unwrap();
    let draining = "ecs:UpdateContainerInstancesState";
    let mut gate = stage.simulator.hold(Hold::before(draining));
    stage.instance.terminate();
    let holds = [
        Hold::after(draining),
        Hold::before("introspection:GET /v1/tasks").nth(3),
        Hold::before("autoscaling:CompleteLifecycleAction"),
        Hold::after("autoscaling:CompleteLifecycleAction"),
    ];
    let mut started = None;
    for hold in holds {
        let held = gate.reached(PATIENCE).await.unwrap();
        let now = written(stage.scratch.path()).expect("written down before the first DRAINING");
        let began = *started.get_or_insert(now.started_at_boot);
        assert_eq!(now.started_at_boot, began);
        lives.end(End::Kill).await.unwrap();
        held.reset();
        gate = stage.simulator.hold(hold);
        lives.begin();
    }
    let held = gate.reached(PATIENCE).await.unwrap();
    held.release();
    stage.instance.wait_until_gone(PATIENCE).await.unwrap();
    stage.world(|world| {
        let id = stage.instance.id();
        let at = |is: fn(&What) -> bool| world.event_of(id, is).unwrap().at_real;
        let from = at(|what| matches!(what, What::TargetStateSet(_)));
        let to = at(|what| matches!(what, What::HookCompleted { .. }));
        assert!(to - from >= timeout, "early: {:?}", to - from);
        assert!(to - from < timeout + 2 * SLACK, "late: {:?}", to - from);
        assert_eq!(world.completions(id), 1);
    });
}
