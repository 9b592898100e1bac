//! The log of every request that reached the simulator.

use std::time::Duration;

use serde_json::Value;

use crate::clock::SimTime;
use crate::pattern;

/// Which of the simulated services a request went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// The instance metadata service.
    Imds,
    /// The ECS agent's introspection server.
    Introspection,
    /// Amazon ECS.
    Ecs,
    /// Auto Scaling.
    AutoScaling,
    /// CloudFormation.
    CloudFormation,
}

impl Service {
    /// Whether it is an AWS API, as opposed to something on the instance.
    pub fn is_aws(self) -> bool {
        !matches!(self, Self::Imds | Self::Introspection)
    }

    /// The prefix of its operations: `imds`, `introspection`, `ecs`, `autoscaling`, `cloudformation`.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Imds => "imds",
            Self::Introspection => "introspection",
            Self::Ecs => "ecs",
            Self::AutoScaling => "autoscaling",
            Self::CloudFormation => "cloudformation",
        }
    }
}

/// How a request went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Still being handled, or held at a gate.
    InFlight,
    /// Carried out.
    Accepted,
    /// Answered with an error: AWS's error code, or an HTTP status.
    Refused {
        /// The code.
        code: String,
    },
    /// Hit by a fault, or the caller went away (`Disconnected`).
    Fault {
        /// Which.
        kind: String,
    },
}

/// One request.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// 1 for the first request.
    pub seq: u64,
    /// When it arrived, in simulated time.
    pub at_sim: SimTime,
    /// When it arrived, in real time since the start.
    pub at_real: Duration,
    /// Where it went.
    pub service: Service,
    /// `imds:PUT /latest/api/token`, `ecs:UpdateContainerInstancesState`, …
    pub operation: String,
    /// Who sent it, as far as that can be told.
    pub instance: Option<String>,
    /// Its parameters.
    pub params: Value,
    /// HTTP status of the answer, once there is one.
    pub status: Option<u16>,
    /// How it went.
    pub outcome: Outcome,
    /// Whether the operation was carried out in the model (also true for a lost answer).
    pub executed: bool,
    /// The request id in the answer.
    pub request_id: String,
}

/// All requests, in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub struct RequestLog {
    last: u64,
    records: Vec<RequestRecord>,
}

impl RequestLog {
    pub(crate) fn push(&mut self, make: impl FnOnce(u64) -> RequestRecord) -> u64 {
        self.last += 1;
        self.records.push(make(self.last));
        self.last
    }

    pub(crate) fn update(&mut self, seq: u64, change: impl FnOnce(&mut RequestRecord)) {
        if let Ok(index) = self.records.binary_search_by_key(&seq, |r| r.seq)
            && let Some(record) = self.records.get_mut(index)
        {
            change(record);
        }
    }

    /// Forgets everything so far; sequence numbers go on.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
    }

    /// All of them.
    pub fn all(&self) -> &[RequestRecord] {
        &self.records
    }

    /// Those whose operation matches: exact, a prefix with `*`, or several of these with `|` between.
    pub fn matching<'a>(
        &'a self,
        operation: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a RequestRecord> {
        self.records
            .iter()
            .filter(move |r| pattern::matches(operation, &r.operation))
    }

    /// How many match.
    pub fn count(&self, operation: &str) -> usize {
        self.matching(operation).count()
    }

    /// How many match and were accepted.
    pub fn accepted(&self, operation: &str) -> usize {
        self.matching(operation)
            .filter(|r| r.outcome == Outcome::Accepted)
            .count()
    }

    /// How many match and were carried out, whether or not the answer arrived.
    pub fn executed(&self, operation: &str) -> usize {
        self.matching(operation).filter(|r| r.executed).count()
    }

    /// The first that matches.
    pub fn first(&self, operation: &str) -> Option<&RequestRecord> {
        self.records
            .iter()
            .find(|r| pattern::matches(operation, &r.operation))
    }

    /// The last that matches.
    pub fn last(&self, operation: &str) -> Option<&RequestRecord> {
        self.records
            .iter()
            .rev()
            .find(|r| pattern::matches(operation, &r.operation))
    }

    /// Only what went to AWS APIs (ECS, Auto Scaling, CloudFormation).
    pub fn aws_calls(&self) -> impl DoubleEndedIterator<Item = &RequestRecord> {
        self.records.iter().filter(|r| r.service.is_aws())
    }

    /// Only what one instance sent.
    pub fn of_instance<'a>(
        &'a self,
        instance: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a RequestRecord> {
        self.records
            .iter()
            .filter(move |r| r.instance.as_deref() == Some(instance))
    }

    /// Number of requests per operation.
    pub fn counts(&self) -> std::collections::BTreeMap<String, usize> {
        let mut counts = std::collections::BTreeMap::new();
        for record in &self.records {
            *counts.entry(record.operation.clone()).or_default() += 1;
        }
        counts
    }
}
