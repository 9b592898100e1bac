//! Former registrations of the EC2 instance: when ECS is asked for them, and what is believed of the answer.

use std::time::Duration;

use ecs_lifecycle_config::Settings;
use ecs_lifecycle_decide::TargetLifecycleState::Terminated;
use ecs_lifecycle_decide::{ContainerInstance, Event, FailureKind, LifecycleState};

use super::agent::{Agent, SECOND, container_instance, new, old};

const LIST: &str = "ListContainerInstances";
const FORMER: &str = "arn:aws:ecs:eu-central-1:1:container-instance/demo/c0";

/// An old instance that has just booted from an empty disk, and waits at the launching hook.
fn replaced(registrations: &[&str]) -> Agent {
    let mut agent = Agent::new(Settings::default(), None, old());
    agent.world.lifecycle = Some(LifecycleState::PendingWait);
    agent.world.registrations = registrations.iter().map(ToString::to_string).collect();
    agent.run(2 * SECOND);
    agent
}

fn ours() -> String {
    container_instance().arn
}

fn known(agent: &Agent) -> Vec<&str> {
    agent
        .state
        .memory()
        .former
        .iter()
        .map(String::as_str)
        .collect()
}

#[test]
fn for_a_blank_machine_ecs_is_asked_once() {
    let mut agent = replaced(&[&ours(), FORMER]);
    assert_eq!(agent.said("JoinStarted"), 1);
    agent.world.lifecycle = Some(LifecycleState::InService);
    agent.run(Duration::from_hours(2));
    assert_eq!((agent.phase(), agent.count(LIST)), ("watching", 1));
    assert_eq!(known(&agent), [FORMER]);
    assert_eq!(agent.said("FormerRegistrations"), 1);
}

#[test]
fn a_new_instance_has_none() {
    let mut agent = Agent::new(Settings::default(), None, new());
    agent.world.lifecycle = Some(LifecycleState::InService);
    agent.run(Duration::from_hours(2));
    assert_eq!((agent.phase(), agent.count(LIST)), ("watching", 0));
}

#[test]
fn it_is_asked_where_the_ecs_agent_names_another_than_before_and_not_during_a_drain() {
    let mut agent = Agent::in_service(Settings::default());
    agent.run(Duration::from_hours(1));
    assert_eq!(agent.count(LIST), 0);
    agent.world.identity = Some(ContainerInstance {
        arn: FORMER.to_owned(),
        ..container_instance()
    });
    agent.world.registrations.push(FORMER.to_owned());
    agent.target(Some(Terminated));
    agent.run(Duration::from_mins(2));
    assert_eq!((agent.phase(), agent.count(LIST)), ("draining", 0));

    let mut agent = Agent::in_service(Settings::default());
    agent.world.identity = Some(ContainerInstance {
        arn: FORMER.to_owned(),
        ..container_instance()
    });
    agent.world.registrations.push(FORMER.to_owned());
    agent.run(Duration::from_mins(2));
    assert_eq!(agent.count(LIST), 1);
    assert_eq!(known(&agent), [ours()], "the one that it was");
}

/// Whoever answers on the ECS agent's port may be of another machine, and ECS may list a new one late.
#[test]
fn a_list_without_the_one_that_we_are_says_nothing() {
    let mut agent = replaced(&[FORMER]);
    agent.world.lifecycle = Some(LifecycleState::InService);
    agent.run(Duration::from_mins(1));
    let asked = agent.count(LIST);
    assert!((2..=5).contains(&asked), "{asked}");
    assert_eq!(known(&agent), Vec::<&str>::new());
    agent.world.registrations.push(ours());
    agent.run(Duration::from_mins(5));
    assert_eq!(known(&agent), [FORMER]);
}

#[test]
fn once_it_is_removed_whoever_asks_for_the_state_makes_it_go() {
    let mut agent = replaced(&[FORMER, &ours()]);
    agent.world.lifecycle = Some(LifecycleState::InService);
    agent.run(Duration::from_mins(1));
    agent.restart();
    assert_eq!(agent.count(LIST), 1, "it may have been removed meanwhile");
    assert_eq!(
        (known(&agent), agent.said("FormerRegistrations")),
        (vec![FORMER], 0)
    );
    agent.clear();
    // As `status --watch` does.
    let watch = |agent: &mut Agent| {
        for _ in 0..150 {
            agent.run(SECOND);
            agent.take(Event::StatusAsked);
        }
    };
    watch(&mut agent);
    assert_eq!((known(&agent), agent.count(LIST)), (vec![FORMER], 2));
    agent.world.registrations.retain(|arn| arn != FORMER);
    watch(&mut agent);
    assert_eq!((known(&agent), agent.count(LIST)), (vec![], 3));
}

#[test]
fn a_call_that_fails_is_tried_ever_more_seldom_and_one_that_is_denied_is_said_once() {
    let mut agent = Agent::new(Settings::default(), None, old());
    agent.fails(LIST, FailureKind::Server);
    agent.run(Duration::from_hours(6));
    let tried = agent.count(LIST);
    assert!((10..=20).contains(&tried), "{tried}");
    assert_eq!(agent.said("CallFailed"), tried);
    assert!(
        agent.state.health.failing().is_empty(),
        "nothing depends on it"
    );

    agent.fails(LIST, FailureKind::Denied);
    agent.run(Duration::from_hours(6));
    assert_eq!((agent.count(LIST), agent.said("Denied")), (tried + 1, 1));
}
