//! One drain: an episode with an identity. What latches, latches here: how it ended, the signal, the
//! completion. A task that appears revokes the end; nothing else does.

use std::time::Duration;

use ecs_lifecycle_config::{ExecutableFailure, ResultOnTimeout, SignalOnTimeout};

use crate::Policy;
use crate::executables::Executables;
use crate::hold::{Hold, Verdict};
use crate::leftovers::Leftovers;
use crate::model::{
    Action, ContainerInstance, Deadline, DeadlineSource, DrainFigures, DrainReason,
    ExecutableEvent, HookRef, LifecycleActionResult, LifecycleTransition, Limits, Moment, Note,
    Nothing, Outcome, RememberedDrain, SignalStatus,
};
use crate::registration::{Identity, Registration};
use crate::signal::Signal;
use crate::tasks::{Lacking, Tasks, is_fresh};
use crate::turn::Turn;

/// How long before the end of the hook's GlobalTimeout the drain has to be over.
pub const GLOBAL_TIMEOUT_MARGIN: Duration = Duration::from_secs(10);
/// How long the completion waits for the signal's answer.
const SIGNAL_HEAD_START: Duration = Duration::from_secs(1);
/// How old a look at ECS may be that a completion rests on.
const LOOK_LIMIT: Duration = Duration::from_secs(60);
/// A deadline that has passed while the process was away decides nothing before the world was looked at,
/// for so long.
const LOOK_GRACE: Duration = Duration::from_secs(30);
/// A drain that seems to be over at its deadline may take so long to be sure.
const CONFIRM_GRACE: Duration = Duration::from_secs(6);

/// How a drain ended, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Over {
    outcome: Outcome,
    at: Moment,
}

/// What a drain looks at.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    here: Option<&'a Registration>,
    tasks: &'a Tasks,
    leftovers: &'a Leftovers,
    identity: &'a Identity,
    /// What answers on the ECS agent's port is of another machine: nobody says who we are by now.
    impostor: bool,
}

impl<'a> World<'a> {
    pub(crate) fn of(
        here: &'a Option<Registration>,
        tasks: &'a Tasks,
        leftovers: &'a Leftovers,
        identity: &'a Identity,
        impostor: bool,
    ) -> Self {
        Self {
            here: here.as_ref(),
            tasks,
            leftovers,
            identity,
            impostor,
        }
    }

    fn container_instance(&self) -> Option<&'a ContainerInstance> {
        self.here.map(|here| &here.target)
    }

    fn lacking(&self, turn: &Turn<'_>) -> Option<Lacking> {
        let lacking = || {
            self.tasks
                .lacking(self.here, self.leftovers, turn.now, turn.policy)
        };
        self.impostor
            .then_some(Lacking::Introspection)
            .or_else(lacking)
    }

    /// Whether nothing is left, as this machine's own ECS agent shows.
    fn is_empty(&self, turn: &Turn<'_>) -> bool {
        let agreed = self.tasks.agreed_at(self.here);
        self.lacking(turn).is_none() && agreed.is_none_or(|at| self.identity.read_at >= Some(at))
    }

    /// Whether everything was looked at once.
    fn was_looked_at(&self) -> bool {
        self.tasks.answers > 0
            && self.identity.answers > 0
            && self
                .here
                .is_none_or(|here| here.view().is_some() || here.may_not_look())
    }
}

/// A drain in progress, or one that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Drain {
    /// Why.
    pub reason: DrainReason,
    /// Since when: before this process, where it was taken up again.
    pub started_at: Moment,
    /// Its lifecycle action, where the reason has one.
    pub hold: Hold,
    limits: Limits,
    leave_at: Option<Moment>,
    /// When this process took it up from an earlier one.
    resumed_at: Option<Moment>,
    nothing_ever_ran: bool,
    over: Option<Over>,
    /// How long it was over in vain.
    spent: Duration,
    report_at: Moment,
    before: Executables,
    after: Executables,
    signal: Option<Signal>,
    signalled: bool,
    told_at: Option<Moment>,
    counted: bool,
}

