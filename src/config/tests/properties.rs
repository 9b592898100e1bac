//! Properties that hold for any input.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use super::{Root, main_file};
use crate::choices::Choice;
use crate::table::all_keys;
use crate::{
    AgentSettings, AutoScalingSettings, AwsSettings, CapacitySettings, CloudFormationSettings,
    DrainSettings, EcsSettings, Effective, ExecutableSettings, HostPort, LogSettings,
    MetadataSettings, MetricsSettings, Protocol, ReadySettings, Settings, StackResource,
    StandaloneTasks,
};

fn any_of<T: Choice + std::fmt::Debug>() -> impl Strategy<Value = T> {
    select(T::ALL)
}

fn duration(least_ms: u64, most_secs: u64) -> impl Strategy<Value = Duration> {
    let most = Duration::from_secs(most_secs);
    let nanos = least_ms * 1_000_000..=u64::try_from(most.as_nanos()).unwrap();
    // People write round durations; the others are those that could break the rendering.
    (nanos, any::<bool>()).prop_map(move |(nanos, round)| {
        let exact = Duration::from_nanos(nanos);
        let rounded = Duration::from_secs(exact.as_secs());
        if round && rounded >= Duration::from_millis(least_ms) {
            rounded
        } else {
            exact
        }
    })
}

fn endpoint() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        Just("localhost".to_owned()),
        Just("[::1]".to_owned()),
        any::<[u8; 3]>().prop_map(|[a, b, c]| format!("127.{a}.{b}.{c}")),
    ];
    (host, 1..=u16::MAX).prop_map(|(host, port)| format!("http://{host}:{port}"))
}

fn drain() -> impl Strategy<Value = DrainSettings> {
    (
        duration(100, 48 * 3600),
        any_of(),
        any_of(),
        0.0..0.999_f64,
        any_of(),
        duration(100, 3600),
        duration(100, 48 * 3600),
        (
            proptest::option::of(duration(100, 1500)),
            proptest::option::of(duration(100, 48 * 3600)),
            proptest::option::of(duration(100, 168 * 3600)),
        ),
    )
        .prop_map(
            |(
                timeout,
                result_on_timeout,
                tasks,
                part,
                daemon_tasks,
                report,
                recheck,
                (on_shutdown, on_rebalance, on_maintenance),
            )| {
                DrainSettings {
                    timeout,
                    result_on_timeout,
                    standalone_tasks: tasks,
                    standalone_stop_after: match tasks {
                        StandaloneTasks::Stop => timeout.mul_f64(part),
                        StandaloneTasks::Wait | StandaloneTasks::Ignore => Duration::ZERO,
                    },
                    daemon_tasks,
                    report_interval: report,
                    recheck_after: recheck,
                    on_shutdown,
                    on_rebalance,
                    on_maintenance,
                }
            },
        )
}

fn ecs() -> impl Strategy<Value = EcsSettings> {
    (
        endpoint(),
        duration(10, 30),
        duration(10, 60),
        duration(0, 600),
        duration(100, 600),
        duration(0, 600),
        duration(0, 600),
    )
        .prop_map(
            |(endpoint, timeout, interval, grace, api_interval, settle, placement)| EcsSettings {
                introspection_endpoint: endpoint,
                introspection_timeout: timeout,
                introspection_poll_interval: interval,
                introspection_grace: grace,
                api_poll_interval: api_interval,
                api_settle: settle,
                placement_settle: placement,
            },
        )
}

fn autoscaling() -> impl Strategy<Value = AutoScalingSettings> {
    let group = proptest::option::of("\\PC{1,255}");
    let hook = proptest::option::of("[A-Za-z0-9_/-]{1,255}");
    let heartbeat = proptest::option::of(duration(100, 7200));
    (group, hook.clone(), hook, heartbeat).prop_map(
        |(group, hook, launch_hook, heartbeat_interval)| AutoScalingSettings {
            auto_scaling_group_name: group,
            lifecycle_hook_name: hook,
            launch_hook_name: launch_hook,
            heartbeat_interval,
        },
    )
}

fn path() -> impl Strategy<Value = PathBuf> {
    "/\\PC{0,100}".prop_map(PathBuf::from)
}

fn ready() -> impl Strategy<Value = ReadySettings> {
    (
        any::<bool>(),
        duration(100, 48 * 3600),
        duration(10, 600),
        path(),
        duration(100, 3600),
    )
        .prop_map(
            |(enabled, timeout, poll_interval, directory, command_timeout)| ReadySettings {
                enabled,
                timeout,
                poll_interval,
                directory,
                command_timeout,
            },
        )
}

fn executables() -> impl Strategy<Value = ExecutableSettings> {
    (path(), duration(100, 3600), any_of()).prop_map(|(directory, timeout, on_failure)| {
        ExecutableSettings {
            directory,
            timeout,
            on_failure,
        }
    })
}

fn metrics() -> impl Strategy<Value = MetricsSettings> {
    let endpoint = (any::<[u8; 3]>(), 1..=u16::MAX)
        .prop_map(|([a, b, c], port)| format!("tcp://127.{a}.{b}.{c}:{port}"));
    (proptest::option::of(endpoint), "[A-Za-z0-9._/#-]{1,100}").prop_map(
        |(emf_endpoint, log_group)| MetricsSettings {
            emf_endpoint,
            log_group,
        },
    )
}

