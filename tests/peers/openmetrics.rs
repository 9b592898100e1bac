//! The Prometheus client's own parser reads the agent's metrics.

use std::process::Stdio;
use std::time::Duration;

use ecs_lifecycle_rig::{AgentBuilder, Scratch};
use ecs_lifecycle_simulator::{
    Fault, FaultKind, GroupSpec, HookSpec, InstanceSpec, Simulator, TaskSpec,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::Command;

use super::{PATIENCE, peer};

/// Strict: it raises where anything is not as OpenMetrics has it.
const PARSE: &str = "\
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
families = list(parse(sys.stdin.read()))
assert families and all(family.documentation for family in families), families
assert len({family.name for family in families}) == len(families), families
print(sum(len(family.samples) for family in families))";

async fn metrics(socket: &std::path::Path) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    body.to_owned()
}

async fn assert_parses(text: &str) {
    let mut parser = Command::new(peer("bin/python"))
        .args(["-c", PARSE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = parser.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).await.unwrap();
    drop(stdin);
    let output = parser.wait_with_output().await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}\n{text}");
    let samples: usize = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap();
    assert!(samples > 0, "{text}");
}

#[tokio::test]
async fn the_metrics_are_as_prometheus_wants_them_in_every_phase() {
    let simulator = Simulator::start(ecs_lifecycle_simulator::Options::default())
        .await
        .unwrap();
    let group = GroupSpec::new("demo-asg")
        .wait_delay(Duration::from_millis(100))
        .terminate_delay(Duration::from_secs(600))
        .hook(HookSpec::terminating("drain-hook"));
    simulator.add_group(group);
    let task = TaskSpec::service("we\"b").stop_duration(Duration::from_secs(2));
    let instance = InstanceSpec::new("demo").group("demo-asg").task(task);
    let instance = simulator.add_instance(instance).await.unwrap();
    let scratch = Scratch::new().unwrap();
    let socket = scratch.path().join("agent.sock");
    let agent = AgentBuilder::new(
        env!("CARGO_BIN_EXE_ecs-lifecycle-agent"),
        &instance,
        scratch.path(),
    )
    .set("agent", "socket", socket.display().to_string())
    .start()
    .unwrap();
    agent.says("this is a container instance of cluster").await;
    assert_parses(&metrics(&socket).await).await;
    // One of each kind of error, too.
    simulator
        .fault(Fault::on("ecs:UpdateContainerInstancesState", FaultKind::AccessDenied).times(1));
    instance.terminate();
    agent.says("container instance is DRAINING").await;
    assert_parses(&metrics(&socket).await).await;
    let id = instance.id().to_owned();
    simulator
        .wait_until("a completion", PATIENCE, move |world| {
            world.completions(&id) > 0
        })
        .await
        .unwrap();
    agent.says("lifecycle action completed").await;
    assert_parses(&metrics(&socket).await).await;
}
