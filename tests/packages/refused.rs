//! An upgrade to a version that refuses the configuration: the version before goes on, over reboots too.

use super::file::{BINARY, bring, newer_deb, newer_rpm, package, packaged, without_a_key};
use super::machine::{Machine, UNIT, poll};
use super::stage::Stage;
use super::{deb, rpm};

const CONFIG: &str = "/etc/ecs-lifecycle-agent/config.toml";
const KEPT: &str = "/usr/lib/ecs-lifecycle-agent/previous/ecs-lifecycle-agent";
const REFUSED: &str =
    "this version rejects the configuration; running the previous version instead";
/// With the key that the newer version does not know.
const OURS: &str = "[drain]\nstandalone_tasks = \"stop\"\nstandalone_stop_after = \"5m\"\n";

/// Waits until this program runs as the agent, and watches.
async fn runs(machine: &Machine, program: &str) {
    poll(program, async || {
        let exe = format!("/proc/{}/exe", machine.agent().await);
        let found = machine.try_run(&["readlink", &exe]).await.stdout;
        (String::from_utf8(found).unwrap().trim_end() == program).then_some(())
    })
    .await;
    machine
        .until("StatusText", |text| {
            text.starts_with("watching: ") && !text.contains("not registered yet")
        })
        .await;
}

/// What a person and the doctor see of it.
async fn it_is_said(machine: &Machine) {
    let entry = machine.logged(REFUSED).await;
    assert_eq!(entry.field("PRIORITY"), "3");
    assert!(entry.message().contains("standalone_stop_after"));
    let checked = machine.try_run(&[BINARY, "check-config"]).await;
    assert_eq!(checked.status.code(), Some(64));
    let doctor = machine.try_run(&[BINARY, "doctor", "--json"]).await;
    let report: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let active = checks.iter().find(|check| check["id"] == "unit-active");
    assert_eq!(active.unwrap()["status"], "warning", "{active:?}");
    // Its commands are those of the version that runs.
    let status = machine.run(&[BINARY, "status"]).await;
    assert!(status.contains("watching"), "{status}");
}

/// The version before is the same, but for the key: it is upgraded to one without, and again.
async fn refused(mut stage: Stage, upgrade: impl AsyncFn(&Machine, &[u8])) {
    let machine = &stage.machine;
    machine.write(CONFIG, OURS);
    machine.systemctl(&["restart", UNIT]).await;
    runs(machine, BINARY).await;
    let good = std::fs::read(machine.path(BINARY)).unwrap();
    let bad = without_a_key(&good);

    upgrade(machine, &bad).await;
    runs(machine, KEPT).await;
    it_is_said(machine).await;
    assert_eq!(std::fs::read(machine.path(BINARY)).unwrap(), bad);
    // A second one does not put the bad one in the place of the good one.
    upgrade(machine, &bad).await;
    runs(machine, KEPT).await;
    assert_eq!(std::fs::read(machine.path(KEPT)).unwrap(), good);

    stage.machine.cut_power().await;
    stage.boot().await;
    let machine = &stage.machine;
    runs(machine, KEPT).await;

    // Corrected, the new one takes over; wrong again, it hands over again.
    machine.write(CONFIG, "");
    machine.systemctl(&["restart", UNIT]).await;
    runs(machine, BINARY).await;
    machine.write(CONFIG, OURS);
    machine.systemctl(&["restart", UNIT]).await;
    runs(machine, KEPT).await;
    stage.instance.terminate();
    stage.gone_in_order().await;
}

#[test]
fn a_deb_that_refuses_the_configuration_leaves_an_agent_that_drains() {
    packaged(async || {
        refused(deb::installed(1).await, async |machine, binary| {
            let path = bring(machine, &newer_deb(&package("deb"), Some(binary)));
            machine.run(&[&deb::INSTALL[..], &[&path]].concat()).await;
        })
        .await;
    });
}

#[test]
fn an_rpm_that_refuses_the_configuration_leaves_an_agent_that_drains() {
    packaged(async || {
        let (stage, path) = rpm::machine().await;
        stage
            .machine
            .run(&["rpm", "--install", "--nodeps", &path])
            .await;
        stage.machine.systemctl(&["start", UNIT]).await;
        refused(stage, async |machine, binary| {
            let path = bring(machine, &newer_rpm(binary));
            let upgrade = ["rpm", "--upgrade", "--replacepkgs", "--nodeps", &path];
            machine.run(&upgrade).await;
        })
        .await;
    });
}
