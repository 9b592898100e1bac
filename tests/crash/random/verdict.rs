//! What must hold of a random drain, by the truth.

use std::time::{Duration, SystemTime};

use ecs_lifecycle_simulator::{
    ContainerInstanceStatus, Outcome, RequestRecord, TargetLifecycleState, TaskKind, TruthEvent,
    What, Who, World,
};

use super::millis;
use super::plan::{Cause, OURS, Plan};
use crate::lives::{SLACK, Written};

/// A time during which something was away.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    from: Duration,
    to: Option<Duration>,
}

impl Span {
    pub fn begin(spans: &mut Vec<Self>, from: Duration) {
        if spans.last().is_none_or(|last| last.to.is_some()) {
            spans.push(Self { from, to: None });
        }
    }

    pub fn end(spans: &mut [Self], to: Duration) {
        if let Some(last) = spans.last_mut().filter(|last| last.to.is_none()) {
            last.to = Some(to);
        }
    }
}

/// What the truth does not tell.
#[derive(Debug)]
pub struct Witness {
    pub caused_at: Duration,
    pub caused_at_wall: SystemTime,
    /// When the agent was not running.
    pub down: Vec<Span>,
    /// When metadata refused connections.
    pub deaf: Vec<Span>,
    pub written: Option<Written>,
}

/// The exactness of times.
const EXACT: Duration = millis(50);

struct Case<'a> {
    plan: &'a Plan,
    witness: &'a Witness,
    world: &'a World,
    id: &'a str,
    /// No deadline of this drain comes before.
    deadline: Duration,
}

pub fn judge(plan: &Plan, witness: &Witness, world: &World, id: &str) -> Result<String, String> {
    let spot_end = match plan.cause {
        Cause::Spot(within) | Cause::SpotThenTerminated(within) => Some(witness.caused_at + within),
        _ => None,
    };
    // The notice names whole seconds.
    let spot_deadline = spot_end.map(|end| end.saturating_sub(Duration::from_secs(1)));
    let own = witness.caused_at + plan.timeout;
    let case = Case {
        plan,
        witness,
        world,
        id,
        deadline: spot_deadline.map_or(own, |spot| own.min(spot)),
    };
    let lapse = case.lapse()?;
    case.nothing_is_killed_early(lapse.is_some())?;
    let completed = case.completions()?;
    if let Some(at) = completed {
        case.not_late(at)?;
    }
    case.the_start_is_remembered()?;
    if plan.called_off {
        return case.back_in_service();
    }
    Ok(match (completed, lapse, spot_end) {
        (Some(at), _, _) if at < case.deadline => "drained in time",
        (Some(_), _, _) => "completed at the deadline",
        (None, Some(outcome), _) => outcome,
        (None, None, Some(_)) => "ended by Spot",
        (None, None, None) => return Err("lost: neither completed nor left to the hook".to_owned()),
    }
    .to_owned())
}

