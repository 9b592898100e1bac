//! What has to hold whatever is parsed: one function for each fuzz target, run by the fuzzer
//! (`make fuzz`) and, on the committed inputs and mutations of them, by `tests/fuzz_short.rs`.

// A property that does not hold stops the fuzzer.
#![allow(clippy::panic, clippy::expect_used)]

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use ecs_lifecycle_agent::clients::parse;
use ecs_lifecycle_agent::clock::{Clock, wall_time};
use ecs_lifecycle_agent::config::{self, ConfigError, Origin};
use ecs_lifecycle_agent::decide::record::{Clocks, compose, understand};
use ecs_lifecycle_agent::decide::{Memory, TargetLifecycleState, TaskStatus};
use serde_json::Value;

/// What the parsers of secrets and of metadata may say: fixed texts, so that no part of an answer can
/// get into a log.
const MISFITS: [&str; 20] = [
    "not an instance identity document (not JSON)",
    "not an instance identity document (of another shape)",
    "not an instance identity document (cut short)",
    "instanceId is not an instance id",
    "region is not a region name",
    "not a Spot instance action (not JSON)",
    "not a Spot instance action (of another shape)",
    "not a Spot instance action (cut short)",
    "action is none of terminate, stop, hibernate",
    "not UTF-8",
    "not a lifecycle state",
    "not a tag value",
    "not a rebalance recommendation (not JSON)",
    "not a rebalance recommendation (of another shape)",
    "not a rebalance recommendation (cut short)",
    "not a list of scheduled events (not JSON)",
    "not a list of scheduled events (of another shape)",
    "not a list of scheduled events (cut short)",
    "EventId is not an event id",
    "NotBefore is not a time such as 21 Jan 2019 09:00:43 GMT",
];

/// What the metadata service answers: every parser of it gets every input.
pub fn metadata(input: &[u8]) {
    identity_document(input);
    target_lifecycle_state(input);
    spot_instance_action(input);
    rebalance_recommendation(input);
    scheduled_events(input);
    tag(input);
}

fn identity_document(input: &[u8]) {
    match parse::identity_document(input) {
        Ok(instance) => {
            assert!(is_object(input), "it takes what is no object");
            assert!(instance.instance_id.starts_with("i-"));
            // They become parts of URLs and of API calls.
            for text in [&instance.instance_id, &instance.region] {
                assert!((1..=64).contains(&text.len()));
                assert!(
                    text.bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                );
            }
        }
        Err(misfit) => is_fixed(&misfit),
    }
}

fn target_lifecycle_state(input: &[u8]) {
    match parse::target_lifecycle_state(input) {
        Ok(state) => {
            let text = std::str::from_utf8(input).expect("it takes what is no text");
            assert_eq!(state.as_str(), text.trim(), "it does not print back");
            assert_eq!(TargetLifecycleState::parse(state.as_str()), state);
            assert!((1..=64).contains(&state.as_str().len()));
        }
        Err(misfit) => is_fixed(&misfit),
    }
}

fn spot_instance_action(input: &[u8]) {
    match parse::spot_instance_action(input) {
        Ok((notice, time)) => {
            assert!(is_object(input), "it takes what is no object");
            assert!(["terminate", "stop", "hibernate"].contains(&notice.action.as_str()));
            assert!(is_plain(&notice.time, usize::MAX), "{:?}", notice.time);
            let written = humantime::format_rfc3339_nanos(time).to_string();
            assert_eq!(humantime::parse_rfc3339(&written), Ok(time));
            can_be_said(time);
        }
        // The words about a time are humantime's, and fixed as well.
        Err(misfit) if misfit.starts_with("time: ") => assert!(is_plain(&misfit, 100)),
        Err(misfit) => is_fixed(&misfit),
    }
}

/// The agent's own time can say it, however far away it is.
fn can_be_said(time: SystemTime) {
    let moment = wall_time(time).moment(CLOCK.wall_at_boot());
    let _ = (CLOCK.until(moment), CLOCK.time_of(moment));
}

