//! A drain in progress: why, since when, until when, and the parts that work side by side.

mod leftovers;
mod placement;
mod reason;
mod tasks;

use std::time::Duration;

use super::Policy;
use super::Turn;
use super::Wake;
use super::action::{Action, DrainFigures, HookRef, LifecycleActionResult, SignalStatus};
use super::commands::{CommandEvent, Commands};
use super::event::Answer;
use super::facts::{ContainerInstance, LifecycleTransition};
use super::health::Health;
use super::lifecycle::{Ending, Heartbeat, HookSearch};
use super::memory::RememberedDrain;
use super::note::Note;
use super::time::Moment;
use ecs_lifecycle_config::{HookFailure, ResultOnTimeout, SignalOnTimeout};

pub use leftovers::Leftovers;
pub use placement::Placement;
pub(super) use reason::OWN;
pub use reason::{Deadline, DeadlineSource, DrainReason, Limits, Outcome};
pub use tasks::{Source, TaskWatch};

/// How long DRAINING waits for the state directory, so that a crash right after it still finds the
/// deadline it had before, and whose DRAINING it is. A stuck disk must not hold up the drain.
const MEMORY_HEAD_START: Duration = Duration::from_millis(250);

/// How long before the end of the hook's GlobalTimeout the drain has to be over.
pub const GLOBAL_TIMEOUT_MARGIN: Duration = Duration::from_secs(10);

/// A drain in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Drain {
    /// Why.
    pub reason: DrainReason,
    /// Since when: before this process, where it was taken up again.
    pub started_at: Moment,
    /// Is the container instance DRAINING?
    pub placement: Placement,
    /// Which lifecycle action is ours?
    pub hook: HookSearch,
    /// Is the hook kept waiting?
    pub heartbeat: Heartbeat,
    /// What still runs?
    pub tasks: TaskWatch,
    /// What does draining leave running?
    pub leftovers: Leftovers,
    /// Since when there is something to write down that is not written yet.
    unwritten_since: Option<Moment>,
    limits: Limits,
    leave_at: Option<Moment>,
    nothing_ever_ran: bool,
    report_at: Moment,
    before: Commands,
    after: Commands,
    /// How it ended, once it has: what is left then is what the user wants run after it.
    over: Option<Outcome>,
}

impl Drain {
    pub(super) fn begin(
        reason: DrainReason,
        remembered: &RememberedDrain,
        resumed: bool,
        nothing_ever_ran: bool,
        limits: Limits,
        turn: &Turn<'_>,
    ) -> Self {
        let mut before = Commands::of(CommandEvent::BeforeDrain);
        before.ask(turn.now);
        // A clock that was set back between two processes must not lengthen the drain.
        let started_at = remembered.started_at.min(turn.now);
        Self {
            placement: Placement::begin(&reason, remembered.ours, turn.now),
            hook: HookSearch::begin(reason.transition(), turn),
            heartbeat: Heartbeat::begin(resumed, turn.now),
            tasks: TaskWatch::begin(turn.now),
            leftovers: Leftovers::default(),
            reason,
            started_at,
            unwritten_since: None,
            limits,
            leave_at: None,
            nothing_ever_ran,
            report_at: turn.now + turn.policy.drain.report_interval,
            before,
            after: Commands::of(CommandEvent::AfterDrain),
            over: None,
        }
    }

