//! How many calls to AWS a drain takes, whatever its length and size, and how much memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ecs_lifecycle_simulator::StackSpec;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::options::Options;
use crate::report::{Figure, Measured, Section, mark, megabytes};
use crate::scenarios::{self, RESOURCE, STACK, Scenario};
use crate::stage::{PATIENCE, Stage, simulator, text};

const HEARTBEAT: &str = "autoscaling:RecordLifecycleActionHeartbeat";
const SIGNAL: &str = "cloudformation:SignalResource";
/// The calls of a plain drain, heartbeats and the signal apart: five, and one because the instance has not joined with
/// this agent, so that nothing has verified its ARN.
const PLAIN: usize = 6;
/// What has a column of its own.
const COLUMNS: [(&str, &str); 5] = [
    ("set", "ecs:UpdateContainerInstancesState"),
    ("look", "ecs:DescribeContainerInstances"),
    ("group", "autoscaling:DescribeAutoScalingInstances"),
    ("hooks", "autoscaling:DescribeLifecycleHooks"),
    ("done", "autoscaling:CompleteLifecycleAction"),
];

/// What a drain took.
struct Row {
    scenario: Scenario,
    counts: BTreeMap<String, usize>,
    peak: u64,
}

/// All drains side by side, each with a simulator of its own: their calls are counted, not timed.
pub(crate) async fn measure(options: &Arc<Options>) -> Measured {
    let mut drains = JoinSet::new();
    for (place, scenario) in scenarios::all(options).into_iter().enumerate() {
        let options = options.clone();
        drains.spawn(async move {
            let name = scenario.name.clone();
            let row = drain(&options, scenario).await;
            (place, row.map_err(|failure| format!("{name}: {failure}")))
        });
    }
    let mut ended = drains.join_all().await;
    ended.sort_by_key(|(place, _)| *place);
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for (_, row) in ended {
        match row {
            Ok(row) => rows.push(row),
            Err(failure) => failures.push(failure),
        }
    }
    vec![Ok(table(options, &rows, failures)), Ok(memory(&rows))]
}

async fn drain(options: &Options, scenario: Scenario) -> Result<Row, String> {
    let simulator = simulator(scenario.scale).await?;
    simulator.add_stack(&StackSpec::new(STACK).waiting(RESOURCE));
    let (tasks, settings) = (scenario.tasks.clone(), scenario.settings());
    let stage = Stage::new(options, &simulator, tasks, &settings).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for task in scenario.late.clone() {
        stage.instance.place_task(task);
    }
    stage.instance.terminate();
    stage.drained(scenario.length + PATIENCE).await?;
    let peak = stage.agent.memory("VmHWM").map_err(text)?;
    let mut counts = simulator.world(|world| world.requests().counts());
    counts.retain(|operation, _| !is_local(operation));
    Ok(Row {
        scenario,
        counts,
        peak,
    })
}

fn is_local(operation: &str) -> bool {
    operation.starts_with("imds:") || operation.starts_with("introspection:")
}

impl Row {
    fn count(&self, operation: &str) -> usize {
        self.counts.get(operation).copied().unwrap_or(0)
    }

    /// Heartbeats and the signal apart.
    fn calls(&self) -> usize {
        let all: usize = self.counts.values().sum();
        all - self.count(HEARTBEAT) - self.count(SIGNAL)
    }

    fn ok(&self) -> Option<bool> {
        self.scenario.plain.then(|| self.calls() <= PLAIN)
    }

    /// What has no column, by name.
    fn others(&self) -> String {
        let column = |operation: &str| COLUMNS.iter().any(|(_, known)| *known == operation);
        let others: Vec<String> = self
            .counts
            .iter()
            .filter(|(operation, _)| ![HEARTBEAT, SIGNAL].contains(&operation.as_str()))
            .filter(|(operation, _)| !column(operation))
            .map(|(operation, count)| format!("{count} {operation}"))
            .collect();
        others.join(", ")
    }

    fn line(&self) -> String {
        let mut cells: Vec<String> = COLUMNS
            .iter()
            .map(|(_, operation)| self.count(operation).to_string())
            .collect();
        let other = self.calls()
            - COLUMNS
                .iter()
                .map(|(_, operation)| self.count(operation))
                .sum::<usize>();
        cells.push(other.to_string());
        cells.push(self.calls().to_string());
        cells.push(mark(self.ok()).to_owned());
        cells.push(self.count(HEARTBEAT).to_string());
        cells.push(self.count(SIGNAL).to_string());
        cells.push(megabytes(self.peak).replace(" MB", ""));
        layout(&self.scenario.name, &cells)
    }

    fn json(&self) -> Value {
        json!({
            "scenario": self.scenario.name,
            "time_scale": self.scenario.scale,
            "plain": self.scenario.plain,
            "calls": self.calls(),
            "ok": self.ok(),
            "operations": self.counts,
            "peak_bytes": self.peak,
        })
    }
}

fn layout(name: &str, cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!(" {cell:>7}")).collect();
    format!("{name:<26}{cells}")
}

fn table(options: &Options, rows: &[Row], failures: Vec<String>) -> Section {
    let header: Vec<String> = COLUMNS
        .iter()
        .map(|(column, _)| *column)
        .chain(["other", "CALLS", "≤ 6", "beats", "signal", "MB"])
        .map(ToOwned::to_owned)
        .collect();
    let mut table = vec![layout("", &header)];
    table.extend(rows.iter().map(Row::line));
    let mut notes: Vec<String> = COLUMNS
        .iter()
        .map(|(column, operation)| format!("{column}: {operation}"))
        .collect();
    notes.push(format!(
        "CALLS: all but heartbeats ({HEARTBEAT}) and the signal ({SIGNAL})"
    ));
    notes.push("MB: peak of memory, VmHWM".to_owned());
    for row in rows {
        let others = row.others();
        if !others.is_empty() {
            notes.push(format!("other, {}: {others}", row.scenario.name));
        }
    }
    notes.push(scaling(options.time_scale()));
    Section {
        title: "Calls to AWS per drain".to_owned(),
        table,
        notes,
        data: rows.iter().map(Row::json).collect(),
        failures,
        ..Section::default()
    }
}

/// What "2 h" means.
fn scaling(scale: u32) -> String {
    let scaled = |hours: u64| (Duration::from_hours(hours) / scale).as_secs_f64();
    format!(
        "\"2 h\" is {} s: time sped up {scale} times, with HeartbeatTimeout 1 h as {} s, drain.timeout 4 h \
         as {} s, and recheck_after, report_interval and introspection_poll_interval likewise (at least 100 ms)",
        scaled(2),
        scaled(1),
        scaled(4)
    )
}

fn memory(rows: &[Row]) -> Section {
    let figures = rows
        .iter()
        .filter_map(|row| {
            let (name, most) = row.scenario.memory?;
            let figure = Figure::bytes(&format!("VmHWM, {name}"), row.peak);
            Some(figure.at_most(f64::from(most) * 1e6, &format!("{most} MB")))
        })
        .collect();
    Section {
        title: "Memory: peak of the whole process, after the drain".to_owned(),
        figures,
        ..Section::default()
    }
}
