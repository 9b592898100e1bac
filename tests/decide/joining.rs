//! A new instance: when it has joined, and who is told.

use std::time::Duration;

use ecs_lifecycle_config::{Settings, StackResource};
use ecs_lifecycle_decide::LifecycleActionResult::{Abandon, Continue};
use ecs_lifecycle_decide::TargetLifecycleState::{Terminated, WarmedStopped};
use ecs_lifecycle_decide::{
    ContainerInstanceStatus as Status, FailureKind, LifecycleState, SignalStatus,
};

use super::agent::{Agent, SECOND, container_instance, new};

/// One of a stack, that has yet to register.
fn joining() -> Agent {
    let mut agent = Agent::new(Settings::default(), None, new());
    agent.world.lifecycle = Some(LifecycleState::PendingWait);
    agent.world.identity = None;
    agent.world.stack = Some(StackResource {
        stack_name: "demo".to_owned(),
        logical_resource_id: "Group".to_owned(),
    });
    agent.run(3 * SECOND);
    assert_eq!(agent.phase(), "joining");
    agent
}

#[test]
fn joined_it_completes_and_only_then_signals() {
    let mut agent = joining();
    agent.world.held.insert("Complete");
    agent.world.identity = Some(container_instance());
    agent.run(5 * SECOND);
    assert_eq!((agent.results(), agent.signals()), (vec![Continue], vec![]));
    agent.world.held.clear();
    agent.run(SECOND);
    assert_eq!(agent.signals(), [SignalStatus::Success]);
    assert_eq!(agent.phase(), "watching");
    agent.clear();
    agent.restart();
    agent.run(Duration::from_hours(2));
    assert_eq!((agent.results(), agent.signals()), (vec![], vec![]));
}

#[test]
fn a_completion_that_hangs_holds_the_signal_for_half_a_minute_only() {
    let mut agent = joining();
    agent.world.held.insert("Complete");
    agent.world.identity = Some(container_instance());
    agent.run(29 * SECOND);
    assert_eq!(agent.signals(), []);
    agent.run(5 * SECOND);
    assert_eq!(agent.signals(), [SignalStatus::Success]);
}

#[test]
fn only_an_active_one_has_joined_and_ecs_is_asked_ever_more_seldom() {
    let mut agent = joining();
    agent.world.identity = Some(container_instance());
    agent.world.status = Status::Registering;
    agent.run(Duration::from_secs(120));
    assert_eq!(agent.results(), []);
    let asked = agent.count("DescribeContainerInstance");
    assert!((5..=9).contains(&asked), "{asked}");
    agent.world.status = Status::Active;
    agent.run(61 * SECOND);
    assert_eq!(agent.results(), [Continue]);
}

#[test]
fn one_that_never_joins_is_abandoned_at_the_deadline_not_before() {
    let mut agent = joining();
    agent.run(Duration::from_secs(595));
    assert_eq!((agent.results(), agent.signals()), (vec![], vec![]));
    let beats = agent.count("Heartbeat");
    assert!((7..=8).contains(&beats), "every quarter of 300 s: {beats}");
    agent.run(5 * SECOND);
    assert_eq!(agent.results(), [Abandon]);
    assert_eq!(agent.said("JoinTimedOut"), 1);
    agent.run(31 * SECOND);
    assert_eq!(agent.signals(), [SignalStatus::Failure]);
    assert_eq!(agent.phase(), "watching");
}

/// Its executables have yet to run when the last look shows it.
#[test]
fn one_that_joins_at_the_last_moment_is_a_member() {
    let mut agent = joining();
    agent.world.identity = Some(container_instance());
    agent.world.status = Status::Registering;
    let join = agent.state.join.as_ref().unwrap();
    let deadline = join.deadline(&agent.policy);
    agent.run(deadline.since(agent.now) - SECOND);
    agent.world.status = Status::Active;
    agent.clear();
    agent.run(SECOND);
    assert_eq!(agent.count("DescribeContainerInstance"), 1);
    assert_eq!(agent.results(), [Continue]);
}

#[test]
fn the_executables_have_to_succeed_and_are_tried_again() {
    let mut agent = joining();
    agent.world.failed_commands.insert("ready");
    agent.world.identity = Some(container_instance());
    agent.run(30 * SECOND);
    assert_eq!(agent.results(), []);
    assert!(agent.said("ExecutableFailed") > 1);
    agent.world.failed_commands.clear();
    agent.run(10 * SECOND);
    assert_eq!(agent.results(), [Continue]);
}

/// Whatever the pool does with it, it is let in; its stack hears of it once it is in service.
#[test]
fn into_the_warm_pool_it_completes_and_signals_nothing() {
    let mut agent = Agent::new(Settings::default(), None, new());
    agent.world.identity = None;
    agent.world.lifecycle = Some(LifecycleState::WarmedPendingWait);
    agent.target(Some(WarmedStopped));
    agent.run(5 * SECOND);
    assert_eq!((agent.results(), agent.signals()), (vec![Continue], vec![]));
    assert_eq!(agent.phase(), "watching");
}

/// Taken away before the stack has heard that it never became a member.
#[test]
fn a_join_that_came_to_nothing_is_signalled_while_it_drains() {
    let mut agent = joining();
    agent.fails("Signal", FailureKind::Throttled);
    agent.run(Duration::from_secs(610));
    agent.world.lifecycle = Some(LifecycleState::TerminatingWait);
    agent.target(Some(Terminated));
    agent.run(2 * SECOND);
    assert_eq!(agent.phase(), "draining");
    agent.clear();
    agent.world.failing.clear();
    agent.run(30 * SECOND);
    assert_eq!(agent.signals(), [SignalStatus::Failure]);
}

/// Before it was decided, it is nobody's failure.
#[test]
fn taken_away_before_it_was_decided_it_tells_nobody() {
    let mut agent = joining();
    agent.world.lifecycle = Some(LifecycleState::TerminatingWait);
    agent.target(Some(Terminated));
    agent.run(60 * SECOND);
    assert_eq!(agent.signals(), []);
}

#[test]
fn too_early_is_tried_again_and_too_late_is_over() {
    let mut agent = joining();
    agent.fails("Complete", FailureKind::NoActiveAction);
    agent.world.lifecycle = Some(LifecycleState::Pending);
    agent.world.identity = Some(container_instance());
    agent.run(20 * SECOND);
    assert!(agent.said("CompleteEarly") > 0 && agent.results().len() > 4);
    assert_eq!(agent.phase(), "joining");
    agent.world.lifecycle = Some(LifecycleState::InService);
    agent.run(30 * SECOND);
    assert_eq!(agent.said("AlreadyCompleted"), 1);
    assert_eq!(agent.phase(), "watching");
    assert_eq!(agent.signals(), [SignalStatus::Success]);
}
