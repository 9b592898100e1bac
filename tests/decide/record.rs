//! The text of `state.json`, of this version and of the one before.

use std::collections::BTreeMap;
use std::time::Duration;

use ecs_lifecycle_decide::record::{Clocks, compose, understand};
use ecs_lifecycle_decide::{
    DrainByHand, HookRef, JoinOutcome, JoinTarget, LifecycleTransition, Memory, Moment, Outcome,
    ReasonKey, RememberedDrain, RememberedJoin, TargetLifecycleState, WallTime,
};
use serde::Deserialize;

use super::agent::{BOOT, INSTANCE, container_instance};

/// As the version before has written it, with every field.
const VERSION_1: &str = r#"{
  "instance_id": "i-0123456789abcdef0",
  "cluster": "demo",
  "container_instance_arn": "arn:aws:ecs:eu-central-1:1:container-instance/demo/c1",
  "was_in_service": true,
  "drain": {
    "reason": "Warmed:Stopped",
    "started_at": "2023-11-14T22:14:20.500Z",
    "ours": true
  },
  "join": {
    "into": "warm-pool",
    "started_at": "2023-11-14T22:13:50.000Z",
    "over": true,
    "signalled": true
  },
  "drain_by_hand": {
    "timeout_milliseconds": 90000
  }
}
"#;

const VERSION_2: &str = r#"{
  "version": 2,
  "boot_id": "b1",
  "instance_id": "i-0123456789abcdef0",
  "cluster": "demo",
  "container_instance_arn": "arn:aws:ecs:eu-central-1:1:container-instance/demo/c1",
  "verified_arn": "arn:aws:ecs:eu-central-1:1:container-instance/demo/c1",
  "former_arns": [
    "arn:aws:ecs:r:1:container-instance/demo/a"
  ],
  "was_in_service": true,
  "drain": {
    "reason": "Warmed:Stopped",
    "started_at": "2023-11-14T22:14:20.500Z",
    "started_at_boot_milliseconds": 60500,
    "ours": true,
    "pending_time": "2023-11-14T22:13:10.000Z",
    "outcome": "drained",
    "over_at_boot_milliseconds": 80000,
    "tasks": {
      "task-1": "container-instance-1"
    },
    "signalled": true,
    "completed": true,
    "spent_milliseconds": 1500
  },
  "join": {
    "into": "warm-pool",
    "started_at": "2023-11-14T22:13:50.000Z",
    "started_at_boot_milliseconds": 30000,
    "over": true,
    "joined": true,
    "signalled": true
  },
  "hook": {
    "transition": "autoscaling:EC2_INSTANCE_TERMINATING",
    "group": "demo-asg",
    "name": "drain"
  },
  "drain_by_hand": {
    "timeout_milliseconds": 90000
  }
}
"#;

/// A minute and a half after the boot.
fn clocks() -> Clocks {
    Clocks {
        boot_id: "b1".to_owned(),
        now: Moment::from_millis(90_000),
        wall: WallTime(BOOT.0 + 90_000),
    }
}

fn remembered() -> Memory {
    Memory {
        instance_id: INSTANCE.to_owned(),
        container_instance: Some(container_instance()),
        verified: Some(container_instance().arn),
        former: vec!["arn:aws:ecs:r:1:container-instance/demo/a".to_owned()],
        was_in_service: true,
        drain: Some(RememberedDrain {
            reason: ReasonKey::Target(TargetLifecycleState::WarmedStopped),
            started_at: Moment::from_millis(60_500),
            ours: true,
            pending_time: Some(WallTime(BOOT.0 - 10_000)),
            outcome: Some(Outcome::Drained),
            over_at: Some(Moment::from_millis(80_000)),
            tasks: BTreeMap::from([("task-1".to_owned(), "container-instance-1".to_owned())]),
            signalled: true,
            completed: true,
            spent: Duration::from_millis(1_500),
        }),
        join: Some(RememberedJoin {
            into: JoinTarget::WarmPool,
            started_at: Moment::from_millis(30_000),
            over: true,
            outcome: Some(JoinOutcome::Joined),
            signalled: true,
        }),
        hook: Some((
            LifecycleTransition::Terminating,
            HookRef {
                group: "demo-asg".to_owned(),
                name: "drain".to_owned(),
            },
        )),
        by_hand: Some(DrainByHand {
            timeout: Some(Duration::from_secs(90)),
        }),
    }
}

fn text(memory: &Memory) -> String {
    String::from_utf8(compose(memory, &clocks()).unwrap()).unwrap()
}

