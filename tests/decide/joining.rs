//! A new instance: from its first breath to the signal, and everything that must not be signalled.

use std::time::Duration;

use ecs_lifecycle_config::{Settings, StackResource};
use ecs_lifecycle_decide::TargetLifecycleState::{
    Detached, InService, Standby, Terminated, WarmedRunning, WarmedStopped,
};
use ecs_lifecycle_decide::{
    Action, Answer, CommandEvent, CommandsReport, ContainerInstanceStatus, ContainerInstanceView,
    Event, FailureKind, Instance, JoinTarget, LifecycleActionResult, LifecycleTransition, Memory,
    Moment, RememberedJoin, SignalStatus, TargetLifecycleState,
};

use super::agent::{
    Agent, INSTANCE, accepted, container_instance, failure, group, hook, instance,
    no_active_action, view,
};

#[allow(clippy::unwrap_used, reason = "a test")]
fn new_instance(age: Duration) -> Instance {
    Instance {
        launched_at: Some(Moment::from_millis(
            -i64::try_from(age.as_millis()).unwrap(),
        )),
        ..instance()
    }
}

fn resource() -> StackResource {
    StackResource {
        stack_name: "demo".to_owned(),
        logical_resource_id: "Group".to_owned(),
    }
}

/// One whose first word of metadata is `target`.
fn started(policy: Settings, recalled: Option<Memory>, target: TargetLifecycleState) -> Agent {
    let mut agent = Agent::new(policy, recalled);
    agent.tick();
    let age = Duration::from_secs(90);
    agent.event(Event::Instance(Ok(new_instance(age))));
    agent.target(Some(target));
    agent.remembered();
    agent
}

/// One that is new, with a launching hook and a stack of its own by its tags.
fn joining() -> Agent {
    let mut agent = started(Settings::default(), None, InService);
    assert_eq!(agent.phase(), "Joining");
    agent.answer(Answer::Stack(Ok(Some(resource()))));
    agent.answer(Answer::Group(Ok(Some(group("Pending:Wait")))));
    agent.answer(Answer::Hooks(Ok(vec![hook("launch-hook")])));
    agent
}

fn registered() -> Agent {
    let mut agent = joining();
    agent.event(Event::ContainerInstance(Ok(Some(container_instance()))));
    agent
}

fn active() -> Answer {
    Answer::ContainerInstance(Ok(view(ContainerInstanceStatus::Active, 0)))
}

fn results(agent: &Agent) -> Vec<LifecycleActionResult> {
    agent
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Complete { result, .. } => Some(*result),
            _ => None,
        })
        .collect()
}

fn signals(agent: &Agent) -> Vec<SignalStatus> {
    agent
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::SignalJoin { status, .. } => Some(*status),
            _ => None,
        })
        .collect()
}

#[test]
fn it_asks_for_the_launching_hooks() {
    let agent = joining();
    assert!(agent.actions.iter().any(|action| matches!(
        action,
        Action::DescribeLifecycleHooks {
            transition: LifecycleTransition::Launching,
            ..
        }
    )));
    assert!(!agent.did("DescribeContainerInstance"), "not known yet");
}

#[test]
fn joined_it_completes_and_only_then_signals() {
    let mut agent = registered();
    agent.clear();
    agent.answer(active());
    assert_eq!(results(&agent), [LifecycleActionResult::Continue]);
    assert_eq!(signals(&agent), [], "not before the group has it");
    agent.answer(Answer::Completed(Ok(accepted())));
    assert_eq!(signals(&agent), [SignalStatus::Success]);
    agent.event(Event::JoinSignalled(Ok(accepted())));
    assert_eq!(agent.phase(), "Watching");
    let join = agent.state.memory().join.unwrap();
    assert!(join.over && join.signalled);
    agent.clear();
    agent.pass(Duration::from_hours(2));
    assert_eq!((results(&agent), signals(&agent)), (vec![], vec![]));
}

#[test]
fn a_completion_that_hangs_holds_the_signal_for_half_a_minute_only() {
    let mut agent = registered();
    agent.answer(active());
    agent.pass(Duration::from_secs(29));
    assert_eq!(signals(&agent), []);
    agent.pass(Duration::from_secs(1));
    assert_eq!(signals(&agent), [SignalStatus::Success]);
    agent.event(Event::JoinSignalled(Ok(accepted())));
    assert_eq!(agent.phase(), "Joining", "the completion has no answer yet");
    agent.answer(Answer::Completed(Ok(accepted())));
    assert_eq!(agent.phase(), "Watching");
    assert_eq!(signals(&agent).len(), 1);
}

