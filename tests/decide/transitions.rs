//! Every transition between phases, as a table: from where, on what, to where, doing and saying what.

use std::time::Duration;

use ecs_lifecycle_config::{ResultOnTimeout, Settings, SignalOnTimeout, StackResource};
use ecs_lifecycle_decide::TargetLifecycleState::{
    Detached, InService, Standby, Terminated, Unknown, WarmedHibernated, WarmedRunning,
    WarmedStopped, WarmedTerminated,
};
use ecs_lifecycle_decide::{
    Answer, ContainerInstanceStatus, Event, FailureKind, Memory, Moment, RememberedDrain,
    TargetLifecycleState,
};

use super::agent::{
    Agent, INSTANCE, accepted, container_instance, draining_set, failure, group, hook, instance,
    no_active_action, view,
};

/// One row: a name, an agent in its phase, what happens, and what must come of it.
struct Row {
    name: &'static str,
    agent: fn() -> Agent,
    happens: fn(&mut Agent),
    phase: &'static str,
    does: &'static [&'static str],
    says: &'static [&'static str],
}

/// Nothing arrives late here.
fn default() -> Settings {
    let mut settings = Settings::default();
    settings.ecs.placement_settle = Duration::ZERO;
    settings
}

fn with_stack() -> Settings {
    let mut settings = default();
    settings.cloudformation.resource = Some(StackResource {
        stack_name: "demo".to_owned(),
        logical_resource_id: "Group".to_owned(),
    });
    settings
}

fn on_timeout(result: ResultOnTimeout) -> Settings {
    let mut settings = default();
    settings.drain.result_on_timeout = result;
    settings
}

fn starting() -> Agent {
    let mut agent = Agent::new(default(), None);
    agent.tick();
    agent
}

fn watching_unread() -> Agent {
    let mut agent = starting();
    agent.event(Event::Instance(Ok(instance())));
    agent.remembered();
    agent
}

fn remembering(reason: &str, ours: bool) -> Agent {
    let memory = Memory {
        instance_id: INSTANCE.to_owned(),
        container_instance: Some(container_instance()),
        was_in_service: true,
        drain: Some(RememberedDrain {
            reason: reason.to_owned(),
            started_at: Moment::from_millis(-60_000),
            ours,
        }),
        join: None,
        by_hand: None,
    };
    let mut agent = Agent::new(default(), Some(memory));
    agent.tick();
    agent.event(Event::Instance(Ok(instance())));
    agent
}

fn in_service() -> Agent {
    Agent::in_service(default())
}
fn draining() -> Agent {
    Agent::draining(default(), Terminated)
}
fn draining_to_pool() -> Agent {
    Agent::draining(default(), WarmedStopped)
}
fn completing() -> Agent {
    Agent::drained(default(), Terminated)
}
fn completing_with_stack() -> Agent {
    Agent::drained(with_stack(), Terminated)
}
fn done() -> Agent {
    let mut agent = completing();
    agent.answer(Answer::Completed(Ok(accepted())));
    agent
}
fn done_to_pool() -> Agent {
    let mut agent = Agent::drained(default(), WarmedStopped);
    agent.answer(Answer::Completed(Ok(accepted())));
    agent
}
fn returning() -> Agent {
    let mut agent = done_to_pool();
    agent.target(Some(InService));
    agent.remembered();
    agent
}
fn spot_done() -> Agent {
    let mut agent = in_service();
    agent.spot(Some(InService), Duration::from_secs(120));
    agent.answer(Answer::ContainerInstance(Ok(view(
        ContainerInstanceStatus::Active,
        0,
    ))));
    agent.remembered();
    agent.answer(Answer::DrainingSet(Ok(draining_set(0))));
    agent.run_dry();
    agent
}

fn expire(agent: &mut Agent) {
    agent.pass(Duration::from_mins(15));
}