fn capacity() -> impl Strategy<Value = CapacitySettings> {
    let protocol = select(&[Protocol::Tcp, Protocol::Udp][..]);
    let port =
        (1..=u16::MAX, protocol).prop_map(|(number, protocol)| HostPort { number, protocol });
    let ports = proptest::collection::btree_set(port, 0..4);
    let numbers = proptest::array::uniform4(0..1_000_000_u32);
    (any::<bool>(), numbers, ports, 0..100_u32).prop_map(
        |(enabled, [cpu, memory, daemon_cpu, daemon_memory], ports, task_enis)| {
            let awsvpc = ports.is_empty() && task_enis > 0;
            let mut capacity = CapacitySettings {
                enabled,
                cpu,
                memory,
                ports: ports.into_iter().collect(),
                awsvpc,
                task_enis: if awsvpc { task_enis } else { 0 },
                daemon_cpu,
                daemon_memory,
            };
            capacity.enabled &= capacity.is_configured();
            capacity
        },
    )
}

fn cloudformation() -> impl Strategy<Value = CloudFormationSettings> {
    let names = proptest::option::of(("\\PC{1,100}", "\\PC{1,100}"));
    (names, any::<bool>(), any_of()).prop_map(|(names, signal_drained, signal_on_timeout)| {
        CloudFormationSettings {
            signal_drained,
            resource: names.map(|(stack_name, logical_resource_id)| StackResource {
                stack_name,
                logical_resource_id,
            }),
            signal_on_timeout,
        }
    })
}

prop_compose! {
    fn settings()(
        (poll_interval, request_timeout) in (duration(10, 30), duration(10, 30)),
        ecs in ecs(),
        aws in duration(100, 60),
        drain in drain(),
        autoscaling in autoscaling(),
        cloudformation in cloudformation(),
        (state_directory, socket) in (path(), path()),
        (ready, executables, metrics, capacity) in (ready(), executables(), metrics(), capacity()),
        (level, target) in (any_of(), any_of()),
    ) -> Settings {
        Settings {
            metadata: MetadataSettings { poll_interval, request_timeout },
            ecs,
            aws: AwsSettings { request_timeout: aws },
            drain,
            autoscaling,
            cloudformation,
            ready,
            executables,
            metrics,
            capacity,
            agent: AgentSettings { state_directory, socket },
            log: LogSettings { level, target },
        }
    }
}

/// Lines that are almost a configuration, which get further than arbitrary bytes.
fn nearly_toml() -> impl Strategy<Value = String> {
    let names: Vec<String> = all_keys()
        .flat_map(|key| [key.name.to_owned(), key.section.to_owned(), key.path()])
        .collect();
    let value = prop_oneof![
        "\"[0-9]{0,20}(ns|us|ms|s|m|M|h|d|w|y)?\"",
        "\"\\PC{0,20}\"",
        "-?[0-9]{0,25}(\\.[0-9]{0,5})?(e[0-9]{1,3})?",
        "(true|nan|inf|0x[0-9a-f]{1,20}|\\[1,2\\]|\\{a=1\\}|2026-01-01|'''|\"\"\")",
        select(vec![
            "\"stop\"",
            "\"NONE\"",
            "\"FAILURE\"",
            "\"http://[::1]\"",
            "\"/a\""
        ])
        .prop_map(str::to_owned),
    ];
    let line = (select(names), value, 0..6_u8).prop_map(|(name, value, form)| match form {
        0 => format!("[{name}]"),
        1 => format!("[[{name}]]"),
        _ => format!("{name} = {value}"),
    });
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_rendered_loads_to_the_same_settings(
        settings in settings(),
        file in "\\PC{0,20}[\\n\\r\\x00-\\x7f]{0,3}",
    ) {
        let effective = Effective {
            settings: settings.clone(),
            files: vec![PathBuf::from(file)],
            ..Effective::default()
        };
        let text = effective.render();
        match main_file(&text).load() {
            Ok(loaded) => prop_assert_eq!(loaded.settings, settings),
            Err(error) => prop_assert!(false, "{}\n{}", error, text),
        }
    }

    #[test]
    fn arbitrary_bytes_are_an_error_at_worst(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = main_file(bytes).load();
    }

    #[test]
    fn arbitrary_text_is_an_error_at_worst(
        text in "(\\PC|[\\[\\]{}=.\"'#\\n\\r\\t\\x00 ]){0,100}",
    ) {
        let _ = main_file(text).load();
    }

    #[test]
    fn what_nearly_is_a_configuration_loads_or_gives_whole_messages(text in nearly_toml()) {
        let root = main_file(&text);
        match root.load() {
            Ok(effective) => {
                let again = main_file(effective.render()).settings();
                prop_assert_eq!(again, effective.settings);
            }
            Err(error) => {
                prop_assert_eq!(error.to_string().lines().count(), error.problems().len());
                for problem in error.problems() {
                    prop_assert!(!problem.what.is_empty() && !problem.remedy.is_empty());
                }
            }
        }
    }

    #[test]
    fn arbitrary_variables_are_an_error_at_worst(
        rest in "[A-Z_]{0,5}(__)?\\PC{0,40}",
        value in any::<String>(),
    ) {
        let name = format!("ECS_LIFECYCLE_AGENT_{rest}");
        let _ = Root::new().variable(&name, &value).variable("STATE_DIRECTORY", &value).load();
    }

    #[test]
    fn an_arbitrary_value_of_any_key_is_an_error_at_worst(
        key in 0..all_keys().count(),
        value in any::<String>(),
    ) {
        let name = all_keys().nth(key).unwrap().variable();
        let _ = Root::new().variable(&name, &value).load();
    }
}
