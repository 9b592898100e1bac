//! ECS, Auto Scaling and CloudFormation over real sockets, with credentials from the metadata service.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]

mod common;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{
    AUTO_SCALING, Api, CLOUDFORMATION, Keys, SOON, added, ecs, metadata, query, send, simple, until,
};
use ecs_lifecycle_simulator::model::SignalAuth;
use ecs_lifecycle_simulator::{
    ContainerInstanceStatus, GroupSpec, HookSpec, InstanceSpec, Options, Outcome, Scenario,
    Service, Simulator, StackSpec, TaskSpec, What, Who, World,
};
use serde_json::json;

const TERMINATED: (&str, &str) = ("LifecycleActionResult", "CONTINUE");

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[tokio::test]
async fn a_whole_drain_by_hand() {
    let group = GroupSpec::new("demo-asg")
        .wait_delay(ms(50))
        .acceptance_delay(ms(50))
        .terminate_delay(ms(10))
        .hook(HookSpec::terminating("drain-hook"));
    let task = TaskSpec::service("web").replacement_delay(ms(20));
    let tasks = vec![task.stop_duration(ms(60)); 3];
    let scenario = Scenario::with_group(Options::default(), group, tasks)
        .await
        .unwrap();
    let (simulator, instance) = (scenario.simulator, scenario.instance);
    let api = Api::new(&simulator, Keys::of(&instance).await);
    let (id, arn) = (instance.id(), instance.container_instance_arn());

    instance.terminate();
    let params = json!({"cluster": "demo", "containerInstances": [arn], "status": "DRAINING"});
    let answer = api.ecs("UpdateContainerInstancesState", &params).await;
    assert_eq!(answer.json()["containerInstances"][0]["status"], "DRAINING");
    let drained = |w: &World| w.running_tasks(id).is_empty();
    until(&simulator, "drained", drained).await;

    let named = [
        ("AutoScalingGroupName", "demo-asg"),
        ("LifecycleHookName", "drain-hook"),
        ("InstanceId", id),
    ];
    let complete = [named[0], named[1], named[2], TERMINATED];
    let accepting = |w: &World| {
        let hook = w.instance(id).unwrap().pending_hook("drain-hook");
        hook.is_some_and(|h| h.accepting_from <= w.now())
    };
    until(&simulator, "accepting", accepting).await;
    let beat = api.auto_scaling("RecordLifecycleActionHeartbeat", &named);
    assert_eq!(beat.await.status, 200);
    let completed = api.auto_scaling("CompleteLifecycleAction", &complete).await;
    assert_eq!(completed.status, 200);
    let again = api.auto_scaling("CompleteLifecycleAction", &complete).await;
    assert_eq!(again.status, 400);
    let message =
        format!("<Message>No active Lifecycle Action found with instance ID {id}</Message>");
    assert!(again.text().contains("<Code>ValidationError</Code>"));
    assert!(again.text().contains(&message));
    instance.wait_until_gone(SOON).await.unwrap();

    let named = [("InstanceIds.member.1", id)];
    let gone = api
        .auto_scaling("DescribeAutoScalingInstances", &named)
        .await;
    let none = "<AutoScalingInstances></AutoScalingInstances>";
    assert!(gone.text().contains(none));
    simulator.world(|w| {
        assert!(w.killed().is_empty());
        assert_eq!(w.completions(id), 1);
        assert!(w.requests().aws_calls().all(|r| r.instance.as_deref() == Some(id)), "attributed by credentials");
        let refused = w.requests().all().iter().rev().nth(1).unwrap();
        assert_eq!(refused.outcome, Outcome::Refused { code: "ValidationError".to_owned() });
        assert!(!refused.executed && again.header("x-amzn-requestid") == Some(refused.request_id.clone()));
        let by_api = |what: &What| matches!(what, What::ContainerInstanceStatusChanged { by: Who::Api(who), .. } if who == id);
        assert!(w.event_of(id, by_api).is_some());
    });
}

