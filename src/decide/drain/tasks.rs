//! What still runs here?
//!
//! The ECS agent on this machine is the truth about containers, and free to ask; the ECS API is the truth
//! about what may still be placed here, and is asked once, at the end. A drain is over when both agree:
//! two local reads in a row with nothing that is not STOPPED, then ECS: takes no tasks, none running, none
//! pending, then one more local read, for whatever arrived in between.
//!
//! Where introspection is away for longer than a short grace, the ECS API is asked instead, slowly, and
//! believed only after it has said the same for a while: it may report STOPPED while a container runs.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::Policy;
use super::super::action::Action;
use super::super::call::Call;
use super::super::facts::{
    ApiTask, ContainerInstance, ContainerInstanceView, Failure, Task, TaskStatus,
};
use super::super::health::{Dependency, Health};
use super::super::note::{Note, WaitedFor};
use super::super::time::Moment;
use super::super::{Turn, Wake};
use super::leftovers::Leftovers;
use super::placement::Placement;

/// A failed read or two is what a restart of the ECS agent looks like: no word about those.
const QUIET: Duration = Duration::from_secs(3);
/// A task that was on its way when DRAINING came may arrive this late without raising suspicion.
const ARRIVAL_GRACE: Duration = Duration::from_secs(5);
/// The longest wait before ECS is asked again whether it agrees that nothing is left.
const AGREEMENT_BACKOFF_CAP: Duration = Duration::from_secs(10);

/// The part of a drain that watches the tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskWatch {
    read: Call,
    read_started: Moment,
    api: Call,
    source: Source,
    /// Not STOPPED, as last read from whichever source is in use.
    tasks: Vec<Task>,
    seen: BTreeSet<String>,
    /// As many as were ever there at once.
    most: usize,
    ever_read: bool,
    changed_at: Moment,
    stalls: u32,
    away_since: Option<Moment>,
    empty_reads: u32,
    agreement: Agreement,
    disagreements: u32,
    api_empty_since: Option<Moment>,
    api_empty_reads: u32,
    over: bool,
}

/// Who is believed about the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The ECS agent's introspection.
    Introspection,
    /// The ECS API, while introspection is away.
    Api,
}

/// Does the ECS API agree that nothing is left?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreement {
    NotAsked,
    Asked,
    /// It takes no tasks any more; what is counted there, a list has to say.
    Listing,
    Agreed,
}

impl TaskWatch {
    pub(super) fn begin(now: Moment) -> Self {
        Self {
            read: Call::due_at(now),
            read_started: now,
            api: Call::idle(),
            source: Source::Introspection,
            tasks: Vec::new(),
            seen: BTreeSet::new(),
            most: 0,
            ever_read: false,
            changed_at: now,
            stalls: 0,
            away_since: None,
            empty_reads: 0,
            agreement: Agreement::NotAsked,
            disagreements: 0,
            api_empty_since: None,
            api_empty_reads: 0,
            over: false,
        }
    }

    /// Whether a read is under way, whose answer is about to make this out of date.
    pub(super) fn is_reading(&self) -> bool {
        self.read.is_in_flight()
    }

    /// Everything that is not STOPPED, as last read.
    pub fn running(&self) -> &[Task] {
        &self.tasks
    }

    /// How many tasks it has waited for.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Who is believed at present.
    pub fn source(&self) -> Source {
        self.source
    }

    pub(super) fn is_over(&self, turn: &Turn<'_>) -> bool {
        self.over || self.api_has_settled(turn)
    }

    fn api_has_settled(&self, turn: &Turn<'_>) -> bool {
        self.source == Source::Api
            && self.agreement == Agreement::Agreed
            && self.api_empty_reads >= 2
            && self
                .api_empty_since
                .is_some_and(|since| turn.now.since(since) >= turn.policy.ecs.api_settle)
    }

    /// What a person should know of the tasks that are waited for.
    pub fn waited_for(&self, leftovers: &Leftovers, policy: &Policy) -> Vec<WaitedFor> {
        self.tasks
            .iter()
            .filter(|task| !leftovers.is_ignored(&task.arn, policy))
            .map(|task| WaitedFor {
                arn: task.arn.clone(),
                definition: task.definition.clone(),
                kind: leftovers.kind(&task.arn).map(ToString::to_string),
                stopping: task.is_stopping(),
            })
            .collect()
    }

