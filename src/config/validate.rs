//! Checks that no key can make alone: whether the values fit each other.
//!
//! A check is skipped if one of its keys was refused, because its message about the value used instead would be
//! misleading.

use super::choices::StandaloneTasks;
use super::merge::Merged;
use super::problem::{Problem, Problems};

/// Makes all checks and adds what is wrong to `problems`.
pub(super) fn check(merged: &Merged, problems: &mut Problems) {
    for (keys, check) in CHECKS {
        if keys
            .iter()
            .any(|(section, key)| merged.was_refused(section, key))
        {
            continue;
        }
        if let Some(problem) = check(merged) {
            problems.add(|| problem);
        }
    }
}

/// A check, and the keys that it reads.
type Check = (
    &'static [(&'static str, &'static str)],
    fn(&Merged) -> Option<Problem>,
);

const CHECKS: &[Check] = &[
    (&[STANDALONE_TASKS, STOP_AFTER], stop_after_needs_stop),
    (
        &[STANDALONE_TASKS, STOP_AFTER, TIMEOUT],
        stop_after_before_timeout,
    ),
    (&[STACK_NAME, LOGICAL_RESOURCE_ID], both_or_neither),
    (&[AWSVPC, TASK_ENIS], interfaces_with_awsvpc),
    (&[AWSVPC, PORTS], no_ports_with_awsvpc),
    (&[ENABLED, CPU, MEMORY, PORTS, AWSVPC], something_to_reserve),
];

const STANDALONE_TASKS: (&str, &str) = ("drain", "standalone_tasks");
const STOP_AFTER: (&str, &str) = ("drain", "standalone_stop_after");
const TIMEOUT: (&str, &str) = ("drain", "timeout");
const STACK_NAME: (&str, &str) = ("cloudformation", "stack_name");
const LOGICAL_RESOURCE_ID: (&str, &str) = ("cloudformation", "logical_resource_id");

const ENABLED: (&str, &str) = ("capacity", "enabled");
const CPU: (&str, &str) = ("capacity", "cpu");
const MEMORY: (&str, &str) = ("capacity", "memory");
const PORTS: (&str, &str) = ("capacity", "ports");
const AWSVPC: (&str, &str) = ("capacity", "awsvpc");
const TASK_ENIS: (&str, &str) = ("capacity", "task_enis");

fn stop_after_needs_stop(merged: &Merged) -> Option<Problem> {
    let drain = &merged.inputs.drain;
    // 0s means the same with every value of standalone_tasks, and a drop-in uses it to undo what an earlier file
    // says.
    if drain.standalone_tasks.are_stopped() || drain.standalone_stop_after.is_zero() {
        return None;
    }
    Some(problem_at(
        merged,
        STOP_AFTER,
        format!(
            "it has no effect while drain.standalone_tasks is \"{}\" ({})",
            drain.standalone_tasks,
            merged.provenance.of(STANDALONE_TASKS.0, STANDALONE_TASKS.1)
        ),
        "set standalone_tasks = \"stop\", or remove standalone_stop_after (or set it to \"0s\")",
    ))
}

fn stop_after_before_timeout(merged: &Merged) -> Option<Problem> {
    let drain = &merged.inputs.drain;
    let never_stopped = match drain.standalone_tasks {
        StandaloneTasks::Stop => drain.standalone_stop_after >= drain.timeout,
        StandaloneTasks::Wait | StandaloneTasks::Ignore => false,
    };
    if !never_stopped {
        return None;
    }
    Some(problem_at(
        merged,
        STOP_AFTER,
        format!(
            "{} is not shorter than drain.timeout, {} ({}): the tasks would never be stopped",
            humantime::format_duration(drain.standalone_stop_after),
            humantime::format_duration(drain.timeout),
            merged.provenance.of(TIMEOUT.0, TIMEOUT.1)
        ),
        "shorten standalone_stop_after or lengthen timeout",
    ))
}

fn both_or_neither(merged: &Merged) -> Option<Problem> {
    let inputs = &merged.inputs.cloudformation;
    let (present, missing) = match (&inputs.stack_name, &inputs.logical_resource_id) {
        (Some(_), None) => (STACK_NAME, LOGICAL_RESOURCE_ID),
        (None, Some(_)) => (LOGICAL_RESOURCE_ID, STACK_NAME),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    Some(problem_at(
        merged,
        present,
        format!("it is set, but {}.{} is not", missing.0, missing.1),
        format!("set {} as well, or remove {}", missing.1, present.1),
    ))
}

fn interfaces_with_awsvpc(merged: &Merged) -> Option<Problem> {
    let capacity = &merged.inputs.capacity;
    let ((at, what), remedy) = match (capacity.awsvpc, capacity.task_enis) {
        (true, 0) => (
            (AWSVPC, "it is true, but capacity.task_enis is not set"),
            "set task_enis to the number of network interfaces that an instance has for tasks",
        ),
        // 0 means the same either way, and a drop-in uses it to undo what an earlier file says.
        (false, 1..) => (
            (TASK_ENIS, "it has no effect while capacity.awsvpc is false"),
            "set awsvpc = true, or remove task_enis (or set it to 0)",
        ),
        (true, 1..) | (false, 0) => return None,
    };
    Some(problem_at(merged, at, what.to_owned(), remedy))
}

fn no_ports_with_awsvpc(merged: &Merged) -> Option<Problem> {
    let capacity = &merged.inputs.capacity;
    (capacity.awsvpc && !capacity.ports.is_empty()).then(|| {
        problem_at(
            merged,
            PORTS,
            "with capacity.awsvpc a task takes no port of its host".to_owned(),
            "remove ports, or awsvpc",
        )
    })
}

fn something_to_reserve(merged: &Merged) -> Option<Problem> {
    let capacity = &merged.inputs.capacity;
    (capacity.enabled && !capacity.is_configured()).then(|| {
        problem_at(
            merged,
            ENABLED,
            "it is true, but nothing says what a task needs: cpu and memory are 0, there are no \
             ports, and awsvpc is false"
                .to_owned(),
            "set cpu and memory to what the largest task reserves",
        )
    })
}

fn problem_at(
    merged: &Merged,
    (section, key): (&str, &str),
    what: String,
    remedy: impl Into<String>,
) -> Problem {
    Problem {
        origin: merged.provenance.of(section, key).clone(),
        key: Some(format!("{section}.{key}")),
        what,
        remedy: remedy.into(),
    }
}
