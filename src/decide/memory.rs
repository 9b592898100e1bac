//! What a restart could not find out again, and so is written to the state directory.
//!
//! Everything else is re-derived from metadata, ECS and Auto Scaling. The file is a hint, never a
//! command: a drain is taken up again only where metadata still asks for one.

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
