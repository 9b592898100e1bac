//! A drain: its order, its end, and what is said of it.

use std::collections::BTreeMap;
use std::time::Duration;

use ecs_lifecycle_config::{ResultOnTimeout, Settings, StackResource};
use ecs_lifecycle_decide::LifecycleActionResult::{Abandon, Continue};
use ecs_lifecycle_decide::TargetLifecycleState::{InService, Terminated, WarmedStopped};
use ecs_lifecycle_decide::{
    Action, ContainerInstance, ContainerInstanceStatus as Status, FailureKind, LifecycleState,
    LifecycleTransition, Memory, Note, Outcome,
};

use super::agent::{Agent, INSTANCE, SECOND, container_instance, hook, name, old, task};

fn outcome(agent: &Agent) -> Option<Outcome> {
    agent.state.drain.as_ref()?.outcome()
}

/// What a plain drain asks of AWS, in order: five calls, one of them as the ARN was not seen before.
#[test]
fn a_plain_drain_costs_five_calls() {
    let mut agent = Agent::draining(Settings::default(), Terminated);
    agent.stop_tasks();
    agent.run(20 * SECOND);
    let local = "ReadMetadata ReadContainerInstance ReadTasks Remember RunExecutables";
    let mut calls: Vec<String> = agent.actions.iter().map(name).collect();
    calls.retain(|call| !local.split(' ').any(|it| it == call));
    calls[..4].sort_unstable();
    assert_eq!(
        calls.join(" "),
        "DescribeContainerInstance DescribeLifecycleHooks FindGroup SetDraining \
         DescribeContainerInstance Complete"
    );
    assert_eq!(agent.phase(), "done");
    assert_eq!(outcome(&agent), Some(Outcome::Drained));
    for note in "DrainStarted Draining HookFound DrainOver Completed".split(' ') {
        assert_eq!(agent.said(note), 1, "{note}: {:?}", agent.notes);
    }
}

/// The deadline is written down before the deed; but a stuck disk does not hold up the drain.
#[test]
fn it_is_remembered_before_draining_is_asked_for() {
    let mut agent = Agent::in_service(Settings::default());
    agent.world.held.insert("Remember");
    agent.target(Some(Terminated));
    while agent.phase() != "draining" {
        agent.run(Duration::from_millis(1));
    }
    agent.run(Duration::from_millis(248));
    assert!(agent.did("Remember") && !agent.did("SetDraining"));
    // Once more for the machine that ECS has shown meanwhile, and whose the DRAINING is.
    agent.run(Duration::from_millis(252));
    assert!(agent.did("SetDraining"));
}

#[test]
fn at_the_deadline_the_configured_result_is_given() {
    for (result, expected) in [
        (ResultOnTimeout::Continue, vec![Continue]),
        (ResultOnTimeout::Abandon, vec![Abandon]),
        (ResultOnTimeout::None, vec![]),
    ] {
        let mut settings = Settings::default();
        settings.drain.timeout = Duration::from_mins(2);
        settings.drain.result_on_timeout = result;
        let mut agent = Agent::draining(settings, Terminated);
        agent.run(Duration::from_secs(110));
        assert_eq!(agent.phase(), "draining");
        agent.clear();
        agent.run(20 * SECOND);
        assert_eq!(agent.phase(), "done");
        assert_eq!(agent.results(), expected);
        assert_eq!(outcome(&agent), Some(Outcome::TimedOut));
        assert_eq!(agent.world.status, Status::Draining);
        let left = agent.notes.iter().find_map(|note| match note {
            Note::DrainOver { left, .. } => Some(left.len()),
            _ => None,
        });
        assert_eq!(left, Some(1), "what still runs is named");
        agent.clear();
        agent.run(Duration::from_mins(20));
        assert!(!agent.did("Heartbeat") && !agent.did("Complete"));
    }
}