const ROWS: &[Row] = &[
    // Starting
    Row {
        name: "the machine is known",
        agent: starting,
        happens: |a| a.event(Event::Instance(Ok(instance()))),
        phase: "Watching",
        does: &["ReadMetadata"],
        says: &["Watching"],
    },
    Row {
        name: "metadata is away at the start",
        agent: starting,
        happens: |a| a.event(Event::Instance(Err(failure(FailureKind::Timeout)))),
        phase: "Starting",
        does: &[],
        says: &["Failing"],
    },
    Row {
        name: "asked to stop before anything is known",
        agent: starting,
        happens: |a| {
            a.event(Event::StopRequested {
                signal: "SIGTERM",
                shutdown: false,
            })
        },
        phase: "Starting",
        does: &["Exit"],
        says: &["Stopping"],
    },
    // Watching
    Row {
        name: "in service",
        agent: watching_unread,
        happens: |a| a.target(Some(InService)),
        phase: "Watching",
        does: &["Remember"],
        says: &["TargetLifecycleState"],
    },
    Row {
        name: "not set",
        agent: watching_unread,
        happens: |a| a.target(None),
        phase: "Watching",
        does: &[],
        says: &[],
    },
    Row {
        name: "terminated",
        agent: in_service,
        happens: |a| a.target(Some(Terminated)),
        phase: "Draining",
        does: &["Remember", "FindGroup", "ReadTasks"],
        says: &["DrainStarted"],
    },
    Row {
        name: "terminated at the first look",
        agent: watching_unread,
        happens: |a| a.target(Some(Terminated)),
        phase: "Draining",
        does: &["FindGroup", "ReadTasks"],
        says: &["DrainStarted", "AwaitingContainerInstance"],
    },
    Row {
        name: "to the pool, stopped",
        agent: in_service,
        happens: |a| a.target(Some(WarmedStopped)),
        phase: "Draining",
        does: &["DescribeContainerInstance"],
        says: &["DrainStarted"],
    },
    Row {
        name: "to the pool, running",
        agent: in_service,
        happens: |a| a.target(Some(WarmedRunning)),
        phase: "Draining",
        does: &["DescribeContainerInstance"],
        says: &["DrainStarted"],
    },
    Row {
        name: "to the pool, hibernated",
        agent: in_service,
        happens: |a| a.target(Some(WarmedHibernated)),
        phase: "Draining",
        does: &["DescribeContainerInstance"],
        says: &["DrainStarted"],
    },
    Row {
        name: "launched into the pool",
        agent: watching_unread,
        happens: |a| a.target(Some(WarmedStopped)),
        phase: "Watching",
        does: &[],
        says: &["NeverInService"],
    },
    Row {
        name: "terminated from the pool, after service",
        agent: in_service,
        happens: |a| a.target(Some(WarmedTerminated)),
        phase: "Draining",
        does: &["FindGroup"],
        says: &["DrainStarted"],
    },
    Row {
        name: "terminated from the pool, never registered",
        agent: watching_unread,
        happens: |a| a.target(Some(WarmedTerminated)),
        phase: "Completing",
        does: &["FindGroup"],
        says: &["DrainOver"],
    },
    Row {
        name: "on standby",
        agent: in_service,
        happens: |a| a.target(Some(Standby)),
        phase: "Watching",
        does: &[],
        says: &["TargetLifecycleState"],
    },
    Row {
        name: "detached",
        agent: in_service,
        happens: |a| a.target(Some(Detached)),
        phase: "Watching",
        does: &[],
        says: &["TargetLifecycleState"],
    },
    Row {
        name: "a state of the future",
        agent: in_service,
        happens: |a| a.target(Some(Unknown("Sleeping".to_owned()))),
        phase: "Watching",
        does: &[],
        says: &["UnknownTarget"],
    },
    Row {
        name: "a Spot interruption",
        agent: in_service,
        happens: |a| a.spot(Some(InService), Duration::from_secs(120)),
        phase: "Draining",
        does: &["DescribeContainerInstance"],
        says: &["DrainStarted"],
    },
    Row {
        name: "remembers a drain that goes on",
        agent: || remembering("Terminated", false),
        happens: |a| a.target(Some(Terminated)),
        phase: "Draining",
        does: &["SetDraining", "FindGroup"],
        says: &["DrainStarted"],
    },
    Row {
        name: "remembers a drain of ours that was called off",
        agent: || remembering("Warmed:Stopped", true),
        happens: |a| a.target(Some(InService)),
        phase: "Returning",
        does: &["SetActive"],
        says: &[],
    },
    Row {
        name: "remembers a drain of another's that was called off",
        agent: || remembering("Warmed:Stopped", false),
        happens: |a| a.target(Some(InService)),
        phase: "Watching",
        does: &["Remember"],
        says: &["LeftDraining"],
    },
    Row {
        name: "asked to stop while watching",
        agent: in_service,
        happens: |a| {
            a.event(Event::StopRequested {
                signal: "SIGINT",
                shutdown: false,
            })
        },
        phase: "Watching",
        does: &["Exit"],
        says: &["Stopping"],
    },
    // Draining
    Row {
        name: "still terminated",
        agent: draining,
        happens: |a| a.target(Some(Terminated)),
        phase: "Draining",
        does: &[],
        says: &[],
    },
    Row {
        name: "the tasks are gone, and all agree",
        agent: draining,
        happens: Agent::run_dry,
        phase: "Completing",
        does: &["Complete"],
        says: &["DrainOver"],
    },
    Row {
        name: "the deadline, CONTINUE",
        agent: draining,
        happens: expire,
        phase: "Completing",
        does: &["Complete"],
        says: &["DrainOver"],
    },
    Row {
        name: "the deadline, NONE",
        agent: || Agent::draining(on_timeout(ResultOnTimeout::None), Terminated),
        happens: expire,
        phase: "Done",
        does: &[],
        says: &["DrainOver", "NothingToComplete"],
    },
    Row {
        name: "the deadline, ABANDON",
        agent: || Agent::draining(on_timeout(ResultOnTimeout::Abandon), Terminated),
        happens: expire,
        phase: "Completing",
        does: &["Complete"],
        says: &["DrainOver"],
    },
    Row {
        name: "called off, ours",
        agent: draining_to_pool,
        happens: |a| a.target(Some(InService)),
        phase: "Returning",
        does: &["SetActive"],
        says: &["CalledOff"],
    },
    Row {
        name: "called off, not known to be ours",
        agent: draining,
        happens: |a| a.target(Some(InService)),
        phase: "Watching",
        does: &["Remember"],
        says: &["CalledOff", "LeftDraining"],
    },
    Row {
        name: "to the pool, then terminated",
        agent: draining_to_pool,
        happens: |a| a.target(Some(Terminated)),
        phase: "Draining",
        does: &["Remember", "FindGroup"],
        says: &["DrainChanged"],
    },
    Row {
        name: "metadata goes silent in mid-drain",
        agent: draining,
        happens: |a| a.target(None),
        phase: "Draining",
        does: &[],
        says: &["TargetLifecycleState"],
    },
    Row {
        name: "a Spot notice in mid-drain",
        agent: draining,
        happens: |a| a.spot(Some(Terminated), Duration::from_secs(120)),
        phase: "Draining",
        does: &[],
        says: &["DrainChanged"],
    },
    Row {
        name: "asked to stop in mid-drain",
        agent: draining,
        happens: |a| {
            a.event(Event::StopRequested {
                signal: "SIGTERM",
                shutdown: false,
            })
        },
        phase: "Draining",
        does: &["Exit"],
        says: &["Stopping"],
    },
    // Completing
    Row {
        name: "completed",
        agent: completing,
        happens: |a| a.answer(Answer::Completed(Ok(accepted()))),
        phase: "Done",
        does: &[],
        says: &["Completed"],
    },
    Row {
        name: "completion throttled",
        agent: completing,
        happens: |a| a.answer(Answer::Completed(Err(failure(FailureKind::Throttled)))),
        phase: "Completing",
        does: &[],
        says: &["CallFailed"],
    },
    Row {
        name: "completion refused, so look",
        agent: completing,
        happens: |a| a.answer(Answer::Completed(Err(no_active_action()))),
        phase: "Completing",
        does: &["FindGroup"],
        says: &[],
    },
    Row {
        name: "asked to stop while completing",
        agent: completing,
        happens: |a| {
            a.event(Event::StopRequested {
                signal: "SIGTERM",
                shutdown: false,
            })
        },
        phase: "Completing",
        does: &["Exit"],
        says: &["Stopping"],
    },
    Row {
        name: "called off while completing",
        agent: || Agent::drained(default(), WarmedStopped),
        happens: |a| a.target(Some(InService)),
        phase: "Returning",
        does: &["SetActive"],
        says: &["CalledOff"],
    },
    Row {
        name: "signalled, then the action is completed",
        agent: completing_with_stack,
        happens: |a| a.answer(Answer::Signalled(Ok(accepted()))),
        phase: "Completing",
        does: &["Complete"],
        says: &["Signalled"],
    },
    Row {
        name: "no signal awaited, then the action is completed",
        agent: completing_with_stack,
        happens: |a| {
            a.answer(Answer::Signalled(Err(ecs_lifecycle_decide::Failure::new(
                FailureKind::Refused,
                "ValidationError: resource cannot be signaled",
            ))))
        },
        phase: "Completing",
        does: &["Complete"],
        says: &["SignalNotAwaited"],
    },
    Row {
        name: "the signal fails, and yet the action is completed",
        agent: completing_with_stack,
        happens: |a| a.answer(Answer::Signalled(Err(failure(FailureKind::Server)))),
        phase: "Completing",
        does: &["Complete"],
        says: &["CallFailed"],
    },
    Row {
        name: "the signal hangs, and yet the action is completed",
        agent: completing_with_stack,
        happens: |a| a.pass(Duration::from_secs(1)),
        phase: "Completing",
        does: &["Complete"],
        says: &[],
    },
    // Done
    Row {
        name: "still terminated when done",
        agent: done,
        happens: |a| a.target(Some(Terminated)),
        phase: "Done",
        does: &[],
        says: &[],
    },
    Row {
        name: "a Spot notice when done",
        agent: done,
        happens: |a| a.spot(Some(Terminated), Duration::from_secs(120)),
        phase: "Done",
        does: &[],
        says: &[],
    },
    Row {
        name: "back from the pool",
        agent: done_to_pool,
        happens: |a| a.target(Some(InService)),
        phase: "Returning",
        does: &["SetActive"],
        says: &["CalledOff"],
    },
    Row {
        name: "terminated from the pool when done",
        agent: done_to_pool,
        happens: |a| a.target(Some(WarmedTerminated)),
        phase: "Draining",
        does: &["FindGroup"],
        says: &["DrainStarted"],
    },
    Row {
        name: "a Spot drain has nothing to complete",
        agent: in_service,
        happens: |a| *a = spot_done(),
        phase: "Done",
        does: &[],
        says: &["NothingToComplete"],
    },
    Row {
        name: "terminated after a Spot drain",
        agent: spot_done,
        happens: |a| a.target(Some(Terminated)),
        phase: "Draining",
        does: &["FindGroup"],
        says: &["DrainStarted"],
    },
    Row {
        name: "asked to stop when done",
        agent: done,
        happens: |a| {
            a.event(Event::StopRequested {
                signal: "SIGTERM",
                shutdown: false,
            })
        },
        phase: "Done",
        does: &["Exit"],
        says: &["Stopping"],
    },
    // Returning
    Row {
        name: "ACTIVE again",
        agent: returning,
        happens: |a| a.event(Event::ActiveSet(Ok(draining_set(0)))),
        // Out of the pool is a launch, whose hook wants to be completed.
        phase: "Joining",
        does: &["Remember"],
        says: &["ReturnedToService", "JoinStarted"],
    },
    Row {
        name: "ACTIVE fails",
        agent: returning,
        happens: |a| a.event(Event::ActiveSet(Err(failure(FailureKind::Throttled)))),
        phase: "Returning",
        does: &[],
        says: &["CallFailed"],
    },
    Row {
        name: "terminated on the way back",
        agent: returning,
        happens: |a| a.target(Some(Terminated)),
        phase: "Draining",
        does: &["FindGroup"],
        says: &["DrainStarted"],
    },
];

