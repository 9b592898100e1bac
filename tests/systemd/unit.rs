//! The unit itself.

use super::isolate::isolated;
use super::machine::{UNIT, poll};
use super::stage::{Stage, web};

#[test]
fn systemd_finds_no_fault_with_it_and_little_exposure() {
    isolated(async || {
        let mut stage = Stage::new(Vec::new()).await;
        stage.boot().await;
        // It warns of what it does not know, with status 0.
        let path = format!("/usr/lib/systemd/system/{UNIT}");
        let verified = stage
            .machine
            .try_run(&["systemd-analyze", "verify", "--man=no", &path])
            .await;
        assert!(verified.status.success(), "{verified:?}");
        assert!(
            verified.stdout.is_empty() && verified.stderr.is_empty(),
            "{verified:?}"
        );
        // Tenths: an exposure of 1.5 at the most.
        stage
            .machine
            .run(&[
                "systemd-analyze",
                "security",
                "--offline=true",
                "--threshold=15",
                &path,
            ])
            .await;
        stage
            .machine
            .run(&["systemd-analyze", "security", "--threshold=15", UNIT])
            .await;
        // Its memory holds credentials.
        assert_eq!(stage.machine.property("LimitCORE").await, "0");
    });
}

#[test]
fn a_wrong_configuration_is_not_tried_again() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(1)]).await;
        stage.machine.write(
            "etc/ecs-lifecycle-agent/config.toml",
            "[drain]\ntimeout = \"soon\"\n",
        );
        stage.machine.boot().await;
        let machine = &stage.machine;
        machine.until_is("SubState", "failed").await;
        assert_eq!(machine.property("Result").await, "exit-code");
        assert_eq!(machine.property("ExecMainStatus").await, "64");
        assert_eq!(machine.property("NRestarts").await, "0");
        let said = poll("what is wrong", async || {
            let journal = machine.journal().await;
            let ours = |entry: &&super::machine::Entry| {
                entry.field("_SYSTEMD_UNIT") == UNIT && entry.message().contains("drain.timeout")
            };
            journal.iter().find(ours).cloned()
        })
        .await;
        assert!(said.message().contains("soon"), "{said:?}");
        // The rest of the machine is none the worse for it.
        assert_eq!(
            machine.property_of("ecs.service", "ActiveState").await,
            "active"
        );

        machine.write("etc/ecs-lifecycle-agent/config.toml", "");
        machine.systemctl(&["start", UNIT]).await;
        assert_eq!(machine.property("ActiveState").await, "active");
    });
}
