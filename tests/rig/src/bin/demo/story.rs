//! The story in lines: what AWS did, what the agent asked of it, what it said, in the order of time.

use std::time::Duration;

use ecs_lifecycle_simulator::{Outcome, What};

use crate::record::{Call, Record};

/// Whose line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The demo explains.
    Demo,
    /// It happened at AWS or on the machine, whatever anybody was told.
    Truth,
    /// The agent's log.
    Agent,
    /// A request of the agent's.
    Call,
}

impl Speaker {
    /// A short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Truth => "aws",
            Self::Agent => "agent",
            Self::Call => "call",
        }
    }
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// When.
    pub at: Duration,
    /// Whose.
    pub speaker: Speaker,
    /// What.
    pub text: String,
}

/// The whole story so far.
pub fn lines(record: &Record) -> Vec<Line> {
    let line = |at, speaker, text| Line { at, speaker, text };
    let mut lines: Vec<Line> = Vec::new();
    for (at, text) in &record.notes {
        lines.push(line(*at, Speaker::Demo, text.clone()));
    }
    for event in &record.events {
        if let Some(text) = truth(&event.what, record) {
            lines.push(line(event.at_real, Speaker::Truth, text));
        }
    }
    for call in &record.calls {
        lines.push(line(call.at, Speaker::Call, asked(call)));
    }
    for said in &record.said {
        let text = match said.level.as_str() {
            "INFO" | "" => said.line(),
            level => format!("{level} {}", said.line()),
        };
        lines.push(line(said.at, Speaker::Agent, text));
    }
    lines.sort_by_key(|line| line.at);
    lines
}

/// In words, where it is worth a line.
fn truth(what: &What, record: &Record) -> Option<String> {
    let text = match what {
        What::TargetStateSet(target) => format!("metadata: target state {target}"),
        What::LifecycleStateChanged { to: Some(to), .. } => format!("Auto Scaling: {to}"),
        What::ContainerInstanceStatusChanged { to, .. } => {
            format!("ECS: container instance {to}")
        }
        What::TaskToldToStop { task, .. } => format!("ECS: stop {}", record.name_of(task)),
        What::ContainerGone { task } => format!("{}: container gone", record.name_of(task)),
        What::Killed { task } => format!("{}: CONTAINER KILLED", record.name_of(task)),
        What::HookPending { hook, .. } => format!("hook {hook}: pending"),
        What::HookHeartbeat { hook } => format!("hook {hook}: heartbeat recorded"),
        What::HookCompleted { hook, result, .. } => format!("hook {hook}: completed, {result}"),
        What::HeartbeatLapsed { hook, .. } => format!("hook {hook}: HEARTBEAT LAPSED"),
        What::GlobalTimeoutExpired { hook, .. } => format!("hook {hook}: GLOBAL TIMEOUT"),
        What::SignalReceived { success, .. } => {
            let status = if *success { "SUCCESS" } else { "FAILURE" };
            format!("CloudFormation: {status} received")
        }
        What::InstanceGone { .. } => "the instance is gone".to_owned(),
        _ => return None,
    };
    Some(text)
}

fn asked(call: &Call) -> String {
    match &call.outcome {
        Outcome::Accepted | Outcome::InFlight => call.operation.clone(),
        Outcome::Refused { code } => format!("{} refused: {code}", call.operation),
        Outcome::Fault { kind } => format!("{} failed: {kind}", call.operation),
    }
}
