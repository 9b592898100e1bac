//! What an agent costs that has nothing to do, which is nearly always.

use std::collections::BTreeMap;
use std::time::Duration;

use ecs_lifecycle_simulator::{AWS_CALLS, TaskSpec};
use serde_json::json;

use crate::options::Options;
use crate::processes::Usage;
use crate::report::{Figure, Section};
use crate::stage::{Stage, now, simulator, text};

/// Until what belongs to the start is over.
const SETTLE: Duration = Duration::from_secs(5);
const TASKS: usize = 10;

/// One agent, and nothing beside it.
pub(crate) async fn measure(options: &Options) -> Result<Section, String> {
    let simulator = simulator(1).await?;
    let tasks = vec![TaskSpec::service("web"); TASKS];
    let stage = Stage::new(options, &simulator, tasks, &[]).await?;
    let id = stage.agent.id().ok_or("the agent has ended")?;
    tokio::time::sleep(SETTLE).await;
    simulator.clear_requests();
    let (began, before) = (now(), Usage::of(id).map_err(text)?);
    tokio::time::sleep(options.idle()).await;
    let (took, after) = (began.elapsed().as_secs_f64(), Usage::of(id).map_err(text)?);
    let (aws, counts) = simulator.world(|world| {
        let requests = world.requests();
        (requests.count(AWS_CALLS), requests.counts())
    });
    let local = sum(&counts) - number(aws);
    let per_second = |before: u64, after: u64| wide(after.saturating_sub(before)) / took;
    let cpu = per_second(before.cpu, after.cpu) / 1e9;
    let switches = per_second(before.voluntary_switches, after.voluntary_switches);
    let resident = stage.agent.memory("VmRSS").map_err(text)?;
    let anonymous = stage.agent.memory("RssAnon").map_err(text)?;
    let peak = stage.agent.memory("VmHWM").map_err(text)?;
    Ok(Section {
        title: format!("Idle: {took:.0} s with {TASKS} running tasks and nothing to do"),
        figures: vec![
            Figure::number("calls to AWS", number(aws), 0, "calls").at_most(0.0, "0"),
            Figure::number("calls on the instance", local / took, 2, "/s"),
            Figure::number("processor time in an idle hour", cpu * 3600.0, 2, "s")
                .at_most(1.0, "1 s"),
            Figure::number("share of one processor", cpu * 100.0, 4, "%"),
            Figure::number("voluntary context switches", switches, 2, "/s"),
            Figure::number("threads", wide(after.threads), 0, ""),
            Figure::bytes("memory, VmRSS", resident),
            Figure::bytes("  of it not the binary's pages, RssAnon", anonymous),
            Figure::bytes("memory, VmHWM", peak).at_most(8e6, "8 MB"),
        ],
        data: json!({"seconds": took, "requests": counts}),
        ..Section::default()
    })
}

fn sum(counts: &BTreeMap<String, usize>) -> f64 {
    number(counts.values().sum())
}

#[allow(clippy::cast_precision_loss, reason = "counts here are small")]
fn number(count: usize) -> f64 {
    count as f64
}

#[allow(
    clippy::cast_precision_loss,
    reason = "52 bits of nanoseconds are 52 days"
)]
fn wide(count: u64) -> f64 {
    count as f64
}
