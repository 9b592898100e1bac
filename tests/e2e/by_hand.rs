//! Drained by hand, and back.

use std::time::Duration;

use ecs_lifecycle_rig::AgentProcess;
use ecs_lifecycle_simulator::{GroupSpec, HookSpec, InstanceSpec, TaskSpec};
use serde_json::Value;

use super::control::{self, socket};
use super::newcomer::{COMPLETE, CONTINUE, DRAIN, Newcomer, ms};

use super::stage::{Active, BEAT, Draining, PATIENCE, SET, web};

pub async fn stage(tasks: Vec<TaskSpec>) -> Newcomer {
    with_heartbeat(Duration::from_secs(3600), tasks).await
}

/// With a `HeartbeatTimeout` of the test's own.
pub async fn with_heartbeat(timeout: Duration, tasks: Vec<TaskSpec>) -> Newcomer {
    let hook = HookSpec::terminating(DRAIN).heartbeat_timeout(timeout);
    let group = GroupSpec::new("demo-asg")
        .wait_delay(ms(100))
        .terminate_delay(ms(100))
        .hook(hook);
    let spec = InstanceSpec::new("demo").group("demo-asg");
    Newcomer::added(group, tasks.into_iter().fold(spec, InstanceSpec::task)).await
}

/// Starts an agent, and waits until it watches, knows its container instance, and listens.
pub async fn watching(stage: &Newcomer) -> AgentProcess {
    let agent = stage.start();
    let known = |status: &Value| {
        status["phase"] == "watching" && status["container_instance"]["arn"].is_string()
    };
    control::until(&socket(&stage.scratch), "watching", known).await;
    agent
}

pub async fn stage_with(settings: &str, tasks: Vec<TaskSpec>) -> Newcomer {
    stage(tasks).await.configured(settings)
}

#[tokio::test]
async fn drained_and_back() {
    let stage = stage(vec![web(300), web(600)]).await;
    let agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    control::done(&socket, &["drain"]).await;
    stage.becomes(&agent, Draining).await;
    let done = control::phase(&socket, "done").await;
    assert_eq!(done["outcome"], "drained", "{done:#}");
    // Auto Scaling has asked for nothing, and is told nothing.
    assert_eq!(stage.count(COMPLETE), 0);
    assert_eq!(stage.count(BEAT), 0);
    control::done(&socket, &["undrain"]).await;
    stage.becomes(&agent, Active).await;
    control::phase(&socket, "watching").await;
    // And again.
    control::done(&socket, &["drain", "--wait"]).await;
    assert_eq!(stage.count(COMPLETE), 0);
}

#[tokio::test]
async fn undrained_in_the_middle_what_has_not_begun_to_stop_stays() {
    let stays = TaskSpec::service("web").replacement_delay(Duration::from_secs(3600));
    let stage = stage(vec![stays]).await;
    let agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    control::done(&socket, &["drain"]).await;
    stage.becomes(&agent, Draining).await;
    control::done(&socket, &["undrain"]).await;
    stage.becomes(&agent, Active).await;
    control::phase(&socket, "watching").await;
    assert_eq!(stage.running(), 1);
}

/// `--wait` ends when the last container is gone, not before.
#[tokio::test]
async fn drain_and_wait_ends_when_it_is_drained() {
    let stage = stage(vec![web(2_000)]).await;
    let _agent = watching(&stage).await;
    control::done(&socket(&stage.scratch), &["drain", "--wait"]).await;
    assert_eq!(stage.running(), 0);
}

#[tokio::test]
async fn drain_and_wait_says_when_the_deadline_came_first() {
    let stage = stage(vec![web(600_000)]).await;
    let _agent = watching(&stage).await;
    let arguments = ["drain", "--wait", "--timeout", "2s"];
    let began = stage.simulator.now();
    let output = control::run(&socket(&stage.scratch), &arguments).await;
    let took = stage.simulator.now().saturating_sub(began);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(took > ms(1_900) && took < ms(50_000), "{took:?}");
    let text = output.text().to_lowercase();
    assert!(text.contains("deadline"), "{text}");
}

/// The time given is the deadline, and the status says so.
#[tokio::test]
async fn the_timeout_given_is_the_deadline() {
    let stage = stage(vec![web(600_000)]).await;
    let agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    control::done(&socket, &["drain", "--timeout", "42m"]).await;
    let (left, status) = control::deadline(&socket).await;
    assert!(left > 41.0 && left <= 42.0, "{status:#}");
    // Without one it is drain.timeout, a quarter of an hour.
    control::done(&socket, &["undrain"]).await;
    stage.becomes(&agent, Active).await;
    control::done(&socket, &["drain"]).await;
    let (left, status) = control::deadline(&socket).await;
    assert!(left > 13.0 && left <= 15.0, "{status:#}");
    assert_eq!(status["deadline"]["source"], "drain.timeout");
}

/// Killed in the middle: the drain goes on, with the deadline it had. Drained before: it stays so.
#[tokio::test]
async fn a_restart_takes_it_up_again() {
    let stage = stage(vec![web(4_000)]).await;
    let mut agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    control::done(&socket, &["drain", "--timeout", "30m"]).await;
    let draining =
        |status: &Value| status["phase"] == "draining" && status["deadline"]["at"].is_string();
    let before = control::until(&socket, "draining", draining).await;
    stage.becomes(&agent, Draining).await;
    agent.kill().await.unwrap();
    let mut agent = stage.start();
    let after = control::until(&socket, "draining", draining).await;
    assert_moments_near(&before["deadline"]["at"], &after["deadline"]["at"]);
    control::phase(&socket, "done").await;
    agent.kill().await.unwrap();
    let agent = stage.start();
    stage.polls(&agent, 20).await;
    let status = control::status(&socket).await;
    assert_ne!(status["phase"], "watching", "{status:#}");
    assert_eq!(stage.status(), Draining);
    control::done(&socket, &["undrain"]).await;
    stage.becomes(&agent, Active).await;
}

