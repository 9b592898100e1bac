//! A CloudFormation of somebody else's, with a stack that waits for the agent's signal.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use ecs_lifecycle_rig::{AgentBuilder, Scratch};
use ecs_lifecycle_simulator::{
    GroupSpec, HookSpec, Instance, InstanceSpec, Options, Simulator, TaskSpec,
};
use tokio::process::{Child, Command};

use super::http::post;
use super::tap::Tap;
use super::{PATIENCE, peer};

const STACK: &str = "waits";
const NAME: [(&str, &str); 1] = [("StackName", STACK)];
const RESOURCE: &str = "Signalled";
const TEMPLATE: &str = r#"{"Resources": {"Signalled": {
    "Type": "AWS::CloudFormation::WaitCondition",
    "CreationPolicy": {"ResourceSignal": {"Count": 1, "Timeout": "PT5M"}}}}}"#;
/// It looks for the service here, and checks nothing else.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/cloudformation/aws4_request, \
                             SignedHeaders=host, Signature=0";

struct Ministack {
    url: String,
    _server: Child,
    _scratch: Scratch,
}

impl Ministack {
    async fn start() -> Self {
        let scratch = Scratch::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let server = Command::new(peer("bin/python"))
            .args(["-m", "ministack"])
            .env_clear()
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("HOME", scratch.path())
            .env("TMPDIR", scratch.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stack = Self {
            url: format!("http://127.0.0.1:{port}"),
            _server: server,
            _scratch: scratch,
        };
        stack
            .until("ListStacks", &[], |status, _| status == 200)
            .await;
        stack
    }

    async fn ask(&self, action: &str, form: &[(&str, &str)]) -> std::io::Result<(u16, String)> {
        let mut all = vec![("Action", action), ("Version", "2010-05-15")];
        all.extend_from_slice(form);
        post(&self.url, &[("Authorization", AUTHORIZATION)], &all).await
    }

    /// Asks until the answer is as it should be: there is nothing to wait for but its answers.
    async fn until(&self, action: &str, form: &[(&str, &str)], is: impl Fn(u16, &str) -> bool) {
        let mut last = None;
        let asked = async {
            loop {
                let answer = self.ask(action, form).await;
                if answer
                    .as_ref()
                    .is_ok_and(|(status, text)| is(*status, text))
                {
                    return;
                }
                last = Some(answer);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let asked = tokio::time::timeout(PATIENCE, asked).await;
        assert!(asked.is_ok(), "{action} {form:?}: {last:?}");
    }
}

impl Ministack {
    /// Creates the stack, and waits until it waits: it would for five minutes.
    async fn create(&self) {
        let create = [("StackName", STACK), ("TemplateBody", TEMPLATE)];
        let (status, text) = self.ask("CreateStack", &create).await.unwrap();
        assert_eq!(status, 200, "{text}");
        let resource = format!("<LogicalResourceId>{RESOURCE}</LogicalResourceId>");
        self.until("DescribeStackEvents", &NAME, |_, text| {
            text.contains(&resource)
        })
        .await;
    }

    /// Waits until the stack is complete, and shows that it was the signal of `id` that did it.
    async fn complete_by(&self, id: &str) {
        self.until("DescribeStacks", &NAME, |_, text| {
            text.contains("<StackStatus>CREATE_COMPLETE</StackStatus>")
        })
        .await;
        let (_, events) = self.ask("DescribeStackEvents", &NAME).await.unwrap();
        assert!(
            events.contains("SUCCESS") && events.contains(id),
            "{events}"
        );
    }
}

/// Every request says the same. Its answers are XML, whatever ContentType says: the agent takes that for no
/// answer, and asks again.
fn assert_signals(tap: &Tap, id: &str) {
    assert!(!tap.heads().is_empty());
    for head in tap.heads() {
        assert_eq!(head.parameters["Status"], "SUCCESS");
        assert_eq!(head.parameters["UniqueId"], id);
        assert_eq!(head.parameters["StackName"], STACK);
        assert_eq!(head.authorization().1["instanceId"], id);
    }
}

/// What it takes to be in a group that launches and terminates with a hook each.
async fn simulator() -> Simulator {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let group = GroupSpec::new("demo-asg")
        .wait_delay(Duration::from_millis(100))
        .hook(HookSpec::launching("launch-hook"))
        .hook(HookSpec::terminating("drain-hook"));
    simulator.add_group(group);
    simulator
}

fn builder(instance: &Instance, scratch: &Scratch, tap: &Tap) -> AgentBuilder {
    let socket = scratch.path().join("agent.sock").display().to_string();
    AgentBuilder::new(
        env!("CARGO_BIN_EXE_ecs-lifecycle-agent"),
        instance,
        scratch.path(),
    )
    .set("agent", "socket", socket)
    .env("AWS_ENDPOINT_URL_CLOUDFORMATION", &tap.url)
}

#[tokio::test]
async fn a_stack_that_waits_for_a_drain_is_complete_with_its_signal() {
    let ministack = Ministack::start().await;
    ministack.create().await;
    let simulator = simulator().await;
    let task = TaskSpec::service("web").stop_duration(Duration::from_millis(200));
    let instance = InstanceSpec::new("demo").group("demo-asg").task(task);
    let instance = simulator.add_instance(instance).await.unwrap();
    let (tap, scratch) = (Tap::before(&ministack.url).await, Scratch::new().unwrap());
    let agent = builder(&instance, &scratch, &tap)
        .set("cloudformation", "stack_name", STACK)
        .set("cloudformation", "logical_resource_id", RESOURCE)
        .set("cloudformation", "signal_drained", "true")
        .start()
        .unwrap();
    agent.says("this is a container instance of cluster").await;
    instance.terminate();
    ministack.complete_by(instance.id()).await;
    instance.wait_until_gone(PATIENCE).await.unwrap();
    assert_signals(&tap, instance.id());
    simulator.world(|world| {
        assert!(world.killed().is_empty());
        assert_eq!(world.completions(instance.id()), 1);
    });
}

#[tokio::test]
async fn a_stack_that_waits_for_a_new_instance_is_complete_when_it_has_joined() {
    let ministack = Ministack::start().await;
    ministack.create().await;
    let simulator = simulator().await;
    let booting = InstanceSpec::new("demo")
        .group("demo-asg")
        .stack_tags(STACK, RESOURCE)
        .registers_after(Duration::from_millis(500))
        .connects_after(Duration::from_millis(500));
    let instance = simulator.launch(booting).await.unwrap();
    let (tap, scratch) = (Tap::before(&ministack.url).await, Scratch::new().unwrap());
    let agent = builder(&instance, &scratch, &tap)
        .set("ready", "poll_interval", "500ms")
        .start()
        .unwrap();
    ministack.complete_by(instance.id()).await;
    assert_signals(&tap, instance.id());
    simulator.world(|world| {
        let completions = &world.instance(instance.id()).unwrap().completions;
        assert_eq!(completions["launch-hook"], 1, "{}", agent.text());
    });
}
