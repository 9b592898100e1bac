//! The one line that `systemctl status` shows.

use std::time::Duration;

use ecs_lifecycle_agent::status::line;
use ecs_lifecycle_config::Settings;
use ecs_lifecycle_decide::TargetLifecycleState::{InService, Terminated, WarmedStopped};
use ecs_lifecycle_decide::{Answer, Event, FailureKind, Task, TaskStatus};

use super::agent::{Agent, accepted, failure, instance, stopping, task};

fn status(agent: &Agent) -> String {
    line(&agent.state, agent.now, &agent.policy)
}

fn named(id: &str, definition: &str) -> Task {
    Task {
        definition: definition.to_owned(),
        ..task(id, TaskStatus::Running)
    }
}

#[test]
fn every_phase_has_its_line() {
    let mut agent = Agent::new(Settings::default(), None);
    agent.tick();
    assert_eq!(status(&agent), "starting: waiting for instance metadata");

    agent.event(Event::Instance(Ok(instance())));
    agent.target(Some(InService));
    assert_eq!(
        status(&agent),
        "watching: ECS agent not registered yet, target InService"
    );

    let agent = Agent::in_service(Settings::default());
    assert_eq!(status(&agent), "watching: c1 in demo, target InService");

    let mut agent = Agent::in_service(Settings::default());
    agent.target(Some(Terminated));
    assert_eq!(
        status(&agent),
        "draining: DRAINING not accepted yet, 15m to deadline (drain.timeout)"
    );

    let mut agent = Agent::drained(Settings::default(), WarmedStopped);
    assert_eq!(
        status(&agent),
        "completing: drained, telling Auto Scaling (drain-hook)"
    );
    agent.answer(Answer::Completed(Ok(accepted())));
    assert_eq!(
        status(&agent),
        "done: drained, target lifecycle state Warmed:Stopped"
    );
    agent.target(Some(InService));
    assert_eq!(
        status(&agent),
        "returning: drain called off, setting ACTIVE again"
    );
}

#[test]
fn a_drain_names_what_it_waits_for() {
    let cases: [(Vec<Task>, &str); 4] = [
        (vec![], "no task left, making sure"),
        (vec![stopping("a")], "1 task left (web:1)"),
        (
            vec![
                named("a", "web:8"),
                named("b", "worker:2"),
                named("c", "web:8"),
            ],
            "3 tasks left (web:8 ×2, worker:2)",
        ),
        (
            ["a", "b", "c", "d"]
                .iter()
                .map(|id| named(id, &format!("{id}:1")))
                .collect(),
            "4 tasks left (a:1, b:1, c:1, …)",
        ),
    ];
    for (tasks, expected) in cases {
        let mut agent = Agent::draining(Settings::default(), Terminated);
        agent.pass(Duration::from_secs(200));
        agent.answer(Answer::Tasks(Ok(tasks)));
        assert_eq!(
            status(&agent),
            format!("draining: {expected}, 11m 40s to deadline (drain.timeout)")
        );
    }
}

#[test]
fn what_is_failing_is_said_at_the_end() {
    let mut agent = Agent::draining(Settings::default(), Terminated);
    agent.pass(Duration::from_secs(1));
    agent.answer(Answer::Tasks(Err(failure(FailureKind::Unreachable))));
    assert!(
        status(&agent).ends_with("; ECS agent introspection is failing"),
        "{}",
        status(&agent)
    );
}
