//! A drain, as the machine's operator sees it.

use std::time::Duration;

use ecs_lifecycle_simulator::TaskSpec;

use super::isolate::{directory, isolated};
use super::machine::{UNIT, poll};
use super::stage::Stage;

fn task(family: &str, version: u32, seconds: u64) -> TaskSpec {
    TaskSpec {
        version,
        ..TaskSpec::service(family).stop_duration(Duration::from_secs(seconds))
    }
}

#[test]
fn a_drain_shows_in_systemctl_status_and_is_completed() {
    isolated(async || {
        let tasks = vec![task("web", 8, 5), task("web", 8, 5), task("worker", 2, 7)];
        let mut stage = Stage::new(tasks).await;
        stage.set("drain", "timeout", "12m");
        stage.set("drain", "report_interval", "1s");
        stage.boot_and_drain().await;
        let machine = &stage.machine;
        let status = stage.tasks_left().await;
        assert!(
            status.starts_with("draining: 3 tasks left (web:8 ×2, worker:2), 11m 5"),
            "{status}"
        );
        // From the start of the drain to its waiting, the lines that matter are there.
        let shown = poll("the drain's lines", async || {
            let shown = machine
                .systemctl(&["status", "--full", "--lines=6", UNIT])
                .await;
            shown.contains("tasks_left=3").then_some(shown)
        })
        .await;
        assert!(shown.contains("active (running)"), "{shown}");
        assert!(
            shown.contains("     Status: \"draining: 3 tasks left (web:8 ×2, worker:2), 11m 5"),
            "{shown}"
        );
        // What the documentation shows is what was seen here.
        std::fs::write(directory().join("status.txt"), &shown).unwrap();

        machine
            .until("StatusText", |text| {
                text.starts_with("draining: 1 task left (worker:2), ")
            })
            .await;
        stage.gone_in_order().await;
        machine
            .until_is(
                "StatusText",
                "done: drained, target lifecycle state Terminated",
            )
            .await;
    });
}
