//! What the process is told, just before it is.

use super::{Count, KINDS, Signs, bit, kind, pooled};
use crate::wire::{
    ActionResult, Arn, Fault, Group, InstanceStatus, Ms, Occasion, Reply, Request, Target,
    TaskStatus,
};
use crate::world::faults::Lasting;
use crate::world::scene::Replacing;
use crate::world::truth::{FOREIGN, Flight, MANAGED, NEVER, Service, Truth, Way, service};

/// `ecs.placement_settle`: a look that was sent sooner after DRAINING does not end a drain.
const PLACEMENT_SETTLE: Ms = 2_000;

impl Truth {
    /// Just before a reply is given to the process.
    pub(in crate::world) fn told(&mut self, flight: &Flight, reply: &Reply) {
        let failed = matches!(reply, Reply::Failed(_));
        if flight.request == Request::ReadAgentMetadata {
            self.judge.known.nameless = failed;
        }
        if service(&flight.request) == Service::Local && failed {
            self.unheard();
        }
        let looked = self.judge.known.looked;
        self.take_in(flight, reply);
        if flight.sent < self.judge.stood {
            self.judge.known.looked = looked;
        }
        let k = &mut self.judge.known;
        if k.heard == NEVER && !k.blind && !k.nameless {
            k.heard = self.now;
        }
        self.signs(flight, reply);
        self.missing_again(flight, reply);
    }

    /// What had not lasted long enough to be written down begins anew: two lists, ECS, a list, and whose it is.
    fn unheard(&mut self) {
        self.spent();
        self.judge.known.heard = NEVER;
        self.open_again();
    }

    fn open_again(&mut self) {
        let latched = self.judge.latched;
        let k = &mut self.judge.known;
        k.agreed &= latched;
        k.settled = k.settled.filter(|_| latched);
        k.agrees &= latched;
        k.over = k.over.filter(|_| latched);
    }

    fn missing_again(&mut self, flight: &Flight, reply: &Reply) {
        let Some(arn) = flight.request.container_instance() else {
            return;
        };
        let now = self.now;
        let k = &mut self.judge.known;
        let missing = match reply {
            Reply::ContainerInstance(it) | Reply::Resources(it, ..) => {
                it.status == InstanceStatus::Missing
            }
            Reply::Failed(Fault::Missing) => true,
            Reply::Failed(_) => return,
            _ => false,
        };
        let before = k.missing.filter(|it| it.0 == arn);
        k.missing = missing.then(|| match before {
            Some((_, first, _, times)) => (arn, first, now, times.saturating_add(1)),
            None => (arn, flight.sent, now, 1),
        });
    }

    /// What is new in what it was told, that a look at ECS may follow.
    fn signs(&mut self, flight: &Flight, reply: &Reply) {
        let now = self.now;
        let hand = self.judge.hand_changed;
        let ran = (self.judge.before_ran, self.judge.after_ran);
        let k = &mut self.judge.known;
        let before = k.signs;
        let ecs = service(&flight.request) == Service::Ecs;
        // Absence is not knowledge, and is asked for again.
        let gone = |status| matches!(status, InstanceStatus::Missing | InstanceStatus::Inactive);
        let failed = ecs
            && match (&flight.request, reply) {
                (_, Reply::Failed(_)) => true,
                (_, Reply::ContainerInstance(it) | Reply::Resources(it, ..)) => gone(it.status),
                (Request::DescribeTasks(_, ids), Reply::ApiTasks(tasks)) => tasks.len() < ids.len(),
                _ => false,
            };
        // What ends a launch begins what waited for its end.
        let changed = match flight.request {
            Request::SetDraining(_) | Request::SetActive(_) | Request::StopTask(..) => true,
            Request::Complete(_, hook, _) => hook.0 % 2 == 1,
            Request::Signal(_) => true,
            _ => false,
        };
        k.signs = Signs {
            named: k.named,
            seen: k.seen,
            stopped: k.stopped,
            ecs_stopped: (k.ecs_stopped, k.confirmed),
            empty: k.read.map(|it| it.1),
            // The second in a row agrees with the first, and ECS has to.
            empties: k.empties.min(2),
            blind: k.blind,
            look: k.look.map(|it| (it.1, it.2, it.3)),
            target: k.shown,
            inward: k.inward,
            outward: k.outward,
            reason: k.reason.is_some(),
            warned: k.warned.is_some(),
            hand,
            failed: if failed { now } else { before.failed },
            changed: if changed { now } else { before.changed },
            ran,
        };
        if k.signs != before {
            (k.sign, k.looks) = (now, [0; KINDS]);
        }
    }

