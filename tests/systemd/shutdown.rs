//! The machine goes down: at once, or after a drain where `drain.on_shutdown` grants the time. A restart of
//! the service is neither.

use std::time::Duration;

use super::isolate::isolated;
use super::machine::{Entry, UNIT};
use super::stage::{COMPLETE, DRAINING, Stage, web};

/// When, since the boot, a unit began to stop and had stopped, the last time it did.
fn stop_of(journal: &[Entry], unit: &str) -> (Duration, Duration) {
    let last = |is: &dyn Fn(&Entry) -> bool| {
        let entry = journal.iter().rev().find(|entry| is(entry));
        entry
            .unwrap_or_else(|| panic!("{unit} has not stopped"))
            .at()
    };
    (
        last(&|entry| entry.is_stopping(unit)),
        last(&|entry| entry.is_stopped(unit)),
    )
}

/// How long the agent took to stop; ECS and Docker only began when it had.
fn first_to_stop(journal: &[Entry]) -> Duration {
    let (asked, stopped) = stop_of(journal, UNIT);
    let (ecs_asked, ecs_stopped) = stop_of(journal, "ecs.service");
    let (docker_asked, _) = stop_of(journal, "docker.service");
    assert!(stopped <= ecs_asked, "{stopped:?} {ecs_asked:?}");
    assert!(
        ecs_stopped <= docker_asked,
        "{ecs_stopped:?} {docker_asked:?}"
    );
    stopped - asked
}

fn said(journal: &[Entry], part: &str) -> bool {
    journal.iter().any(|entry| {
        entry.field("SYSLOG_IDENTIFIER") == "ecs-lifecycle-agent" && entry.message().contains(part)
    })
}

#[test]
fn in_mid_drain_it_stops_at_once_and_first() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(600)]).await;
        stage.boot_and_drain().await;
        stage.machine.systemctl(&["poweroff"]).await;
        stage.machine.ended().await;
        let journal = stage.machine.journal().await;
        let took = first_to_stop(&journal);
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert!(said(&journal, "stopping during a drain"));
        assert_eq!(stage.count(COMPLETE), 0);
    });
}

#[test]
fn with_on_shutdown_it_drains_first() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(4)]).await;
        stage.set("drain", "on_shutdown", "20s");
        // Shorter than the drain takes: the agent asks for its time.
        stage
            .machine
            .drop_in("impatient", "[Service]\nTimeoutStopSec=2s\n");
        stage.boot().await;
        assert_eq!(stage.count(DRAINING), 0);
        stage.machine.systemctl(&["poweroff"]).await;
        let status = stage.tasks_left().await;
        assert!(
            status.contains("to deadline (drain.on_shutdown)"),
            "{status}"
        );
        assert_eq!(stage.machine.property("ActiveState").await, "deactivating");
        for unit in ["ecs.service", "docker.service"] {
            let state = stage.machine.property_of(unit, "ActiveState").await;
            assert_eq!(state, "active", "{unit}");
        }
        stage.machine.ended().await;
        let journal = stage.machine.journal().await;
        let took = first_to_stop(&journal);
        assert!(took > Duration::from_secs(4), "{took:?}");
        assert!(took < Duration::from_secs(15), "{took:?}");
        assert!(said(&journal, "drained: the shutdown continues"));
        stage
            .simulator
            .world(|world| assert!(world.running_tasks(stage.instance.id()).is_empty()));
        assert_eq!((stage.count(DRAINING), stage.count(COMPLETE)), (1, 0));
    });
}

#[test]
fn with_on_shutdown_it_takes_no_longer_than_that() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(600)]).await;
        stage.set("drain", "on_shutdown", "5s");
        stage
            .machine
            .drop_in("impatient", "[Service]\nTimeoutStopSec=2s\n");
        stage.boot().await;
        stage.machine.systemctl(&["reboot"]).await;
        stage.machine.ended().await;
        let journal = stage.machine.journal().await;
        let took = first_to_stop(&journal);
        assert!(took > Duration::from_secs(4), "{took:?}");
        assert!(took < Duration::from_secs(8), "{took:?}");
        assert!(said(&journal, "drain.on_shutdown has elapsed"));
        assert_eq!(stage.count(COMPLETE), 0);
    });
}

#[test]
fn with_on_shutdown_a_restart_of_the_service_is_not_held_up() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(600)]).await;
        stage.set("drain", "on_shutdown", "20s");
        stage.boot().await;
        let before = stage.machine.agent().await;
        stage.machine.systemctl(&["restart", UNIT]).await;
        assert_ne!(stage.machine.agent().await, before);
        let journal = stage.machine.journal().await;
        let (asked, stopped) = stop_of(&journal, UNIT);
        assert!(stopped - asked < Duration::from_secs(2));
        assert!(!said(&journal, "systemctl does not say"));
        assert!(!said(&journal, "delaying the shutdown"));
        assert_eq!(stage.count(DRAINING), 0);
    });
}

/// dbus-daemon turns dynamic users away; here there is no bus at all.
#[test]
fn with_on_shutdown_and_nobody_to_ask_it_says_so_and_stops_at_once() {
    isolated(async || {
        let mut stage = Stage::new(vec![web(600)]).await;
        stage.set("drain", "on_shutdown", "20s");
        stage
            .machine
            .offline(&["systemctl", "mask", "dbus.socket", "dbus-broker"])
            .await;
        stage.boot().await;
        stage.machine.systemctl(&["poweroff"]).await;
        stage.machine.ended().await;
        let journal = stage.machine.journal().await;
        assert!(said(&journal, "systemctl does not say"));
        let took = first_to_stop(&journal);
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(stage.count(DRAINING), 0);
    });
}
