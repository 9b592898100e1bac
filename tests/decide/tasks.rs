//! The tasks that a drain waits for, and those that draining does not stop.

use std::time::Duration;

use ecs_lifecycle_config::{DaemonTasks, Settings, StandaloneTasks};
use ecs_lifecycle_decide::TargetLifecycleState::Terminated;
use ecs_lifecycle_decide::{
    Action, ContainerInstanceStatus as Status, FailureKind, Outcome, TaskKind, TaskStatus,
};

use super::agent::{Agent, SECOND, stopping, task};

/// One that drains, with a service's task, a standalone one and a daemon's.
fn mixed(standalone: StandaloneTasks, daemons: DaemonTasks) -> Agent {
    let mut settings = Settings::default();
    settings.drain.standalone_tasks = standalone;
    settings.drain.standalone_stop_after = Duration::from_secs(60);
    settings.drain.daemon_tasks = daemons;
    let mut agent = Agent::in_service(settings);
    agent.world.tasks = vec![task("web"), task("job"), task("logs")];
    let kinds = &mut agent.world.kinds;
    kinds.insert(task("job").arn, TaskKind::Standalone);
    kinds.insert(task("logs").arn, TaskKind::Daemon("logs".to_owned()));
    agent.target(Some(Terminated));
    agent
}

fn stop(agent: &mut Agent, id: &str) {
    let arn = task(id).arn;
    for task in agent.world.tasks.iter_mut().filter(|task| task.arn == arn) {
        task.known = TaskStatus::Stopped;
    }
}

/// Each policy, and which of the tasks have to be gone before the drain is over.
#[test]
fn what_is_waited_for_is_the_policys_choice() {
    let (wait, stop_them, ignore) = (
        StandaloneTasks::Wait,
        StandaloneTasks::Stop,
        StandaloneTasks::Ignore,
    );
    for (standalone, daemons, order) in [
        (wait, DaemonTasks::Wait, &["web", "job", "logs"][..]),
        (wait, DaemonTasks::Ignore, &["web", "job"]),
        (stop_them, DaemonTasks::Wait, &["web", "job", "logs"]),
        (ignore, DaemonTasks::Wait, &["web", "logs"]),
        (ignore, DaemonTasks::Ignore, &["web"]),
    ] {
        let mut agent = mixed(standalone, daemons);
        for id in order {
            agent.run(15 * SECOND);
            assert_eq!(agent.phase(), "draining", "{standalone} {daemons}: {id}");
            stop(&mut agent, id);
        }
        agent.run(30 * SECOND);
        assert_eq!(agent.phase(), "done", "{standalone} {daemons}");
        let asks = agent.did("ClassifyTasks");
        let ignores = standalone == ignore || daemons == DaemonTasks::Ignore;
        assert_eq!(asks, ignores, "a policy that ignores nothing asks nothing");
    }
}

#[test]
fn nobody_is_ignored_before_it_is_known_who_it_is() {
    let mut agent = mixed(StandaloneTasks::Ignore, DaemonTasks::Ignore);
    stop(&mut agent, "web");
    agent.fails("ClassifyTasks", FailureKind::Throttled);
    agent.fails("ListTasks", FailureKind::Throttled);
    agent.run(60 * SECOND);
    assert_eq!(agent.phase(), "draining");
    agent.world.failing.clear();
    agent.run(60 * SECOND);
    assert_eq!(agent.phase(), "done");
}