    fn take_in(&mut self, flight: &Flight, reply: &Reply) {
        let now = self.now;
        let to = service(&flight.request);
        let launching = self.launching();
        let asked = self.asked();
        self.told_resources(flight, reply);
        let lasts = match flight.request {
            Request::SetDraining(arn) | Request::SetActive(arn) => self.vanished(arn),
            _ => false,
        };
        let j = &mut self.judge;
        if let Reply::Failed(fault) = reply {
            use Fault as F;
            // That it is gone for good is no trouble that passes.
            let gone = *fault == F::Missing && lasts;
            if !gone
                && matches!(
                    fault,
                    F::Timeout
                        | F::Server
                        | F::Throttled
                        | F::Unreachable
                        | F::Missing
                        | F::Malformed
                        | F::Credentials
                )
            {
                j.trouble[to as usize] = now;
            }
            if *fault == F::Denied {
                // That it may not look is all that there is to be seen.
                j.known.looked |= to == Service::Ecs;
                j.known.denied |= matches!(
                    flight.request,
                    Request::Heartbeat(..) | Request::Complete(..)
                );
                // Of a former group's hook it says nothing of this one's.
                j.known.complete_denied |=
                    matches!(flight.request, Request::Complete(Group(0), ..));
                let it = &mut j.denials[kind(&flight.request)];
                if now >= it.since + 30_000 {
                    *it = Count {
                        since: now,
                        times: 0,
                    };
                }
                it.times += 1;
                if it.times > 8 {
                    wrong!(self: "denied-spins", "{}", flight.request);
                }
                return;
            }
        }
        match (&flight.request, reply) {
            (
                Request::ReadMetadata,
                Reply::Metadata {
                    target,
                    spot,
                    rebalance,
                    maintenance,
                },
            ) => {
                self.told_metadata(flight, *target, *spot, *rebalance, *maintenance);
                self.unless_asked();
            }
            (Request::ReadTasks, Reply::Tasks(tasks)) => {
                let mut listed = 0;
                let over = |it: Lasting| now < self.faults.until(it) + 200;
                let odd = over(Lasting::Impostor) || over(Lasting::Forgetful);
                for it in tasks {
                    let bit = 1_u32 << it.task.min(31);
                    if it.known == TaskStatus::Stopped {
                        j.known.stopped |= bit;
                    } else {
                        listed |= bit;
                    }
                }
                let k = &mut j.known;
                // Whose list it is, after another machine's name, nobody can tell.
                if !k.impostor {
                    k.seen |= listed;
                    k.inherited &= !listed;
                    j.met |= if asked { listed } else { 0 };
                }
                k.stopped &= !listed;
                k.listed = listed;
                k.confirmed &= !listed;
                if asked {
                    k.first_list.get_or_insert(flight.arrived);
                }
                k.looked = true;
                k.blind = false;
                let ignored = self.ignored;
                let empty = (listed | k.seen & !k.stopped & !k.ecs_stopped) & !ignored == 0;
                if empty && k.read.is_some_and(|it| !it.1) {
                    k.turned = Some(now);
                } else if !empty {
                    k.turned = None;
                }
                k.read = Some((flight.sent, empty));
                k.empties = if empty {
                    k.empties.saturating_add(1)
                } else {
                    0
                };
                if empty {
                    j.emptied.get_or_insert(now);
                } else if let Some(from) = j.emptied.take() {
                    j.lenient += now - from;
                }
                if !empty {
                    if !k.impostor {
                        (j.after_ran, j.opened) = (false, now);
                    }
                    j.outcome = false;
                    (k.agreed, k.settled) = (false, None);
                    (k.agrees, k.over) = (false, None);
                    self.spent();
                } else if !odd && !k.nameless && !k.impostor {
                    k.settled = k.settled.or(k.agreed.then_some(now));
                    k.over = k.over.or(k.agrees.then_some(now));
                }
            }
            (Request::ReadIdentityDocument, Reply::Identity { .. }) => j.known.identified = true,
            // The tag is newer.
            (Request::ReadGroupTag, Reply::GroupTag(_)) => j.known.group = None,
            (Request::ReadAgentMetadata, Reply::AgentMetadata(arn)) => {
                j.known.named = Some(*arn);
                j.known.impostor = *arn == FOREIGN;
                if *arn == FOREIGN {
                    // Whose the lists are is open again, and ECS has to agree again.
                    self.open_again();
                }
            }
            (Request::ReadAgentMetadata, Reply::Failed(_)) => j.known.looked = true,
            (Request::ReadTasks, Reply::Failed(_)) => {
                j.known.blind = true;
                j.known.looked = true;
                j.known.empties = 0;
            }
            (_, Reply::ContainerInstance(it) | Reply::Resources(it, ..)) => {
                let Some(arn) = flight.request.container_instance() else {
                    return;
                };
                if matches!(
                    flight.request,
                    Request::SetDraining(_) | Request::SetActive(_)
                ) {
                    j.placing = now;
                    j.known.placed = now;
                }
                let k = &mut j.known;
                k.looked = true;
                if !it.ours && it.status == InstanceStatus::Draining {
                    k.foreign.get_or_insert(now);
                    k.another = k.another.or(Some(now));
                } else if !it.ours && it.status == InstanceStatus::Active {
                    k.foreign = None;
                }
                if it.ours {
                    j.verified |= 1_u32 << arn.min(31);
                }
                // Its words are of when it arrived.
                let at = flight.arrived;
                // A MISSING of one that lives is not knowledge.
                let known = self.registrations.get(usize::from(arn));
                let missing = it.status == InstanceStatus::Missing
                    && arn != FOREIGN
                    && known.is_none_or(|it| it.vanished);
                if k.look.is_none_or(|look| look.0 <= at) && it.ours || missing {
                    k.look = Some((at, arn, it.status, it.running + it.pending == 0));
                    k.connected = it.connected;
                    k.counted = usize::from(it.running) + usize::from(it.pending);
                    k.active = if it.status == InstanceStatus::Active {
                        k.active.or(Some(now))
                    } else {
                        None
                    };
                    let before = k.draining.filter(|it| it.0 == arn);
                    k.draining = (it.status == InstanceStatus::Draining)
                        .then(|| before.unwrap_or((arn, now)));
                }
                let zero = it.running + it.pending == 0
                    && it.status == InstanceStatus::Draining
                    && k.draining
                        .is_some_and(|it| flight.sent >= it.1 + PLACEMENT_SETTLE);
                k.agreed = zero && (k.agreed || k.empties >= 2);
                k.agrees = zero && (k.agrees || k.empties >= 2);
                if it.status == InstanceStatus::Active && it.connected && it.ours {
                    k.member = Some(now);
                    j.own &= !(1 << arn.min(31));
                    j.unsure &= !(1 << arn.min(31));
                }
            }
            (
                Request::SetDraining(arn) | Request::SetActive(arn),
                Reply::Failed(Fault::Inactive),
            ) => {
                j.known.looked = true;
                j.known.look = Some((flight.arrived, *arn, InstanceStatus::Inactive, true));
            }
            (
                Request::SetDraining(arn) | Request::SetActive(arn),
                Reply::Failed(Fault::Missing),
            ) if lasts => {
                j.known.looked = true;
                j.known.look = Some((flight.arrived, *arn, InstanceStatus::Missing, true));
            }
            (Request::SetDraining(_) | Request::SetActive(_), Reply::Failed(_)) => {
                j.ambiguous_placement = true;
                j.known.placed = now;
                j.known.unplaced = now;
            }
            (Request::DescribeTasks(arn, _) | Request::ListTasks(arn), Reply::ApiTasks(tasks)) => {
                let living = self
                    .registrations
                    .get(usize::from(*arn))
                    .is_some_and(|it| it.status != InstanceStatus::Inactive);
                let k = &mut j.known;
                k.looked = true;
                let stopped = tasks
                    .iter()
                    .filter(|it| it.last == TaskStatus::Stopped)
                    .fold(0, |bits, it| bits | 1_u32 << it.task.min(31));
                if living {
                    k.ecs_stopped |= stopped;
                }
                let all = tasks.iter().filter(|it| it.last != TaskStatus::Stopped);
                k.confirmed |= stopped & !k.listed;
                k.ecs_seen |= all.fold(0, |bits, it| bits | 1_u32 << it.task.min(31));
                if matches!(flight.request, Request::ListTasks(_)) {
                    if asked {
                        k.first_list.get_or_insert(flight.arrived);
                    }
                    k.api_read = Some((
                        flight.sent,
                        tasks.iter().all(|it| {
                            it.last == TaskStatus::Stopped
                                || bit(self.ignored, usize::from(it.task))
                        }),
                    ));
                }
            }
            (Request::DescribeAutoScalingInstance, Reply::AutoScalingInstance(it)) => {
                j.known.group = it.map(|it| it.0);
                let says = |what| it.is_some_and(|(_, state)| state.starts_with(what));
                j.known.pending = says("Pending");
                j.known.inward = j.known.pending || says("InService");
                j.known.arrived |= j.known.pending
                    && self.scaling.replaced
                    && self.scaling.way == Some(Way::Join)
                    && j.known.shown == Some(Target::Terminated);
                if j.known.pending && j.known.target.flatten().is_some_and(pooled) {
                    // It has left the pool, and metadata shows garbage.
                    (j.known.target, j.known.reason) = (None, None);
                }
                // A drain may begin with this word, where metadata is silent.
                let leaves = says("Terminating")
                    || says("Warmed:Terminating")
                    || says("Warmed:Pending") && self.scaling.been_in_service;
                j.known.outward = leaves;
                // It may say InService at the beginning of a termination, too.
                if j.known.pending {
                    j.older = None;
                }
                if leaves && flight.arrived >= self.scaling.since {
                    j.since.get_or_insert(flight.sent);
                }
                if !says("ReplacingRootVolume") {
                    j.known.replacing = None;
                    return;
                }
                j.known.replacing.get_or_insert(now);
                j.known.reason.get_or_insert(now);
                if flight.arrived >= self.scaling.since {
                    j.since.get_or_insert(flight.sent);
                    j.told.get_or_insert(now);
                }
            }
            (Request::DescribeLifecycleHooks(Group(0), transition), Reply::Hooks(hooks)) => {
                let way = self.scaling.way.map(Way::transition);
                if let Some(it) = hooks
                    .iter()
                    .find(|it| it.name != MANAGED && Some(*transition) == way)
                {
                    let known = j.known.hook.is_some_and(|(_, name)| name == it.name);
                    if !known {
                        j.known.hook = Some((now, it.name));
                    }
                    j.first_hook.get_or_insert(now);
                }
            }
            (
                Request::Heartbeat(Group(0), hook),
                Reply::Done | Reply::Failed(Fault::NoActiveAction),
            ) => {
                // Of the transition before, it says nothing.
                let ours = (hook.0 % 2 == 1) == launching && flight.sent >= self.scaling.since;
                j.beat = if ours {
                    j.beat.max(flight.sent)
                } else {
                    j.beat
                };
            }
            (Request::Heartbeat(Group(0), _), Reply::Failed(_)) => {
                j.beat_failed = now;
                j.lost_beat = true;
            }
            // One that was sent before the reason was told may have been of another action.
            (Request::Complete(_, hook, _), Reply::Done)
                if flight.arrived >= self.scaling.since
                    && flight.sent >= j.known.target_at.max(j.known.replacing.unwrap_or(0)) =>
            {
                j.known.accepted = Some(*hook)
            }
            (Request::Complete(..), Reply::Failed(Fault::NoActiveAction)) => {
                j.refused = Some(flight.sent);
                if j.refusals.times == 0 {
                    j.refusals.since = now;
                }
                j.refusals.times += 1;
                let times = Ms::from(j.refusals.times);
                let over = now - j.refusals.since;
                if times > 8 + over / 5_000 {
                    wrong!(self: "completion-refused-too-often", "{times} times in {over} ms");
                }
            }
            (Request::Signal(_), Reply::Done | Reply::Failed(Fault::AlreadySignalled)) => {
                j.told_signalled = true;
                j.known.signalled |= flight.sent >= self.scaling.since;
            }
            (Request::WriteStateFile(_), Reply::Failed(_)) => j.known.disk_refuses = true,
            (Request::WriteStateFile(_), Reply::Done) => {
                j.known.disk_refuses = false;
                for it in &mut j.known.writes {
                    it.1 |= it.0 == flight.sent;
                }
            }
            (Request::RunExecutables(occasion), Reply::Executables(succeeded)) => {
                // Unless others have been started since.
                if j.executing <= flight.sent + self.spec.policy.executable_timeout {
                    j.executing = now;
                }
                match occasion {
                    Occasion::Ready => {
                        j.known.ready_ran = *succeeded;
                        if *succeeded {
                            j.known.joined.get_or_insert(now);
                        }
                    }
                    Occasion::BeforeDrain => j.before_ran = true,
                    Occasion::AfterDrain => j.after_ran |= flight.sent >= j.opened,
                }
            }
            _ => {}
        }
    }