fn rebalance_recommendation(input: &[u8]) {
    match parse::rebalance_recommendation(input) {
        Ok(time) => {
            assert!(is_object(input), "it takes what is no object");
            assert!(is_plain(&time, 64), "{time:?}");
        }
        Err(misfit) if misfit.starts_with("noticeTime: ") => assert!(is_plain(&misfit, 100)),
        Err(misfit) => is_fixed(&misfit),
    }
}

fn scheduled_events(input: &[u8]) {
    match parse::scheduled_events(input) {
        Ok(None) => {}
        Ok(Some((event, time))) => {
            assert!(event.state == "active" && is_plain(&event.event_id, 64));
            assert!(event.code.starts_with("instance-") || event.code == "system-reboot");
            assert!(is_plain(&event.not_before, 64), "{:?}", event.not_before);
            can_be_said(time);
        }
        Err(misfit) => is_fixed(&misfit),
    }
}

fn tag(input: &[u8]) {
    match parse::tag(input) {
        Ok(value) => {
            let text = std::str::from_utf8(input).expect("it takes what is no text");
            assert_eq!(value, text.trim());
            assert!(!value.is_empty() && is_plain(&value, 256));
        }
        Err(misfit) => is_fixed(&misfit),
    }
}

/// What the ECS agent answers: all its parsers get every input.
pub fn introspection(input: &[u8]) {
    agent_metadata(input);
    agent_tasks(input);
    agent_task_set(input);
}

fn agent_metadata(input: &[u8]) {
    match parse::agent_metadata(input) {
        Ok(known) => {
            assert!(is_object(input), "it takes what is no object");
            if let Some(known) = known {
                assert!(
                    known.arn.starts_with("arn:") && known.arn.contains(":container-instance/")
                );
                assert!(!known.cluster.is_empty());
                assert!(is_plain(&known.arn, usize::MAX) && is_plain(&known.cluster, usize::MAX));
            }
        }
        Err(misfit) => assert!(is_plain(&misfit, 100), "{misfit:?}"),
    }
}

/// The same tasks, but for those that have stopped. It looks at containers, too, which can be wrong by themselves.
fn agent_task_set(input: &[u8]) {
    let (all, set) = (
        parse::agent_tasks(input, &BTreeSet::new()),
        parse::agent_task_set(input),
    );
    if let (Ok(all), Ok(set)) = (all, set) {
        let living = all.iter().filter(|task| task.known != TaskStatus::Stopped);
        let living: Vec<(&str, &str)> =
            living.map(|task| (&*task.arn, &*task.definition)).collect();
        let set: Vec<(&str, &str)> = set
            .iter()
            .map(|task| (&*task.arn, &*task.definition))
            .collect();
        assert_eq!(set, living, "it loses or makes up tasks");
    }
}

fn agent_tasks(input: &[u8]) {
    // Another reading of the same, to compare with. It is stricter in places: it takes no second key of
    // a name for an error, and looks at what nobody asked for.
    let value: Option<Value> = serde_json::from_slice(input).ok();
    let listed = value.as_ref().and_then(|value| value.get("Tasks"));
    let arn = |task: &Value| field(task, "Arn", 0).map(str::to_owned);
    let open: BTreeSet<String> = listed
        .and_then(Value::as_array)
        .map(|tasks| tasks.iter().filter_map(arn).collect())
        .unwrap_or_default();
    match parse::agent_tasks(input, &open) {
        Ok(tasks) => {
            if let Some(listed) = listed {
                let listed = listed.as_array().expect("it takes what is no list");
                let listed: Vec<(Option<&str>, bool)> = listed
                    .iter()
                    .map(|task| {
                        let stopped = field(task, "KnownStatus", 3) == Some("STOPPED");
                        (field(task, "Arn", 0), stopped)
                    })
                    .collect();
                let tasks: Vec<(Option<&str>, bool)> = tasks
                    .iter()
                    .map(|task| (Some(&*task.arn), task.known == TaskStatus::Stopped))
                    .collect();
                assert_eq!(tasks, listed, "it loses or makes up tasks");
            }
        }
        Err(misfit) => {
            assert!(!misfit.chars().any(char::is_control), "{misfit:?}");
            if let Some(Value::Array(listed)) = listed {
                assert!(!listed.is_empty() || twice(input), "no tasks are no error");
            }
        }
    }
}

