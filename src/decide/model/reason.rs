//! Why an instance is drained, until when, and how it ended.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::facts::TargetLifecycleState;
use super::time::{Moment, WallTime};

/// What limits a drain, whatever its reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// When EC2 takes the Spot instance.
    pub spot: Option<WallTime>,
    /// When EC2 may stop or reboot the instance.
    pub maintenance: Option<WallTime>,
    /// How long whoever asked for the drain allows it.
    pub by_hand: Option<Duration>,
    /// What the wall clock shows at the boot clock's zero.
    pub wall_at_boot: WallTime,
}

/// Why an instance is drained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrainReason {
    /// Auto Scaling terminates it, from service or from the warm pool.
    Terminated(TargetLifecycleState),
    /// Auto Scaling sends it back to the warm pool.
    WarmPool(TargetLifecycleState),
    /// Auto Scaling replaces its root volume: the instance stays, what runs on it does not.
    RootVolume,
    /// EC2 interrupts a Spot instance.
    Spot {
        /// `terminate`, `stop` or `hibernate`.
        action: String,
    },
    /// EC2 has scheduled a stop, a reboot or the retirement of the instance.
    Maintenance {
        /// `instance-stop`, …
        code: String,
        /// `NotBefore`, in AWS's words.
        not_before: String,
    },
    /// EC2 recommends to replace a Spot instance.
    Rebalance,
    /// Somebody on the machine has asked for it.
    ByHand,
    /// The machine is shut down, without a word from Auto Scaling.
    Shutdown,
}

impl DrainReason {
    /// What is remembered of it.
    pub fn key(&self) -> ReasonKey {
        match self {
            Self::Terminated(target) | Self::WarmPool(target) => ReasonKey::Target(target.clone()),
            Self::RootVolume => ReasonKey::RootVolume,
            Self::Spot { action } => ReasonKey::Spot(action.clone()),
            Self::Maintenance { .. } => ReasonKey::Maintenance,
            Self::Rebalance => ReasonKey::Rebalance,
            Self::ByHand => ReasonKey::ByHand,
            Self::Shutdown => ReasonKey::Shutdown,
        }
    }

    /// Whether there is a lifecycle action to complete at the end.
    pub fn has_lifecycle_action(&self) -> bool {
        matches!(
            self,
            Self::Terminated(_) | Self::WarmPool(_) | Self::RootVolume
        )
    }

    /// Whether the drain is one that nobody takes the instance away for, at least not yet: where the
    /// reason is gone, so is the drain.
    pub fn is_own(&self) -> bool {
        matches!(
            self,
            Self::Maintenance { .. } | Self::Rebalance | Self::ByHand
        )
    }

    /// Whether this is another drain than the one for `old`, with a deadline and an end of its own. It is if
    /// one of them has a lifecycle action to complete.
    pub fn supersedes(&self, old: &Self) -> bool {
        (self.has_lifecycle_action() || old.has_lifecycle_action()) && self != old
    }
}

impl fmt::Display for DrainReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminated(target) | Self::WarmPool(target) => {
                write!(f, "target lifecycle state {target}")
            }
            Self::RootVolume => f.write_str("replacement of the root volume"),
            Self::Spot { action } => write!(f, "Spot interruption ({action})"),
            Self::Maintenance { code, not_before } => {
                write!(f, "scheduled maintenance ({code}, not before {not_before})")
            }
            Self::Rebalance => f.write_str("EC2 rebalance recommendation"),
            Self::ByHand => f.write_str("drain by hand"),
            Self::Shutdown => f.write_str("shutdown of the machine"),
        }
    }
}

/// The reason of a drain as it is remembered over restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReasonKey {
    /// Auto Scaling's target lifecycle state.
    Target(TargetLifecycleState),
    /// The replacement of the root volume.
    RootVolume,
    /// A Spot interruption: `terminate`, `stop` or `hibernate`.
    Spot(String),
    /// Scheduled maintenance.
    Maintenance,
    /// A rebalance recommendation.
    Rebalance,
    /// By hand.
    ByHand,
    /// A shutdown of the machine: over once the machine is up again.
    Shutdown,
    /// None any more: the container instance has yet to be put back to ACTIVE.
    CalledOff,
}

impl ReasonKey {
    /// How the state directory spells it.
    pub fn to_text(&self) -> String {
        match self {
            Self::Target(target) => target.as_str().to_owned(),
            Self::RootVolume => "root volume".to_owned(),
            Self::Spot(action) => format!("spot:{action}"),
            Self::Maintenance => "maintenance".to_owned(),
            Self::Rebalance => "rebalance".to_owned(),
            Self::ByHand => "by hand".to_owned(),
            Self::Shutdown => "shutdown".to_owned(),
            Self::CalledOff => "called off".to_owned(),
        }
    }

    /// Parses that.
    pub fn parse(text: &str) -> Self {
        match text {
            "maintenance" => Self::Maintenance,
            "root volume" => Self::RootVolume,
            "rebalance" => Self::Rebalance,
            "by hand" => Self::ByHand,
            "shutdown" => Self::Shutdown,
            "called off" => Self::CalledOff,
            other => other.strip_prefix("spot:").map_or_else(
                || Self::Target(TargetLifecycleState::parse(other)),
                |action| Self::Spot(action.to_owned()),
            ),
        }
    }

    /// The reason again, where it is one that Auto Scaling has to take back.
    pub(crate) fn of_auto_scaling(&self) -> Option<DrainReason> {
        match self {
            Self::Target(
                target
                @ (TargetLifecycleState::Terminated | TargetLifecycleState::WarmedTerminated),
            ) => Some(DrainReason::Terminated(target.clone())),
            Self::Target(target) if target.is_warm() => Some(DrainReason::WarmPool(target.clone())),
            Self::RootVolume => Some(DrainReason::RootVolume),
            _ => None,
        }
    }
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing runs here any more.
    Drained,
    /// The deadline came first.
    TimedOut,
    /// Nothing runs here any more, but an executable of the user's has failed, and that counts.
    #[serde(rename = "hook-failed")]
    ExecutableFailed,
}

impl Outcome {
    /// One word, for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::TimedOut => "timed-out",
            Self::ExecutableFailed => "hook-failed",
        }
    }

    /// Parses that.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Drained, Self::TimedOut, Self::ExecutableFailed]
            .into_iter()
            .find(|known| known.as_str() == text)
    }

    /// Whether everything had stopped before the deadline.
    pub fn in_time(self) -> bool {
        match self {
            Self::Drained | Self::ExecutableFailed => true,
            Self::TimedOut => false,
        }
    }
}

/// When a drain has to be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The moment.
    pub at: Moment,
    /// What set it.
    pub source: DeadlineSource,
}

/// What set a deadline: the earliest of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadlineSource {
    /// `drain.timeout`
    DrainTimeout,
    /// The Spot interruption notice.
    SpotInterruption,
    /// The hook's GlobalTimeout.
    GlobalTimeout,
    /// `drain.on_rebalance`
    OnRebalance,
    /// `NotBefore` of the scheduled event.
    Maintenance,
    /// Whoever asked for the drain.
    ByHand,
    /// The machine is shut down.
    Shutdown,
}

impl DeadlineSource {
    /// For a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DrainTimeout => "drain.timeout",
            Self::SpotInterruption => "Spot interruption",
            Self::GlobalTimeout => "GlobalTimeout of the lifecycle hook",
            Self::OnRebalance => "drain.on_rebalance",
            Self::Maintenance => "scheduled maintenance",
            Self::ByHand => "drain --timeout",
            Self::Shutdown => "drain.on_shutdown",
        }
    }
}
