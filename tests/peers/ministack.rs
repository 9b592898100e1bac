//! A CloudFormation of somebody else's, with a stack that waits for the agent's signal.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use ecs_lifecycle_rig::{AgentBuilder, Scratch};
use ecs_lifecycle_simulator::{GroupSpec, HookSpec, InstanceSpec, Options, Simulator, TaskSpec};
use tokio::process::{Child, Command};

use super::http::post;
use super::tap::Tap;
use super::{PATIENCE, peer};

const RESOURCE: &str = "Drained";
const TEMPLATE: &str = r#"{"Resources": {"Drained": {
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

#[tokio::test]
async fn a_stack_that_waits_for_the_signal_is_complete_with_it() {
    let ministack = Ministack::start().await;
    let name = [("StackName", "drained")];
    let create = [("StackName", "drained"), ("TemplateBody", TEMPLATE)];
    let (status, text) = ministack.ask("CreateStack", &create).await.unwrap();
    assert_eq!(status, 200, "{text}");
    // The stack waits, and would for five minutes.
    ministack
        .until("DescribeStackEvents", &name, |_, text| {
            text.contains(&format!(
                "<LogicalResourceId>{RESOURCE}</LogicalResourceId>"
            ))
        })
        .await;

    let simulator = Simulator::start(Options::default()).await.unwrap();
    let group = GroupSpec::new("demo-asg")
        .wait_delay(Duration::from_millis(100))
        .hook(HookSpec::terminating("drain-hook"));
    simulator.add_group(group);
    let task = TaskSpec::service("web").stop_duration(Duration::from_millis(200));
    let instance = InstanceSpec::new("demo").group("demo-asg").task(task);
    let instance = simulator.add_instance(instance).await.unwrap();
    let tap = Tap::before(&ministack.url).await;
    let scratch = Scratch::new().unwrap();
    let agent = AgentBuilder::new(
        env!("CARGO_BIN_EXE_ecs-lifecycle-agent"),
        &instance,
        scratch.path(),
    )
    .env("AWS_ENDPOINT_URL_CLOUDFORMATION", &tap.url)
    .set("cloudformation", "stack_name", "drained")
    .set("cloudformation", "logical_resource_id", RESOURCE)
    .start()
    .unwrap();
    agent
        .logged("this is a container instance of cluster", PATIENCE)
        .await
        .unwrap();
    instance.terminate();
    ministack
        .until("DescribeStacks", &name, |_, text| {
            text.contains("<StackStatus>CREATE_COMPLETE</StackStatus>")
        })
        .await;
    instance.wait_until_gone(PATIENCE).await.unwrap();
    // Its answer is XML, whatever ContentType says: the agent takes that for no answer, and asks again.
    for head in tap.heads() {
        assert_eq!(head.parameters["Status"], "SUCCESS");
        assert_eq!(head.parameters["UniqueId"], instance.id());
    }
    simulator.world(|world| {
        assert!(world.killed().is_empty());
        assert_eq!(world.completions(instance.id()), 1);
    });
    let (_, events) = ministack.ask("DescribeStackEvents", &name).await.unwrap();
    assert!(
        events.contains("SUCCESS") && events.contains(instance.id()),
        "{events}"
    );
}