/// Every quarter of the hook's 300 s, up to the deadline.
#[test]
fn heartbeats_come_every_quarter_whatever_they_are_answered() {
    for kind in [None, Some(FailureKind::NoActiveAction)] {
        let mut agent = Agent::draining(Settings::default(), Terminated);
        let failing = kind.map(|kind| ("Heartbeat", kind));
        agent.world.failing.extend(failing);
        agent.run(Duration::from_secs(600));
        assert_eq!(agent.count("Heartbeat"), 8, "{kind:?}");
    }
}

/// Once the hook has timed out, a failed one is no longer urgent.
#[test]
fn heartbeats_that_fail_are_tried_seldom_after_the_hooks_end() {
    let mut agent = Agent::draining(Settings::default(), Terminated);
    agent.world.failing.insert("Heartbeat", FailureKind::Server);
    agent.run(Duration::from_mins(11));
    agent.clear();
    agent.run(Duration::from_mins(1));
    let tries = agent.count("Heartbeat");
    assert!((5..=13).contains(&tries), "{tries}");
}

/// A fleet that is terminated at once does not send its heartbeats at once.
#[test]
fn the_first_heartbeat_is_spread_by_the_instance() {
    let mut seconds = BTreeMap::<_, u32>::new();
    for number in 0..50 {
        let mut agent = Agent::new(Settings::default(), None, old());
        let id = &*format!("i-{number:017x}").leak();
        (agent.world.instance_id, agent.world.ec2_instance_id) = (id.to_owned(), id.to_owned());
        agent.world.tasks = vec![task("a")];
        agent.run(3 * SECOND);
        agent.target(Some(Terminated));
        agent.run(3 * SECOND);
        let from = agent.now;
        while !agent.did("Heartbeat") {
            agent.run(SECOND);
        }
        let after = agent.now.since(from).as_secs() + 3;
        assert!((37..=76).contains(&after), "{after} s of 75");
        *seconds.entry(after).or_default() += 1;
    }
    let most = seconds.values().max();
    assert!(most.is_some_and(|most| *most < 8), "{seconds:?}");
}

/// Where the wait has not come, it is refused: asked where the instance is, and tried again, ever more seldom.
#[test]
fn a_completion_that_is_too_early_is_tried_again() {
    let mut agent = Agent::draining(Settings::default(), Terminated);
    agent.world.lifecycle = Some(LifecycleState::Terminating);
    agent.fails("Complete", FailureKind::NoActiveAction);
    agent.stop_tasks();
    agent.run(Duration::from_mins(10));
    assert_eq!(agent.phase(), "completing");
    let tries = agent.count("Complete");
    assert!((15..=40).contains(&tries), "{tries}");
    let looks = agent.count("FindGroup");
    assert!(looks < tries, "{looks} looks, {tries} tries");
    assert!(agent.said("CompleteEarly") > 0);
    agent.world.failing.clear();
    agent.run(Duration::from_secs(61));
    assert_eq!(agent.phase(), "done");
}

/// Refused twice during the wait itself, a while apart: somebody else has completed it.
#[test]
fn a_completion_of_somebody_elses_is_the_end_of_it() {
    let mut agent = Agent::draining(Settings::default(), Terminated);
    agent.fails("Complete", FailureKind::NoActiveAction);
    agent.stop_tasks();
    agent.run(10 * SECOND);
    assert_eq!(agent.phase(), "completing");
    agent.run(20 * SECOND);
    assert_eq!((agent.phase(), agent.said("AlreadyCompleted")), ("done", 1));
}

#[test]
fn what_an_earlier_process_has_completed_is_left_alone() {
    let mut agent = Agent::draining(Settings::default(), Terminated);
    agent.stop_tasks();
    agent.run(20 * SECOND);
    assert_eq!(agent.results(), [Continue]);
    agent.restart();
    agent.run(Duration::from_mins(5));
    assert!(!agent.did("Heartbeat") && !agent.did("Complete"));
}

