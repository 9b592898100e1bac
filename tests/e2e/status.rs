//! What the agent says of itself over its socket: status, metrics, and embedded metrics.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Instant;

use ecs_lifecycle_simulator::{Fault, FaultKind, SECRET_MARKERS, TaskSpec, What};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, UnixStream};
use tokio::process::Command;

use super::by_hand::{stage, stage_with, watching};
use super::control::{self, socket};
use super::emf::CloudWatchAgent;
use super::newcomer::{DRAIN, Newcomer, ms};
use super::openmetrics;
use super::stage::{Draining, KNOWN, PATIENCE, web};

/// A moment in the golden file.
const MOMENT: &str = "0-0-0:0:0";

const PHASES: &str = "starting joining watching draining completing done returning";

/// A status in the middle of a drain, without the values that differ in each run: the names and spellings that others
/// rely on.
fn golden() -> Value {
    serde_json::from_str(include_str!("status.json")).unwrap()
}

/// Replaces every number, and every word with a digit in it, by 0.
fn without_values(value: &Value) -> Value {
    match value {
        Value::Number(_) => 0.into(),
        Value::String(text) => {
            let mut out = String::new();
            for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
                if word.contains(|c: char| c.is_ascii_digit()) {
                    out.push('0');
                    out.extend(word.chars().last().filter(|c| !c.is_ascii_alphanumeric()));
                } else {
                    out.push_str(word);
                }
            }
            out.replace("0 0", "0").into()
        }
        Value::Array(list) => list.iter().map(without_values).collect(),
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(key, value)| (key.clone(), without_values(value)));
            Value::Object(entries.collect())
        }
        other => other.clone(),
    }
}

/// Null, or with the same keys and types as the golden file.
fn assert_form(value: &Value, golden: &Value) {
    match (value, golden) {
        (Value::Null, _) | (Value::String(_), Value::Null) => {}
        (Value::Object(ours), Value::Object(theirs)) => {
            assert!(ours.keys().eq(theirs.keys()), "{value:#}");
            ours.iter()
                .for_each(|(key, value)| assert_form(value, &theirs[key]));
        }
        (Value::Array(list), Value::Array(theirs)) => {
            // An empty list says nothing about its elements.
            let element = theirs.first();
            list.iter()
                .for_each(|value| assert_form(value, element.unwrap_or(value)));
        }
        (Value::String(text), Value::String(moment)) if moment == MOMENT => {
            assert!(super::ready::moment(text), "{text}");
        }
        _ => assert_eq!(
            std::mem::discriminant(value),
            std::mem::discriminant(golden),
            "{value}"
        ),
    }
}

/// The form that others rely on.
fn assert_schema(status: &Value) {
    assert_form(status, &golden());
    for key in "since since_seconds waiting_for errors drain_by_hand".split(' ') {
        assert!(!status[key].is_null(), "{key}: {status:#}");
    }
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    let phase = status["phase"].as_str().unwrap();
    assert!(PHASES.split(' ').any(|known| known == phase), "{status:#}");
    let line = status["line"].as_str().unwrap();
    assert!(line.starts_with(phase), "{status:#}");
}

fn assert_metrics(answer: &control::Answer) -> Vec<openmetrics::Sample> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let head = answer.head.to_lowercase();
    assert!(head.contains("application/openmetrics-text"), "{head}");
    assert!(head.contains("version=1.0.0"), "{head}");
    openmetrics::parse(&answer.body).unwrap_or_else(|error| panic!("{error}\n{}", answer.body))
}

/// A service's task, a daemon's, and one of nobody's.
fn mixed() -> Vec<TaskSpec> {
    vec![
        web(600_000),
        TaskSpec::daemon("logs").stop_duration(ms(600_000)),
        TaskSpec::standalone("batch"),
    ]
}

