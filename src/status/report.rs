//! The state in full: what `status --json` prints, and `status` as a table.
//!
//! The names of the fields are an interface: docs/status.md describes them. Fields may be added.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::clients::ecs::deregister_command;
use crate::clock::Clock;
use crate::decide::hold::Hold;
use crate::decide::{Moment, NoHook, Outcome, Phase, PhaseName, Policy, State};
use crate::narrate::span;

/// The state of the agent. Fields that do not apply are null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "described in docs/status.md, for those who read the JSON"
)]
pub struct Report {
    pub version: String,
    pub line: String,
    pub phase: PhaseName,
    pub since: String,
    pub since_seconds: u64,
    pub reason: Option<String>,
    pub instance: Option<InstanceReport>,
    pub container_instance: Option<ContainerInstanceReport>,
    #[serde(default)]
    pub former_registrations: Vec<ContainerInstanceReport>,
    pub target_lifecycle_state: Option<String>,
    pub deadline: Option<DeadlineReport>,
    pub waiting_for: Vec<TaskReport>,
    pub hook: Option<HookReport>,
    pub no_hook: Option<String>,
    pub errors: Vec<ErrorReport>,
    pub outcome: Option<Outcome>,
    pub drain_by_hand: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<CapacityReport>,
}

/// How many more tasks fit on this instance, and whether that is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as above")]
pub struct CapacityReport {
    pub line: String,
    pub container_capacity: Option<u32>,
    pub idle_host_capacity: Option<f64>,
    pub tasks_per_host: Option<u32>,
    pub limited_by: Option<String>,
    pub publishes: bool,
    pub not_published: Option<String>,
}

/// The EC2 instance that the agent runs on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as above")]
pub struct InstanceReport {
    pub id: String,
    pub region: String,
}

/// The instance as ECS knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as above")]
pub struct ContainerInstanceReport {
    pub cluster: String,
    pub arn: String,
}

/// The deadline of a drain or of a join.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as above")]
pub struct DeadlineReport {
    pub at: String,
    pub in_seconds: u64,
    pub source: String,
}

/// A task that a drain waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as above")]
pub struct TaskReport {
    pub task: String,
    pub definition: String,
    pub kind: Option<String>,
    pub stopping: bool,
}

/// The lifecycle hook that this agent completes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as above")]
pub struct HookReport {
    pub group: String,
    pub name: String,
    pub next_heartbeat_in_seconds: Option<u64>,
}

/// The last failure of a dependency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as above")]
pub struct ErrorReport {
    pub dependency: String,
    pub message: String,
    pub at: String,
    pub failing: bool,
}

/// Composes the report.
pub fn report(state: &State, now: Moment, policy: &Policy, clock: &Clock) -> Report {
    let at = |moment: Moment| rfc3339(clock.time_of(moment));
    let deadline = |moment: Moment, source: &str| DeadlineReport {
        at: at(moment),
        in_seconds: moment.since(now).as_secs(),
        source: source.to_owned(),
    };
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        line: super::line(state, now, policy),
        phase: state.phase().name(),
        since: at(state.since),
        since_seconds: now.since(state.since).as_secs(),
        reason: None,
        instance: state.instance.as_ref().map(|known| InstanceReport {
            id: known.instance_id.clone(),
            region: known.region.clone(),
        }),
        container_instance: state
            .container_instance()
            .map(|known| ContainerInstanceReport {
                cluster: known.cluster.clone(),
                arn: known.arn.clone(),
            }),
        former_registrations: former(state),
        target_lifecycle_state: state.target().map(ToString::to_string),
        deadline: None,
        waiting_for: Vec::new(),
        hook: None,
        no_hook: None,
        errors: errors(state, at),
        outcome: None,
        drain_by_hand: state.memory().by_hand.is_some(),
        capacity: policy
            .capacity
            .enabled
            .then(|| capacity(state, now, policy)),
    };
    let mut lifecycle = |hold: &Hold| {
        let search = &hold.search;
        report.hook = search.found().map(|found| HookReport {
            group: found.hook.group.clone(),
            name: found.hook.name.clone(),
            next_heartbeat_in_seconds: hold
                .heartbeat
                .next_at()
                .map(|next| next.since(now).as_secs()),
        });
        report.no_hook = search.nothing().map(no_hook);
    };
    match state.phase() {
        Phase::Starting | Phase::Watching | Phase::Returning => {}
        Phase::Joining(join) => {
            lifecycle(&join.hold);
            report.deadline = Some(deadline(join.deadline(policy), "ready.timeout"));
        }
        Phase::Draining(drain) | Phase::Completing(drain) => {
            if drain.reason.has_lifecycle_action() {
                lifecycle(&drain.hold);
            }
            let until = drain.deadline(policy);
            report.reason = Some(drain.reason.to_string());
            report.deadline = Some(deadline(until.at, until.source.as_str()));
            report.outcome = drain.outcome();
            let waited_for = state.waited_for(policy);
            report.waiting_for = waited_for
                .into_iter()
                .map(|task| TaskReport {
                    task: task.arn,
                    definition: task.definition,
                    kind: task.kind,
                    stopping: task.stopping,
                })
                .collect();
        }
        Phase::Done(drain) => {
            report.reason = Some(drain.reason.to_string());
            report.outcome = drain.outcome();
        }
    }
    report
}

/// Returns the former registrations, which are in the cluster of the present one.
fn former(state: &State) -> Vec<ContainerInstanceReport> {
    let here = state.container_instance().into_iter();
    here.flat_map(|here| {
        let arns = &state.memory().former;
        arns.iter().map(|arn| ContainerInstanceReport {
            cluster: here.cluster.clone(),
            arn: arn.clone(),
        })
    })
    .collect()
}

