//! Back to service: only what this agent has drained is set to ACTIVE again.

use std::time::Duration;

use ecs_lifecycle_agent::config::Settings;
use ecs_lifecycle_agent::decide::TargetLifecycleState::{InService, Standby, WarmedStopped};
use ecs_lifecycle_agent::decide::{Answer, ContainerInstanceStatus as Status, FailureKind};

use super::agent::{Agent, draining_set, failure, view};

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
    agent.answer(Answer::ContainerInstance(Err(failure(
        FailureKind::Throttled,
    ))));
    agent.remembered();
    assert!(agent.did("SetDraining"), "the drain does not wait for it");
    agent.answer(Answer::DrainingSet(Ok(draining_set(1))));
    agent.clear();
    agent.target(Some(InService));
    assert!(!agent.did("SetActive") && agent.said("LeftDraining"));
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