/// What a person was promised outlives a restart that follows at once.
#[tokio::test]
async fn a_restart_at_once_does_not_forget_it() {
    let stage = stage(vec![web(600_000)]).await;
    let mut agent = watching(&stage).await;
    for command in ["drain", "undrain", "drain"] {
        control::done(&socket(&stage.scratch), &[command]).await;
        agent.signal("TERM").await.unwrap();
        agent.ended(Duration::from_secs(2)).await.unwrap();
        agent = stage.start();
        let to = if command == "drain" { Draining } else { Active };
        stage.becomes(&agent, to).await;
    }
}

/// The same second, or the one beside it.
fn assert_moments_near(one: &Value, other: &Value) {
    let seconds = |value: &Value| {
        let time = value.as_str().unwrap()[11..19].split(':');
        let parts = time.map(|part| part.parse::<i64>().unwrap());
        parts.fold(0, |sum, part| sum * 60 + part)
    };
    assert!((seconds(one) - seconds(other)).abs() <= 1, "{one} {other}");
}

/// What Auto Scaling has asked for is not called off by hand.
#[tokio::test]
async fn undrain_is_refused_where_it_was_not_drained_by_hand() {
    let stage = stage(vec![web(600_000)]).await;
    let agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    let output = control::run(&socket, &["undrain"]).await;
    assert_eq!(output.code, Some(1), "nothing is drained: {output:?}");
    assert!(!output.text().trim().is_empty());
    stage.instance.terminate();
    stage.becomes(&agent, Draining).await;
    let output = control::run(&socket, &["undrain"]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    let text = output.text();
    let said = ["Terminated", "Auto Scaling"];
    assert!(said.iter().any(|part| text.contains(part)), "{text}");
    stage.polls(&agent, 10).await;
    assert_eq!(stage.status(), Draining);
    assert_eq!(stage.count(SET), 1);
}

/// Auto Scaling's word outranks the one by hand: the lifecycle action is completed, once.
#[tokio::test]
async fn terminated_while_drained_by_hand_it_completes() {
    for wait_for in ["draining", "done"] {
        let tasks = vec![web(if wait_for == "done" { 100 } else { 3_000 })];
        let stage = stage(tasks).await;
        let agent = watching(&stage).await;
        let socket = socket(&stage.scratch);
        control::done(&socket, &["drain"]).await;
        control::phase(&socket, wait_for).await;
        stage.instance.terminate();
        stage.polls(&agent, 3).await;
        let refused = control::run(&socket, &["undrain"]).await;
        assert_eq!(refused.code, Some(1), "{wait_for}: {refused:?}");
        stage.completed(&agent, DRAIN).await;
        stage.instance.wait_until_gone(PATIENCE).await.unwrap();
        assert_eq!(stage.results(DRAIN), [CONTINUE], "{wait_for}");
        stage.none_killed();
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let stage = stage(vec![web(100)]).await;
    let _agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    for arguments in [
        vec!["drain", "--timeout", "soon"],
        vec!["drain", "--timeout", "-1s"],
        vec!["drain", "now"],
    ] {
        let output = control::run(&socket, &arguments).await;
        assert_eq!(output.code, Some(64), "{arguments:?} {output:?}");
    }
    for (method, target) in [
        ("GET", "/drain"),
        ("GET", "/undrain"),
        ("POST", "/status"),
        ("POST", "/drain?timeout=soon"),
        ("GET", "/"),
        ("DELETE", "/status"),
    ] {
        let answer = control::request(&socket, method, target).await.unwrap();
        let refused = (400..500).contains(&answer.status);
        assert!(refused, "{method} {target}: {answer:?}");
    }
    assert_eq!(stage.count(SET), 0);
}

/// The agent is restarted while somebody waits: the drain goes on, and so does the wait.
#[tokio::test]
async fn who_waits_outlives_a_restart() {
    let stage = stage(vec![web(4_000)]).await;
    let mut agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    let waiting = control::start(&socket, &["drain", "--wait"]);
    stage.becomes(&agent, Draining).await;
    agent.signal("TERM").await.unwrap();
    agent.ended(PATIENCE).await.unwrap();
    let _agent = stage.start();
    let output = control::end(waiting).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(stage.running(), 0);
}

/// The user's own executables run then, too, and are ended when the drain is taken back.
#[tokio::test]
async fn hooks_run_for_it_and_end_with_it() {
    let mut stage = stage(vec![web(100)]).await;
    let scripts = &stage.scripts;
    scripts.add("hooks.d/before-drain", "any", "tell; exec sleep 607");
    scripts.add("hooks.d/after-drain", "any", "say ran");
    let agent = watching(&stage).await;
    let socket = socket(&stage.scratch);
    control::done(&socket, &["drain"]).await;
    let said = stage.scripts.said().await;
    assert_eq!(said.variable("ECS_LIFECYCLE_EVENT"), Some("before-drain"));
    let reason = said.variable("ECS_LIFECYCLE_REASON").unwrap_or_default();
    assert!(reason.contains("hand"), "{said:?}");
    control::done(&socket, &["undrain"]).await;
    control::phase(&socket, "watching").await;
    stage.polls(&agent, 20).await;
    stage.scripts.said_all().await;
    assert_eq!(stage.status(), Active);
    assert_eq!(stage.running(), 1, "nothing was told to stop");
}
