//! The state in one line: what `systemctl status` shows.

use crate::decide::drain::Source;
use crate::decide::{Drain, Moment, Outcome, Phase, Policy, State, WaitedFor};
use crate::narrate::span;

/// As many task definitions as the line names.
const MOST_NAMED: usize = 3;

/// The line. Every phase has its own first word.
pub fn line(state: &State, now: Moment, policy: &Policy) -> String {
    let text = match &state.phase {
        Phase::Starting => "starting: waiting for instance metadata".to_owned(),
        Phase::Watching => watching(state),
        Phase::Draining(drain) => draining(drain, now, policy),
        Phase::Completing(drain, completion) => {
            let how = match completion.outcome() {
                Outcome::Drained => "drained",
                Outcome::TimedOut => "deadline reached",
            };
            let hook = drain
                .hook_ref()
                .map_or_else(|| "no hook known".to_owned(), |hook| hook.name);
            format!("completing: {how}, telling Auto Scaling ({hook})")
        }
        Phase::Done(done) => {
            let how = match done.outcome {
                Outcome::Drained => "drained",
                Outcome::TimedOut => "deadline reached with tasks left",
            };
            format!("done: {how}, {}", done.reason)
        }
        Phase::Returning { .. } => "returning: drain called off, setting ACTIVE again".to_owned(),
    };
    match state.health.failing().first() {
        Some(condition) => format!("{text}; {} is failing", condition.dependency.as_str()),
        None => text,
    }
}

fn watching(state: &State) -> String {
    let target = state
        .target
        .as_ref()
        .map_or("not set", |target| target.as_str());
    match &state.container_instance {
        Some(known) => format!(
            "watching: {} in {}, target {target}",
            known.id(),
            known.cluster
        ),
        None => format!("watching: ECS agent not registered yet, target {target}"),
    }
}

fn draining(drain: &Drain, now: Moment, policy: &Policy) -> String {
    let deadline = drain.deadline(policy);
    let left = span(std::time::Duration::from_secs(
        deadline.at.since(now).as_secs(),
    ));
    let tasks = drain.tasks.waited_for(&drain.leftovers, policy);
    let what = if !drain.placement.is_draining() {
        "DRAINING not accepted yet".to_owned()
    } else if tasks.is_empty() {
        "no task left, making sure".to_owned()
    } else {
        let noun = if tasks.len() == 1 { "task" } else { "tasks" };
        format!("{} {noun} left ({})", tasks.len(), names(&tasks))
    };
    let source = match drain.tasks.source() {
        Source::Introspection => "",
        Source::Api => " by the ECS API",
    };
    format!(
        "draining: {what}{source}, {left} to deadline ({})",
        deadline.source.as_str()
    )
}

/// `web:8 ×2, worker:2, …`
fn names(tasks: &[WaitedFor]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for task in tasks {
        match counts.iter_mut().find(|(name, _)| *name == task.definition) {
            Some((_, count)) => *count += 1,
            None => counts.push((&task.definition, 1)),
        }
    }
    let mut text: Vec<String> = counts
        .iter()
        .take(MOST_NAMED)
        .map(|(name, count)| {
            if *count == 1 {
                (*name).to_owned()
            } else {
                format!("{name} ×{count}")
            }
        })
        .collect();
    if counts.len() > MOST_NAMED {
        text.push("…".to_owned());
    }
    text.join(", ")
}
