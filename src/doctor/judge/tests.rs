//! Table tests that need no socket. The others are in `tests/doctor/`.

use std::path::PathBuf;
use std::time::Duration;

use super::{before_upgrade, judge};
use crate::config::{Effective, HostPort, Protocol, ResultOnTimeout, Settings};
use crate::decide::{
    ApiTask, AutoScalingInstance, ContainerInstance, ContainerInstanceStatus,
    ContainerInstanceView, Failure, FailureKind, HostView, IamAction, Instance,
    LifecycleActionResult, LifecycleHook, LifecycleState, LifecycleTransition, Resources,
    TargetLifecycleState, Task, TaskKind, TaskStatus,
};
use crate::doctor::facts::{
    Facts, Host, Live, Metadata, Program, StateDirectory, StateFile, Unit, WithoutToken,
};
use crate::doctor::finding::{Check, Finding, Status};
use crate::doctor::render;

fn failure(kind: FailureKind, message: &str) -> Failure {
    Failure::new(kind, message)
}

fn view(status: ContainerInstanceStatus, agent_connected: bool) -> ContainerInstanceView {
    ContainerInstanceView {
        status,
        running: 1,
        pending: 0,
        agent_connected,
        ec2_instance_id: None,
    }
}

fn hook(name: &str) -> LifecycleHook {
    LifecycleHook {
        name: name.to_owned(),
        transition: LifecycleTransition::Terminating,
        heartbeat_timeout: Duration::from_secs(3_600),
        global_timeout: Duration::from_secs(172_800),
        default_result: Some(LifecycleActionResult::Continue),
        notification_target: None,
    }
}

const CONTAINER_INSTANCE: &str = "arn:aws:ecs:eu-central-1:1:container-instance/demo/c";

/// The facts of a machine on which all is well.
fn healthy() -> Facts {
    let task = |kind| ApiTask {
        task: Task {
            arn: "arn:aws:ecs:eu-central-1:1:task/demo/t".to_owned(),
            definition: "web:1".to_owned(),
            known: TaskStatus::Running,
            stopping: false,
        },
        kind,
    };
    Facts {
        configuration: Ok(Effective::default()),
        host: Host {
            unit: Some(Unit {
                path: PathBuf::from("/usr/lib/systemd/system/ecs-lifecycle-agent.service"),
                masked: false,
                program: Some((
                    PathBuf::from("/usr/bin/ecs-lifecycle-agent"),
                    Program::Executable,
                )),
            }),
            wanted_by: Some(PathBuf::from("/etc/systemd/system/ecs.service.wants/x")),
            active: Some(true),
            docker_unit: Some(PathBuf::from("/usr/lib/systemd/system/docker.service")),
            ecs_unit: Some(PathBuf::from("/usr/lib/systemd/system/ecs.service")),
            ecs_wanted: true,
            state_directory: PathBuf::from("/var/lib/ecs-lifecycle-agent"),
            state: StateDirectory::Writable,
            state_file: StateFile::None,
            ..Host::default()
        },
        live: Some(Live {
            metadata: Metadata {
                instance: Ok(Instance {
                    instance_id: "i-1".to_owned(),
                    region: "eu-central-1".to_owned(),
                    pending_time: None,
                    on_demand: false,
                }),
                without_token: Ok(WithoutToken {
                    status: 401,
                    clock_ahead: Some(0),
                }),
                target: Some(Ok(Some(TargetLifecycleState::InService))),
                tags: Some(Ok(Some(vec!["Name".to_owned()]))),
                role: Some(Ok(Some("role".to_owned()))),
            },
            ecs_agent: Ok(Some(ContainerInstance {
                cluster: "demo".to_owned(),
                arn: CONTAINER_INSTANCE.to_owned(),
            })),
            local_tasks: Ok(1),
            container_instance: Some(Ok(view(ContainerInstanceStatus::Active, true))),
            registrations: Some(Ok(vec![CONTAINER_INSTANCE.to_owned()])),
            host: None,
            listener: None,
            tasks: Some(Ok(vec![task(TaskKind::Service("web".to_owned()))])),
            auto_scaling: Some(Ok(Some(AutoScalingInstance {
                group: "asg".to_owned(),
                lifecycle_state: Some(LifecycleState::InService),
            }))),
            group: Some("asg".to_owned()),
            hooks: Some(Ok(vec![hook("drain")])),
        }),
    }
}

