//! The figures of a record that is given.

use ecs_lifecycle_simulator::{Outcome, TargetLifecycleState, TruthEvent, Who};

use super::*;
use crate::record::{Call, Task};

fn event(millis: u64, what: What) -> TruthEvent {
    TruthEvent {
        at_sim: Duration::from_millis(millis),
        at_real: Duration::from_millis(millis),
        instance: "i-1".to_owned(),
        what,
    }
}

fn call(millis: u64, service: Service, operation: &str) -> Call {
    Call {
        at: Duration::from_millis(millis),
        service,
        operation: operation.to_owned(),
        outcome: Outcome::Accepted,
    }
}

fn completed(result: LifecycleActionResult) -> What {
    What::HookCompleted {
        hook: "hook".to_owned(),
        result,
        by: Who::Api("i-1".to_owned()),
    }
}

/// Flipped at 1 s, draining at 1.4 s, the last container gone at 6 s, completed at 6.5 s.
fn good() -> Record {
    let gone = |millis| Task {
        gone_at: Some(Duration::from_millis(millis)),
        ..Task::default()
    };
    let signal = What::SignalReceived {
        stack: String::new(),
        resource: String::new(),
        unique_id: String::new(),
        success: true,
    };
    let end = What::InstanceGone {
        reason: String::new(),
    };
    Record {
        events: vec![
            event(1000, What::TargetStateSet(TargetLifecycleState::Terminated)),
            event(6400, signal),
            event(6500, completed(LifecycleActionResult::Continue)),
            event(8000, end),
        ],
        tasks: vec![gone(6000), gone(4000)],
        calls: vec![
            call(1400, Service::Ecs, DRAINING),
            call(3000, Service::AutoScaling, HEARTBEAT),
            call(
                6400,
                Service::CloudFormation,
                "cloudformation:SignalResource",
            ),
            call(6500, Service::AutoScaling, COMPLETION),
        ],
        ..Record::default()
    }
}

#[test]
fn the_figures_are_those_of_the_record() {
    let summary = Summary::of(&good());
    let json = summary.json();
    assert_eq!(summary.problems, Vec::<String>::new());
    for (key, value) in [
        ("detection_ms", 400),
        ("drain_ms", 4600),
        ("completion_ms", 500),
        ("total_ms", 5500),
        ("idle_aws_calls", 0),
        ("aws_calls", 4),
        ("aws_control_plane_calls", 3),
        ("aws_cloudformation_calls", 1),
        ("heartbeats", 1),
        ("containers", 2),
        ("containers_killed", 0),
    ] {
        assert_eq!(json[key], value, "{key}");
    }
    assert_eq!(json["ok"], true);
    assert_eq!(json["completions"][0], "CONTINUE");
    assert_eq!(json["aws_calls_by_operation"][DRAINING], 1);
}

#[test]
fn every_wrong_is_told() {
    let problem = |change: fn(&mut Record)| {
        let mut record = good();
        change(&mut record);
        let problems = Summary::of(&record).problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.concat()
    };
    let killed = problem(|record| {
        record.events.push(event(
            7000,
            What::Killed {
                task: String::new(),
            },
        ));
    });
    assert!(killed.contains("running when the instance was terminated"));
    let twice = problem(|record| {
        let again = completed(LifecycleActionResult::Continue);
        record.events.push(event(6600, again));
    });
    assert!(twice.contains("CONTINUE"));
    let busy = problem(|record| record.calls.push(call(900, Service::Ecs, "ecs:ListTasks")));
    assert!(busy.contains("1 calls to AWS while idle"));
    let silent = problem(|record| {
        record
            .events
            .retain(|event| !matches!(event.what, What::SignalReceived { .. }));
    });
    assert!(silent.contains("SUCCESS"));
}

#[test]
fn what_never_happened_has_no_duration() {
    let summary = Summary::of(&Record::default());
    assert_eq!(summary.detection, None);
    assert!(summary.json()["drain_ms"].is_null());
    assert!(!summary.problems.is_empty());
    let mut half = good();
    half.tasks.push(Task::default());
    assert_eq!(Summary::of(&half).completion, None);
}
