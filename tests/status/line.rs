//! The one line that `systemctl status` shows.

use std::time::Duration;

use ecs_lifecycle_agent::status::line;
use ecs_lifecycle_config::Settings;
use ecs_lifecycle_decide::TargetLifecycleState::{InService, Terminated, WarmedStopped};
use ecs_lifecycle_decide::{Event, FailureKind, LifecycleState, Task};

use super::agent::{Agent, SECOND, container_instance, old, stopping, task};

fn status(agent: &Agent) -> String {
    line(&agent.state, agent.now, &agent.policy)
}

fn named(id: &str, definition: &str) -> Task {
    Task {
        definition: definition.to_owned(),
        ..task(id)
    }
}

/// So that its drain has gone on for so long.
fn into_the_drain(agent: &mut Agent, time: Duration) {
    let began = agent.state.drain.as_ref().unwrap().started_at;
    agent.run(time - agent.now.since(began));
}

#[test]
fn every_phase_has_its_line() {
    let mut agent = Agent::new(Settings::default(), None, old());
    assert_eq!(status(&agent), "starting: waiting for instance metadata");

    agent.world.identity = None;
    agent.run(3 * SECOND);
    assert_eq!(
        status(&agent),
        "watching: ECS agent not registered yet, target InService"
    );
    agent.world.identity = Some(container_instance());
    agent.run(3 * SECOND);
    assert_eq!(status(&agent), "watching: c1 in demo, target InService");

    agent.world.held.insert("SetDraining");
    agent.world.tasks = vec![task("a")];
    agent.target(Some(WarmedStopped));
    agent.run(SECOND);
    into_the_drain(&mut agent, 10 * SECOND);
    assert_eq!(
        status(&agent),
        "draining: DRAINING not accepted yet, 14m 50s to deadline (drain.timeout)"
    );
    agent.world.held = ["Complete"].into();
    agent.run(SECOND);
    agent.stop_tasks();
    agent.run(10 * SECOND);
    assert_eq!(
        status(&agent),
        "completing: drained, telling Auto Scaling (drain-hook)"
    );
    agent.world.held.clear();
    agent.run(SECOND);
    assert_eq!(
        status(&agent),
        "done: drained, target lifecycle state Warmed:Stopped"
    );

    let mut agent = Agent::in_service(Settings::default());
    agent.world.lifecycle = Some(LifecycleState::InService);
    agent.take(Event::DrainByHand { timeout: None });
    agent.run(5 * SECOND);
    agent.world.held.insert("SetActive");
    agent.take(Event::UndrainByHand);
    assert_eq!(
        status(&agent),
        "returning: drain called off, setting ACTIVE again"
    );

    let agent = Agent::joining(Settings::default());
    assert_eq!(
        status(&agent),
        "joining: waiting for the ECS agent to register, 9m 57s to deadline (ready.timeout)"
    );
}

#[test]
fn a_drain_names_what_it_waits_for() {
    let cases: [(Vec<Task>, &str); 3] = [
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
        agent.world.tasks = tasks;
        into_the_drain(&mut agent, 200 * SECOND);
        assert_eq!(
            status(&agent),
            format!("draining: {expected}, 11m 40s to deadline (drain.timeout)")
        );
    }
}

#[test]
fn what_is_failing_is_said_at_the_end() {
    let mut agent = Agent::draining(Settings::default(), Terminated);
    let failing = &mut agent.world.failing;
    failing.insert("ReadTasks", FailureKind::Unreachable);
    failing.insert("ReadContainerInstance", FailureKind::Unreachable);
    agent.run(5 * SECOND);
    let line = status(&agent);
    assert!(
        line.ends_with("; ECS agent introspection is failing"),
        "{line}"
    );
    agent.world.failing.clear();
    agent.target(Some(InService));
    agent.run(5 * SECOND);
    assert!(!status(&agent).contains("failing"));
}

#[test]
fn a_join_that_has_failed_stays_visible() {
    let mut agent = Agent::joining(Settings::default());
    agent.world.identity = None;
    agent.run(20 * 60 * SECOND);
    let expected =
        "watching: ECS agent not registered yet, target InService; it had not joined in time";
    assert_eq!(status(&agent), expected);
}