#[test]
fn every_transition_leads_where_the_table_says() {
    for row in ROWS {
        let mut agent = (row.agent)();
        agent.clear();
        (row.happens)(&mut agent);
        let context = format!(
            "{}: did {:?}, said {:?}",
            row.name, agent.actions, agent.notes
        );
        assert_eq!(agent.phase(), row.phase, "{context}");
        for action in row.does {
            assert!(agent.did(action), "{action} is missing: {context}");
        }
        for note in row.says {
            assert!(agent.said(note), "{note} is missing: {context}");
        }
        let completes = row.does.contains(&"Complete");
        assert_eq!(agent.did("Complete"), completes, "{context}");
    }
}

#[test]
fn every_phase_stands_in_the_table() {
    let phases = [
        "Starting",
        "Watching",
        "Draining",
        "Completing",
        "Done",
        "Returning",
    ];
    for phase in phases {
        assert!(
            ROWS.iter().any(|row| (row.agent)().phase() == phase),
            "nothing starts in {phase}"
        );
        assert!(
            ROWS.iter().any(|row| row.phase == phase),
            "nothing leads to {phase}"
        );
    }
}

/// Whatever is read again must start nothing, complete nothing, say nothing.
#[test]
fn a_repeated_observation_changes_nothing() {
    let agents: [fn() -> Agent; 7] = [
        in_service,
        draining,
        draining_to_pool,
        completing,
        done,
        done_to_pool,
        returning,
    ];
    for (index, make) in agents.into_iter().enumerate() {
        let mut agent = make();
        let target = agent.state.target.clone();
        agent.target(target.clone());
        let before = agent.state.clone();
        for _ in 0..3 {
            agent.clear();
            agent.target(target.clone());
            let others: Vec<_> = agent
                .actions
                .iter()
                .filter(|a| super::agent::name(a) != "ReadMetadata")
                .collect();
            assert!(others.is_empty(), "agent {index} does {others:?}");
            assert!(
                agent.notes.is_empty(),
                "agent {index} says {:?}",
                agent.notes
            );
            assert_eq!(before.phase, agent.state.phase, "agent {index}");
        }
    }
}

