//! The figures, written down: for programs, and for people.

use std::time::Duration;

use serde_json::{Value, json};

use super::Summary;

impl Summary {
    /// As `summary.json` has it; the keys are described in `main.rs`.
    pub fn json(&self) -> Value {
        json!({
            "ok": self.problems.is_empty(),
            "problems": self.problems,
            "idle_ms": millis(self.idle),
            "idle_aws_calls": self.idle_calls,
            "detection_ms": millis(self.detection),
            "drain_ms": millis(self.drain),
            "completion_ms": millis(self.completion),
            "total_ms": millis(self.total),
            "aws_calls": self.total_calls(),
            "aws_control_plane_calls": self.control_plane_calls,
            "aws_cloudformation_calls": self.cloudformation_calls,
            "aws_calls_by_operation": self.calls,
            "heartbeats": self.heartbeats,
            "completions": self.completions.iter().map(|r| r.as_str()).collect::<Vec<_>>(),
            "signals": self.signals.iter()
                .map(|success| if *success { "SUCCESS" } else { "FAILURE" })
                .collect::<Vec<_>>(),
            "containers": self.containers,
            "containers_killed": self.killed,
            "agent_peak_memory_bytes": self.memory_peak_bytes,
        })
    }

    /// For a person: names and values. A value without a name belongs to what is above it.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let span = |duration, to: &str| format!("{:<8}{to}", seconds(duration));
        let mut lines = vec![
            (
                "idle",
                span(self.idle, &format!("with {} calls to AWS", self.idle_calls)),
            ),
            (
                "detection",
                span(
                    self.detection,
                    "from the target state's change to the call for DRAINING",
                ),
            ),
            (
                "drain",
                span(self.drain, "from there to the end of the last container"),
            ),
            (
                "completion",
                span(self.completion, "from there to CompleteLifecycleAction"),
            ),
            (
                "AWS calls",
                format!(
                    "{} control plane, {} CloudFormation signal",
                    self.control_plane_calls, self.cloudformation_calls
                ),
            ),
        ];
        for (operation, count) in &self.calls {
            lines.push(("", format!("{count} × {operation}")));
        }
        let killed = format!("{} of {} were killed", self.killed, self.containers);
        lines.push(("containers", killed));
        let peak = format!("{} at most", megabytes(self.memory_peak_bytes));
        lines.push(("agent memory", peak));
        lines
    }
}

fn millis(duration: Option<Duration>) -> Value {
    duration.map_or(Value::Null, |duration| json!(duration.as_millis()))
}

/// `0.42 s`, or `19.5 s` from ten seconds on.
pub fn seconds(duration: Option<Duration>) -> String {
    match duration.map(|duration| duration.as_secs_f64()) {
        None => "never".to_owned(),
        Some(seconds) if seconds < 10.0 => format!("{seconds:.2} s"),
        Some(seconds) => format!("{seconds:.1} s"),
    }
}

/// `7.9 MB`.
#[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
