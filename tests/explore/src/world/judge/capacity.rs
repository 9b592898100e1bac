//! What it says of its capacity, and how often it looks for that (`CAPACITY.md`).

use crate::wire::{
    Arn, Group, InstanceStatus, LARGEST, Ms, Reply, Request, Resources, Sample, Target, TaskId,
};
use crate::world::faults::Lasting;
use crate::world::truth::{EPOCH, Flight, NEVER, Service, Truth};

const MINUTE: i64 = 60_000;
/// A refresh every ten minutes; data of twelve are too old.
const REFRESH: Ms = 590_000;
const STALE: Ms = 720_000;

/// What the process that runs now knows of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// The minute in which it was started.
    pub(super) started: Option<i64>,
    /// The last word of ECS: when it was told, registered and remaining.
    resources: Option<(Ms, Arn, Resources, Resources)>,
    /// When that was asked for.
    asked: Ms,
    /// The group that it was told last, by Auto Scaling rather than by the tag.
    group: Option<Group>,
    set: Option<u32>,
    /// When tasks came or went, it began to be fit for a sample, or an answer failed.
    changed: Ms,
    /// Looks since then; the last two of this registration.
    looks: u32,
    looked: [Ms; 2],
    of: Option<Arn>,
    /// The last looks in a row that failed, and when it is looked again.
    failures: u32,
    retry: Ms,
    /// Fit for a sample since then.
    fit: Option<Ms>,
}

impl Known {
    /// It drains, however shortly.
    pub(super) fn interrupted(&mut self) {
        self.fit = None;
    }

    /// The two minutes between looks are doubled by each that fails, up to 16 minutes.
    fn failed(&mut self, now: Ms) {
        self.failures += 1;
        self.retry = now + (120_000 << self.failures.min(3));
    }
}

impl Truth {
    /// The minute that the machine's clock shows.
    pub(super) fn minute(&self) -> i64 {
        self.minute_of(self.now)
    }

    fn minute_of(&self, at: Ms) -> i64 {
        let at = i64::try_from(at).unwrap_or(i64::MAX / 2);
        (EPOCH + at + self.clock_off).div_euclid(MINUTE) * MINUTE
    }

    pub(super) fn told_resources(&mut self, flight: &Flight, reply: &Reply) {
        let now = self.now;
        let k = &mut self.judge.known.capacity;
        match (&flight.request, reply) {
            // Where it is not known to be in service, it may be silent, and looks afresh after that.
            (
                Request::ReadMetadata,
                Reply::Metadata {
                    target: Ok(target), ..
                },
            ) if *target != Some(Target::InService) => (k.changed, k.looks) = (now, 0),
            (_, Reply::GroupTag(Some(group)) | Reply::AutoScalingInstance(Some((group, _)))) => {
                k.group = Some(*group);
            }
            (Request::ReadTaskSet, Reply::TaskSet(tasks)) => {
                let bits = |bits, it: &TaskId| bits | 1_u32 << (*it).min(31);
                let set = Some(tasks.iter().fold(0, bits));
                if k.set != set {
                    (k.set, k.changed, k.looks) = (set, now, 0);
                }
            }
            (Request::DescribeResources(arn), Reply::Resources(it, registered, remaining)) => {
                if it.status == InstanceStatus::Missing {
                    (k.changed, k.looks) = (now, 0);
                    k.failed(now);
                } else if it.ours {
                    k.failures = 0;
                    k.resources = Some((now, *arn, *registered, *remaining));
                    k.asked = flight.sent;
                }
            }
            (Request::DescribeResources(_), Reply::Failed(_)) => {
                (k.changed, k.looks) = (now, 0);
                k.failed(now);
            }
            _ => {}
        }
    }

