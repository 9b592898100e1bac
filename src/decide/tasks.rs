//! Watches the tasks that still run here.
//!
//! The ECS agent on this machine is the truth about containers, and free to ask; the ECS API is the truth
//! about what may still be placed here, and is asked once, at the end. Nothing is left when both agree:
//! two local reads in a row with nothing that is not STOPPED, then ECS: takes no tasks, none running, none
//! pending, then one more local read, for whatever arrived in between. `Tasks::lacking` says which of
//! these is missing; it is a function of what is believed, so that nothing has to be told to look again.
//!
//! A task that vanishes without having been seen STOPPED counts as running: an ECS agent that lost its data
//! lists nothing while containers run.
//!
//! Where introspection is away for longer than a short grace, the ECS API is asked instead, slowly, and
//! believed only after it has said the same for a while: it may report STOPPED while a container runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::Policy;
use crate::kinds::{Kinds, may_ignore, wants_daemons};
use crate::model::{
    Action, ApiTask, ContainerInstanceView, Failure, Moment, Note, Task, TaskStatus, WaitedFor,
};
use crate::pace::{Pace, growing};
use crate::registration::{Registration, Seen};
use crate::turn::Turn;

/// A restart of the ECS agent makes a read or two fail. These are not logged.
const QUIET: Duration = Duration::from_secs(3);
/// A task that was placed before DRAINING can arrive this late.
const ARRIVAL_GRACE: Duration = Duration::from_secs(5);
/// If at most this many tasks are left, they are read more often.
const FEW: usize = 10;
/// For this long after a change, tasks are read more often. The next change can follow soon, as a container
/// can stop at once.
const ASTIR: Duration = Duration::from_secs(5);
/// The longest interval at which ECS is asked why a late task is not told to stop.
const SUSPICION_CAP: Duration = Duration::from_secs(300);
/// The maximum age of the local read that a completion relies on.
const READ_LIMIT: Duration = Duration::from_secs(1);
/// The answers of ECS can be out of date by this much.
const OUTDATED: Duration = Duration::from_secs(10);
/// The longest wait before ECS is asked again whether it agrees that nothing is left.
const DISAGREEMENT_CAP: Duration = Duration::from_secs(10);

/// The source of the list of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The ECS agent's introspection.
    #[default]
    Introspection,
    /// The ECS API, while introspection is away.
    Api,
}

/// The evidence that is still missing before the instance counts as drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// The ECS agent's introspection does not answer.
    Introspection,
    /// Tasks have not stopped.
    Tasks,
    /// Tasks have vanished from the ECS agent's list, and ECS does not say that they are STOPPED.
    Vanished,
    /// A second local read that shows nothing.
    SecondRead,
    /// DRAINING has not lasted long enough.
    Placement,
    /// A look at ECS that agrees, sent at this moment or later.
    Agreement(Moment),
    /// A list from the ECS API, sent at this moment or later. The counts include ignored tasks.
    List(Moment),
    /// A local read that shows nothing, sent at this moment or later.
    LastRead(Moment),
    /// The ECS API has not said the same for long enough.
    ApiSettle,
}

/// A task that is missing from the last list.
#[derive(Clone, Debug, PartialEq)]
struct Vanished {
    task: Task,
    /// When the first request was sent whose answer says STOPPED.
    stopped: Option<Moment>,
    /// Whether that answer counts.
    believed: bool,
}

impl Vanished {
    fn new(task: Task) -> Self {
        Self {
            task,
            stopped: None,
            believed: false,
        }
    }
}

/// Reads in a row that show nothing to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Empty {
    /// When the first of them was sent.
    from: Option<Moment>,
    /// When the last of them was sent.
    to: Option<Moment>,
    /// When it was answered.
    answered: Option<Moment>,
    reads: u32,
}

impl Empty {
    fn saw(&mut self, nothing: bool, sent: Moment, now: Moment) {
        if nothing {
            self.from.get_or_insert(sent);
            (self.to, self.answered) = (Some(sent), Some(now));
            self.reads = self.reads.saturating_add(1);
        } else {
            *self = Self::default();
        }
    }
}

