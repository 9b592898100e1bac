//! How many more tasks fit on this instance: when it is looked at, when it is said, and when it is not.
//!
//! Once a minute, the ECS agent is asked for its tasks. Where they are others than before, ECS is asked what
//! is left, as introspection knows no reservations; then the figures go to the CloudWatch agent. A minute has
//! one sample at the most: a sum takes a second one for a second host. docs/capacity.md has the reasons.

mod figures;
mod minutes;

use std::time::Duration;

pub use figures::judge;
pub use minutes::phase;
use minutes::{Minute, Minutes, has_passed};

use crate::model::{
    Action, AutoScalingInstance, CapacitySample, ContainerInstance, ContainerInstanceStatus,
    Failure, HostView, JoinOutcome, LocalTask, Memory, Moment, Note, Silence, TargetLifecycleState,
    Verdict,
};
use crate::registration::Registration;
use crate::turn::Turn;
use crate::wants::Intent;

/// How often ECS is asked while tasks come and go.
const LOOK_EVERY: Duration = Duration::from_mins(2);
/// How often where nothing changes.
const REFRESH: Duration = Duration::from_mins(10);
/// Older than this, what ECS has said is not published.
const STALE: Duration = Duration::from_mins(12);
/// How seldom a look is tried that fails. Without jitter: each instance has its own moment in the minute.
const RETRY_CAP: Duration = Duration::from_mins(16);

/// An ECS agent that is started again need not be spoken of.
const READ_QUIET: Duration = Duration::from_mins(2);

/// What is known of the room on this instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capacity {
    started: bool,
    minutes: Minutes,
    round: Option<Round>,
    /// The tasks of the last read, in the order of their ARNs.
    tasks: Option<Vec<LocalTask>>,
    /// They have changed, and ECS was not asked since they have settled.
    restless: bool,
    look: Option<Look>,
    /// When the last look was sent, at which container instance, and how many of it have failed since the last
    /// good one.
    looked: Option<(Moment, String)>,
    failures: u32,
    group: Group,
    warned: bool,
}

/// The minute that is being worked on.
#[derive(Clone, Debug, PartialEq)]
struct Round {
    minute: Minute,
    since: Moment,
    /// What became of the read of the tasks.
    read: Option<Read>,
    looked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Read {
    Failed,
    Same,
    Changed,
}

/// What ECS has said, and which tasks were here then.
#[derive(Clone, Debug, PartialEq)]
struct Look {
    sent: Moment,
    arn: String,
    host: HostView,
    tasks: Vec<LocalTask>,
}

/// In which Auto Scaling group this is.
#[derive(Clone, Debug, Default, PartialEq)]
enum Group {
    #[default]
    Unknown,
    /// Asked for by this part.
    Asked,
    /// The question has failed.
    Failed(Moment),
    Known(Option<String>),
}

/// The container instance, where it may be spoken of; else why not.
pub(crate) fn standing<'a>(
    intent: &Intent,
    target: Option<&TargetLifecycleState>,
    memory: &Memory,
    returning: bool,
    impostor: bool,
    here: Option<&'a Registration>,
) -> Result<&'a ContainerInstance, Silence> {
    match intent {
        Intent::Unknown => return Err(Silence::NoMetadata),
        Intent::Drain(reason) => return Err(Silence::Draining(reason.clone())),
        Intent::Join(into) => return Err(Silence::Joining(*into)),
        Intent::Serve if returning => return Err(Silence::Returning),
        Intent::Serve => {}
    }
    if target != Some(&TargetLifecycleState::InService) {
        return Err(Silence::NotInService(target.cloned()));
    }
    if memory
        .join
        .is_some_and(|join| join.outcome == Some(JoinOutcome::TimedOut))
    {
        return Err(Silence::NotJoined);
    }
    match here {
        None => Err(Silence::NotRegistered),
        Some(here) if impostor || here.is_foreign() => Err(Silence::Foreign),
        Some(here) => Ok(&here.target),
    }
}

impl Capacity {
    /// The figures by what is known, and whether they are published.
    pub fn verdict(
        &self,
        standing: Result<&ContainerInstance, Silence>,
        policy: &crate::Policy,
        ours: &str,
        now: Moment,
    ) -> Verdict {
        let host = match (&self.look, &standing) {
            (Some(look), Ok(here)) if look.arn != here.arn => Err(Silence::NotAsked),
            (Some(look), _) if now.since(look.sent) > STALE => Err(Silence::Stale),
            (Some(look), _) => Ok(&look.host),
            (None, _) => Err(Silence::NotAsked),
        };
        let tasks = self.tasks.as_deref().ok_or(Silence::NoTasks);
        judge(&policy.capacity, standing.err(), host, tasks, ours)
    }