#[test]
fn where_no_hook_is_clearly_ours_none_is_completed() {
    let leaving = |name| hook(name, LifecycleTransition::Terminating);
    let aws = "ecs-managed-draining-termination-hook";
    for (names, configured, completes) in [
        (vec![], None, false),
        (vec![aws], None, false),
        (vec![aws, "ours"], None, true),
        (vec!["one", "two"], None, false),
        (vec!["one", "two"], Some("two"), true),
        (vec!["one", "two"], Some("three"), false),
    ] {
        let mut settings = Settings::default();
        settings.autoscaling.lifecycle_hook_name = configured.map(str::to_owned);
        let mut agent = Agent::in_service(settings);
        agent.world.hooks = names.iter().copied().map(leaving).collect();
        agent.stop_tasks();
        agent.target(Some(Terminated));
        agent.run(20 * SECOND);
        assert_eq!(agent.phase(), "done");
        assert_eq!(agent.did("Complete"), completes, "{names:?} {configured:?}");
        assert_eq!(agent.said("NothingToComplete"), usize::from(!completes));
    }
}

/// A task that appears after the end revokes it, as long as nobody has been told.
#[test]
fn a_task_that_comes_after_the_end_is_waited_for() {
    let mut agent = Agent::draining(Settings::default(), Terminated);
    agent.world.lifecycle = Some(LifecycleState::Terminating);
    agent.fails("Complete", FailureKind::NoActiveAction);
    agent.stop_tasks();
    agent.run(20 * SECOND);
    assert_eq!(agent.phase(), "completing");
    agent.world.tasks.push(task("late"));
    agent.world.status = Status::Active;
    agent.run(5 * SECOND);
    assert_eq!(agent.phase(), "draining");
    assert_eq!(agent.said("DrainReopened"), 1);
    agent.run(10 * SECOND);
    assert_eq!(agent.world.status, Status::Draining);
    agent.world.failing.clear();
    agent.clear();
    agent.run(60 * SECOND);
    assert!(!agent.did("Complete"));
    agent.stop_tasks();
    agent.run(20 * SECOND);
    assert_eq!(agent.results(), [Continue]);
}

/// Only what this agent has drained is set to ACTIVE again.
#[test]
fn called_off_what_was_active_is_active_again_and_what_was_draining_is_not() {
    for (before, ours) in [(Status::Active, true), (Status::Draining, false)] {
        let mut agent = Agent::in_service(Settings::default());
        agent.world.status = before.clone();
        agent.target(Some(WarmedStopped));
        agent.run(5 * SECOND);
        assert_eq!(agent.world.status, Status::Draining);
        agent.target(Some(InService));
        agent.world.lifecycle = Some(LifecycleState::PendingWait);
        agent.run(10 * SECOND);
        assert_eq!(agent.world.status, before);
        assert_eq!(agent.said("CalledOff"), 1);
        assert_eq!(agent.said("ReturnedToService"), usize::from(ours));
        assert_eq!(agent.said("LeftDraining"), usize::from(!ours));
    }
}

/// Whatever answers on the ECS agent's port, another machine's container instance is left alone.
#[test]
fn a_container_instance_of_another_machine_is_left_alone() {
    let mut agent = Agent::in_service(Settings::default());
    agent.world.ec2_instance_id = "i-another".to_owned();
    agent.target(Some(Terminated));
    agent.run(30 * SECOND);
    assert!(!agent.did("SetDraining"));
    assert_eq!(agent.said("ForeignContainerInstance"), 1);
}

/// The same where an earlier process has known ours: that one is drained.
#[test]
fn what_was_known_before_still_holds() {
    let memory = Memory {
        instance_id: INSTANCE.to_owned(),
        container_instance: Some(container_instance()),
        verified: Some(container_instance().arn),
        was_in_service: true,
        ..Memory::default()
    };
    let mut agent = Agent::new(Settings::default(), Some(memory), old());
    agent.world.tasks = vec![task("a")];
    agent.fails("ReadContainerInstance", FailureKind::Unreachable);
    agent.target(Some(Terminated));
    agent.run(5 * SECOND);
    assert!(agent.did("SetDraining") && !agent.did("DescribeContainerInstance"));
}