impl Case<'_> {
    fn events(&self) -> impl DoubleEndedIterator<Item = &TruthEvent> {
        self.world.events_of(self.id)
    }

    fn is_waited_for(&self, arn: &str) -> bool {
        self.world
            .task(arn)
            .is_some_and(|task| match task.spec.kind {
                TaskKind::Standalone => !self.plan.ignores_standalone,
                TaskKind::Daemon { .. } => !self.plan.ignores_daemons,
                TaskKind::Service { .. } => true,
            })
    }

    /// What was placed by then and not gone.
    fn left_at(&self, at: Duration) -> Vec<&str> {
        let mut left = Vec::new();
        for event in self.events().filter(|event| event.at_real <= at) {
            match &event.what {
                What::TaskPlaced { task } if self.is_waited_for(task) => left.push(task.as_str()),
                What::ContainerGone { task } | What::Killed { task } => {
                    left.retain(|known| known != task);
                }
                _ => {}
            }
        }
        left
    }

    fn nothing_is_killed_early(&self, lapsed: bool) -> Result<(), String> {
        for event in self.events() {
            let What::Killed { task } = &event.what else {
                continue;
            };
            // A lapse has been judged by itself.
            if event.at_real + EXACT < self.deadline && self.is_waited_for(task) && !lapsed {
                return Err(format!("killed {:?} at {:?}", task, event.at_real));
            }
        }
        Ok(())
    }

    /// Each action is completed once, by its owner, with nothing running before the deadline. Returns when
    /// ours was.
    fn completions(&self) -> Result<Option<Duration>, String> {
        let mut ours = None;
        for event in self.events() {
            match &event.what {
                What::HookPending { hook, .. } if hook == OURS => ours = None,
                What::HookCompleted { hook, by, .. } => {
                    let at = event.at_real;
                    if hook != OURS {
                        if *by != Who::Operator {
                            return Err(format!("completed somebody else's {hook}"));
                        }
                        continue;
                    }
                    if ours.replace(at).is_some() {
                        return Err(format!("a second completion at {at:?}"));
                    }
                    if at + EXACT < self.deadline {
                        let left = self.left_at(at);
                        if !left.is_empty() {
                            return Err(format!("early: completed at {at:?} with {left:?}"));
                        }
                        self.draining_at(at)?;
                    }
                }
                _ => {}
            }
        }
        Ok(ours)
    }

    /// The deadline counts from the start that was written down; trouble after it is waited out.
    fn ready_at(&self, at: Duration) -> Option<Duration> {
        let written = self.witness.written.as_ref()?;
        let after = written
            .started_at
            .duration_since(self.witness.caused_at_wall)
            .unwrap_or_default();
        let deadline = self.witness.caused_at + after + self.plan.timeout;
        Some(deadline.max(self.troubled_until(at)))
    }

    fn is_late(&self, at: Duration) -> Option<Duration> {
        // A head start for the signal, and a completion that is tried again after two seconds.
        let allowed = SLACK + Duration::from_secs(2) + self.plan.group.acceptance_delay;
        self.ready_at(at).filter(|ready| at > *ready + allowed)
    }

    fn not_late(&self, at: Duration) -> Result<(), String> {
        match self.is_late(at) {
            Some(ready) => Err(format!("late: completed at {at:?}, due at {ready:?}")),
            None => Ok(()),
        }
    }

    /// DRAINING when it completes, unless somebody set it back after the last look.
    fn draining_at(&self, at: Duration) -> Result<(), String> {
        let changes = self.status_changes();
        let last = changes.iter().rev().find(|change| change.0 <= at);
        let looked = self
            .requests("ecs:UpdateContainerInstancesState|ecs:DescribeContainerInstances")
            .filter(|request| request.executed && request.at_real <= at)
            .last()
            .map_or(Duration::ZERO, |request| request.at_real);
        match last {
            Some((_, ContainerInstanceStatus::Draining, _)) => Ok(()),
            None if self.plan.drained_by_an_operator => Ok(()),
            Some((changed, _, Who::Operator)) if *changed >= looked => Ok(()),
            _ => Err(format!("completed at {at:?} while it was not DRAINING")),
        }
    }

    fn status_changes(&self) -> Vec<(Duration, ContainerInstanceStatus, Who)> {
        self.events()
            .filter_map(|event| match &event.what {
                What::ContainerInstanceStatusChanged { to, by, .. } => {
                    Some((event.at_real, *to, by.clone()))
                }
                _ => None,
            })
            .collect()
    }

    fn requests<'b>(&'b self, pattern: &'b str) -> impl Iterator<Item = &'b RequestRecord> {
        self.world.requests().matching(pattern)
    }

    /// Whether our hook was lost, and whether that had to be.
    fn lapse(&self) -> Result<Option<&'static str>, String> {
        let lapsed = self.events().find_map(|event| match &event.what {
            What::HeartbeatLapsed { hook, .. } if hook == OURS => Some((event.at_real, true)),
            What::GlobalTimeoutExpired { hook, .. } if hook == OURS => Some((event.at_real, false)),
            _ => None,
        });
        let Some((at, for_want_of_heartbeats)) = lapsed else {
            return Ok(None);
        };
        // Nobody wants the action to be kept waiting any more.
        if self.returned_at().is_some_and(|returned| returned < at) {
            return Ok(Some("called off"));
        }
        if at + EXACT >= self.deadline {
            return if self.plan.leaves_it_to_the_hook {
                Ok(Some("left to the hook"))
            } else if self.is_late(at).is_none() {
                Ok(Some("lost to faults after the deadline"))
            } else {
                Err(format!("lost: the hook ended at {at:?}"))
            };
        }
        let hook = &self.plan.group.hooks[0];
        let allowed = hook.heartbeat_timeout / 3 + self.plan.group.acceptance_delay + SLACK;
        if for_want_of_heartbeats && self.quiet_before(at) < allowed {
            return Ok(Some("lost to faulty heartbeats"));
        }
        Err(format!(
            "the hook lapsed at {at:?}, {:?} after the last trouble",
            self.quiet_before(at)
        ))
    }

    /// For how long, up to a moment, nothing stood in the way of a heartbeat.
    fn quiet_before(&self, at: Duration) -> Duration {
        at.saturating_sub(self.troubled_until(at))
    }

    /// Until when, as far as a moment knows, something stood in the way of a heartbeat or a completion.
    fn troubled_until(&self, at: Duration) -> Duration {
        let spans = self.witness.down.iter().chain(&self.witness.deaf);
        let ends = spans
            .filter(|span| span.from <= at)
            .map(|span| span.to.unwrap_or(at));
        // A search for the hook, or for who we are, is repeated after up to twenty seconds; a call after
        // that long, too, where it was throttled or denied.
        let troubled = self
            .requests("imds:*|autoscaling:*")
            .filter(|request| request.at_real <= at && is_trouble(request))
            .map(|request| {
                let beat = request.operation.ends_with("Heartbeat");
                let poll = request.operation.contains("meta-data/autoscaling")
                    || request.operation.contains("meta-data/spot");
                let backoff = if beat || poll {
                    Duration::ZERO
                } else {
                    Duration::from_secs(20)
                };
                request.at_real + millis(600) + backoff
            });
        ends.chain(troubled)
            .chain([self.witness.caused_at])
            .max()
            .unwrap_or_default()
    }

    /// With nothing in the way, the drain counts from when metadata asked for it.
    fn the_start_is_remembered(&self) -> Result<(), String> {
        let Some(written) = &self.witness.written else {
            return Ok(());
        };
        let soon = self.witness.caused_at + SLACK;
        let calm = !self
            .witness
            .down
            .iter()
            .chain(&self.witness.deaf)
            .any(|it| it.from < soon)
            && !self
                .requests("imds:*")
                .any(|request| request.at_real < soon && is_trouble(request));
        let one_reason = matches!(self.plan.cause, Cause::Terminated | Cause::Pool(_));
        let after = written
            .started_at
            .duration_since(self.witness.caused_at_wall)
            .unwrap_or_default();
        if calm && one_reason && after > SLACK {
            return Err(format!("the drain counts from {after:?} after its cause"));
        }
        Ok(())
    }

    fn returned_at(&self) -> Option<Duration> {
        let back = What::TargetStateSet(TargetLifecycleState::InService);
        self.events()
            .find(|event| event.what == back && event.at_real > self.witness.caused_at)
            .map(|event| event.at_real)
    }

    /// ACTIVE again if and only if it was the agent that drained it.
    fn back_in_service(&self) -> Result<String, String> {
        let changes = self.status_changes();
        let mut drained_by = self.plan.drained_by_an_operator.then_some(Who::Operator);
        let mut drained_at = Duration::ZERO;
        for (at, to, by) in &changes {
            match to {
                ContainerInstanceStatus::Draining => {
                    drained_by = Some(by.clone());
                    drained_at = *at;
                }
                ContainerInstanceStatus::Active => {
                    if drained_by == Some(Who::Operator) && *by != Who::Operator {
                        return Err(format!("an operator's DRAINING was undone at {at:?}"));
                    }
                    drained_by = None;
                }
                _ => {}
            }
        }
        match drained_by {
            None => Ok("called off: ACTIVE".to_owned()),
            Some(Who::Operator) => Ok("called off: left to the operator".to_owned()),
            Some(_) if self.nobody_could_tell(drained_at) => {
                Ok("called off: nobody could tell".to_owned())
            }
            Some(by) => Err(format!("left DRAINING, which {by:?} did at {drained_at:?}")),
        }
    }

    /// Whose DRAINING it was ECS did not tell, again and again; or an operator's ACTIVE came between the
    /// question and the deed.
    fn nobody_could_tell(&self, drained_at: Duration) -> bool {
        let looks = || self.requests("ecs:DescribeContainerInstances");
        let denied = looks()
            .any(|look| matches!(&look.outcome, Outcome::Fault { kind } if kind == "AccessDenied"));
        let failed = looks().filter(|look| is_trouble(look)).count() >= 4;
        let set_back = self
            .status_changes()
            .iter()
            .rev()
            .find(|change| change.0 < drained_at)
            .map(|change| change.0);
        let unseen = set_back.is_some_and(|back| {
            !looks().any(|look| look.executed && look.at_real > back && look.at_real < drained_at)
        });
        denied || failed || unseen && self.plan.drained_by_an_operator
    }
}

/// Neither carried out as usual, nor refused for being too early or too late.
fn is_trouble(request: &RequestRecord) -> bool {
    match &request.outcome {
        Outcome::Refused { code } => code != "ValidationError" && code != "404",
        // Among them those whose caller gave up.
        Outcome::Fault { .. } => true,
        Outcome::Accepted | Outcome::InFlight => false,
    }
}
