//! An instance refresh replaces the root volume: drained at the terminating hook, booted from an empty disk, joined at
//! the launching hook. What metadata says meanwhile is documented nowhere.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ecs_lifecycle_rig::Scratch;
use ecs_lifecycle_simulator::{
    AWS_CALLS, InstanceSpec, LifecycleState, TargetLifecycleState as Target, Who, World,
};
use serde_json::{Value, json};

use super::control::{self, socket};
use super::newcomer::{CONTINUE, DRAIN, LAUNCH, Newcomer, RESOURCE, STACK, agent, group, ms};
use super::scripts::Scripts;
use super::stage::{Active, Draining, SET, binary, web};

/// A program that runs the agent with a boot clock that began ten seconds ago: in a time namespace.
fn just_booted(directory: &Path) -> Option<PathBuf> {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let up: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    // It would be 0 in a machine that has just booted itself.
    let back = (up as u64).saturating_sub(10);
    let namespace = format!("--time --boottime=-{back} --kill-child=KILL");
    let tried = Command::new("sh")
        .args(["-c", &format!("unshare {namespace} true")])
        .output();
    if !tried.as_ref().is_ok_and(|tried| tried.status.success()) {
        let required = std::env::var_os("ECS_LIFECYCLE_REQUIRE_SYSTEMD").is_some();
        assert!(!required, "unshare --time: {tried:?}");
        eprintln!("SKIPPED: root_volume: needs unshare --time, as root: {tried:?}");
        return None;
    }
    let path = directory.join("just-booted");
    let text = format!(
        "#!/bin/sh\nPATH=/usr/bin:/bin exec unshare {namespace} {} \"$@\"\n",
        binary()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Some(path)
}

/// The instance is a day old. `drains`: whether anything tells the agent that it is to drain.
async fn replaced(meanwhile: Option<Target>, drains: bool) {
    let disk = Scratch::new().unwrap();
    let Some(program) = just_booted(disk.path()) else {
        return;
    };
    let old = InstanceSpec::new("demo")
        .group("demo-asg")
        .stack_tags(STACK, RESOURCE)
        .connects_after(ms(300))
        .task(web(300));
    let mut stage = Newcomer::added(group(), old).await;
    let instance = stage.instance.clone();
    let former = instance.container_instance_arn();
    let mut process = stage.start();
    stage.polls(&process, 5).await;
    stage.simulator.clear_requests();

    let contradicts = meanwhile == Some(Target::Terminated);
    assert!(instance.replace_root_volume(meanwhile));
    if drains {
        stage.completed(&process, DRAIN).await;
        assert_eq!(stage.results(DRAIN), [CONTINUE]);
        stage.none_killed();
    } else {
        stage
            .reaches(&process, LifecycleState::ReplacingRootVolumeWait)
            .await;
        stage.polls(&process, 30).await;
        assert_eq!(stage.count(AWS_CALLS), 0, "{}", process.text());
        // Somebody else, or the lapse of the hook.
        let operator = Who::Operator;
        let complete = |w: &mut World| w.complete(instance.id(), DRAIN, None, CONTINUE, operator);
        stage.simulator.change(complete).unwrap();
    }
    stage
        .reaches(&process, LifecycleState::RootVolumeReplaced)
        .await;
    process.kill().await.unwrap();

    // Nothing of the disk is left: neither the agent's state nor the ECS agent's registration.
    instance.boot_from_new_root_volume(ms(300)).await;
    stage.simulator.clear_requests();
    let scripts = Scripts::below(disk.path());
    stage.stage.builder = agent(&instance, &disk, &scripts).by(program);
    let process = stage.start();
    stage.completed(&process, LAUNCH).await;
    stage.reaches(&process, LifecycleState::InService).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE]);
    assert_ne!(instance.container_instance_arn(), former);
    stage.becomes(&process, Active).await;

    let socket = socket(&disk);
    let known = |status: &Value| status["former_registrations"] != json!([]);
    let status = control::until(&socket, "a former registration", known).await;
    let expected = json!([{"cluster": "demo", "arn": former}]);
    assert_eq!(status["former_registrations"], expected);

    // In service, it stays so, whatever metadata goes on to say, and is as idle as ever. Only while metadata contradicts Auto
    // Scaling, that is asked again, at intervals that are longer than these polls by now.
    stage.polls(&process, 30).await;
    stage.simulator.clear_requests();
    stage.polls(&process, 30).await;
    let asked = stage.count("autoscaling:DescribeAutoScalingInstances");
    assert!(asked <= usize::from(contradicts), "{}", process.text());
    assert_eq!(stage.count(AWS_CALLS), asked, "{}", process.text());
    stage.world(|world| {
        let it = world.instance(instance.id()).unwrap();
        assert_eq!(it.status, Active);
        let orphan = it.former.get(&former);
        let drained = if drains { Draining } else { Active };
        assert_eq!(orphan, Some(&drained));
    });
    assert_eq!(stage.executed(SET), 0, "{}", process.text());
    let command = format!(
        "aws ecs deregister-container-instance --cluster demo --container-instance {former} --force"
    );
    let status = control::run(&socket, &["status"]).await.text();
    assert!(status.contains(&command), "{status}");
    let check = doctors_check(&stage);
    assert_eq!(check["status"], "warning", "{check}");
    assert_eq!(check["remedy"], command.as_str(), "{check}");
}

/// What `doctor` says of former registrations.
fn doctors_check(stage: &Newcomer) -> Value {
    let introspection = stage.instance.introspection_endpoint();
    let mut doctor = Command::new(binary());
    doctor
        .env_clear()
        .envs(stage.instance.env())
        .args(["doctor", "--json", "--root"])
        .arg(stage.scratch.path());
    // On a machine busy with other tests nothing is to time out.
    for (key, value) in [
        ("ECS__INTROSPECTION_ENDPOINT", introspection.as_str()),
        ("ECS__INTROSPECTION_TIMEOUT", "30s"),
        ("METADATA__REQUEST_TIMEOUT", "30s"),
        ("AWS__REQUEST_TIMEOUT", "60s"),
    ] {
        doctor.env(format!("ECS_LIFECYCLE_AGENT_{key}"), value);
    }
    let doctor = doctor.output().unwrap();
    let report: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let is_it = |check: &&Value| check["id"] == "former-registrations";
    checks.iter().find(is_it).unwrap().clone()
}

#[tokio::test]
async fn metadata_says_nothing() {
    replaced(None, true).await;
}

#[tokio::test]
async fn metadata_says_what_nobody_knows() {
    replaced(Some(Target::Unheard), true).await;
}

/// The old target after the boot is that of the drain.
#[tokio::test]
async fn metadata_says_terminated_before_and_after() {
    replaced(Some(Target::Terminated), true).await;
}

/// Nothing tells the agent of the drain, as it does not ask Auto Scaling while all seems well. It joins all the same.
#[tokio::test]
async fn metadata_says_in_service_all_the_time() {
    replaced(Some(Target::InService), false).await;
}
