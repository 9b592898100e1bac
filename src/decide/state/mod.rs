//! The agent's state. A step goes through two files beside this one: `absorb` takes the event in,
//! `advance` starts what is due, by way of `transitions`, which decides on the phase.

mod absorb;
mod advance;
mod transitions;

use super::Wake;
use super::call::{Call, seed_of};
use super::commands::CommandEvent;
use super::drain::{Drain, DrainReason, Outcome};
use super::facts::{
    ContainerInstance, Instance, MaintenanceEvent, RebalanceRecommendation, SpotInstanceAction,
    TargetLifecycleState,
};
use super::health::Health;
use super::join::Join;
use super::lifecycle::{Completion, Signal};
use super::memory::Memory;
use super::time::Moment;

/// Everything the core knows.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The machine, once metadata has been read.
    pub instance: Option<Instance>,
    /// The container instance, once the ECS agent has told.
    pub container_instance: Option<ContainerInstance>,
    /// The target lifecycle state as last read; `None` for 404.
    pub target: Option<TargetLifecycleState>,
    /// The Spot interruption notice, if any.
    pub spot: Option<SpotInstanceAction>,
    /// The rebalance recommendation, if any, and if the policy cares.
    pub rebalance: Option<RebalanceRecommendation>,
    /// The scheduled event that comes first, if any, and if the policy cares.
    pub maintenance: Option<MaintenanceEvent>,
    /// The condition of what we depend on.
    pub health: Health,
    /// What is being done.
    pub phase: Phase,
    /// Since when that is being done.
    pub since: Moment,
    /// Raised for every drain and every join; answers that carry another are dropped.
    pub epoch: u32,
    pub(super) memory: Memory,
    recalled: Option<Memory>,
    written: Memory,
    writing: Memory,
    remember: Call,
    read_instance: Call,
    read_metadata: Call,
    metadata_started: Moment,
    metadata_reads: u64,
    read_identity: Call,
    /// What a join has decided on and could not signal before the instance was taken away.
    parting: Option<Signal>,
    /// The machine is shut down, and goes down at this moment at the latest.
    leave_at: Option<Moment>,
    exiting: bool,
}

/// What the agent is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// Metadata has not answered yet.
    Starting,
    /// Nothing to do but to watch.
    Watching,
    /// A new instance joins its cluster.
    Joining(Box<Join>),
    /// A drain is in progress.
    Draining(Box<Drain>),
    /// The drain is over; the world is being told.
    Completing(Box<Drain>, Box<Completion>),
    /// All told: quiet until the machine dies.
    Done(Done),
    /// The drain was called off: the container instance is put back to ACTIVE.
    Returning {
        /// Which.
        container_instance: ContainerInstance,
        /// `UpdateContainerInstancesState`
        call: Call,
    },
}

/// A finished drain.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// Why it was.
    pub reason: DrainReason,
    /// How it ended.
    pub outcome: Outcome,
    /// When.
    pub at: Moment,
}

impl Phase {
    /// One word, for machines.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Watching => "watching",
            Self::Joining(_) => "joining",
            Self::Draining(_) => "draining",
            Self::Completing(..) => "completing",
            Self::Done(_) => "done",
            Self::Returning { .. } => "returning",
        }
    }
}

impl State {
    /// The state of an agent that starts at `now`, with what an earlier one has written down.
    pub fn new(recalled: Option<Memory>, now: Moment) -> Self {
        Self {
            instance: None,
            container_instance: None,
            target: None,
            spot: None,
            rebalance: None,
            maintenance: None,
            health: Health::default(),
            phase: Phase::Starting,
            since: now,
            epoch: 0,
            memory: Memory::default(),
            recalled,
            written: Memory::default(),
            writing: Memory::default(),
            remember: Call::idle(),
            read_instance: Call::due_at(now),
            read_metadata: Call::idle(),
            metadata_started: now,
            metadata_reads: 0,
            read_identity: Call::idle(),
            parting: None,
            leave_at: None,
            exiting: false,
        }
    }

    pub(super) fn seed(&self) -> u64 {
        self.instance
            .as_ref()
            .map_or(0, |instance| seed_of(&instance.instance_id))
    }

    /// Whether metadata has been read at least once.
    pub fn is_ready(&self) -> bool {
        self.metadata_reads > 0
    }

    /// Until when a shutdown of the machine is held up, if it is.
    pub fn leave_at(&self) -> Option<Moment> {
        self.leave_at.filter(|_| !self.exiting)
    }

    /// Whether the executables of `event`, run for the work with the number `epoch`, are still waited for.
    pub fn awaits_commands(&self, epoch: u32, event: CommandEvent) -> bool {
        let awaited = match (&self.phase, event) {
            (Phase::Joining(join), CommandEvent::Ready) => join.outcome().is_none(),
            (Phase::Draining(drain), CommandEvent::BeforeDrain) => drain.outcome().is_none(),
            (Phase::Draining(_), CommandEvent::AfterDrain) => true,
            _ => false,
        };
        awaited && epoch == self.epoch
    }

    /// What is written down, or on its way there.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// When the core wants a [`super::Event::Tick`], if nothing else happens before.
    pub(crate) fn wake_at(&self, now: Moment, policy: &super::Policy) -> Option<Moment> {
        if self.exiting {
            return None;
        }
        let mut wake = Wake { now, at: None };
        wake.consider(self.leave_at);
        if let Some(signal) = &self.parting {
            signal.wake(&mut wake);
        }
        for call in [
            &self.remember,
            &self.read_instance,
            &self.read_metadata,
            &self.read_identity,
        ] {
            wake.consider(call.wake_at());
        }
        match &self.phase {
            Phase::Starting | Phase::Watching | Phase::Done(_) => {}
            Phase::Joining(join) => join.wake(&mut wake, policy),
            Phase::Draining(drain) => drain.wake(&mut wake, policy),
            Phase::Completing(drain, completion) => {
                drain.wake_for_completion(&mut wake, policy);
                completion.wake(&mut wake);
            }
            Phase::Returning { call, .. } => wake.consider(call.wake_at()),
        }
        wake.at
    }
}
