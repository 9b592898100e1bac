//! Many instances in one simulator, many simulators in one process, and how they end.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]

mod common;

use std::time::Duration;

use common::{Api, Keys, SOON, added, connect, introspect, metadata, simple, until};
use ecs_lifecycle_simulator::{
    GroupSpec, HookSpec, Instance, InstanceSpec, Options, Scenario, Simulator, TaskSpec,
    TruthEvent, World,
};
use serde_json::json;

const HOOK: &str = "drain-hook";

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Drains and completes as an agent would, with credentials of its own.
async fn drain(simulator: Simulator, instance: Instance) {
    let api = Api::new(&simulator, Keys::of(&instance).await);
    let id = instance.id().to_owned();
    let target = metadata(&instance, "meta-data/autoscaling/target-lifecycle-state");
    assert_eq!(target.await.text(), "Terminated");
    let arn =
        introspect(&instance, "/v1/metadata").await.unwrap().json()["ContainerInstanceArn"].clone();
    let params = json!({"cluster": "demo", "containerInstances": [arn], "status": "DRAINING"});
    let answer = api.ecs("UpdateContainerInstancesState", &params).await;
    let drained = &answer.json()["containerInstances"][0];
    assert_eq!(drained["ec2InstanceId"], id.as_str());
    let drained = |w: &World| {
        w.running_tasks(&id).is_empty() && w.instance(&id).unwrap().pending_hook(HOOK).is_some()
    };
    until(&simulator, "drained and waiting", drained).await;
    let named = [
        ("AutoScalingGroupName", "demo-asg"),
        ("LifecycleHookName", HOOK),
        ("InstanceId", id.as_str()),
        ("LifecycleActionResult", "CONTINUE"),
    ];
    let answer = api.auto_scaling("CompleteLifecycleAction", &named).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    instance.wait_until_gone(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_instances_at_once() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let group = GroupSpec::new("demo-asg")
        .wait_delay(ms(50))
        .terminate_delay(ms(10));
    simulator.add_group(group.hook(HookSpec::terminating(HOOK)));
    let mut drains = tokio::task::JoinSet::new();
    for n in 0..40 {
        let task = TaskSpec::service("web")
            .replacement_delay(ms(n))
            .stop_duration(ms(2 * n));
        let spec = InstanceSpec::new("demo")
            .group("demo-asg")
            .task(task.clone())
            .task(task);
        let instance = added(&simulator, spec).await;
        instance.terminate();
        drains.spawn(drain(simulator.clone(), instance));
    }
    while let Some(drained) = drains.join_next().await {
        drained.unwrap();
    }
    simulator.world(|w| {
        assert!(w.killed().is_empty());
        for instance in w.instances() {
            assert!(instance.is_gone());
            assert_eq!(w.completions(&instance.id), 1);
            let requests = w.requests().of_instance(&instance.id);
            assert_eq!(requests.filter(|r| r.service.is_aws()).count(), 2);
        }
    });
}

#[tokio::test]
async fn the_same_calls_make_the_same_world() {
    async fn history() -> Vec<(String, String)> {
        let tasks = vec![TaskSpec::service("web"), TaskSpec::daemon("logs")];
        let options = Options::default().speed(1000.0);
        let hook = HookSpec::terminating(HOOK).heartbeat_timeout(Duration::from_secs(20));
        let group = GroupSpec::new("demo-asg").hook(hook);
        let scenario = Scenario::with_group(options, group, tasks).await.unwrap();
        let (simulator, instance) = (scenario.simulator, scenario.instance);
        instance.terminate();
        instance.wait_until_gone(SOON).await.unwrap();
        let line = |e: &TruthEvent| (e.instance.clone(), format!("{:?}", e.what));
        simulator.world(|w| w.events().iter().map(line).collect())
    }
    let first = history().await;
    assert!(first.len() > 10);
    assert_eq!(first, history().await);
}

#[tokio::test]
async fn ends_with_its_last_handle_and_not_before() {
    let (simulator, instance) = simple(1).await;
    let endpoint = instance.imds_endpoint();
    let kept = instance.clone();
    drop((simulator, instance));
    assert_eq!(metadata(&kept, "meta-data/instance-id").await.status, 200);
    let (simulator, introspection) = (kept.simulator().clone(), kept.introspection_endpoint());
    drop(kept);
    connect(&introspection).await.unwrap();
    drop(simulator);
    let refused = async {
        while connect(&endpoint).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, refused).await.unwrap();
}

#[tokio::test]
async fn hundreds_of_simulators_one_after_the_other() {
    for n in 0..200 {
        let Scenario { instance, .. } = Scenario::simple(n % 3).await.unwrap();
        let id = metadata(&instance, "meta-data/instance-id").await;
        assert_eq!(id.text(), instance.id());
    }
    let threads = std::fs::read_dir("/proc/self/task").unwrap().count();
    assert!(threads < 50, "{threads} threads are left");
}
