//! What each key accepts, and which values fit each other.

use std::time::Duration;

use super::{Root, with};
use crate::Settings;

#[test]
fn an_empty_configuration_gives_the_defaults() {
    assert_eq!(Root::new().settings(), Settings::default());
}

#[test]
fn every_duration_is_held_to_its_bounds() {
    // Just too short ("" if nothing is), the shortest, the longest, and just too long.
    let bounds = [
        ("metadata.poll_interval", "9ms", "10ms", "30s", "30s 1ms"),
        ("metadata.request_timeout", "9ms", "10ms", "30s", "30s 1ms"),
        ("ecs.introspection_timeout", "9ms", "10ms", "30s", "30s 1ns"),
        (
            "ecs.introspection_poll_interval",
            "9ms",
            "10ms",
            "1m",
            "61s",
        ),
        ("ecs.introspection_grace", "", "0s", "10m", "10m 1s"),
        ("ecs.api_poll_interval", "99ms", "100ms", "10m", "10m 1s"),
        ("ecs.api_settle", "", "0s", "10m", "10m 1s"),
        ("ecs.placement_settle", "", "0s", "10m", "10m 1s"),
        ("aws.request_timeout", "99ms", "100ms", "60s", "61s"),
        ("drain.timeout", "99ms", "100ms", "48h", "48h 1s"),
        ("drain.standalone_stop_after", "", "0s", "47h 59m", "48h 1s"),
        ("drain.report_interval", "99ms", "100ms", "1h", "61m"),
        ("drain.recheck_after", "99ms", "100ms", "48h", "49h"),
        ("drain.on_shutdown", "99ms", "100ms", "25m", "26m"),
        ("drain.on_rebalance", "99ms", "100ms", "48h", "48h 1s"),
        ("drain.on_maintenance", "99ms", "100ms", "168h", "169h"),
        ("ready.timeout", "99ms", "100ms", "48h", "48h 1s"),
        ("ready.poll_interval", "9ms", "10ms", "10m", "11m"),
        ("ready.command_timeout", "99ms", "100ms", "1h", "61m"),
        ("executables.timeout", "99ms", "100ms", "1h", "61m"),
        (
            "autoscaling.heartbeat_interval",
            "99ms",
            "100ms",
            "2h",
            "121m",
        ),
    ];
    let durations = crate::table::all_keys()
        .filter(|key| (key.accepts)().starts_with("a duration"))
        .count();
    assert_eq!(
        durations,
        bounds.len(),
        "a duration is missing from this test"
    );

    for (path, too_short, least, most, too_long) in bounds {
        let (section, key) = path.split_once('.').unwrap();
        let with = |value| {
            let root = with(section, key, value);
            if key == "standalone_stop_after" {
                return root
                    .variable("ECS_LIFECYCLE_AGENT_DRAIN__STANDALONE_TASKS", "stop")
                    .variable("ECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT", "48h");
            }
            root
        };
        for accepted in [least, most] {
            with(accepted).settings();
        }
        for (refused, why) in [(too_short, "too short"), (too_long, "too long")] {
            if refused.is_empty() {
                continue;
            }
            let problem = with(refused).only_problem();
            let start = format!(
                "/etc/ecs-lifecycle-agent/config.toml:2: {path}: \"{refused}\" is {why}: write a \
                 duration from "
            );
            assert!(problem.starts_with(&start), "{problem}");
        }
    }
}

#[test]
fn a_switch_is_on_or_off() {
    use super::main_file;
    let ready = |written: &str| main_file(format!("[ready]\nenabled = {written}\n"));
    assert!(!ready("false").settings().ready.enabled);
    assert!(ready("true").settings().ready.enabled);
    let variable = "ECS_LIFECYCLE_AGENT_READY__ENABLED";
    assert!(
        !Root::new()
            .variable(variable, "false")
            .settings()
            .ready
            .enabled
    );
    for (written, why) in [
        (
            "1",
            "an integer was found where true or false belongs: write true or false",
        ),
        (
            "\"yes\"",
            "\"yes\" is neither true nor false: write true or false",
        ),
    ] {
        let problem = ready(written).only_problem();
        assert!(problem.ends_with(why), "{problem}");
    }
}

#[test]
fn metrics_go_to_this_host_only() {
    let endpoint = |url| with("metrics", "emf_endpoint", url);
    for good in ["tcp://127.0.0.1:25888", "tcp://[::1]:1"] {
        let settings = endpoint(good).settings();
        assert_eq!(settings.metrics.emf_endpoint.as_deref(), Some(good));
    }
    for bad in [
        "udp://127.0.0.1:25888",
        "127.0.0.1:25888",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:0",
        "tcp://10.0.0.1:25888",
        "tcp://localhost:25888",
    ] {
        let problem = endpoint(bad).only_problem();
        assert!(
            problem.contains("is not a tcp:// address of this host"),
            "{problem}"
        );
    }
}

