//! What `journalctl -o json` has.

use std::os::unix::fs::PermissionsExt as _;

use ecs_lifecycle_simulator::SECRET_MARKERS;

use super::isolate::isolated;
use super::machine::UNIT;
use super::stage::{Stage, web};

#[test]
fn fields_are_fields() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(3), web(3)]).await;
        stage.set("drain", "report_interval", "1s");
        stage.boot_and_drain().await;
        let arn = stage.instance.container_instance_arn();
        let id = arn.rsplit('/').next().unwrap();

        let waiting = stage.machine.logged("waiting ").await;
        for (name, value) in [
            ("TASKS_LEFT", "2"),
            ("CLUSTER", "demo"),
            ("CONTAINER_INSTANCE", id),
            ("SET_BY", "drain.timeout"),
            ("PRIORITY", "5"),
            ("SYSLOG_IDENTIFIER", "ecs-lifecycle-agent"),
            ("VERSION", env!("CARGO_PKG_VERSION")),
            ("_SYSTEMD_UNIT", UNIT),
            ("_TRANSPORT", "journal"),
        ] {
            assert_eq!(waiting.field(name), value, "{name}: {waiting:?}");
        }
        assert!(waiting.message().contains("tasks_left=2"), "{waiting:?}");
        assert!(waiting.field("TASKS").contains("web:1"), "{waiting:?}");

        let draining = stage.machine.logged("container instance is DRAINING").await;
        assert!(
            !["", "-"].contains(&draining.field("REQUEST_ID")),
            "{draining:?}"
        );
        let hook = stage.machine.logged("lifecycle hook found").await;
        assert_eq!(hook.field("LIFECYCLE_HOOK"), "drain-hook");
        assert_eq!(hook.field("AUTO_SCALING_GROUP"), "demo-asg");

        stage.gone_in_order().await;
        let completed = stage.machine.logged("lifecycle action completed").await;
        assert_eq!(completed.field("RESULT"), "CONTINUE");

        stage.machine.systemctl(&["stop", UNIT]).await;
        let journal = stage.machine.journal().await;
        for entry in journal
            .iter()
            .filter(|entry| entry.field("_SYSTEMD_UNIT") == UNIT)
        {
            // systemd's own names begin with an underscore, and nobody else's do.
            assert_eq!(entry.field("_TRANSPORT"), "journal", "{entry:?}");
            assert!(
                ["3", "4", "5"].contains(&entry.field("PRIORITY")),
                "{entry:?}"
            );
            for name in entry.names() {
                for secret in SECRET_MARKERS {
                    assert!(!entry.field(name).contains(secret), "{entry:?}");
                }
            }
        }
    });
}

/// By priority, an operator finds what needs him: error is 3, warn 4, info 5 (a notice), debug 6.
#[test]
fn priorities_are_the_levels() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(600)]).await;
        stage.set("drain", "timeout", "2s");
        stage.boot_and_drain().await;
        let error = stage.machine.logged("deadline reached with tasks").await;
        assert_eq!(error.field("PRIORITY"), "3");
        assert_eq!(error.field("TASKS_LEFT"), "1");
        let shown = stage
            .machine
            .run(&[
                "journalctl",
                "--unit",
                UNIT,
                "--priority=err",
                "--output=cat",
            ])
            .await;
        assert_eq!(shown.lines().count(), 1, "{shown}");
    });
}

/// journald is stopped, and an executable has more to say than its socket holds.
#[test]
fn a_journal_that_takes_nothing_stops_nothing() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(1)]).await;
        let script = stage.machine.write(
            "etc/ecs-lifecycle-agent/hooks.d/before-drain/talk",
            "#!/bin/sh\nexec seq 2000\n",
        );
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        stage.boot().await;
        let journald = stage
            .machine
            .property_of("systemd-journald.service", "MainPID")
            .await;
        stage.machine.run(&["kill", "-STOP", &journald]).await;
        stage.instance.terminate();
        stage.gone_in_order().await;
        stage.machine.run(&["kill", "-CONT", &journald]).await;
        let said = stage.machine.logged("was blocked for a while").await;
        assert_eq!(said.field("PRIORITY"), "4");
        let dropped: u64 = said.field("DROPPED").parse().unwrap();
        assert!(dropped > 500, "{said:?}");
    });
}