#[tokio::test]
async fn every_phase_has_the_same_form() {
    let stage = stage(vec![web(3_000)]).await;
    stage.instance.close_imds().await;
    let agent = stage.start();
    let socket = socket(&stage.scratch);
    let status = control::phase(&socket, "starting").await;
    assert_schema(&status);
    assert_eq!(status["instance"], Value::Null);
    assert_eq!(status["container_instance"], Value::Null);
    let failing = |status: &Value| {
        let errors = status["errors"].as_array();
        errors.is_some_and(|errors| errors.iter().any(|error| error["failing"] == true))
    };
    assert_schema(&control::until(&socket, "an error", failing).await);
    stage.instance.open_imds().unwrap();
    let known =
        |status: &Value| status["phase"] == "watching" && !status["container_instance"].is_null();
    let status = control::until(&socket, "watching", known).await;
    assert_schema(&status);
    assert_eq!(status["instance"]["id"], stage.instance.id());
    let arn = stage.instance.container_instance_arn();
    assert_eq!(status["container_instance"]["arn"], arn);
    assert_eq!(status["target_lifecycle_state"], "InService");
    assert_eq!(status["deadline"], Value::Null);
    assert_eq!(status["outcome"], Value::Null);
    stage.instance.terminate();
    let hooked = |status: &Value| status["phase"] == "draining" && !status["hook"].is_null();
    let status = control::until(&socket, "draining with its hook", hooked).await;
    assert_schema(&status);
    assert_eq!(status["reason"], "target lifecycle state Terminated");
    assert_eq!(status["hook"]["group"], "demo-asg");
    assert_eq!(status["hook"]["name"], DRAIN);
    assert_eq!(status["deadline"]["source"], "drain.timeout");
    // The first one comes after half of the interval of 900 s at the least.
    let next = status["hook"]["next_heartbeat_in_seconds"].as_f64();
    assert!(next.is_some_and(|next| (440.0..=900.0).contains(&next)));
    let status = control::phase(&socket, "done").await;
    assert_schema(&status);
    assert_eq!(status["outcome"], "drained");
    agent.says("drained").await;
}

/// A new instance says that it joins, and until when.
#[tokio::test]
async fn joining_is_a_phase() {
    let mut stage = Newcomer::new().await;
    stage.scripts.add("ready.d", "slow", "say began; hold");
    let agent = stage.start();
    stage.scripts.said().await;
    let status = control::status(&socket(&stage.scratch)).await;
    assert_schema(&status);
    assert_eq!(status["phase"], "joining", "{status:#}");
    let left = status["deadline"]["in_seconds"].as_f64().unwrap();
    assert!(left > 500.0 && left <= 600.0, "{status:#}");
    assert_eq!(status["deadline"]["source"], "ready.timeout");
    stage.scripts.release().await;
    stage.signalled(&agent).await;
    control::phase(&socket(&stage.scratch), "watching").await;
}

