//! One join: a new instance becomes a member of its cluster.
//!
//! *membership*: the ECS agent has an ARN, ECS shows it ACTIVE with the agent connected, and every executable
//! of `ready.d` succeeds, in this order. *hold*: the launching action, kept waiting meanwhile. *stack*: which
//! resource waits for a signal? At the end, which is the deadline at the latest, the world is told once.
//!
//! An instance on its way into the warm pool has nothing to join: its ECS agent waits there. Its launching
//! action is completed all the same, as nobody else would.

use std::time::Duration;

use ecs_lifecycle_config::StackResource;

use crate::Policy;
use crate::executables::Executables;
use crate::hold::{Hold, Told, Verdict};
use crate::model::{
    Action, ContainerInstanceStatus, ExecutableEvent, ExecutableFacts, ExecutablesReport, Failure,
    JoinOutcome, JoinTarget, LifecycleActionResult, LifecycleTransition, Moment, Note,
    RememberedJoin, SignalStatus,
};
use crate::pace::{Pace, jitter};
use crate::registration::Registration;
use crate::signal::Signal;
use crate::turn::Turn;

/// ECS is asked no less often than this.
const SLOWEST_LOOK: Duration = Duration::from_secs(30);
/// How long the end of a join waits to learn which stack it is of.
const STACK_PATIENCE: Duration = Duration::from_secs(30);
/// How long the signal waits for the completion: a stack that hears of the new instance may take the old one
/// away, and the group should have counted the new one by then.
const COMPLETION_HEAD_START: Duration = Duration::from_secs(30);
/// A deadline that has passed while the process was away waits so long for a look at the world.
const LOOK_GRACE: Duration = Duration::from_secs(60);
/// The time for one more look before a join times out, also if ECS is in trouble just then.
const LAST_LOOK: Duration = Duration::from_secs(30);
/// The time for the executables of an instance that such a look has shown to be a member.
const LAST_STEPS: Duration = Duration::from_secs(10);
/// The second of these looks comes so long after the first.
const SECOND_LAST_LOOK: Duration = Duration::from_secs(8);

/// Which resource of the stack waits for a signal.
#[derive(Clone, Debug, PartialEq)]
enum Stack {
    Finding(Pace),
    Known(Option<StackResource>),
}

/// A join in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// Where to, since when.
    pub(crate) remembered: RememberedJoin,
    /// Since when it goes on in this process: what ECS has shown before that says nothing of it.
    began: Moment,
    /// The launching action.
    pub hold: Hold,
    looks: u32,
    /// When the last look was asked for that showed no member.
    looked_at: Option<Moment>,
    /// How many looks were asked for at the deadline.
    last_looks: u32,
    ready: Executables,
    failed_command: Option<String>,
    stack: Stack,
    report_at: Moment,
    resumed_at: Option<Moment>,
    over: Option<(JoinOutcome, Moment)>,
    signal: Option<Signal>,
    signalled: bool,
}

impl Join {
    pub(crate) fn begin(remembered: RememberedJoin, turn: &Turn<'_>) -> Self {
        let configured = turn.policy.cloudformation.resource.clone();
        let signals = remembered.into == JoinTarget::Service && !remembered.signalled;
        let stack = match configured {
            _ if !signals => Stack::Known(None),
            Some(resource) => Stack::Known(Some(resource)),
            None => Stack::Finding(Pace::at(turn.now)),
        };
        let resumed = remembered.started_at < turn.now;
        Self {
            // It may have waited since the launch, and a boot takes long.
            hold: Hold::new(LifecycleTransition::Launching, None, turn.now),
            began: turn.now,
            looks: 0,
            looked_at: None,
            last_looks: 0,
            ready: Executables::of(ExecutableEvent::Ready, turn.now),
            failed_command: None,
            stack,
            report_at: turn.now + turn.policy.drain.report_interval,
            resumed_at: resumed.then_some(turn.now),
            over: remembered.outcome.map(|outcome| (outcome, turn.now)),
            signal: None,
            signalled: false,
            remembered,
        }
    }