    /// Why it may not speak, by what it was told.
    fn busy(&self) -> Option<&'static str> {
        let j = &self.judge;
        let k = &j.known;
        let hand = j.hand.is_some() && !j.hand_unsure && !j.state_lost;
        let warned = k.warned.is_some() && (self.clock_off == 0 || !k.by_clock);
        let f = &self.faults;
        let told = self.scaling.generation == 0 || self.told_of_join();
        let joins = self.launching() && told && self.spec.policy.ready;
        let joins = (joins || j.gave_up.is_some())
            && self.hidden_launch().is_none()
            && !(f.deny_complete || f.deny_beat);
        let joined = j.joined.is_some() || self.scaling.way.is_none() && self.unhooked();
        if k.reason.is_some() || k.odd.is_some() || hand || warned {
            Some("it drains")
        } else if joins && !joined {
            Some("it joins")
        } else {
            None
        }
    }

    fn away(&self) -> Option<&'static str> {
        let k = &self.judge.known;
        let member = k.look.is_some_and(|(_, arn, status, _)| {
            status == InstanceStatus::Active && k.connected && k.named.is_none_or(|it| it == arn)
        });
        self.busy()
            .or((k.shown != Some(Target::InService)).then_some("metadata shows another target"))
            .or((!member).then_some(
                "ECS's last word on the registration that was named last is not ACTIVE, connected",
            ))
    }

    pub(super) fn sending_capacity(&mut self, request: &Request) {
        let now = self.now;
        if !self.spec.policy.capacity {
            return wrong!(self: "capacity-though-off", "{request}");
        }
        match request {
            Request::DescribeResources(arn) => {
                let busy = self.busy();
                let k = &mut self.judge.known.capacity;
                if k.of != Some(*arn) {
                    (k.of, k.looked, k.looks) = (Some(*arn), [0; 2], 0);
                }
                let [before, last] = k.looked;
                k.looked = [last, now];
                k.looks += 1;
                let looks = k.looks;
                let due = 2 + (now - k.changed) / REFRESH;
                if before > 0 && now < before + 115_000 {
                    wrong!(self: "capacity-looks-too-often", "at {before}, {last} and now");
                } else if u64::from(looks) > due {
                    wrong!(self: "capacity-looks-too-often", "{looks} times since tasks came or went");
                } else if let Some(busy) = busy {
                    wrong!(self: "capacity-looks-too-often", "{busy}");
                }
            }
            Request::SendCapacity(sample) => self.sending_sample(*sample),
            _ => {}
        }
    }

    fn sending_sample(&mut self, sample: Sample) {
        if let Some(why) = self.away() {
            wrong!(self: "sampled-while-away", "{why}");
        }
        let minute = self.minute();
        // It may have been set since the minute was chosen, also while the process stood still.
        let (changed, j) = (self.judge.clock_changed, &self.judge);
        let noticed = if changed + 10_000 > j.stands {
            changed.max(j.stood)
        } else {
            changed
        };
        let set = j.clock_set && noticed + 10_000 > self.now;
        // Or the minute has passed while ECS was asked.
        let k = &self.judge.known.capacity;
        let late = k.resources.is_some_and(|it| it.0 == self.now)
            && sample.minute == self.minute_of(k.asked);
        if sample.minute != minute && !set && !late {
            wrong!(self: "sampled-wrongly", "{} instead of {minute}", sample.minute);
        }
        if self.process > 1 && self.judge.known.capacity.started == Some(sample.minute) {
            wrong!(self: "sampled-twice", "it was started again in this minute");
        }
        // What it has not been told, an earlier process may have.
        let group = self.judge.known.capacity.group;
        let right = sample.group == Some(Group(0)) || sample.group == group;
        if !right {
            wrong!(self: "sampled-wrongly", "for {:?}, and {group:?} was told", sample.group);
        }
        let Some((told, arn, registered, remaining)) = self.judge.known.capacity.resources else {
            return wrong!(self: "sampled-wrongly", "ECS has not been heard");
        };
        let figures = figures(registered, remaining);
        if figures != (sample.capacity, sample.idle, sample.most) {
            wrong!(self: "sampled-wrongly", "{sample:?} instead of {figures:?}, of #{arn}");
        } else if self.now > told + STALE + 100 {
            wrong!(self: "sampled-wrongly", "ECS was heard at {told}");
        }
    }

    /// A sample has arrived at the CloudWatch agent.
    pub(in crate::world) fn sampled(&mut self, sample: Sample) {
        self.judge.sampled = self.now;
        if self.judge.samples.contains(&sample.minute) {
            wrong!(self: "sampled-twice", "two for the minute {}", sample.minute);
        }
        self.judge.samples.push(sample.minute);
    }

    pub(super) fn watch_capacity(&mut self) {
        if !self.spec.policy.capacity {
            return;
        }
        let now = self.now;
        let k = &self.judge.known;
        let member = self
            .mine()
            .filter(|(arn, it)| it.member < NEVER && k.named == Some(*arn));
        let there = self.scaling.state == Some("InService")
            && self.scaling.way.is_none()
            && k.shown == Some(Target::InService)
            && self.spot.is_none();
        let fit = there
            && self.busy().is_none()
            && !self.faults.deny_describe
            && !self.judge.clock_set
            && !self.judge.launch_failed;
        let Some((arn, _)) = member.filter(|_| fit) else {
            self.judge.known.capacity.fit = None;
            return;
        };
        if k.capacity.fit.is_none() {
            let k = &mut self.judge.known.capacity;
            (k.fit, k.changed, k.looks) = (Some(now), now, 0);
        }
        let k = &self.judge.known;
        let calm = self.calm(&[Service::Ecs, Service::Local, Service::Metadata]);
        let from = [
            k.capacity.fit.unwrap_or(now),
            calm,
            self.judge.sampled,
            self.judge.awake,
            self.judge.stood,
            k.active.unwrap_or(0),
            self.faults.until(Lasting::Sink).min(now),
        ];
        let from = from.into_iter().max().unwrap_or(now);
        let heard = k.capacity.resources.filter(|it| it.1 == arn);
        let active = k
            .look
            .is_some_and(|it| it.1 == arn && it.2 == InstanceStatus::Active && k.connected);
        let bound = if heard.is_some() && !active {
            // Somebody else set it ACTIVE: it is seen with the next look.
            REFRESH + 135_000
        } else if heard.is_some() && self.judge.stood == 0 {
            135_000
        } else {
            // After a standstill, what was heard may be forgotten, and is asked for again two minutes later.
            200_000
        };
        if now > from.max(self.judge.known.capacity.retry) + bound {
            wrong!(self: "not-sampled", "since {from}");
        }
    }
}

/// `ContainerCapacity`, `IdleHostCapacity` in thousandths, `TasksPerHost`.
fn figures(registered: Resources, remaining: Resources) -> (u32, u32, u32) {
    let of = |registered: i64, remaining: i64, task: i64| {
        let most = registered / task;
        (most, most.min(remaining.max(0) / task))
    };
    let cpu = of(registered.cpu, remaining.cpu, LARGEST.cpu);
    let memory = of(registered.memory, remaining.memory, LARGEST.memory);
    let idle = |(most, fits): (i64, i64)| if most == 0 { 0 } else { 1_000 * fits / most };
    let number = |it: i64| u32::try_from(it).unwrap_or(0);
    (
        number(cpu.1.min(memory.1)),
        number(idle(cpu).min(idle(memory))),
        number(cpu.0.min(memory.0)),
    )
}
