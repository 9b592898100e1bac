//! Metrics in CloudWatch's embedded metric format, for the CloudWatch agent on this instance.
//!
//! One record per drain, and one per minute with `[capacity]`, over TCP on loopback. That needs no permission, no
//! SDK and no AWS call of this agent. docs/operations.md says what the metrics cost.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::decide::{
    CapacitySample, DrainFigures, Failure, FailureKind, Instance, Outcome, WallTime, short,
};

/// The CloudWatch namespace of the metrics.
pub const NAMESPACE: &str = "ECSLifecycleAgent";
/// How long sending may take. The receiver is on this machine.
const TIMEOUT: Duration = Duration::from_secs(2);

/// One record: the values that become metrics, and the properties that are only in the log.
struct Event<'a> {
    log_group: &'a str,
    timestamp: WallTime,
    /// Each of these sets makes separate metrics.
    dimensions: &'a [&'a [(&'a str, &'a str)]],
    /// The name, the unit and the value of each metric.
    metrics: &'a [(&'a str, &'a str, Value)],
    properties: &'a [(&'a str, String)],
}

impl Event<'_> {
    fn record(&self) -> Value {
        let names: Vec<Vec<&str>> = self
            .dimensions
            .iter()
            .map(|set| set.iter().map(|(name, _)| *name).collect())
            .collect();
        let metrics: Vec<Value> = self
            .metrics
            .iter()
            .map(|(name, unit, _)| json!({"Name": name, "Unit": unit}))
            .collect();
        let mut record = Map::new();
        record.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": self.timestamp.0,
                "LogGroupName": self.log_group,
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": names,
                    "Metrics": metrics,
                }],
            }),
        );
        let dimensions = self.dimensions.iter().flat_map(|set| set.iter());
        let dimensions = dimensions.map(|(name, value)| (*name, json!(value)));
        let metrics = self
            .metrics
            .iter()
            .map(|(name, _, value)| (*name, value.clone()));
        let properties = self
            .properties
            .iter()
            .map(|(name, text)| (*name, json!(text)));
        for (name, value) in dimensions.chain(metrics).chain(properties) {
            record.insert(name.to_owned(), value);
        }
        Value::Object(record)
    }
}

/// The record of one drain.
pub fn drain(figures: &DrainFigures, instance: &Instance, now: WallTime, log_group: &str) -> Value {
    let cluster = figures.cluster.as_deref().map_or("unknown", short);
    Event {
        log_group,
        timestamp: now,
        dimensions: &[&[("ClusterName", cluster)]],
        metrics: &[
            ("Drains", "Count", json!(1)),
            (
                "DrainsTimedOut",
                "Count",
                json!(u8::from(figures.outcome == Outcome::TimedOut)),
            ),
            (
                "DrainDuration",
                "Seconds",
                json!(figures.took.as_secs_f64()),
            ),
            ("TasksWaitedFor", "Count", json!(figures.tasks)),
        ],
        properties: &[
            ("InstanceId", instance.instance_id.clone()),
            ("Reason", figures.reason.to_string()),
            ("Outcome", figures.outcome.as_str().to_owned()),
        ],
    }
    .record()
}

/// The record of one sample of an instance's capacity: for the cluster, and for its Auto Scaling group.
pub fn capacity(sample: &CapacitySample, instance: &Instance, log_group: &str) -> Value {
    let cluster = ("ClusterName", short(&sample.cluster));
    let group = sample.group.as_deref().unwrap_or_default();
    let of_cluster: &[_] = &[cluster];
    let of_group: &[_] = &[cluster, ("AutoScalingGroupName", group)];
    let both = [of_cluster, of_group];
    let figures = &sample.figures;
    Event {
        log_group,
        timestamp: sample.minute,
        dimensions: if sample.group.is_some() {
            &both
        } else {
            &both[..1]
        },
        metrics: &[
            (
                "ContainerCapacity",
                "Count",
                json!(figures.container_capacity),
            ),
            (
                "IdleHostCapacity",
                "Count",
                json!(figures.idle_host_capacity()),
            ),
            ("TasksPerHost", "Count", json!(figures.tasks_per_host)),
        ],
        properties: &[("InstanceId", instance.instance_id.clone())],
    }
    .record()
}

/// Sends a record. `endpoint` is `tcp://` and an address, which the configuration has checked.
///
/// # Errors
/// Fails if nothing at `endpoint` accepts it within two seconds.
pub async fn send(endpoint: &str, record: &Value) -> Result<(), Failure> {
    let what = format!("send metrics to {endpoint}");
    let failed = |kind, why: String| Failure::new(kind, format!("{what}: {why}"));
    let sending = async {
        let mut stream = connect(endpoint).await?;
        stream.write_all(format!("{record}\n").as_bytes()).await?;
        stream.shutdown().await
    };
    match tokio::time::timeout(TIMEOUT, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(failed(FailureKind::Unreachable, error.to_string())),
        Err(_) => Err(failed(
            FailureKind::Timeout,
            format!("no answer within {}", humantime::format_duration(TIMEOUT)),
        )),
    }
}

/// Tests whether something listens at `endpoint`.
///
/// # Errors
/// Fails if there is no connection within two seconds.
pub async fn is_listening(endpoint: &str) -> Result<(), Failure> {
    let failed = |kind, why: &dyn std::fmt::Display| {
        Failure::new(kind, format!("nothing listens on {endpoint}: {why}"))
    };
    match tokio::time::timeout(TIMEOUT, connect(endpoint)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(failed(FailureKind::Unreachable, &error)),
        Err(error) => Err(failed(FailureKind::Timeout, &error)),
    }
}

async fn connect(endpoint: &str) -> std::io::Result<TcpStream> {
    TcpStream::connect(endpoint.trim_start_matches("tcp://")).await
}
