//! Figures of a drain in CloudWatch's embedded metric format, for the CloudWatch agent on this instance.
//!
//! One record a drain, over TCP on loopback. It takes no permission, no SDK and no request of ours to AWS;
//! what the figures cost is said in docs/operations.md.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::decide::{DrainFigures, Failure, FailureKind, Instance, Outcome, short};

/// The namespace of the metrics.
pub const NAMESPACE: &str = "ECSLifecycleAgent";
/// The log group that the record goes to.
const LOG_GROUP: &str = "ecs-lifecycle-agent";
/// It is on this machine.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The record of one drain.
pub fn record(figures: &DrainFigures, instance: &Instance, now: SystemTime) -> Value {
    let timestamp = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let metric = |name: &str, unit: &str| json!({"Name": name, "Unit": unit});
    json!({
        "_aws": {
            "Timestamp": u64::try_from(timestamp.as_millis()).unwrap_or(0),
            "LogGroupName": LOG_GROUP,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["ClusterName"]],
                "Metrics": [
                    metric("Drains", "Count"),
                    metric("DrainsTimedOut", "Count"),
                    metric("DrainDuration", "Seconds"),
                    metric("TasksWaitedFor", "Count"),
                ],
            }],
        },
        "ClusterName": figures.cluster.as_deref().map_or("unknown", short),
        "InstanceId": instance.instance_id,
        "Reason": figures.reason.to_string(),
        "Outcome": figures.outcome.as_str(),
        "Drains": 1,
        "DrainsTimedOut": u8::from(figures.outcome == Outcome::TimedOut),
        "DrainDuration": figures.took.as_secs_f64(),
        "TasksWaitedFor": figures.tasks,
    })
}

/// Sends it. `endpoint` is `tcp://` and an address, as the configuration has checked.
///
/// # Errors
/// Where nobody takes it.
pub async fn send(endpoint: &str, record: &Value) -> Result<(), Failure> {
    let what = format!("send metrics to {endpoint}");
    let failed = |kind, why: String| Failure::new(kind, format!("{what}: {why}"));
    let sending = async {
        let address = endpoint.trim_start_matches("tcp://");
        let mut stream = TcpStream::connect(address).await?;
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