    /// The earliest of all deadlines.
    pub fn deadline(&self, policy: &Policy) -> Deadline {
        let own = self.reason.deadline(self.started_at, &self.limits, policy);
        // The global clock starts at `Terminating:Wait`, which may be a little before we saw the target
        // state; and what is completed after its end is not completed by us.
        let global = self
            .hook
            .found()
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
                |first, other| {
                    if other.at < first.at { other } else { first }
                },
            )
    }

    /// The machine goes down at `moment`, whatever this drain has come to.
    pub(super) fn leave_at(&mut self, moment: Moment) {
        self.leave_at = Some(moment);
    }

    /// The hook that is ours to complete, once found.
    pub fn hook_ref(&self) -> Option<HookRef> {
        self.hook.found().map(|found| found.hook.clone())
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.over
    }

    /// Whether executables of the user's run, before or after it.
    pub fn runs_commands(&self) -> Option<CommandEvent> {
        if self.before.are_running() {
            Some(CommandEvent::BeforeDrain)
        } else if self.after.are_running() {
            Some(CommandEvent::AfterDrain)
        } else {
            None
        }
    }

    /// Takes in that there is another reason to drain as well. Returns whether the reason changed.
    pub(super) fn changed(
        &mut self,
        reason: DrainReason,
        limits: Limits,
        turn: &mut Turn<'_>,
    ) -> bool {
        let supersedes = reason.supersedes(&self.reason);
        if !supersedes && limits == self.limits {
            return false;
        }
        self.limits = limits;
        if supersedes {
            // What a person or a mere warning began has had a deadline of its own.
            if self.reason.is_own() {
                self.started_at = turn.now;
            }
            self.reason = reason;
            self.hook = HookSearch::begin(self.reason.transition(), turn);
            self.heartbeat = Heartbeat::begin(false, turn.now);
        }
        let deadline = self.deadline(turn.policy);
        turn.say(Note::DrainChanged {
            reason: self.reason.clone(),
            deadline,
            in_: deadline.at.since(turn.now),
        });
        supersedes
    }

    pub(super) fn absorb(&mut self, answer: Answer, health: &mut Health, turn: &mut Turn<'_>) {
        match answer {
            Answer::Tasks(result) => self
                .tasks
                .absorb_local(result, &self.leftovers, health, turn),
            Answer::DrainingSet(result) => {
                if let Some(view) = self.placement.absorb_set(result, health, turn) {
                    self.tasks.absorb_view(&view, &mut self.placement, turn);
                }
            }
            Answer::ContainerInstance(result) => {
                if let Some(view) = self.placement.absorb_look(result, health, turn) {
                    self.tasks.absorb_view(&view, &mut self.placement, turn);
                }
            }
            Answer::Classified(result) => self.leftovers.absorb_classified(result, health, turn),
            Answer::ApiTasks(result) => {
                let leftovers = &mut self.leftovers;
                self.tasks
                    .absorb_api(result, leftovers, &mut self.placement, health, turn);
            }
            Answer::TaskStopped { task, result } => {
                self.leftovers.absorb_stopped(&task, result, health, turn);
            }
            Answer::Group(result) => self.hook.absorb_group(result, health, turn),
            Answer::Hooks(result) => self.hook.absorb_hooks(result, health, turn),
            Answer::Heartbeat(result) => self.absorb_heartbeat(result, health, turn),
            Answer::Commands { event, result } => {
                self.before.absorb(event, result.clone(), false, turn);
                self.after.absorb(event, result, false, turn);
            }
            // Of a completion; there is none yet. Of a join.
            Answer::Signalled(_) | Answer::Completed(_) | Answer::Stack(_) => {}
        }
    }

    pub(super) fn absorb_heartbeat(
        &mut self,
        result: Result<super::event::Accepted, super::facts::Failure>,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        if let Some(found) = self.hook.found() {
            self.heartbeat.absorb(result, &found.hook, health, turn);
        }
    }

    /// Starts whatever is due; returns how the drain ended, once it has.
    pub(super) fn advance(
        &mut self,
        container_instance: Option<&ContainerInstance>,
        remembered: bool,
        turn: &mut Turn<'_>,
    ) -> Option<Outcome> {
        let deadline = self.deadline(turn.policy);
        if self.over.is_none() {
            self.over = self.find_over(container_instance, deadline, turn);
        }
        if let Some(outcome) = self.over {
            return self.finish(outcome, container_instance, deadline, turn);
        }
        self.unwritten_since = match self.unwritten_since {
            _ if remembered => None,
            since => since.or(Some(turn.now)),
        };
        let may_drain = self
            .unwritten_since
            .is_none_or(|since| turn.now >= since + MEMORY_HEAD_START);
        self.hook.advance(turn);
        self.advance_heartbeat(true, turn);
        let leftovers = &mut self.leftovers;
        self.tasks
            .advance(container_instance, leftovers, &mut self.placement, turn);
        self.leftovers.advance(
            container_instance,
            &self.tasks,
            self.started_at,
            &self.reason,
            turn,
        );
        let facts = || self.reason.facts(container_instance, deadline, None);
        self.before.start(facts, turn);
        let may_drain = may_drain && self.before.over().is_some();
        // Last, as the others may have asked it to look.
        self.placement.advance(container_instance, may_drain, turn);
        self.report(deadline, turn);
        None
    }

    /// Whether it has ended by now, and how.
    fn find_over(
        &self,
        container_instance: Option<&ContainerInstance>,
        deadline: Deadline,
        turn: &mut Turn<'_>,
    ) -> Option<Outcome> {
        let outcome =
            if self.nothing_ever_ran && container_instance.is_none() || self.tasks.is_over(turn) {
                Outcome::Drained
            } else if turn.now >= deadline.at {
                Outcome::TimedOut
            } else {
                return None;
            };
        let took = turn.now.since(self.started_at);
        turn.say(Note::DrainOver {
            outcome,
            took,
            left: self.tasks.waited_for(&self.leftovers, turn.policy),
            deadline,
        });
        if turn.policy.metrics.emf_endpoint.is_some() {
            turn.act(Action::SendMetrics(DrainFigures {
                cluster: container_instance.map(|known| known.cluster.clone()),
                reason: self.reason.clone(),
                outcome,
                took,
                tasks: self.tasks.most(),
            }));
        }
        Some(outcome)
    }

    /// What the user wants run after the drain; then, how it ended.
    fn finish(
        &mut self,
        outcome: Outcome,
        container_instance: Option<&ContainerInstance>,
        deadline: Deadline,
        turn: &mut Turn<'_>,
    ) -> Option<Outcome> {
        self.before.give_up();
        self.after.ask(turn.now);
        let facts = || {
            self.reason
                .facts(container_instance, deadline, Some(outcome.as_str()))
        };
        self.after.start(facts, turn);
        let Some(succeeded) = self.after.over() else {
            self.hook.advance(turn);
            self.advance_heartbeat(outcome == Outcome::Drained, turn);
            return None;
        };
        let failed = !succeeded || self.before.over() == Some(false);
        if failed
            && outcome == Outcome::Drained
            && turn.policy.hooks.on_failure == HookFailure::Fail
        {
            self.over = Some(Outcome::HookFailed);
        }
        self.over
    }

    /// What the world is to be told.
    pub(super) fn ending(&self, outcome: Outcome, policy: &Policy) -> Ending {
        let timed_out = outcome != Outcome::Drained;
        let status = match policy.cloudformation.signal_on_timeout {
            SignalOnTimeout::Failure if timed_out => Some(SignalStatus::Failure),
            SignalOnTimeout::None if timed_out => None,
            _ => Some(SignalStatus::Success),
        };
        let result = match policy.drain.result_on_timeout {
            _ if self.reason.transition().is_none() => {
                Err(format!("{} has no lifecycle action", self.reason))
            }
            ResultOnTimeout::Abandon if timed_out => Ok(LifecycleActionResult::Abandon),
            ResultOnTimeout::None if timed_out => Err(
                "result_on_timeout is NONE: the lifecycle hook's own timeout decides".to_owned(),
            ),
            _ => Ok(LifecycleActionResult::Continue),
        };
        // A Spot notice and the warm pool are no business of a stack that waits for a termination.
        let resource = policy
            .cloudformation
            .resource
            .clone()
            .filter(|_| matches!(self.reason, DrainReason::Terminated(_)))
            .filter(|_| policy.cloudformation.signal_drained);
        Ending {
            transition: LifecycleTransition::Terminating,
            signal: resource.zip(status),
            result,
            keeps_waiting: !timed_out,
        }
    }

    /// Keeps the hook waiting, while `working`, until the deadline.
    pub(super) fn advance_heartbeat(&mut self, working: bool, turn: &mut Turn<'_>) {
        let before_deadline = turn.now < self.deadline(turn.policy).at;
        if let (true, true, Some(found)) = (working, before_deadline, self.hook.found()) {
            self.heartbeat.advance(found, turn);
        }
    }

    fn report(&mut self, deadline: Deadline, turn: &mut Turn<'_>) {
        if turn.now < self.report_at || self.tasks.is_reading() {
            return;
        }
        self.report_at = turn.now + turn.policy.drain.report_interval;
        let why = if self.before.are_running() {
            "for the executables of before-drain"
        } else if self.placement.wants_identity() {
            "for the ECS agent to tell which container instance this is"
        } else if !self.placement.is_draining() {
            "for ECS to accept DRAINING"
        } else {
            self.tasks.waits_for()
        };
        turn.say(Note::Waiting {
            tasks: self.tasks.waited_for(&self.leftovers, turn.policy),
            why,
            deadline,
            in_: deadline.at.since(turn.now),
        });
    }

    /// What a completion still needs of its drain: the hook, and heartbeats.
    pub(super) fn wake_for_completion(&self, wake: &mut Wake, policy: &Policy) {
        self.hook.wake(wake);
        let deadline = self.deadline(policy).at;
        wake.consider(self.heartbeat.next_at().filter(|at| *at < deadline));
    }

    pub(super) fn wake(&self, wake: &mut Wake, policy: &Policy) {
        wake.consider(Some(self.deadline(policy).at));
        wake.consider(Some(self.report_at));
        wake.consider(self.unwritten_since.map(|since| since + MEMORY_HEAD_START));
        self.wake_for_completion(wake, policy);
        wake.consider(self.before.wake_at());
        wake.consider(self.after.wake_at());
        self.placement.wake(wake, policy);
        self.tasks.wake(wake, policy);
        self.leftovers.wake(wake, self.started_at, policy);
    }
}