impl Drain {
    pub(crate) fn begin(
        reason: DrainReason,
        remembered: &RememberedDrain,
        started_into: bool,
        resumed: bool,
        nothing_ever_ran: bool,
        limits: Limits,
        turn: &Turn<'_>,
    ) -> Self {
        let mut hold = Hold::new(LifecycleTransition::Terminating, started_into, turn.now);
        if remembered.completed {
            hold.completion.close();
        }
        Self {
            reason,
            // A clock that was set back between two processes must not lengthen the drain.
            started_at: remembered.started_at.min(turn.now),
            hold,
            limits,
            leave_at: None,
            resumed_at: resumed.then_some(turn.now),
            nothing_ever_ran,
            over: remembered.outcome.map(|outcome| Over {
                outcome,
                at: turn.now,
            }),
            spent: remembered.spent,
            report_at: turn.now + turn.policy.drain.report_interval,
            before: Executables::of(ExecutableEvent::BeforeDrain, turn.now),
            after: Executables::of(ExecutableEvent::AfterDrain, turn.now),
            signal: None,
            signalled: remembered.signalled,
            told_at: None,
            counted: remembered.outcome.is_some(),
        }
    }

    /// The earliest of all deadlines.
    pub fn deadline(&self, policy: &Policy) -> Deadline {
        let own = self.reason.deadline(self.started_at, &self.limits, policy);
        let own = Deadline {
            at: own.at + self.spent,
            ..own
        };
        // The global clock starts at `Terminating:Wait`, which may be a little before we saw the target
        // state; and what is completed after its end is not completed by us.
        let global = self
            .has_action()
            .then(|| self.hold.search.found())
            .flatten()
            .and_then(|found| found.global_timeout)
            .map(|timeout| Deadline {
                at: self.started_at + (timeout - GLOBAL_TIMEOUT_MARGIN.min(timeout / 4)),
                source: DeadlineSource::GlobalTimeout,
            });
        let leave = self.leave_at.map(|at| Deadline {
            at,
            source: DeadlineSource::Shutdown,
        });
        self.limits
            .deadlines(self.started_at)
            .chain(global)
            .chain(leave)
            .fold(
                own,
                |first, other| if other.at < first.at { other } else { first },
            )
    }

    fn has_action(&self) -> bool {
        self.reason.has_lifecycle_action()
    }

    /// The hook that is ours to complete, once found.
    pub fn hook_ref(&self) -> Option<&HookRef> {
        self.hold.hook()
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.over.map(|over| over.outcome)
    }

    /// Whether all that follows from the end was told, or there is nothing to tell.
    pub fn is_told(&self) -> bool {
        self.told_at.is_some() && self.hold.is_closed() && self.signal.is_none()
    }

    /// Whether executables of the user's run, before or after it.
    pub fn runs_executables(&self) -> Option<ExecutableEvent> {
        if self.before.are_running() {
            Some(ExecutableEvent::BeforeDrain)
        } else if self.after.are_running() {
            Some(ExecutableEvent::AfterDrain)
        } else {
            None
        }
    }

    /// Whether it is over, with what the user wants run after it.
    pub fn is_over(&self) -> bool {
        self.over.is_some() && self.after.over().is_some()
    }

    /// Whether DRAINING may be asked for: what the user wants run before it has ended, or has had its time.
    pub(crate) fn may_place(&self) -> bool {
        self.before.over().is_some() || self.over.is_some()
    }

    /// The machine goes down at `moment`, whatever this drain has come to.
    pub(crate) fn leave_at(&mut self, moment: Option<Moment>) {
        self.leave_at = moment;
    }

    /// What of it is to be remembered.
    pub(crate) fn remember(&self, memory: &mut RememberedDrain) {
        memory.reason = self.reason.key();
        memory.started_at = self.started_at;
        memory.outcome = self.outcome();
        memory.spent = self.spent;
        memory.signalled = self.signalled;
        memory.completed = self.hold.is_closed() && self.has_action();
    }

