//! The parts of a drain, each with its own rules.

use std::time::Duration;

use ecs_lifecycle_config::{DaemonTasks, Settings, StandaloneTasks};
use ecs_lifecycle_decide::TargetLifecycleState::Terminated;
use ecs_lifecycle_decide::{
    Action, Answer, ApiTask, ContainerInstanceStatus as Status, Event, FailureKind, Note, Task,
    TaskKind, TaskStatus, retry_delay,
};

use super::agent::{
    Agent, accepted, container_instance, draining_set, failure, no_active_action, stopping, task,
    view,
};

const SECOND: Duration = Duration::from_secs(1);

fn draining() -> Agent {
    Agent::draining(Settings::default(), Terminated)
}

fn with(change: impl Fn(&mut Settings)) -> Agent {
    let mut settings = Settings::default();
    change(&mut settings);
    Agent::draining(settings, Terminated)
}

fn read(agent: &mut Agent, tasks: &[Task]) {
    agent.pass(SECOND);
    assert!(agent.did("ReadTasks"), "{:?}", agent.actions);
    agent.answer(Answer::Tasks(Ok(tasks.to_vec())));
}

#[test]
fn draining_is_asked_for_even_with_no_tasks_at_all() {
    let mut agent = Agent::in_service(Settings::default());
    agent.target(Some(Terminated));
    agent.answer(Answer::Tasks(Ok(Vec::new())));
    agent.remembered();
    assert!(agent.did("SetDraining"));
}

#[test]
fn a_stuck_disk_does_not_hold_up_the_drain() {
    let mut agent = Agent::in_service(Settings::default());
    agent.target(Some(Terminated));
    assert!(
        !agent.did("SetDraining"),
        "the deadline is written down first"
    );
    agent.pass(Duration::from_millis(249));
    assert!(!agent.did("SetDraining"));
    agent.pass(Duration::from_millis(1));
    assert!(agent.did("SetDraining"));
}

#[test]
fn one_empty_read_is_not_enough() {
    let mut agent = draining();
    read(&mut agent, &[]);
    assert!(!agent.did("DescribeContainerInstance"));
    agent.pass(Duration::from_millis(500));
    agent.answer(Answer::Tasks(Ok(Vec::new())));
    assert!(
        agent.did("DescribeContainerInstance"),
        "the second one asks ECS"
    );
    agent.answer(Answer::ContainerInstance(Ok(view(Status::Draining, 0))));
    assert_eq!(
        agent.phase(),
        "Draining",
        "one more look at what arrived meanwhile"
    );
    assert!(agent.did("ReadTasks"));
    agent.answer(Answer::Tasks(Ok(Vec::new())));
    assert_eq!(agent.phase(), "Completing");
}

/// ECS may have placed a task in the moment before DRAINING that nobody counts yet.
#[test]
fn an_instance_that_looks_empty_at_once_is_not_believed_at_once() {
    let mut agent = Agent::in_service(Settings::default());
    agent.target(Some(Terminated));
    agent.remembered();
    agent.answer(Answer::DrainingSet(Ok(draining_set(0))));
    agent.clear();
    for _ in 0..3 {
        agent.answer(Answer::Tasks(Ok(Vec::new())));
        assert!(!agent.did("DescribeContainerInstance"));
        agent.pass(Duration::from_millis(500));
    }
    agent.answer(Answer::Tasks(Ok(Vec::new())));
    assert!(!agent.did("DescribeContainerInstance"));
    agent.pass(Duration::from_millis(500));
    assert!(
        agent.did("DescribeContainerInstance"),
        "two seconds after DRAINING"
    );
}

#[test]
fn a_failed_read_between_two_empty_ones_starts_the_count_again() {
    let mut agent = draining();
    read(&mut agent, &[]);
    agent.pass(Duration::from_millis(500));
    agent.answer(Answer::Tasks(Err(failure(FailureKind::Malformed))));
    agent.pass(SECOND);
    agent.answer(Answer::Tasks(Ok(Vec::new())));
    assert!(!agent.did("DescribeContainerInstance"));
}