#[test]
fn durations_are_as_people_write_them() {
    for (text, seconds) in [("90s", 90), ("15m", 900), ("1h 30m", 5400), ("1h30m", 5400)] {
        let settings = with("drain", "timeout", text).settings();
        assert_eq!(settings.drain.timeout, Duration::from_secs(seconds));
    }
    for text in [
        "",
        " ",
        "soon",
        "5 parsecs",
        "-5s",
        "99999999999999999999s",
        "1e3s",
        "５s",
    ] {
        let problem = with("drain", "timeout", text).only_problem();
        assert!(problem.contains("is not a duration ("), "{problem}");
    }
}

#[test]
fn the_introspection_endpoint_is_on_this_host() {
    for (url, kept) in [
        ("http://127.0.0.1:51678", "http://127.0.0.1:51678"),
        ("http://127.0.0.1:51678/", "http://127.0.0.1:51678"),
        ("http://127.8.9.10:1", "http://127.8.9.10:1"),
        ("http://localhost", "http://localhost"),
        ("http://localhost:65535", "http://localhost:65535"),
        ("http://[::1]:51678", "http://[::1]:51678"),
        ("http://[::1]", "http://[::1]"),
    ] {
        let settings = with("ecs", "introspection_endpoint", url).settings();
        assert_eq!(settings.ecs.introspection_endpoint, kept);
    }
    for (url, why) in [
        ("https://127.0.0.1:51678", "does not begin with \"http://\""),
        ("127.0.0.1:51678", "does not begin with \"http://\""),
        ("", "does not begin with \"http://\""),
        ("http://", "is not this host"),
        ("http://169.254.169.254", "is not this host"),
        ("http://example.com:51678", "is not this host"),
        ("http://localhost.example.com", "is not this host"),
        ("http://127.0.0.1.example.com", "is not this host"),
        ("http://[::2]:51678", "is not this host"),
        ("http://::1:51678", "is not this host"),
        ("http://0.0.0.0", "is not this host"),
        ("http://127.0.0.1@example.com", "has a user name"),
        ("http://127.0.0.1/v1/tasks", "has a path"),
        ("http://127.0.0.1?a", "has a path"),
        ("http://127.0.0.1:0", "has a port"),
        ("http://127.0.0.1:65536", "has a port"),
        ("http://127.0.0.1:+80", "has a port"),
        ("http://127.0.0.1:", "has a port"),
    ] {
        let problem = with("ecs", "introspection_endpoint", url).only_problem();
        assert!(problem.contains(why), "{url}: {problem}");
        assert!(
            problem.contains("for example \"http://127.0.0.1:51678\""),
            "{problem}"
        );
    }
}

#[test]
fn names_are_held_to_their_form() {
    let group = |name: &str| with("autoscaling", "auto_scaling_group_name", name);
    group(&"é".repeat(255)).settings();
    group("a group: (1)").settings();
    assert!(group("").only_problem().contains("the value is empty"));
    assert!(
        group(&"é".repeat(256))
            .only_problem()
            .contains("longer than 255 characters")
    );
    assert!(
        group("a\\tb")
            .only_problem()
            .contains("contains control characters")
    );

    let hook = |name: &str| with("autoscaling", "lifecycle_hook_name", name);
    let settings = hook("team/drain_Hook-1").settings();
    assert_eq!(
        settings.autoscaling.lifecycle_hook_name.as_deref(),
        Some("team/drain_Hook-1")
    );
    hook(&"a".repeat(255)).settings();
    assert!(hook("").only_problem().contains("the value is empty"));
    assert!(
        hook(&"a".repeat(256))
            .only_problem()
            .contains("longer than 255 characters")
    );
    for name in ["a b", "a.b", "é", "a:b"] {
        assert!(
            hook(name)
                .only_problem()
                .contains("is not the name of a lifecycle hook")
        );
    }
}

#[test]
fn the_hook_of_managed_draining_is_refused() {
    let root = with(
        "autoscaling",
        "lifecycle_hook_name",
        "ecs-managed-draining-termination-hook",
    );
    let problem = root.only_problem();
    assert!(
        problem.contains("belongs to ECS managed draining"),
        "{problem}"
    );
    assert!(problem.contains("turn managed draining off"), "{problem}");
}

#[test]
fn the_state_directory_is_absolute() {
    let state = |path: &str| with("agent", "state_directory", path);
    assert_eq!(
        state("/srv/a").settings().agent.state_directory.to_str(),
        Some("/srv/a")
    );
    for path in ["", "state", "./state"] {
        assert!(
            state(path)
                .only_problem()
                .contains("is not an absolute path")
        );
    }
    assert!(
        state("/a\\u0000b")
            .only_problem()
            .contains("contains control characters")
    );
}
