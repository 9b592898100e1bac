//! The machine goes down: with `drain.on_shutdown` it is held up to drain, and nothing is completed for it.

use std::time::Duration;

use ecs_lifecycle_config::Settings;
use ecs_lifecycle_decide::TargetLifecycleState::{InService, Terminated};
use ecs_lifecycle_decide::{
    Answer, ContainerInstanceStatus as Status, Event, Memory, Moment, RememberedDrain,
};

use super::agent::{Agent, INSTANCE, container_instance, draining_set, instance, view};

const GRACE: Duration = Duration::from_secs(60);

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.ecs.placement_settle = Duration::ZERO;
    settings.drain.on_shutdown = Some(GRACE);
    settings
}

fn shutdown() -> Event {
    Event::StopRequested {
        signal: "SIGTERM",
        shutdown: true,
    }
}

fn restart() -> Event {
    Event::StopRequested {
        signal: "SIGTERM",
        shutdown: false,
    }
}

#[test]
fn a_shutdown_begins_a_drain_and_ends_with_it() {
    let mut agent = Agent::in_service(settings());
    agent.clear();
    agent.event(shutdown());
    assert_eq!(agent.phase(), "Draining");
    assert!(agent.said("ShutdownHeldUp") && agent.said("DrainStarted") && !agent.did("Exit"));
    agent.answer(Answer::ContainerInstance(Ok(view(Status::Active, 1))));
    agent.remembered();
    assert!(agent.did("SetDraining"));
    agent.answer(Answer::DrainingSet(Ok(draining_set(1))));
    agent.run_dry();
    assert!(
        agent.did("Exit") && agent.said("Leaving"),
        "{:?}",
        agent.actions
    );
    assert!(!agent.did("Complete"), "there is no lifecycle action");
}

#[test]
fn when_the_time_is_over_it_leaves_and_completes_nothing() {
    for target in [InService, Terminated] {
        let mut agent = match target {
            Terminated => Agent::draining(settings(), Terminated),
            _ => Agent::in_service(settings()),
        };
        agent.event(shutdown());
        agent.pass(GRACE - Duration::from_millis(1));
        assert!(!agent.did("Exit"));
        agent.pass(Duration::from_millis(1));
        assert!(
            agent.did("Exit") && agent.said("Leaving") && !agent.did("Complete"),
            "{target}"
        );
    }
}

#[test]
fn a_drain_that_is_going_on_is_finished_in_the_time_that_is_left() {
    let mut agent = Agent::draining(settings(), Terminated);
    agent.event(shutdown());
    agent.run_dry();
    assert!(
        agent.did("Complete"),
        "drained, and so completed: not because of the signal"
    );
    agent.clear();
    agent.answer(Answer::Completed(Ok(super::agent::accepted())));
    assert!(agent.did("Exit"));
}

#[test]
fn a_restart_of_the_service_is_not_held_up() {
    for make in [Agent::in_service as fn(Settings) -> Agent, |s| {
        Agent::draining(s, Terminated)
    }] {
        let mut agent = make(settings());
        agent.clear();
        agent.event(restart());
        assert!(agent.did("Exit") && agent.said("Stopping"));
    }
}

#[test]
fn without_the_setting_a_shutdown_is_like_any_stop() {
    let mut agent = Agent::in_service(Settings::default());
    agent.clear();
    agent.event(shutdown());
    assert!(agent.did("Exit") && agent.said("Stopping"));
}

#[test]
fn a_second_signal_ends_the_waiting() {
    let mut agent = Agent::in_service(settings());
    agent.event(shutdown());
    agent.clear();
    agent.event(shutdown());
    assert!(agent.did("Exit"));
}

/// A reboot is a shutdown, too: once the machine is up again, it takes tasks again, in a group or not.
#[test]
fn after_a_reboot_what_was_drained_for_it_is_active_again() {
    for (target, ours, phase) in [
        (Some(InService), true, "Returning"),
        (None, true, "Returning"),
        (None, false, "Watching"),
    ] {
        let memory = Memory {
            instance_id: INSTANCE.to_owned(),
            container_instance: Some(container_instance()),
            was_in_service: true,
            drain: Some(RememberedDrain {
                reason: "shutdown".to_owned(),
                started_at: Moment::from_millis(-60_000),
                ours,
            }),
            join: None,
            by_hand: None,
        };
        let mut agent = Agent::new(settings(), Some(memory));
        agent.tick();
        agent.event(Event::Instance(Ok(instance())));
        agent.target(target);
        assert_eq!(agent.phase(), phase);
        assert_eq!(agent.did("SetActive"), ours);
    }
}