/// The checks that are not ok after `change` was made to a machine on which all is well.
fn complaints(change: impl FnOnce(&mut Facts)) -> Vec<(Check, Status)> {
    let mut facts = healthy();
    change(&mut facts);
    judge(&facts)
        .into_iter()
        .filter(|finding| finding.status >= Status::Warning)
        .map(|finding| {
            assert!(finding.remedy.is_some(), "{finding:?}");
            (finding.check, finding.status)
        })
        .collect()
}

fn live(change: impl FnOnce(&mut Live)) -> Vec<(Check, Status)> {
    complaints(|facts| change(facts.live.as_mut().unwrap()))
}

fn settings(change: impl FnOnce(&mut Settings)) -> Vec<(Check, Status)> {
    complaints(|facts| change(&mut facts.configuration.as_mut().unwrap().settings))
}

use Status::{Failure as Bad, Warning as Warn};

#[test]
fn nothing_to_complain_about() {
    assert_eq!(complaints(|_| ()), []);
}

#[test]
fn a_live_instance_an_upgrade_and_an_image_have_every_check_between_them() {
    let mut facts = healthy();
    let findings = [judge(&facts), before_upgrade(&facts)].concat();
    let mut checks: Vec<Check> = findings.iter().map(|finding| finding.check).collect();
    facts.live = None;
    checks.extend(judge(&facts).iter().map(|finding| finding.check));
    for check in Check::ALL {
        assert!(checks.contains(check), "{check:?} is never made");
    }
}

#[test]
fn the_clock_may_be_off_by_so_much() {
    let off = |seconds| {
        live(|live| {
            live.metadata.without_token = Ok(WithoutToken {
                status: 401,
                clock_ahead: Some(seconds),
            });
        })
    };
    for seconds in [0, 29, -29] {
        assert_eq!(off(seconds), [], "{seconds}");
    }
    for seconds in [30, -30, i64::MAX, i64::MIN] {
        assert_eq!(off(seconds), [(Check::Clock, Warn)], "{seconds}");
    }
}

#[test]
fn heartbeats_may_come_so_seldom() {
    let every = |seconds| {
        settings(|settings| {
            settings.autoscaling.heartbeat_interval = Some(Duration::from_secs(seconds));
        })
    };
    assert_eq!(every(900), []);
    assert_eq!(every(901), [(Check::HookHeartbeat, Warn)]);
    assert_eq!(every(3_600), [(Check::HookHeartbeat, Warn)]);
}

#[test]
fn a_drain_may_take_so_long() {
    let longest =
        |seconds| settings(|settings| settings.drain.timeout = Duration::from_secs(seconds));
    assert_eq!(longest(172_790), []);
    // The agent needs this margin between the two.
    assert_eq!(longest(172_791), [(Check::HookTimeout, Warn)]);
}

#[test]
fn a_join_may_take_so_long() {
    let launching = |seconds| {
        live(|live| {
            let mut launch = hook("join");
            launch.transition = LifecycleTransition::Launching;
            launch.global_timeout = Duration::from_secs(seconds);
            live.hooks = Some(Ok(vec![hook("drain"), launch]));
        })
    };
    let needed = Settings::default().ready.timeout.as_secs() + 10;
    assert_eq!(launching(needed), []);
    assert_eq!(launching(needed - 1), [(Check::LaunchHook, Warn)]);
}

/// The hook's DefaultResult has to agree with the agent's result for a drain that timed out, because the group's
/// retention depends on either.
#[test]
fn the_hooks_default_result_goes_with_the_agents() {
    use ResultOnTimeout::{Abandon, Continue, None};
    let cases = [
        (Continue, "CONTINUE", 1, true),
        (Continue, "CONTINUE", 2, true),
        (Continue, "ABANDON", 1, false),
        (Continue, "ABANDON", 2, false),
        (Abandon, "CONTINUE", 1, false),
        (Abandon, "CONTINUE", 2, false),
        (Abandon, "ABANDON", 1, true),
        (Abandon, "ABANDON", 2, true),
        (None, "CONTINUE", 1, true),
        (None, "ABANDON", 1, true),
        (None, "ABANDON", 2, false),
    ];
    for (ours, default, hooks, fine) in cases {
        let found = complaints(|facts| {
            let settings = &mut facts.configuration.as_mut().unwrap().settings;
            settings.drain.result_on_timeout = ours;
            settings.autoscaling.lifecycle_hook_name = Some("drain".to_owned());
            let mut all = vec![hook("drain"), hook("other")];
            all.truncate(hooks);
            all[0].default_result = LifecycleActionResult::parse(default);
            facts.live.as_mut().unwrap().hooks = Some(Ok(all));
        });
        let expected = (!fine).then_some((Check::HookDefaultResult, Warn));
        assert_eq!(
            found,
            Vec::from_iter(expected),
            "{ours:?} {default} {hooks}"
        );
    }
}

