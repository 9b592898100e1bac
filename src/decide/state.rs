//! Everything the core knows, and how a step goes through it: [`State::absorb`] takes the event into what is
//! believed, [`State::advance`] derives what is wanted and lets every part close its difference. The second
//! half does not know which event came, so no path can forget to look at another part.

use std::time::Duration;

use crate::Policy;
use crate::capacity::{self, Capacity};
use crate::drain::{Drain, World};
use crate::former::Former;
use crate::health::{Dependency, Health};
use crate::hold::Told;
use crate::join::Join;
use crate::ledger::{Flight, Ledger};
use crate::leftovers::Leftovers;
use crate::model::{
    Action, Answer, ContainerInstance, DrainByHand, DrainReason, Event, ExecutableEvent, Failure,
    FailureKind, Instance, JoinOutcome, JoinTarget, LifecycleTransition, Limits, MaintenanceEvent,
    Memory, MetadataReading, Moment, Note, PhaseName, ReasonKey, RebalanceRecommendation,
    RememberedDrain, RememberedJoin, SignalStatus, Silence, SpotInstanceAction,
    TargetLifecycleState, WaitedFor, WallTime,
};
use crate::pace::{Pace, seed_of};
use crate::registration::{Identity, Registration};
use crate::signal::Signal;
use crate::tasks::Tasks;
use crate::turn::Turn;
use crate::wants::{self, Intent, Placement};
use crate::whereabouts::{Place, Question, Whereabouts};

/// The longest wait for a write to the state directory. A stuck disk must not stop the drain.
const MEMORY_HEAD_START: Duration = Duration::from_millis(250);
/// A target state counts as seen to change if the reading before it is at most this much late.
const FLIP_SLACK: Duration = Duration::from_secs(2);
/// A machine that has not been up for longer may have booted with a new root volume.
const JUST_BOOTED: Duration = Duration::from_mins(5);

