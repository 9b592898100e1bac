//! A stop signal completes nothing. With `drain.on_shutdown` a machine that goes down is held up to drain.

use std::time::Duration;

use ecs_lifecycle_config::Settings;
use ecs_lifecycle_decide::TargetLifecycleState::{InService, Terminated};
use ecs_lifecycle_decide::{ContainerInstanceStatus as Status, Event, LifecycleState};

use super::agent::{Agent, SECOND};

const GRACE: Duration = Duration::from_secs(60);

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.drain.on_shutdown = Some(GRACE);
    settings
}

fn stop(shutdown: bool) -> Event {
    Event::StopRequested {
        signal: "SIGTERM",
        shutdown,
    }
}

#[test]
fn whatever_it_does_it_ends_at_once_and_completes_nothing() {
    let completing = || {
        let mut agent = Agent::draining(Settings::default(), Terminated);
        agent.world.held.insert("Complete");
        agent.stop_tasks();
        agent.run(10 * SECOND);
        agent
    };
    for (mut agent, phase) in [
        (Agent::new(Settings::default(), None, None), "starting"),
        (Agent::in_service(Settings::default()), "watching"),
        (Agent::joining(Settings::default()), "joining"),
        (Agent::draining(Settings::default(), Terminated), "draining"),
        (Agent::draining(settings(), Terminated), "draining"),
        (completing(), "completing"),
    ] {
        assert_eq!(agent.phase(), phase);
        agent.clear();
        agent.event(stop(false));
        assert!(agent.exited && agent.actions.is_empty());
        assert_eq!(agent.said("Stopping"), 1);
        agent.run(GRACE);
        assert_eq!(agent.actions, [], "nothing after that");
    }
}

/// What a person was promised is on the disk before the process ends, unless the disk is stuck.
#[test]
fn what_was_promised_is_written_before_the_end() {
    for stuck in [false, true] {
        let mut agent = Agent::in_service(Settings::default());
        agent.world.held.insert("Remember");
        agent.take(Event::DrainByHand { timeout: None });
        assert!(!agent.state.is_written());
        agent.take(stop(false));
        assert!(!agent.exited);
        if !stuck {
            agent.world.held.clear();
        }
        agent.run(if stuck { SECOND } else { Duration::ZERO });
        assert_eq!((agent.exited, agent.state.is_written()), (true, !stuck));
    }
}

#[test]
fn without_the_setting_a_shutdown_is_like_any_stop() {
    let mut agent = Agent::in_service(Settings::default());
    agent.event(stop(true));
    assert!(agent.exited && agent.actions.is_empty());
}

#[test]
fn a_shutdown_begins_a_drain_and_ends_with_it() {
    let mut agent = Agent::in_service(settings());
    agent.take(stop(true));
    assert_eq!(agent.phase(), "draining");
    assert!(agent.state.leave_at().is_some());
    agent.run(5 * SECOND);
    assert!(agent.did("SetDraining") && !agent.exited);
    agent.stop_tasks();
    agent.run(10 * SECOND);
    assert!(agent.exited && agent.said("Leaving") == 1);
    assert!(!agent.did("Complete"), "there is no lifecycle action");
}

#[test]
fn when_the_time_is_over_it_leaves_and_completes_nothing() {
    for target in [InService, Terminated] {
        let mut agent = Agent::draining(settings(), target);
        agent.event(stop(true));
        agent.run(GRACE - Duration::from_millis(1));
        assert!(!agent.exited);
        agent.run(Duration::from_millis(1));
        assert!(agent.exited && agent.said("Leaving") == 1 && !agent.did("Complete"));
    }
}

#[test]
fn a_drain_that_is_going_on_is_finished_in_the_time_that_is_left() {
    let mut agent = Agent::draining(settings(), Terminated);
    agent.event(stop(true));
    agent.stop_tasks();
    agent.run(20 * SECOND);
    assert_eq!(
        agent.results().len(),
        1,
        "drained: not because of the signal"
    );
    assert!(agent.exited);
}

#[test]
fn a_second_signal_ends_the_waiting() {
    let mut agent = Agent::in_service(settings());
    agent.take(stop(true));
    assert!(!agent.exited);
    agent.take(stop(true));
    assert!(agent.exited);
}

/// A reboot is a shutdown, too: once the machine is up again, it takes tasks again, in a group or not.
#[test]
fn after_a_reboot_what_was_drained_for_it_is_active_again() {
    for (target, before, after) in [
        (Some(InService), Status::Active, Status::Active),
        (None, Status::Active, Status::Active),
        (None, Status::Draining, Status::Draining),
    ] {
        let mut agent = Agent::in_service(settings());
        agent.world.status = before;
        agent.world.lifecycle = Some(LifecycleState::InService);
        agent.take(stop(true));
        agent.run(5 * SECOND);
        assert_eq!(agent.world.status, Status::Draining);
        agent.target(target);
        agent.restart();
        agent.run(20 * SECOND);
        assert_eq!((agent.phase(), &agent.world.status), ("watching", &after));
    }
}