    fn told_metadata(
        &mut self,
        flight: &Flight,
        target: Result<Option<Target>, Fault>,
        spot: Result<Option<i64>, Fault>,
        rebalance: Result<bool, Fault>,
        maintenance: Result<Option<i64>, Fault>,
    ) {
        let now = self.now;
        let policy = &self.spec.policy;
        let j = &mut self.judge;
        let k = &mut j.known;
        if let Ok(Some(target)) = target {
            k.shown = Some(target);
            k.arrived &= matches!(target, Target::Terminated | Target::Unknown);
        }
        if target == Ok(Some(Target::InService)) {
            k.service.get_or_insert(now);
        }
        if matches!(target, Ok(Some(it)) if pooled(it)) {
            k.pool.get_or_insert(now);
        }
        // On the way into the pool, metadata says the same as on the way back.
        let been =
            self.scaling.been_in_service && (k.service.is_some() || j.served && !j.state_lost);
        let leaves = |it: Target| match it {
            Target::Terminated | Target::WarmedTerminated => true,
            it => been && pooled(it),
        };
        if let Ok(Some(target)) = target
            && target != Target::Unknown
        {
            if k.target != Some(Some(target)) {
                k.target_at = now;
                // Of which of the two the completion was accepted, nobody can tell. A heartbeat was of the one before.
                k.accepted = None;
                if k.target.flatten().is_some_and(pooled) {
                    (j.beat, j.first_hook) = (0, None);
                }
            }
            k.target = Some(Some(target));
        }
        if let Ok(spot) = spot {
            k.spot = spot.is_some();
        }
        let replacing = target == Ok(Some(Target::Unknown))
            && self.scaling.way == Some(Way::Replace)
            && self.spec.replacing == Replacing::Shows(Some(Target::Unknown));
        k.garbage = match target {
            Ok(Some(Target::Unknown)) => k.garbage || !replacing,
            Ok(_) => false,
            Err(_) => k.garbage,
        };
        let replacing = replacing && !k.garbage;
        k.odd = k.odd.or(Some(now)).filter(|_| replacing);
        let told = k.target.flatten().is_some_and(leaves) || k.replacing.is_some();
        if told || k.spot {
            k.reason.get_or_insert(now);
        } else {
            k.reason = None;
            // A 404 takes nothing back; nor does metadata what Auto Scaling alone has said.
            if self.scaling.way != Some(Way::Replace)
                && target.is_ok_and(|it| {
                    it.is_some_and(|it| {
                        matches!(it, Target::InService | Target::Detached | Target::Standby)
                    })
                })
            {
                (j.since, j.older) = (None, None);
            }
        }
        let warned = policy.on_rebalance.is_some() && rebalance == Ok(true)
            || policy.on_maintenance.is_some() && matches!(maintenance, Ok(Some(_)));
        if warned {
            let by_clock = rebalance != Ok(true);
            if k.by_clock && !by_clock {
                k.warned = None;
            }
            k.by_clock = by_clock;
            k.warned.get_or_insert(now);
        } else if rebalance.is_ok() && maintenance.is_ok() && k.warned.take().is_some() {
            j.reason_gone = now;
            j.before_ran &= k.reason.is_some() || j.hand.is_some();
        }
        // The answer is of when the question arrived, which may have been sent before.
        if let Ok(Some(target)) = target
            && flight.arrived >= self.scaling.since
        {
            // It may know from elsewhere that it has been in service.
            if told || replacing || pooled(target) && self.scaling.been_in_service {
                j.since.get_or_insert(flight.sent);
            }
            if leaves(target) || j.known.spot || replacing {
                j.told.get_or_insert(now);
            }
        }
    }

