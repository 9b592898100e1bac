//! Everything the core knows, and how a step goes through it: [`State::absorb`] takes the event into what is
//! believed, [`State::advance`] derives what is wanted and lets every part close its difference. The second
//! half does not know which event came, so no path can forget to look at another part.
//!
//! *absorb*: an event changes what is believed. *intent*: what is the agent for now? *episodes*: a drain or a join
//! begins, changes and ends, and what has to be remembered of it. *advance*: every part sends what is due.

mod absorb;
mod advance;
mod episodes;
mod intent;

use std::time::Duration;

use crate::Policy;
use crate::capacity::{self, Capacity};
use crate::drain::Drain;
use crate::former::Former;
use crate::health::Health;
use crate::join::Join;
use crate::ledger::Ledger;
use crate::leftovers::Leftovers;
use crate::metadata::Metadata;
use crate::model::{
    Action, ContainerInstance, Instance, JoinOutcome, Memory, Moment, PhaseName, ReasonKey,
    Silence, TargetLifecycleState, WaitedFor, WallTime,
};
use crate::pace::{Pace, seed_of};
use crate::registration::{Identity, Registration};
use crate::signal::Signal;
use crate::tasks::Tasks;
use crate::turn::Turn;
use crate::wants::{self, Intent};
use crate::whereabouts::{Place, Whereabouts};
use crate::written::Written;

/// The machine's clock counts as right if AWS's differs by no more than this, in milliseconds.
const CLOCK_SLACK: u64 = 5_000;

/// Everything the core knows.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The machine, once metadata has been read.
    pub instance: Option<Instance>,
    metadata: Metadata,
    /// What the machine's wall clock shows at the boot clock's zero.
    machine_wall_at_boot: WallTime,
    /// The same of AWS's clock, to the second, as metadata has told.
    aws_at_boot: Option<WallTime>,
    started_at: Moment,
    read_instance: Pace,
    identity: Identity,
    /// The container instance that the ECS agent says we are.
    pub registration: Option<Registration>,
    /// The container instance before it, until the new one is known to be on this machine.
    displaced: Option<Registration>,
    former: Former,
    /// The ARN of another machine that was named on the ECS agent's port.
    foreign: Option<String>,
    /// Another machine's ECS agent answers on the port now.
    impostor: bool,
    /// What runs here, while there is a reason to drain.
    pub tasks: Tasks,
    /// Which service started each task.
    pub leftovers: Leftovers,
    /// Where Auto Scaling says the instance is, where it was asked.
    whereabouts: Whereabouts,
    /// The room on this instance, where it is asked for.
    pub capacity: Capacity,
    /// The drain, from its beginning until its reason is gone.
    pub drain: Option<Drain>,
    /// The join, from its beginning until all is told.
    pub join: Option<Join>,
    /// The signal of a join that could not be sent before the instance was terminated.
    parting: Option<Signal>,
    memory: Memory,
    recalled: Option<Memory>,
    /// An old instance that has just booted and remembers no join: its root volume may have been replaced.
    blank: bool,
    /// There was no state file from an earlier process that could be read.
    without_memory: bool,
    /// A command by hand came before the machine was known, and is not written yet.
    hand_said: bool,
    written: Written,
    intent: Intent,
    /// The condition of what we depend on.
    pub health: Health,
    ledger: Ledger,
    /// When the present phase began.
    pub since: Moment,
    /// When the next step is due, as far as the last one knew.
    pub(crate) wake: Option<Moment>,
    /// The machine is shut down, and goes down at this moment at the latest.
    leave_at: Option<Moment>,
    /// The process ends, once what it has promised is on the disk.
    exiting: bool,
    pub(crate) gone: bool,
}

