//! What is on which lane: states, tasks and the agent's phases as bars over time.

use std::time::Duration;

use crate::record::{Record, Task};

/// One bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// From.
    pub from: Duration,
    /// Until.
    pub until: Duration,
    /// How it is filled.
    pub fill: &'static str,
    /// What is written in it, or above it.
    pub label: String,
}

/// One lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// What it is.
    pub name: String,
    /// Of what kind.
    pub kind: &'static str,
    /// Its bars, one after the other.
    pub bars: Vec<Bar>,
    /// Written after its last bar.
    pub end: String,
}

/// The states of AWS, of the metadata and of ECS.
pub fn states(record: &Record, end: Duration) -> Vec<Lane> {
    let lane = |name: &str, kind, states| Lane {
        name: name.to_owned(),
        kind,
        bars: bars(states, end),
        end: String::new(),
    };
    vec![
        lane("Auto Scaling", "state", record.lifecycle_states()),
        lane("Metadata", "target state", record.target_states()),
        lane("ECS", "instance", record.container_instance_states()),
    ]
}

/// A lane a task.
pub fn tasks(record: &Record, end: Duration) -> Vec<Lane> {
    record.tasks.iter().map(|task| one(task, end)).collect()
}

fn one(task: &Task, end: Duration) -> Lane {
    let (running, stopping) = match task.kind {
        "daemon" => ("#8250df", "url(#stopping-daemon)"),
        "standalone" => ("#0f8a7e", "url(#stopping-standalone)"),
        _ => ("#2f6fde", "url(#stopping-service)"),
    };
    let gone = task.gone_at.unwrap_or(end);
    let told = task.told_at.unwrap_or(gone).min(gone);
    let bar = |from, until, fill| Bar {
        from,
        until,
        fill,
        label: String::new(),
    };
    let mut bars = vec![
        bar(Duration::ZERO, told, running),
        bar(told, gone, stopping),
    ];
    bars.retain(|bar| bar.until > bar.from);
    Lane {
        name: task.name.clone(),
        kind: task.kind,
        bars,
        end: match task.gone_at {
            Some(_) if task.killed => "KILLED".to_owned(),
            Some(at) => format!("gone {:.1} s", at.as_secs_f64()),
            None => String::new(),
        },
    }
}

/// The agent's phases, as its log tells of them.
pub fn agent(record: &Record, end: Duration) -> Lane {
    let phases = [
        ("watching", "watching"),
        ("drain started", "draining"),
        ("drained", "completing"),
        ("deadline reached", "completing"),
        ("lifecycle action completed", "done"),
        ("stopping", "stopped"),
    ];
    let begun = phases.into_iter().filter_map(|(message, phase)| {
        let at = record.said_at(message)?;
        Some((at, phase.to_owned()))
    });
    let mut bars = bars(begun.collect(), end);
    bars.retain(|bar| bar.label != "stopped");
    Lane {
        name: "Agent".to_owned(),
        kind: "phase",
        bars,
        end: String::new(),
    }
}

fn bars(states: Vec<(Duration, String)>, end: Duration) -> Vec<Bar> {
    let untils: Vec<Duration> = states.iter().skip(1).map(|(at, _)| *at).collect();
    let untils = untils.into_iter().chain([end]);
    let bars = states
        .into_iter()
        .zip(untils)
        .map(|((from, label), until)| Bar {
            from,
            until: until.min(end),
            fill: colour(&label),
            label,
        });
    bars.filter(|bar| bar.until > bar.from).collect()
}

fn colour(state: &str) -> &'static str {
    match state {
        "InService" | "ACTIVE" => "#b4e5c2",
        "Terminating" => "#ffe8a3",
        "Terminating:Wait" | "DRAINING" => "#ffcf99",
        "Terminated" => "#f7b9b3",
        "watching" => "#cfe3ff",
        "draining" => "#8fbcff",
        "completing" => "#a475f9",
        _ => "#dfe3e8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_follow_each_other_and_those_of_no_length_are_left_out() {
        let second = Duration::from_secs;
        let states = [(0, "InService"), (2, "Terminating"), (9, "INACTIVE")];
        let states = states.map(|(at, name)| (second(at), name.to_owned()));
        let bars = bars(states.to_vec(), second(9));
        assert_eq!(bars.len(), 2);
        assert_eq!(bars[0].until, bars[1].from);
        assert_eq!(bars[1].until, second(9));
    }

    #[test]
    fn a_task_never_told_to_stop_has_one_bar() {
        let task = Task {
            name: "job".to_owned(),
            kind: "standalone",
            gone_at: Some(Duration::from_secs(3)),
            ..Task::default()
        };
        let lane = one(&task, Duration::from_secs(9));
        assert_eq!(lane.bars.len(), 1);
        assert_eq!(lane.end, "gone 3.0 s");
    }
}
