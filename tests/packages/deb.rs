//! The .deb, through its life.

use std::time::Duration;

use super::file::{INSTALLED, bring, here, newer_deb, package, packaged};
use super::machine::{Machine, UNIT, poll};
use super::stage::{COMPLETE, Stage, web};

const CONFIG: &str = "/etc/ecs-lifecycle-agent/config.toml";

/// As an unattended upgrade does it: nobody is asked.
pub const INSTALL: [&str; 5] = [
    "env",
    "DEBIAN_FRONTEND=noninteractive",
    "dpkg",
    "--force-confdef,confold",
    "--install",
];

async fn install(machine: &Machine, path: &str) {
    machine.run(&[&INSTALL[..], &[path]].concat()).await;
}

/// A booted machine with the package installed by its package manager.
pub async fn installed(stop_after: u64) -> Stage {
    let mut stage = Stage::with(Machine::without_agent().await, vec![web(stop_after)]).await;
    stage.machine.boot().await;
    let path = bring(&stage.machine, &package("deb"));
    install(&stage.machine, &path).await;
    stage
        .machine
        .until("StatusText", |text| {
            text.starts_with("watching: ") && !text.contains("not registered yet")
        })
        .await;
    stage
}

#[test]
fn installed_it_is_enabled_and_runs_shut_in_and_drains() {
    packaged(async || {
        let stage = installed(2).await;
        let machine = &stage.machine;
        assert_eq!(machine.property("UnitFileState").await, "enabled");
        assert_eq!(machine.property("NRestarts").await, "0");
        // Tenths: an exposure of 1.5 at the most.
        machine
            .run(&["systemd-analyze", "security", "--threshold=15", UNIT])
            .await;
        let files = machine.run(&["dpkg", "-L", "ecs-lifecycle-agent"]).await;
        for file in INSTALLED {
            assert!(files.lines().any(|line| line == file), "{file}: {files}");
        }
        let intact = machine
            .run(&["dpkg", "--verify", "ecs-lifecycle-agent"])
            .await;
        // Debian's own image may leave documentation out.
        assert!(!intact.contains("/usr/bin"), "{intact}");
        // The sample changes nothing, and is what the binary documents.
        let shown = machine.run(&["ecs-lifecycle-agent", "check-config"]).await;
        assert!(shown.contains(CONFIG), "{shown}");
        assert_eq!(
            machine.run(&["cat", CONFIG]).await,
            ecs_lifecycle_agent::config::sample_config()
        );
        stage.instance.terminate();
        stage.gone_in_order().await;
    });
}

#[test]
fn upgraded_in_the_middle_of_a_drain_it_goes_on_with_its_deadline_and_its_configuration() {
    packaged(async || {
        let stage = installed(40).await;
        let machine = &stage.machine;
        let ours = "[drain]\ntimeout = \"10m\"\n";
        machine.write(CONFIG.trim_start_matches('/'), ours);
        machine.systemctl(&["restart", UNIT]).await;
        let newer = bring(machine, &newer_deb(&package("deb"), None));
        stage.instance.terminate();
        let deadline = async || {
            let text = stage.tasks_left().await;
            let (_, left) = text
                .split(" to deadline")
                .next()
                .unwrap()
                .rsplit_once(", ")
                .unwrap();
            humantime::parse_duration(left).unwrap()
        };
        poll("a drain that has gone on for a while", async || {
            (deadline().await < Duration::from_secs(596)).then_some(())
        })
        .await;
        let before = machine.agent().await;
        install(machine, &newer).await;

        poll("a new process", async || {
            let agent = machine.agent().await;
            (agent != 0 && agent != before).then_some(())
        })
        .await;
        machine
            .logged("resuming the drain after a restart, with its original deadline")
            .await;
        // Counted from the beginning, not from the upgrade.
        assert!(deadline().await < Duration::from_secs(596));
        assert_eq!(machine.run(&["cat", CONFIG]).await, ours);
        let kept = machine.run(&["cat", &format!("{CONFIG}.dpkg-dist")]).await;
        assert!(kept.ends_with("# new in this release\n"), "{kept}");
        let version = machine
            .run(&[
                "dpkg-query",
                "--show",
                "--showformat=${Version}",
                "ecs-lifecycle-agent",
            ])
            .await;
        assert!(version.ends_with("-2"), "{version}");
        assert_eq!(stage.count(COMPLETE), 0);
        stage.gone_in_order().await;
        assert_eq!(stage.count(COMPLETE), 1);
    });
}

#[test]
fn disabled_it_stays_so_over_an_upgrade() {
    packaged(async || {
        let stage = installed(1).await;
        let machine = &stage.machine;
        machine.systemctl(&["disable", "--now", UNIT]).await;
        let path = bring(machine, &newer_deb(&package("deb"), None));
        install(machine, &path).await;
        assert_eq!(machine.property("UnitFileState").await, "disabled");
        assert_eq!(machine.property("ActiveState").await, "inactive");
    });
}

#[test]
fn removed_it_leaves_configuration_and_state_and_purged_nothing() {
    packaged(async || {
        let stage = installed(1).await;
        let machine = &stage.machine;
        machine.write("etc/ecs-lifecycle-agent/config.d/50-ours.toml", "[drain]\n");
        let exists = async |path: &str| {
            machine
                .try_run(&["test", "-e", path])
                .await
                .status
                .success()
        };
        let state = "/var/lib/private/ecs-lifecycle-agent";

        machine
            .run(&["dpkg", "--remove", "ecs-lifecycle-agent"])
            .await;
        assert_eq!(machine.property("ActiveState").await, "inactive");
        assert!(!exists("/usr/bin/ecs-lifecycle-agent").await);
        assert!(exists(CONFIG).await);
        assert!(exists(state).await);

        // Back again, it is as it was.
        let path = bring(machine, &package("deb"));
        install(machine, &path).await;
        machine.until_is("ActiveState", "active").await;
        assert_eq!(machine.property("UnitFileState").await, "enabled");

        machine
            .run(&["dpkg", "--purge", "ecs-lifecycle-agent"])
            .await;
        for path in [
            "/etc/ecs-lifecycle-agent",
            "/var/lib/ecs-lifecycle-agent",
            state,
            "/etc/systemd/system/ecs.service.wants/ecs-lifecycle-agent.service",
        ] {
            assert!(!exists(path).await, "{path} is left");
        }
        let units = machine
            .systemctl(&[
                "list-units",
                "--all",
                "--plain",
                "--no-legend",
                "ecs-lifecycle-agent*",
            ])
            .await;
        assert!(!units.contains("running"), "{units}");
    });
}

#[test]
fn an_image_builder_says_that_nothing_is_to_be_started() {
    packaged(async || {
        let mut stage = Stage::with(Machine::without_agent().await, Vec::new()).await;
        let policy = stage
            .machine
            .write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n");
        here("chmod", &["755", policy.to_str().unwrap()]);
        stage.machine.boot().await;
        let path = bring(&stage.machine, &package("deb"));
        install(&stage.machine, &path).await;
        assert_eq!(stage.machine.property("UnitFileState").await, "enabled");
        assert_eq!(stage.machine.property("ActiveState").await, "inactive");
    });
}