/// Each task that a drain waits for, and whose it is.
#[tokio::test]
async fn every_task_waited_for_is_there_with_its_kind() {
    let stage = stage_with("drain.recheck_after=1s", mixed()).await;
    let agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    stage.fault(Fault::on("ecs:DescribeServices", FaultKind::InternalError).times(1));
    stage.instance.terminate();
    let kinds = |status: &Value| -> BTreeSet<String> {
        let tasks = status["waiting_for"].as_array();
        let kinds = tasks.into_iter().flatten().map(|task| &task["kind"]);
        kinds
            .filter_map(|kind| Some(kind.as_str()?.to_owned()))
            .collect()
    };
    let known = |status: &Value| {
        let kinds = kinds(status);
        let has = |word: &str| kinds.iter().any(|kind| kind.contains(word));
        let tasks = status["waiting_for"].as_array();
        let web = tasks
            .into_iter()
            .flatten()
            .find(|task| task["kind"] == "service web");
        let stopping = web.is_some_and(|task| task["stopping"] == true);
        let hooked = !status["hook"].is_null();
        kinds.len() == 3 && stopping && has("daemon") && has("standalone") && hooked
    };
    let status = control::until(&socket, "three kinds", known).await;
    assert_schema(&status);
    let mut form = without_values(&status);
    let tasks = form["waiting_for"].as_array_mut().unwrap();
    tasks.sort_by_key(|task| task["kind"].to_string());
    assert_eq!(form, golden(), "{form:#}");
    let tasks = status["waiting_for"].as_array().unwrap().iter();
    let arns = tasks.map(|task| task["task"].as_str().unwrap().to_owned());
    let arns: BTreeSet<_> = arns.collect();
    let truth = stage.world(|world| world.running_tasks(stage.instance.id()));
    let truth: BTreeSet<_> = truth.into_iter().collect();
    assert_eq!(arns, truth, "{}", agent.text());
    // And so to a person.
    let said = control::done(&socket, &["status"]).await.stdout;
    for part in "draining web logs batch standalone daemon".split(' ') {
        assert!(said.contains(part), "{part}:\n{said}");
    }
    assert!(said.contains("service web"), "{said}");
    let output = control::done(&socket, &["status", "--json"]).await;
    assert_schema(&serde_json::from_str(&output.stdout).unwrap());
}

/// Asks until the drain waits for so many tasks.
async fn waits_for(socket: &Path, tasks: usize) {
    let waits = |status: &Value| status["waiting_for"].as_array().map(Vec::len) == Some(tasks);
    control::until(socket, "so many tasks", waits).await;
}

/// In mid-drain, with every task a host can have, and AWS not answering.
#[tokio::test]
async fn it_answers_at_once_in_mid_drain() {
    let stage = stage(vec![web(600_000); 300]).await;
    let agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    stage.instance.terminate();
    stage.becomes(&agent, Draining).await;
    waits_for(&socket, 300).await;
    for operation in ["ecs:*", "autoscaling:*"] {
        stage.fault(Fault::on(operation, FaultKind::Hang));
    }
    // Somebody holds connections and says nothing.
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(UnixStream::connect(&socket).await.unwrap());
    }
    for target in ["/status", "/metrics"] {
        // Often, until it has answered in time once: what is late is a machine busy with other tests. What waits for
        // AWS, or for the next look at something, never is in time.
        let mut took = Vec::new();
        while !took.iter().any(|took| *took < ms(50)) {
            assert!(took.len() < 200, "{target}: {took:?}");
            let began = now();
            let answer = control::request(&socket, "GET", target).await.unwrap();
            took.push(began.elapsed());
            assert_eq!(answer.status, 200);
        }
        let soon = took.iter().all(|took| *took < ms(9_000));
        assert!(soon, "{target}: {took:?}");
    }
    drop(idle);
}

#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn the_socket_is_for_its_owner_and_group_and_goes_with_the_agent() {
    let stage = stage(vec![web(100)]).await;
    let mut agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    let metadata = std::fs::metadata(&socket).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o660);
    // Left behind by a process that was killed: the next one takes its place.
    agent.kill().await.unwrap();
    assert!(socket.exists());
    let output = control::run(&socket, &["status"]).await;
    assert_eq!(output.code, Some(69), "{output:?}");
    let mut agent = watching(&stage).await;
    control::done(&socket, &["status"]).await;
    agent.signal("TERM").await.unwrap();
    agent.ended(PATIENCE).await.unwrap();
    let output = control::run(&socket, &["status"]).await;
    assert_eq!(output.code, Some(69), "{output:?}");
}