#[test]
fn after_a_restart_the_deadline_is_the_one_it_had() {
    let mut agent = remembering("Terminated", false);
    agent.target(Some(Terminated));
    // It began a minute before this process: fourteen of the fifteen minutes are left.
    agent.pass(Duration::from_mins(14) - Duration::from_millis(1));
    assert_eq!(agent.phase(), "Draining");
    agent.pass(Duration::from_millis(1));
    assert_eq!(agent.phase(), "Completing");
}

#[test]
fn what_was_remembered_of_another_drain_is_not_taken_up() {
    let mut agent = remembering("Warmed:Stopped", false);
    agent.target(Some(Terminated));
    agent.pass(Duration::from_mins(15) - Duration::from_millis(1));
    assert_eq!(agent.phase(), "Draining");
}

#[test]
fn a_memory_of_another_machine_is_none() {
    let mut agent = remembering("Terminated", true);
    agent.state = Agent::new(
        default(),
        Some(Memory {
            instance_id: "i-other".to_owned(),
            was_in_service: true,
            ..Memory::default()
        }),
    )
    .state;
    agent.tick();
    agent.event(Event::Instance(Ok(instance())));
    agent.target(Some(WarmedStopped));
    assert_eq!(
        agent.phase(),
        "Watching",
        "baked into an image, it would drain a fresh machine"
    );
}

