//! What a restart could not find out again, and so is written to the state directory.
//!
//! Everything else is re-derived from metadata, ECS and Auto Scaling. The file is a hint, never a
//! command: a drain is taken up again only where metadata still asks for one.

use std::time::Duration;

use super::Policy;
use super::drain::OWN;
use super::facts::ContainerInstance;
use super::time::Moment;

/// The remembered facts of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// `i-…` that the facts are about: a file that was baked into an image is about another machine.
    pub instance_id: String,
    /// Which container instance it is: introspection may be away after a restart.
    pub container_instance: Option<ContainerInstance>,
    /// Whether metadata has ever said `InService`: only then is `Warmed:…` a way *back* to the pool.
    pub was_in_service: bool,
    /// The drain in progress, if any.
    pub drain: Option<RememberedDrain>,
    /// The join in progress, or the last one.
    pub join: Option<RememberedJoin>,
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
    /// Whether CloudFormation has been signalled: once in the life of an instance.
    pub signalled: bool,
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
    /// Why, as [`super::DrainReason::key`] spells it.
    pub reason: String,
    /// When it began: the deadline counts from here, over any number of restarts.
    pub started_at: Moment,
    /// Whether it was this agent that took the container instance out of service: only then is it put
    /// back.
    pub ours: bool,
}

impl RememberedDrain {
    /// Whether its reason was one that ends without a word from Auto Scaling.
    pub(super) fn is_own(&self) -> bool {
        OWN.contains(&self.reason.as_str())
    }
}

impl RememberedJoin {
    /// Whether it has not come to an end by its deadline, and nobody was told.
    pub(super) fn has_failed(&self, now: Moment, policy: &Policy) -> bool {
        self.into == JoinTarget::Service
            && !self.over
            && !self.signalled
            && now >= self.started_at + policy.ready.timeout
    }
}
