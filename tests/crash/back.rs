//! Called off, with a death in between: back to ACTIVE if and only if it was this agent that drained it.

use std::time::Duration;

use ecs_lifecycle_simulator::{
    Fault, FaultKind, Hold, Outcome, RequestRecord, TargetLifecycleState, What, Who, World,
};

use super::lives::{self, End, Lives, written};
use super::stage::{Active, Draining, PATIENCE, SET, Stage, web};

const LOOK: &str = "ecs:DescribeContainerInstances";
const POOL: TargetLifecycleState = TargetLifecycleState::WarmedStopped;

async fn stage() -> Stage {
    Stage::new(vec![web(2_000)]).await
}

async fn start(stage: &Stage) -> Lives {
    let lives = Lives::start(&stage.builder);
    lives::watching(stage).await.unwrap();
    lives
}

/// Waits until it is ACTIVE, and the drain forgotten.
async fn active_again(stage: &Stage) {
    forgotten(stage).await;
    assert_eq!(stage.status(), Active);
}

async fn forgotten(stage: &Stage) {
    polled(stage, 2).await;
    let none = |_: &World| written(stage.scratch.path()).is_none();
    stage.until("the drain is forgotten", none).await;
}

async fn polled(stage: &Stage, times: usize) {
    lives::polled(stage, times).await.unwrap();
}

/// What is DRAINING already is looked at, and not asked for again.
async fn seen_draining(stage: &Stage) {
    let looked = |world: &World| world.requests().accepted(LOOK) > 0;
    stage.until("a look at ECS", looked).await;
    polled(stage, 2).await;
}

/// Killed between DRAINING and the completion; the instance goes back while nobody looks.
#[tokio::test]
async fn sent_back_while_the_agent_is_down_ours_is_active_again() {
    for end in [End::Kill, End::Term] {
        let stage = stage().await;
        let mut lives = start(&stage).await;
        stage.instance.send_to_warm_pool(POOL);
        stage.draining().await;
        lives.end(end).await.unwrap();
        stage.instance.set_target(TargetLifecycleState::InService);
        lives.begin();
        active_again(&stage).await;
    }
}

#[tokio::test]
async fn sent_back_while_the_agent_is_down_an_operators_draining_stays() {
    let stage = stage().await;
    stage.instance.set_container_instance_status(Draining);
    let mut lives = start(&stage).await;
    stage.instance.send_to_warm_pool(POOL);
    seen_draining(&stage).await;
    lives.end(End::Kill).await.unwrap();
    stage.instance.set_target(TargetLifecycleState::InService);
    lives.begin();
    forgotten(&stage).await;
    assert_eq!(stage.status(), Draining);
}

/// DRAINING is on its way, or carried out, and the agent dies before it hears of it: what it knew must be
/// written down by then, as afterwards it looks like an operator's.
#[tokio::test]
async fn killed_at_its_draining_it_still_knows_that_it_was_it() {
    for hold in [Hold::before(SET), Hold::after(SET)] {
        let stage = stage().await;
        let mut lives = start(&stage).await;
        let mut gate = stage.simulator.hold(hold.clone());
        stage.instance.send_to_warm_pool(POOL);
        let held = gate.reached(PATIENCE).await.unwrap();
        lives.end(End::Kill).await.unwrap();
        held.reset();
        let known = written(stage.scratch.path()).unwrap();
        assert!(known.ours, "{hold:?}: {known:?}\n{}", lives.log());
        stage.instance.set_target(TargetLifecycleState::InService);
        lives.begin();
        active_again(&stage).await;
    }
}

/// Killed at its own ACTIVE: not carried out, or carried out and never answered.
#[tokio::test]
async fn killed_at_its_active_it_ends_active() {
    for hold in [Hold::before(SET), Hold::after(SET)] {
        for end in [End::Kill, End::Term] {
            let stage = stage().await;
            let mut lives = start(&stage).await;
            stage.instance.send_to_warm_pool(POOL);
            stage.completed().await;
            let mut gate = stage.simulator.hold(hold.clone());
            stage.instance.set_target(TargetLifecycleState::InService);
            let held = gate.reached(PATIENCE).await.unwrap();
            lives.end(end).await.unwrap();
            held.reset();
            lives.begin();
            active_again(&stage).await;
        }
    }
}

/// Drained for the pool, then on standby, then in service: standby calls nothing off, and starts nothing.
#[tokio::test]
async fn standby_in_between_changes_nothing_with_a_death_or_without() {
    for death in [false, true] {
        let stage = stage().await;
        let mut lives = start(&stage).await;
        stage.instance.send_to_warm_pool(POOL);
        stage.draining().await;
        stage.instance.set_target(TargetLifecycleState::Standby);
        polled(&stage, 3).await;
        if death {
            lives.end(End::Kill).await.unwrap();
            lives.begin();
        }
        polled(&stage, 3).await;
        assert_eq!(stage.status(), Draining);
        stage.instance.set_target(TargetLifecycleState::InService);
        active_again(&stage).await;
    }
}