#[test]
fn another_registration_is_drained_as_well() {
    let mut agent = Agent::draining(Settings::default(), Terminated);
    agent.clear();
    agent.world.identity = Some(ContainerInstance {
        arn: "arn:aws:ecs:eu-central-1:1:container-instance/demo/c2".to_owned(),
        ..container_instance()
    });
    agent.world.status = Status::Active;
    agent.run(5 * SECOND);
    assert_eq!(agent.count("SetDraining"), 1);
}

#[test]
fn a_missing_permission_is_said_once_and_asked_for_seldom() {
    let mut agent = Agent::in_service(Settings::default());
    agent.fails("SetDraining", FailureKind::Denied);
    agent.target(Some(Terminated));
    agent.run(Duration::from_mins(10));
    assert_eq!(agent.said("Denied"), 1);
    let tries = agent.count("SetDraining");
    assert!((10..=25).contains(&tries), "{tries}");
    agent.world.failing.clear();
    agent.run(60 * SECOND);
    assert_eq!(agent.world.status, Status::Draining);
}

/// Drained for ten minutes, with a restart in between, before a task appears: none of it counts.
#[test]
fn the_time_that_it_was_drained_does_not_count_over_a_restart_either() {
    let mut agent = Agent::draining(Settings::default(), Terminated);
    agent.stop_tasks();
    agent.world.lifecycle = Some(LifecycleState::Terminating);
    agent
        .world
        .failing
        .insert("Complete", FailureKind::NoActiveAction);
    agent.run(300 * SECOND);
    agent.restart();
    agent.run(300 * SECOND);
    assert_eq!(outcome(&agent), Some(Outcome::Drained));
    agent.world.tasks = vec![task("late")];
    agent.run(60 * SECOND);
    assert_eq!(outcome(&agent), None);
    let spent = agent.state.memory().drain.as_ref().unwrap().spent;
    assert!(spent > 590 * SECOND, "{spent:?}");
}

/// Another hook is added while it drains. The one that it keeps waiting stays its own, over a restart too.
#[test]
fn a_hook_that_is_added_later_is_somebody_elses() {
    let mut agent = Agent::draining(Settings::default(), Terminated);
    let other = hook("other", LifecycleTransition::Terminating);
    agent.world.hooks.push(other);
    for denied in ["", "DescribeLifecycleHooks", "FindGroup"] {
        agent.world.failing.clear();
        agent.fails(denied, FailureKind::Denied);
        agent.restart();
        assert_eq!(agent.said("NoHook"), 0, "{denied}: {:?}", agent.notes);
        assert!(agent.did("Heartbeat"));
        agent.run(120 * SECOND);
    }
    agent.stop_tasks();
    agent.run(30 * SECOND);
    assert_eq!(agent.results(), [Continue]);
}

/// The process stood still while the deadline passed and the tasks stopped. It looks before it decides.
#[test]
fn after_a_pause_nothing_is_decided_by_what_was_known_before() {
    for (ends, expected) in [(true, Continue), (false, Abandon)] {
        let mut settings = Settings::default();
        settings.drain.result_on_timeout = ResultOnTimeout::Abandon;
        let mut agent = Agent::draining(settings, Terminated);
        if ends {
            agent.stop_tasks();
        }
        agent.now = agent.now + 1_200 * SECOND;
        agent.run(40 * SECOND);
        assert_eq!(agent.results(), [expected]);
    }
}

/// Only a tag says in which group the instance is, and nothing shows an action there. Throttled, the question whether the
/// group is the right one is asked again soon, as the right hook may time out.
#[test]
fn whether_the_tag_is_right_is_asked_until_it_is_known() {
    let mut agent = Agent::in_service(Settings::default());
    agent.world.lifecycle = None;
    agent.world.target = Ok(Some(Terminated));
    agent.fails("Heartbeat", FailureKind::NoActiveAction);
    agent.run(3 * SECOND);
    assert_eq!(agent.said("HookFound"), 1);
    agent.clear();
    agent.fails("FindGroup", FailureKind::Throttled);
    agent.run(Duration::from_mins(1));
    let tries = agent.count("FindGroup");
    assert!((3..=8).contains(&tries), "{tries}");
}