    /// Takes in that the reason, or its limits, are others now. Returns whether the reason changed.
    pub(crate) fn change(
        &mut self,
        reason: DrainReason,
        limits: Limits,
        started_into: bool,
        tasks: &mut Tasks,
        turn: &mut Turn<'_>,
    ) -> bool {
        let supersedes = reason.supersedes(&self.reason);
        if !supersedes && limits == self.limits {
            return false;
        }
        self.limits = limits;
        if supersedes {
            // Another lifecycle action, or the first after a mere warning: with a deadline of its own.
            self.started_at = turn.now;
            self.spent = Duration::ZERO;
            self.reason = reason;
            self.hold = Hold::new(LifecycleTransition::Terminating, started_into, turn.now);
            self.resumed_at = None;
            if self.over.take().is_some() {
                self.after.give_up(turn);
                self.after = Executables::of(ExecutableEvent::AfterDrain, turn.now);
                tasks.look_again(turn.now);
            }
            (self.signal, self.signalled, self.told_at, self.counted) = (None, false, None, false);
        }
        let deadline = self.deadline(turn.policy);
        turn.say(Note::DrainChanged {
            reason: self.reason.clone(),
            deadline,
            in_: deadline.at.since(turn.now),
        });
        supersedes
    }

    /// Takes in how the executables of `event` went.
    pub(crate) fn absorb_executables(
        &mut self,
        event: ExecutableEvent,
        result: Result<crate::model::ExecutablesReport, crate::model::Failure>,
        turn: &mut Turn<'_>,
    ) {
        match event {
            ExecutableEvent::BeforeDrain => self.before.absorb(result, false, turn),
            ExecutableEvent::AfterDrain => self.after.absorb(result, false, turn),
            ExecutableEvent::Ready => {}
        }
    }

    /// Takes in how the signal went.
    pub(crate) fn absorb_signalled(
        &mut self,
        result: crate::hold::Told,
        action: &Action,
        turn: &mut Turn<'_>,
    ) {
        self.signalled |= result.is_ok();
        if let Some(signal) = &mut self.signal
            && signal.absorb(result, action, turn)
        {
            self.signal = None;
            self.signalled = true;
        }
    }

    /// Ends what it has started beside the loop.
    pub(crate) fn end(&mut self, turn: &mut Turn<'_>) {
        self.before.give_up(turn);
        self.after.give_up(turn);
    }

    /// Finds out whether it is over, and runs what the user wants run around it.
    pub(crate) fn conclude(&mut self, world: World<'_>, turn: &mut Turn<'_>) {
        self.reopen(world, turn);
        let deadline = self.deadline(turn.policy);
        if self.over.is_none() {
            self.over = self.find_over(world, deadline, turn);
        }
        self.run_executables(world, deadline, turn);
        if self.over.is_none() {
            self.report(world, deadline, turn);
        }
    }

    /// Holds the lifecycle action, and tells of the end once it is `remembered`: written down, or the disk
    /// has had its time.
    pub(crate) fn tell(&mut self, world: World<'_>, remembered: bool, turn: &mut Turn<'_>) {
        let verdict = if remembered {
            self.verdict(world, turn)
        } else {
            Verdict::NotYet
        };
        if remembered {
            self.signal(turn);
        }
        let holding = self.may_hold(self.deadline(turn.policy), turn);
        if self.has_action() {
            self.hold.advance(self.started_at, holding, verdict, turn);
        } else if self.told_at.is_some() && !self.hold.is_closed() {
            self.hold.advance(
                self.started_at,
                false,
                Verdict::Never(Nothing::NoAction),
                turn,
            );
        }
    }

