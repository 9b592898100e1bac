//! Takes an event into what is believed.

use std::time::Duration;

use super::{Phase, State};
use crate::hold::Told;
use crate::ledger::Flight;
use crate::model::{
    Action, Answer, ContainerInstance, DrainByHand, DrainReason, Event, ExecutableEvent, Failure,
    FailureKind, Instance, JoinTarget, LifecycleTransition, Memory, MetadataReading, Moment, Note,
    RememberedJoin, TargetLifecycleState, WallTime,
};
use crate::pace::seed_of;
use crate::registration::Registration;
use crate::turn::Turn;
use crate::whereabouts::Whereabouts;

/// A step that is this late comes after a pause: the machine slept, or the process got no processor time.
const STOOD_STILL: Duration = Duration::from_secs(3);
/// A machine that has not been up for longer may have booted with a new root volume.
const JUST_BOOTED: Duration = Duration::from_mins(5);
/// AWS's clock was learned before, and differs by more than this from what it shows now, in milliseconds.
const CLOCK_NEWS: u64 = 2_000;

impl State {
    pub(crate) fn absorb(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Tick => {}
            Event::StopRequested { signal, shutdown } => self.stop(signal, shutdown, turn),
            Event::DrainByHand { timeout } => {
                turn.say(Note::DrainAskedByHand { timeout });
                self.memory.by_hand = Some(DrainByHand { timeout });
                self.recall_hand(self.memory.by_hand);
                let drain = self.drain.as_mut();
                if let Some(drain) = drain.filter(|drain| drain.reason == DrainReason::ByHand) {
                    drain.ask_again(turn.now);
                }
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
                    turn.answered = Some(flight.action.operation());
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
            Answer::Remembered(result) => self.written.absorb(result, turn),
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
                    .absorb_local(result, sent, arn, &self.leftovers.kinds, turn);
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
                    .absorb_list(result, sent, here, &mut self.leftovers.kinds, turn);
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
                self.former.absorb(result, here, known, turn);
            }
            Answer::TaskSet(result) => self.capacity.absorb_tasks(result, sent, turn),
            Answer::Resources(result) => self.capacity.absorb_look(result, action, sent, turn),
            Answer::Group(result) => {
                self.capacity.absorb_group(&result, turn);
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
                    join.absorb_stack(result, turn);
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

    /// The process, or the machine, has stood still. What it knew before decides nothing.
    pub(crate) fn notice_a_pause(&mut self, now: Moment) {
        if self.wake.is_none_or(|due| now.since(due) < STOOD_STILL) {
            return;
        }
        if let Some(drain) = &mut self.drain {
            drain.woken(now);
        }
        if let Some(join) = &mut self.join {
            join.woken(now);
        }
        self.tasks.read_now(now);
        self.identity.ask(now);
        let matters = self.is_draining() || self.join.is_some();
        if let (true, Some(here)) = (matters, &mut self.registration) {
            here.look_afresh(now);
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
        let target = self.metadata.target.as_ref();
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
            self.whereabouts.failed(&failure, turn);
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
                    drain.absorb_signalled(result, turn);
                }
            }
            LifecycleTransition::Launching => {
                if let Some(join) = &mut self.join {
                    join.absorb_signalled(result, turn);
                } else if let Some(signal) = &mut self.parting
                    && signal.absorb(result, turn)
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
            _ if self.exiting => self.gone = true,
            _ => {
                let draining = self.is_draining();
                self.exit(Note::Stopping { signal, draining }, turn);
            }
        }
    }

    pub(super) fn exit(&mut self, last_words: Note, turn: &mut Turn<'_>) {
        turn.say(last_words);
        self.exiting = true;
    }

    fn absorb_instance(&mut self, result: Result<Instance, Failure>, turn: &mut Turn<'_>) {
        match result {
            Ok(instance) => {
                turn.good();
                turn.seed = seed_of(&instance.instance_id);
                turn.say(Note::Watching {
                    instance: instance.clone(),
                });
                self.recall(&instance, turn);
                self.instance = Some(instance);
                self.metadata.ask(turn.now);
            }
            Err(failure) => {
                self.read_instance.back_off(&failure, turn);
                turn.bad(&failure, Duration::ZERO);
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
            self.written.has(&self.memory);
        }
        self.blank = self.memory.join.is_none()
            && self.started_at <= Moment::default() + JUST_BOOTED
            && self.is_old(instance, turn);
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
        let verified = self.memory.verified.as_ref().map(|arn| *arn == target.arn);
        // A change that an earlier process has sent may arrive after ours. It has sent none before it had
        // written down that the DRAINING is ours, nor before the ARN was verified, if it may look.
        let same = || self.memory.container_instance.as_ref() == Some(&target);
        let known = verified.unwrap_or_else(same);
        let drain = self.memory.drain.as_ref();
        let changed = known && drain.is_some_and(|drain| drain.ours);
        // Without a memory, this process may follow one whose memory was lost during a drain.
        let may_follow = changed || self.without_memory && drain.is_some();
        let until = self.started_at + turn.policy.aws.request_timeout;
        let resumed = (may_follow && until > turn.now).then_some(until);
        Registration::new(target, verified == Some(true), changed, resumed, turn.now)
    }

    fn is_now(&mut self, found: ContainerInstance, turn: &mut Turn<'_>) {
        let impostor = self.foreign.as_ref() == Some(&found.arn);
        if std::mem::replace(&mut self.impostor, impostor) && !impostor {
            // Its lists counted for nothing, and this machine's ECS agent answers again.
            self.tasks.was_another(turn.now);
            if let (true, Some(here)) = (self.drain.is_some(), &mut self.registration) {
                here.look_now(turn.now);
            }
        }
        if self.impostor || self.container_instance() == Some(&found) {
            return;
        }
        turn.say(Note::ContainerInstanceKnown(found.clone()));
        let new = self.register(found, turn);
        self.tasks.is_elsewhere();
        self.displaced = self.registration.replace(new);
        if let Some(other) = self.displaced.as_ref().filter(|other| other.is_foreign()) {
            self.foreign = Some(other.target.arn.clone());
        }
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

    /// AWS's clock is told to the second, so only a greater difference is news.
    fn learn_clock(&mut self, theirs: WallTime, turn: &mut Turn<'_>) {
        let news = |known: WallTime| known.0.abs_diff(theirs.0) > CLOCK_NEWS;
        if self.aws_at_boot.is_none_or(news) {
            let before = self.wall_at_boot();
            self.aws_at_boot = Some(theirs);
            turn.wall_at_boot = self.wall_at_boot();
            if turn.wall_at_boot != before {
                self.capacity.start_over();
            }
        }
    }

    fn absorb_metadata(&mut self, reading: MetadataReading, turn: &mut Turn<'_>) {
        if let Some(theirs) = reading.wall_at_boot {
            self.learn_clock(theirs, turn);
        }
        let before = self.metadata.target.clone();
        self.metadata.absorb(reading, turn);
        if self.metadata.target == before {
            return;
        }
        self.whereabouts = Whereabouts::new(turn.now);
        match &self.metadata.target {
            Some(TargetLifecycleState::InService) => {
                self.memory.was_in_service = true;
                self.leave_the_pool(turn.now);
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
    }
}