/// The list of the hooks is asked for again, not the group, which is known.
#[test]
fn hooks_that_cannot_be_read_are_asked_for_again() {
    let mut agent = Agent::in_service(Settings::default());
    agent.fails("DescribeLifecycleHooks", FailureKind::Server);
    agent.target(Some(Terminated));
    agent.run(20 * SECOND);
    assert!(agent.count("DescribeLifecycleHooks") > 3);
    assert_eq!(agent.count("FindGroup"), 1);
}

/// The stack should hear of it before the instance is gone, but no signal holds up the completion for long.
#[test]
fn the_completion_waits_a_second_for_the_signal() {
    let mut settings = Settings::default();
    settings.cloudformation.signal_drained = true;
    settings.cloudformation.resource = Some(StackResource {
        stack_name: "demo".to_owned(),
        logical_resource_id: "Group".to_owned(),
    });
    let mut agent = Agent::draining(settings, Terminated);
    agent.world.held.insert("Signal");
    agent.stop_tasks();
    agent.run(20 * SECOND);
    let (signalled, completed) = (agent.begun("Signal"), agent.begun("Complete"));
    assert_eq!(completed.since(signalled), SECOND);
}

#[test]
fn the_figures_of_a_drain_are_sent_once() {
    let mut settings = Settings::default();
    settings.metrics.emf_endpoint = Some("tcp://127.0.0.1:25888".to_owned());
    let mut agent = Agent::draining(settings, Terminated);
    agent.world.tasks.push(task("late"));
    agent.run(5 * SECOND);
    agent.stop_tasks();
    agent.run(20 * SECOND);
    let figures = |action: &Action| match action {
        Action::SendMetrics(figures) => Some((figures.outcome, figures.tasks)),
        _ => None,
    };
    let sent: Vec<_> = agent.actions.iter().filter_map(figures).collect();
    assert_eq!(sent, [(Outcome::Drained, 2)]);
}

/// It was drained in time, and the wait began late. Past the deadline, an ECS that does not answer any more does not revoke
/// that.
#[test]
fn past_the_deadline_a_missing_look_does_not_hold_the_completion() {
    let mut settings = Settings::default();
    settings.drain.timeout = Duration::from_mins(5);
    let mut agent = Agent::draining(settings, Terminated);
    agent.stop_tasks();
    agent.world.lifecycle = Some(LifecycleState::Terminating);
    agent.fails("Complete", FailureKind::NoActiveAction);
    agent.run(Duration::from_mins(2));
    assert_eq!(outcome(&agent), Some(Outcome::Drained));
    agent.fails("DescribeContainerInstance", FailureKind::Unreachable);
    agent.run(Duration::from_mins(4));
    agent.world.failing.remove("Complete");
    agent.run(Duration::from_mins(1));
    assert_eq!(agent.phase(), "done", "{:?}", agent.notes);
    assert_eq!(outcome(&agent), Some(Outcome::Drained));
}

/// The hook was replaced before its wait began. Its requests are refused, so the hooks are read again.
#[test]
fn a_hook_that_auto_scaling_does_not_know_is_looked_up_again() {
    let mut agent = Agent::draining(Settings::default(), Terminated);
    agent.world.hooks.retain(|hook| hook.name != "drain-hook");
    let new = hook("drain-v2", LifecycleTransition::Terminating);
    agent.world.hooks.push(new);
    agent.fails("Heartbeat", FailureKind::Refused);
    agent.run(80 * SECOND);
    let found = agent.state.drain.as_ref().unwrap().hook_ref();
    assert_eq!(found.unwrap().name, "drain-v2");
}
