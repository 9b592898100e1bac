//! AWS's own `cfn-signal` says the same as the agent, parameter by parameter.

use std::path::{Path, PathBuf};

use ecs_lifecycle_rig::{AgentBuilder, Scratch};
use ecs_lifecycle_simulator::{
    GroupSpec, HookSpec, Instance, InstanceSpec, Options, Simulator, StackSpec, TaskSpec,
};
use tokio::process::Command;

use super::tap::{Head, Tap};
use super::{PATIENCE, peer};

const STACK: &str = "demo-stack";
const RESOURCE: &str = "AutoScalingGroup";
const REGION: &str = "eu-central-1";

/// A Python that runs what AWS wrote for Python 2: `PYTHON2`, one in `PATH`, or one of pyenv's.
async fn python2() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").unwrap_or_default();
    let versions = std::fs::read_dir(Path::new(&home).join(".pyenv/versions"));
    let of_pyenv = versions
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin/python2.7"));
    let named = std::env::var_os("PYTHON2").map(PathBuf::from);
    let candidates = named
        .into_iter()
        .chain(["python2.7".into(), "python2".into()])
        .chain(of_pyenv);
    for candidate in candidates {
        let works = Command::new(&candidate).args(["-c", "exit(0)"]).output();
        if works.await.is_ok_and(|output| output.status.success()) {
            return Some(candidate);
        }
    }
    None
}

async fn stage() -> (Simulator, Instance) {
    let options = Options {
        region: REGION.to_owned(),
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let group = GroupSpec::new("demo-asg")
        .wait_delay(std::time::Duration::from_millis(100))
        .hook(HookSpec::terminating("drain-hook"));
    simulator.add_group(group);
    simulator.add_stack(&StackSpec::new(STACK).waiting(RESOURCE));
    let task = TaskSpec::service("web").stop_duration(std::time::Duration::from_millis(200));
    let instance = InstanceSpec::new("demo").group("demo-asg").task(task);
    let instance = simulator.add_instance(instance).await.unwrap();
    (simulator, instance)
}

/// What the agent sends at the end of a drain.
async fn ours(simulator: &Simulator, instance: &Instance) -> Head {
    let tap = Tap::before(&simulator.cloudformation_endpoint()).await;
    let scratch = Scratch::new().unwrap();
    let binary = env!("CARGO_BIN_EXE_ecs-lifecycle-agent");
    let agent = AgentBuilder::new(binary, instance, scratch.path())
        .env("AWS_ENDPOINT_URL_CLOUDFORMATION", &tap.url)
        .set("cloudformation", "stack_name", STACK)
        .set("cloudformation", "logical_resource_id", RESOURCE)
        .set("cloudformation", "signal_drained", "true")
        .start()
        .unwrap();
    agent.says("this is a container instance of cluster").await;
    instance.terminate();
    let id = instance.id().to_owned();
    simulator
        .wait_until("a completion", PATIENCE, move |world| {
            world.completions(&id) > 0
        })
        .await
        .unwrap();
    let heads = tap.heads();
    assert_eq!(heads.len(), 1, "{heads:?}");
    heads[0].clone()
}

async fn theirs(python: &Path, simulator: &Simulator, instance: &Instance) -> Head {
    let tap = Tap::before(&simulator.cloudformation_endpoint()).await;
    let output = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/cfn_signal.py"))
        .arg(peer("cfn-bootstrap"))
        .args(["-s", "true", "--stack", STACK, "--resource", RESOURCE])
        .args(["--region", REGION, "--id", instance.id(), "--url", &tap.url])
        .env_clear()
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(instance.env())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let heads = tap.heads();
    assert_eq!(heads.len(), 1, "{heads:?}\n{stderr}");
    heads[0].clone()
}

#[tokio::test]
#[expect(
    clippy::print_stderr,
    reason = "a test has no other way to say that it is skipped"
)]
async fn aws_s_own_tool_sends_the_same_request() {
    let Some(python) = python2().await else {
        eprintln!("skipped: cfn-signal takes Python 2.7, and there is none (PYTHON2 names one)");
        return;
    };
    let (simulator, instance) = stage().await;
    let theirs = theirs(&python, &simulator, &instance).await;
    // A second SUCCESS in the same wait would be refused.
    simulator.set_waiting(STACK, RESOURCE, true);
    let ours = ours(&simulator, &instance).await;
    assert_eq!(ours.method, theirs.method);
    assert_eq!(ours.path, theirs.path);
    assert_eq!(ours.parameters, theirs.parameters);
    assert_eq!(ours.authorization(), theirs.authorization());
    assert_eq!(
        ours.headers["authorization"],
        theirs.headers["authorization"]
    );
    assert_eq!(ours.headers["accept"], theirs.headers["accept"]);
    // And the simulator, which looks at the identity, took both.
    simulator.world(|world| {
        assert_eq!(world.signals().len(), 2);
        let (first, second) = (&world.signals()[0], &world.signals()[1]);
        assert_eq!(first.auth, second.auth);
        assert_eq!(first.unique_id, instance.id());
    });
}