    /// What the watch waits for, as the end of "waits …".
    pub(super) fn waits_for(&self) -> &'static str {
        match (
            self.source,
            self.ever_read,
            self.away_since,
            self.tasks.is_empty(),
        ) {
            (_, false, Some(_), _) | (Source::Introspection, _, Some(_), _) => {
                "for the ECS agent's introspection to answer"
            }
            (Source::Api, _, _, true) => "for the ECS API to say the same for a while",
            (Source::Introspection, _, _, true) if self.agreement == Agreement::NotAsked => {
                "for a second look at what is left"
            }
            (Source::Introspection, _, _, true) => "for the ECS API to agree that nothing is left",
            _ => "for tasks to stop",
        }
    }

    pub(super) fn absorb_local(
        &mut self,
        result: Result<Vec<Task>, Failure>,
        leftovers: &Leftovers,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        self.read.succeeded();
        let interval = turn.policy.ecs.introspection_poll_interval;
        let mut next = (self.read_started + interval).max(turn.now);
        match result {
            Ok(tasks) => {
                turn.good(health, Dependency::Introspection);
                self.ever_read = true;
                self.away_since = None;
                if self.source == Source::Api {
                    self.source = Source::Introspection;
                    self.api.cancel();
                    self.forget_emptiness();
                    turn.say(Note::BackToIntrospection);
                }
                self.take(tasks, turn.now);
                if self.waits(leftovers, turn.policy) {
                    self.forget_emptiness();
                } else {
                    self.empty_reads = self.empty_reads.saturating_add(1);
                    if self.agreement == Agreement::Agreed {
                        self.over = true;
                    }
                    // The confirming read need not wait a whole interval.
                    if self.empty_reads == 1 {
                        next = turn.now + interval / 2;
                    }
                }
            }
            Err(failure) => {
                // No answer is not "no tasks": whatever was seen before it has to be seen again.
                self.away_since.get_or_insert(turn.now);
                if self.source == Source::Introspection {
                    self.forget_emptiness();
                }
                health.bad(
                    Dependency::Introspection,
                    &failure,
                    turn.now,
                    QUIET,
                    &mut turn.notes,
                );
            }
        }
        self.read.ask(next);
    }

    /// Takes over a new list of tasks, and notices whether anything moved.
    fn take(&mut self, tasks: Vec<Task>, now: Moment) {
        let tasks: Vec<Task> = tasks
            .into_iter()
            .filter(|task| task.known != TaskStatus::Stopped)
            .collect();
        if tasks != self.tasks {
            self.changed_at = now;
            self.stalls = 0;
            self.most = self.most.max(tasks.len());
            self.tasks = tasks;
        }
    }

    fn waits(&self, leftovers: &Leftovers, policy: &Policy) -> bool {
        self.tasks
            .iter()
            .any(|task| !leftovers.is_ignored(&task.arn, policy))
    }

    fn forget_emptiness(&mut self) {
        self.empty_reads = 0;
        self.agreement = Agreement::NotAsked;
        self.disagreements = 0;
        self.api_empty_since = None;
        self.api_empty_reads = 0;
    }

    pub(super) fn absorb_api(
        &mut self,
        result: Result<Vec<ApiTask>, Failure>,
        leftovers: &mut Leftovers,
        placement: &mut Placement,
        health: &mut Health,
        turn: &mut Turn<'_>,
    ) {
        let tasks = match result {
            Ok(tasks) => tasks,
            Err(failure) => {
                let what = "ecs:ListTasks or ecs:DescribeTasks";
                turn.call_failed(&mut self.api, health, Dependency::Ecs, what, &failure);
                self.api_empty_since = None;
                self.api_empty_reads = 0;
                return;
            }
        };
        self.api.succeeded();
        turn.good(health, Dependency::Ecs);
        leftovers.learn(&tasks);
        let waits = tasks.iter().any(|task| {
            task.task.known != TaskStatus::Stopped
                && !leftovers.is_ignored(&task.task.arn, turn.policy)
        });
        if self.source == Source::Introspection {
            // Asked for the sake of agreement, where a bare count cannot tell what is ignored. One that was
            // under way before that says nothing: its successor is due.
            if self.agreement == Agreement::Listing && !self.api.is_wanted() {
                self.agreement = Agreement::Asked;
                self.agree(!waits, placement, turn);
            }
            return;
        }
        self.take(tasks.into_iter().map(|task| task.task).collect(), turn.now);
        if waits {
            self.forget_emptiness();
        } else {
            self.api_empty_since.get_or_insert(turn.now);
            self.api_empty_reads = self.api_empty_reads.saturating_add(1);
            if self.agreement == Agreement::NotAsked {
                self.agreement = Agreement::Asked;
                placement.ask_look(turn.now);
            }
        }
        self.api.ask(turn.now + turn.policy.ecs.api_poll_interval);
    }

    /// Takes in what ECS says of the container instance as a whole.
    pub(super) fn absorb_view(
        &mut self,
        view: &ContainerInstanceView,
        placement: &mut Placement,
        turn: &mut Turn<'_>,
    ) {
        let closed = view.status.takes_no_tasks();
        if self.agreement == Agreement::Listing && !closed {
            self.agreement = Agreement::NotAsked;
        }
        if self.agreement != Agreement::Asked {
            return;
        }
        if closed && !placement.has_settled(turn) {
            // What was placed just before DRAINING may be on its way, and in no count yet.
            self.agreement = Agreement::NotAsked;
            return;
        }
        let none = view.running == 0 && view.pending == 0;
        let may_ignore = Leftovers::may_ignore(turn.policy);
        if closed && !none && may_ignore && self.source == Source::Introspection {
            // The counts include what is ignored: the list has to say what they are.
            self.agreement = Agreement::Listing;
            self.api.ask(turn.now);
            return;
        }
        if closed && !none && self.disagreements == 0 {
            turn.say(Note::EcsDisagrees { view: view.clone() });
        }
        self.agree(
            closed && (none || self.source == Source::Api),
            placement,
            turn,
        );
    }

    fn agree(&mut self, agreed: bool, placement: &mut Placement, turn: &Turn<'_>) {
        if agreed {
            self.agreement = Agreement::Agreed;
            // Whatever arrived between the last read and the API's word shows in this one.
            self.read.ask(turn.now);
        } else {
            let delay =
                Duration::from_secs(1 << self.disagreements.min(8)).min(AGREEMENT_BACKOFF_CAP);
            self.disagreements = self.disagreements.saturating_add(1);
            placement.look_again(turn.now, delay);
        }
    }

    pub(super) fn advance(
        &mut self,
        container_instance: Option<&ContainerInstance>,
        leftovers: &mut Leftovers,
        placement: &mut Placement,
        turn: &mut Turn<'_>,
    ) {
        if self.read.start(turn.now) {
            self.read_started = turn.now;
            turn.act(Action::ReadTasks);
        }
        let Some(container_instance) = container_instance else {
            return;
        };
        self.suspect_newcomers(placement, turn.now);
        self.suspect_a_stall(leftovers, placement, turn);
        if self.source == Source::Introspection
            && self.empty_reads >= 2
            && self.agreement == Agreement::NotAsked
            && (placement.has_settled(turn) || !placement.is_draining())
        {
            self.agreement = Agreement::Asked;
            placement.ask_look(turn.now);
        }
        // The look was given up on (its role may not): ask again rather than wait for ever.
        if self.agreement == Agreement::Asked && !placement.is_looking() && !self.api.is_wanted() {
            placement.ask_look(turn.now);
        }
        self.fall_back(turn);
        if self.api.start(turn.now) {
            turn.act(Action::ListTasks {
                container_instance: container_instance.clone(),
                daemons: Leftovers::wants_daemons(turn.policy),
            });
        }
    }

    fn fall_back(&mut self, turn: &mut Turn<'_>) {
        let Some(since) = self.away_since else { return };
        let away_for = turn.now.since(since);
        if self.source == Source::Introspection && away_for >= turn.policy.ecs.introspection_grace {
            self.source = Source::Api;
            self.forget_emptiness();
            self.api.ask(turn.now);
            turn.say(Note::FallbackToApi { away_for });
        }
    }

    /// A task that nobody has seen before, well after DRAINING: somebody may have set the instance back.
    fn suspect_newcomers(&mut self, placement: &mut Placement, now: Moment) {
        let before = self.seen.len();
        for task in &self.tasks {
            if !self.seen.contains(&task.arn) {
                self.seen.insert(task.arn.clone());
            }
        }
        let late = placement
            .draining_since()
            .is_some_and(|since| now.since(since) > ARRIVAL_GRACE);
        if late && before != self.seen.len() {
            placement.ask_look(now);
        }
    }

    /// Nothing has moved for long, and ECS has not even told all tasks to stop: ask it why, at ever
    /// longer intervals. A task that is stopping already needs no such question, however long it takes.
    fn suspect_a_stall(
        &mut self,
        leftovers: &mut Leftovers,
        placement: &mut Placement,
        turn: &Turn<'_>,
    ) {
        if !placement.is_draining() {
            self.changed_at = turn.now;
        }
        if self.stall_at(turn.policy).is_none_or(|at| turn.now < at) {
            return;
        }
        self.stalls = self.stalls.saturating_add(1);
        placement.ask_look(turn.now);
        leftovers.wonder();
    }

    fn stall_at(&self, policy: &Policy) -> Option<Moment> {
        let untold = self.source == Source::Introspection
            && self.tasks.iter().any(|task| !task.is_stopping());
        // What has not been read again cannot have moved.
        let least = policy.ecs.introspection_poll_interval * 2;
        let after = policy.drain.recheck_after.max(least);
        untold.then(|| self.changed_at + after.saturating_mul(1 << self.stalls.min(16)))
    }

    pub(super) fn wake(&self, wake: &mut Wake, policy: &Policy) {
        wake.consider(self.read.wake_at());
        wake.consider(self.api.wake_at());
        wake.consider(
            self.away_since
                .map(|since| since + policy.ecs.introspection_grace),
        );
        wake.consider(
            self.api_empty_since
                .map(|since| since + policy.ecs.api_settle),
        );
        wake.consider(self.stall_at(policy));
    }
}