    pub(in crate::world) fn undid_a_person(&mut self, arn: Arn) {
        if self.judge.ambiguous_placement || self.judge.state_lost || self.faults.deny_describe {
            self.judge.excuse("undid-a-person-unknowing");
        } else {
            wrong!(self: "undid-a-person", "#{arn}");
        }
    }

    /// A person sets DRAINING what the agent believes it has set so itself.
    pub(in crate::world) fn person_drains(&mut self, arn: Arn) {
        self.judge.person = true;
        self.judge.ambiguous_placement |= bit(self.judge.own, usize::from(arn));
    }

    /// The agent sets it DRAINING. Where it was ACTIVE, the process may have been told DRAINING, of somebody else; where it
    /// was a person's, it stays that.
    pub(in crate::world) fn drains(&mut self, arn: Arn) {
        let of = self.registration(arn).map(|it| (it.status, it.by_person));
        let active = of.is_some_and(|it| it.0 == InstanceStatus::Active);
        let j = &mut self.judge;
        let told = j.known.look.is_some_and(|(_, of, status, _)| {
            of == arn && status == InstanceStatus::Draining && !bit(j.own, usize::from(arn))
        });
        if active && told {
            j.unsure |= 1 << arn.min(31);
        }
        if !told || of != Some((InstanceStatus::Draining, true)) {
            j.own |= 1 << arn.min(31);
        }
    }

    pub(in crate::world) fn drains_a_persons(&mut self, arn: Arn) {
        // The last it heard was ACTIVE: it cannot know that the person was first.
        self.judge.ambiguous_placement |= self
            .judge
            .known
            .look
            .is_some_and(|(_, of, status, _)| of == arn && status == InstanceStatus::Active);
    }

    pub(in crate::world) fn touched_another_instance(&mut self, to: InstanceStatus) {
        // Once it was told so, it knows; and undoes it.
        let told = self
            .judge
            .known
            .another
            .is_some_and(|it| it + 1_000 < self.now);
        let again = told && to == InstanceStatus::Draining;
        if self.faults.deny_describe && !again {
            self.judge.excuse("another-instance-unseen");
        } else {
            wrong!(self: "changed-another-instance", "{to:?} for another machine's container instance");
        }
    }

    pub(in crate::world) fn completed(&mut self, result: ActionResult) {
        if result == ActionResult::Continue && self.scaling.way == Some(Way::Join) {
            self.judge.joined = Some(self.now);
            self.judge.gave_up = None;
        }
    }
}