/// A field of a task, which serde takes in an array, too, by its place.
fn field<'a>(task: &'a Value, name: &str, place: usize) -> Option<&'a str> {
    task.get(name).or_else(|| task.get(place))?.as_str()
}

/// Whether a key may be there twice, which `Value` does not tell.
fn twice(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    // An escape may hide another.
    text.matches("Tasks").count() > 1 || text.contains('\\')
}

/// A configuration file.
pub fn configuration(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        // `load` refuses it before anything is parsed.
        return;
    };
    match config::parse_text(text) {
        Ok(effective) => {
            let rendered = effective.render();
            match config::parse_text(&rendered) {
                Ok(again) => assert_eq!(again.settings, effective.settings, "{rendered}"),
                Err(error) => panic!("what it prints is refused: {error}\n{rendered}"),
            }
        }
        Err(error) => is_whole(&error, text),
    }
}

/// Every problem says where, what is wrong and what to do, on one line that can be read.
fn is_whole(error: &ConfigError, text: &str) {
    let problems = error.problems();
    assert!(!problems.is_empty());
    let shown = error.to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines.len() == problems.len() || (problems.len() == 50 && lines.len() == 51));
    for line in lines {
        assert!(is_plain(line, 3000), "{line:?}");
    }
    let last = 1 + text.bytes().filter(|byte| *byte == b'\n').count();
    for problem in problems {
        assert!(!problem.what.is_empty() && !problem.remedy.is_empty());
        assert!(problem.key.as_ref().is_none_or(|key| is_plain(key, 1000)));
        let Origin::File { line, .. } = &problem.origin else {
            panic!("it names no place: {problem}");
        };
        assert!(line.is_none_or(|line| (1..=last).contains(&line)));
    }
}

/// What an earlier process has written down.
pub fn state(input: &[u8]) {
    let clocks: Clocks = CLOCK.clocks();
    match understand(input, &clocks) {
        Ok(memory) => {
            let text = compose(&memory, &clocks).expect("it cannot be written");
            let again = understand(&text, &clocks).expect("what it writes is refused");
            is_same(&memory, &again);
        }
        // Some hundred characters, of four bytes each at the most.
        Err(why) => assert!(is_plain(&why, 1000), "{why}"),
    }
}

/// Times go by way of the wall clock, which may be set meanwhile.
fn is_same(before: &Memory, after: &Memory) {
    let untimed = |memory: &Memory| {
        let mut memory = memory.clone();
        let drain = memory.drain.as_mut().map(|drain| &mut drain.started_at);
        let join = memory.join.as_mut().map(|join| &mut join.started_at);
        let times = [drain, join].map(|time| time.map(std::mem::take));
        (memory, times)
    };
    let ((before, began), (after, begins)) = (untimed(before), untimed(after));
    assert_eq!(before, after);
    for (began, begins) in began.into_iter().zip(begins) {
        if let (Some(began), Some(begins)) = (began, begins) {
            let apart = began.since(begins).max(begins.since(began));
            assert!(apart < Duration::from_secs(5), "{began:?} {begins:?}");
        }
    }
}

static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::start);

fn is_fixed(misfit: &str) {
    assert!(MISFITS.contains(&misfit), "not a fixed text: {misfit:?}");
}

fn is_object(input: &[u8]) -> bool {
    input.trim_ascii_start().starts_with(b"{")
}

/// One line, and not too long.
fn is_plain(text: &str, most: usize) -> bool {
    text.len() <= most && !text.chars().any(char::is_control)
}
