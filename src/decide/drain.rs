//! One drain, from its reason to its completion. It remembers how it ended, whether it has signalled, and
//! whether it has completed the lifecycle action. Only a task that appears can revoke the end of a drain.

use std::time::Duration;

use ecs_lifecycle_config::{ExecutableFailure, ResultOnTimeout, SignalOnTimeout, StandaloneTasks};

use crate::Policy;
use crate::executables::Executables;
use crate::hold::{Hold, Verdict};
use crate::kinds::{Kinds, may_ignore};
use crate::model::{
    Action, ContainerInstance, Deadline, DeadlineSource, DrainFigures, DrainReason,
    ExecutableEvent, ExecutableFacts, HookRef, LifecycleActionResult, LifecycleTransition, Limits,
    Moment, Note, Nothing, Outcome, RememberedDrain, SignalStatus,
};
use crate::registration::{Identity, Registration};
use crate::signal::Signal;
use crate::tasks::{Lacking, Tasks, is_fresh};
use crate::turn::Turn;

/// How long before the end of the hook's GlobalTimeout the drain has to be over.
const GLOBAL_TIMEOUT_MARGIN: Duration = Duration::from_secs(10);

/// How long a drain or a join can take before a hook with this GlobalTimeout ends it.
pub fn within_global_timeout(timeout: Duration) -> Duration {
    timeout.saturating_sub(GLOBAL_TIMEOUT_MARGIN.min(timeout / 4))
}

/// How long the completion waits for the signal's answer.
const SIGNAL_HEAD_START: Duration = Duration::from_secs(1);
/// The maximum age of the look at ECS that a completion relies on.
const LOOK_LIMIT: Duration = Duration::from_secs(60);
/// A look at ECS that is not older than this serves as the one at the deadline.
const LAST_LOOK: Duration = Duration::from_secs(10);
/// If the deadline has passed while the process was not running, the drain waits this long for a first look
/// at the tasks and at ECS before it times out.
const LOOK_GRACE: Duration = Duration::from_secs(30);
/// A drain that seems to be over at its deadline gets this long to confirm it.
const CONFIRM_GRACE: Duration = Duration::from_secs(6);

/// How a drain ended, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Over {
    outcome: Outcome,
    at: Moment,
}

/// The parts of the state that a drain reads.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    here: Option<&'a Registration>,
    tasks: &'a Tasks,
    kinds: &'a Kinds,
    identity: &'a Identity,
    /// Another machine's ECS agent answers on the port, so the identity of this one is unknown.
    impostor: bool,
}

impl<'a> World<'a> {
    pub(crate) fn of(
        here: &'a Option<Registration>,
        tasks: &'a Tasks,
        kinds: &'a Kinds,
        identity: &'a Identity,
        impostor: bool,
    ) -> Self {
        Self {
            here: here.as_ref(),
            tasks,
            kinds,
            identity,
            impostor,
        }
    }

    fn container_instance(&self) -> Option<&'a ContainerInstance> {
        self.here.map(|here| &here.target)
    }

    fn lacking(&self, turn: &Turn<'_>) -> Option<Lacking> {
        if self.impostor {
            return Some(Lacking::Introspection);
        }
        self.tasks
            .lacking(self.here, self.kinds, turn.now, turn.policy)
    }

    /// Whether nothing is left, as the ECS agent of this machine shows.
    fn is_empty(&self, turn: &Turn<'_>) -> bool {
        let agreed = self.tasks.agreed_at(self.here);
        self.lacking(turn).is_none() && agreed.is_none_or(|at| self.identity.read_at >= Some(at))
    }

    /// Whether the tasks, the identity and ECS were each looked at once, since `from`.
    fn was_looked_at(&self, from: Option<Moment>) -> bool {
        let seen = |at: Option<Moment>| at.is_some() && at >= from;
        let looked =
            |here: &Registration| seen(here.view().map(|view| view.sent)) || here.may_not_look();
        seen(self.tasks.answered) && seen(self.identity.answered) && self.here.is_none_or(looked)
    }
}

