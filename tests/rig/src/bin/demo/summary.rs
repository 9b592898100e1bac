//! The figures, and the verdict: computed from the record, nothing is taken for granted.

use std::collections::BTreeMap;
use std::time::Duration;

use ecs_lifecycle_simulator::{LifecycleActionResult, Service, What};

use crate::record::Record;

mod show;
#[cfg(test)]
mod tests;

pub use show::{megabytes, seconds};

/// The call that puts the container instance to `DRAINING`.
pub const DRAINING: &str = "ecs:UpdateContainerInstancesState";
/// The call that lets the instance go.
pub const COMPLETION: &str = "autoscaling:CompleteLifecycleAction";
/// The call that keeps it meanwhile.
pub const HEARTBEAT: &str = "autoscaling:RecordLifecycleActionHeartbeat";

/// The figures. `None` where it never came to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// How long the agent watched before the instance was to be terminated.
    pub idle: Option<Duration>,
    /// From the target state's change to the arrival of `UpdateContainerInstancesState`.
    pub detection: Option<Duration>,
    /// From that arrival to the moment at which the last container was gone.
    pub drain: Option<Duration>,
    /// From there to the arrival of the accepted `CompleteLifecycleAction`.
    pub completion: Option<Duration>,
    /// From the target state's change to that arrival.
    pub total: Option<Duration>,
    /// Calls to AWS before the target state changed.
    pub idle_calls: usize,
    /// Calls to AWS per operation.
    pub calls: BTreeMap<String, usize>,
    /// All calls but the CloudFormation signal.
    pub control_plane_calls: usize,
    /// The CloudFormation signal.
    pub cloudformation_calls: usize,
    /// Heartbeats that were accepted.
    pub heartbeats: usize,
    /// Completions that were accepted, with their results.
    pub completions: Vec<LifecycleActionResult>,
    /// Signals that CloudFormation accepted: whether each says `SUCCESS`.
    pub signals: Vec<bool>,
    /// Containers on the instance.
    pub containers: usize,
    /// Containers that the end of the instance killed.
    pub killed: usize,
    /// Peak of the agent's resident memory.
    pub memory_peak_bytes: u64,
    /// What is not as it must be; empty if all is well.
    pub problems: Vec<String>,
}

impl Summary {
    /// Computes it.
    pub fn of(record: &Record) -> Self {
        let flipped = record.flipped_at();
        let draining = record.accepted(DRAINING).map(|call| call.at).next();
        let completed = record.accepted(COMPLETION).map(|call| call.at).next();
        let all_gone = record.tasks.iter().all(|task| task.gone_at.is_some());
        let last_gone = record.tasks.iter().filter_map(|task| task.gone_at).max();
        let last_gone = last_gone.filter(|_| all_gone);
        let mut calls: BTreeMap<String, usize> = BTreeMap::new();
        for call in &record.calls {
            *calls.entry(call.operation.clone()).or_default() += 1;
        }
        let of_cloudformation = |service| service == Service::CloudFormation;
        let cloudformation_calls = record
            .calls
            .iter()
            .filter(|call| of_cloudformation(call.service))
            .count();
        let events = || record.events.iter().map(|event| &event.what);
        let mut summary = Self {
            idle: between(record.said_at("watching"), flipped),
            detection: between(flipped, draining),
            drain: between(draining, last_gone),
            completion: between(last_gone, completed),
            total: between(flipped, completed),
            idle_calls: record
                .calls
                .iter()
                .filter(|call| flipped.is_none_or(|flipped| call.at < flipped))
                .count(),
            control_plane_calls: record.calls.len() - cloudformation_calls,
            cloudformation_calls,
            calls,
            heartbeats: record.accepted(HEARTBEAT).count(),
            completions: events()
                .filter_map(|what| match what {
                    What::HookCompleted { result, .. } => Some(*result),
                    _ => None,
                })
                .collect(),
            signals: events()
                .filter_map(|what| match what {
                    What::SignalReceived { success, .. } => Some(*success),
                    _ => None,
                })
                .collect(),
            containers: record.tasks.len(),
            killed: events()
                .filter(|what| matches!(what, What::Killed { .. }))
                .count(),
            memory_peak_bytes: record.memory_peak_bytes,
            problems: Vec::new(),
        };
        summary.problems = summary.judge(record);
        summary
    }

    fn judge(&self, record: &Record) -> Vec<String> {
        let mut problems = Vec::new();
        let mut must = |so: bool, problem: String| {
            if !so {
                problems.push(problem);
            }
        };
        must(
            self.killed == 0,
            format!(
                "{} containers were still running when the instance was terminated",
                self.killed
            ),
        );
        must(
            self.completions == [LifecycleActionResult::Continue],
            format!(
                "expected one completion with CONTINUE, accepted: {:?}",
                self.completions
            ),
        );
        must(
            !self.signals.is_empty() && self.signals.iter().all(|success| *success),
            format!("expected a SUCCESS signal, received: {:?}", self.signals),
        );
        must(
            self.idle_calls == 0,
            format!("{} calls to AWS while idle", self.idle_calls),
        );
        must(
            record.gone_at().is_some(),
            "the instance was never terminated".to_owned(),
        );
        problems
    }

    /// All calls to AWS.
    pub fn total_calls(&self) -> usize {
        self.control_plane_calls + self.cloudformation_calls
    }
}

fn between(from: Option<Duration>, to: Option<Duration>) -> Option<Duration> {
    to?.checked_sub(from?)
}
