//! Lets every part close the difference between what is wanted and what is believed.

use std::time::Duration;

use super::State;
use crate::drain::{Drain, World};
use crate::model::{Action, JoinTarget, Note};
use crate::turn::Turn;
use crate::wants::{Intent, Placement};

/// The longest time between two steps while something is decided.
const PULSE: Duration = Duration::from_secs(10);

impl State {
    pub(crate) fn advance(&mut self, turn: &mut Turn<'_>) {
        if self.exiting {
            return self.finish(turn);
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
        if self.instance.is_some() {
            self.written.advance(&self.memory, turn);
        }
        let remembered = self.written.is_safe(&self.memory, turn);
        self.tell(remembered, turn);
        self.place(remembered, turn);
        if let Some(signal) = self.parting.as_mut().filter(|_| remembered) {
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
        if self.drain.is_some() || self.join.is_some() {
            // Without a moment that is near, a pause could not be noticed.
            turn.reached(turn.now + PULSE);
        }
        self.leaves(turn);
    }

    /// Ends the process once what it has promised is on the disk.
    fn finish(&mut self, turn: &mut Turn<'_>) {
        self.memorize();
        let known = self.instance.is_some();
        if known {
            self.written.advance(&self.memory, turn);
        }
        self.gone |= !known || self.written.is_safe(&self.memory, turn);
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

    /// Starts the reads from this machine.
    fn read(&mut self, turn: &mut Turn<'_>) {
        let flying = turn.is_flying(|action| matches!(action, Action::ReadInstance));
        if self.instance.is_none() && !flying && self.read_instance.is_due(turn) {
            self.read_instance.sent();
            turn.send(Action::ReadInstance);
        }
        let on_demand = self.instance.as_ref().is_some_and(|known| known.on_demand);
        self.metadata.advance(on_demand, turn);
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
            .advance(self.registration.as_mut(), &mut self.leftovers.kinds, turn);
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
        if let Some((drain, world)) = self.drain_and_world() {
            drain.conclude(world, turn);
        }
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
        if let Some((drain, world)) = self.drain_and_world() {
            drain.tell(world, remembered, turn);
        }
    }

    /// The drain, and the parts of the state that it reads.
    fn drain_and_world(&mut self) -> Option<(&mut Drain, World<'_>)> {
        let world = World::of(
            &self.registration,
            &self.tasks,
            &self.leftovers.kinds,
            &self.identity,
            self.impostor,
        );
        self.drain.as_mut().map(|drain| (drain, world))
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
        let needs_prior = want == Placement::Draining && self.needs_prior();
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