#[tokio::test]
async fn only_credentials_that_were_handed_out() {
    let (simulator, instance) = simple(0).await;
    let keys = Keys::of(&instance).await;
    let made_up = Keys {
        id: "ASIAMADEUP".to_owned(),
        token: None,
    };
    let tokenless = Keys {
        token: None,
        ..keys.clone()
    };
    let params = json!({"cluster": "demo"});
    let call = async |keys: &Keys| {
        let json = Api::new(&simulator, keys.clone())
            .ecs("ListTasks", &params)
            .await;
        let (aws, find) = (simulator.aws_endpoint(), "DescribeAutoScalingInstances");
        let xml = query(&aws, keys, AUTO_SCALING, find, &[]).await.unwrap();
        (json.status, json.text(), xml.status, xml.text())
    };
    let (status, _, xml_status, _) = call(&keys).await;
    assert_eq!((status, xml_status), (200, 200));
    for keys in [&made_up, &tokenless] {
        let (status, text, xml_status, xml) = call(keys).await;
        assert_eq!((status, xml_status), (400, 403));
        assert!(text.contains("UnrecognizedClientException"));
        assert!(xml.contains("InvalidClientTokenId"));
    }
    instance.expire_credentials();
    let (status, text, xml_status, xml) = call(&keys).await;
    assert_eq!((status, xml_status), (400, 403));
    assert!(text.contains("ExpiredTokenException") && xml.contains("<Code>ExpiredToken</Code>"));
    let (status, ..) = call(&Keys::of(&instance).await).await;
    assert_eq!(status, 200, "fresh ones are handed out");
    let (ecs, target) = (simulator.ecs_endpoint(), [("X-Amz-Target", "x.ListTasks")]);
    let unsigned = send(&ecs, "POST", "/", &target, "{}").await.unwrap().text();
    assert!(unsigned.contains("MissingAuthenticationTokenException"));
}

#[tokio::test]
async fn container_instances_fail_as_documented() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let spec = || InstanceSpec::new("c");
    let active = added(&simulator, spec()).await;
    let inactive = added(&simulator, spec().status(ContainerInstanceStatus::Inactive)).await;
    let registering = added(
        &simulator,
        spec().status(ContainerInstanceStatus::Registering),
    )
    .await;
    let update = async |arns: &[String]| {
        let params = json!({"cluster": "c", "containerInstances": arns, "status": "DRAINING"});
        let api = Api::new(&simulator, Keys::fixed());
        api.ecs("UpdateContainerInstancesState", &params).await
    };
    let [active, inactive] = [active, inactive].map(|it| it.container_instance_arn());
    let missing = format!("{active}0");
    let answer = update(&[active, inactive, missing]).await.json();
    assert_eq!(answer["containerInstances"].as_array().unwrap().len(), 1);
    assert_eq!(answer["failures"][0]["reason"], "INACTIVE");
    assert_eq!(answer["failures"][1]["reason"], "MISSING");
    let refused = update(&[registering.container_instance_arn()]).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["__type"], "InvalidParameterException");
    simulator.change(|w| {
        w.set_container_instance_status(registering.id(), ContainerInstanceStatus::Active, Who::Aws)
    });
    let arn = registering.container_instance_arn();
    assert_eq!(update(std::slice::from_ref(&arn)).await.status, 200);
    // An already draining one is fine.
    let again = update(&[arn]).await.json();
    assert_eq!(again["containerInstances"][0]["status"], "DRAINING");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    for _ in 0..3 {
        let spec = InstanceSpec {
            tasks: vec![TaskSpec::service("web"); 80],
            ..InstanceSpec::new("c")
        };
        added(&simulator, spec).await;
    }
    let mut token = json!(null);
    let mut pages = Vec::new();
    loop {
        let params = json!({"cluster": "c", "nextToken": token});
        let api = Api::new(&simulator, Keys::fixed());
        let answer = api.ecs("ListTasks", &params).await.json();
        pages.push(answer["taskArns"].as_array().unwrap().len());
        token = answer.get("nextToken").cloned().unwrap_or_default();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(pages, [100, 100, 40]);
}

