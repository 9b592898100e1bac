//! What a restart could not find out again, and so is written to the state directory.
//!
//! Everything else is re-derived from metadata, ECS and Auto Scaling. The file is a hint, never a command: it
//! starts no drain, and what it says is compared with the world before anything follows from it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::facts::{ContainerInstance, HookRef, LifecycleTransition};
use super::reason::{Outcome, ReasonKey};
use super::time::{Moment, WallTime};

/// The remembered facts of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// `i-…` that the facts are about: a file that was baked into an image is about another machine.
    pub instance_id: String,
    /// Which container instance it is: introspection may be away after a restart.
    pub container_instance: Option<ContainerInstance>,
    /// The ARN that ECS has once shown to be on this machine.
    pub verified: Option<String>,
    /// Former registrations of this EC2 instance that ECS has listed, by ARN.
    pub former: Vec<String>,
    /// Whether metadata has ever said `InService`: only then is `Warmed:…` a way *back* to the pool.
    pub was_in_service: bool,
    /// The drain in progress, if any.
    pub drain: Option<RememberedDrain>,
    /// The join in progress, or the last one.
    pub join: Option<RememberedJoin>,
    /// The hook of the lifecycle action in progress. It has to be kept waiting after a restart, also if it cannot be
    /// read, or another one was added.
    pub hook: Option<(LifecycleTransition, HookRef)>,
    /// The drain that somebody on the machine has asked for, until it is taken back.
    pub by_hand: Option<DrainByHand>,
}

/// The remembered facts of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RememberedJoin {
    /// Where to.
    pub into: JoinTarget,
    /// When it began: its deadline counts from here.
    pub started_at: Moment,
    /// Whether all is told.
    pub over: bool,
    /// How it ended, once it has: decided once.
    pub outcome: Option<JoinOutcome>,
    /// Whether CloudFormation has been signalled: once in the life of an instance.
    pub signalled: bool,
}

impl RememberedJoin {
    /// One that begins.
    pub(crate) fn new(into: JoinTarget, started_at: Moment, signalled: bool) -> Self {
        Self {
            into,
            started_at,
            over: false,
            outcome: None,
            signalled,
        }
    }
}

/// How a join ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinOutcome {
    /// It is a member, and ready.
    Joined,
    /// The deadline came first.
    TimedOut,
}

/// What an instance joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinTarget {
    /// Its cluster.
    Service,
    /// The warm pool of its group, where the ECS agent waits.
    WarmPool,
}

/// A drain by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainByHand {
    /// How long it may take; `None` for `drain.timeout`.
    pub timeout: Option<Duration>,
}

/// The remembered facts of a drain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedDrain {
    /// Why.
    pub reason: ReasonKey,
    /// When it began: the deadline counts from here, over any number of restarts.
    pub started_at: Moment,
    /// Whether the container instance is to be put back when the reason is gone.
    pub ours: bool,
    /// `pendingTime` when it began: another one later says that the machine was stopped and started.
    pub pending_time: Option<WallTime>,
    /// How it ended, once it has.
    pub outcome: Option<Outcome>,
    /// When it ended: what follows does not count towards the deadline if a task appears.
    pub over_at: Option<Moment>,
    /// Tasks that were seen not STOPPED, and not STOPPED since; of which container instance.
    pub tasks: BTreeMap<String, String>,
    /// Whether CloudFormation was told.
    pub signalled: bool,
    /// Whether the lifecycle action was completed, or had nothing to complete.
    pub completed: bool,
    /// How long it was over in vain, before a task appeared: not counted towards the deadline.
    pub spent: Duration,
}