/// What the agent is doing, for people. Nothing is decided by it.
#[derive(Clone, Copy, Debug)]
pub enum Phase<'a> {
    /// Metadata has not answered yet.
    Starting,
    /// Nothing to do but to watch.
    Watching,
    /// A new instance joins its cluster.
    Joining(&'a Join),
    /// A drain is in progress.
    Draining(&'a Drain),
    /// The drain is over. The signal and the completion are sent.
    Completing(&'a Drain),
    /// Everything is sent. The agent watches until the machine ends or the reason is gone.
    Done(&'a Drain),
    /// The drain was called off: the container instance is put back to ACTIVE.
    Returning,
}

impl Phase<'_> {
    /// The name of the phase.
    pub fn name(&self) -> PhaseName {
        match self {
            Self::Starting => PhaseName::Starting,
            Self::Watching => PhaseName::Watching,
            Self::Joining(_) => PhaseName::Joining,
            Self::Draining(_) => PhaseName::Draining,
            Self::Completing(_) => PhaseName::Completing,
            Self::Done(_) => PhaseName::Done,
            Self::Returning => PhaseName::Returning,
        }
    }
}

impl State {
    /// The state of an agent that starts at `now`, with the memory of an earlier process.
    pub fn new(recalled: Option<Memory>, now: Moment, wall_at_boot: WallTime) -> Self {
        Self {
            instance: None,
            metadata: Metadata::new(now),
            machine_wall_at_boot: wall_at_boot,
            aws_at_boot: None,
            started_at: now,
            read_instance: Pace::at(now),
            identity: Identity::default(),
            registration: None,
            displaced: None,
            former: Former::default(),
            foreign: None,
            impostor: false,
            tasks: Tasks::new(now),
            leftovers: Leftovers::default(),
            whereabouts: Whereabouts::new(now),
            capacity: Capacity::default(),
            drain: None,
            join: None,
            parting: None,
            memory: Memory::default(),
            recalled,
            blank: false,
            without_memory: false,
            hand_said: false,
            written: Written::new(now),
            intent: Intent::Unknown,
            health: Health::default(),
            ledger: Ledger::default(),
            since: now,
            wake: None,
            leave_at: None,
            exiting: false,
            gone: false,
        }
    }

    /// The wall clock was set; `wall_at_boot` is what it would have shown at the boot clock's zero. It counts from
    /// the next step on, which follows at once.
    pub fn set_wall_clock(&mut self, wall_at_boot: WallTime) {
        self.machine_wall_at_boot = wall_at_boot;
        self.capacity.start_over();
    }

    /// What the clock shows at the boot clock's zero by which times of AWS are read: the machine's, unless AWS's
    /// differs.
    pub(crate) fn wall_at_boot(&self) -> WallTime {
        let differs =
            |theirs: &WallTime| theirs.0.abs_diff(self.machine_wall_at_boot.0) > CLOCK_SLACK;
        self.aws_at_boot
            .filter(differs)
            .unwrap_or(self.machine_wall_at_boot)
    }

    /// What is being done.
    pub fn phase(&self) -> Phase<'_> {
        match (&self.drain, &self.join) {
            (Some(drain), _) if !drain.is_over() => Phase::Draining(drain),
            (Some(drain), _) if !drain.is_told() => Phase::Completing(drain),
            (Some(drain), _) => Phase::Done(drain),
            (None, Some(join)) => Phase::Joining(join),
            (None, None) if self.instance.is_none() => Phase::Starting,
            (None, None) if self.puts_back() => Phase::Returning,
            (None, None) => Phase::Watching,
        }
    }

    /// The target lifecycle state as last read; `None` for 404.
    pub fn target(&self) -> Option<&TargetLifecycleState> {
        self.metadata.target.as_ref()
    }

    /// The container instance, once the ECS agent has told.
    pub fn container_instance(&self) -> Option<&ContainerInstance> {
        self.registration.as_ref().map(|known| &known.target)
    }

    /// What a person should know of the tasks that a drain waits for.
    pub fn waited_for(&self, policy: &Policy) -> Vec<WaitedFor> {
        self.tasks.waited_for(&self.leftovers.kinds, policy)
    }

    /// Whether the last join has failed.
    pub fn join_failed(&self) -> bool {
        let join = self.memory.join;
        join.is_some_and(|join| join.outcome == Some(JoinOutcome::TimedOut))
    }

    /// Whether metadata has been read at least once.
    pub fn is_ready(&self) -> bool {
        self.metadata.is_ready
    }

    /// Until when a shutdown of the machine is held up, if it is.
    pub fn leave_at(&self) -> Option<Moment> {
        self.leave_at.filter(|_| !self.exiting)
    }

    /// What is written down, or on its way there.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The container instance whose capacity may be published, or why it may not.
    pub fn standing(&self) -> Result<&ContainerInstance, Silence> {
        let here = self.registration.as_ref();
        // Metadata may follow a moment later.
        let target = match self.whereabouts.place() {
            Some(Place::Terminating) => Some(&TargetLifecycleState::Terminated),
            _ => self.target(),
        };
        let returning = self.puts_back();
        capacity::standing(
            &self.intent,
            target,
            &self.memory,
            returning,
            self.impostor,
            here,
        )
    }

    /// Whether a person waits while ECS is asked for the kinds of the tasks.
    pub fn is_asked_by_hand(&self) -> bool {
        self.leftovers.is_asked_by_hand()
            && self
                .ledger
                .find(|action| matches!(action, Action::ClassifyTasks { .. }))
                .is_some()
    }

    /// Whether what was asked of the agent is on the disk.
    pub fn is_written(&self) -> bool {
        self.written.has_all(&self.memory)
    }

    /// Starts a turn, and moves the parts of the state into it that it may change.
    pub(crate) fn turn<'a>(&mut self, now: Moment, policy: &'a Policy) -> Turn<'a> {
        let seed = self
            .instance
            .as_ref()
            .map_or(0, |known| seed_of(&known.instance_id));
        Turn {
            now,
            policy,
            seed,
            wall_at_boot: self.wall_at_boot(),
            ledger: std::mem::take(&mut self.ledger),
            health: std::mem::take(&mut self.health),
            actions: Vec::new(),
            cancelled: Vec::new(),
            notes: Vec::new(),
            answered: None,
            wake: None,
        }
    }

    /// Moves these parts back into the state.
    pub(crate) fn end_turn(&mut self, turn: &mut Turn<'_>) {
        self.ledger = std::mem::take(&mut turn.ledger);
        self.health = std::mem::take(&mut turn.health);
    }

    fn instance_id(&self) -> String {
        self.instance
            .as_ref()
            .map(|known| known.instance_id.clone())
            .unwrap_or_default()
    }

    fn is_draining(&self) -> bool {
        matches!(self.phase(), Phase::Draining(_) | Phase::Completing(_))
    }

    fn is_old(&self, instance: &Instance, turn: &Turn<'_>) -> bool {
        let new_for = self.new_for(turn);
        wants::is_old(
            &self.memory,
            instance,
            turn.now,
            self.wall_at_boot(),
            new_for,
        )
    }

    fn new_for(&self, turn: &Turn<'_>) -> Duration {
        wants::NEW_FOR.max(turn.policy.ready.timeout)
    }

    /// Whether the container instance is to be put back to ACTIVE.
    fn puts_back(&self) -> bool {
        self.drain.is_none()
            && self
                .memory
                .drain
                .as_ref()
                .is_some_and(|drain| drain.reason == ReasonKey::CalledOff && drain.ours)
    }
}