#[test]
fn a_task_that_arrives_after_ecs_agreed_is_waited_for() {
    let mut agent = draining();
    read(&mut agent, &[]);
    agent.pass(Duration::from_millis(500));
    agent.answer(Answer::Tasks(Ok(Vec::new())));
    agent.answer(Answer::ContainerInstance(Ok(view(Status::Draining, 0))));
    agent.answer(Answer::Tasks(Ok(vec![task("late", TaskStatus::Pending)])));
    assert_eq!(agent.phase(), "Draining");
    agent.run_dry();
    assert_eq!(agent.phase(), "Completing");
}

#[test]
fn while_ecs_counts_tasks_the_drain_is_not_over() {
    let mut agent = draining();
    read(&mut agent, &[]);
    agent.pass(Duration::from_millis(500));
    agent.answer(Answer::Tasks(Ok(Vec::new())));
    agent.answer(Answer::ContainerInstance(Ok(view(Status::Draining, 1))));
    assert!(agent.said("EcsDisagrees"));
    let mut asked = 0;
    for _ in 0..60 {
        agent.pass(SECOND);
        agent.answer(Answer::Tasks(Ok(Vec::new())));
        if agent.did("DescribeContainerInstance") {
            asked += 1;
            agent.answer(Answer::ContainerInstance(Ok(view(Status::Draining, 1))));
        }
        assert_eq!(agent.phase(), "Draining");
    }
    assert!(
        (4..=10).contains(&asked),
        "asked again with a backoff: {asked} times in a minute"
    );
}

#[test]
fn set_back_while_draining_is_set_to_draining_again() {
    let mut agent = draining();
    agent.pass(Duration::from_secs(6));
    agent.answer(Answer::Tasks(Ok(vec![
        task("a", TaskStatus::Running),
        task("new", TaskStatus::Pending),
    ])));
    assert!(
        agent.did("DescribeContainerInstance"),
        "a newcomer raises suspicion"
    );
    agent.answer(Answer::ContainerInstance(Ok(view(Status::Active, 2))));
    assert!(
        agent.said("SetBack") && agent.did("SetDraining"),
        "{:?}",
        agent.actions
    );
}

#[test]
fn a_newcomer_raises_suspicion_once() {
    let mut agent = draining();
    agent.pass(Duration::from_secs(6));
    let tasks = vec![
        task("a", TaskStatus::Running),
        task("new", TaskStatus::Pending),
    ];
    agent.answer(Answer::Tasks(Ok(tasks.clone())));
    agent.answer(Answer::ContainerInstance(Ok(view(Status::Draining, 2))));
    for _ in 0..100 {
        read(&mut agent, &tasks);
        assert!(!agent.did("DescribeContainerInstance"));
    }
}

/// A container instance that another has set back, with no newcomer to show it.
#[test]
fn a_drain_that_stands_still_asks_why_ever_more_rarely() {
    let mut agent = with(|s| s.drain.timeout = Duration::from_hours(3));
    let mut asked = Vec::new();
    for second in 0..7_200 {
        agent.pass(SECOND);
        if agent.did("DescribeContainerInstance") {
            asked.push((second + 1) / 60);
        }
        if agent.did("ClassifyTasks") {
            agent.answer(Answer::Classified(Ok(vec![api("a", TaskKind::Standalone)])));
        }
        agent.answer(Answer::ContainerInstance(Ok(view(Status::Draining, 1))));
        agent.answer(Answer::Tasks(Ok(vec![task("a", TaskStatus::Running)])));
    }
    assert_eq!(asked, [5, 10, 20, 40, 80]);
}

#[test]
fn a_task_that_takes_long_to_stop_costs_no_question() {
    let mut agent = with(|s| s.drain.timeout = Duration::from_hours(3));
    for _ in 0..7_200 {
        agent.pass(SECOND);
        let free = [
            "ReadTasks",
            "ReadMetadata",
            "ReadContainerInstance",
            "Heartbeat",
            "Remember",
        ];
        for action in &agent.actions {
            let name = super::agent::name(action);
            assert!(free.contains(&name.as_str()), "{action:?}");
        }
        agent.answer(Answer::Heartbeat(Ok(accepted())));
        agent.answer(Answer::Tasks(Ok(vec![stopping("a")])));
    }
}