/// The part that watches the tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tasks {
    read: Pace,
    read_sent: Moment,
    /// When the last local read was sent that was answered, well or badly.
    pub(crate) answered: Option<Moment>,
    list: Pace,
    /// When the last answered list of the API's was sent.
    listed_at: Option<Moment>,
    source: Source,
    /// Not STOPPED, as last read from whichever source is in use.
    running: BTreeMap<String, Task>,
    /// Seen not STOPPED, and not seen STOPPED since; of which container instance.
    open: BTreeMap<String, String>,
    /// Those of them that the last local list does not have.
    vanished: BTreeMap<String, Vanished>,
    /// The largest number of tasks at any one time.
    most: usize,
    /// Listed, and not on an earlier list.
    late: BTreeSet<String>,
    suspicions: u32,
    was_read: bool,
    /// The first list has just been read, and shows something.
    first: bool,
    changed_at: Moment,
    stalls: u32,
    away_since: Option<Moment>,
    local: Empty,
    api: Empty,
    disagreements: u32,
    said_disagrees: bool,
}

impl Tasks {
    /// Nothing is known yet.
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            read: Pace::at(now),
            read_sent: now,
            changed_at: now,
            ..Self::default()
        }
    }

    /// Takes up what an earlier process has seen running. Until it is listed again, it counts as running.
    pub(crate) fn recall(&mut self, open: &BTreeMap<String, String>) {
        if self.was_read {
            return;
        }
        for (arn, container_instance) in open {
            self.open.insert(arn.clone(), container_instance.clone());
            let gone = Vanished::new(Task::recalled(arn));
            self.vanished.insert(arn.clone(), gone);
        }
    }

    /// What a restart could not see any more, if the ECS agent lost its data meanwhile.
    pub(crate) fn remember(&self, memory: &mut BTreeMap<String, String>) {
        let counts = |arn: &String| self.vanished.get(arn).is_none_or(|gone| !gone.believed);
        let open = self.open.iter().filter(|(arn, _)| counts(arn));
        if !open.clone().eq(memory.iter()) {
            *memory = open.map(|(arn, of)| (arn.clone(), of.clone())).collect();
        }
    }

    /// Everything that is not STOPPED, as last read, and what has vanished.
    pub fn running(&self) -> impl Iterator<Item = &Task> {
        self.running
            .values()
            .chain(self.unaccounted().map(|(_, gone)| &gone.task))
    }

    /// Seen not STOPPED, and not seen STOPPED since: of other tasks, a list need not say that they have stopped.
    pub(crate) fn open(&self) -> BTreeSet<String> {
        self.open.keys().cloned().collect()
    }

    /// What has vanished without having been seen STOPPED. Before the first list, that is unknown.
    pub(crate) fn vanished(&self) -> impl Iterator<Item = &String> {
        let gone = self.unaccounted().map(|(arn, _)| arn);
        gone.filter(|_| self.was_read)
    }

    fn unaccounted(&self) -> impl Iterator<Item = (&String, &Vanished)> {
        self.vanished.iter().filter(|(_, gone)| !gone.believed)
    }

    /// How many tasks it has waited for.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Whether a list was ever read.
    pub fn were_read(&self) -> bool {
        self.was_read
    }

    /// Whether introspection does not answer.
    pub(crate) fn is_away(&self) -> bool {
        self.away_since.is_some()
    }

    /// The source in use.
    pub fn source(&self) -> Source {
        self.source
    }

    /// Whether a task is listed that is waited for.
    pub(crate) fn runs(&self, kinds: &Kinds, policy: &Policy) -> bool {
        self.running
            .keys()
            .any(|arn| !kinds.is_ignored(arn, policy))
    }

    /// Whether a task runs here, or has vanished, that is waited for.
    pub(crate) fn waits(&self, kinds: &Kinds, policy: &Policy) -> bool {
        self.running()
            .any(|task| !kinds.is_ignored(&task.arn, policy))
    }

    /// What a person should know of the tasks that are waited for.
    pub fn waited_for(&self, kinds: &Kinds, policy: &Policy) -> Vec<WaitedFor> {
        self.running()
            .filter(|task| !kinds.is_ignored(&task.arn, policy))
            .map(|task| WaitedFor {
                arn: task.arn.clone(),
                definition: task.definition.clone(),
                kind: kinds.of(&task.arn).map(ToString::to_string),
                stopping: task.stopping,
            })
            .collect()
    }

    /// Another drain or another lifecycle action begins, so all evidence has to be renewed.
    pub(crate) fn look_again(&mut self, now: Moment) {
        (self.local, self.api) = (Empty::default(), Empty::default());
        (self.disagreements, self.said_disagrees) = (0, false);
        (self.changed_at, self.stalls) = (now, 0);
        self.most = self.running.len();
        self.read.ask(now);
    }

    /// Takes in the ECS agent's list. `arn` is the container instance that it is of.
    pub(crate) fn absorb_local(
        &mut self,
        result: Result<Vec<Task>, Failure>,
        sent: Moment,
        arn: Option<&str>,
        kinds: &Kinds,
        turn: &mut Turn<'_>,
    ) {
        self.answered = Some(sent);
        let every = turn.policy.ecs.introspection_poll_interval;
        let mut next = sent + every;
        match result {
            Ok(tasks) => {
                turn.good();
                self.away_since = None;
                if self.source == Source::Api {
                    self.source = Source::Introspection;
                    self.api = Empty::default();
                    turn.say(Note::BackToIntrospection);
                }
                self.settle_open(&tasks, arn, None);
                self.take(tasks, turn.now);
                let nothing = !self.waits(kinds, turn.policy);
                self.local.saw(nothing, sent, turn.now);
                // The drain may be over soon, or has to be confirmed. Slow reads are not made more often.
                if self.local.reads == 1 || self.may_end(kinds, turn) {
                    let took = turn.now.since(sent);
                    next = turn.now + (every / 4).max(took * 8).min(every);
                }
            }
            Err(failure) => {
                // A missing answer does not mean "no tasks", so earlier evidence has to be renewed.
                self.away_since.get_or_insert(turn.now);
                self.local = Empty::default();
                turn.bad(&failure, QUIET);
            }
        }
        self.read.set(next.max(turn.now));
    }

    /// Whether the drain may be over soon: there are few tasks left, and all of them are told to stop or one
    /// has just changed.
    fn may_end(&self, kinds: &Kinds, turn: &Turn<'_>) -> bool {
        let waited = |task: &&Task| !kinds.is_ignored(&task.arn, turn.policy);
        let mut left = self.running.values().filter(waited);
        (1..=FEW).contains(&left.clone().take(FEW + 1).count())
            && (turn.now.since(self.changed_at) < ASTIR || left.all(|task| task.stopping))
    }

    /// An open task that is listed as STOPPED is closed. An open task that is not listed has vanished. A list of
    /// the ECS API, sent at `by_ecs`, does not close a task by itself.
    fn settle_open(&mut self, tasks: &[Task], arn: Option<&str>, by_ecs: Option<Moment>) {
        let first = !std::mem::replace(&mut self.was_read, true);
        let before = std::mem::take(&mut self.running);
        let mut vanished = std::mem::take(&mut self.vanished);
        for task in tasks {
            if let (Some(_), TaskStatus::Stopped) = (by_ecs, task.known) {
                if self.open.contains_key(&task.arn) {
                    let gone = vanished
                        .entry(task.arn.clone())
                        .or_insert_with(|| Vanished::new(task.clone()));
                    gone.stopped = gone.stopped.or(by_ecs);
                }
                continue;
            }
            vanished.remove(&task.arn);
            if task.known == TaskStatus::Stopped {
                self.open.remove(&task.arn);
            } else if !self.open.contains_key(&task.arn) {
                if !first {
                    self.late.insert(task.arn.clone());
                    self.suspicions = 0;
                }
                self.first |= first;
                self.open
                    .insert(task.arn.clone(), arn.unwrap_or_default().to_owned());
            }
        }
        for (arn, task) in before.iter() {
            if self.open.contains_key(arn) && !tasks.iter().any(|listed| listed.arn == *arn) {
                vanished.insert(arn.clone(), Vanished::new(task.clone()));
            }
        }
        self.vanished = vanished;
        self.running = before;
    }

    /// Takes over a new list of tasks, and notices whether anything moved.
    fn take(&mut self, tasks: Vec<Task>, now: Moment) {
        let running: BTreeMap<String, Task> = tasks
            .into_iter()
            .filter(|task| task.known != TaskStatus::Stopped)
            .map(|mut task| {
                // The ECS agent may leave the desired status out. Nothing takes it back.
                task.stopping |= self
                    .running
                    .get(&task.arn)
                    .is_some_and(|before| before.stopping);
                (task.arn.clone(), task)
            })
            .collect();
        if running != self.running {
            (self.changed_at, self.stalls) = (now, 0);
            self.running = running;
            self.most = self.most.max(self.running.len() + self.vanished().count());
        }
    }

    /// Takes in what ECS says of single tasks.
    pub(crate) fn absorb_described(&mut self, tasks: &[ApiTask], sent: Moment) {
        for ApiTask { task, .. } in tasks {
            if let Some(gone) = self.vanished.get_mut(&task.arn) {
                let stopped = task.known == TaskStatus::Stopped;
                gone.stopped = gone.stopped.or(Some(sent)).filter(|_| stopped);
            }
        }
    }

    /// If ECS says that a vanished task is STOPPED, this counts only if its container instance is still this one
    /// and a later look shows it registered. ECS calls the tasks of a deregistered one STOPPED at once.
    fn believe_stopped(&mut self, here: &mut Registration) {
        for (arn, gone) in &mut self.vanished {
            if self.open.get(arn) != Some(&here.target.arn) {
                continue;
            }
            // An agent that is not connected may be deregistered, and a look a little out of date.
            let connected = here.view().is_none_or(|seen| seen.value.agent_connected);
            let after = if connected { Duration::ZERO } else { OUTDATED };
            match (gone.stopped, here.view()) {
                (_, Some(_)) if !here.is_there() => gone.believed = false,
                (Some(stopped), Some(seen)) if seen.sent > stopped + after => {
                    let news = !std::mem::replace(&mut gone.believed, true);
                    if news {
                        self.changed_at = self.changed_at.max(seen.sent);
                    }
                }
                (Some(stopped), _) if !gone.believed => {
                    here.look_from(stopped + after + Duration::from_millis(1));
                }
                _ => {}
            }
        }
    }

    /// Takes in the API's list.
    pub(crate) fn absorb_list(
        &mut self,
        result: Result<Vec<ApiTask>, Failure>,
        sent: Moment,
        here: Option<&Registration>,
        kinds: &mut Kinds,
        turn: &mut Turn<'_>,
    ) {
        let tasks = match result {
            Ok(tasks) => tasks,
            Err(failure) => {
                self.api = Empty::default();
                return self.list.failed(&failure, turn);
            }
        };
        self.list.succeeded();
        self.listed_at = Some(sent);
        turn.good();
        kinds.learn(&tasks);
        let waits = tasks.iter().any(|task| {
            task.task.known != TaskStatus::Stopped && !kinds.is_ignored(&task.task.arn, turn.policy)
        });
        self.absorb_described(&tasks, sent);
        if self.source == Source::Api {
            let tasks: Vec<Task> = tasks.into_iter().map(|task| task.task).collect();
            let arn = here.map(|here| here.target.arn.as_str());
            self.settle_open(&tasks, arn, Some(sent));
            self.take(tasks, turn.now);
            self.list.ask(turn.now + turn.policy.ecs.api_poll_interval);
        } else if waits {
            self.disagree(turn);
        }
        let waits = waits
            || self
                .unaccounted()
                .any(|(arn, gone)| gone.stopped.is_none() && !kinds.is_ignored(arn, turn.policy));
        self.api.saw(!waits, sent, turn.now);
    }

    fn disagree(&mut self, turn: &mut Turn<'_>) {
        let delay = Duration::from_secs(1 << self.disagreements.min(8)).min(DISAGREEMENT_CAP);
        self.disagreements = self.disagreements.saturating_add(1);
        self.list.ask(turn.now + delay);
    }

    /// The evidence that is missing before the instance counts as drained; `None` if it is drained.
    pub(crate) fn lacking(
        &self,
        here: Option<&Registration>,
        kinds: &Kinds,
        now: Moment,
        policy: &Policy,
    ) -> Option<Lacking> {
        if self.runs(kinds, policy) {
            return Some(Lacking::Tasks);
        }
        if self.waits(kinds, policy) {
            return Some(Lacking::Vanished);
        }
        let settled = |here: &&Registration| {
            here.closed_since()
                .is_some_and(|since| now.since(since) >= policy.ecs.placement_settle)
        };
        match self.source {
            Source::Introspection => {
                let (Some(from), Some(to)) = (self.local.from, self.local.to) else {
                    return Some(Lacking::Introspection);
                };
                if self.local.reads < 2 {
                    return Some(Lacking::SecondRead);
                }
                let Some(here) = here.filter(settled) else {
                    return Some(Lacking::Placement);
                };
                // A look from before `placement_settle` had passed may have missed a task that was just placed.
                let from =
                    from.max(here.closed_since().unwrap_or(from) + policy.ecs.placement_settle);
                let Some(seen) = here.sure_view().filter(|seen| seen.sent >= from) else {
                    return Some(Lacking::Agreement(from));
                };
                if !is_empty(&seen.value) {
                    if !may_ignore(policy) {
                        return Some(Lacking::Agreement(seen.sent + Duration::from_millis(1)));
                    }
                    if self.api.to.is_none_or(|listed| listed < seen.sent) {
                        return Some(Lacking::List(seen.sent));
                    }
                }
                let asked = self
                    .api
                    .to
                    .filter(|_| !is_empty(&seen.value))
                    .map_or(seen.sent, |listed| listed.max(seen.sent));
                (to <= asked).then_some(Lacking::LastRead(asked + Duration::from_millis(1)))
            }
            Source::Api => {
                let Some(from) = self.api.from else {
                    return Some(Lacking::ApiSettle);
                };
                let Some(here) = here.filter(settled) else {
                    return Some(Lacking::Placement);
                };
                if here.sure_view().is_none_or(|seen| seen.sent < from) {
                    return Some(Lacking::Agreement(from));
                }
                let settled = self.api.reads >= 2 && now.since(from) >= policy.ecs.api_settle;
                (!settled).then_some(Lacking::ApiSettle)
            }
        }
    }

    /// When the look was sent in which ECS agreed that no task is left.
    pub(crate) fn agreed_at(&self, here: Option<&Registration>) -> Option<Moment> {
        let from = self.local.from.filter(|_| self.local.reads >= 2)?;
        let seen = here?.sure_view()?;
        (self.source == Source::Introspection && seen.sent >= from).then_some(seen.sent)
    }

    /// Whether nothing was here a moment ago, in a look that was sent at `from` or later.
    pub(crate) fn nothing_since(&self, from: Moment, turn: &Turn<'_>) -> bool {
        let (seen, limit) = match self.source {
            Source::Introspection => (&self.local, READ_LIMIT),
            Source::Api => (&self.api, turn.policy.ecs.api_poll_interval * 3 / 2),
        };
        seen.to.is_some_and(|to| to >= from)
            && seen.answered.is_some_and(|at| turn.now.since(at) <= limit)
    }

    /// The answers came from the ECS agent of another machine.
    pub(crate) fn was_another(&mut self, now: Moment) {
        self.is_elsewhere();
        self.local = Empty::default();
        self.read.ask(now);
    }

    /// The container instance has changed. The answers of the API were about the one before.
    pub(crate) fn is_elsewhere(&mut self) {
        self.api = Empty::default();
    }

    /// Reads at once.
    pub(crate) fn read_now(&mut self, now: Moment) {
        self.read.ask(now);
    }

    /// Reads at once where the last read was sent before `from`, or answered too long ago.
    pub(crate) fn read_again(&mut self, from: Moment, turn: &Turn<'_>) {
        let old =
            self.read_sent < from || self.away_since.is_none() && !self.nothing_since(from, turn);
        if self.source == Source::Introspection && old {
            self.read.ask(turn.now);
        }
    }

    /// Starts what is due, and asks the other parts for what it needs of them.
    pub(crate) fn advance(
        &mut self,
        here: Option<&mut Registration>,
        kinds: &mut Kinds,
        turn: &mut Turn<'_>,
    ) {
        self.fall_back(turn);
        if let Some(here) = here {
            self.compare(here, kinds, turn);
        }
        if !turn.is_flying(|action| matches!(action, Action::ReadTasks { .. }))
            && self.read.is_due(turn)
        {
            self.read.sent();
            self.read_sent = turn.now;
            turn.send(Action::ReadTasks { open: self.open() });
        }
    }

    /// Compares what is read here with what ECS says.
    fn compare(&mut self, here: &mut Registration, kinds: &mut Kinds, turn: &mut Turn<'_>) {
        self.believe_stopped(here);
        self.suspect_newcomers(here, turn);
        self.suspect_a_stall(kinds, here, turn);
        if let Some(closed) = here.closed_since() {
            turn.reached(closed + turn.policy.ecs.placement_settle);
        }
        if let (Source::Api, Some(from)) = (self.source, self.api.from) {
            turn.reached(from + turn.policy.ecs.api_settle);
        }
        match self.lacking(Some(here), kinds, turn.now, turn.policy) {
            // The answer to a change says what a look would.
            Some(Lacking::Agreement(from)) if !here.is_setting(turn) => {
                self.ask_ecs(from, here, turn);
            }
            Some(Lacking::List(from)) if self.listed_at.is_none_or(|at| at < from) => {
                self.list.ask(turn.now);
            }
            Some(Lacking::LastRead(from)) => self.read.ask(from.max(turn.now)),
            _ => {}
        }
        let wanted = self.source == Source::Api
            || matches!(
                self.lacking(Some(here), kinds, turn.now, turn.policy),
                Some(Lacking::List(_))
            );
        let flying = turn.is_flying(|action| matches!(action, Action::ListTasks { .. }));
        if wanted && !flying && self.list.is_due(turn) {
            self.list.sent();
            turn.send(Action::ListTasks {
                container_instance: here.target.clone(),
                daemons: wants_daemons(turn.policy),
            });
        }
    }

    /// Asks ECS whether it agrees, at once the first time, then at growing intervals.
    fn ask_ecs(&mut self, from: Moment, here: &mut Registration, turn: &mut Turn<'_>) {
        let again = here
            .view()
            .filter(|seen| seen.sent + Duration::from_millis(1) == from);
        let Some(seen) = again else {
            return here.look_from_now_if_older(from, turn.now);
        };
        if !std::mem::replace(&mut self.said_disagrees, true) {
            turn.say(Note::EcsDisagrees {
                view: seen.value.clone(),
            });
        }
        if here.is_looking() {
            return;
        }
        let delay = growing(
            Duration::from_secs(1),
            DISAGREEMENT_CAP,
            self.disagreements,
            turn.seed,
        );
        self.disagreements = self.disagreements.saturating_add(1);
        here.look_from(turn.now + delay);
    }

    fn fall_back(&mut self, turn: &mut Turn<'_>) {
        let (Some(since), Source::Introspection) = (self.away_since, self.source) else {
            return;
        };
        if turn.reached(since + turn.policy.ecs.introspection_grace) {
            self.source = Source::Api;
            self.api = Empty::default();
            self.list.ask(turn.now);
            turn.say(Note::FallbackToApi {
                away_for: turn.now.since(since),
            });
        }
    }

    /// Asks ECS about a task that appears after DRAINING and is not told to stop. It may have been placed before,
    /// or somebody may have set the container instance back. An answer of ECS can be out of date, so it is asked
    /// again at growing intervals.
    fn suspect_newcomers(&mut self, here: &mut Registration, turn: &mut Turn<'_>) {
        let first = std::mem::take(&mut self.first);
        let Some(closed) = here.closed_since() else {
            // While DRAINING is asked for, somebody may set it back before the answer comes.
            if !here.is_changing(turn) {
                self.late.clear();
            }
            return;
        };
        let running = &self.running;
        let untold = |arn: &String| running.get(arn).is_some_and(|task| !task.stopping);
        // There are more tasks than ECS counted at DRAINING, so some were placed later.
        let counted = here
            .view()
            .map_or(0, |seen| seen.value.running + seen.value.pending);
        if first && running.keys().filter(|arn| untold(arn)).count() > counted as usize {
            self.late.extend(running.keys().cloned());
        }
        self.late.retain(|arn| self.open.contains_key(arn));
        if !self.late.iter().any(untold) {
            self.suspicions = 0;
            return;
        }
        // A look that was sent since the last change has been the first one.
        let looked = |seen: &Seen<_>| seen.sent >= self.changed_at;
        if self.suspicions == 0 && here.view().is_some_and(looked) {
            self.suspicions = 1;
        }
        let delay = match self.suspicions {
            0 => ARRIVAL_GRACE,
            again => growing(ARRIVAL_GRACE * 2, SUSPICION_CAP, again - 1, turn.seed),
        };
        let asked = here.view().map_or(closed, |seen| seen.sent).max(closed);
        let from = if self.suspicions == 0 { closed } else { asked };
        if !here.is_looking() && turn.reached(from + delay) {
            self.suspicions = self.suspicions.saturating_add(1);
            here.look_from(turn.now);
        }
    }

    /// If nothing has changed for long, ECS is asked at growing intervals. The kind of a task that is already
    /// stopping does not matter.
    fn suspect_a_stall(&mut self, kinds: &mut Kinds, here: &mut Registration, turn: &mut Turn<'_>) {
        if !here.is_closed() {
            self.changed_at = turn.now;
        }
        let untold =
            self.running.values().any(|task| !task.stopping) || self.unaccounted().next().is_some();
        // A change can only be seen in a new read.
        let least = turn.policy.ecs.introspection_poll_interval * 2;
        let after = turn.policy.drain.recheck_after.max(least);
        if turn.reached(self.changed_at + after.saturating_mul(1 << self.stalls.min(16))) {
            self.stalls = self.stalls.saturating_add(1);
            // A newcomer may have been the reason for a look a moment ago.
            here.look_from_now_if_older(turn.now - after, turn.now);
            kinds.wondering |= untold;
        }
    }

    /// What it waits for, as the end of "waits …".
    pub(crate) fn waits_for(&self, lacking: Option<Lacking>) -> &'static str {
        match lacking {
            Some(Lacking::Tasks) if self.away_since.is_none() => "for tasks to stop",
            Some(Lacking::Vanished) => {
                "for tasks that the ECS agent does not list any more, and that ECS does not call STOPPED"
            }
            Some(Lacking::SecondRead | Lacking::LastRead(_)) => "for a second look at what is left",
            Some(Lacking::Placement) => "for DRAINING to take effect",
            Some(Lacking::Agreement(_) | Lacking::List(_)) | None => {
                "for the ECS API to agree that nothing is left"
            }
            Some(Lacking::ApiSettle) => "for the ECS API to say the same for a while",
            Some(Lacking::Introspection | Lacking::Tasks) => {
                "for the ECS agent's introspection to answer"
            }
        }
    }
}

fn is_empty(view: &ContainerInstanceView) -> bool {
    view.running == 0 && view.pending == 0
}

/// Whether what is seen is not older than `limit`.
pub(crate) fn is_fresh<T>(seen: Option<&Seen<T>>, limit: Duration, now: Moment) -> bool {
    seen.is_some_and(|seen| now.since(seen.sent) <= limit)
}