/// Everything the core knows.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The machine, once metadata has been read.
    pub instance: Option<Instance>,
    /// The target lifecycle state as last read; `None` for 404.
    pub target: Option<TargetLifecycleState>,
    /// When the last reading was sent that named a target state.
    target_known_at: Option<Moment>,
    /// The last target state that metadata has named.
    last_named: Option<TargetLifecycleState>,
    /// Whether the present target was seen to come: a moment earlier there was another.
    flip_seen: bool,
    /// Whether metadata has named more than one to this process.
    target_changed: bool,
    spot: Option<SpotInstanceAction>,
    rebalance: Option<RebalanceRecommendation>,
    maintenance: Option<MaintenanceEvent>,
    wall_at_boot: WallTime,
    started_at: Moment,
    read_instance: Pace,
    read_metadata: Pace,
    metadata_sent: Moment,
    metadata_reads: u64,
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
    written: Memory,
    writing: Memory,
    /// What has to be written to the disk, and since when.
    unwritten: Option<(Memory, Moment)>,
    write: Pace,
    intent: Intent,
    /// The condition of what we depend on.
    pub health: Health,
    ledger: Ledger,
    /// When the present phase began.
    pub since: Moment,
    /// The machine is shut down, and goes down at this moment at the latest.
    leave_at: Option<Moment>,
    exiting: bool,
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
            target: None,
            target_known_at: None,
            last_named: None,
            flip_seen: false,
            target_changed: false,
            spot: None,
            rebalance: None,
            maintenance: None,
            wall_at_boot,
            started_at: now,
            read_instance: Pace::at(now),
            read_metadata: Pace::default(),
            metadata_sent: now,
            metadata_reads: 0,
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
            written: Memory::default(),
            writing: Memory::default(),
            unwritten: None,
            write: Pace::at(now),
            intent: Intent::Unknown,
            health: Health::default(),
            ledger: Ledger::default(),
            since: now,
            leave_at: None,
            exiting: false,
        }
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

    /// The container instance, once the ECS agent has told.
    pub fn container_instance(&self) -> Option<&ContainerInstance> {
        self.registration.as_ref().map(|known| &known.target)
    }

    /// What a person should know of the tasks that a drain waits for.
    pub fn waited_for(&self, policy: &Policy) -> Vec<WaitedFor> {
        self.tasks.waited_for(&self.leftovers, policy)
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

    /// The container instance whose capacity may be published, or why it may not.
    pub fn standing(&self) -> Result<&ContainerInstance, Silence> {
        let (target, here) = (self.target.as_ref(), self.registration.as_ref());
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

    pub(crate) fn is_exiting(&self) -> bool {
        self.exiting
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
            wall_at_boot: self.wall_at_boot,
            ledger: std::mem::take(&mut self.ledger),
            health: std::mem::take(&mut self.health),
            actions: Vec::new(),
            cancelled: Vec::new(),
            notes: Vec::new(),
            wake: None,
        }
    }

    /// Moves these parts back into the state.
    pub(crate) fn end_turn(&mut self, turn: &mut Turn<'_>) {
        self.ledger = std::mem::take(&mut turn.ledger);
        self.health = std::mem::take(&mut turn.health);
    }

    // ----- absorb -----------------------------------------------------------------------------------

    pub(crate) fn absorb(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Tick => {}
            Event::WallClock(at_boot) => {
                self.wall_at_boot = at_boot;
                turn.wall_at_boot = at_boot;
                self.capacity.start_over();
            }
            Event::StopRequested { signal, shutdown } => self.stop(signal, shutdown, turn),
            Event::DrainByHand { timeout } => {
                turn.say(Note::DrainAskedByHand { timeout });
                self.memory.by_hand = Some(DrainByHand { timeout });
                self.recall_hand(self.memory.by_hand);
            }
            Event::UndrainByHand => {
                self.recall_hand(None);
                if self.memory.by_hand.take().is_some() {
                    turn.say(Note::UndrainAskedByHand);
                }
            }
            Event::StatusAsked => {
                self.former.ask_by_hand(&self.memory.former, turn.now);
                if let Phase::Draining(_) = self.phase() {
                    self.leftovers.ask_by_hand();
                }
            }
            Event::Answered { ticket, answer } => {
                // A cancelled request gets no answer.
                if let Some(flight) = turn.ledger.land(ticket) {
                    self.absorb_answer(answer, &flight, turn);
                }
            }
        }
    }

    fn absorb_answer(&mut self, answer: Answer, flight: &Flight, turn: &mut Turn<'_>) {
        let (action, sent) = (&flight.action, flight.sent);
        match answer {
            Answer::Instance(result) => self.absorb_instance(result, turn),
            Answer::Metadata(reading) => self.absorb_metadata(reading, turn),
            Answer::Identity(result) => {
                if let Some(found) = self.identity.absorb(result, sent, turn) {
                    self.is_now(found, turn);
                }
            }
            Answer::Remembered(result) => match result {
                Ok(()) => {
                    self.write.succeeded();
                    self.written = self.writing.clone();
                    turn.good(Dependency::StateDirectory);
                }
                Err(failure) => turn.failed(action.operation(), &failure, &mut self.write),
            },
            Answer::Tasks(result) => {
                let result = result.and_then(|tasks| match self.impostor {
                    true => Err(Failure::new(
                        FailureKind::Malformed,
                        "the ECS agent's introspection is answered for another machine",
                    )),
                    false => Ok(tasks),
                });
                let arn = self
                    .registration
                    .as_ref()
                    .map(|here| here.target.arn.as_str());
                self.tasks
                    .absorb_local(result, sent, arn, &self.leftovers, turn);
            }
            Answer::Classified(result) => {
                if let Ok(tasks) = &result {
                    self.tasks.absorb_described(tasks, sent);
                }
                self.leftovers.absorb_classified(result, action, turn);
            }
            Answer::ApiTasks(result) => {
                let here = self.registration.as_ref();
                self.tasks
                    .absorb_list(result, sent, here, &mut self.leftovers, action, turn);
            }
            Answer::TaskStopped(result) => self.leftovers.absorb_stopped(result, action, turn),
            Answer::StateSet(result) => {
                let ours = self.instance_id();
                let draining = matches!(action, Action::SetDraining(_));
                if let Some(here) = self.about(action) {
                    here.absorb_set(draining, result, sent, &ours, turn);
                }
                self.expose(turn);
            }
            Answer::ContainerInstance(result) => {
                let ours = self.instance_id();
                if let Some(here) = self.about(action) {
                    here.absorb_look(result, sent, &ours, turn);
                }
                self.expose(turn);
            }
            Answer::Registrations(result) => {
                let (here, known) = (self.registration.as_ref(), &mut self.memory.former);
                self.former.absorb(result, here, known, action, turn);
            }
            Answer::TaskSet(result) => self.capacity.absorb_tasks(result, sent, turn),
            Answer::Resources(result) => self.capacity.absorb_look(result, action, sent, turn),
            Answer::Group(result) => {
                self.capacity.absorb_group(&result, action, turn);
                if let (Ok(found), Action::FindGroup { tags: false }) = (&result, action) {
                    self.whereabouts.absorb(found.as_ref(), sent);
                }
                self.absorb_hold(Answer::Group(result), flight, turn);
            }
            answer @ (Answer::Hooks(_) | Answer::Heartbeat(_) | Answer::Completed(_)) => {
                self.absorb_hold(answer, flight, turn);
            }
            Answer::Signalled(result) => self.absorb_signalled(result, action, turn),
            Answer::Stack(result) => {
                if let Some(join) = &mut self.join {
                    join.absorb_stack(result, action, turn);
                }
            }
            Answer::Executables(result) => {
                let Action::RunExecutables { event, .. } = action else {
                    return;
                };
                match (event, &mut self.join, &mut self.drain) {
                    (ExecutableEvent::Ready, Some(join), _) => {
                        join.absorb_executables(result, turn)
                    }
                    (event, _, Some(drain)) => drain.absorb_executables(*event, result, turn),
                    _ => {}
                }
            }
            Answer::MetricsSent(result) if matches!(action, Action::SendCapacity(_)) => {
                self.capacity.absorb_sent(result, turn);
            }
            Answer::MetricsSent(Ok(())) => {}
            Answer::MetricsSent(Err(failure)) => turn.say(Note::MetricsNotSent { failure }),
        }
    }

    /// A command by hand before the machine is known replaces the one that an earlier process wrote down.
    fn recall_hand(&mut self, by_hand: Option<DrainByHand>) {
        if self.instance.is_none() {
            let recalled = self.recalled.get_or_insert_default();
            recalled.by_hand = by_hand;
            self.hand_said = true;
        }
    }

    fn instance_id(&self) -> String {
        self.instance
            .as_ref()
            .map(|known| known.instance_id.clone())
            .unwrap_or_default()
    }

    /// The registration that an action was about, where it is the one that we are, or were before.
    fn about(&mut self, action: &Action) -> Option<&mut Registration> {
        let (Action::SetDraining(about)
        | Action::SetActive(about)
        | Action::DescribeContainerInstance(about)) = action
        else {
            return None;
        };
        self.registration
            .iter_mut()
            .chain(&mut self.displaced)
            .find(|known| known.target.arn == about.arn)
    }

    fn absorb_hold(&mut self, answer: Answer, flight: &Flight, turn: &mut Turn<'_>) {
        let target = self.target.as_ref();
        let drain = self.drain.as_mut().map(|drain| &mut drain.hold);
        let join = self.join.as_mut().map(|join| &mut join.hold);
        let failed = match &answer {
            Answer::Group(Err(failure)) => Some(failure.clone()),
            _ => None,
        };
        if let (Some(failure), Action::FindGroup { tags: false }) = (failed, &flight.action)
            && drain.is_none()
            && join.is_none()
        {
            self.whereabouts.failed(&flight.action, &failure, turn);
        }
        for hold in [drain, join].into_iter().flatten() {
            hold.absorb(answer.clone(), flight, target, turn);
        }
    }

    fn absorb_signalled(&mut self, result: Told, action: &Action, turn: &mut Turn<'_>) {
        let Action::Signal { transition, .. } = action else {
            return;
        };
        match transition {
            LifecycleTransition::Terminating => {
                if let Some(drain) = &mut self.drain {
                    drain.absorb_signalled(result, action, turn);
                }
            }
            LifecycleTransition::Launching => {
                if let Some(join) = &mut self.join {
                    join.absorb_signalled(result, action, turn);
                } else if let Some(signal) = &mut self.parting
                    && signal.absorb(result, action, turn)
                {
                    self.parting = None;
                    if let Some(join) = &mut self.memory.join {
                        join.signalled = true;
                    }
                }
            }
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
            Some(grace) if self.instance.is_some() && !matches!(self.phase(), Phase::Done(_)) => {
                self.leave_at = Some(turn.now + grace);
                turn.say(Note::ShutdownHeldUp { signal, grace });
            }
            _ => {
                let draining = self.is_draining();
                self.exit(Note::Stopping { signal, draining }, turn);
            }
        }
    }

    fn is_draining(&self) -> bool {
        matches!(self.phase(), Phase::Draining(_) | Phase::Completing(_))
    }

    fn exit(&mut self, last_words: Note, turn: &mut Turn<'_>) {
        turn.say(last_words);
        self.exiting = true;
    }

    fn absorb_instance(&mut self, result: Result<Instance, Failure>, turn: &mut Turn<'_>) {
        match result {
            Ok(instance) => {
                turn.good(Dependency::Metadata);
                turn.seed = seed_of(&instance.instance_id);
                turn.say(Note::Watching {
                    instance: instance.clone(),
                });
                self.recall(&instance, turn);
                self.instance = Some(instance);
                self.read_metadata.ask(turn.now);
            }
            Err(failure) => {
                self.read_instance.failed(&failure, turn.now, turn.seed);
                turn.bad(Dependency::Metadata, &failure, Duration::ZERO);
            }
        }
    }

    /// Takes up what an earlier process wrote down, where it was about this machine.
    fn recall(&mut self, instance: &Instance, turn: &mut Turn<'_>) {
        self.without_memory = self.recalled.is_none();
        self.memory = self
            .recalled
            .take()
            .map(|memory| {
                let by_hand = memory.by_hand;
                let ours = memory.instance_id == instance.instance_id;
                // A command by hand to this process has no instance id yet.
                match (ours, memory.instance_id.is_empty()) {
                    (true, _) => memory,
                    (false, true) => Memory {
                        by_hand,
                        ..Memory::default()
                    },
                    (false, false) => Memory::default(),
                }
            })
            .unwrap_or_default();
        if !self.hand_said {
            self.written = self.memory.clone();
        }
        self.blank = self.memory.join.is_none()
            && self.started_at <= Moment::default() + JUST_BOOTED
            && self.is_old(instance, turn, self.new_for(turn));
        if self.blank || !self.memory.former.is_empty() {
            self.former.suspect(turn.now);
        }
        self.memory.instance_id.clone_from(&instance.instance_id);
        if let Some(known) = self.memory.container_instance.clone() {
            self.registration = Some(self.register(known, turn));
        }
        self.identity.ask(turn.now);
    }

    fn register(&self, target: ContainerInstance, turn: &Turn<'_>) -> Registration {
        let verified = self.memory.verified.as_ref() == Some(&target.arn);
        // A change that an earlier process has sent may arrive after ours. It has sent none before it had
        // written down that the DRAINING is ours.
        let known = verified || self.memory.container_instance.as_ref() == Some(&target);
        let drain = self.memory.drain.as_ref();
        let changed = known && drain.is_some_and(|drain| drain.ours);
        // Without a memory, this process may follow one whose memory was lost during a drain.
        let may_follow = changed || self.without_memory && drain.is_some();
        let until = self.started_at + turn.policy.aws.request_timeout;
        let resumed = (may_follow && until > turn.now).then_some(until);
        Registration::new(target, verified, changed, resumed, turn.now)
    }

    fn is_now(&mut self, found: ContainerInstance, turn: &mut Turn<'_>) {
        self.impostor = self.foreign.as_ref() == Some(&found.arn);
        if self.impostor || self.container_instance() == Some(&found) {
            return;
        }
        turn.say(Note::ContainerInstanceKnown(found.clone()));
        let new = self.register(found, turn);
        self.tasks.is_elsewhere();
        self.displaced = self.registration.replace(new);
        if self.displaced.is_some() {
            self.former.suspect(turn.now);
        }
    }

    /// Another machine's ECS agent answers on the port. What was known before stays valid.
    fn expose(&mut self, turn: &Turn<'_>) {
        match &self.registration {
            Some(here) if here.is_foreign() && !here.has_to_undo() => {
                self.foreign = Some(here.target.arn.clone());
                self.impostor = true;
                self.tasks.was_another(turn.now);
                self.registration = self.displaced.take().filter(|before| !before.is_foreign());
            }
            _ => {}
        }
    }

    fn absorb_metadata(&mut self, reading: MetadataReading, turn: &mut Turn<'_>) {
        self.read_metadata
            .set((self.metadata_sent + turn.policy.metadata.poll_interval).max(turn.now));
        let mut failure = None;
        if reading.target_lifecycle_state.is_ok()
            || matches!(reading.spot_instance_action, Ok(Some(_)))
        {
            self.metadata_reads = self.metadata_reads.saturating_add(1);
        }
        let mut keep = |bad: Failure| {
            failure.get_or_insert(bad);
        };
        match reading.target_lifecycle_state {
            Ok(target) => {
                let known = matches!(&target, Some(target) if !matches!(target, TargetLifecycleState::Unknown(_)));
                let sent = self.metadata_sent;
                if known && target != self.target {
                    let fresh = turn.policy.metadata.poll_interval * 2 + FLIP_SLACK;
                    self.flip_seen = self
                        .target_known_at
                        .is_some_and(|at| sent.since(at) <= fresh);
                }
                if known {
                    self.target_known_at = Some(sent);
                    self.target_changed |= self.last_named.is_some() && self.last_named != target;
                    self.last_named.clone_from(&target);
                }
                self.absorb_target(target, turn);
            }
            Err(bad) => keep(bad),
        }
        match reading.spot_instance_action {
            Ok(spot) => self.spot = spot,
            Err(bad) => keep(bad),
        }
        match reading.rebalance {
            Ok(rebalance) => self.rebalance = rebalance,
            Err(bad) => keep(bad),
        }
        match reading.maintenance {
            Ok(maintenance) => self.maintenance = maintenance,
            Err(bad) => keep(bad),
        }
        match failure {
            None => turn.good(Dependency::Metadata),
            Some(bad) => turn.bad(Dependency::Metadata, &bad, Duration::ZERO),
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
            Some(TargetLifecycleState::InService) => {
                self.memory.was_in_service = true;
                self.leave_the_pool(turn.now);
            }
            Some(TargetLifecycleState::Unknown(text)) => {
                turn.say(Note::UnknownTarget(text.clone()))
            }
            Some(to) if to.is_warm() && !self.memory.was_in_service => {
                turn.say(Note::NeverInService(to.clone()));
            }
            // Sent back from service: nothing launches it there, and the way out of the pool is a launch.
            Some(to) if to.is_warm() => {
                let signalled = self.memory.join.is_none_or(|join| join.signalled);
                self.memory.join = Some(RememberedJoin {
                    over: true,
                    ..RememberedJoin::new(JoinTarget::WarmPool, turn.now, signalled)
                });
            }
            _ => {}
        }
        self.target = target;
        self.whereabouts = Whereabouts::new(turn.now);
    }

    // ----- advance ----------------------------------------------------------------------------------

    pub(crate) fn advance(&mut self, turn: &mut Turn<'_>) {
        if self.exiting {
            return;
        }
        self.intent = self.find_intent(turn);
        self.reconcile(turn);
        // This comes before the drain, because a shutdown whose time is over completes nothing.
        if self.leaves(turn) {
            return;
        }
        self.conclude(turn);
        self.read(turn);
        // The end of an episode is written to disk before it is signalled or completed.
        self.memorize();
        self.write_down(turn);
        let remembered = self.is_remembered(turn);
        self.tell(remembered, turn);
        self.place(remembered, turn);
        if let Some(signal) = &mut self.parting {
            signal.advance(turn);
        }
        if let (Intent::Serve, Some(here)) = (&self.intent, &self.registration) {
            self.former.advance(&here.target, turn);
        }
        if turn.policy.capacity.enabled {
            let mut capacity = std::mem::take(&mut self.capacity);
            capacity.advance(self.standing(), &self.instance_id(), turn);
            self.capacity = capacity;
        }
        self.leaves(turn);
    }

    /// What the agent is for at present.
    fn find_intent(&self, turn: &mut Turn<'_>) -> Intent {
        let Some(instance) = &self.instance else {
            return Intent::Unknown;
        };
        let new_for = self.new_for(turn);
        if let Some(reason) = self.asked_by_auto_scaling(instance, turn.now, new_for) {
            return Intent::Drain(reason);
        }
        if !self.is_ready() {
            // A drain by hand needs no metadata, unless the instance has to join first.
            let settled = self
                .memory
                .join
                .map_or(self.is_old(instance, turn, new_for), |join| join.over);
            let by_hand = self.memory.by_hand.filter(|_| settled);
            return by_hand.map_or(Intent::Unknown, |_| Intent::Drain(DrainReason::ByHand));
        }
        if let Some(spot) = &self.spot {
            return Intent::Drain(DrainReason::Spot {
                action: spot.action.clone(),
            });
        }
        if self.leave_at.is_some() {
            return Intent::Drain(self.warning(turn).unwrap_or(DrainReason::Shutdown));
        }
        let under_way = self
            .memory
            .join
            .filter(|join| !join.over)
            .map(|join| join.into);
        let pooled = self
            .last_named
            .as_ref()
            .is_some_and(TargetLifecycleState::is_warm);
        let into = wants::way_in(self.believed_target(), under_way, pooled);
        let due = |into| {
            wants::joins(
                into,
                &self.memory,
                instance,
                turn.now,
                self.wall_at_boot,
                new_for,
            )
        };
        let arrives = self.whereabouts.place() == Some(Place::Arriving) && self.blank;
        if let Some(into) = into.filter(|into| turn.policy.ready.enabled && (arrives || due(*into)))
        {
            return Intent::Join(into);
        }
        self.warning(turn).map_or(Intent::Serve, Intent::Drain)
    }

    fn is_old(&self, instance: &Instance, turn: &Turn<'_>, new_for: Duration) -> bool {
        wants::is_old(&self.memory, instance, turn.now, self.wall_at_boot, new_for)
    }

    /// The reason to drain that comes from Auto Scaling, also if metadata does not name it any more.
    fn asked_by_auto_scaling(
        &self,
        instance: &Instance,
        now: Moment,
        new_for: Duration,
    ) -> Option<DrainReason> {
        let target = self.believed_target();
        let old = wants::is_old(&self.memory, instance, now, self.wall_at_boot, new_for);
        wants::asked_by_auto_scaling(target, self.memory.was_in_service || old)
            .or_else(|| {
                let remembered = self.memory.drain.as_ref()?;
                let reason = remembered.reason.of_auto_scaling()?;
                // Where metadata says so, too, one look is enough.
                let alive = self.whereabouts.is_surely_alive()
                    || target == Some(&TargetLifecycleState::InService)
                        && self.whereabouts.is_alive();
                let gone = wants::is_taken_back(remembered, target, instance, alive);
                (!gone).then_some(reason)
            })
            .or_else(|| match self.whereabouts.place()? {
                Place::ReplacingRootVolume => Some(DrainReason::RootVolume),
                Place::Terminating => {
                    Some(DrainReason::Terminated(TargetLifecycleState::Terminated))
                }
                _ => None,
            })
    }

    /// Whether what metadata says may be of the time before the root volume was replaced: nobody has seen the
    /// target change, and the machine remembers nothing, or joins although it is said to be terminated.
    fn may_be_replaced(&self) -> bool {
        let terminated = self.target == Some(TargetLifecycleState::Terminated);
        let joining = self.memory.join.is_some_and(|join| !join.over);
        !self.target_changed && (self.blank || joining && terminated)
    }

    /// The target state, unless Auto Scaling contradicts it: nobody has seen the target come.
    fn believed_target(&self) -> Option<&TargetLifecycleState> {
        self.target.as_ref().filter(|_| !self.is_contradicted())
    }

    fn is_contradicted(&self) -> bool {
        // An instance in standby may be terminated from there: that is no contradiction.
        let place = self.whereabouts.place();
        self.target == Some(TargetLifecycleState::Terminated)
            && !self.target_changed
            && matches!(place, Some(Place::Arriving | Place::InService))
            && self.whereabouts.is_surely_alive()
    }

    fn new_for(&self, turn: &Turn<'_>) -> Duration {
        wants::NEW_FOR.max(turn.policy.ready.timeout)
    }

    /// What Auto Scaling has to be asked, as metadata does not say it.
    fn question(&self) -> Option<Question> {
        if !self.is_ready() {
            return None;
        }
        let target = self.believed_target();
        let named = wants::asked_by_auto_scaling(target, self.memory.was_in_service).is_some();
        let held = matches!(&self.intent, Intent::Drain(reason) if reason.has_lifecycle_action());
        let spoke = self.last_named.is_some() || self.memory.was_in_service;
        let strange = match &self.target {
            None => spoke,
            Some(target) => matches!(target, TargetLifecycleState::Unknown(_)),
        };
        let unsettled = match self.whereabouts.place() {
            None => true,
            Some(Place::Arriving) => named,
            Some(_) => false,
        };
        if held && !named || self.is_contradicted() {
            Some(Question::IsItGone)
        } else if strange || unsettled && self.may_be_replaced() {
            Some(Question::WhatIsNotSaid)
        } else {
            None
        }
    }

    /// The scheduled event, once it has begun to matter.
    fn imminent(&self, turn: &mut Turn<'_>) -> Option<&MaintenanceEvent> {
        let event = self.maintenance.as_ref()?;
        let before = turn.policy.drain.on_maintenance?;
        turn.reached(event.at.moment(self.wall_at_boot) - before)
            .then_some(event)
    }

    /// A reason to drain that does not terminate the instance, or not yet.
    fn warning(&self, turn: &mut Turn<'_>) -> Option<DrainReason> {
        if let Some(event) = self.imminent(turn) {
            Some(DrainReason::Maintenance {
                code: event.code.clone(),
                not_before: event.not_before.clone(),
            })
        } else if self.rebalance.is_some() {
            Some(DrainReason::Rebalance)
        } else {
            self.memory.by_hand.map(|_| DrainReason::ByHand)
        }
    }

    fn limits(&self, turn: &mut Turn<'_>) -> Limits {
        Limits {
            spot: self.spot.as_ref().map(|spot| spot.at),
            maintenance: self.imminent(turn).map(|event| event.at),
            by_hand: self.memory.by_hand.and_then(|asked| asked.timeout),
            wall_at_boot: self.wall_at_boot,
        }
    }

    /// Begins and ends the episodes that the intent asks for.
    fn reconcile(&mut self, turn: &mut Turn<'_>) {
        match self.intent.clone() {
            Intent::Unknown => {}
            Intent::Drain(reason) => {
                self.part(turn);
                let limits = self.limits(turn);
                match &mut self.drain {
                    Some(drain) => {
                        if drain.change(reason, limits, !self.flip_seen, &mut self.tasks, turn)
                            && let Some(here) = &mut self.registration
                        {
                            here.begin_again(true, turn.now);
                        }
                    }
                    None => self.begin_drain(reason, limits, turn),
                }
            }
            Intent::Join(into) => {
                if into == JoinTarget::Service {
                    self.leave_the_pool(turn.now);
                }
                self.call_off(turn);
                if self.join.as_ref().is_none_or(|join| join.way_in() != into) {
                    self.begin_join(into, turn);
                }
            }
            Intent::Serve => {
                self.leave_the_pool(turn.now);
                self.call_off(turn);
                if let Some(mut join) = self.join.take() {
                    join.end(turn);
                }
            }
        }
    }

    fn begin_drain(&mut self, reason: DrainReason, limits: Limits, turn: &mut Turn<'_>) {
        // The change was not seen, so the hook may have been waiting for long and may time out soon.
        let started_into = !self.flip_seen;
        let before = self.memory.drain.take();
        // The agent has set it to DRAINING and has not set it back to ACTIVE since.
        let ours = before.as_ref().is_some_and(|before| before.ours);
        let same = before.filter(|before| before.reason == reason.key());
        let resumed = same.is_some();
        let remembered = same.unwrap_or_else(|| RememberedDrain {
            reason: reason.key(),
            started_at: turn.now,
            ours,
            pending_time: self.instance.as_ref().and_then(|known| known.pending_time),
            outcome: None,
            signalled: false,
            completed: false,
            spent: Duration::ZERO,
        });
        // Out of the pool, and it has never left it: the ECS agent was never started, or has told us.
        let old = self
            .instance
            .as_ref()
            .is_some_and(|known| self.is_old(known, turn, self.new_for(turn)));
        let nothing_ever_ran = !self.memory.was_in_service
            && !old
            && self.target == Some(TargetLifecycleState::WarmedTerminated);
        let drain = Drain::begin(
            reason,
            &remembered,
            started_into || resumed,
            resumed,
            nothing_ever_ran,
            limits,
            turn,
        );
        let deadline = drain.deadline(turn.policy);
        turn.say(Note::DrainStarted {
            reason: drain.reason.clone(),
            deadline,
            in_: deadline.at.since(turn.now),
            resumed,
        });
        self.memory.drain = Some(remembered);
        if let Some(here) = &mut self.registration {
            here.begin_again(ours, turn.now);
        }
        self.tasks.look_again(turn.now);
        self.identity.ask(turn.now);
        self.drain = Some(drain);
    }

    fn begin_join(&mut self, into: JoinTarget, turn: &mut Turn<'_>) {
        self.blank = false;
        let before = self.memory.join;
        let remembered = before
            .filter(|join| join.into == into && !join.over)
            .unwrap_or_else(|| {
                let signalled = before.is_some_and(|join| join.signalled);
                RememberedJoin::new(into, turn.now, signalled)
            });
        self.parting = None;
        let join = Join::begin(remembered, turn);
        turn.say(Note::JoinStarted {
            into,
            in_: join.deadline(turn.policy).since(turn.now),
            resumed: remembered.started_at < turn.now,
        });
        self.memory.join = Some(remembered);
        self.identity.ask(turn.now);
        self.join = Some(join);
    }

    /// To abandon a launch is to have the instance terminated: the stack has yet to hear of it, also where
    /// an earlier process was killed in between.
    fn part(&mut self, turn: &mut Turn<'_>) {
        let join = self.join.take();
        let Some(remembered) = &mut self.memory.join else {
            return;
        };
        if let Some(join) = join {
            // The instance was terminated before the join ended, so no signal is needed. A target that was not
            // seen to change may be out of date: the root volume may have been replaced.
            remembered.over |= join.outcome().is_none()
                && self.target_changed
                && matches!(self.target, Some(TargetLifecycleState::Terminated));
            self.parting = join.into_signal(turn);
        } else if self.drain.is_none()
            && self.parting.is_none()
            && remembered.outcome == Some(JoinOutcome::TimedOut)
            && !remembered.signalled
            && let Some(target) = turn.policy.cloudformation.resource.clone()
        {
            self.parting = Some(Signal::new(
                target,
                SignalStatus::Failure,
                LifecycleTransition::Launching,
                turn.now,
            ));
        }
    }

    /// The reason is known to be gone, so the container instance is put back to ACTIVE if the agent drained it.
    fn call_off(&mut self, turn: &mut Turn<'_>) {
        if let Some(mut drain) = self.drain.take() {
            drain.end(turn);
            self.memorize_whose();
            turn.say(Note::CalledOff {
                reason: drain.reason,
            });
        }
        let Some(memory) = &mut self.memory.drain else {
            return;
        };
        if memory.reason == ReasonKey::CalledOff {
            return;
        }
        if memory.ours {
            memory.reason = ReasonKey::CalledOff;
            memory.outcome = None;
        } else {
            self.memory.drain = None;
            if let Some(known) = self.container_instance().cloned() {
                turn.say(Note::LeftDraining(known));
            }
        }
    }

    /// The way out of the pool is a launch, also of an instance that nothing was known of when it was sent
    /// there.
    fn leave_the_pool(&mut self, now: Moment) {
        let drain = self.memory.drain.as_ref();
        let pooled = drain.and_then(|drain| drain.reason.of_auto_scaling());
        if self.memory.join.is_none() && matches!(pooled, Some(DrainReason::WarmPool(_))) {
            self.memory.join = Some(RememberedJoin {
                over: true,
                ..RememberedJoin::new(JoinTarget::WarmPool, now, true)
            });
        }
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

    /// Ends the process where the machine is shut down, and its time is over or nothing is left to do.
    fn leaves(&mut self, turn: &mut Turn<'_>) -> bool {
        let Some(leave_at) = self.leave_at.filter(|_| !self.exiting) else {
            return false;
        };
        let draining = self.is_draining();
        if draining && !turn.reached(leave_at) {
            return false;
        }
        self.exit(Note::Leaving { draining }, turn);
        true
    }

    /// Collects what a restart could not find out again.
    fn memorize(&mut self) {
        if let Some(here) = &self.registration {
            self.memory.container_instance = Some(here.target.clone());
            if here.is_verified() {
                self.memory.verified = Some(here.target.arn.clone());
            }
        }
        self.memorize_whose();
        if let (Some(drain), Some(memory)) = (&self.drain, &mut self.memory.drain) {
            drain.remember(memory);
        }
        if let Some(join) = &self.join {
            self.memory.join = Some(join.remembered);
        }
    }

    /// The agent has set DRAINING, unless ECS showed DRAINING before the agent's change. Without such a look, it is
    /// put back to ACTIVE: an instance that stays out of service for ever is the worse mistake.
    fn memorize_whose(&mut self) {
        let may_return = !matches!(&self.intent, Intent::Drain(DrainReason::Terminated(_)));
        let blindly = self.drain.as_ref().is_some_and(Drain::may_place)
            && self
                .registration
                .as_ref()
                .is_some_and(|here| here.may_change_blindly(may_return));
        if let (Some(here), Some(memory)) = (&self.registration, &mut self.memory.drain)
            && memory.reason != ReasonKey::CalledOff
        {
            match here.was_active() {
                Some(active) => memory.ours = active,
                None => memory.ours |= here.was_changed() || blindly,
            }
        }
    }

    /// Whether everything important is on the disk, or the time to wait for it is over.
    fn is_remembered(&mut self, turn: &mut Turn<'_>) -> bool {
        if self.memory == self.written {
            self.unwritten = None;
            return true;
        }
        let since = match self.unwritten.take() {
            Some((memory, since)) if memory == self.memory => since,
            _ => turn.now,
        };
        self.unwritten = Some((self.memory.clone(), since));
        turn.reached(since + MEMORY_HEAD_START)
    }

    /// Whether the state directory has to be written: only after a change, and one write at a time.
    fn write_down(&mut self, turn: &mut Turn<'_>) {
        let flying = turn.is_flying(|action| matches!(action, Action::Remember(_)));
        let differs = self.instance.is_some() && self.memory != self.written;
        if !flying && differs && self.write.is_due(turn) {
            self.write.set(turn.now);
            self.writing = self.memory.clone();
            turn.send(Action::Remember(self.memory.clone()));
        }
    }

    /// Starts the reads from this machine.
    fn read(&mut self, turn: &mut Turn<'_>) {
        let flying = turn.is_flying(|action| matches!(action, Action::ReadInstance));
        if self.instance.is_none() && !flying && self.read_instance.is_due(turn) {
            self.read_instance.sent();
            turn.send(Action::ReadInstance);
        }
        let flying = turn.is_flying(|action| matches!(action, Action::ReadMetadata));
        if !flying && self.read_metadata.is_due(turn) {
            self.read_metadata.sent();
            self.metadata_sent = turn.now;
            turn.send(Action::ReadMetadata);
        }
        if self.instance.is_none() {
            return;
        }
        let known = !self.impostor
            && self
                .registration
                .as_ref()
                .is_some_and(|here| !here.is_unknown());
        let every = match self.intent {
            Intent::Drain(_) => Some(turn.policy.ecs.introspection_poll_interval),
            Intent::Join(_) => Some(Duration::from_secs(2)),
            Intent::Unknown | Intent::Serve => None,
        };
        self.identity.advance(known, every, turn);
        if let Some(question) = self.question() {
            self.whereabouts.advance(question, turn);
        }
    }

    /// Lets the episodes find out whether they have ended.
    fn conclude(&mut self, turn: &mut Turn<'_>) {
        let returning = self.puts_back();
        if let Some(join) = &mut self.join {
            join.conclude(self.registration.as_mut(), returning, turn);
        }
        let Some(drain) = &mut self.drain else { return };
        drain.leave_at(self.leave_at);
        if let Some(from) = drain.wants_reads(self.registration.as_ref(), turn) {
            self.tasks.read_again(from, turn);
            self.identity.read_again(from, turn);
        }
        self.tasks
            .advance(self.registration.as_mut(), &mut self.leftovers, turn);
        if !drain.is_over() {
            self.leftovers.advance(
                self.registration.as_ref(),
                &self.tasks,
                drain.stops_from(turn.policy),
                &drain.reason,
                turn,
            );
        }
        // The evidence may come from another machine's ECS agent, so the identity is read again.
        if let Some(from) = self.tasks.agreed_at(self.registration.as_ref()) {
            self.identity.read_again(from, turn);
        }
        if let (Some(here), Some(from)) = (&mut self.registration, drain.wants_look(turn)) {
            here.look_from_now_if_older(from, turn.now);
        }
        drain.conclude(
            World::of(
                &self.registration,
                &self.tasks,
                &self.leftovers,
                &self.identity,
                self.impostor,
            ),
            turn,
        );
        if self.registration.is_none() {
            self.identity.say_awaiting(turn);
        }
    }

    /// Lets the episodes hold and complete their lifecycle actions, and signal.
    fn tell(&mut self, remembered: bool, turn: &mut Turn<'_>) {
        if let Some(join) = &mut self.join
            && join.tell(remembered, turn)
        {
            join.remembered.over = true;
            self.memory.join = Some(join.remembered);
            self.join = None;
        }
        if let Some(drain) = &mut self.drain {
            let world = World::of(
                &self.registration,
                &self.tasks,
                &self.leftovers,
                &self.identity,
                self.impostor,
            );
            drain.tell(world, remembered, turn);
        }
    }

    /// Sets the container instance to the status that is wanted.
    fn place(&mut self, remembered: bool, turn: &mut Turn<'_>) {
        let puts_back = self.puts_back();
        let want = match (&self.intent, &self.drain) {
            (Intent::Drain(_), Some(drain)) if drain.may_place() && remembered => {
                Placement::Draining
            }
            (Intent::Join(JoinTarget::Service) | Intent::Serve, _) if puts_back => {
                Placement::Active
            }
            _ => Placement::Leave,
        };
        let may_return = !matches!(&self.intent, Intent::Drain(DrainReason::Terminated(_)));
        let needs_prior = want == Placement::Draining
            && may_return
            && self.memory.drain.as_ref().is_some_and(|drain| !drain.ours);
        if let Some(other) = self.displaced.as_mut().filter(|other| other.has_to_undo()) {
            other.advance(Placement::Active, false, turn);
        }
        let Some(here) = &mut self.registration else {
            return;
        };
        if want == Placement::Active && here.is_drained_by_another() {
            turn.say(Note::LeftDraining(here.target.clone()));
            self.memory.drain = None;
            return;
        }
        here.advance(want, needs_prior, turn);
        if want == Placement::Active && here.is_surely_active(turn) {
            if here.was_changed() {
                turn.say(Note::ReturnedToService(here.target.clone()));
            }
            self.memory.drain = None;
        }
    }
}