/// A drain in progress, or one that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Drain {
    /// Why.
    pub reason: DrainReason,
    /// When it began. This can be before the start of this process.
    pub started_at: Moment,
    /// Its lifecycle action, where the reason has one.
    pub hold: Hold,
    limits: Limits,
    leave_at: Option<Moment>,
    /// When this process resumed it, if an earlier process began it.
    resumed_at: Option<Moment>,
    /// When the process went on after it had stood still. What was known before is out of date.
    woken_at: Option<Moment>,
    nothing_ever_ran: bool,
    over: Option<Over>,
    /// How long it was over before a task appeared. This time does not count towards the deadline.
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
        since: Option<Moment>,
        resumed: bool,
        nothing_ever_ran: bool,
        limits: Limits,
        turn: &Turn<'_>,
    ) -> Self {
        let mut hold = Hold::new(LifecycleTransition::Terminating, since, turn.now);
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
            woken_at: None,
            nothing_ever_ran,
            over: remembered.outcome.map(|outcome| Over {
                outcome,
                at: remembered.over_at.unwrap_or(turn.now),
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
        self.ends(policy).0
    }

    /// From when on standalone tasks are stopped, where the policy says so.
    pub(crate) fn stops_from(&self, policy: &Policy) -> Option<Moment> {
        self.ends(policy).1
    }

    /// When the drain stops waiting, and from when on it stops standalone tasks. Heartbeats, the end of the
    /// drain and what a person is shown follow from it.
    fn ends(&self, policy: &Policy) -> (Deadline, Option<Moment>) {
        let own = self.reason.deadline(self.started_at, &self.limits, policy);
        let own = Deadline {
            at: own.at + self.spent,
            ..own
        };
        let global = self.before_global_timeout().map(|at| Deadline {
            at,
            source: DeadlineSource::GlobalTimeout,
        });
        let leave = self.leave_at.map(|at| Deadline {
            at,
            source: DeadlineSource::Shutdown,
        });
        let earliest = |first: Deadline, other: Deadline| {
            if other.at < first.at { other } else { first }
        };
        let limits = self.limits.deadlines(self.started_at);
        let deadline = limits.chain(global).chain(leave).fold(own, earliest);
        match policy.drain.standalone_tasks {
            StandaloneTasks::Stop => {
                let from = self.started_at + policy.drain.standalone_stop_after;
                (deadline, Some(from))
            }
            StandaloneTasks::Wait | StandaloneTasks::Ignore => (deadline, None),
        }
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

    /// The last moment for a decision before GlobalTimeout. It counts from `Terminating:Wait`, which can begin a little
    /// before the agent sees the target state. A completion that is sent after GlobalTimeout has no effect.
    fn before_global_timeout(&self) -> Option<Moment> {
        let found = self.hold.search.found().filter(|_| self.has_action())?;
        let timeout = found.global_timeout?;
        Some(self.started_at + within_global_timeout(timeout))
    }

    /// Whether the signal and the completion are done, or are not needed.
    pub fn is_told(&self) -> bool {
        self.told_at.is_some() && self.hold.is_closed() && self.signal.is_none()
    }

    /// Which of the user's executables are running: those before the drain or those after it.
    pub fn runs_executables(&self) -> Option<ExecutableEvent> {
        if self.before.are_running() {
            Some(ExecutableEvent::BeforeDrain)
        } else if self.after.are_running() {
            Some(ExecutableEvent::AfterDrain)
        } else {
            None
        }
    }

    /// Whether an earlier process began it.
    pub(crate) fn is_resumed(&self) -> bool {
        self.resumed_at.is_some()
    }

    /// Whether it is over, including the executables of `after-drain`.
    pub fn is_over(&self) -> bool {
        self.over.is_some() && self.after.over().is_some()
    }

    /// Whether DRAINING may be set: the executables of `before-drain` have ended, or the drain is over.
    pub(crate) fn may_place(&self) -> bool {
        self.before.over().is_some() || self.over.is_some()
    }

    /// Until when no process, or one that stood still, went on with it.
    fn away_until(&self) -> Option<Moment> {
        self.resumed_at.max(self.woken_at)
    }

    /// The process has stood still until now.
    pub(crate) fn woken(&mut self, now: Moment) {
        self.woken_at = Some(now);
    }

    /// The machine goes down at `moment`, even if the drain is not over by then.
    pub(crate) fn leave_at(&mut self, moment: Option<Moment>) {
        self.leave_at = moment;
    }

    /// Writes what a restart needs into `memory`.
    pub(crate) fn remember(&self, memory: &mut RememberedDrain) {
        memory.reason = self.reason.key();
        memory.started_at = self.started_at;
        memory.outcome = self.outcome();
        memory.over_at = self.over.map(|over| over.at);
        memory.spent = self.spent;
        memory.signalled = self.signalled;
        memory.completed = self.hold.is_closed() && self.has_action();
    }

    /// Takes over a new reason or new limits. Returns whether this is another drain now.
    pub(crate) fn change(
        &mut self,
        reason: DrainReason,
        limits: Limits,
        since: Option<Moment>,
        tasks: &mut Tasks,
        turn: &mut Turn<'_>,
    ) -> bool {
        let supersedes = reason.supersedes(&self.reason);
        if reason == self.reason && limits == self.limits {
            return false;
        }
        self.limits = limits;
        if supersedes {
            // This is another lifecycle action, or the first one after a warning. It has its own deadline.
            self.started_at = turn.now;
            self.spent = Duration::ZERO;
            let known = self.hold.remembered();
            self.hold = Hold::new(LifecycleTransition::Terminating, since, turn.now);
            self.hold.adopt(known.as_ref(), turn);
            self.resumed_at = None;
            if self.over.is_some() {
                self.go_on(turn);
                tasks.look_again(turn.now);
            }
            (self.signal, self.signalled, self.counted) = (None, false, false);
        } else if reason == DrainReason::ByHand && reason != self.reason {
            // A person is given the time that they have asked for.
            (self.started_at, self.spent) = (turn.now, Duration::ZERO);
        }
        self.reason = reason;
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
    pub(crate) fn absorb_signalled(&mut self, result: crate::hold::Told, turn: &mut Turn<'_>) {
        self.signalled |= result.is_ok();
        if let Some(signal) = &mut self.signal
            && signal.absorb(result, turn)
        {
            self.signal = None;
            self.signalled = true;
        }
    }

    /// Cancels the executables that are still running.
    pub(crate) fn end(&mut self, turn: &mut Turn<'_>) {
        self.before.give_up(turn);
        self.after.give_up(turn);
    }

    /// Finds out whether it is over, and runs the user's executables before and after it.
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

    /// Sends heartbeats. Signals and completes once the end of the drain is `remembered`: it is written to
    /// disk, or the time for that is up.
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

    /// It is not over any more.
    fn go_on(&mut self, turn: &mut Turn<'_>) {
        (self.over, self.told_at) = (None, None);
        self.after.give_up(turn);
        self.after = Executables::of(ExecutableEvent::AfterDrain, turn.now);
    }

    /// A person asks for it once more, with another deadline.
    pub(crate) fn ask_again(&mut self, now: Moment) {
        (self.started_at, self.spent) = (now, Duration::ZERO);
    }

    /// If a task appears that the drain has to wait for, or the deadline that has passed was put off, the drain
    /// continues.
    fn reopen(&mut self, world: World<'_>, turn: &mut Turn<'_>) {
        let Some(over) = self.over else { return };
        if self.hold.is_closed() && self.has_action() {
            return;
        }
        if over.outcome.in_time() {
            if self.hold.is_closed() || !world.tasks.waits(world.kinds, turn.policy) {
                return;
            }
            self.spent += turn.now.since(over.at);
            turn.say(Note::DrainReopened {
                reason: self.reason.clone(),
                tasks: world.tasks.waited_for(world.kinds, turn.policy),
            });
        } else {
            // What an earlier process has decided stays decided.
            let ours = self.resumed_at.is_none_or(|at| over.at >= at);
            let completing = turn.is_flying(|action| matches!(action, Action::Complete { .. }));
            if !ours || completing || turn.reached(self.deadline(turn.policy).at) {
                return;
            }
        }
        self.go_on(turn);
        // CloudFormation may have accepted the signal that was sent, so no other one is sent.
        self.signalled |= self.signal.take().is_some_and(|signal| signal.was_sent());
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
            left: world.tasks.waited_for(world.kinds, turn.policy),
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

    /// Whether the instance has never left the warm pool. Its ECS agent does not register there.
    fn nothing_ran(&self, world: World<'_>, turn: &mut Turn<'_>) -> bool {
        self.nothing_ever_ran
            && world.here.is_none()
            && world.identity.answered.is_some()
            && turn.reached(self.started_at + turn.policy.ecs.introspection_grace)
    }

    /// If no task seems to be left, the drain waits a little longer for the confirmation. If the deadline has
    /// passed while the process was not running, it waits for a first look at the tasks and at ECS, and for the
    /// confirmation.
    fn may_time_out(&self, world: World<'_>, deadline: Deadline, turn: &mut Turn<'_>) -> bool {
        let waits = world.tasks.waits(world.kinds, turn.policy);
        // Nothing is left to wait for, but that has not been confirmed yet.
        let confirming = world.here.is_some()
            && !waits
            && (world.tasks.were_read() || world.lacking(turn) != Some(Lacking::Introspection));
        let runs = self.surely_runs(world, turn);
        let looked = match self.away_until() {
            Some(at) if !runs && (confirming || !world.was_looked_at(self.woken_at)) => {
                at + LOOK_GRACE
            }
            _ => deadline.at,
        };
        let confirmed = if confirming {
            deadline.at + CONFIRM_GRACE
        } else {
            deadline.at
        };
        let until = looked.max(confirmed);
        let latest = self
            .before_global_timeout()
            .map(|at| at.max(self.woken_at.unwrap_or(at)) + CONFIRM_GRACE);
        turn.reached(latest.map_or(until, |latest| until.min(latest)))
    }

    /// Whether a task was seen to run. Then no further look can change the result.
    fn surely_runs(&self, world: World<'_>, turn: &Turn<'_>) -> bool {
        world.tasks.runs(world.kinds, turn.policy)
            && world.tasks.answered >= self.woken_at
            && !may_ignore(turn.policy)
    }

    fn run_executables(&mut self, world: World<'_>, deadline: Deadline, turn: &mut Turn<'_>) {
        let facts = |reason: &DrainReason, outcome| ExecutableFacts {
            container_instance: world.container_instance().cloned(),
            reason: reason.to_string(),
            deadline: deadline.at,
            outcome,
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

    /// Decides whether the lifecycle action is completed now, and with which result.
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
        // An earlier process may have decided it, but the world may have changed since.
        let looked = self.surely_runs(world, turn) || world.was_looked_at(self.woken_at);
        let unseen = self
            .away_until()
            .is_some_and(|at| !looked && !turn.reached(at + LOOK_GRACE));
        if unseen || !self.signal_had_its_time(told_at, turn) {
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

    /// `CONTINUE` says that no task runs here. This has to be true at the moment it is sent.
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
        // After the deadline, missing evidence does not revoke that the instance is drained.
        let deadline = self.deadline(turn.policy).at;
        let grace = self.away_until().map_or(deadline, |at| deadline.max(at)) + LOOK_GRACE;
        let late = turn.reached(grace) && !world.tasks.waits(world.kinds, turn.policy);
        let no_reads = world.tasks.is_away() || world.impostor;
        let no_look = world
            .here
            .is_none_or(|here| here.looks_fail() || here.is_missing());
        (self.reads_are_fresh(world, turn) || late && no_reads)
            && (Self::look_is_fresh(world, turn) || late && no_look)
    }

    /// Whether no task ran here a moment ago. Each attempt to complete needs new local reads of the tasks and of the
    /// identity.
    fn reads_are_fresh(&self, world: World<'_>, turn: &Turn<'_>) -> bool {
        let Some(from) = self.reads_from(world.here) else {
            return false;
        };
        let local = world.tasks.source() == crate::tasks::Source::Api
            || world.identity.read_at.is_some_and(|at| at >= from);
        world.tasks.nothing_since(from, turn) && local && !world.impostor
    }

    /// Whether ECS has shown lately that it places no task.
    fn look_is_fresh(world: World<'_>, turn: &Turn<'_>) -> bool {
        world.here.is_some_and(|here| {
            here.is_closed()
                && !here.is_foreign()
                && !here.is_looking()
                && is_fresh(here.sure_view(), LOOK_LIMIT, turn.now)
        })
    }

    /// The local reads for the next completion must not be older than this. A task that ECS placed before the
    /// last look at ECS can arrive after it.
    fn reads_from(&self, here: Option<&Registration>) -> Option<Moment> {
        let seen = here.and_then(Registration::sure_view).map(|seen| seen.sent);
        let completion = &self.hold.completion;
        completion.due().max(completion.refused_at()).max(seen)
    }

    /// The look at ECS for the completion that is due must not be older than this. If the deadline came first, the
    /// instance may live on with tasks, so ECS is looked at once more.
    pub(crate) fn wants_look(&self, turn: &mut Turn<'_>) -> Option<Moment> {
        let late = self.over.filter(|over| !over.outcome.in_time());
        let completes = self.completes(turn).then(|| turn.now - LOOK_LIMIT);
        completes.max(late.map(|over| over.at - LAST_LOOK))
    }

    /// The local reads for the completion that is due must not be older than this.
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

    /// Whether heartbeats may be sent. After the deadline they are sent only while executables run, or for
    /// one more HeartbeatTimeout while the completion is not accepted yet.
    fn may_hold(&self, deadline: Deadline, turn: &mut Turn<'_>) -> bool {
        if !turn.reached(deadline.at) {
            return true;
        }
        if self.hold.heartbeat.is_denied() || self.hold.completion.is_denied() {
            return false;
        }
        let late = self.over.is_none_or(|over| !over.outcome.in_time());
        match turn.policy.drain.result_on_timeout {
            ResultOnTimeout::None if late => return false,
            ResultOnTimeout::None | ResultOnTimeout::Continue | ResultOnTimeout::Abandon => {}
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
        // The stack waits for a termination. It gets no signal for a Spot interruption or the warm pool.
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
            tasks: world.tasks.waited_for(world.kinds, turn.policy),
            why,
            deadline,
            in_: deadline.at.since(turn.now),
        });
    }
}
