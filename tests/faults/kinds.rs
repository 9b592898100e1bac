//! The kinds of faults, in groups that the agent treats alike.

use std::time::Duration;

use ecs_lifecycle_simulator::FaultKind;

/// Faults that the agent treats alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    NoAnswer,
    Server,
    Nonsense,
    Throttled,
    Denied,
    Expired,
}

impl Group {
    pub const ALL: [Self; 6] = [
        Self::NoAnswer,
        Self::Server,
        Self::Nonsense,
        Self::Throttled,
        Self::Denied,
        Self::Expired,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::NoAnswer => "no answer",
            Self::Server => "5xx",
            Self::Nonsense => "nonsense",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Expired => "expired",
        }
    }

    /// What the injected faults of the group are, for the document.
    pub fn injected(self) -> &'static str {
        match self {
            Self::NoAnswer => {
                "connection reset on the request; no answer; connection reset before the answer or in the middle of its body"
            }
            Self::Server => "status 500 and 503 without a body; the service's own internal error",
            Self::Nonsense => {
                "status 200 with garbage, a truncated body, the wrong type, an empty body, 100 kB of text, or 128 MB"
            }
            Self::Throttled => "`ThrottlingException`, `Throttling`; status 429 on the instance",
            Self::Denied => "`AccessDeniedException`, `AccessDenied`; status 403 on the instance",
            Self::Expired => "`ExpiredTokenException`, `ExpiredToken`; status 401 on the instance",
        }
    }

    /// The policy for calls to AWS: the first delay before another try, and the longest. Jitter takes
    /// either down to half at the least.
    pub fn retried_after(self) -> (Duration, Duration) {
        let (first, longest) = match self {
            Self::NoAnswer | Self::Server | Self::Nonsense => (500, 10_000),
            Self::Throttled => (4_000, 20_000),
            Self::Expired => (1_000, 10_000),
            Self::Denied => (10_000, 60_000),
        };
        (Duration::from_millis(first), Duration::from_millis(longest))
    }

    /// The most tries that the policy allows within `window`.
    pub fn most_tries(self, window: Duration) -> usize {
        let (first, longest) = self.retried_after();
        let (mut tries, mut spent, mut delay) = (1, Duration::ZERO, first);
        while spent <= window {
            tries += 1;
            spent += delay / 2;
            delay = (delay * 2).min(longest);
        }
        tries
    }
}

/// One kind of fault.
#[derive(Clone, Debug)]
pub struct Kind {
    pub name: &'static str,
    pub group: Group,
    pub fault: FaultKind,
}

/// More than fits into a header or a URI, and less than the AWS SDK may read of an answer.
const LARGE: u64 = 100_000;
/// Far more than the agent reads of any answer.
const HUGE: u64 = 128 * 1024 * 1024;

/// All of them.
pub fn all() -> Vec<Kind> {
    let kind = |name, group, fault| Kind { name, group, fault };
    vec![
        kind("refused", Group::NoAnswer, FaultKind::Refuse),
        kind("hang", Group::NoAnswer, FaultKind::Hang),
        kind("reset mid-body", Group::NoAnswer, FaultKind::ResetMidBody),
        kind("answer lost", Group::NoAnswer, FaultKind::LostResponse),
        kind("500", Group::Server, FaultKind::Status(500, None)),
        kind("503", Group::Server, FaultKind::Status(503, None)),
        kind("internal error", Group::Server, FaultKind::InternalError),
        kind("garbage", Group::Nonsense, FaultKind::Garbage),
        kind("truncated", Group::Nonsense, FaultKind::Truncated),
        kind("wrong type", Group::Nonsense, FaultKind::WrongType),
        kind("empty", Group::Nonsense, FaultKind::Empty),
        kind("large", Group::Nonsense, FaultKind::Huge(LARGE)),
        kind("huge", Group::Nonsense, FaultKind::Huge(HUGE)),
        kind("throttled", Group::Throttled, FaultKind::Throttled),
        kind("denied", Group::Denied, FaultKind::AccessDenied),
        kind("expired", Group::Expired, FaultKind::ExpiredCredentials),
    ]
}