#[test]
fn a_drain_is_not_signalled_where_only_joins_are() {
    let mut settings = with_stack();
    settings.cloudformation.signal_drained = false;
    let agent = Agent::drained(settings, Terminated);
    assert!(agent.did("Complete") && !agent.did("Signal"));
}

#[test]
fn the_signal_on_timeout_is_the_configured_one() {
    let cases = [
        (SignalOnTimeout::None, None),
        (SignalOnTimeout::Failure, Some("Failure")),
        (SignalOnTimeout::Success, Some("Success")),
    ];
    for (configured, expected) in cases {
        let mut settings = with_stack();
        settings.cloudformation.signal_on_timeout = configured;
        let mut agent = Agent::draining(settings, Terminated);
        expire(&mut agent);
        let signal = agent
            .actions
            .iter()
            .find(|action| super::agent::name(action) == "Signal");
        let text = signal.map(|signal| format!("{signal:?}"));
        match expected {
            None => assert_eq!(text, None),
            Some(status) => assert!(
                text.is_some_and(|text| text.contains(status)),
                "{configured}"
            ),
        }
    }
}

#[test]
fn a_refused_completion_is_resolved_by_looking() {
    let gone = None;
    let cases = [
        (Some("Terminating"), false, "Completing"),
        (Some("Terminating:Wait"), false, "Completing"),
        // Lost, but the wait may have begun after that: time will tell (below).
        (Some("Terminating:Wait"), true, "Completing"),
        (Some("Terminating:Proceed"), false, "Done"),
        (Some("Terminating:Retained"), false, "Done"),
        (Some("Terminated"), false, "Done"),
        (Some("InService"), false, "Completing"),
        (Some("Warmed:Terminating:Wait"), false, "Completing"),
        (Some("Warmed:Stopped"), false, "Done"),
        (gone, false, "Done"),
    ];
    for (state, answer_was_lost, phase) in cases {
        let mut agent = completing();
        if answer_was_lost {
            agent.answer(Answer::Completed(Err(failure(FailureKind::Timeout))));
            agent.pass(Duration::from_secs(10));
            assert!(agent.did("Complete"));
        }
        agent.clear();
        agent.answer(Answer::Completed(Err(no_active_action())));
        assert!(
            agent.did("FindGroup") && !agent.did("Complete"),
            "{state:?}"
        );
        agent.answer(Answer::Group(Ok(state.map(group))));
        assert_eq!(
            agent.phase(),
            phase,
            "{state:?}, answer lost: {answer_was_lost}"
        );
        if phase == "Completing" {
            agent.pass(Duration::from_secs(2));
            assert!(
                agent.did("Complete"),
                "{state:?}: tried again within two seconds"
            );
        }
    }
}

