//! What an administrator puts into `ready.d`, before a new instance has joined.

use ecs_lifecycle_simulator::What;

use super::newcomer::{ABANDON, COMPLETE, CONTINUE, LAUNCH, Newcomer, SIGNAL, ms};
use super::stage::SET;

const READY: &str = "ready.d";

/// An ISO 8601 moment in UTC.
pub fn moment(text: &str) -> bool {
    // 2026-01-01T00:00:00Z
    let shape = text.replace(|c: char| c.is_ascii_digit(), "0");
    shape == "0000-00-00T00:00:00Z" || shape.starts_with("0000-00-00T00:00:00.")
}

/// In the order of their names, once the ECS agent is connected, and before anybody is told.
#[tokio::test]
async fn they_run_in_order_before_the_instance_has_joined() {
    let mut stage = Newcomer::new().await;
    for name in ["20-second", "10-first", "30-third"] {
        stage.scripts.add(READY, name, "tell; hold");
    }
    stage.scripts.add(READY, ".hidden", "say never");
    stage.scripts.add(READY, "backup~", "say never");
    stage.scripts.file(READY, "15-readme", "say never", "644");
    std::fs::create_dir(format!("{}/17-directory", stage.scripts.path(READY))).unwrap();
    let agent = stage.start();
    for name in ["10-first", "20-second", "30-third"] {
        let said = stage.scripts.said().await;
        assert_eq!(said.script, name);
        let arn = stage.instance.container_instance_arn();
        for (variable, value) in [
            ("EVENT", "ready"),
            ("INSTANCE_ID", stage.instance.id()),
            ("REGION", "us-east-1"),
            ("CLUSTER", "demo"),
            ("CONTAINER_INSTANCE_ARN", &arn),
        ] {
            let variable = format!("ECS_LIFECYCLE_{variable}");
            let told = said.variable(&variable);
            assert_eq!(told, Some(value), "{variable}: {said:?}");
        }
        let deadline = said.variable("ECS_LIFECYCLE_DEADLINE").unwrap_or_default();
        assert!(moment(deadline), "{said:?}");
        assert_eq!(said.variable("ECS_LIFECYCLE_OUTCOME"), None);
        let connected = stage.at(|what| *what == What::AgentConnected(true));
        assert!(connected.is_some(), "not before it is connected");
        assert_eq!(stage.count(COMPLETE) + stage.count(SIGNAL), 0);
        stage.scripts.release().await;
    }
    stage.signalled(&agent).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE]);
    stage.polls(&agent, 10).await;
    stage.scripts.said_all().await;
}

/// A failure is tried again, and says so in the log.
#[tokio::test]
async fn one_that_fails_is_tried_again() {
    let mut stage = Newcomer::new().await;
    let count = stage.scratch.path().join("count").display().to_string();
    let body = format!(
        "echo x >> {count}; say $(wc -l < {count}); [ $(wc -l < {count}) -ge 3 ] || exit 7"
    );
    stage.scripts.add(READY, "50-fails-twice", &body);
    let agent = stage.start();
    for time in ["1", "2", "3"] {
        assert_eq!(stage.scripts.said().await.words, [time]);
    }
    stage.signalled(&agent).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE]);
    assert_eq!(stage.signals(), ["SUCCESS"]);
    let line = agent.says("50-fails-twice").await;
    assert!(line.contains('7'), "its exit status: {line}");
}

/// One that hangs is ended at its time limit, with all that it started.
#[tokio::test]
async fn one_that_hangs_is_ended_and_tried_again() {
    let mut stage = Newcomer::new().await.configured("ready.command_timeout=1s");
    let mark = stage.scratch.path().join("hung").display().to_string();
    let body = format!("[ -e {mark} ] && exit 0; touch {mark}; sleep 601 & say $! $$; wait");
    stage.scripts.add(READY, "50-hangs", &body);
    let agent = stage.start();
    let said = stage.scripts.said().await;
    stage.signalled(&agent).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE]);
    stage.ends(&agent, &said.words).await;
    agent.says("50-hangs").await;
}

/// One that never succeeds is one reason not to have joined.
#[tokio::test]
async fn one_that_never_succeeds_fails_the_join() {
    let stage = Newcomer::new().await.configured("ready.timeout=15s");
    stage.scripts.add(READY, "50-fails", "exit 1");
    let agent = stage.start();
    agent.says("50-fails").await;
    stage.signalled(&agent).await;
    assert_eq!(stage.results(LAUNCH), [ABANDON]);
    assert_eq!(stage.signals(), ["FAILURE"]);
}

/// No directory is as good as an empty one.
#[tokio::test]
async fn there_need_not_be_any() {
    let nowhere = "ready.directory=/nonexistent/ready.d";
    let stage = Newcomer::new().await.configured(nowhere);
    let agent = stage.start();
    stage.signalled(&agent).await;
    assert_eq!(stage.signals(), ["SUCCESS"]);
}

/// It ends with the join that it was run for: at the deadline, or when the instance is to go after all.
#[tokio::test]
async fn one_that_hangs_ends_with_the_join() {
    for terminated in [false, true] {
        let timeout = if terminated {
            "ready.timeout=10m"
        } else {
            "ready.timeout=15s"
        };
        let mut stage = Newcomer::new().await.configured(timeout);
        let script = "say $$; exec sleep 606";
        stage.scripts.add(READY, "50-hangs", script);
        let started = stage.simulator.now();
        let agent = stage.start();
        let process = stage.scripts.said().await.words[0].clone();
        if terminated {
            stage.instance.terminate();
        } else {
            stage.signalled(&agent).await;
            assert_eq!(stage.results(LAUNCH), [ABANDON]);
            assert_eq!(stage.signals(), ["FAILURE"]);
            let signal = |what: &What| matches!(what, What::SignalReceived { .. });
            let took = stage.at(signal).unwrap().saturating_sub(started);
            // Not the minute that the executable might have had.
            assert!(took < ms(45_000), "{took:?}");
        }
        stage.counts(SET, 1).await;
        stage.ends(&agent, &[process]).await;
    }
}
