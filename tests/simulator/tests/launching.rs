//! An instance that its group has just launched, over real sockets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]

mod common;

use std::time::Duration;

use common::{Api, Keys, SOON, introspect, metadata, until};
use ecs_lifecycle_simulator::{
    GroupSpec, HookSpec, InstanceSpec, LifecycleState, Options, Simulator, What, World,
};
use serde_json::json;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

async fn simulator() -> Simulator {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let group = GroupSpec::new("demo-asg")
        .wait_delay(ms(50))
        .terminate_delay(ms(50))
        .hook(HookSpec::launching("launch-hook"));
    simulator.add_group(group);
    simulator
}

async fn until_state(simulator: &Simulator, id: &str, state: LifecycleState) {
    let reached = |w: &World| w.instance(id).unwrap().lifecycle_state == Some(state);
    until(simulator, "the state", reached).await;
}

#[tokio::test]
async fn the_hook_is_completed_over_the_api_and_metadata_says_in_service_throughout() {
    for result in ["CONTINUE", "ABANDON"] {
        let simulator = simulator().await;
        let spec = InstanceSpec::new("demo")
            .group("demo-asg")
            .stack_tags("demo-stack", "Group");
        let instance = simulator.launch(spec).await.unwrap();
        let id = instance.id().to_owned();
        until_state(&simulator, &id, LifecycleState::PendingWait).await;
        for (path, text) in [
            ("autoscaling/target-lifecycle-state", "InService"),
            ("tags/instance/aws:autoscaling:groupName", "demo-asg"),
            ("tags/instance/aws:cloudformation:stack-name", "demo-stack"),
            ("tags/instance/aws:cloudformation:logical-id", "Group"),
        ] {
            let found = metadata(&instance, &format!("meta-data/{path}")).await;
            assert_eq!(found.text(), text, "{path}");
        }
        let api = Api::new(&simulator, Keys::of(&instance).await);
        let call = async |operation: &str, more: &[(&str, &str)]| {
            let mut params = vec![
                ("AutoScalingGroupName", "demo-asg"),
                ("LifecycleHookName", "launch-hook"),
                ("InstanceId", id.as_str()),
            ];
            params.extend_from_slice(more);
            api.auto_scaling(operation, &params).await.status
        };
        assert_eq!(call("RecordLifecycleActionHeartbeat", &[]).await, 200);
        let result_is = [("LifecycleActionResult", result)];
        assert_eq!(call("CompleteLifecycleAction", &result_is).await, 200);
        assert_eq!(call("CompleteLifecycleAction", &result_is).await, 400);
        if result == "CONTINUE" {
            until_state(&simulator, &id, LifecycleState::InService).await;
        } else {
            instance.wait_until_gone(SOON).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_boot_refuses_then_registers_then_connects() {
    let simulator = simulator().await;
    let spec = InstanceSpec::new("demo")
        .group("demo-asg")
        .registers_after(ms(2_000))
        .connects_after(Duration::from_secs(3_600));
    let instance = simulator.launch(spec).await.unwrap();
    assert!(introspect(&instance, "/v1/metadata").await.is_err());
    let happened = async |what: What| {
        let is = |w: &World| w.event_of(instance.id(), |e| *e == what).is_some();
        until(&simulator, "the event", is).await;
    };
    happened(What::EcsAgentUp(true)).await;
    // The port follows the model.
    let answer = loop {
        if let Ok(answer) = introspect(&instance, "/v1/metadata").await {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    let arn = instance.container_instance_arn();
    assert_eq!(answer.json()["ContainerInstanceArn"], arn);
    let connected = async || {
        let params = json!({"cluster": "demo", "containerInstances": [arn]});
        let api = Api::new(&simulator, Keys::of(&instance).await);
        let answer = api.ecs("DescribeContainerInstances", &params).await;
        answer.json()["containerInstances"][0]["agentConnected"].clone()
    };
    assert_eq!(connected().await, false);
    instance.set_agent_connected(true);
    happened(What::AgentConnected(true)).await;
    assert_eq!(connected().await, true);
    instance.set_agent_connected(false);
    assert_eq!(connected().await, false);
}

#[tokio::test]
async fn the_identity_document_says_when_it_was_launched() {
    let simulator = simulator().await;
    let date = async |spec: InstanceSpec, launched: bool| {
        let instance = match launched {
            true => simulator.launch(spec).await,
            false => simulator.add_instance(spec).await,
        };
        let instance = instance.unwrap();
        let document = metadata(&instance, "dynamic/instance-identity/document").await;
        document.json()["pendingTime"].as_str().unwrap().to_owned()
    };
    let spec = InstanceSpec::new("demo").group("demo-asg");
    let old = date(spec.clone(), false).await;
    let hour = date(spec.clone().launched_ago(Duration::from_secs(3600)), true).await;
    let new = date(spec, true).await;
    assert!(old < hour && hour < new, "{old} {hour} {new}");
    // The same moment of another day.
    assert_ne!(old[..10], new[..10]);
    assert_eq!(new.len(), "2026-01-01T00:00:00Z".len());
}
