//! CloudWatch alarms on metric math, and the scaling policies that they carry out.

use std::time::Duration;

/// An alarm. Its period is a minute, its threshold 1, missing data do not breach.
#[derive(Clone, Debug)]
pub struct AlarmSpec {
    /// Its name.
    pub name: String,
    /// `Expression`.
    pub expression: String,
    /// The metrics that the expression names.
    pub metrics: Vec<MetricSpec>,
    /// `EvaluationPeriods`.
    pub periods: usize,
    /// `DatapointsToAlarm`.
    pub datapoints: usize,
    /// The group that it scales, and how; none for an alarm that is for people.
    pub scales: Option<(String, Policy)>,
}

/// A metric of an expression.
#[derive(Clone, Debug)]
pub struct MetricSpec {
    /// `Id`.
    pub id: String,
    /// `MetricName`.
    pub name: String,
    /// `Stat`.
    pub statistic: Statistic,
    /// `Dimensions`, as `Name=Value` in the order of the metric.
    pub dimensions: String,
}

/// A statistic of the samples of a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// Their sum.
    Sum,
    /// The greatest.
    Maximum,
    /// How many.
    SampleCount,
}

/// A scaling policy. CloudWatch asks for it each minute while its alarm lasts.
#[derive(Clone, Copy, Debug)]
pub enum Policy {
    /// One instance more; an instance that comes counts for it until this long after it is in service.
    StepOut {
        /// `EstimatedInstanceWarmup`.
        warm_up: Duration,
    },
    /// One instance less; the next not before this long after the instance is gone.
    SimpleIn {
        /// `Cooldown`.
        cooldown: Duration,
    },
}