    /// The wall clock was set, perhaps back to a minute in which the process before this one has spoken.
    pub(crate) fn start_over(&mut self) {
        self.started = false;
    }

    /// Takes in the tasks that the ECS agent shows.
    pub(crate) fn absorb_tasks(
        &mut self,
        result: Result<Vec<LocalTask>, Failure>,
        sent: Moment,
        turn: &mut Turn<'_>,
    ) {
        let Some(round) = self.round.as_mut().filter(|round| round.since <= sent) else {
            return;
        };
        match result {
            Ok(mut tasks) => {
                turn.good();
                tasks.sort_unstable();
                let before = self.tasks.as_ref();
                let changed =
                    before.is_some_and(|before| !before.iter().map(id).eq(tasks.iter().map(id)));
                self.restless |= changed;
                round.read = Some(if changed { Read::Changed } else { Read::Same });
                self.tasks = Some(tasks);
            }
            Err(failure) => {
                turn.bad(&failure, READ_QUIET);
                round.read = Some(Read::Failed);
            }
        }
    }

    /// Takes in what ECS says.
    pub(crate) fn absorb_look(
        &mut self,
        result: Result<HostView, Failure>,
        action: &Action,
        sent: Moment,
        turn: &mut Turn<'_>,
    ) {
        let Action::DescribeResources(here) = action else {
            return;
        };
        match result {
            Ok(host) => {
                turn.good();
                self.failures = match host.view.status {
                    ContainerInstanceStatus::Missing => self.failures.saturating_add(1),
                    _ => 0,
                };
                let Some((round, tasks)) = self.round.as_ref().zip(self.tasks.clone()) else {
                    return;
                };
                self.restless &= round.read == Some(Read::Changed);
                let new = Look {
                    sent,
                    arn: here.arn.clone(),
                    host,
                    tasks,
                };
                if !self.warned
                    && let Some(larger) = self.look.as_ref().and_then(|old| larger(old, &new, turn))
                {
                    self.warned = true;
                    turn.say(larger);
                }
                self.look = Some(new);
            }
            Err(failure) => {
                let delay = self.retry_delay();
                self.failures = self.failures.saturating_add(1);
                turn.failed_for(&failure, delay);
            }
        }
    }

    /// Takes in what Auto Scaling says, whoever has asked.
    pub(crate) fn absorb_group(
        &mut self,
        result: &Result<Option<AutoScalingInstance>, Failure>,
        turn: &mut Turn<'_>,
    ) {
        match result {
            Ok(found) => {
                self.group = Group::Known(found.as_ref().map(|found| found.group.clone()));
            }
            Err(failure) if self.group == Group::Asked => {
                self.group = Group::Failed(turn.now);
                turn.failed_for(failure, RETRY_CAP);
            }
            Err(_) => {}
        }
    }

    /// Takes in whether the CloudWatch agent has taken a sample. It is not sent again.
    pub(crate) fn absorb_sent(&mut self, result: Result<(), Failure>, turn: &mut Turn<'_>) {
        match result {
            Ok(()) => turn.good(),
            Err(failure) => turn.bad(&failure, Duration::ZERO),
        }
    }

    /// Looks and speaks when it is time.
    pub(crate) fn advance(
        &mut self,
        standing: Result<&ContainerInstance, Silence>,
        ours: &str,
        turn: &mut Turn<'_>,
    ) {
        if !std::mem::replace(&mut self.started, true) {
            // The process before this one may have spoken in it.
            self.minutes.close(Minute::now(turn));
        }
        let Ok(here) = standing else {
            // What is known is of another time by when it may speak again.
            (self.round, self.tasks, self.look, self.restless) = (None, None, None, false);
            return;
        };
        if self.round.is_none() {
            let Some(minute) = self.minutes.due(turn) else {
                return;
            };
            self.round = Some(Round {
                minute,
                since: turn.now,
                read: None,
                looked: false,
            });
        }
        let Some(minute) = self.work(here, turn) else {
            return;
        };
        let verdict = self.verdict(Ok(here), turn.policy, ours, turn.now);
        let readable = self.round.take().and_then(|round| round.read) != Some(Read::Failed);
        self.minutes.close(minute);
        if let (Some(figures), None, true) = (verdict.figures, verdict.silence, readable) {
            turn.send(Action::SendCapacity(CapacitySample {
                minute: minute.start(),
                cluster: here.cluster.clone(),
                group: self.group(turn),
                figures,
            }));
        }
        self.minutes.due(turn);
    }

