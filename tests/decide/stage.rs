//! What a lifecycle state means for a lifecycle action: every transition, target and state.

use ecs_lifecycle_decide::hold::{Stage, stage};
use ecs_lifecycle_decide::{LifecycleState, LifecycleTransition, TargetLifecycleState};

/// Per state: what it is to a launch into service, to one into the pool, and to a termination. `.` is before,
/// `w` is waiting, `O` is over.
const TABLE: [(&str, &str); 30] = [
    ("Pending", "..."),
    ("Pending:Wait", "ww."),
    ("Pending:Proceed", "OO."),
    ("InService", "OO."),
    ("EnteringStandby", "OO."),
    ("Standby", "OO."),
    ("Detaching", "OO."),
    ("Detached", "OO."),
    ("Terminating", "OO."),
    ("Terminating:Wait", "OOw"),
    ("Terminating:Proceed", "OOO"),
    ("Terminating:Retained", "OOO"),
    ("Terminated", "OOO"),
    ("Warmed:Pending", "..."),
    ("Warmed:Pending:Wait", ".ww"),
    ("Warmed:Pending:Proceed", ".OO"),
    ("Warmed:Pending:Retained", "..O"),
    ("Warmed:Hibernated", "..."),
    ("Warmed:Running", "..."),
    ("Warmed:Stopped", "..."),
    ("Warmed:Terminating", "..."),
    ("Warmed:Terminating:Wait", "..w"),
    ("Warmed:Terminating:Proceed", "..O"),
    ("Warmed:Terminating:Retained", "..O"),
    ("Warmed:Terminated", "..O"),
    ("ReplacingRootVolume", "..."),
    ("ReplacingRootVolume:Wait", "..w"),
    ("ReplacingRootVolume:Proceed", "..O"),
    ("RootVolumeReplaced", "..O"),
    ("Some:News", "..."),
];

const TARGETS: [Option<&str>; 10] = [
    None,
    Some("InService"),
    Some("Terminated"),
    Some("Detached"),
    Some("Standby"),
    Some("Warmed:Hibernated"),
    Some("Warmed:Running"),
    Some("Warmed:Stopped"),
    Some("Warmed:Terminated"),
    Some("Some:News"),
];

#[test]
fn every_transition_target_and_state() {
    for (name, expected) in TABLE {
        let state = LifecycleState::parse(name);
        for target in TARGETS {
            let to = target.map(TargetLifecycleState::parse);
            let pool = to.as_ref().is_some_and(TargetLifecycleState::is_warm);
            let columns = [
                (LifecycleTransition::Launching, usize::from(pool)),
                (LifecycleTransition::Terminating, 2),
            ];
            for (transition, column) in columns {
                let letter = match expected.as_bytes()[column] {
                    // Where it is to be, and is.
                    _ if pool && target == Some(name) => b'O',
                    letter => letter,
                };
                let expected = match letter {
                    b'w' => Stage::Waiting,
                    b'O' => Stage::Over,
                    _ => Stage::Before,
                };
                let found = stage(transition, to.as_ref(), &state);
                assert_eq!(found, expected, "{transition:?} to {target:?}: {name}");
            }
        }
    }
}
