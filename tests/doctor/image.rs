//! `--image`: files alone, and no network at all.

use super::stage::{CONFIG, ECS_CONFIG, Host, LINK, STATE, UNIT};

/// The host of an image: nothing runs yet.
fn image() -> Host {
    let host = Host::new();
    host.remove("sys");
    host.remove("var/lib/ecs-lifecycle-agent");
    host
}

#[test]
fn an_image_that_is_well() {
    let host = image();
    let report = host.image();
    report.complains(&[]);
    assert_eq!(report.mode(), "image");
    // Nothing of a live instance's.
    let ids: Vec<&str> = report
        .checks()
        .iter()
        .map(|check| check["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        [
            "configuration",
            "unit-file",
            "binary",
            "unit-enabled",
            "docker-unit",
            "ecs-unit",
            "ecs-config",
            "spot-draining",
            "ecs-agent-data",
            "state-file",
            "shutdown",
        ]
    );
    let output = host.doctor(&["--image"], &[]);
    assert_eq!(output.code, Some(0), "{}", output.stdout);
}

#[test]
fn the_unit_is_not_installed() {
    let host = image();
    host.remove(&format!("usr/lib/systemd/system/{UNIT}"));
    host.remove(LINK);
    host.image()
        .finds("unit-file", "", "/usr/lib/systemd/system")
        .untried("unit-enabled")
        .untried("binary");
}

#[test]
fn the_binary_is_not_there() {
    let host = image();
    host.mode("usr/bin/ecs-lifecycle-agent", 0o644);
    host.image().finds("binary", "", "chmod 755");
    host.remove("usr/bin/ecs-lifecycle-agent");
    host.image().finds("binary", "", "ExecStart=");
}

#[test]
fn the_unit_is_not_enabled() {
    let host = image();
    host.remove(LINK);
    host.image().finds("unit-enabled", "", "systemctl enable");
}

#[test]
fn another_machines_state_is_baked_in() {
    let host = image();
    host.write(STATE, "{\"instance_id\": \"i-0123456789abcdef0\"}");
    host.write("var/lib/ecs/data/agent.db", "");
    host.image()
        .complains(&["state-file?", "ecs-agent-data?"])
        .advises("state-file", "at the end of the build")
        .advises("ecs-agent-data", "agent.db");
}

#[test]
fn the_ecs_agent_and_docker_are_missing() {
    let host = image();
    host.remove("usr/lib/systemd/system/ecs.service");
    host.remove("usr/lib/systemd/system/docker.service");
    host.image()
        .complains(&["ecs-unit", "docker-unit?"])
        .advises("ecs-unit", "ecs-init")
        .advises("docker-unit", "Docker");
}

#[test]
fn nothing_starts_the_ecs_agent() {
    let host = image();
    host.remove("etc/systemd/system/multi-user.target.wants");
    host.image()
        .finds("ecs-unit?", "", "systemctl enable ecs.service");
}

#[test]
fn ecs_config_is_no_list_of_assignments() {
    let host = image();
    host.write(
        ECS_CONFIG,
        "ECS_CLUSTER = demo\nexport ECS_LOGLEVEL=debug\nsecret\n",
    );
    let report = host.image();
    report
        .finds("ecs-config?", "line 1 has a space", "")
        .says("ecs-config", "line 3")
        .advises("ecs-config", "KEY=value");
    assert!(!format!("{report:?}").contains("secret"));
}

#[test]
fn the_configuration_is_wrong() {
    let host = image();
    host.write(CONFIG, "[drian]\n");
    host.image().finds("configuration", "drian", "drain");
}
