//! What does draining leave running?
//!
//! DRAINING replaces services' tasks and stops daemons last, but leaves standalone tasks alone. Who asked
//! for a task only the ECS API knows, so it is asked where the policy depends on it, where a person has been
//! waiting long enough to want to know, and where a task has vanished. What ECS does not know yet is asked
//! again, ever more seldom.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ecs_lifecycle_config::DaemonTasks;

use crate::Policy;
use crate::health::Dependency;
use crate::model::{Action, ApiTask, DrainReason, Failure, Moment, Note, TaskKind};
use crate::pace::{Pace, growing};
use crate::registration::Registration;
use crate::tasks::{Source, Tasks};
use crate::turn::Turn;

/// Tasks that appear after a classification wait this long for the next one.
const CLASSIFY_EVERY: Duration = Duration::from_secs(10);
/// How soon a task that ECS does not know, or does not call STOPPED, is asked about again.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// And how late.
const ASK_AGAIN_CAP: Duration = Duration::from_secs(60);
/// Orders to stop that are under way at once: ECS throttles beyond a burst.
const STOPS_AT_ONCE: usize = 10;

/// The part of a drain that deals with tasks that draining does not stop.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leftovers {
    kinds: BTreeMap<String, TaskKind>,
    classify: Pace,
    asked_at: Option<Moment>,
    /// Asked about in vain: how often, and when next.
    again: BTreeMap<String, (u32, Moment)>,
    wondering: bool,
    /// Somebody is asking at present: about every task, whether it is stopping or not.
    asked_by_hand: bool,
    stops: BTreeMap<String, Pace>,
    stopped: BTreeSet<String>,
}

impl Leftovers {
    /// Who asked for a task, where that is known.
    pub fn kind(&self, arn: &str) -> Option<&TaskKind> {
        self.kinds.get(arn)
    }

    /// Whether the policy says not to wait for this task. One of unknown kind is waited for.
    pub fn is_ignored(&self, arn: &str, policy: &Policy) -> bool {
        match self.kinds.get(arn) {
            Some(TaskKind::Standalone) => policy.drain.standalone_tasks.are_ignored(),
            Some(TaskKind::Daemon(_)) => Self::wants_daemons(policy),
            Some(TaskKind::Service(_)) | None => false,
        }
    }

    /// Whether the policy ignores any task at all.
    pub(crate) fn may_ignore(&self, policy: &Policy) -> bool {
        policy.drain.standalone_tasks.are_ignored() || Self::wants_daemons(policy)
    }

    /// Whether the policy has to tell daemons from other services.
    pub(crate) fn wants_daemons(policy: &Policy) -> bool {
        match policy.drain.daemon_tasks {
            DaemonTasks::Ignore => true,
            DaemonTasks::Wait => false,
        }
    }

    /// A person would like to know by now.
    pub(crate) fn wonder(&mut self) {
        self.wondering = true;
    }

    /// Somebody asks whose the tasks are.
    pub(crate) fn ask_by_hand(&mut self) {
        self.asked_by_hand = true;
    }

    /// Whether somebody waits for ECS's answer about one of these.
    pub fn is_asked_by_hand(&self) -> bool {
        self.asked_by_hand
    }

    /// Takes over what the ECS API has told.
    pub(crate) fn learn(&mut self, tasks: &[ApiTask]) {
        for task in tasks {
            self.kinds.insert(task.task.arn.clone(), task.kind.clone());
        }
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
                turn.good(Dependency::Ecs);
                self.learn(&tasks);
                self.wondering = false;
                self.asked_by_hand = false;
                for arn in asked {
                    let tries = self.again.get(arn).map_or(0, |(tries, _)| *tries);
                    let next = turn.now + growing(ASK_AGAIN, ASK_AGAIN_CAP, tries, turn.seed);
                    self.again
                        .insert(arn.clone(), (tries.saturating_add(1), next));
                }
            }
            Err(failure) => turn.failed(action.operation(), &failure, &mut self.classify),
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
                turn.good(Dependency::Ecs);
                self.stops.remove(task);
                self.stopped.insert(task.clone());
                turn.say(Note::TaskStopAccepted { task: task.clone() });
            }
            Err(failure) => {
                if let Some(pace) = self.stops.get_mut(task) {
                    turn.failed(action.operation(), &failure, pace);
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
        // The list that is read instead says the kinds as well.
        let local = tasks.source() == Source::Introspection;
        let all = self.asked_by_hand || self.may_ignore(turn.policy);
        let wanted = local && (stop_now || self.wondering || all);
        let vanished: Vec<&String> = tasks.vanished().collect();
        let mut strangers: Vec<String> = Vec::new();
        for task in tasks.running() {
            let gone = vanished.contains(&&task.arn);
            let of_interest = gone
                || wanted && (all || !task.is_stopping()) && !self.kinds.contains_key(&task.arn);
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
        // What is new waits a little for its like; what has vanished does not.
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
                daemons: Self::wants_daemons(turn.policy) || self.wondering || self.asked_by_hand,
            });
        }
    }

    fn stop_standalone(&mut self, tasks: &Tasks, now: Moment) {
        for task in tasks.running() {
            let standalone = self.kinds.get(&task.arn) == Some(&TaskKind::Standalone);
            if standalone && !task.is_stopping() && !self.stopped.contains(&task.arn) {
                self.stops
                    .entry(task.arn.clone())
                    .or_insert_with(|| Pace::at(now));
            }
        }
    }
}