#[test]
fn introspection_away_beyond_the_grace_means_the_api_slowly_and_back_again() {
    let mut agent = draining();
    let away = || Answer::Tasks(Err(failure(FailureKind::Unreachable)));
    for _ in 0..15 {
        agent.pass(SECOND);
        assert!(!agent.did("ListTasks"));
        agent.answer(away());
    }
    agent.pass(SECOND);
    assert!(
        agent.said("FallbackToApi") && agent.did("ListTasks"),
        "{:?}",
        agent.actions
    );
    agent.answer(Answer::ApiTasks(Ok(vec![api(
        "a",
        TaskKind::Service("web".to_owned()),
    )])));
    let mut listed = 0;
    for _ in 0..60 {
        agent.pass(SECOND);
        listed += usize::from(agent.did("ListTasks"));
        if agent.did("ListTasks") {
            agent.answer(Answer::ApiTasks(Ok(vec![api(
                "a",
                TaskKind::Service("web".to_owned()),
            )])));
        }
        agent.answer(away());
    }
    assert_eq!(listed, 4, "every 15 s");
    agent.pass(SECOND);
    agent.answer(Answer::Tasks(Ok(vec![stopping("a")])));
    assert!(agent.said("BackToIntrospection"));
}

/// A list that was asked for while introspection was away is no answer to whether the instance takes no
/// tasks any more: DRAINING has not even been accepted.
#[test]
fn a_list_that_comes_late_is_no_agreement() {
    let mut agent = Agent::in_service(Settings::default());
    agent.target(Some(Terminated));
    agent.remembered();
    assert!(agent.did("SetDraining"));
    for _ in 0..16 {
        agent.pass(SECOND);
        agent.answer(Answer::Tasks(Err(failure(FailureKind::Unreachable))));
    }
    assert!(agent.did("ListTasks") || agent.said("FallbackToApi"));
    for _ in 0..3 {
        agent.pass(SECOND);
        agent.answer(Answer::Tasks(Ok(Vec::new())));
    }
    agent.answer(Answer::ApiTasks(Ok(Vec::new())));
    for _ in 0..10 {
        agent.pass(SECOND);
        agent.answer(Answer::Tasks(Ok(Vec::new())));
        if agent.did("DescribeContainerInstance") {
            agent.answer(Answer::ContainerInstance(Ok(view(Status::Active, 0))));
        }
        assert_eq!(agent.phase(), "Draining");
    }
}

/// By design ECS may report STOPPED ahead of the containers.
#[test]
fn the_api_alone_is_believed_only_after_it_has_said_the_same_for_a_while() {
    let mut agent = draining();
    let away = || Answer::Tasks(Err(failure(FailureKind::Server)));
    let mut over_after = None;
    let mut empty_since = None;
    for second in 0..120_u64 {
        agent.pass(SECOND);
        if agent.did("ListTasks") {
            empty_since.get_or_insert(second);
            agent.answer(Answer::ApiTasks(Ok(Vec::new())));
        }
        agent.answer(Answer::ContainerInstance(Ok(view(Status::Draining, 0))));
        agent.answer(away());
        if agent.phase() == "Completing" {
            over_after = Some(second - empty_since.expect("read before"));
            break;
        }
    }
    assert_eq!(over_after, Some(30));
}

#[test]
fn the_api_alone_is_not_believed_while_tasks_may_still_be_placed() {
    let mut agent = draining();
    for _ in 0..200 {
        agent.pass(SECOND);
        if agent.did("ListTasks") {
            agent.answer(Answer::ApiTasks(Ok(Vec::new())));
        }
        if agent.did("DescribeContainerInstance") {
            agent.answer(Answer::ContainerInstance(Ok(view(Status::Active, 0))));
        }
        agent.answer(Answer::Tasks(Err(failure(FailureKind::Server))));
        assert_eq!(agent.phase(), "Draining");
    }
}

