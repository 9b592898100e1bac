//! A drain in progress: why, since when, until when, and the five parts that work side by side.

mod heartbeat;
mod hook;
mod leftovers;
mod placement;
mod tasks;

use std::fmt;
use std::time::Duration;

use super::Policy;
use super::Turn;
use super::Wake;
use super::action::HookRef;
use super::event::Answer;
use super::facts::{ContainerInstance, SpotInstanceAction, TargetLifecycleState};
use super::health::Health;
use super::memory::RememberedDrain;
use super::note::Note;
use super::time::Moment;

pub use heartbeat::Heartbeat;
pub(super) use heartbeat::is_no_active_action;
pub use hook::{Found, HookSearch, MANAGED_DRAINING_HOOK, NoHook};
pub use leftovers::Leftovers;
pub use placement::Placement;
pub use tasks::{Source, TaskWatch};

/// How long DRAINING waits for the state directory, so that a crash right after it still finds the
/// deadline it had before, and whose DRAINING it is. A stuck disk must not hold up the drain.
const MEMORY_HEAD_START: Duration = Duration::from_millis(250);

/// How long before the end of the hook's GlobalTimeout the drain has to be over.
const GLOBAL_TIMEOUT_MARGIN: Duration = Duration::from_secs(10);

/// Why an instance is drained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrainReason {
    /// Auto Scaling terminates it, from service or from the warm pool.
    Terminated(TargetLifecycleState),
    /// Auto Scaling sends it back to the warm pool.
    WarmPool(TargetLifecycleState),
    /// EC2 interrupts a Spot instance.
    Spot {
        /// `terminate`, `stop` or `hibernate`.
        action: String,
    },
    /// The machine is shut down, without a word from Auto Scaling.
    Shutdown,
}

impl DrainReason {
    /// How the state directory spells it.
    pub fn key(&self) -> String {
        match self {
            Self::Terminated(target) | Self::WarmPool(target) => target.as_str().to_owned(),
            Self::Spot { action } => format!("spot:{action}"),
            Self::Shutdown => SHUTDOWN.to_owned(),
        }
    }

    /// Whether there is a lifecycle action to complete at the end.
    pub fn has_lifecycle_action(&self) -> bool {
        matches!(self, Self::Terminated(_) | Self::WarmPool(_))
    }

    /// Whether a drain for `old` becomes one for this: Auto Scaling's word outranks a Spot notice, as it
    /// has a hook to complete, and a later word of Auto Scaling outranks an earlier one.
    pub fn supersedes(&self, old: &Self) -> bool {
        self.has_lifecycle_action() && self != old
    }
}

impl fmt::Display for DrainReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminated(target) | Self::WarmPool(target) => {
                write!(f, "target lifecycle state {target}")
            }
            Self::Spot { action } => write!(f, "Spot interruption ({action})"),
            Self::Shutdown => f.write_str("shutdown of the machine"),
        }
    }
}

/// How [`DrainReason::Shutdown`] is remembered.
pub(super) const SHUTDOWN: &str = "shutdown";

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing runs here any more.
    Drained,
    /// The deadline came first.
    TimedOut,
}

/// When a drain has to be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The moment.
    pub at: Moment,
    /// What set it.
    pub source: DeadlineSource,
}

/// What set a deadline: the earliest of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadlineSource {
    /// `drain.timeout`
    DrainTimeout,
    /// The Spot interruption notice.
    SpotInterruption,
    /// The hook's GlobalTimeout.
    GlobalTimeout,
    /// The machine is shut down.
    Shutdown,
}

impl DeadlineSource {
    /// For a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DrainTimeout => "drain.timeout",
            Self::SpotInterruption => "Spot interruption",
            Self::GlobalTimeout => "GlobalTimeout of the lifecycle hook",
            Self::Shutdown => "drain.on_shutdown",
        }
    }
}

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
    spot_deadline: Option<Moment>,
    leave_at: Option<Moment>,
    nothing_ever_ran: bool,
    report_at: Moment,
}

impl Drain {
    pub(super) fn begin(
        reason: DrainReason,
        remembered: &RememberedDrain,
        resumed: bool,
        nothing_ever_ran: bool,
        spot: Option<&SpotInstanceAction>,
        turn: &Turn<'_>,
    ) -> Self {
        // A clock that was set back between two processes must not lengthen the drain.
        let started_at = remembered.started_at.min(turn.now);
        Self {
            placement: Placement::begin(&reason, remembered.ours, turn.now),
            hook: HookSearch::begin(reason.has_lifecycle_action(), turn),
            heartbeat: Heartbeat::begin(resumed, turn.now),
            tasks: TaskWatch::begin(turn.now),
            leftovers: Leftovers::default(),
            reason,
            started_at,
            unwritten_since: None,
            spot_deadline: spot.map(|spot| spot.deadline),
            leave_at: None,
            nothing_ever_ran,
            report_at: turn.now + turn.policy.drain.report_interval,
        }
    }

    /// The earliest of all deadlines.
    pub fn deadline(&self, policy: &Policy) -> Deadline {
        let policy_deadline = Deadline {
            at: self.started_at + policy.drain.timeout,
            source: DeadlineSource::DrainTimeout,
        };
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
        let spot = self.spot_deadline.map(|at| Deadline {
            at,
            source: DeadlineSource::SpotInterruption,
        });
        let leave = self.leave_at.map(|at| Deadline {
            at,
            source: DeadlineSource::Shutdown,
        });
        [global, spot, leave]
            .into_iter()
            .flatten()
            .fold(policy_deadline, |first, other| {
                if other.at < first.at { other } else { first }
            })
    }

    /// The machine goes down at `moment`, whatever this drain has come to.
    pub(super) fn leave_at(&mut self, moment: Moment) {
        self.leave_at = Some(moment);
    }

    /// The hook that is ours to complete, once found.
    pub fn hook_ref(&self) -> Option<HookRef> {
        self.hook.found().map(|found| found.hook.clone())
    }

    /// Takes in that there is another reason to drain as well. Returns whether the reason changed.
    pub(super) fn changed(
        &mut self,
        reason: DrainReason,
        spot: Option<&SpotInstanceAction>,
        turn: &mut Turn<'_>,
    ) -> bool {
        let supersedes = reason.supersedes(&self.reason);
        let spot_deadline = spot.map(|spot| spot.deadline);
        if !supersedes && spot_deadline == self.spot_deadline {
            return false;
        }
        self.spot_deadline = spot_deadline;
        if supersedes {
            self.reason = reason;
            self.hook = HookSearch::begin(true, turn);
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
            // Of a completion; there is none yet.
            Answer::Signalled(_) | Answer::Completed(_) => {}
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
        let over =
            if self.nothing_ever_ran && container_instance.is_none() || self.tasks.is_over(turn) {
                Some(Outcome::Drained)
            } else if turn.now >= deadline.at {
                Some(Outcome::TimedOut)
            } else {
                None
            };
        if let Some(outcome) = over {
            let left = self.tasks.waited_for(&self.leftovers, turn.policy);
            let took = turn.now.since(self.started_at);
            turn.say(Note::DrainOver {
                outcome,
                took,
                left,
                deadline,
            });
            return over;
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
        // Last, as the others may have asked it to look.
        self.placement.advance(container_instance, may_drain, turn);
        self.report(deadline, turn);
        None
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
        let why = if self.placement.wants_identity() {
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
        self.placement.wake(wake, policy);
        self.tasks.wake(wake, policy);
        self.leftovers.wake(wake, self.started_at, policy);
    }
}
