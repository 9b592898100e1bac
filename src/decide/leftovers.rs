//! Handles the tasks that DRAINING does not stop.
//!
//! DRAINING replaces the tasks of services and stops daemon tasks last. It does not stop standalone tasks.
//! Only the ECS API knows which service started a task. The agent asks it if the policy depends on it, if the
//! drain has made no progress for a while, and if a task has vanished. If ECS does not know a task yet, the
//! agent asks again, at growing intervals.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::kinds::{Kinds, may_ignore, wants_daemons};
use crate::model::{Action, ApiTask, DrainReason, Failure, Moment, Note, TaskKind};
use crate::pace::{Pace, growing};
use crate::registration::Registration;
use crate::tasks::{Source, Tasks};
use crate::turn::Turn;

/// Tasks that appear after a classification wait this long for the next one.
const CLASSIFY_EVERY: Duration = Duration::from_secs(10);
/// How soon a task that ECS does not know, or does not call STOPPED, is asked about again.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// The longest interval between two such questions.
const ASK_AGAIN_CAP: Duration = Duration::from_secs(60);
/// The maximum number of `StopTask` calls in flight, because ECS throttles larger bursts.
const STOPS_AT_ONCE: usize = 10;
/// How long after one another tasks are stopped. All instances of the account share 40 changes a second.
const STOP_EVERY: Duration = Duration::from_millis(50);

/// The part of a drain that deals with tasks that draining does not stop.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leftovers {
    pub(crate) kinds: Kinds,
    classify: Pace,
    asked_at: Option<Moment>,
    /// Tasks that ECS did not know: how often the agent has asked, and when it asks next.
    again: BTreeMap<String, (u32, Moment)>,
    /// A person is asking for the status. It shows the kind of every task, stopping or not.
    asked_by_hand: bool,
    stops: BTreeMap<String, Pace>,
    stopped: BTreeSet<String>,
}

impl Leftovers {
    /// A person asks for the kinds of the tasks.
    pub(crate) fn ask_by_hand(&mut self) {
        self.asked_by_hand = true;
    }

    /// Whether a person waits for the answer of ECS about the kinds.
    pub fn is_asked_by_hand(&self) -> bool {
        self.asked_by_hand
    }

    pub(crate) fn absorb_classified(
        &mut self,
        result: Result<Vec<ApiTask>, Failure>,
        action: &Action,
        turn: &mut Turn<'_>,
    ) {
        let Action::ClassifyTasks { tasks: asked, .. } = action else {
            return;
        };
        match result {
            Ok(tasks) => {
                self.classify.succeeded();
                turn.good();
                self.kinds.learn(&tasks);
                self.kinds.wondering = false;
                self.asked_by_hand = false;
                for arn in asked {
                    let tries = self.again.get(arn).map_or(0, |(tries, _)| *tries);
                    let next = turn.now + growing(ASK_AGAIN, ASK_AGAIN_CAP, tries, turn.seed);
                    self.again
                        .insert(arn.clone(), (tries.saturating_add(1), next));
                }
            }
            Err(failure) => self.classify.failed(&failure, turn),
        }
    }

    pub(crate) fn absorb_stopped(
        &mut self,
        result: Result<(), Failure>,
        action: &Action,
        turn: &mut Turn<'_>,
    ) {
        let Action::StopTask { task, .. } = action else {
            return;
        };
        match result {
            Ok(()) => {
                turn.good();
                self.stops.remove(task);
                self.stopped.insert(task.clone());
                turn.say(Note::TaskStopAccepted { task: task.clone() });
            }
            Err(failure) => {
                if let Some(pace) = self.stops.get_mut(task) {
                    pace.failed(&failure, turn);
                }
            }
        }
    }

    pub(crate) fn advance(
        &mut self,
        here: Option<&Registration>,
        tasks: &Tasks,
        stops_from: Option<Moment>,
        reason: &DrainReason,
        turn: &mut Turn<'_>,
    ) {
        let Some(here) = here else { return };
        let stop_now = stops_from.is_some_and(|from| turn.reached(from));
        self.classify(here, tasks, stop_now, turn);
        if stop_now {
            self.stop_standalone(tasks, turn.now);
        }
        self.stops
            .retain(|arn, _| tasks.running().any(|task| task.arn == *arn));
        let is_stop = |action: &Action| matches!(action, Action::StopTask { .. });
        for (arn, pace) in &mut self.stops {
            let flying = turn
                .is_flying(|action| matches!(action, Action::StopTask { task, .. } if task == arn));
            if flying || turn.ledger.count(is_stop) >= STOPS_AT_ONCE || !pace.is_due(turn) {
                continue;
            }
            turn.say(Note::StoppingTask { task: arn.clone() });
            turn.send(Action::StopTask {
                container_instance: here.target.clone(),
                task: arn.clone(),
                reason: format!("ecs-lifecycle-agent: the container instance is drained, {reason}"),
            });
        }
    }

    fn classify(
        &mut self,
        here: &Registration,
        tasks: &Tasks,
        stop_now: bool,
        turn: &mut Turn<'_>,
    ) {
        // While introspection is away, `ListTasks` is used instead, and its answer has the kinds.
        let local = tasks.source() == Source::Introspection;
        let all = self.asked_by_hand || may_ignore(turn.policy);
        let wanted = local && (stop_now || self.kinds.wondering || all);
        let vanished: Vec<&String> = tasks.vanished().collect();
        let mut strangers: Vec<String> = Vec::new();
        for task in tasks.running() {
            let gone = vanished.contains(&&task.arn);
            let of_interest =
                gone || wanted && (all || !task.stopping) && self.kinds.of(&task.arn).is_none();
            let again = self.again.get(&task.arn).map(|(_, at)| *at);
            if of_interest && again.is_none_or(|at| turn.reached(at)) {
                strangers.push(task.arn.clone());
            }
        }
        if strangers.is_empty() {
            self.asked_by_hand = false;
            return;
        }
        if turn.is_flying(|action| matches!(action, Action::ClassifyTasks { .. })) {
            return;
        }
        // New tasks wait a little, so that one call serves several. Vanished tasks do not wait.
        let earliest = match self.asked_at {
            Some(asked) if vanished.is_empty() && !self.asked_by_hand => asked + CLASSIFY_EVERY,
            _ => turn.now,
        };
        if self.classify.due().is_none_or(|due| turn.reached(due)) && turn.reached(earliest) {
            self.classify.sent();
            self.asked_at = Some(turn.now);
            turn.send(Action::ClassifyTasks {
                container_instance: here.target.clone(),
                tasks: strangers,
                daemons: wants_daemons(turn.policy) || self.kinds.wondering || self.asked_by_hand,
            });
        }
    }

    fn stop_standalone(&mut self, tasks: &Tasks, now: Moment) {
        for task in tasks.running() {
            let standalone = self.kinds.of(&task.arn) == Some(&TaskKind::Standalone);
            if standalone && !task.stopping && !self.stopped.contains(&task.arn) {
                let n = u32::try_from(self.stops.len()).unwrap_or(u32::MAX);
                self.stops
                    .entry(task.arn.clone())
                    .or_insert_with(|| Pace::at(now + STOP_EVERY.saturating_mul(n)));
            }
        }
    }
}
