//! CloudWatch's arithmetic: samples by metric and minute, and what the statistics make of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::World;
use crate::clock::SimTime;
use crate::spec::{MetricSpec, Statistic};

/// The samples of a metric in a minute.
#[derive(Clone, Copy, Debug, Default)]
struct Samples {
    sum: f64,
    most: f64,
    count: f64,
}

/// All samples: by minute since 1970, and by name and dimensions of the metric.
#[derive(Debug, Default)]
pub(crate) struct Metrics(BTreeMap<(u64, String), Samples>);

fn key(name: &str, dimensions: &str) -> String {
    format!("{name} {dimensions}")
}

impl Metrics {
    pub(crate) fn put(&mut self, minute: u64, name: &str, dimensions: &str, value: f64) {
        let key = (minute, key(name, dimensions));
        let samples = self.0.entry(key).or_default();
        samples.most = if samples.count > 0.0 {
            samples.most.max(value)
        } else {
            value
        };
        samples.sum += value;
        samples.count += 1.0;
    }

    /// A statistic of a minute; `None` where there is no sample.
    pub(crate) fn get(&self, minute: u64, metric: &MetricSpec) -> Option<f64> {
        let key = (minute, key(&metric.name, &metric.dimensions));
        let samples = self.0.get(&key)?;
        Some(match metric.statistic {
            Statistic::Sum => samples.sum,
            Statistic::Maximum => samples.most,
            Statistic::SampleCount => samples.count,
        })
    }
}

impl World {
    /// The minute since 1970 of a moment.
    pub fn minute_of(&self, at: SimTime) -> u64 {
        self.calendar.since_1970(at).as_secs() / 60
    }

    /// Takes a record of the embedded metric format, as CloudWatch Logs does. Each of its sets of dimensions
    /// makes metrics of its own. Returns whether it is one.
    pub fn take_record(&mut self, record: &Value) -> bool {
        let stamp = record.pointer("/_aws/Timestamp").and_then(Value::as_u64);
        let directives = record.pointer("/_aws/CloudWatchMetrics");
        let Some((stamp, directives)) = stamp.zip(directives.and_then(Value::as_array)) else {
            return false;
        };
        let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned();
        for directive in directives {
            for set in list(directive.get("Dimensions")).unwrap_or_default() {
                let names = set.as_array().cloned().unwrap_or_default();
                let pairs = names.iter().filter_map(Value::as_str).map(|name| {
                    let value = record.get(name).and_then(Value::as_str);
                    format!("{name}={}", value.unwrap_or_default())
                });
                let dimensions = pairs.collect::<Vec<_>>().join(",");
                for metric in list(directive.get("Metrics")).unwrap_or_default() {
                    let name = metric.get("Name").and_then(Value::as_str);
                    let Some(name) = name else { continue };
                    if let Some(value) = record.get(name).and_then(Value::as_f64) {
                        self.metrics.put(stamp / 60_000, name, &dimensions, value);
                    }
                }
            }
        }
        true
    }

    /// A statistic of a metric in a minute since 1970.
    pub fn statistic(&self, minute: u64, metric: &MetricSpec) -> Option<f64> {
        self.metrics.get(minute, metric)
    }
}