    /// Where to.
    pub fn way_in(&self) -> JoinTarget {
        self.remembered.into
    }

    /// Since when it goes on: before this process, where it was taken up again.
    pub fn started_at(&self) -> Moment {
        self.remembered.started_at
    }

    /// Until when it may.
    pub fn deadline(&self, policy: &Policy) -> Moment {
        self.remembered.started_at + policy.ready.timeout
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<JoinOutcome> {
        self.over.map(|(outcome, _)| outcome)
    }

    /// What it waits for, as the end of "waits …".
    pub fn waits_for(&self, here: Option<&Registration>) -> String {
        let Some(here) = here else {
            return "for the ECS agent to register".to_owned();
        };
        if self.over.is_some() {
            return "for Auto Scaling and CloudFormation to be told".to_owned();
        }
        match here.view() {
            _ if self.has_member(Some(here)) => match &self.failed_command {
                Some(failed) => format!("for ready.d: {failed}"),
                None => "for the executables of ready.d".to_owned(),
            },
            Some(seen) if seen.value.status == ContainerInstanceStatus::Active => {
                "for the ECS agent to be connected".to_owned()
            }
            Some(seen) => format!(
                "for ECS to show it ACTIVE, not {}",
                seen.value.status.as_str()
            ),
            None => "for ECS to show it ACTIVE".to_owned(),
        }
    }

    /// Whether ECS has shown a member since this join began.
    fn has_member(&self, here: Option<&Registration>) -> bool {
        here.is_some_and(|here| {
            here.is_member() && here.view().is_some_and(|seen| seen.sent >= self.began)
        })
    }

    /// The same, and no change is in progress that could end it.
    fn has_settled_member(&self, here: Option<&Registration>, turn: &mut Turn<'_>) -> bool {
        self.has_member(here) && here.is_some_and(|here| !here.is_changing(turn))
    }

    /// Takes in how the executables of `ready.d` went.
    pub(crate) fn absorb_executables(
        &mut self,
        result: Result<ExecutablesReport, Failure>,
        turn: &mut Turn<'_>,
    ) {
        self.failed_command = match &result {
            Ok(report) => report.failed.first().map(|failed| failed.message.clone()),
            Err(failure) => Some(failure.message.clone()),
        };
        self.ready.absorb(result, true, turn);
    }

    /// Takes in how the signal went.
    pub(crate) fn absorb_signalled(&mut self, result: Told, turn: &mut Turn<'_>) {
        if let Some(signal) = &mut self.signal
            && signal.absorb(result, turn)
        {
            self.signal = None;
            self.remembered.signalled = true;
        }
    }

    /// Takes in which stack the instance is of.
    pub(crate) fn absorb_stack(
        &mut self,
        result: Result<Option<StackResource>, Failure>,
        turn: &mut Turn<'_>,
    ) {
        let Stack::Finding(pace) = &mut self.stack else {
            return;
        };
        match result {
            Ok(resource) => {
                turn.good();
                self.stack = Stack::Known(resource);
            }
            Err(failure) => pace.failed(&failure, turn),
        }
    }

    /// What is left to be signalled, where the instance is taken away before that was possible.
    pub(crate) fn into_signal(mut self, turn: &mut Turn<'_>) -> Option<Signal> {
        self.ready.give_up(turn);
        let (outcome, _) = self.over?;
        self.signal
            .take()
            .or_else(|| self.new_signal(outcome, turn.now))
    }

    fn new_signal(&self, outcome: JoinOutcome, due: Moment) -> Option<Signal> {
        let Stack::Known(Some(resource)) = &self.stack else {
            return None;
        };
        if self.remembered.signalled {
            return None;
        }
        let status = match outcome {
            JoinOutcome::Joined => SignalStatus::Success,
            JoinOutcome::TimedOut => SignalStatus::Failure,
        };
        Some(Signal::new(
            resource.clone(),
            status,
            LifecycleTransition::Launching,
            due,
        ))
    }

    /// The process has stood still until now.
    pub(crate) fn woken(&mut self, now: Moment) {
        self.resumed_at = Some(now);
    }

    /// Cancels the executables that are still running.
    pub(crate) fn end(&mut self, turn: &mut Turn<'_>) {
        self.ready.give_up(turn);
    }

    /// Finds out whether it is over, and which stack is to be told. `returning`: the container instance is
    /// being put back to ACTIVE.
    pub(crate) fn conclude(
        &mut self,
        mut here: Option<&mut Registration>,
        returning: bool,
        turn: &mut Turn<'_>,
    ) {
        if self.over.is_none() {
            // The answer to the change that puts it back says what a look would.
            if let Some(here) = here.as_deref_mut().filter(|_| !returning) {
                self.look(here, turn);
            }
            // The second one is for an ECS that still throttles the first one.
            let next = self.deadline(turn.policy) + SECOND_LAST_LOOK * self.last_looks;
            let due = self.last_looks < 2 && turn.reached(next);
            if let (Some(here), true) = (here.as_deref_mut(), due) {
                self.last_looks += 1;
                if here.view().is_none_or(|seen| seen.sent < next) {
                    here.look_now(turn.now);
                }
            }
            let here = here.as_deref();
            self.run_ready(here, turn);
            self.over = self
                .find_over(here, returning, turn)
                .map(|outcome| (outcome, turn.now));
            self.remembered.outcome = self.outcome();
            if self.over.is_none() {
                self.report(here, turn);
            } else {
                self.ready.give_up(turn);
            }
        }
        if let Stack::Finding(pace) = &mut self.stack {
            let flying = turn.is_flying(|action| matches!(action, Action::FindStack));
            if !flying && pace.is_due(turn) {
                pace.sent();
                turn.send(Action::FindStack);
            }
        }
    }

    /// Sends heartbeats. Signals and completes once the end of the join is `remembered`: it is written to disk,
    /// or the time for that is up. Returns whether everything is sent.
    pub(crate) fn tell(&mut self, remembered: bool, turn: &mut Turn<'_>) -> bool {
        let holding = self.may_hold(turn);
        let Some((outcome, at)) = self.over.filter(|_| remembered) else {
            self.hold
                .advance(self.remembered.started_at, holding, Verdict::NotYet, turn);
            return false;
        };
        let result = match outcome {
            JoinOutcome::Joined => LifecycleActionResult::Continue,
            JoinOutcome::TimedOut => LifecycleActionResult::Abandon,
        };
        self.hold.advance(
            self.remembered.started_at,
            holding,
            Verdict::Send(result),
            turn,
        );
        let told = self.signal(outcome, at, turn);
        // Where completing is denied, a person may still grant it: until the deadline.
        let given_up =
            self.hold.completion.is_denied() && turn.reached(at.max(self.deadline(turn.policy)));
        told && (self.hold.is_closed() || given_up)
    }

    /// Looks at growing intervals until it is a member.
    fn look(&mut self, here: &mut Registration, turn: &mut Turn<'_>) {
        if self.remembered.into == JoinTarget::WarmPool
            || self.has_member(Some(here))
            || here.is_looking()
        {
            return;
        }
        let sent = here.view().map(|seen| seen.sent);
        if sent.is_some() && self.looked_at != sent {
            self.looked_at = sent;
            self.looks = self.looks.saturating_add(1);
        }
        let pace = turn.policy.ready.poll_interval * (1 << self.looks.saturating_sub(1).min(8));
        let pace = jitter(pace.min(SLOWEST_LOOK), self.looks, turn.seed);
        let next = sent.filter(|sent| *sent >= self.began);
        here.look_from(next.map_or(turn.now, |sent| (sent + pace).max(turn.now)));
    }

    fn run_ready(&mut self, here: Option<&Registration>, turn: &mut Turn<'_>) {
        if !self.has_settled_member(here, turn) || self.remembered.into == JoinTarget::WarmPool {
            return;
        }
        let deadline = self.deadline(turn.policy);
        self.ready.advance(
            || ExecutableFacts {
                container_instance: here.map(|here| here.target.clone()),
                reason: String::new(),
                deadline,
                outcome: None,
            },
            turn,
        );
    }

    /// Whether it has ended by now, and how.
    fn find_over(
        &self,
        here: Option<&Registration>,
        returning: bool,
        turn: &mut Turn<'_>,
    ) -> Option<JoinOutcome> {
        let took = turn.now.since(self.remembered.started_at);
        if self.remembered.into == JoinTarget::WarmPool {
            return Some(JoinOutcome::Joined);
        }
        if self.has_settled_member(here, turn) && self.ready.over().is_some() {
            turn.say(Note::Joined { took });
            return Some(JoinOutcome::Joined);
        }
        let deadline = self.deadline(turn.policy);
        if !turn.reached(deadline) {
            return None;
        }
        let resumed = self.resumed_at.is_some();
        let away = self.resumed_at.is_some_and(|at| deadline <= at);
        let looked = here.map_or(!resumed, |here| {
            let from = self.resumed_at.map_or(deadline, |at| deadline.max(at));
            let seen = here
                .view()
                .is_some_and(|seen| seen.sent >= from && (!away || seen.value.agent_connected));
            here.may_not_look() || seen && !(resumed && self.has_member(Some(here)))
        });
        // A member that a look has shown has its executables yet to run.
        let member = here.filter(|_| self.failed_command.is_none() && self.has_member(here));
        let late = member.and_then(Registration::view);
        let last = match late.filter(|_| looked) {
            Some(seen) => seen.sent + LAST_STEPS,
            None => deadline + LAST_LOOK,
        };
        let grace = self.resumed_at.map_or(last, |at| last.max(at + LOOK_GRACE));
        // It is still DRAINING because the agent has set it.
        if (!looked || late.is_some() || returning) && !turn.reached(grace) {
            return None;
        }
        turn.say(Note::JoinTimedOut {
            took,
            waited: self.waits_for(here),
        });
        Some(JoinOutcome::TimedOut)
    }

    /// Until it is over; past that until the completion is accepted, for one more HeartbeatTimeout where it
    /// came to nothing.
    fn may_hold(&self, turn: &mut Turn<'_>) -> bool {
        match self.over {
            Some((JoinOutcome::TimedOut, at)) => {
                let timeout = self
                    .hold
                    .search
                    .found()
                    .map_or(Duration::ZERO, |found| found.heartbeat_timeout);
                !turn.reached(at + timeout)
            }
            _ => true,
        }
    }

    /// Sends the signal, once the completion had its head start; returns whether nothing is left to signal.
    fn signal(&mut self, outcome: JoinOutcome, at: Moment, turn: &mut Turn<'_>) -> bool {
        // Metadata is away: an instance that has joined goes into service without a signal.
        if let Stack::Finding(_) = self.stack {
            let patience = self.deadline(turn.policy).max(at) + STACK_PATIENCE;
            if turn.reached(patience) {
                self.stack = Stack::Known(None);
            }
            return false;
        }
        if !self.signalled {
            self.signal = self.new_signal(outcome, turn.now);
            self.signalled = true;
        }
        let may_signal = self.hold.is_closed()
            || self.hold.completion.is_denied()
            || turn.reached(at + COMPLETION_HEAD_START);
        if let (Some(signal), true) = (&mut self.signal, may_signal) {
            signal.advance(turn);
        }
        self.signalled && self.signal.is_none()
    }

    fn report(&mut self, here: Option<&Registration>, turn: &mut Turn<'_>) {
        if !turn.reached(self.report_at) {
            return;
        }
        self.report_at = turn.now + turn.policy.drain.report_interval;
        turn.reached(self.report_at);
        turn.say(Note::Joining {
            waits: self.waits_for(here),
            in_: self.deadline(turn.policy).since(turn.now),
        });
    }
}