fn api(id: &str, kind: TaskKind) -> ApiTask {
    ApiTask {
        task: task(id, TaskStatus::Running),
        kind,
    }
}

#[test]
fn standalone_tasks_are_stopped_when_the_policy_says_so_and_not_before() {
    let mut agent = with(|s| {
        s.drain.standalone_tasks = StandaloneTasks::Stop;
        s.drain.standalone_stop_after = Duration::from_secs(60);
    });
    let tasks = vec![
        task("a", TaskStatus::Running),
        task("job", TaskStatus::Running),
        stopping("s"),
    ];
    for _ in 0..59 {
        read(&mut agent, &tasks);
        assert!(!agent.did("ClassifyTasks") && !agent.did("StopTask"));
    }
    read(&mut agent, &tasks);
    let asked: Vec<_> = agent
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::ClassifyTasks { tasks, .. } => Some(tasks.len()),
            _ => None,
        })
        .collect();
    assert_eq!(
        asked,
        [2],
        "only what ECS has not told to stop is worth a question"
    );
    agent.answer(Answer::Classified(Ok(vec![
        api("a", TaskKind::Service("web".to_owned())),
        api("job", TaskKind::Standalone),
    ])));
    let stopped: Vec<_> = agent
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::StopTask { task, reason, .. } => Some((task.clone(), reason.clone())),
            _ => None,
        })
        .collect();
    let [(stopped, reason)] = stopped.as_slice() else {
        panic!("{:?}", agent.actions)
    };
    assert!(stopped.ends_with("/job"));
    assert!(reason.contains("ecs-lifecycle-agent"), "names us: {reason}");
    agent.answer(Answer::TaskStopped {
        task: stopped.clone(),
        result: Ok(()),
    });
    for _ in 0..30 {
        read(&mut agent, &tasks);
        assert!(!agent.did("StopTask"), "once is enough");
    }
}

#[test]
fn a_stop_that_fails_is_tried_again() {
    let mut agent = with(|s| s.drain.standalone_tasks = StandaloneTasks::Stop);
    let tasks = vec![task("job", TaskStatus::Running)];
    read(&mut agent, &tasks);
    agent.answer(Answer::Classified(Ok(vec![
        api("a", TaskKind::Standalone),
        api("job", TaskKind::Standalone),
    ])));
    agent.tick();
    let arn = task("job", TaskStatus::Running).arn;
    agent.answer(Answer::TaskStopped {
        task: arn,
        result: Err(failure(FailureKind::Throttled)),
    });
    assert!(agent.said("CallFailed"));
    agent.pass(Duration::from_secs(2));
    assert!(agent.did("StopTask"));
}

#[test]
fn ignored_tasks_are_not_waited_for_but_unknown_ones_are() {
    let mut agent = with(|s| {
        s.drain.standalone_tasks = StandaloneTasks::Ignore;
        s.drain.daemon_tasks = DaemonTasks::Ignore;
    });
    let tasks = vec![
        task("job", TaskStatus::Running),
        task("daemon", TaskStatus::Running),
    ];
    let known = vec![
        api("a", TaskKind::Service("web".to_owned())),
        api("job", TaskKind::Standalone),
        api("daemon", TaskKind::Daemon("logs".to_owned())),
    ];
    for _ in 0..3 {
        read(&mut agent, &tasks);
        assert!(
            !agent.did("DescribeContainerInstance"),
            "nobody knows yet what they are"
        );
    }
    agent.answer(Answer::Classified(Ok(Vec::new())));
    for _ in 0..12 {
        read(&mut agent, &tasks);
    }
    agent.answer(Answer::Classified(Ok(known.clone())));
    let mut listed = false;
    for _ in 0..10 {
        agent.pass(SECOND);
        if agent.did("ListTasks") {
            listed = true;
            agent.answer(Answer::ApiTasks(Ok(known[1..].to_vec())));
        }
        agent.answer(Answer::Tasks(Ok(tasks.clone())));
        if agent.did("DescribeContainerInstance") {
            agent.answer(Answer::ContainerInstance(Ok(view(Status::Draining, 2))));
            if agent.did("ListTasks") {
                listed = true;
                agent.answer(Answer::ApiTasks(Ok(known[1..].to_vec())));
            }
        }
    }
    assert!(listed, "the counts cannot tell what is ignored");
    assert_eq!(agent.phase(), "Completing");
}

