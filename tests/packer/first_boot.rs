//! `packer/files/first-boot`: where the configuration comes from, and what happens where there is none.

use std::os::unix::fs::PermissionsExt as _;

use super::isolate::isolated;
use super::machine::{Machine, poll};
use super::packer::source;
use super::stage::{Stage, web};

const FIRST_BOOT: &str = "ecs-image-first-boot.service";

/// A machine, off, with agent and first boot installed as the image has them.
async fn stage() -> Stage {
    let machine = Machine::new().await;
    let files = source().join("packer/files");
    for (name, to) in [
        ("first-boot", "usr/libexec/ecs-image/first-boot"),
        (
            FIRST_BOOT,
            "usr/lib/systemd/system/ecs-image-first-boot.service",
        ),
        (
            "environment.conf",
            "usr/lib/systemd/system/ecs-lifecycle-agent.service.d/image.conf",
        ),
    ] {
        std::fs::copy(files.join(name), machine.write(to, "")).unwrap();
    }
    let script = machine.write("usr/libexec/ecs-image/.made", "");
    std::fs::set_permissions(
        script.with_file_name("first-boot"),
        std::fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    machine.offline(&["systemctl", "enable", FIRST_BOOT]).await;
    Stage::as_it_is(machine, vec![web(1)]).await
}

async fn cat(stage: &Stage, path: &str) -> String {
    let output = stage.machine.try_run(&["cat", path]).await;
    String::from_utf8(output.stdout).unwrap()
}

/// A user data script, or cfn-init in it, wrote what it wants.
#[test]
fn from_the_file_of_cfn_init_and_user_data_is_not_asked() {
    isolated(async || {
        let mut stage = stage().await;
        let text = format!(
            "# by cfn-init\n\nECS_CLUSTER=demo\nECS_RESERVED_MEMORY=64\n{}ECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT=7m\n",
            stage.endpoints("")
        );
        stage.machine.write("etc/ecs-image/first-boot.env", &text);
        stage
            .instance
            .set_user_data("#ecs-image\nECS_CLUSTER=other\n");
        stage.boot().await;
        assert_eq!(
            cat(&stage, "/etc/ecs/ecs.config").await,
            "ECS_CLUSTER=demo\nECS_RESERVED_MEMORY=64\n"
        );
        let environment = cat(&stage, "/etc/ecs-lifecycle-agent/environment").await;
        assert!(
            environment.ends_with("ECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT=7m\n"),
            "{environment}"
        );
        // There can be secrets in all of them.
        for file in [
            "/etc/ecs/ecs.config",
            "/etc/ecs-lifecycle-agent/environment",
            "/etc/ecs-image/first-boot.env",
        ] {
            let mode = stage.machine.run(&["stat", "--format=%a", file]).await;
            assert_eq!(mode.trim(), "600", "{file}");
        }
        stage.instance.terminate();
        stage.gone_in_order().await;
    });
}

/// What the CloudFormation template of this project does.
#[test]
fn a_user_data_script_has_written_ecs_config_itself() {
    isolated(async || {
        let mut stage = stage().await;
        stage
            .machine
            .write("etc/ecs/ecs.config", "ECS_CLUSTER=demo\n");
        stage
            .instance
            .set_user_data("#!/bin/bash\necho ECS_CLUSTER=demo >/etc/ecs/ecs.config\n");
        stage.machine.boot().await;
        stage.machine.until_is("ActiveState", "active").await;
        assert_eq!(
            cat(&stage, "/etc/ecs/ecs.config").await,
            "ECS_CLUSTER=demo\n"
        );
        assert_eq!(
            cat(&stage, "/etc/ecs-lifecycle-agent/environment").await,
            ""
        );
    });
}

#[test]
fn without_user_data_everything_stays_as_the_image_has_it() {
    isolated(async || {
        let mut stage = stage().await;
        stage.machine.boot().await;
        stage.machine.until_is("ActiveState", "active").await;
        assert_eq!(cat(&stage, "/etc/ecs/ecs.config").await, "");
        let done = ["test", "-e", "/var/lib/ecs-image/first-boot-done"];
        stage.machine.run(&done).await;
    });
}

/// Better no instance than one in a cluster that is not its own.
async fn refused(user_data: &str, said: &str) {
    let mut stage = stage().await;
    stage.instance.set_user_data(user_data);
    stage.machine.boot().await;
    poll("the first boot to fail", async || {
        let state = stage.machine.property_of(FIRST_BOOT, "ActiveState").await;
        (state == "failed").then_some(())
    })
    .await;
    let journal = stage
        .machine
        .run(&["journalctl", "--unit", FIRST_BOOT])
        .await;
    assert!(journal.contains(said), "{journal}");
    assert!(!journal.contains("secret"), "{journal}");
    assert_eq!(cat(&stage, "/etc/ecs/ecs.config").await, "");
    assert_eq!(
        stage
            .machine
            .property_of("ecs.service", "ActiveState")
            .await,
        "inactive"
    );
}

#[test]
fn a_line_that_makes_no_sense_keeps_the_ecs_agent_from_starting() {
    isolated(async || {
        let user_data = "#ecs-image\nECS_CLUSTER=demo\nCLUSTER=demo secret\n";
        refused(user_data, "user data, line 3: ").await;
    });
}

#[test]
fn a_configuration_that_the_agent_would_not_take_keeps_the_ecs_agent_from_starting() {
    isolated(async || {
        let user_data = "#ecs-image\nECS_CLUSTER=demo\nECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT=soon\n";
        refused(user_data, "soon").await;
    });
}