    /// A task that appears after all, and is waited for, revokes the end: the drain goes on.
    fn reopen(&mut self, world: World<'_>, turn: &mut Turn<'_>) {
        let Some(over) = self.over.filter(|over| over.outcome.in_time()) else {
            return;
        };
        if self.hold.is_closed() || !world.tasks.waits(world.leftovers, turn.policy) {
            return;
        }
        self.spent += turn.now.since(over.at);
        self.over = None;
        self.told_at = None;
        // What was sent may have been taken: nothing else is signalled then.
        self.signalled |= self.signal.take().is_some_and(|signal| signal.was_sent());
        self.after.give_up(turn);
        self.after = Executables::of(ExecutableEvent::AfterDrain, turn.now);
        turn.say(Note::DrainReopened {
            reason: self.reason.clone(),
            tasks: world.tasks.waited_for(world.leftovers, turn.policy),
        });
    }

    /// Whether it has ended by now, and how.
    fn find_over(
        &mut self,
        world: World<'_>,
        deadline: Deadline,
        turn: &mut Turn<'_>,
    ) -> Option<Over> {
        let empty = self.nothing_ran(world, turn) || world.is_empty(turn);
        let outcome = if empty && self.before.over().is_some() {
            Outcome::Drained
        } else if turn.reached(deadline.at) && self.may_time_out(world, deadline, turn) {
            Outcome::TimedOut
        } else {
            return None;
        };
        let took = turn.now.since(self.started_at);
        turn.say(Note::DrainOver {
            outcome,
            took,
            left: world.tasks.waited_for(world.leftovers, turn.policy),
            deadline,
        });
        if turn.policy.metrics.emf_endpoint.is_some() && !std::mem::replace(&mut self.counted, true)
        {
            turn.send(Action::SendMetrics(DrainFigures {
                cluster: world
                    .container_instance()
                    .map(|known| known.cluster.clone()),
                reason: self.reason.clone(),
                outcome,
                took,
                tasks: world.tasks.most(),
            }));
        }
        Some(Over {
            outcome,
            at: turn.now,
        })
    }

    /// An instance that has never left the pool, and whose ECS agent does not register: it waits there.
    fn nothing_ran(&self, world: World<'_>, turn: &mut Turn<'_>) -> bool {
        self.nothing_ever_ran
            && world.here.is_none()
            && world.identity.answers > 0
            && turn.reached(self.started_at + turn.policy.ecs.introspection_grace)
    }

    /// Where nothing seems to be left, what is still to be confirmed is waited for a little longer. And a
    /// deadline that has passed while the process was away waits until the world was looked at once.
    fn may_time_out(&self, world: World<'_>, deadline: Deadline, turn: &mut Turn<'_>) -> bool {
        // Where nothing is lacking, only who we are has yet to be read.
        let confirming = match world.lacking(turn) {
            Some(Lacking::Tasks | Lacking::Vanished) => false,
            Some(Lacking::Introspection) => world.tasks.were_read(),
            None
            | Some(
                Lacking::SecondRead
                | Lacking::Agreement(_)
                | Lacking::List(_)
                | Lacking::LastRead(_)
                | Lacking::ApiSettle
                | Lacking::Placement,
            ) => true,
        } && world.here.is_some()
            && !world.tasks.waits(world.leftovers, turn.policy);
        // Where a task is seen to run, no look could say otherwise.
        let runs = world.tasks.waits(world.leftovers, turn.policy)
            && !world.leftovers.may_ignore(turn.policy);
        let looked = match self.resumed_at {
            Some(at) if !runs && !world.was_looked_at() => at + LOOK_GRACE,
            _ => deadline.at,
        };
        let confirmed = deadline.at
            + if confirming {
                CONFIRM_GRACE
            } else {
                Duration::ZERO
            };
        turn.reached(looked.max(confirmed))
    }

