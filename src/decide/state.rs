//! The agent's state, and the transitions between its phases.

use std::time::Duration;

use super::action::Action;
use super::call::{Call, seed_of};
use super::completion::Completion;
use super::drain::{Drain, DrainReason, Outcome, SHUTDOWN};
use super::event::Event;
use super::facts::{
    ContainerInstance, Failure, Instance, MetadataReading, SpotInstanceAction, TargetLifecycleState,
};
use super::health::{Dependency, Health};
use super::memory::Memory;
use super::note::Note;
use super::time::Moment;
use super::{Turn, Wake};

/// How often the ECS agent is asked who we are, until it tells.
const IDENTITY_POLL: Duration = Duration::from_secs(2);
/// How often afterwards: an ECS agent that lost its data registers anew, under another ARN.
const IDENTITY_REFRESH: Duration = Duration::from_secs(60);
/// An ECS agent may take its time at boot before its silence is worth a warning.
const IDENTITY_QUIET: Duration = Duration::from_secs(300);

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
    /// The condition of what we depend on.
    pub health: Health,
    /// What is being done.
    pub phase: Phase,
    /// Raised for every drain; answers that carry another are dropped.
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

impl State {
    /// The state of an agent that starts at `now`, with what an earlier one has written down.
    pub fn new(recalled: Option<Memory>, now: Moment) -> Self {
        Self {
            instance: None,
            container_instance: None,
            target: None,
            spot: None,
            health: Health::default(),
            phase: Phase::Starting,
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

    /// What is written down, or on its way there.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// When the core wants a [`Event::Tick`], if nothing else happens before.
    pub fn wake_at(&self, now: Moment, policy: &super::Policy) -> Option<Moment> {
        if self.exiting {
            return None;
        }
        let mut wake = Wake { now, at: None };
        wake.consider(self.leave_at);
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
            Phase::Draining(drain) => drain.wake(&mut wake, policy),
            Phase::Completing(drain, completion) => {
                drain.wake_for_completion(&mut wake, policy);
                completion.wake(&mut wake);
            }
            Phase::Returning { call, .. } => wake.consider(call.wake_at()),
        }
        wake.at
    }

    pub(super) fn absorb(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Tick => {}
            Event::StopRequested { signal, shutdown } => self.stop(signal, shutdown, turn),
            Event::Instance(result) => self.absorb_instance(result, turn),
            Event::Metadata(reading) => self.absorb_metadata(reading, turn),
            Event::ContainerInstance(result) => self.absorb_identity(result, turn),
            Event::Remembered(result) => self.absorb_remembered(result, turn),
            Event::ActiveSet(result) => {
                let Phase::Returning {
                    container_instance,
                    call,
                } = &mut self.phase
                else {
                    return;
                };
                match result {
                    Ok(_) => {
                        turn.good(&mut self.health, Dependency::Ecs);
                        turn.say(Note::ReturnedToService(container_instance.clone()));
                        self.forget_drain();
                    }
                    Err(failure) => turn.call_failed(
                        call,
                        &mut self.health,
                        Dependency::Ecs,
                        "ecs:UpdateContainerInstancesState",
                        &failure,
                    ),
                }
            }
            Event::Drain { epoch, answer } if epoch == self.epoch => match &mut self.phase {
                Phase::Draining(drain) => drain.absorb(answer, &mut self.health, turn),
                Phase::Completing(drain, completion) => {
                    completion.absorb(answer, drain, &mut self.health, turn);
                }
                _ => {}
            },
            Event::Drain { .. } => {}
        }
    }

    /// A stop signal completes nothing. Where the whole machine goes down, and the policy grants the
    /// time, the drain goes on, or begins; a second signal ends that.
    fn stop(&mut self, signal: &'static str, shutdown: bool, turn: &mut Turn<'_>) {
        let grace = turn
            .policy
            .drain
            .on_shutdown
            .filter(|_| shutdown && self.leave_at.is_none());
        match grace {
            Some(grace) if self.instance.is_some() && !matches!(self.phase, Phase::Done(_)) => {
                self.leave_at = Some(turn.now + grace);
                turn.say(Note::ShutdownHeldUp { signal, grace });
            }
            _ => self.exit(
                Note::Stopping {
                    signal,
                    draining: self.is_draining(),
                },
                turn,
            ),
        }
    }

    fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining(_) | Phase::Completing(..))
    }

    fn exit(&mut self, last_words: Note, turn: &mut Turn<'_>) {
        turn.say(last_words);
        turn.act(Action::Exit);
        self.exiting = true;
    }

    fn absorb_instance(&mut self, result: Result<Instance, Failure>, turn: &mut Turn<'_>) {
        match result {
            Ok(instance) => {
                self.read_instance.succeeded();
                turn.good(&mut self.health, Dependency::Metadata);
                turn.seed = seed_of(&instance.instance_id);
                turn.say(Note::Watching {
                    instance: instance.clone(),
                });
                self.recall(&instance, turn);
                self.instance = Some(instance);
                self.phase = Phase::Watching;
                self.read_metadata.ask(turn.now);
            }
            Err(failure) => {
                self.read_instance.failed(turn.now, &failure, turn.seed);
                self.health.bad(
                    Dependency::Metadata,
                    &failure,
                    turn.now,
                    Duration::ZERO,
                    &mut turn.notes,
                );
            }
        }
    }

    /// Takes up what an earlier process wrote down, where it was about this machine.
    fn recall(&mut self, instance: &Instance, turn: &mut Turn<'_>) {
        self.memory = self
            .recalled
            .take()
            .filter(|memory| memory.instance_id == instance.instance_id)
            .unwrap_or_default();
        self.written = self.memory.clone();
        self.memory.instance_id.clone_from(&instance.instance_id);
        self.container_instance
            .clone_from(&self.memory.container_instance);
        self.read_identity.ask(turn.now);
    }

    fn absorb_metadata(&mut self, reading: MetadataReading, turn: &mut Turn<'_>) {
        self.read_metadata.succeeded();
        self.read_metadata
            .ask((self.metadata_started + turn.policy.metadata.poll_interval).max(turn.now));
        let mut failure = None;
        if reading.target_lifecycle_state.is_ok()
            || matches!(reading.spot_instance_action, Ok(Some(_)))
        {
            self.metadata_reads = self.metadata_reads.saturating_add(1);
        }
        match reading.target_lifecycle_state {
            Ok(target) => self.absorb_target(target, turn),
            Err(bad) => failure = Some(bad),
        }
        match reading.spot_instance_action {
            // The same notice, read again, must not move the deadline by the jitter of the reading.
            Ok(Some(new))
                if self
                    .spot
                    .as_ref()
                    .is_some_and(|old| old.time == new.time && old.action == new.action) => {}
            Ok(spot) => self.spot = spot,
            Err(bad) => failure = failure.or(Some(bad)),
        }
        match failure {
            None => turn.good(&mut self.health, Dependency::Metadata),
            Some(bad) => {
                self.health.bad(
                    Dependency::Metadata,
                    &bad,
                    turn.now,
                    Duration::ZERO,
                    &mut turn.notes,
                );
            }
        }
    }

    fn absorb_target(&mut self, target: Option<TargetLifecycleState>, turn: &mut Turn<'_>) {
        if target == self.target {
            return;
        }
        turn.say(Note::TargetLifecycleState {
            from: self.target.clone(),
            to: target.clone(),
        });
        match &target {
            Some(TargetLifecycleState::InService) => self.memory.was_in_service = true,
            Some(TargetLifecycleState::Unknown(text)) => {
                turn.say(Note::UnknownTarget(text.clone()))
            }
            Some(to) if is_warm(to) && !self.memory.was_in_service => {
                turn.say(Note::NeverInService(to.clone()));
            }
            _ => {}
        }
        self.target = target;
    }

    fn absorb_identity(
        &mut self,
        result: Result<Option<ContainerInstance>, Failure>,
        turn: &mut Turn<'_>,
    ) {
        self.read_identity.succeeded();
        match result {
            Ok(found) => {
                turn.good(&mut self.health, Dependency::Introspection);
                if let Some(found) =
                    found.filter(|found| self.container_instance.as_ref() != Some(found))
                {
                    turn.say(Note::ContainerInstanceKnown(found.clone()));
                    self.container_instance = Some(found);
                    if let Phase::Draining(drain) = &mut self.phase {
                        drain.placement.start_over(turn.now);
                    }
                }
            }
            Err(failure) => {
                let notes = &mut turn.notes;
                self.health.bad(
                    Dependency::Introspection,
                    &failure,
                    turn.now,
                    IDENTITY_QUIET,
                    notes,
                );
            }
        }
        let refresh = if self.container_instance.is_some() {
            IDENTITY_REFRESH
        } else {
            IDENTITY_POLL
        };
        self.read_identity.ask(turn.now + refresh);
    }

    fn absorb_remembered(&mut self, result: Result<(), Failure>, turn: &mut Turn<'_>) {
        match result {
            Ok(()) => {
                self.remember.succeeded();
                self.written = self.writing.clone();
                turn.good(&mut self.health, Dependency::StateDirectory);
            }
            Err(failure) => turn.call_failed(
                &mut self.remember,
                &mut self.health,
                Dependency::StateDirectory,
                "write state.json",
                &failure,
            ),
        }
    }

    pub(super) fn advance(&mut self, turn: &mut Turn<'_>) {
        if self.exiting {
            return;
        }
        self.change_phase(turn);
        if let Some(leave_at) = self.leave_at {
            if turn.now >= leave_at || !self.is_draining() {
                return self.exit(
                    Note::Leaving {
                        draining: self.is_draining(),
                    },
                    turn,
                );
            }
            if let Phase::Draining(drain) = &mut self.phase {
                drain.leave_at(leave_at);
            }
        }
        self.memory
            .container_instance
            .clone_from(&self.container_instance);
        self.write_down(turn);
        if self.read_instance.start(turn.now) {
            turn.act(Action::ReadInstance);
        }
        if self.read_metadata.start(turn.now) {
            self.metadata_started = turn.now;
            turn.act(Action::ReadMetadata);
        }
        if self.read_identity.start(turn.now) {
            turn.act(Action::ReadContainerInstance);
        }
        let remembered = self.memory == self.written;
        match &mut self.phase {
            Phase::Starting | Phase::Watching | Phase::Done(_) => {}
            Phase::Draining(drain) => {
                let over = drain.advance(self.container_instance.as_ref(), remembered, turn);
                if drain.placement.wants_identity() {
                    self.read_identity.ask(turn.now + IDENTITY_POLL);
                }
                if let Some(memory) = &mut self.memory.drain {
                    memory.ours = drain.placement.is_ours();
                }
                if let Some(outcome) = over {
                    self.complete(outcome, turn);
                } else {
                    self.write_down(turn);
                }
            }
            Phase::Completing(drain, completion) => {
                drain.advance_heartbeat(completion.heartbeats(), turn);
                if completion.advance(drain, turn) {
                    let done = Done {
                        reason: drain.reason.clone(),
                        outcome: completion.outcome(),
                        at: turn.now,
                    };
                    self.phase = Phase::Done(done);
                }
            }
            Phase::Returning {
                container_instance,
                call,
            } => {
                if call.start(turn.now) {
                    turn.act(Action::SetActive(container_instance.clone()));
                }
            }
        }
    }

    fn complete(&mut self, outcome: Outcome, turn: &mut Turn<'_>) {
        if let Phase::Draining(drain) = std::mem::replace(&mut self.phase, Phase::Watching) {
            let completion = Completion::new(outcome, &drain, turn);
            self.phase = Phase::Completing(drain, Box::new(completion));
            self.advance(turn);
        }
    }

    /// Whether the state directory has to be written: only ever a difference, one write at a time.
    fn write_down(&mut self, turn: &mut Turn<'_>) {
        let settled = self.instance.is_some() && self.memory != self.written;
        if settled && !self.remember.is_wanted() {
            self.remember.ask(turn.now);
        }
        if self.remember.start(turn.now) {
            self.writing = self.memory.clone();
            turn.act(Action::Remember(self.memory.clone()));
        }
    }

    /// Why the instance should be drained now, if it should.
    fn wanted(&self) -> Option<DrainReason> {
        match &self.target {
            Some(
                target
                @ (TargetLifecycleState::Terminated | TargetLifecycleState::WarmedTerminated),
            ) => Some(DrainReason::Terminated(target.clone())),
            Some(target) if is_warm(target) && self.memory.was_in_service => {
                Some(DrainReason::WarmPool(target.clone()))
            }
            _ => self.other_reason(),
        }
    }

    fn other_reason(&self) -> Option<DrainReason> {
        match (&self.spot, self.leave_at) {
            (Some(spot), _) => Some(DrainReason::Spot {
                action: spot.action.clone(),
            }),
            (None, Some(_)) => Some(DrainReason::Shutdown),
            (None, None) => None,
        }
    }

    fn change_phase(&mut self, turn: &mut Turn<'_>) {
        if !self.is_ready() {
            return;
        }
        let in_service = self.target == Some(TargetLifecycleState::InService);
        let wanted = self.wanted();
        match (&mut self.phase, wanted) {
            (Phase::Starting, _) => {}
            (Phase::Draining(drain), Some(reason)) => {
                let spot = self.spot.as_ref();
                if drain.changed(reason, spot, turn) {
                    let key = drain.reason.key();
                    if let Some(memory) = &mut self.memory.drain {
                        memory.reason = key;
                    }
                }
            }
            (Phase::Completing(drain, _), Some(reason)) if !reason.supersedes(&drain.reason) => {}
            (Phase::Done(done), Some(reason)) if !reason.supersedes(&done.reason) => {}
            // Watching, Returning, or a drain that ended for another reason: a new one.
            (_, Some(reason)) => self.begin(reason, turn),
            (Phase::Watching, None) => {
                // Left over by a process that ended in a drain which has been called off since. One for
                // a shutdown is over once the machine is up again.
                let left_over = self.memory.drain.as_ref();
                if left_over.is_some_and(|drain| in_service || drain.reason == SHUTDOWN) {
                    self.call_off(None, turn);
                }
            }
            (Phase::Draining(drain) | Phase::Completing(drain, _), None) if in_service => {
                let reason = drain.reason.clone();
                self.call_off(Some(reason), turn);
            }
            (Phase::Done(done), None) if in_service => {
                let reason = done.reason.clone();
                self.call_off(Some(reason), turn);
            }
            (_, None) => {}
        }
    }

    fn begin(&mut self, reason: DrainReason, turn: &mut Turn<'_>) {
        self.epoch = self.epoch.wrapping_add(1);
        // A drain that metadata asked for before we looked for the first time was going on already:
        // its hook's clock may be nearly up.
        let started_into = self.metadata_reads == 1;
        let memory = self
            .memory
            .drain
            .take()
            .filter(|memory| memory.reason == reason.key());
        let resumed = memory.is_some();
        let remembered = memory.unwrap_or_else(|| super::memory::RememberedDrain {
            reason: reason.key(),
            started_at: turn.now,
            ours: false,
        });
        // Out of the pool, and it has never left it: the ECS agent was never started, or has told us.
        let nothing_ever_ran = !self.memory.was_in_service
            && self.target == Some(TargetLifecycleState::WarmedTerminated);
        let drain = Drain::begin(
            reason,
            &remembered,
            started_into || resumed,
            nothing_ever_ran,
            self.spot.as_ref(),
            turn,
        );
        turn.say(Note::DrainStarted {
            reason: drain.reason.clone(),
            deadline: drain.deadline(turn.policy),
            in_: drain.deadline(turn.policy).at.since(turn.now),
            resumed,
        });
        self.memory.drain = Some(remembered);
        self.read_identity.ask(turn.now);
        self.phase = Phase::Draining(Box::new(drain));
    }

    fn call_off(&mut self, reason: Option<DrainReason>, turn: &mut Turn<'_>) {
        // A DRAINING request still under way would land after our ACTIVE: let it end first.
        let in_flight =
            matches!(&self.phase, Phase::Draining(drain) if drain.placement.is_in_flight());
        let wait = if in_flight {
            turn.policy.aws.request_timeout
        } else {
            Duration::ZERO
        };
        self.epoch = self.epoch.wrapping_add(1);
        if let Some(reason) = reason {
            turn.say(Note::CalledOff {
                reason,
                target: TargetLifecycleState::InService,
            });
        }
        let ours = self.memory.drain.as_ref().is_some_and(|drain| drain.ours);
        match (&self.container_instance, ours) {
            (Some(container_instance), true) => {
                self.phase = Phase::Returning {
                    container_instance: container_instance.clone(),
                    call: Call::due_at(turn.now + wait),
                };
            }
            (known, _) => {
                if let Some(known) = known {
                    turn.say(Note::LeftDraining(known.clone()));
                }
                self.forget_drain();
            }
        }
    }

    fn forget_drain(&mut self) {
        self.memory.drain = None;
        self.phase = Phase::Watching;
    }
}

fn is_warm(target: &TargetLifecycleState) -> bool {
    matches!(
        target,
        TargetLifecycleState::WarmedHibernated
            | TargetLifecycleState::WarmedRunning
            | TargetLifecycleState::WarmedStopped
    )
}