#[test]
fn heartbeats_come_at_a_third_whatever_they_are_answered() {
    let answers: [fn() -> Answer; 4] = [
        || Answer::Heartbeat(Ok(accepted())),
        || Answer::Heartbeat(Err(no_active_action())),
        || Answer::Heartbeat(Err(failure(FailureKind::Throttled))),
        || Answer::Heartbeat(Err(failure(FailureKind::Denied))),
    ];
    for answer in answers {
        let mut agent = with(|s| s.drain.timeout = Duration::from_hours(1));
        let mut sent = vec![0];
        for second in 1..3_600_u64 {
            agent.pass(SECOND);
            if agent.did("Heartbeat") {
                sent.push(second);
                agent.answer(answer());
            }
            agent.answer(Answer::Tasks(Ok(vec![stopping("a")])));
        }
        let longest = sent.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(longest.is_some_and(|longest| longest <= 100), "{sent:?}");
    }
}

#[test]
fn no_heartbeat_follows_the_deadline() {
    let mut agent = with(|s| s.drain.timeout = Duration::from_secs(150));
    let mut sent = 0;
    for _ in 0..600 {
        agent.pass(SECOND);
        sent += usize::from(agent.did("Heartbeat"));
        agent.answer(Answer::Heartbeat(Ok(accepted())));
        agent.answer(Answer::Completed(Err(failure(FailureKind::Throttled))));
    }
    assert_eq!(sent, 1);
}

#[test]
fn a_drain_that_was_going_on_before_this_process_heartbeats_at_once() {
    let mut agent = Agent::new(Settings::default(), None);
    agent.tick();
    agent.event(Event::Instance(Ok(super::agent::instance())));
    agent.event(Event::ContainerInstance(Ok(Some(container_instance()))));
    agent.target(Some(Terminated));
    agent.answer(Answer::Group(Ok(Some(super::agent::group(
        "Terminating:Wait",
    )))));
    agent.answer(Answer::Hooks(Ok(vec![super::agent::hook("drain-hook")])));
    assert!(agent.did("Heartbeat"));
}

#[test]
fn a_denied_description_of_the_hook_still_completes_what_is_configured() {
    let mut settings = Settings::default();
    settings.autoscaling.auto_scaling_group_name = Some("demo-asg".to_owned());
    settings.autoscaling.lifecycle_hook_name = Some("ours".to_owned());
    let mut agent = Agent::in_service(settings);
    agent.target(Some(Terminated));
    assert!(agent.did("DescribeLifecycleHooks") && !agent.did("FindGroup"));
    agent.answer(Answer::Hooks(Err(failure(FailureKind::Denied))));
    assert!(agent.said("HookFound") && agent.said("Denied"));
}

#[test]
fn a_denied_description_of_the_instance_is_made_up_for_by_setting_it_again() {
    let mut agent = draining();
    read(&mut agent, &[]);
    agent.pass(Duration::from_millis(500));
    agent.answer(Answer::Tasks(Ok(Vec::new())));
    agent.answer(Answer::ContainerInstance(Err(failure(FailureKind::Denied))));
    assert!(agent.said("Denied"));
    agent.pass(SECOND);
    assert!(agent.did("SetDraining"), "{:?}", agent.actions);
    agent.answer(Answer::DrainingSet(Ok(draining_set(0))));
    agent.answer(Answer::Tasks(Ok(Vec::new())));
    agent.pass(SECOND);
    agent.answer(Answer::Tasks(Ok(Vec::new())));
    assert_eq!(agent.phase(), "Completing");
}

