//! Restarted, killed, stuck, rebooted, without power in the middle of a drain: it goes on, with the
//! deadline that it had, is completed once, and no container is killed.

#![expect(
    clippy::disallowed_methods,
    reason = "what is asserted is when it happened"
)]

use std::time::{Duration, Instant};

use super::isolate::isolated;
use super::machine::{UNIT, poll};
use super::stage::{COMPLETE, Stage, web};

/// How long the task takes to stop: longer than anything that is done to the agent meanwhile.
const STOPPING: u64 = 15;

/// The deadline, as the status tells it: it rounds to a second, and may be as old as a poll.
struct Deadline(Instant);

impl Deadline {
    async fn shown(stage: &Stage) -> Self {
        let status = stage.tasks_left().await;
        Self(Instant::now() + left(&status))
    }

    fn assert_same(&self, other: &Self) {
        let apart =
            other.0.saturating_duration_since(self.0) + self.0.saturating_duration_since(other.0);
        assert!(apart < Duration::from_millis(2_000), "moved by {apart:?}");
    }
}

/// `draining: 1 task left (web:1), 11m 40s to deadline (drain.timeout)`
fn left(status: &str) -> Duration {
    let (before, _) = status.split_once(" to deadline").unwrap();
    let (_, span) = before.rsplit_once(", ").unwrap();
    humantime::parse_duration(span).unwrap()
}

/// A drain that has been going on for longer than the deadline can be misread by.
async fn mid_drain() -> (Stage, Deadline) {
    let mut stage = Stage::new(vec![web(STOPPING)]).await;
    stage.set("drain", "timeout", "10m");
    stage.boot_and_drain().await;
    stage
        .machine
        .until("StatusText", |text| {
            text.contains(" to deadline") && left(text) <= Duration::from_secs(596)
        })
        .await;
    let deadline = Deadline::shown(&stage).await;
    (stage, deadline)
}

/// The agent of another process has taken the drain up: same deadline, one completion, nobody killed.
async fn goes_on(stage: &Stage, deadline: &Deadline) {
    stage
        .machine
        .logged("resuming the drain after a restart, with its original deadline")
        .await;
    Deadline::shown(stage).await.assert_same(deadline);
    assert_eq!(stage.count(COMPLETE), 0);
    stage.gone_in_order().await;
    assert_eq!(stage.count(COMPLETE), 1);
}

#[test]
fn restarted() {
    isolated(async || {
        let (stage, deadline) = mid_drain().await;
        let before = stage.machine.agent().await;
        stage.machine.systemctl(&["restart", UNIT]).await;
        assert_ne!(stage.machine.agent().await, before);
        stage.machine.logged("stopping during a drain").await;
        goes_on(&stage, &deadline).await;
    });
}

#[test]
fn killed() {
    isolated(async || {
        let (stage, deadline) = mid_drain().await;
        let before = stage.machine.agent().await;
        stage
            .machine
            .run(&["kill", "-KILL", &before.to_string()])
            .await;
        stage.machine.until_is("NRestarts", "1").await;
        goes_on(&stage, &deadline).await;
    });
}

/// A process that is stopped feeds nothing: systemd ends it, and starts it again.
#[test]
fn stuck() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(STOPPING)]).await;
        stage.set("drain", "timeout", "10m");
        stage
            .machine
            .drop_in("watchdog", "[Service]\nWatchdogSec=3s\n");
        stage.boot_and_drain().await;
        let machine = &stage.machine;
        let deadline = Deadline::shown(&stage).await;
        let agent = machine.agent().await.to_string();
        machine.run(&["kill", "-STOP", &agent]).await;
        machine.until_is("NRestarts", "1").await;
        poll("systemd says why", async || {
            let said = machine.journal().await.into_iter().any(|entry| {
                entry.field("UNIT") == UNIT
                    && entry.message().contains("Failed with result 'watchdog'")
            });
            said.then_some(())
        })
        .await;
        goes_on(&stage, &deadline).await;
        // Fed, it is left alone: nothing but what was done to it.
        assert_eq!(machine.property("NRestarts").await, "1");
    });
}

#[test]
fn rebooted() {
    isolated(async || {
        let (mut stage, deadline) = mid_drain().await;
        stage.machine.systemctl(&["reboot"]).await;
        stage.machine.ended().await;
        stage.machine.boot().await;
        goes_on(&stage, &deadline).await;
    });
}

#[test]
fn without_power() {
    isolated(async || {
        let (mut stage, deadline) = mid_drain().await;
        stage.machine.cut_power().await;
        stage.machine.boot().await;
        goes_on(&stage, &deadline).await;
    });
}

/// However often it dies, systemd does not give up on it.
#[test]
fn killed_over_and_over() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(1)]).await;
        stage.boot().await;
        assert_eq!(stage.machine.property("RestartUSec").await, "2s");
        stage
            .machine
            .drop_in("quickly", "[Service]\nRestartSec=50ms\n");
        stage.machine.systemctl(&["daemon-reload"]).await;
        let mut last = 0;
        for count in 1..=15 {
            let agent = poll("a new process", async || {
                let agent = stage.machine.agent().await;
                (agent != 0 && agent != last).then_some(agent)
            })
            .await;
            last = agent;
            stage
                .machine
                .run(&["kill", "-KILL", &agent.to_string()])
                .await;
            stage
                .machine
                .until_is("NRestarts", &count.to_string())
                .await;
        }
        stage.machine.until_is("ActiveState", "active").await;
        stage.instance.terminate();
        stage.gone_in_order().await;
    });
}