#[tokio::test]
async fn cloudformation_takes_an_instance_identity() {
    let (simulator, instance) = simple(0).await;
    let stack = StackSpec::new("stack").waiting_for("Group", 1);
    simulator.add_stack(&stack.idle("Other"));
    let document = metadata(&instance, "dynamic/instance-identity/document").await;
    let signature = metadata(&instance, "dynamic/instance-identity/signature").await;
    let signature = signature.text().replace('\n', "");
    let signal = async |resource: &str, signature: &str| {
        let path = format!(
            "/?Action=SignalResource&LogicalResourceId={resource}&StackName=stack&UniqueId={}&Status=SUCCESS\
             &ContentType=JSON&Version={CLOUDFORMATION}",
            instance.id()
        );
        let authorization = format!("CFN_V1 {}:{signature}", STANDARD.encode(&document.body));
        let headers = [("Authorization", authorization.as_str())];
        let endpoint = simulator.cloudformation_endpoint();
        send(&endpoint, "GET", &path, &headers, "").await.unwrap()
    };
    let accepted = signal("Group", &signature).await;
    assert_eq!(accepted.status, 200);
    assert!(accepted.json()["SignalResourceResponse"]["ResponseMetadata"]["RequestId"].is_string());
    let outside = signal("Group", &signature).await;
    assert_eq!(outside.status, 400);
    let error = &outside.json()["Error"];
    assert_eq!(error["Code"], "ValidationError");
    let message = error["Message"].as_str().unwrap();
    assert!(message.ends_with("cannot be signaled"));
    assert_eq!(signal("Other", &signature).await.status, 400);
    assert_eq!(signal("Group", "forged").await.status, 403);
    simulator.set_waiting("stack", "Group", true);
    assert_eq!(signal("Group", &signature).await.status, 200);
    simulator.world(|w| {
        assert_eq!(w.signals().len(), 2);
        let identity = SignalAuth::InstanceIdentity(instance.id().to_owned());
        assert_eq!(w.signals()[0].auth, identity);
        let record = w.requests().first("cloudformation:SignalResource").unwrap();
        assert_eq!(record.instance.as_deref(), Some(instance.id()));
        assert_eq!(record.params["UniqueId"], instance.id());
    });
}

#[tokio::test]
async fn a_repeated_signal_is_refused() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    simulator.add_stack(&StackSpec::new("stack").waiting_for("Group", 2));
    let signal = async |unique: &str, status: &str| {
        let params = [
            ("StackName", "stack"),
            ("LogicalResourceId", "Group"),
            ("UniqueId", unique),
            ("Status", status),
        ];
        let (aws, keys) = (simulator.aws_endpoint(), Keys::fixed());
        let answer = query(&aws, &keys, CLOUDFORMATION, "SignalResource", &params).await;
        answer.unwrap().status
    };
    assert_eq!(signal("i-1", "SUCCESS").await, 200);
    assert_eq!(signal("i-1", "SUCCESS").await, 400, "it exists already");
    assert!(simulator.world(|w| w.stack("stack").unwrap().resources["Group"].waiting));
    assert_eq!(signal("i-2", "SUCCESS").await, 200);
    assert_eq!(signal("i-3", "SUCCESS").await, 400, "the wait is over");
    simulator.set_waiting("stack", "Group", true);
    assert_eq!(signal("i-1", "FAILURE").await, 200);
    simulator.world(|w| {
        assert!(w.stack("stack").unwrap().resources["Group"].failed);
        assert_eq!(w.signals().len(), 3);
    });
}

#[tokio::test]
async fn every_api_has_its_own_door_and_can_be_shut() {
    let Scenario { simulator, .. } = Scenario::simple(0).await.unwrap();
    let list = async |endpoint: String| {
        let params = json!({"cluster": "demo"});
        ecs(&endpoint, &Keys::fixed(), "ListTasks", &params).await
    };
    assert_eq!(list(simulator.ecs_endpoint()).await.unwrap().status, 200);
    assert_eq!(list(simulator.aws_endpoint()).await.unwrap().status, 200);
    let another = list(simulator.autoscaling_endpoint()).await.unwrap();
    assert_eq!(another.status, 404);
    simulator.close_listener(Service::Ecs).await;
    let refused = list(simulator.ecs_endpoint()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    simulator.open_listener(Service::Ecs).unwrap();
    assert_eq!(list(simulator.ecs_endpoint()).await.unwrap().status, 200);
}

#[tokio::test]
async fn token_buckets_are_shared() {
    let Scenario { simulator, .. } = Scenario::simple(0).await.unwrap();
    simulator.set_throttling(true);
    let mut throttled = 0;
    let (api, params) = (
        Api::new(&simulator, Keys::fixed()),
        json!({"cluster": "demo"}),
    );
    for _ in 0..130 {
        let answer = api.ecs("ListTasks", &params).await;
        if answer.status == 400 {
            assert_eq!(answer.json()["__type"], "ThrottlingException");
            throttled += 1;
        }
    }
    let seconds = simulator.now().as_secs_f64();
    let most = 30.0 - 20.0 * seconds - 1.0;
    let enough = f64::from(throttled) >= most;
    assert!(enough, "{throttled} throttled in {seconds} s");
    simulator.set_throttling(false);
    assert_eq!(api.ecs("ListTasks", &params).await.status, 200);
}