#[test]
fn only_an_active_one_with_a_connected_agent_has_joined() {
    let mut agent = registered();
    for (status, agent_connected) in [
        (ContainerInstanceStatus::Registering, true),
        (ContainerInstanceStatus::Active, false),
        (ContainerInstanceStatus::Draining, true),
    ] {
        agent.clear();
        agent.answer(Answer::ContainerInstance(Ok(ContainerInstanceView {
            status,
            running: 0,
            pending: 0,
            agent_connected,
        })));
        assert_eq!(results(&agent), []);
        agent.pass(Duration::from_secs(30));
        assert!(agent.did("DescribeContainerInstance"), "asked again");
    }
    agent.answer(active());
    assert_eq!(results(&agent), [LifecycleActionResult::Continue]);
}

#[test]
fn ecs_is_asked_ever_more_seldom() {
    let mut agent = registered();
    let mut asked = Vec::new();
    for second in 0..120 {
        if agent.did("DescribeContainerInstance") {
            asked.push(second);
            agent.answer(Answer::ContainerInstance(Ok(view(
                ContainerInstanceStatus::Registering,
                0,
            ))));
        }
        agent.pass(Duration::from_secs(1));
    }
    assert_eq!(asked, [0, 5, 15, 35, 65, 95]);
}

#[test]
fn one_that_never_joins_is_abandoned_at_the_deadline_not_before() {
    let mut agent = joining();
    agent.pass(Duration::from_secs(599));
    assert_eq!((results(&agent), signals(&agent)), (vec![], vec![]));
    agent.pass(Duration::from_secs(1));
    assert_eq!(results(&agent), [LifecycleActionResult::Abandon]);
    assert!(agent.said("JoinTimedOut"));
    agent.answer(Answer::Completed(Ok(accepted())));
    assert_eq!(signals(&agent), [SignalStatus::Failure]);
    agent.event(Event::JoinSignalled(Ok(accepted())));
    assert_eq!(agent.phase(), "Watching");
    agent.clear();
    agent.event(Event::ContainerInstance(Ok(Some(container_instance()))));
    agent.pass(Duration::from_secs(60));
    assert_eq!((results(&agent), signals(&agent)), (vec![], vec![]));
}

#[test]
fn the_launching_hook_is_kept_waiting_until_the_deadline() {
    let mut agent = joining();
    let mut beats = 0;
    for _ in 0..700 {
        if agent.did("Heartbeat") {
            beats += 1;
            agent.answer(Answer::Heartbeat(Ok(accepted())));
        }
        agent.pass(Duration::from_secs(1));
    }
    // Every 100 s of ten minutes, but not at their end.
    assert_eq!(beats, 5);
}

#[test]
fn executables_have_to_succeed_and_are_tried_again() {
    let mut agent = registered();
    agent.no_commands = false;
    agent.answer(active());
    assert!(agent.did("RunCommands"));
    assert_eq!(results(&agent), []);
    let failed = CommandsReport {
        ran: 1,
        failed: vec![failure(FailureKind::Refused)],
    };
    agent.answer(Answer::Commands {
        event: CommandEvent::Ready,
        result: Ok(failed),
    });
    assert!(agent.said("CommandFailed"));
    agent.pass(Duration::from_secs(5));
    assert!(agent.did("RunCommands"), "tried again");
    agent.answer(Answer::Commands {
        event: CommandEvent::Ready,
        result: Ok(CommandsReport {
            ran: 1,
            failed: Vec::new(),
        }),
    });
    assert_eq!(results(&agent), [LifecycleActionResult::Continue]);
}

#[test]
fn too_early_is_tried_again_and_too_late_is_over() {
    let mut agent = registered();
    agent.answer(active());
    agent.answer(Answer::Completed(Err(no_active_action())));
    assert!(agent.did("FindGroup"), "early or late?");
    agent.answer(Answer::Group(Ok(Some(group("Pending")))));
    agent.pass(Duration::from_secs(2));
    assert_eq!(results(&agent), [LifecycleActionResult::Continue]);
    for _ in 0..5 {
        agent.answer(Answer::Completed(Err(no_active_action())));
        agent.pass(Duration::from_secs(2));
    }
    agent.answer(Answer::Group(Ok(Some(group("InService")))));
    assert!(agent.said("AlreadyCompleted"), "{:?}", agent.notes);
    assert_eq!(signals(&agent), [SignalStatus::Success]);
}

#[test]
fn without_hook_or_stack_there_is_nothing_to_tell() {
    let mut agent = started(Settings::default(), None, InService);
    agent.answer(Answer::Stack(Ok(None)));
    agent.answer(Answer::Group(Ok(None)));
    agent.event(Event::ContainerInstance(Ok(Some(container_instance()))));
    agent.answer(active());
    assert_eq!(agent.phase(), "Watching");
    assert_eq!((results(&agent), signals(&agent)), (vec![], vec![]));
}