/// A tag may say anything: a group that Auto Scaling does not know is looked up there.
#[test]
fn a_group_that_is_refused_is_asked_of_auto_scaling() {
    let tags = |agent: &Agent| {
        agent.actions.iter().rev().find_map(|action| match action {
            Action::FindGroup { tags } => Some(*tags),
            _ => None,
        })
    };
    let mut agent = Agent::in_service(Settings::default());
    agent.target(Some(Terminated));
    assert_eq!(tags(&agent), Some(true));
    agent.answer(Answer::Group(Ok(Some(super::agent::group("")))));
    agent.answer(Answer::Hooks(Err(failure(FailureKind::Refused))));
    agent.pass(SECOND);
    assert_eq!(tags(&agent), Some(false));
    agent.answer(Answer::Group(Ok(Some(super::agent::group("Terminating")))));
    agent.answer(Answer::Hooks(Ok(vec![super::agent::hook("drain-hook")])));
    assert!(agent.said("HookFound"));
}

/// Counts of none need no list that says what they are: a role that may not list still ends the drain.
#[test]
fn where_nothing_is_counted_nothing_has_to_be_told_apart() {
    let mut agent = with(|s| s.drain.daemon_tasks = DaemonTasks::Ignore);
    agent.run_dry();
    assert!(!agent.did("ListTasks"));
    assert_eq!(agent.phase(), "Completing");
}

/// Some effects are several calls: each action that the role lacks is said, once.
#[test]
fn each_missing_permission_is_said_by_its_name() {
    let denied = |action: &str| {
        let mut failure = failure(FailureKind::Denied);
        failure.message = format!("{action} of 1 tasks: AccessDeniedException: no");
        failure
    };
    let mut agent = with(|s| s.drain.standalone_tasks = StandaloneTasks::Stop);
    let mut said = Vec::new();
    let actions = ["ecs:DescribeTasks", "ecs:DescribeServices"];
    for action in actions.into_iter().chain(actions) {
        agent.clear();
        agent.answer(Answer::Classified(Err(denied(action))));
        said.extend(agent.notes.iter().filter_map(|note| match note {
            Note::Denied { action, .. } => Some(action.clone()),
            _ => None,
        }));
    }
    assert_eq!(said, actions);
}

#[test]
fn a_missing_permission_is_said_once() {
    let mut agent = Agent::in_service(Settings::default());
    agent.target(Some(Terminated));
    agent.remembered();
    let mut said = 0;
    for _ in 0..300 {
        agent.pass(SECOND);
        if agent.did("SetDraining") || agent.now.as_millis() == 1_000 {
            agent.answer(Answer::DrainingSet(Err(failure(FailureKind::Denied))));
            said += agent
                .notes
                .iter()
                .filter(|note| matches!(note, Note::Denied { .. }))
                .count();
        }
    }
    assert_eq!(said, 1);
}

#[test]
fn backoff_grows_to_its_cap_and_keeps_its_jitter_within_half() {
    let kinds = [
        FailureKind::Unreachable,
        FailureKind::Timeout,
        FailureKind::Server,
        FailureKind::Malformed,
        FailureKind::Throttled,
        FailureKind::Credentials,
        FailureKind::Refused,
        FailureKind::Denied,
    ];
    for kind in kinds {
        let cap = (0..40)
            .map(|n| retry_delay(kind, n, 7))
            .max()
            .expect("some");
        assert!(cap <= Duration::from_mins(1), "{kind:?}: {cap:?}");
        for seed in 0..200 {
            for failures in 0..40 {
                let delay = retry_delay(kind, failures, seed);
                assert!(delay >= Duration::from_millis(250) && delay <= Duration::from_mins(1));
                assert_eq!(delay, retry_delay(kind, failures, seed), "repeatable");
            }
        }
        let distinct: std::collections::BTreeSet<_> =
            (0..50).map(|seed| retry_delay(kind, 3, seed)).collect();
        assert!(distinct.len() > 25, "{kind:?}: a fleet would march in step");
    }
}
