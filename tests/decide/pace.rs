//! When a call that failed is tried again.

use std::collections::BTreeSet;
use std::time::Duration;

use ecs_lifecycle_decide::{FailureKind, retry_delay};

/// Each kind with its first delay and its longest, in seconds before the jitter.
const TABLE: [(FailureKind, f64, f64); 12] = [
    (FailureKind::Unreachable, 0.5, 10.0),
    (FailureKind::Timeout, 0.5, 10.0),
    (FailureKind::Server, 0.5, 10.0),
    (FailureKind::Malformed, 0.5, 10.0),
    (FailureKind::Throttled, 4.0, 20.0),
    (FailureKind::Credentials, 1.0, 10.0),
    (FailureKind::Refused, 1.0, 5.0),
    (FailureKind::NoActiveAction, 1.0, 5.0),
    (FailureKind::NotSignalable, 1.0, 5.0),
    (FailureKind::AlreadySignalled, 1.0, 5.0),
    (FailureKind::Missing, 1.0, 60.0),
    (FailureKind::Denied, 10.0, 60.0),
];

#[test]
fn it_doubles_to_its_cap_and_keeps_its_jitter_within_half() {
    for (kind, first, cap) in TABLE {
        for failures in 0..40_u32 {
            let full = (first * f64::from(1 << failures.min(16))).min(cap);
            let full = Duration::from_secs_f64(full);
            let delays: BTreeSet<_> = (0..50).map(|n| retry_delay(kind, failures, n)).collect();
            for delay in &delays {
                assert!(*delay >= full / 2 && *delay <= full, "{kind:?}: {delay:?}");
            }
            assert!(delays.len() > 25, "{kind:?}: a fleet would march in step");
        }
        assert_eq!(retry_delay(kind, 3, 7), retry_delay(kind, 3, 7));
    }
}
