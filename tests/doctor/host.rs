//! The files of a live instance's host.

use super::stage::{CONFIG, ECS_CONFIG, LINK, STATE, Stage, UNIT};

#[tokio::test]
async fn the_configuration_is_wrong() {
    let stage = Stage::new().await;
    stage.host.write(CONFIG, "[drain]\ntimout = \"1m\"\n");
    // The rest is examined all the same, with the defaults: where nobody listens for introspection.
    let report = stage.examine();
    report
        .says("configuration", "config.toml:2")
        .advises("configuration", "timeout")
        .says("role", "demo-instance-role");
    assert_eq!(report.check("configuration")["status"], "failure");
}

#[tokio::test]
async fn the_unit_is_not_enabled() {
    let stage = Stage::new().await;
    stage.host.remove(LINK);
    stage.finds(
        "unit-enabled",
        "",
        "systemctl enable ecs-lifecycle-agent.service",
    );
}

#[tokio::test]
async fn the_unit_does_not_run() {
    let stage = Stage::new().await;
    stage
        .host
        .remove(&format!("sys/fs/cgroup/system.slice/{UNIT}"));
    stage.finds("unit-active", "", "systemctl start");

    stage.host.remove("sys/fs/cgroup/system.slice");
    stage.examine().complains(&[]).untried("unit-active");
}

#[tokio::test]
async fn the_version_before_runs() {
    let stage = Stage::new().await;
    let kept = "/usr/lib/ecs-lifecycle-agent/previous/ecs-lifecycle-agent";
    stage.host.link("proc/4711/exe", kept);
    stage
        .finds("unit-active?", "", "")
        .says("unit-active", kept)
        .advises("unit-active", "correct the configuration");
}

#[tokio::test]
async fn the_unit_is_masked() {
    let stage = Stage::new().await;
    stage
        .host
        .link(&format!("etc/systemd/system/{UNIT}"), "/dev/null");
    stage.finds("unit-file", "", "systemctl unmask");
}

#[tokio::test]
async fn the_unit_sets_variables_of_its_own() {
    let stage = Stage::new().await;
    stage.host.write(
        &format!("etc/systemd/system/{UNIT}.d/timeout.conf"),
        "[Service]\nEnvironment=ECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT=1h\n",
    );
    stage
        .examine()
        .complains(&[])
        .says("configuration", "timeout.conf sets variables for the unit");
}

#[tokio::test]
async fn the_state_is_another_machines() {
    let stage = Stage::new().await;
    stage
        .host
        .write(STATE, "{\"instance_id\": \"i-0123456789abcdef0\"}");
    stage.finds("state-file?", "i-0123456789abcdef0", "--image");

    let own = format!("{{\"instance_id\": \"{}\"}}", stage.instance.id());
    stage.host.write(STATE, &own);
    stage.examine().complains(&[]);

    stage.host.write(STATE, "{\"inst");
    stage.finds("state-file?", "", "rm ");
}

#[tokio::test]
async fn the_state_directory_is_not_there_though_the_unit_runs() {
    let stage = Stage::new().await;
    stage.host.remove("var/lib/ecs-lifecycle-agent");
    stage.finds("state-directory?", "", "StateDirectory=");
}

#[tokio::test]
async fn the_ecs_agent_is_in_another_cluster() {
    let stage = Stage::new().await;
    stage.host.write(ECS_CONFIG, "ECS_CLUSTER=prod\n");
    stage.finds("ecs-config?", "registered in demo", "agent.db");
}

#[tokio::test]
async fn both_drain_on_a_spot_interruption() {
    let stage = Stage::new().await;
    stage.host.write(
        ECS_CONFIG,
        "ECS_CLUSTER=demo\nECS_ENABLE_SPOT_INSTANCE_DRAINING=true\n",
    );
    stage
        .examine()
        .complains(&[])
        .says("spot-draining", "the ECS agent sets DRAINING");
}

#[tokio::test]
async fn containers_outlast_the_drain() {
    let stage = Stage::new().await;
    stage.host.write(
        ECS_CONFIG,
        "ECS_CLUSTER=demo\nECS_CONTAINER_STOP_TIMEOUT=20m\n",
    );
    stage.finds("ecs-config?", "", "drain.timeout");
}

#[tokio::test]
async fn a_shutdown_cannot_be_told_from_a_restart() {
    let stage = Stage::new().await;
    stage.host.write(CONFIG, "[drain]\non_shutdown = \"90s\"\n");
    stage.finds("shutdown?", "", "dbus-broker");
    stage
        .host
        .write("usr/lib/systemd/system/dbus-broker.service", "[Service]\n");
    stage.examine().complains(&[]);
}

/// It is the cause of an ECS agent that does not start: said once.
#[tokio::test]
async fn cloud_init_found_no_data_source() {
    let stage = Stage::new().await;
    let result = |source| format!("{{\"v1\": {{\"datasource\": \"{source}\", \"errors\": []}}}}");
    let path = "var/lib/cloud/data/result.json";
    stage.host.write(path, &result("DataSourceEc2Local"));
    stage
        .examine()
        .complains(&[])
        .says("cloud-init", "DataSourceEc2Local");
    stage.host.write(path, &result("DataSourceNone"));
    stage.finds("cloud-init?", "", "cloud-init status --long");
    stage.instance.ecs_agent_down().await;
    stage.finds("cloud-init", "", "").untried("ecs-agent");
}
