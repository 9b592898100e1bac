//! Counters and the current state as OpenMetrics text, for exporters on this machine.
//!
//! The counters come from the same notes as the log, so that the two cannot differ.
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::decide::{Dependency, Moment, Note, Outcome, Phase, PhaseName, Policy, State};
use crate::outbox;

/// The HTTP content type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const OUTCOMES: [Outcome; 3] = [
    Outcome::Drained,
    Outcome::TimedOut,
    Outcome::ExecutableFailed,
];
const PHASES: [PhaseName; 7] = [
    PhaseName::Starting,
    PhaseName::Joining,
    PhaseName::Watching,
    PhaseName::Draining,
    PhaseName::Completing,
    PhaseName::Done,
    PhaseName::Returning,
];
const DEPENDENCIES: [Dependency; 6] = [
    Dependency::Metadata,
    Dependency::Introspection,
    Dependency::Ecs,
    Dependency::AutoScaling,
    Dependency::CloudFormation,
    Dependency::StateDirectory,
];

/// The counters since the process started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    drains: BTreeMap<&'static str, u64>,
    drain_seconds: f64,
    joins: BTreeMap<&'static str, u64>,
    heartbeats: u64,
    completions: u64,
    failures: u64,
}

impl Metrics {
    /// Updates the counters from a note.
    pub fn observe(&mut self, note: &Note) {
        match note {
            Note::DrainOver { outcome, took, .. } => {
                *self.drains.entry(outcome.as_str()).or_default() += 1;
                self.drain_seconds += took.as_secs_f64();
            }
            Note::Joined { .. } => *self.joins.entry("joined").or_default() += 1,
            Note::JoinTimedOut { .. } => *self.joins.entry("timed-out").or_default() += 1,
            Note::HeartbeatAccepted { .. } => self.heartbeats += 1,
            Note::Completed { .. } => self.completions += 1,
            Note::CallFailed { .. } | Note::Denied { .. } => self.failures += 1,
            _ => {}
        }
    }

    /// Renders the counters and the state as OpenMetrics text.
    pub fn render(&self, state: &State, now: Moment, policy: &Policy) -> String {
        let mut page = Page::default();
        page.family("build", "info", "The version of the agent.");
        page.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        page.family("phase", "stateset", "What the agent is doing.");
        for phase in PHASES {
            let on = f64::from(u8::from(state.phase().name() == phase));
            let labels = [("ecs_lifecycle_agent_phase", phase.as_str())];
            page.sample("phase", &labels, on);
        }
        let (mut waiting, mut left) = (0, None);
        if let Phase::Draining(drain) = state.phase() {
            waiting = state.waited_for(policy).len();
            left = Some(drain.deadline(policy).at.since(now));
        }
        page.family("tasks_waiting", "gauge", "Tasks that the drain waits for.");
        page.sample("tasks_waiting", &[], count(waiting));
        if let Some(left) = left {
            page.family(
                "deadline_seconds",
                "gauge",
                "Time to the deadline of the drain.",
            );
            page.sample("deadline_seconds", &[], left.as_secs_f64());
        }
        page.family(
            "dependency_failing",
            "gauge",
            "Whether a dependency fails at present.",
        );
        for dependency in DEPENDENCIES {
            let mut failing = state.health.failing().iter();
            let on = failing.any(|condition| condition.dependency == dependency);
            let labels = [("dependency", dependency.as_str())];
            page.sample("dependency_failing", &labels, f64::from(u8::from(on)));
        }
        page.family("drains", "counter", "Drains that have ended.");
        for outcome in OUTCOMES {
            let ended = self.drains.get(outcome.as_str()).copied().unwrap_or(0);
            page.sample(
                "drains_total",
                &[("outcome", outcome.as_str())],
                whole(ended),
            );
        }
        page.family("drain_duration_seconds", "summary", "How long these took.");
        page.sample("drain_duration_seconds_sum", &[], self.drain_seconds);
        page.sample(
            "drain_duration_seconds_count",
            &[],
            whole(self.drains.values().sum()),
        );
        page.family(
            "joins",
            "counter",
            "New instances that have joined, or have not in time.",
        );
        for outcome in ["joined", "timed-out"] {
            let ended = self.joins.get(outcome).copied().unwrap_or(0);
            page.sample("joins_total", &[("outcome", outcome)], whole(ended));
        }
        for (name, value, help) in [
            (
                "heartbeats",
                self.heartbeats,
                "Lifecycle heartbeats that were recorded.",
            ),
            (
                "completions",
                self.completions,
                "Lifecycle actions that were completed.",
            ),
            ("call_failures", self.failures, "Calls that have failed."),
            (
                "log_messages_dropped",
                outbox::dropped(),
                "Messages that neither the journal nor standard error took.",
            ),
        ] {
            page.family(name, "counter", help);
            page.sample(&format!("{name}_total"), &[], whole(value));
        }
        page.end()
    }
}

#[expect(clippy::cast_precision_loss, reason = "no counter comes near 2^52")]
fn whole(count: u64) -> f64 {
    count as f64
}

fn count(number: usize) -> f64 {
    whole(u64::try_from(number).unwrap_or(u64::MAX))
}

/// The OpenMetrics text while it is written.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let name = format!("ecs_lifecycle_agent_{name}");
        let _ = write!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}\n");
    }

    /// Label values are the agent's own words and need no escaping.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let _ = writeln!(self.0, "ecs_lifecycle_agent_{name}{labels} {value}");
    }

    fn end(mut self) -> String {
        self.0.push_str("# EOF\n");
        self.0
    }
}