#[test]
fn standalone_tasks_are_stopped_where_the_policy_says_so_once_and_not_before() {
    let mut agent = mixed(StandaloneTasks::Stop, DaemonTasks::Wait);
    agent.world.tasks.push(stopping("gone-soon"));
    agent.run(59 * SECOND);
    assert!(!agent.did("ClassifyTasks") && !agent.did("StopTask"));
    agent.fails("StopTask", FailureKind::Throttled);
    agent.run(4 * SECOND);
    let asked = agent.actions.iter().find_map(|action| match action {
        Action::ClassifyTasks { tasks, .. } => Some(tasks.len()),
        _ => None,
    });
    assert_eq!(asked, Some(3), "what is stopping is worth no question");
    assert!(agent.said("CallFailed") > 0);
    agent.world.failing.clear();
    agent.clear();
    agent.run(60 * SECOND);
    let stopped = agent.actions.iter().filter_map(|action| match action {
        Action::StopTask { task, reason, .. } => Some((task.as_str(), reason.as_str())),
        _ => None,
    });
    let [(arn, reason)] = stopped.collect::<Vec<_>>()[..] else {
        panic!("{:?}", agent.actions)
    };
    assert!(arn.ends_with("/job") && reason.contains("ecs-lifecycle-agent"));
}

/// Somebody who asks for the status is told whose the tasks are.
#[test]
fn whoever_asks_is_told_whose_the_tasks_are() {
    let mut agent = mixed(StandaloneTasks::Wait, DaemonTasks::Wait);
    agent.run(10 * SECOND);
    agent.world.held.insert("ClassifyTasks");
    agent.take(ecs_lifecycle_decide::Event::StatusAsked);
    assert!(agent.state.is_asked_by_hand());
    agent.world.held.clear();
    agent.settle();
    assert!(!agent.state.is_asked_by_hand());
    let tasks = agent.state.waited_for(&agent.policy);
    let kinds = tasks.iter().map(|task| task.kind.as_deref().unwrap());
    let kinds: Vec<_> = kinds.collect();
    assert_eq!(kinds, ["standalone", "daemon logs", "service web"]);
}

/// A read is local: the last few tasks are looked at four times a second, while they may be gone at any moment.
#[test]
fn the_last_few_tasks_are_read_more_often_while_they_may_go() {
    let (early, late) = (SECOND, 60 * SECOND);
    for (tasks, told, after, often) in [
        (1, false, early, true),
        (1, false, late, false),
        (1, true, late, true),
        (10, true, late, true),
        (11, true, late, false),
        (11, false, early, false),
    ] {
        let mut agent = Agent::in_service(Settings::default());
        let new = if told { stopping } else { task };
        let ids = (0..tasks).map(|number| format!("t{number}"));
        agent.world.tasks = ids.map(|id| new(&id)).collect();
        agent.target(Some(Terminated));
        agent.run(after);
        agent.clear();
        agent.run(4 * SECOND);
        let reads = agent.count("ReadTasks");
        let expected = if often { 14..=17 } else { 3..=5 };
        let which = format!("{tasks} tasks, told to stop: {told}, after {after:?}: {reads}");
        assert!(expected.contains(&reads), "{which}");
    }
}

/// By design ECS may report STOPPED ahead of the containers.
#[test]
fn with_introspection_away_the_api_is_believed_slowly() {
    let mut agent = Agent::draining(Settings::default(), Terminated);
    agent.stop_tasks();
    agent.fails("ReadTasks", FailureKind::Unreachable);
    agent.fails("ReadContainerInstance", FailureKind::Unreachable);
    let grace = agent.policy.ecs.introspection_grace;
    agent.run(grace - SECOND);
    let fallen = |agent: &Agent| (agent.said("FallbackToApi"), agent.count("ListTasks"));
    assert_eq!(fallen(&agent), (0, 0));
    agent.run(3 * SECOND);
    assert_eq!(fallen(&agent), (1, 1));
    agent.run(agent.policy.ecs.api_settle - 5 * SECOND);
    assert_eq!(agent.phase(), "draining");
    agent.run(agent.policy.ecs.api_poll_interval + 5 * SECOND);
    assert_eq!(agent.phase(), "done");
    let outcome = agent.state.drain.as_ref().unwrap().outcome();
    assert_eq!(outcome, Some(Outcome::Drained));
}

