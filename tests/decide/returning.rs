//! Back to service: only what this agent has drained is set to ACTIVE again.

use std::time::Duration;

use ecs_lifecycle_config::Settings;
use ecs_lifecycle_decide::TargetLifecycleState::{InService, Standby, WarmedStopped};
use ecs_lifecycle_decide::{
    Answer, ContainerInstanceStatus as Status, Event, FailureKind, TaskStatus,
};

use super::agent::{Agent, draining_set, failure, task, view};

/// To the warm pool, with the container instance in `status` beforehand.
fn to_the_pool(status: Status) -> Agent {
    let mut agent = Agent::in_service(Settings::default());
    agent.target(Some(WarmedStopped));
    agent.answer(Answer::ContainerInstance(Ok(view(status, 1))));
    agent.remembered();
    agent.answer(Answer::DrainingSet(Ok(draining_set(1))));
    agent
}

#[test]
fn what_was_active_is_ours_and_what_was_draining_is_not() {
    for (status, ours) in [(Status::Active, true), (Status::Draining, false)] {
        let mut agent = to_the_pool(status.clone());
        agent.clear();
        agent.target(Some(InService));
        assert_eq!(agent.did("SetActive"), ours, "{status:?}");
        assert_eq!(agent.said("LeftDraining"), !ours, "{status:?}");
    }
}

#[test]
fn where_nobody_could_tell_it_is_not_ours() {
    let mut agent = Agent::in_service(Settings::default());
    agent.target(Some(WarmedStopped));
    agent.answer(Answer::ContainerInstance(Err(failure(FailureKind::Denied))));
    agent.remembered();
    assert!(agent.did("SetDraining"), "the drain does not wait for it");
    agent.answer(Answer::DrainingSet(Ok(draining_set(1))));
    agent.clear();
    agent.target(Some(InService));
    assert!(!agent.did("SetActive") && agent.said("LeftDraining"));
}

/// A moment's trouble must not leave an instance DRAINING for good; nor may it hold up the drain for long.
#[test]
fn a_look_that_fails_is_repeated_a_few_times() {
    let throttled = || Answer::ContainerInstance(Err(failure(FailureKind::Throttled)));
    let mut agent = Agent::in_service(Settings::default());
    agent.target(Some(WarmedStopped));
    agent.remembered();
    for _ in 0..3 {
        agent.answer(throttled());
        assert!(!agent.did("SetDraining"));
        agent.pass(Duration::from_secs(4));
        assert!(agent.did("DescribeContainerInstance"));
    }
    let mut hopeless = Agent::in_service(Settings::default());
    hopeless.state = agent.state.clone();
    hopeless.now = agent.now;
    hopeless.answer(throttled());
    assert!(hopeless.did("SetDraining"));
    agent.answer(Answer::ContainerInstance(Ok(view(Status::Active, 1))));
    agent.remembered();
    assert!(agent.did("SetDraining"));
    agent.clear();
    agent.target(Some(InService));
    agent.pass(Settings::default().aws.request_timeout + Duration::from_millis(1));
    assert!(agent.did("SetActive"));
}

/// Whoever drained it has taken that back; the DRAINING that follows is this agent's.
#[test]
fn set_back_by_its_operator_and_drained_again_it_is_ours() {
    let mut agent = to_the_pool(Status::Draining);
    agent.remembered();
    agent.pass(Duration::from_mins(1));
    agent.answer(Answer::Tasks(Ok(vec![task("new", TaskStatus::Running)])));
    assert!(agent.did("DescribeContainerInstance"));
    agent.answer(Answer::ContainerInstance(Ok(view(Status::Active, 1))));
    agent.remembered();
    assert!(agent.said("SetBack") && agent.did("SetDraining"));
    agent.answer(Answer::DrainingSet(Ok(draining_set(1))));
    agent.target(Some(InService));
    assert!(agent.did("SetActive"));
}

/// Wanted in the pool again before ACTIVE went through: the old deadline may have passed long ago.
#[test]
fn drained_again_before_it_was_active_it_has_a_new_deadline_and_is_still_ours() {
    let mut agent = to_the_pool(Status::Active);
    agent.target(Some(InService));
    agent.pass(Duration::from_hours(1));
    agent.event(Event::ActiveSet(Err(failure(FailureKind::Server))));
    agent.target(Some(WarmedStopped));
    assert_eq!(agent.phase(), "Draining");
    let drain = agent.state.memory().drain.clone().unwrap();
    assert!(drain.ours && drain.started_at == agent.now, "{drain:?}");
}

/// That it is ours is written down before the deed: a crash in between must not strand the instance.
#[test]
fn whose_it_is_is_written_down_before_draining_is_asked_for() {
    let mut agent = Agent::in_service(Settings::default());
    agent.target(Some(WarmedStopped));
    agent.remembered();
    agent.clear();
    agent.answer(Answer::ContainerInstance(Ok(view(Status::Active, 1))));
    assert!(
        agent.did("Remember") && !agent.did("SetDraining"),
        "{:?}",
        agent.actions
    );
    assert!(
        agent
            .state
            .memory()
            .drain
            .as_ref()
            .is_some_and(|drain| drain.ours)
    );
    agent.remembered();
    assert!(agent.did("SetDraining"));
}

#[test]
fn by_way_of_standby_it_is_set_to_active_as_well() {
    let mut agent = to_the_pool(Status::Active);
    agent.clear();
    agent.target(Some(Standby));
    assert_eq!(agent.phase(), "Draining", "on standby nobody needs it");
    agent.target(Some(InService));
    assert!(agent.did("SetActive"));
}

/// A request for DRAINING that is still under way would undo ours for ACTIVE.
#[test]
fn active_waits_for_a_draining_that_is_under_way() {
    let mut agent = Agent::in_service(Settings::default());
    agent.target(Some(WarmedStopped));
    agent.answer(Answer::ContainerInstance(Ok(view(Status::Active, 1))));
    agent.remembered();
    assert!(agent.did("SetDraining"));
    agent.clear();
    agent.target(Some(InService));
    assert!(!agent.did("SetActive"));
    agent.pass(Settings::default().aws.request_timeout + Duration::from_millis(1));
    assert!(agent.did("SetActive"));
}