#[test]
fn what_is_written_is_read_back() {
    assert_eq!(text(&remembered()), VERSION_2);
    assert_eq!(
        understand(VERSION_2.as_bytes(), &clocks()),
        Ok(remembered())
    );
    let nothing = Memory {
        instance_id: INSTANCE.to_owned(),
        ..Memory::default()
    };
    let text = text(&nothing);
    assert_eq!(understand(text.as_bytes(), &clocks()), Ok(nothing));
    assert_eq!(text.lines().count(), 6, "what is not known is left out");
}

#[test]
fn every_reason_is_read_back() {
    for reason in [
        "Terminated",
        "Warmed:Running",
        "Warmed:Terminated",
        "spot:stop",
        "maintenance",
        "rebalance",
        "by hand",
        "shutdown",
        "called off",
        "Some:News",
    ] {
        let mut memory = remembered();
        memory.drain.as_mut().unwrap().reason = ReasonKey::parse(reason);
        let text = text(&memory);
        assert!(
            text.contains(&format!("\"reason\": \"{reason}\"")),
            "{text}"
        );
        assert_eq!(understand(text.as_bytes(), &clocks()), Ok(memory));
    }
}

#[test]
fn a_file_of_version_1_is_understood() {
    let mut expected = remembered();
    (expected.verified, expected.former, expected.hook) = (None, Vec::new(), None);
    expected.drain = expected.drain.map(|drain| RememberedDrain {
        pending_time: None,
        outcome: None,
        over_at: None,
        tasks: BTreeMap::new(),
        signalled: false,
        completed: false,
        spent: Duration::ZERO,
        ..drain
    });
    let join = expected.join.as_mut().unwrap();
    join.outcome = None;
    assert_eq!(understand(VERSION_1.as_bytes(), &clocks()), Ok(expected));
}

#[test]
fn what_a_later_version_adds_is_ignored() {
    let later = VERSION_2
        .replace("\"version\": 2", "\"version\": 3, \"news\": {\"a\": [1]}")
        .replace("\"ours\": true", "\"ours\": true, \"news\": null");
    assert_eq!(understand(later.as_bytes(), &clocks()), Ok(remembered()));
}

/// An older agent reads what it knows: its fields have kept their names and their forms.
#[test]
fn a_file_of_version_2_does_an_agent_of_version_1_no_harm() {
    #[derive(Deserialize)]
    struct Record {
        instance_id: String,
        cluster: String,
        container_instance_arn: String,
        was_in_service: bool,
        drain: Episode,
        join: Episode,
        drain_by_hand: ByHand,
    }
    #[derive(Deserialize)]
    struct Episode {
        reason: Option<String>,
        into: Option<String>,
        started_at: String,
        ours: Option<bool>,
        over: Option<bool>,
        signalled: Option<bool>,
    }
    #[derive(Deserialize)]
    struct ByHand {
        timeout_milliseconds: u64,
    }
    let read = |text: &str| {
        let record: Record = serde_json::from_str(text).unwrap();
        let (drain, join) = (record.drain, record.join);
        (
            (record.instance_id, record.cluster),
            (record.container_instance_arn, record.was_in_service),
            (drain.reason, drain.started_at, drain.ours),
            (join.into, join.started_at, join.over, join.signalled),
            record.drain_by_hand.timeout_milliseconds,
        )
    };
    assert_eq!(read(VERSION_2), read(VERSION_1));
}

/// The wall clock may have been set meanwhile: in the same boot nobody looks at it.
#[test]
fn times_are_of_the_boot_clock_and_never_in_the_future() {
    let now = 90_000;
    for (boot_id, clock_set, expected) in [
        ("b1", 0, 60_500),
        ("b1", 10_800_000, 60_500),
        ("b1", -10_800_000, 60_500),
        ("b2", 0, 60_500),
        ("b2", 10_800_000, 60_500 - 10_800_000),
        ("b2", -10_800_000, now),
    ] {
        let clocks = Clocks {
            boot_id: boot_id.to_owned(),
            now: Moment::from_millis(now),
            wall: WallTime(BOOT.0 + now + clock_set),
        };
        let drain = understand(VERSION_2.as_bytes(), &clocks)
            .unwrap()
            .drain
            .unwrap();
        assert_eq!(
            drain.started_at,
            Moment::from_millis(expected),
            "{boot_id} {clock_set}"
        );
        // No container outlives a reboot.
        assert_eq!(drain.tasks.is_empty(), boot_id == "b2");
    }
}

#[test]
fn what_is_not_understood_is_said_on_one_line() {
    for text in [
        "",
        "[]",
        "{\"instance_id\": 1}",
        "{\"instance_id\": \"i\", \"drain\": {\"reason\": \"a\nb\"}}",
        "{\"instance_id\": \"i\", \"drain\": {\"reason\": \"a\", \"started_at\": \"soon\"}}",
    ] {
        let why = understand(text.as_bytes(), &clocks()).unwrap_err();
        assert!(!why.is_empty() && why.lines().count() == 1, "{why}");
    }
}