/// Between DRAINING and the first list, somebody may have set it back.
#[test]
fn with_introspection_away_ecs_has_to_agree_after_the_first_list() {
    let mut agent = Agent::in_service(Settings::default());
    agent.world.tasks.clear();
    agent.fails("ReadTasks", FailureKind::Unreachable);
    agent.target(Some(Terminated));
    agent.run(agent.policy.ecs.introspection_grace - SECOND);
    assert_eq!(agent.count("ListTasks"), 0);
    agent.clear();
    agent.run(5 * SECOND);
    assert_eq!(agent.count("ListTasks"), 1);
    assert_eq!(agent.count("DescribeContainerInstance"), 1);
}

/// Somebody has deregistered it, and ECS has forgotten it: nothing is placed there.
#[test]
fn one_that_ecs_does_not_know_any_more_is_drained() {
    let mut agent = Agent::draining(Settings::default(), Terminated);
    agent.world.status = Status::Missing;
    agent.fails("SetDraining", FailureKind::Refused);
    agent.stop_tasks();
    agent.run(60 * SECOND);
    let outcome = agent.state.drain.as_ref().unwrap().outcome();
    assert_eq!(outcome, Some(Outcome::Drained), "{:?}", agent.notes);
    assert_eq!(agent.said("ContainerInstanceGone"), 1);
}

/// A task that ECS placed just before DRAINING may not be counted in the answer to the change.
#[test]
fn ecs_is_asked_again_once_draining_has_taken_effect() {
    let mut agent = Agent::in_service(Settings::default());
    agent.world.tasks.clear();
    agent.target(Some(Terminated));
    agent.run(30 * SECOND);
    let settled = agent.begun("SetDraining") + agent.policy.ecs.placement_settle;
    let looked = agent.begun("DescribeContainerInstance");
    assert!(looked >= settled, "{:?}", agent.actions);
    assert_eq!(agent.phase(), "done");
}

/// After 5, 10, 20, 40 minutes and so on: somebody may have set it back.
#[test]
fn a_task_that_takes_long_to_stop_costs_few_questions() {
    let mut settings = Settings::default();
    settings.drain.timeout = Duration::from_hours(3);
    let mut agent = Agent::draining(settings, Terminated);
    agent.world.tasks = vec![stopping("a")];
    agent.run(30 * SECOND);
    agent.clear();
    agent.run(Duration::from_hours(2));
    assert_eq!(agent.count("DescribeContainerInstance"), 4);
    assert_eq!(agent.count("ClassifyTasks"), 0);
    assert_eq!(agent.said("Waiting"), 7_200 / 30, "every report_interval");
}

/// Somebody has set it back, and nothing else shows it.
#[test]
fn a_drain_that_stands_still_asks_why_ever_more_seldom() {
    let mut settings = Settings::default();
    settings.drain.timeout = Duration::from_hours(3);
    let mut agent = Agent::draining(settings, Terminated);
    agent.run(30 * SECOND);
    agent.clear();
    agent.run(Duration::from_hours(2));
    let asked = agent.count("DescribeContainerInstance");
    assert!((4..=6).contains(&asked), "{asked}");
    agent.clear();
    agent.world.status = Status::Active;
    agent.run(Duration::from_mins(50));
    assert_eq!((agent.said("SetBack"), agent.count("SetDraining")), (1, 1));
}

/// The ECS agent loses its data, and this process follows one that has seen the task.
#[test]
fn what_an_earlier_process_has_seen_running_is_waited_for() {
    let mut agent = Agent::in_service(Settings::default());
    agent.world.tasks = vec![task("web")];
    agent.target(Some(Terminated));
    agent.run(5 * SECOND);
    let lost = std::mem::take(&mut agent.world.tasks);
    agent.restart();
    agent.run(60 * SECOND);
    assert_eq!(agent.phase(), "draining");
    agent.world.tasks = lost;
    stop(&mut agent, "web");
    agent.run(30 * SECOND);
    assert_eq!(agent.phase(), "done");
    assert!(
        agent
            .state
            .memory()
            .drain
            .as_ref()
            .unwrap()
            .tasks
            .is_empty()
    );
}