    fn run_executables(&mut self, world: World<'_>, deadline: Deadline, turn: &mut Turn<'_>) {
        let facts = |reason: &DrainReason, outcome| {
            reason.facts(world.container_instance(), deadline, outcome)
        };
        let Some(over) = self.over else {
            self.before.advance(|| facts(&self.reason, None), turn);
            return;
        };
        self.before.give_up(turn);
        if self.after.over().is_none() {
            self.after
                .advance(|| facts(&self.reason, Some(over.outcome.as_str())), turn);
            return;
        }
        let failed = self.after.over() == Some(false) || self.before.over() == Some(false);
        if failed && over.outcome == Outcome::Drained {
            match turn.policy.executables.on_failure {
                ExecutableFailure::Ignore => {}
                ExecutableFailure::Fail => {
                    self.over = Some(Over {
                        outcome: Outcome::ExecutableFailed,
                        ..over
                    });
                }
            }
        }
    }

    /// What becomes of the lifecycle action now.
    fn verdict(&mut self, world: World<'_>, turn: &mut Turn<'_>) -> Verdict {
        let Some(over) = self.over.filter(|_| self.after.over().is_some()) else {
            return Verdict::NotYet;
        };
        let told_at = *self.told_at.get_or_insert(turn.now);
        if over.outcome == Outcome::Drained {
            return if self.may_continue(world, told_at, turn) {
                Verdict::Send(LifecycleActionResult::Continue)
            } else {
                Verdict::NotYet
            };
        }
        if !self.signal_had_its_time(told_at, turn) {
            return Verdict::NotYet;
        }
        match turn.policy.drain.result_on_timeout {
            ResultOnTimeout::Continue => Verdict::Send(LifecycleActionResult::Continue),
            ResultOnTimeout::Abandon => Verdict::Send(LifecycleActionResult::Abandon),
            ResultOnTimeout::None => Verdict::Never(Nothing::LeftToTheHook),
        }
    }

    fn signal_had_its_time(&self, told_at: Moment, turn: &mut Turn<'_>) -> bool {
        self.signal_to_send(turn.policy).is_none() || turn.reached(told_at + SIGNAL_HEAD_START)
    }

    /// `CONTINUE` says that nothing runs here: true of the moment that it is sent at.
    fn may_continue(&self, world: World<'_>, told_at: Moment, turn: &mut Turn<'_>) -> bool {
        if !self.signal_had_its_time(told_at, turn) || !self.hold.completion.is_due(turn) {
            return false;
        }
        if self.nothing_ran(world, turn) {
            return true;
        }
        if world.here.is_some_and(|here| here.may_be_reopened(turn)) {
            return false;
        }
        let fresh = self.is_fresh(world, turn);
        // Past the deadline missing evidence revokes nothing.
        let deadline = self.deadline(turn.policy).at;
        let grace = self.resumed_at.map_or(deadline, |at| deadline.max(at)) + LOOK_GRACE;
        let missing = world.tasks.is_away() || world.here.is_none_or(Registration::looks_fail);
        fresh || missing && turn.reached(grace) && !world.tasks.waits(world.leftovers, turn.policy)
    }

    /// Whether what is seen is of now: nothing here a moment ago, and ECS places nothing. Every try follows
    /// local reads of its own, of what runs and of who we are.
    fn is_fresh(&self, world: World<'_>, turn: &Turn<'_>) -> bool {
        let Some(from) = self.reads_from(world.here) else {
            return false;
        };
        let local = world.tasks.source() == crate::tasks::Source::Api
            || world.identity.read_at.is_some_and(|at| at >= from);
        let closed = world.here.is_some_and(|here| {
            here.is_closed()
                && !here.is_foreign()
                && !here.is_looking()
                && is_fresh(here.sure_view(), LOOK_LIMIT, turn.now)
        });
        world.tasks.nothing_since(from, turn) && local && closed && !world.impostor
    }

    /// From when on the local reads have to be that the next completion rests on: what ECS has placed before it
    /// was asked may have arrived since.
    fn reads_from(&self, here: Option<&Registration>) -> Option<Moment> {
        let seen = here.and_then(Registration::sure_view).map(|seen| seen.sent);
        let completion = &self.hold.completion;
        completion.due().max(completion.refused_at()).max(seen)
    }