fn capacity(state: &State, now: Moment, policy: &Policy) -> CapacityReport {
    let ours = state.instance.as_ref();
    let ours = ours.map_or("", |instance| &instance.instance_id);
    let verdict = state.capacity.verdict(state.standing(), policy, ours, now);
    let silence = verdict.silence.as_ref().map(ToString::to_string);
    let room = verdict
        .figures
        .map(|known| known.sentence(&policy.capacity));
    CapacityReport {
        line: match (room, &silence) {
            (Some(room), None) => room,
            (Some(room), Some(why)) => format!("{room}; not published: {why}"),
            (None, why) => format!("not known: {}", why.as_deref().unwrap_or("-")),
        },
        container_capacity: verdict.figures.map(|known| known.container_capacity),
        idle_host_capacity: verdict.figures.map(|known| known.idle_host_capacity()),
        tasks_per_host: verdict.figures.map(|known| known.tasks_per_host),
        limited_by: verdict
            .figures
            .map(|known| known.limited_by.as_str().to_owned()),
        publishes: silence.is_none(),
        not_published: silence,
    }
}

fn errors(state: &State, at: impl Fn(Moment) -> String) -> Vec<ErrorReport> {
    let failing = state.health.failing().iter().map(|condition| ErrorReport {
        dependency: condition.dependency.as_str().to_owned(),
        message: condition.last.message.clone(),
        at: at(condition.failed_at),
        failing: true,
    });
    let failing_now = |dependency| {
        let mut failing = state.health.failing().iter();
        failing.any(|condition| condition.dependency == dependency)
    };
    let recovered = state
        .health
        .recovered()
        .iter()
        .filter(|known| !failing_now(known.dependency))
        .map(|known| ErrorReport {
            dependency: known.dependency.as_str().to_owned(),
            message: known.last.message.clone(),
            at: at(known.failed_at),
            failing: false,
        });
    failing.chain(recovered).collect()
}

fn no_hook(why: &NoHook) -> String {
    match why {
        NoHook::NotInAGroup => "Auto Scaling does not know this instance".to_owned(),
        NoHook::None { group } => format!("{group} has no lifecycle hook for this agent"),
        NoHook::Ambiguous { group, names } => format!(
            "{group} has several lifecycle hooks, and none is configured as this agent's: {}",
            names.join(", ")
        ),
        NoHook::Missing {
            group, configured, ..
        } => format!(
            "{group} has no lifecycle hook {configured}, which is configured as this agent's"
        ),
    }
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

impl Report {
    /// The report as text: the line, a table of what is known, and the tasks.
    pub fn table(&self) -> String {
        let mut rows: Vec<(&str, String)> = Vec::new();
        let ago = span(Duration::from_secs(self.since_seconds));
        rows.push(("since", format!("{} ({ago} ago)", self.since)));
        if let Some(reason) = &self.reason {
            rows.push(("reason", reason.clone()));
        }
        if let Some(deadline) = &self.deadline {
            let left = span(Duration::from_secs(deadline.in_seconds));
            rows.push((
                "deadline",
                format!("{}, in {left} ({})", deadline.at, deadline.source),
            ));
        }
        if let Some(instance) = &self.instance {
            rows.push((
                "instance",
                format!("{} in {}", instance.id, instance.region),
            ));
        }
        match &self.container_instance {
            Some(known) => rows.push((
                "container instance",
                format!("{} of {}", crate::decide::short(&known.arn), known.cluster),
            )),
            None => rows.push(("container instance", "not registered yet".to_owned())),
        }
        for former in &self.former_registrations {
            let command = deregister_command(&former.cluster, &former.arn);
            let id = crate::decide::short(&former.arn);
            rows.push((
                "former registration",
                format!("{id}, still in ECS; to remove it: {command}"),
            ));
        }
        let target = self.target_lifecycle_state.as_deref().unwrap_or("not set");
        rows.push(("target state", target.to_owned()));
        if let Some(hook) = &self.hook {
            let next = hook
                .next_heartbeat_in_seconds
                .map_or_else(String::new, |next| {
                    format!(", next heartbeat in {}", span(Duration::from_secs(next)))
                });
            rows.push((
                "lifecycle hook",
                format!("{} of {}{next}", hook.name, hook.group),
            ));
        }
        if let Some(why) = &self.no_hook {
            rows.push(("lifecycle hook", format!("none: {why}")));
        }
        if let Some(capacity) = &self.capacity {
            rows.push(("capacity", capacity.line.clone()));
        }
        for error in &self.errors {
            let when = if error.failing {
                "failing, last at"
            } else {
                "recovered; last failed at"
            };
            rows.push((
                "error",
                format!(
                    "{} ({when} {}): {}",
                    error.dependency, error.at, error.message
                ),
            ));
        }
        let mut text = format!("{}\n\n", self.line);
        for (name, value) in rows {
            text.push_str(&format!("  {name:<20}{value}\n"));
        }
        text.push_str(&self.tasks());
        text
    }

    fn tasks(&self) -> String {
        if self.waiting_for.is_empty() {
            return String::new();
        }
        let mut rows = vec![["task", "definition", "kind", ""].map(str::to_owned)];
        for task in &self.waiting_for {
            let order = if task.stopping {
                "told to stop"
            } else {
                "not told to stop"
            };
            rows.push([
                crate::decide::short(&task.task).to_owned(),
                task.definition.clone(),
                task.kind
                    .clone()
                    .unwrap_or_else(|| "not known yet".to_owned()),
                order.to_owned(),
            ]);
        }
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths = [width(0), width(1), width(2), 0];
        let mut text = String::from("\n");
        for row in &rows {
            let cells: Vec<String> = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            text.push_str(&format!("  {}\n", cells.join("  ").trim_end()));
        }
        text
    }
}