#[test]
fn cloud_init_without_a_data_source_is_the_cause_of_a_silent_ecs_agent() {
    let ended = |source: &str, answers: bool| {
        complaints(|facts| {
            facts.host.cloud_init = Some(source.to_owned());
            if !answers {
                let live = facts.live.as_mut().unwrap();
                live.ecs_agent = Err(failure(FailureKind::Unreachable, "connection refused"));
                (live.container_instance, live.tasks) = (None, None);
            }
        })
    };
    assert_eq!(ended("DataSourceEc2Local", true), []);
    assert_eq!(ended("DataSourceEc2Local", false), [(Check::EcsAgent, Bad)]);
    assert_eq!(ended("DataSourceNone", true), [(Check::CloudInit, Warn)]);
    assert_eq!(ended("DataSourceNone", false), [(Check::CloudInit, Bad)]);
}

#[test]
fn each_kind_of_failure_is_judged() {
    let kinds = [
        (FailureKind::Unreachable, Some(Bad)),
        (FailureKind::Timeout, Some(Bad)),
        (FailureKind::Server, Some(Warn)),
        (FailureKind::Malformed, Some(Bad)),
        (FailureKind::Throttled, Some(Warn)),
        (FailureKind::Denied, Some(Bad)),
        (FailureKind::Refused, Some(Bad)),
        (FailureKind::Credentials, None),
    ];
    for (kind, status) in kinds {
        let found = live(|live| {
            live.container_instance =
                Some(Err(failure(kind, "ecs:DescribeContainerInstances c: no")));
        });
        let expected = match status {
            Some(status) => (Check::DescribeContainerInstances, status),
            None => (Check::Credentials, Bad),
        };
        assert_eq!(found, [expected], "{kind:?}");
    }
}

#[test]
fn the_failed_call_for_tasks_is_the_one_that_complains() {
    let cases = [
        (Some(IamAction::ListTasks), Check::ListTasks),
        (Some(IamAction::DescribeTasks), Check::DescribeTasks),
        (Some(IamAction::DescribeServices), Check::DescribeServices),
        // This cannot happen, but a failure that names no action must not be lost.
        (None, Check::DescribeServices),
    ];
    for (action, check) in cases {
        let failed = Failure {
            action,
            ..failure(FailureKind::Denied, "no")
        };
        let found = live(|live| live.tasks = Some(Err(failed)));
        assert_eq!(found, [(check, Bad)], "{action:?}");
    }
}

#[test]
fn a_container_instance_is_judged_by_what_is_to_become_of_it() {
    let known = |status, connected| Some(Ok(view(status, connected)));
    assert_eq!(
        live(|live| live.container_instance = known(ContainerInstanceStatus::Active, false)),
        [(Check::ContainerInstance, Warn)]
    );
    assert_eq!(
        live(|live| live.container_instance = known(ContainerInstanceStatus::Draining, true)),
        [(Check::ContainerInstance, Warn)]
    );
    let terminated = live(|live| {
        live.metadata.target = Some(Ok(Some(TargetLifecycleState::Terminated)));
        live.container_instance = known(ContainerInstanceStatus::Draining, true);
    });
    assert_eq!(terminated, [(Check::TargetState, Warn)]);
    let gone = known(ContainerInstanceStatus::Missing, false);
    assert_eq!(
        live(|live| live.container_instance = gone),
        [(Check::ContainerInstance, Bad)]
    );
}