/// Others of the group may look, and nothing more.
#[tokio::test]
#[expect(
    clippy::print_stderr,
    reason = "a test has no other way to say that it is skipped"
)]
async fn only_root_and_the_agent_s_own_user_may_drain() {
    let stage = stage(vec![web(100)]).await;
    let agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    let owner = std::fs::metadata(&socket).unwrap();
    if owner.uid() != 0 {
        eprintln!("skipped: takes root, to be somebody else");
        return;
    }
    let ask = async |method: &str, target: &str| {
        let request = format!(
            "import socket; s = socket.socket(socket.AF_UNIX); s.connect('{}'); \
             s.sendall(b'{method} {target} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nContent-Length: 0\\r\\n\\r\\n'); \
             print(s.recv(65536).decode().split(' ')[1])",
            socket.display()
        );
        let output = Command::new("setpriv")
            .args(["--reuid", "65534", "--clear-groups", "--regid"])
            .arg(owner.gid().to_string())
            .args(["/usr/bin/python3", "-c", &request])
            .output()
            .await
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = String::from_utf8(output.stdout).unwrap();
        let code = text.trim().parse::<u16>();
        code.unwrap_or_else(|_| panic!("{error}"))
    };
    assert_eq!(ask("GET", "/status").await, 200);
    assert_eq!(ask("GET", "/metrics").await, 200);
    assert_eq!(ask("POST", "/drain").await, 403);
    assert_eq!(ask("POST", "/undrain").await, 403);
    stage.polls(&agent, 10).await;
    assert_eq!(stage.count("ecs:UpdateContainerInstancesState"), 0);
}

#[tokio::test]
async fn without_an_agent_the_commands_say_so_and_what_to_do() {
    let scratch = ecs_lifecycle_rig::Scratch::new().unwrap();
    let socket = socket(&scratch);
    for arguments in [
        "status",
        "status --json",
        "drain",
        "drain --wait",
        "undrain",
    ] {
        let split: Vec<_> = arguments.split(' ').collect();
        let output = control::run(&socket, &split).await;
        assert_eq!(output.code, Some(69), "{arguments:?} {output:?}");
        let named = output.stderr.contains("agent.sock");
        assert!(named, "{arguments:?} {output:?}");
        assert!(output.stdout.is_empty(), "{arguments:?} {output:?}");
    }
    let output = control::run(&socket, &["status"]).await;
    assert!(output.stderr.contains("systemctl"), "a remedy: {output:?}");
}

/// What a stranger sends does not harm it.
#[tokio::test]
async fn nonsense_is_refused_and_outlived() {
    let stage = stage(vec![web(100)]).await;
    let _agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(200_000));
    for nonsense in [
        "\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "GET\r\n\r\n",
        "GET /status HTTP/9\r\n\r\n",
        &long,
    ] {
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        // It may close before it has read all of it.
        let _ = stream.write_all(nonsense.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        let start = &nonsense[..nonsense.len().min(20)];
        assert!(read.is_ok(), "it does not answer {start:?}");
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{nonsense:?}");
    }
    assert_schema(&control::status(&socket).await);
}

/// `--watch` follows.
#[tokio::test]
async fn status_follows() {
    let stage = stage(vec![web(2_000)]).await;
    let _agent = watching(&stage).await;
    let mut child = control::start(&socket(&stage.scratch), &["status", "--watch"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = async |part: &str| {
        let found = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains(part) {
                    return true;
                }
            }
            false
        });
        assert_eq!(found.await, Ok(true), "{part}");
    };
    seen("watching").await;
    stage.instance.terminate();
    seen("draining").await;
    seen("done").await;
    child.kill().await.unwrap();
}