/// Refuses every completion for `seconds`, with the instance in `state`; returns the phase after that.
fn refused_for(agent: &mut Agent, seconds: u64, state: &str) -> &'static str {
    let until = agent.now + Duration::from_secs(seconds);
    while agent.now < until && agent.phase() == "Completing" {
        agent.pass(Duration::from_millis(500));
        if agent.did("Complete") {
            agent.clear();
            agent.answer(Answer::Completed(Err(no_active_action())));
            if agent.did("FindGroup") {
                agent.answer(Answer::Group(Ok(Some(group(state)))));
            }
        }
    }
    agent.phase()
}

/// The answer to a completion was lost. It may have been a refusal, as the wait had not begun: to take it
/// for accepted would leave the instance to the hook's timeout.
#[test]
fn a_lost_answer_is_taken_for_accepted_only_once_the_wait_has_gone_on_for_a_while() {
    let lost = |agent: &mut Agent| {
        agent.answer(Answer::Completed(Err(failure(FailureKind::Timeout))));
    };
    let mut agent = completing();
    lost(&mut agent);
    assert_eq!(
        refused_for(&mut agent, 14, "Terminating:Wait"),
        "Completing"
    );
    assert_eq!(refused_for(&mut agent, 20, "Terminating:Wait"), "Done");
    // Still on its way to the wait after the loss: nothing can have been accepted.
    let mut agent = completing();
    lost(&mut agent);
    assert_eq!(refused_for(&mut agent, 10, "Terminating"), "Completing");
    assert_eq!(
        refused_for(&mut agent, 60, "Terminating:Wait"),
        "Completing"
    );
}

#[test]
fn the_hook_is_ours_or_nobodys() {
    let named = |name: &str| {
        let mut settings = default();
        settings.autoscaling.lifecycle_hook_name = Some(name.to_owned());
        settings
    };
    let managed = "ecs-managed-draining-termination-hook";
    let cases: [(Settings, Vec<&str>, &str); 8] = [
        (default(), vec!["ours"], "HookFound"),
        (default(), vec![], "NoHook"),
        (default(), vec![managed], "NoHook"),
        (default(), vec![managed, "ours"], "HookFound"),
        (default(), vec!["ours", "theirs"], "NoHook"),
        (named("ours"), vec!["ours", "theirs"], "HookFound"),
        (named("ours"), vec!["theirs"], "NoHook"),
        (named("ours"), vec![], "NoHook"),
    ];
    for (settings, hooks, note) in cases {
        let mut agent = Agent::in_service(settings);
        agent.target(Some(Terminated));
        agent.answer(Answer::Group(Ok(Some(group("Terminating")))));
        agent.answer(Answer::Hooks(Ok(hooks
            .iter()
            .map(|name| hook(name))
            .collect())));
        assert!(agent.said(note), "{hooks:?}: {:?}", agent.notes);
        // The drain goes on all the same, and completes what is ours only.
        assert_eq!(agent.phase(), "Draining");
        agent.remembered();
        assert!(agent.did("SetDraining") || agent.state.memory().drain.is_some());
        agent.answer(Answer::DrainingSet(Ok(draining_set(0))));
        agent.run_dry();
        let expected = if note == "HookFound" {
            "Completing"
        } else {
            "Done"
        };
        assert_eq!(agent.phase(), expected, "{hooks:?}");
    }
}

#[test]
fn every_target_state_is_parsed_and_printed_alike() {
    for text in [
        "InService",
        "Terminated",
        "Detached",
        "Standby",
        "Warmed:Hibernated",
        "Warmed:Running",
        "Warmed:Stopped",
        "Warmed:Terminated",
        "Something:Else",
    ] {
        assert_eq!(TargetLifecycleState::parse(text).as_str(), text);
    }
}