#[test]
fn a_former_registration_is_known_by_the_one_that_is_listed_beside_it() {
    let listed = |arns: &[&str]| {
        live(|live| {
            live.registrations = Some(Ok(arns.iter().map(ToString::to_string).collect()));
        })
    };
    let former = "arn:aws:ecs:eu-central-1:1:container-instance/demo/a";
    assert_eq!(
        listed(&[former, CONTAINER_INSTANCE]),
        [(Check::FormerRegistrations, Warn)]
    );
    // Whoever answers on the ECS agent's port may be another machine's: then this one is in use.
    assert_eq!(listed(&[former]), []);
    assert_eq!(listed(&[]), []);
}

#[test]
fn this_user_may_not_see_the_state() {
    let found = complaints(|facts| {
        facts.host.state = StateDirectory::Hidden;
        facts.host.state_file = StateFile::Unreadable("Permission denied".to_owned());
    });
    assert_eq!(found, []);
}

#[test]
fn a_full_disk_is_a_warning() {
    let found = complaints(|facts| {
        facts.host.state = StateDirectory::Unwritable("no space left".to_owned());
    });
    assert_eq!(found, [(Check::StateDirectory, Warn)]);
}

fn finding(status: Status, summary: &str) -> Finding {
    Finding {
        check: Check::Clock,
        status,
        summary: summary.to_owned(),
        remedy: None,
    }
}

#[test]
fn the_worst_counts_and_untried_does_not() {
    let worst = |statuses: &[Status]| {
        let findings: Vec<Finding> = statuses
            .iter()
            .map(|status| finding(*status, "x"))
            .collect();
        render::worst(&findings)
    };
    assert_eq!(worst(&[]), Status::Ok);
    assert_eq!(worst(&[Status::Ok, Status::Untried]), Status::Ok);
    assert_eq!(worst(&[Warn, Status::Untried, Status::Ok]), Warn);
    assert_eq!(worst(&[Bad, Warn]), Bad);
}

#[test]
fn no_answer_can_look_like_a_line_of_ours() {
    let text = render::text(&[finding(Bad, "no\nok       role: fine\u{1b}[31m")]);
    assert_eq!(
        text.lines().next(),
        Some("failure  clock: no ok       role: fine [31m")
    );
}

/// With capacity on, a host of 1024/993 with port 22 reserved, and a CloudWatch agent that listens.
fn with_capacity(change: impl FnOnce(&mut Live, &mut Settings)) -> Vec<(Check, Status)> {
    complaints(|facts| {
        let resources = Resources {
            cpu: Some(1024),
            memory: Some(993),
            ports: vec![TCP_22],
        };
        let live = facts.live.as_mut().unwrap();
        live.host = Some(HostView {
            view: view(ContainerInstanceStatus::Active, true),
            registered: resources.clone(),
            // The host is full, because what fits at present does not matter.
            remaining: Resources {
                cpu: Some(0),
                ..resources
            },
            capacity_provider: None,
        });
        live.listener = Some(Ok(()));
        let settings = &mut facts.configuration.as_mut().unwrap().settings;
        settings.capacity.enabled = true;
        (settings.capacity.cpu, settings.capacity.memory) = (250, 400);
        change(live, settings);
    })
}

const TCP_22: HostPort = HostPort {
    number: 22,
    protocol: Protocol::Tcp,
};

#[test]
fn capacity_is_held_against_the_instance() {
    assert_eq!(with_capacity(|_, _| ()), []);
    let bad = [(Check::Capacity, Bad)];
    let never = with_capacity(|_, settings| settings.capacity.memory = 994);
    assert_eq!(never, bad);
    let daemons = with_capacity(|_, settings| settings.capacity.daemon_cpu = 775);
    assert_eq!(daemons, bad);
    let reserved = with_capacity(|_, settings| settings.capacity.ports = vec![TCP_22]);
    assert_eq!(reserved, bad);
    let silent = with_capacity(|live, _| {
        live.listener = Some(Err(failure(FailureKind::Unreachable, "nobody listens")));
    });
    assert_eq!(silent, [(Check::CapacityListener, Warn)]);
    let both = [(Check::CapacityProvider, Warn)];
    let provider = with_capacity(|live, _| {
        live.host.as_mut().unwrap().capacity_provider = Some("demo".to_owned());
    });
    assert_eq!(provider, both);
    let tagged = with_capacity(|live, _| {
        live.metadata.tags = Some(Ok(Some(vec!["AmazonECSManaged".to_owned()])));
    });
    assert_eq!(tagged, both);
    let unknown = with_capacity(|live, _| (live.host, live.listener) = (None, None));
    assert_eq!(unknown, []);
}