    /// From when on a look at ECS has to be, for the completion that is due.
    pub(crate) fn wants_look(&self, turn: &mut Turn<'_>) -> Option<Moment> {
        self.completes(turn).then(|| turn.now - LOOK_LIMIT)
    }

    /// From when on local reads have to be, for the completion that is due.
    pub(crate) fn wants_reads(
        &self,
        here: Option<&Registration>,
        turn: &mut Turn<'_>,
    ) -> Option<Moment> {
        let drained = self.outcome() == Some(Outcome::Drained);
        (drained && self.completes(turn))
            .then(|| self.reads_from(here))
            .flatten()
    }

    /// Whether a completion is due.
    fn completes(&self, turn: &mut Turn<'_>) -> bool {
        self.told_at.is_some() && self.has_action() && self.hold.completion.is_due(turn)
    }

    /// Whether a heartbeat may be sent: until the deadline; past it only for executables, and for a
    /// completion that is not accepted yet, for one more HeartbeatTimeout.
    fn may_hold(&self, deadline: Deadline, turn: &mut Turn<'_>) -> bool {
        if !turn.reached(deadline.at) {
            return true;
        }
        if self.hold.heartbeat.is_denied() || self.hold.completion.is_denied() {
            return false;
        }
        let late = self.over.is_none_or(|over| !over.outcome.in_time());
        if late && turn.policy.drain.result_on_timeout == ResultOnTimeout::None {
            return false;
        }
        if self.after.are_running() {
            return true;
        }
        let timeout = self
            .hold
            .search
            .found()
            .map_or(Duration::ZERO, |found| found.heartbeat_timeout);
        let from = self.told_at.unwrap_or(turn.now).max(deadline.at);
        !turn.reached(from + timeout)
    }

    fn signal_to_send(&self, policy: &Policy) -> Option<SignalStatus> {
        let over = self.over?;
        let status = match policy.cloudformation.signal_on_timeout {
            _ if over.outcome == Outcome::Drained => SignalStatus::Success,
            SignalOnTimeout::Success => SignalStatus::Success,
            SignalOnTimeout::Failure => SignalStatus::Failure,
            SignalOnTimeout::None => return None,
        };
        // A Spot notice and the warm pool are no business of a stack that waits for a termination.
        let wanted = matches!(self.reason, DrainReason::Terminated(_))
            && policy.cloudformation.signal_drained
            && policy.cloudformation.resource.is_some()
            && !self.signalled;
        wanted.then_some(status)
    }

    fn signal(&mut self, turn: &mut Turn<'_>) {
        let Some(told_at) = self.told_at else { return };
        if self.signal.is_none()
            && let Some(status) = self.signal_to_send(turn.policy)
            && let Some(target) = turn.policy.cloudformation.resource.clone()
        {
            let transition = LifecycleTransition::Terminating;
            self.signal = Some(Signal::new(target, status, transition, told_at));
        }
        if let Some(signal) = &mut self.signal {
            signal.advance(turn);
        }
    }

    fn report(&mut self, world: World<'_>, deadline: Deadline, turn: &mut Turn<'_>) {
        if turn.is_flying(|action| matches!(action, Action::ReadTasks { .. }))
            || !turn.reached(self.report_at)
        {
            return;
        }
        self.report_at = turn.now + turn.policy.drain.report_interval;
        turn.reached(self.report_at);
        let why = if self.before.are_running() {
            "for the executables of before-drain"
        } else if world.here.is_none_or(Registration::is_unknown) {
            "for the ECS agent to tell which container instance this is"
        } else if world.here.is_none_or(|here| !here.is_closed()) {
            "for ECS to accept DRAINING"
        } else {
            world.tasks.waits_for(world.lacking(turn))
        };
        turn.say(Note::Waiting {
            tasks: world.tasks.waited_for(world.leftovers, turn.policy),
            why,
            deadline,
            in_: deadline.at.since(turn.now),
        });
    }
}
