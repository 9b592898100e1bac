//! What a person on the machine sees and does, through the sandbox of the unit.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::isolate::isolated;
use super::machine::{Machine, poll};
use super::stage::{DRAINING, Stage, web};

const AGENT: &str = "/usr/bin/ecs-lifecycle-agent";
const CONTROL: &str = "/run/ecs-lifecycle-agent/control";

async fn status(machine: &Machine) -> Value {
    serde_json::from_str(&machine.run(&[AGENT, "status", "--json"]).await).unwrap()
}

#[test]
fn root_asks_drains_and_takes_it_back_and_others_may_not_even_ask() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(1)]).await;
        stage.boot().await;
        let machine = &stage.machine;
        let about = machine
            .run(&[
                "stat",
                "--format=%a",
                CONTROL,
                &format!("{CONTROL}/agent.sock"),
            ])
            .await;
        assert_eq!(about.split_whitespace().collect::<Vec<_>>(), ["750", "660"]);
        let text = machine.run(&[AGENT, "status"]).await;
        assert!(text.starts_with("watching: "), "{text}");

        let refused = machine
            .try_run(&[
                "setpriv",
                "--reuid=65534",
                "--clear-groups",
                AGENT,
                "status",
            ])
            .await;
        assert_eq!(refused.status.code(), Some(69), "{refused:?}");
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(why.contains("run this as root"), "{why}");

        machine.run(&[AGENT, "drain", "--wait"]).await;
        assert_eq!(stage.count(DRAINING), 1);
        let report = status(machine).await;
        assert_eq!(report["phase"], "done");
        assert_eq!(report["outcome"], "drained");
        machine.run(&[AGENT, "undrain"]).await;
        stage
            .until("ACTIVE again", |world| {
                world.requests().accepted(DRAINING) == 2
            })
            .await;
        poll("the agent to watch again", async || {
            (status(machine).await["phase"] == "watching").then_some(())
        })
        .await;
        let again = machine.try_run(&[AGENT, "undrain"]).await;
        assert_eq!(again.status.code(), Some(1), "{again:?}");
    });
}

#[test]
fn executables_run_in_the_sandbox_and_print_to_the_journal() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(1)]).await;
        for (event, text) in [
            (
                "before-drain",
                "echo \"$ECS_LIFECYCLE_EVENT of $ECS_LIFECYCLE_CLUSTER\"; id -u",
            ),
            (
                "after-drain",
                "touch /etc/owned 2>&1; touch /tmp/own; chown 0 /tmp/own 2>&1; echo \"$ECS_LIFECYCLE_OUTCOME\"; exit 3",
            ),
        ] {
            let path = stage.machine.write(
                &format!("etc/ecs-lifecycle-agent/hooks.d/{event}/10-test"),
                &format!("#!/bin/sh\n{text}\n"),
            );
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        stage.boot_and_drain().await;
        stage.gone_in_order().await;
        let machine = &stage.machine;
        machine.logged("before-drain of demo").await;
        machine.logged("10-test: drained").await;
        machine.logged("Read-only file system").await;
        // Refused, and not killed: what comes after it is reached.
        machine.logged("Operation not permitted").await;
        let failed = machine.logged("an executable in after-drain failed").await;
        assert!(failed.field("ERROR").contains("exit status: 3"));
        let uid = machine.logged("10-test: 6").await;
        assert_ne!(uid.message(), "10-test: 0", "not root");
    });
}