/// An operator's own standby and DRAINING, with a restart in between: no business of this agent's.
#[tokio::test]
async fn an_operators_standby_is_left_alone() {
    let stage = stage().await;
    let mut lives = start(&stage).await;
    stage.instance.set_container_instance_status(Draining);
    stage.instance.enter_standby();
    lives.end(End::Kill).await.unwrap();
    lives.begin();
    polled(&stage, 3).await;
    stage.instance.exit_standby();
    polled(&stage, 3).await;
    polled(&stage, 3).await;
    assert_eq!(stage.status(), Draining);
    assert_eq!(stage.count(SET), 0);
}

/// Once it is back, a DRAINING is an operator's, also to an agent that is started anew.
#[tokio::test]
async fn what_is_drained_after_the_return_is_an_operators() {
    let stage = stage().await;
    let mut lives = start(&stage).await;
    stage.instance.send_to_warm_pool(POOL);
    stage.draining().await;
    stage.instance.set_target(TargetLifecycleState::InService);
    active_again(&stage).await;
    stage.instance.set_container_instance_status(Draining);
    lives.end(End::Kill).await.unwrap();
    lives.begin();
    polled(&stage, 3).await;
    polled(&stage, 3).await;
    assert_eq!(stage.status(), Draining);
}

/// One failed look must not make a drain of ours look like an operator's.
#[tokio::test]
async fn a_look_that_fails_is_repeated_before_it_is_given_up() {
    for kind in [FaultKind::Throttled, FaultKind::InternalError] {
        let stage = stage().await;
        let _lives = start(&stage).await;
        stage.fault(Fault::on(LOOK, kind).times(1));
        stage.instance.send_to_warm_pool(POOL);
        stage.draining().await;
        stage.instance.set_target(TargetLifecycleState::InService);
        active_again(&stage).await;
    }
}

/// The operator's DRAINING was taken back by the operator; the one that followed is ours.
#[tokio::test]
async fn drained_again_after_an_operators_active_it_is_ours() {
    let slow = web(300).replacement_delay(Duration::from_secs(600));
    let stage = Stage::with("drain.recheck_after=500ms", vec![slow]).await;
    stage.instance.set_container_instance_status(Draining);
    let _lives = start(&stage).await;
    stage.instance.send_to_warm_pool(POOL);
    seen_draining(&stage).await;
    stage.instance.set_container_instance_status(Active);
    use What::ContainerInstanceStatusChanged as Changed;
    let by_agent = |what: &What| {
        matches!(
            what,
            Changed {
                to: Draining,
                by: Who::Api(_),
                ..
            }
        )
    };
    let again = |world: &World| world.event_of(stage.instance.id(), by_agent).is_some();
    stage.until("DRAINING again", again).await;
    stage.instance.set_target(TargetLifecycleState::InService);
    active_again(&stage).await;
}

/// Taken back to the pool before ACTIVE went through: a new drain with a deadline of its own, and still
/// ours, also to an agent that is started anew.
#[tokio::test]
async fn drained_again_before_it_was_active_it_has_a_new_deadline_and_is_still_ours() {
    for death in [false, true] {
        let stage = stage().await;
        let mut lives = start(&stage).await;
        stage.instance.send_to_warm_pool(POOL);
        stage.draining().await;
        let first = written(stage.scratch.path()).unwrap();
        let fault = stage.fault(Fault::on(SET, FaultKind::InternalError));
        stage.instance.set_target(TargetLifecycleState::InService);
        let file = lives::state_file(stage.scratch.path());
        stage
            .until("an ACTIVE that fails, and is written down", |world| {
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                // Under way, it would be carried out once the fault is taken away.
                let failed =
                    |request: &RequestRecord| matches!(request.outcome, Outcome::Fault { .. });
                world.requests().last(SET).is_some_and(failed) && text.contains("called off")
            })
            .await;
        if death {
            lives.end(End::Kill).await.unwrap();
        }
        stage.instance.set_target(POOL);
        lives.begin();
        stage.simulator.remove_fault(fault);
        let sets = stage.world(|world| world.requests().accepted(SET));
        let again = |world: &World| world.requests().accepted(SET) > sets;
        stage.until("DRAINING again", again).await;
        let second = written(stage.scratch.path()).unwrap();
        assert!(second.ours);
        let later = second.started_at > first.started_at;
        assert!(later, "{first:?} then {second:?}\n{}", lives.log());
        stage.instance.set_target(TargetLifecycleState::InService);
        active_again(&stage).await;
    }
}
