//! The state as text: in one line here, which `systemctl status` shows, and in full in [`report`].

pub mod report;

use crate::decide::registration::Registration;
use crate::decide::tasks::Source;
use crate::decide::{
    Drain, Join, JoinOutcome, JoinTarget, Moment, Outcome, Phase, Policy, State, WaitedFor,
};
use crate::narrate::span;

/// The most task definitions that the line names.
const MOST_NAMED: usize = 3;

/// The state in one line. Its first word is the phase.
pub fn line(state: &State, now: Moment, policy: &Policy) -> String {
    let text = match state.phase() {
        Phase::Starting => "starting: waiting for instance metadata".to_owned(),
        Phase::Watching => watching(state),
        Phase::Joining(join) => joining(join, state, now, policy),
        Phase::Draining(drain) => draining(drain, state, now, policy),
        Phase::Completing(drain) => {
            let how = ended(drain, state);
            match drain.hook_ref() {
                Some(hook) => format!("completing: {how}, telling Auto Scaling ({})", hook.name),
                None if drain.reason.has_lifecycle_action() => {
                    format!("completing: {how}, looking for the lifecycle hook")
                }
                None => format!("completing: {how}"),
            }
        }
        Phase::Done(drain) => format!("done: {}, {}", ended(drain, state), drain.reason),
        Phase::Returning => "returning: drain called off, setting ACTIVE again".to_owned(),
    };
    match state.health.failing().first() {
        Some(condition) => format!("{text}; {} is failing", condition.dependency.as_str()),
        None => text,
    }
}

/// How the drain has ended.
fn ended(drain: &Drain, state: &State) -> &'static str {
    match drain.outcome() {
        Some(Outcome::TimedOut) if !state.tasks.were_read() => {
            "deadline reached before the tasks were known"
        }
        Some(Outcome::TimedOut) => "deadline reached with tasks left",
        Some(Outcome::ExecutableFailed) => "drained, but an executable has failed",
        Some(Outcome::Drained) | None => "drained",
    }
}

fn watching(state: &State) -> String {
    let target = state.target().map_or("not set", |target| target.as_str());
    let failed = match state.join_failed() {
        true => "; it had not joined in time",
        false => "",
    };
    match state.container_instance() {
        Some(known) => format!(
            "watching: {} in {}, target {target}{failed}",
            known.id(),
            known.cluster
        ),
        None => format!("watching: ECS agent not registered yet, target {target}{failed}"),
    }
}

fn joining(join: &Join, state: &State, now: Moment, policy: &Policy) -> String {
    if join.way_in() == JoinTarget::WarmPool {
        return "joining: entering the warm pool, completing the launch".to_owned();
    }
    match join.outcome() {
        Some(JoinOutcome::Joined) => {
            "joining: joined, telling Auto Scaling and CloudFormation".to_owned()
        }
        Some(JoinOutcome::TimedOut) => {
            "joining: not joined in time, telling Auto Scaling and CloudFormation".to_owned()
        }
        None => format!(
            "joining: waiting {}, {} to deadline (ready.timeout)",
            join.waits_for(state.registration.as_ref()),
            whole(join.deadline(policy).since(now)),
        ),
    }
}

/// Formats whole seconds, so that the line does not change more often than once a second.
fn whole(duration: std::time::Duration) -> String {
    span(std::time::Duration::from_secs(duration.as_secs()))
}

fn draining(drain: &Drain, state: &State, now: Moment, policy: &Policy) -> String {
    let deadline = drain.deadline(policy);
    let left = whole(deadline.at.since(now));
    let tasks = state.waited_for(policy);
    let what = if let Some(event) = drain.runs_executables() {
        let running = format!("running the executables of {}", event.as_str());
        match drain.outcome() {
            Some(_) => format!("{}, {running}", ended(drain, state)),
            None => running,
        }
    } else if !state
        .registration
        .as_ref()
        .is_some_and(Registration::is_closed)
    {
        "DRAINING not accepted yet".to_owned()
    } else if tasks.is_empty() {
        "no tasks left; confirming with ECS".to_owned()
    } else {
        let noun = if tasks.len() == 1 { "task" } else { "tasks" };
        let source = match state.tasks.source() {
            Source::Introspection => "",
            Source::Api => " by the ECS API",
        };
        format!("{} {noun} left{source} ({})", tasks.len(), names(&tasks))
    };
    format!(
        "draining: {what}, {left} to deadline ({})",
        deadline.source.as_str()
    )
}

/// The task definitions with their numbers of tasks: `web:8 ×2, worker:2, …`.
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