#[test]
fn an_old_instance_of_which_nothing_is_known_joins_nothing() {
    for launched_at in [None, new_instance(Duration::from_secs(3601)).launched_at] {
        let mut agent = Agent::new(Settings::default(), None);
        agent.tick();
        agent.event(Event::Instance(Ok(Instance {
            launched_at,
            ..instance()
        })));
        agent.target(Some(InService));
        assert_eq!(agent.phase(), "Watching");
    }
}

#[test]
fn nor_does_one_that_is_to_leave_or_is_told_not_to() {
    for target in [Detached, Standby] {
        let agent = started(Settings::default(), None, target);
        assert_eq!(agent.phase(), "Watching");
    }
    assert_eq!(
        started(Settings::default(), None, Terminated).phase(),
        "Draining"
    );
    let mut off = Settings::default();
    off.ready.enabled = false;
    assert_eq!(started(off, None, InService).phase(), "Watching");
}

fn remembered(started_at: i64, over: bool) -> Memory {
    Memory {
        instance_id: INSTANCE.to_owned(),
        was_in_service: true,
        join: Some(RememberedJoin {
            into: JoinTarget::Service,
            started_at: Moment::from_millis(started_at),
            over,
            signalled: over,
        }),
        ..Memory::default()
    }
}

#[test]
fn once_joined_a_restart_signals_nothing() {
    let agent = started(
        Settings::default(),
        Some(remembered(-60_000, true)),
        InService,
    );
    assert_eq!(agent.phase(), "Watching");
}

#[test]
fn a_restart_in_the_middle_keeps_the_deadline_and_beats_at_once() {
    let mut agent = started(
        Settings::default(),
        Some(remembered(-500_000, false)),
        InService,
    );
    assert_eq!(agent.phase(), "Joining");
    agent.answer(Answer::Stack(Ok(Some(resource()))));
    agent.answer(Answer::Group(Ok(Some(group("Pending:Wait")))));
    agent.answer(Answer::Hooks(Ok(vec![hook("launch-hook")])));
    assert!(agent.did("Heartbeat"), "nobody knows how old the last is");
    agent.pass(Duration::from_secs(99));
    assert_eq!(results(&agent), []);
    agent.pass(Duration::from_secs(1));
    assert_eq!(results(&agent), [LifecycleActionResult::Abandon]);
}

#[test]
fn a_termination_drops_the_join() {
    let mut agent = registered();
    let late = agent.state.epoch;
    agent.target(Some(Terminated));
    assert_eq!(agent.phase(), "Draining");
    agent.clear();
    agent.event(Event::Work {
        epoch: late,
        answer: active(),
    });
    assert_eq!((results(&agent), signals(&agent)), (vec![], vec![]));
}

#[test]
fn a_drain_by_hand_waits_for_the_end_of_the_join() {
    let mut agent = registered();
    agent.event(Event::DrainByHand { timeout: None });
    assert_eq!(agent.phase(), "Joining");
    agent.answer(active());
    agent.answer(Answer::Completed(Ok(accepted())));
    agent.event(Event::JoinSignalled(Ok(accepted())));
    assert_eq!(agent.phase(), "Draining");
}

/// Into the pool: nothing to join, but a hook to complete. Out of it: a join, and the one signal.
#[test]
fn through_the_warm_pool_it_signals_once() {
    let mut agent = started(Settings::default(), None, WarmedStopped);
    assert_eq!(agent.phase(), "Joining");
    assert!(!agent.did("FindStack"));
    agent.answer(Answer::Group(Ok(Some(group("Warmed:Pending:Wait")))));
    agent.answer(Answer::Hooks(Ok(vec![hook("launch-hook")])));
    assert_eq!(results(&agent), [LifecycleActionResult::Continue]);
    agent.answer(Answer::Completed(Ok(accepted())));
    assert_eq!(agent.phase(), "Watching");

    // The first way into service.
    agent.clear();
    agent.target(Some(InService));
    assert_eq!(agent.phase(), "Joining");
    join_whole(&mut agent);
    assert_eq!(signals(&agent), [SignalStatus::Success]);

    // Back to the pool, which drains, and out again: its hook is completed, nothing is signalled.
    agent.clear();
    agent.target(Some(WarmedRunning));
    assert_eq!(agent.phase(), "Draining");
    agent.target(Some(InService));
    assert_eq!(agent.phase(), "Joining", "not drained by us yet");
    join_whole(&mut agent);
    assert_eq!(results(&agent), [LifecycleActionResult::Continue]);
    assert_eq!(signals(&agent), []);
    assert_eq!(agent.phase(), "Watching");
}

