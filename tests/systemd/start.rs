//! Started at boot: ready in time, and shut in.

use super::isolate::isolated;
use super::machine::{PATIENCE, UNIT, poll};
use super::stage::{Stage, web};

#[test]
fn ready_when_metadata_has_answered_and_boot_does_not_wait_for_that() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(1)]).await;
        stage.instance.close_imds().await;
        stage.machine.boot().await;
        let machine = &stage.machine;
        machine
            .until_is(
                "StatusText",
                "starting: waiting for instance metadata; instance metadata is failing",
            )
            .await;
        poll("multi-user.target", async || {
            let state = machine
                .property_of("multi-user.target", "ActiveState")
                .await;
            (state == "active").then_some(())
        })
        .await;
        assert_eq!(machine.property("ActiveState").await, "activating");
        assert_eq!(
            machine.property_of("ecs.service", "ActiveState").await,
            "active"
        );

        stage.instance.open_imds().unwrap();
        machine.until_is("ActiveState", "active").await;
        let status = machine
            .until("StatusText", |text| text.starts_with("watching: "))
            .await;
        let instance = stage.instance.container_instance_arn();
        let short = instance.rsplit('/').next().unwrap();
        machine
            .until_is(
                "StatusText",
                &format!("watching: {short} in demo, target InService"),
            )
            .await;
        assert!(!status.contains("failing"), "{status}");
        assert_eq!(machine.property("NRestarts").await, "0");
    });
}

#[test]
fn it_runs_as_nobody_in_particular_with_no_rights_and_listens_nowhere() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(1)]).await;
        stage.boot().await;
        let machine = &stage.machine;
        let agent = machine.agent().await;
        let status = machine
            .run(&["cat", &format!("/proc/{agent}/status")])
            .await;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        for ids in [field("Uid:"), field("Gid:")] {
            for id in ids.split_whitespace() {
                let id: u32 = id.parse().unwrap();
                assert!((61_184..=65_519).contains(&id), "not a dynamic user: {ids}");
            }
        }
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(field(set), "0000000000000000", "{set}");
        }
        assert_eq!(field("NoNewPrivs:"), "1");
        assert_eq!(field("Seccomp:"), "2");

        // Connections of its own are seen, so a listening socket would be, too.
        let sockets = async |options: &str| {
            let all = machine
                .run(&["ss", "--no-header", "--processes", options])
                .await;
            let ours = format!("pid={agent},");
            all.lines().filter(|line| line.contains(&ours)).count()
        };
        poll("a connection of the agent's", async || {
            (sockets("-ntu").await > 0).then_some(())
        })
        .await;
        assert_eq!(sockets("-ntul").await, 0);

        let directory = machine
            .run(&[
                "stat",
                "--dereference",
                "--format=%a %u",
                "/var/lib/ecs-lifecycle-agent",
            ])
            .await;
        let owner = field("Uid:").split_whitespace().next().unwrap().to_owned();
        assert_eq!(directory.trim(), format!("700 {owner}"));
    });
}

/// `systemctl start` comes back once it is ready, and long before anybody's patience ends.
#[test]
fn started_by_hand_it_is_ready_at_once() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(1)]).await;
        stage.boot().await;
        let machine = &stage.machine;
        machine.systemctl(&["stop", UNIT]).await;
        assert_eq!(machine.property("ActiveState").await, "inactive");
        assert_eq!(machine.property("Result").await, "success");
        tokio::time::timeout(PATIENCE / 4, machine.systemctl(&["start", UNIT]))
            .await
            .unwrap();
        assert_eq!(machine.property("ActiveState").await, "active");
    });
}
