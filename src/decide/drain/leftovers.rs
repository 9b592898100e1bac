//! What does draining leave running?
//!
//! DRAINING replaces services' tasks and stops daemons last, but leaves standalone tasks alone. Who asked
//! for a task only the ECS API knows, so it is asked where the policy depends on it, or where a person
//! has been waiting long enough to want to know, and never twice about the same task.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::Policy;
use super::super::action::Action;
use super::super::call::Call;
use super::super::facts::{ApiTask, ContainerInstance, Failure, TaskKind};
use super::super::health::{Dependency, Health};
use super::super::note::Note;
use super::super::time::Moment;
use super::super::{Turn, Wake};
use super::DrainReason;
use super::tasks::{Source, TaskWatch};
use ecs_lifecycle_config::{DaemonTasks, StandaloneTasks};

/// Tasks that appear after a classification wait this long for the next one.
const CLASSIFY_EVERY: Duration = Duration::from_secs(10);
/// Orders to stop that are under way at once: ECS throttles beyond a burst.
const STOPS_AT_ONCE: usize = 10;

/// The part of a drain that deals with tasks that draining does not stop.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leftovers {
    kinds: BTreeMap<String, TaskKind>,
    classify: Call,
    asked_at: Option<Moment>,
    /// ECS knows nothing of these: gone, or of another cluster. Not asked about again.
    unknown: BTreeSet<String>,
    asking: Vec<String>,
    wondering: bool,
    /// Somebody is asking at present: about every task, whether it is stopping or not.
    asked_by_hand: bool,
    stops: BTreeMap<String, Call>,
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
            Some(TaskKind::Standalone) => policy.drain.standalone_tasks == StandaloneTasks::Ignore,
            Some(TaskKind::Daemon(_)) => policy.drain.daemon_tasks == DaemonTasks::Ignore,
            Some(TaskKind::Service(_)) | None => false,
        }
    }

    /// Whether the policy ignores any task at all.
    pub(super) fn may_ignore(policy: &Policy) -> bool {
        policy.drain.standalone_tasks == StandaloneTasks::Ignore || Self::wants_daemons(policy)
    }

    /// Whether the policy has to tell daemons from other services.
    pub(super) fn wants_daemons(policy: &Policy) -> bool {
        policy.drain.daemon_tasks == DaemonTasks::Ignore
    }

    /// A person would like to know by now.
    pub(super) fn wonder(&mut self) {
        self.wondering = true;
    }

    /// Somebody asks whose the tasks are.
    pub(crate) fn ask_by_hand(&mut self) {
        self.asked_by_hand = true;
    }

    /// Whether ECS still has to be asked about one of these, for somebody who waits for the answer.
    pub fn is_asking(&self) -> bool {
        self.asked_by_hand && self.classify.is_in_flight()
    }

    /// Takes over what the ECS API has told.
    pub(super) fn learn(&mut self, tasks: &[ApiTask]) {
        for task in tasks {
            self.kinds.insert(task.task.arn.clone(), task.kind.clone());
        }
    }

    pub(super) fn absorb_classified(
        &mut self,
        result: Result<Vec<ApiTask>, Failure>,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        match result {
            Ok(tasks) => {
                self.classify.succeeded();
                turn.good(health, Dependency::Ecs);
                self.learn(&tasks);
                self.wondering = false;
                self.asked_by_hand = false;
                for arn in std::mem::take(&mut self.asking) {
                    if !self.kinds.contains_key(&arn) {
                        self.unknown.insert(arn);
                    }
                }
            }
            Err(failure) => {
                let what = "ecs:DescribeTasks or ecs:DescribeServices";
                turn.call_failed(&mut self.classify, health, Dependency::Ecs, what, &failure);
            }
        }
    }

    pub(super) fn absorb_stopped(
        &mut self,
        task: &str,
        result: Result<(), Failure>,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        let Some(call) = self.stops.get_mut(task) else {
            return;
        };
        match result {
            Ok(()) => {
                turn.good(health, Dependency::Ecs);
                self.stops.remove(task);
                self.stopped.insert(task.to_owned());
                turn.say(Note::TaskStopAccepted {
                    task: task.to_owned(),
                });
            }
            Err(failure) => {
                turn.call_failed(call, health, Dependency::Ecs, "ecs:StopTask", &failure);
            }
        }
    }

    pub(super) fn advance(
        &mut self,
        container_instance: Option<&ContainerInstance>,
        tasks: &TaskWatch,
        started_at: Moment,
        reason: &DrainReason,
        turn: &mut Turn<'_>,
    ) {
        let Some(container_instance) = container_instance else {
            return;
        };
        let stop_now = turn.policy.drain.standalone_tasks == StandaloneTasks::Stop
            && turn.now >= started_at + turn.policy.drain.standalone_stop_after;
        self.classify_strangers(container_instance, tasks, stop_now, turn);
        if stop_now {
            self.stop_standalone(tasks, turn.now);
        }
        self.stops
            .retain(|arn, _| tasks.running().iter().any(|task| task.arn == *arn));
        let mut free = STOPS_AT_ONCE.saturating_sub(
            self.stops
                .values()
                .filter(|call| call.is_in_flight())
                .count(),
        );
        for (arn, call) in &mut self.stops {
            if free > 0 && call.start(turn.now) {
                free -= 1;
                turn.notes.push(Note::StoppingTask { task: arn.clone() });
                turn.actions.push(Action::StopTask {
                    container_instance: container_instance.clone(),
                    task: arn.clone(),
                    reason: format!(
                        "ecs-lifecycle-agent: the container instance is drained, {reason}"
                    ),
                });
            }
        }
    }

    fn classify_strangers(
        &mut self,
        container_instance: &ContainerInstance,
        tasks: &TaskWatch,
        stop_now: bool,
        turn: &mut Turn<'_>,
    ) {
        if tasks.source() == Source::Api {
            // The list that is read instead says the kinds as well.
            self.classify.cancel();
            return;
        }
        let all = self.asked_by_hand || Self::may_ignore(turn.policy);
        let wanted = stop_now || self.wondering || all;
        let strangers: Vec<String> = tasks
            .running()
            .iter()
            .filter(|task| all || !task.is_stopping())
            .map(|task| &task.arn)
            .filter(|arn| !self.kinds.contains_key(*arn) && !self.unknown.contains(*arn))
            .cloned()
            .collect();
        if strangers.is_empty() {
            self.asked_by_hand = false;
        }
        if !wanted || strangers.is_empty() {
            return;
        }
        if !self.classify.is_wanted() {
            let earliest = self
                .asked_at
                .map_or(turn.now, |asked| asked + CLASSIFY_EVERY);
            self.classify.ask(earliest.max(turn.now));
        }
        if self.classify.start(turn.now) {
            self.asked_at = Some(turn.now);
            self.asking.clone_from(&strangers);
            turn.act(Action::ClassifyTasks {
                container_instance: container_instance.clone(),
                tasks: strangers,
                daemons: Self::wants_daemons(turn.policy) || self.wondering || self.asked_by_hand,
            });
        }
    }

    fn stop_standalone(&mut self, tasks: &TaskWatch, now: Moment) {
        for task in tasks.running() {
            let standalone = self.kinds.get(&task.arn) == Some(&TaskKind::Standalone);
            if standalone && !task.is_stopping() && !self.stopped.contains(&task.arn) {
                self.stops
                    .entry(task.arn.clone())
                    .or_insert_with(|| Call::due_at(now));
            }
        }
    }

    pub(super) fn wake(&self, wake: &mut Wake, started_at: Moment, policy: &Policy) {
        wake.consider(Some(started_at + policy.drain.standalone_stop_after));
        wake.consider(self.classify.wake_at());
        for call in self.stops.values() {
            wake.consider(call.wake_at());
        }
    }
}