fn join_whole(agent: &mut Agent) {
    agent.remembered();
    agent.answer(Answer::Stack(Ok(Some(resource()))));
    agent.answer(Answer::Group(Ok(Some(group("Pending:Wait")))));
    agent.answer(Answer::Hooks(Ok(vec![hook("launch-hook")])));
    agent.event(Event::ContainerInstance(Ok(Some(container_instance()))));
    agent.answer(active());
    agent.answer(Answer::Completed(Ok(accepted())));
    agent.event(Event::JoinSignalled(Ok(accepted())));
}

#[test]
fn a_stack_that_cannot_be_read_does_not_keep_it_out_of_service() {
    let mut agent = started(Settings::default(), None, InService);
    agent.answer(Answer::Group(Ok(Some(group("Pending:Wait")))));
    agent.answer(Answer::Hooks(Ok(vec![hook("launch-hook")])));
    agent.event(Event::ContainerInstance(Ok(Some(container_instance()))));
    agent.answer(active());
    assert_eq!(results(&agent), [], "the stack may wait for it");
    agent.pass(Duration::from_secs(700));
    agent.answer(Answer::Stack(Err(failure(FailureKind::Timeout))));
    assert_eq!(results(&agent), [LifecycleActionResult::Continue]);
}

/// Metadata shows no target state at first.
#[test]
fn the_target_state_comes_late() {
    let mut agent = Agent::new(Settings::default(), None);
    agent.tick();
    agent.event(Event::Instance(Ok(new_instance(Duration::from_secs(5)))));
    agent.target(None);
    assert_eq!(agent.phase(), "Joining");
    agent.clear();
    agent.target(Some(WarmedStopped));
    agent.answer(Answer::Group(Ok(Some(group("Warmed:Pending:Wait")))));
    agent.answer(Answer::Hooks(Ok(vec![hook("launch-hook")])));
    assert_eq!(results(&agent), [LifecycleActionResult::Continue]);
    assert_eq!(signals(&agent), []);
    agent.answer(Answer::Completed(Ok(accepted())));
    agent.clear();
    agent.target(Some(InService));
    join_whole(&mut agent);
    assert_eq!(signals(&agent), [SignalStatus::Success]);
}

#[test]
fn a_join_ends_where_the_instance_is_taken_out_of_the_group() {
    let mut agent = registered();
    agent.target(Some(Detached));
    assert_eq!(agent.phase(), "Watching");
}

/// To abandon the launch is to be terminated: the stack hears of it all the same, however often it takes.
#[test]
fn the_failure_is_signalled_although_the_drain_has_begun() {
    let mut agent = joining();
    agent.pass(Duration::from_secs(600));
    agent.answer(Answer::Completed(Ok(accepted())));
    assert_eq!(signals(&agent), [SignalStatus::Failure]);
    agent.target(Some(Terminated));
    assert_eq!(agent.phase(), "Draining");
    for _ in 0..2 {
        agent.event(Event::JoinSignalled(Err(failure(FailureKind::Server))));
        agent.pass(Duration::from_secs(10));
        assert_eq!(signals(&agent), [SignalStatus::Failure]);
    }
    agent.event(Event::JoinSignalled(Ok(accepted())));
    assert!(agent.state.memory().join.unwrap().signalled);
    agent.pass(Duration::from_secs(60));
    assert_eq!(signals(&agent), []);
}

/// Killed between ABANDON and FAILURE: the next start finds a termination, and a join that came to nothing.
#[test]
fn the_failure_is_signalled_after_a_restart_too() {
    let mut policy = Settings::default();
    policy.cloudformation.resource = Some(resource());
    let mut agent = started(
        policy.clone(),
        Some(remembered(-600_000, false)),
        Terminated,
    );
    assert_eq!(agent.phase(), "Draining");
    assert_eq!(signals(&agent), [SignalStatus::Failure]);
    agent.event(Event::JoinSignalled(Ok(accepted())));
    agent.remembered();
    let memory = agent.state.memory().clone();
    let agent = started(policy.clone(), Some(memory), Terminated);
    assert_eq!(signals(&agent), [], "once");
    let agent = started(policy, Some(remembered(-599_000, false)), Terminated);
    assert_eq!(signals(&agent), [], "it had time left");
}

/// Scaled in while it joins: that is no failure, however long the drain takes.
#[test]
fn a_join_that_was_cut_short_never_counts_as_failed() {
    let mut policy = Settings::default();
    policy.cloudformation.resource = Some(resource());
    let mut agent = started(policy.clone(), None, InService);
    agent.target(Some(Terminated));
    agent.remembered();
    agent.pass(Duration::from_secs(700));
    let mut memory = agent.state.memory().clone();
    for remembered in memory.join.iter_mut() {
        remembered.started_at = Moment::from_millis(-700_000);
    }
    let again = started(policy, Some(memory), Terminated);
    assert_eq!((signals(&agent), signals(&again)), (vec![], vec![]));
}