    /// Asks whatever has to be asked in this minute; the minute, once all is answered.
    fn work(&mut self, here: &ContainerInstance, turn: &mut Turn<'_>) -> Option<Minute> {
        let flying = turn.is_flying(|action| {
            matches!(
                action,
                Action::ReadTaskSet
                    | Action::DescribeResources(_)
                    | Action::FindGroup { tags: true }
            )
        });
        if flying {
            return None;
        }
        let wants_look = self.wants_look(here, turn.now);
        let wants_group = self.wants_group(turn);
        let round = self.round.as_mut()?;
        let Some(read) = round.read else {
            turn.send(Action::ReadTaskSet);
            if wants_group {
                self.group = Group::Asked;
                turn.send(Action::FindGroup { tags: true });
            }
            return None;
        };
        if read != Read::Failed && wants_look && !std::mem::replace(&mut round.looked, true) {
            let asked = (turn.now, here.arn.clone());
            if self
                .looked
                .replace(asked)
                .is_some_and(|(_, arn)| arn != here.arn)
            {
                self.failures = 0;
            }
            turn.send(Action::DescribeResources(here.clone()));
            return None;
        }
        Some(round.minute)
    }

    /// Whether ECS is to be asked again, and may be.
    fn wants_look(&self, here: &ContainerInstance, now: Moment) -> bool {
        let wanted = self.restless
            || self.look.as_ref().is_none_or(|look| {
                look.arn != here.arn
                    || look.host.view.status == ContainerInstanceStatus::Missing
                    || has_passed(REFRESH, look.sent, now)
            });
        let pause = match self.failures {
            0 => LOOK_EVERY,
            failures => LOOK_EVERY
                .saturating_mul(1 << (failures - 1).min(16))
                .min(RETRY_CAP),
        };
        wanted
            && self
                .looked
                .as_ref()
                .is_none_or(|(at, arn)| *arn != here.arn || has_passed(pause, *at, now))
    }

    /// How long a look waits that has failed once more.
    fn retry_delay(&self) -> Duration {
        LOOK_EVERY
            .saturating_mul(1 << self.failures.min(16))
            .min(RETRY_CAP)
    }

    fn wants_group(&self, turn: &Turn<'_>) -> bool {
        let unknown = match self.group {
            Group::Unknown => true,
            Group::Failed(at) => has_passed(RETRY_CAP, at, turn.now),
            Group::Asked | Group::Known(_) => false,
        };
        unknown && turn.policy.autoscaling.auto_scaling_group_name.is_none()
    }

    fn group(&self, turn: &Turn<'_>) -> Option<String> {
        let configured = turn.policy.autoscaling.auto_scaling_group_name.clone();
        configured.or_else(|| match &self.group {
            Group::Known(group) => group.clone(),
            Group::Unknown | Group::Asked | Group::Failed(_) => None,
        })
    }
}

fn id(task: &LocalTask) -> &str {
    &task.arn
}

/// Exactly one task has come or gone between two looks, and ECS has counted the tasks that were here: the
/// difference is what it reserves. Said where that is more than is configured.
fn larger(before: &Look, after: &Look, turn: &Turn<'_>) -> Option<Note> {
    let counts = |look: &Look| {
        let counted = u64::from(look.host.view.running) + u64::from(look.host.view.pending);
        u64::try_from(look.tasks.len()).is_ok_and(|here| here == counted)
    };
    if before.arn != after.arn || !counts(before) || !counts(after) {
        return None;
    }
    let without = |left: &'_ [LocalTask], right: &[LocalTask]| -> Vec<LocalTask> {
        let gone = |task: &&LocalTask| !right.iter().any(|other| other.arn == task.arn);
        left.iter().filter(gone).cloned().collect()
    };
    let came = without(&after.tasks, &before.tasks);
    let went = without(&before.tasks, &after.tasks);
    let (task, more, less) = match (came.as_slice(), went.as_slice()) {
        ([task], []) => (task, before, after),
        ([], [task]) => (task, after, before),
        _ => return None,
    };
    let (more, less) = (&more.host.remaining, &less.host.remaining);
    let cpu = more.cpu?.checked_sub(less.cpu?)?;
    let memory = more.memory?.checked_sub(less.memory?)?;
    let configured = &turn.policy.capacity;
    let is_larger = cpu > i64::from(configured.cpu) || memory > i64::from(configured.memory);
    (is_larger && cpu >= 0 && memory >= 0).then(|| Note::LargerTask {
        task: task.clone(),
        cpu,
        memory,
        configured: (configured.cpu, configured.memory),
    })
}
