//! What the user wants run around a drain.

use std::time::Duration;

use ecs_lifecycle_config::{ExecutableFailure, ResultOnTimeout, Settings};
use ecs_lifecycle_decide::LifecycleActionResult::{Abandon, Continue};
use ecs_lifecycle_decide::TargetLifecycleState::{Terminated, WarmedStopped, WarmedTerminated};
use ecs_lifecycle_decide::{ExecutableEvent, LifecycleState};

use super::agent::{Agent, SECOND, new};

fn settings(on_failure: ExecutableFailure) -> Settings {
    let mut settings = Settings::default();
    settings.executables.on_failure = on_failure;
    settings.drain.result_on_timeout = ResultOnTimeout::Abandon;
    settings
}

#[test]
fn what_runs_before_holds_draining_and_what_runs_after_holds_the_completion() {
    let mut agent = Agent::in_service(Settings::default());
    agent.world.held.insert("RunExecutables");
    agent.target(Some(Terminated));
    agent.stop_tasks();
    agent.run(20 * SECOND);
    let runs = |agent: &Agent| {
        agent
            .state
            .drain
            .as_ref()
            .and_then(|drain| drain.runs_executables())
    };
    assert_eq!(runs(&agent), Some(ExecutableEvent::BeforeDrain));
    assert!(!agent.did("SetDraining"));
    agent.world.held.clear();
    agent.settle();
    agent.world.held.insert("RunExecutables");
    agent.run(20 * SECOND);
    assert_eq!(runs(&agent), Some(ExecutableEvent::AfterDrain));
    assert_eq!((agent.said("DrainOver"), agent.phase()), (1, "draining"));
    agent.clear();
    // Past the deadline, too: something of ours still runs.
    agent.run(Duration::from_mins(20));
    assert!(!agent.did("Complete"));
    assert_eq!(agent.count("Heartbeat"), 16);
    agent.world.held.clear();
    agent.run(20 * SECOND);
    assert_eq!(agent.results(), [Continue]);
}

#[test]
fn a_failure_is_ignored_or_held_against_the_outcome() {
    for (on_failure, failed, expected) in [
        (
            ExecutableFailure::Ignore,
            &["before-drain", "after-drain"][..],
            Continue,
        ),
        (ExecutableFailure::Fail, &[], Continue),
        (ExecutableFailure::Fail, &["before-drain"], Abandon),
        (ExecutableFailure::Fail, &["after-drain"], Abandon),
    ] {
        let mut agent = Agent::in_service(settings(on_failure));
        agent.world.failed_commands.extend(failed);
        agent.stop_tasks();
        agent.target(Some(Terminated));
        agent.run(20 * SECOND);
        assert_eq!(agent.results(), [expected], "{on_failure} {failed:?}");
        assert_eq!(agent.said("ExecutableFailed"), failed.len(), "{failed:?}");
    }
}

#[test]
fn what_runs_before_does_not_outlast_the_deadline() {
    let mut agent = Agent::in_service(Settings::default());
    agent.world.held.insert("RunExecutables");
    agent.target(Some(Terminated));
    agent.run(Duration::from_mins(15) + 10 * SECOND);
    assert_eq!((agent.said("DrainOver"), agent.cancelled), (1, 1));
}

/// Out of the pool it has never left: the drain is over before anything was run, and nothing has failed. Without a
/// memory of that, containers may run that the ECS agent does not tell of.
#[test]
fn what_was_never_run_has_not_failed() {
    for (lost, results) in [(false, &[Continue][..]), (true, &[])] {
        let mut agent = Agent::new(settings(ExecutableFailure::Fail), None, new());
        agent.world.identity = None;
        agent.world.lifecycle = Some(LifecycleState::WarmedPendingWait);
        agent.target(Some(WarmedStopped));
        agent.run(5 * SECOND);
        agent.clear();
        agent.world.lifecycle = Some(LifecycleState::WarmedTerminatingWait);
        agent.world.target = Ok(Some(WarmedTerminated));
        if lost {
            agent.forget();
        }
        agent.run(60 * SECOND);
        assert_eq!(agent.results(), results, "{lost}");
    }
}