#[tokio::test]
async fn metrics_are_sound_throughout_a_drain() {
    let stage = stage(vec![web(600_000), web(600_000), web(300)]).await;
    let agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    let metrics =
        async || assert_metrics(&control::request(&socket, "GET", "/metrics").await.unwrap());
    let watched = metrics().await;
    assert!(!watched.is_empty());
    let ours = |sample: &openmetrics::Sample| sample.name.starts_with("ecs_lifecycle");
    assert!(watched.iter().all(ours), "{watched:?}");
    stage.instance.terminate();
    waits_for(&socket, 2).await;
    let draining = metrics().await;
    // What a person would look for is there, whatever it is called.
    let tasks = |sample: &openmetrics::Sample| sample.name.contains("task") && sample.value == 2.0;
    assert!(draining.iter().any(tasks), "{draining:?}");
    let names = |samples: &[openmetrics::Sample]| -> BTreeSet<String> {
        samples.iter().map(|sample| sample.name.clone()).collect()
    };
    let gone = &names(&watched) - &names(&draining);
    assert!(
        gone.is_empty(),
        "series that end: {gone:?}\n{}",
        agent.text()
    );
    let text = format!("{draining:?}");
    assert!(SECRET_MARKERS.iter().all(|marker| !text.contains(marker)));
}

/// Embedded metrics for a CloudWatch agent: lines of JSON, each of which says what is in it.
#[tokio::test]
async fn embedded_metrics_arrive_at_a_listener() {
    let mut listener = CloudWatchAgent::start().await;
    let settings = format!("metrics.emf_endpoint={}", listener.endpoint);
    let stage = stage_with(&settings, vec![web(500)]).await;
    let agent = watching(&stage).await;
    stage.instance.terminate();
    stage.completed(&agent, DRAIN).await;
    let record = tokio::time::timeout(PATIENCE, listener.record()).await;
    let record = record.unwrap_or_else(|_| panic!("{}", agent.text()));
    // Milliseconds, of this century.
    let stamp = record["_aws"]["Timestamp"].as_u64().unwrap();
    let century = 1_700_000_000_000..4_100_000_000_000;
    assert!(century.contains(&stamp), "{record}");
    assert_eq!(record["_aws"]["LogGroupName"], "ecs-lifecycle-agent");
    assert_eq!(record["Drains"], 1);
    assert_eq!(record["DrainsTimedOut"], 0);
}

/// A listener that is not there, or does not read, holds nothing up.
#[tokio::test]
async fn a_listener_that_fails_holds_nothing_up() {
    // Bound, never accepting.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tcp://{}", silent.local_addr().unwrap());
    let silent = (endpoint, Some(silent));
    for (endpoint, _listener) in [("tcp://127.0.0.1:9".to_owned(), None), silent] {
        let settings = format!("metrics.emf_endpoint={endpoint}");
        let stage = stage_with(&settings, vec![web(300)]).await;
        let agent = watching(&stage).await;
        stage.instance.terminate();
        stage.completed(&agent, DRAIN).await;
        let completed = stage.at(|what| matches!(what, What::HookCompleted { .. }));
        let gone = stage.at(|what| matches!(what, What::ContainerGone { .. }));
        let took = completed.unwrap() - gone.unwrap();
        assert!(took < ms(10_000), "{endpoint}: {took:?}");
    }
}

/// A socket that cannot be had is a line in the log; the agent does its work.
#[tokio::test]
async fn a_socket_that_cannot_be_had_does_not_stop_a_drain() {
    let stage = stage_with("agent.socket=/proc/nowhere/agent.sock", vec![web(100)]).await;
    let agent = stage.start();
    agent.says(KNOWN).await;
    stage.instance.terminate();
    stage.completed(&agent, DRAIN).await;
    agent.says("/proc/nowhere").await;
    assert!(Path::new("/proc/nowhere").metadata().is_err());
}

#[tokio::test]
async fn no_secret_is_told() {
    let stage = Newcomer::new().await;
    let agent = stage.start();
    stage.signalled(&agent).await;
    let socket = socket(&stage.scratch);
    for target in ["/status", "/metrics"] {
        let text = control::request(&socket, "GET", target).await.unwrap().body;
        for marker in SECRET_MARKERS {
            assert!(!text.contains(marker), "{target}: {text}");
        }
    }
    for marker in SECRET_MARKERS {
        assert!(!agent.text().contains(marker), "{}", agent.text());
    }
}
