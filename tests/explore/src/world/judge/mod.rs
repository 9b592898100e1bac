//! What must hold (`CORE.md`), judged by the truth: by what was sent, what arrived, what ran; and by what the
//! process had been told, never by what it says of itself.

pub use rules::{EXEMPTIONS, RULES};

mod capacity;
mod joining;
mod rules;
mod sending;
mod told;
mod watch;

use super::scene::Begin;
use super::truth::{NEVER, Service, Task, Truth, Way};
use crate::story::Violation;
use crate::wire::{Arn, Group, HookName, InstanceStatus, Ms, Request, Status, Target, Transition};

/// What the process that runs now has been told.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Of a termination, a return to the pool, a Spot interruption: since when.
    reason: Option<Ms>,
    /// Of a warning that the policy acts on.
    warned: Option<Ms>,
    /// By maintenance alone, whose time is by the wall clock.
    by_clock: bool,
    target: Option<Option<Target>>,
    target_at: Ms,
    /// Told so by Spot.
    spot: bool,
    /// Told by Auto Scaling that the root volume is replaced; shown a target that nobody knows meanwhile, and did
    /// not before.
    replacing: Option<Ms>,
    odd: Option<Ms>,
    garbage: bool,
    /// Told by Auto Scaling that it is pending; that it is, from a new root volume, though metadata says otherwise.
    pending: bool,
    arrived: bool,
    /// The last word of Auto Scaling: pending, or in service.
    inward: bool,
    /// Or that it leaves.
    outward: bool,
    arrived_until: Ms,
    /// Told which machine it is on.
    identified: bool,
    /// Introspection named another machine's instance when it was asked last.
    impostor: bool,
    // Bits, one a task: seen and not stopped; listed by ECS so; seen stopped; said to be stopped by ECS.
    seen: u32,
    ecs_seen: u32,
    stopped: u32,
    ecs_stopped: u32,
    /// Seen by an earlier process alone, as the file says.
    inherited: u32,
    /// On the last list, and not stopped.
    listed: u32,
    /// The last local read that worked: sent, and whether it was empty.
    read: Option<(Ms, bool)>,
    /// The last of the API.
    api_read: Option<(Ms, bool)>,
    /// When the first list of this drain was of; and how many tasks the last word on the registration counts.
    first_list: Option<Ms>,
    counted: usize,
    /// Not on the last list, and said to be stopped by ECS since.
    confirmed: u32,
    /// The last local read failed.
    blind: bool,
    /// The last question whose registration this is failed.
    nameless: bool,
    /// Since when introspection answers both; `NEVER` while it does not.
    heard: Ms,
    /// The last word of ECS on a registration.
    look: Option<(Ms, Arn, InstanceStatus, bool)>,
    /// MISSING, and nothing else since: of which, told first and last, how often.
    missing: Option<(Arn, Ms, Ms, u8)>,
    /// Since when ECS has been saying ACTIVE of the registration that it said something of last; of which DRAINING.
    active: Option<Ms>,
    draining: Option<(Arn, Ms)>,
    member: Option<Ms>,
    /// Any answer about tasks or the container instance.
    looked: bool,
    hook: Option<(Ms, HookName)>,
    empties: u8,
    /// When a change of the placement was answered last; and when with a failure.
    placed: Ms,
    unplaced: Ms,
    /// Empty twice, ECS agrees, empty again.
    agreed: bool,
    settled: Option<Ms>,
    /// The same, by what was told alone, whatever ran.
    agrees: bool,
    over: Option<Ms>,
    ready_ran: bool,
    /// When the list became empty; when `ready.d` had succeeded: of this transition.
    turned: Option<Ms>,
    joined: Option<Ms>,
    /// CloudFormation has the signal.
    signalled: bool,
    /// An answer said that another machine's instance was changed.
    foreign: Option<Ms>,
    /// When that was told first, undone or not.
    another: Option<Ms>,
    /// The last writes of the state file: when they were sent, whether they were answered.
    writes: [(Ms, bool); 4],
    disk_refuses: bool,
    /// Told that the completion was accepted.
    accepted: Option<HookName>,
    /// Told `InService`, `Warmed:…`: when.
    service: Option<Ms>,
    pool: Option<Ms>,
    /// What introspection named last; what metadata showed last; the group that Auto Scaling named last.
    named: Option<Arn>,
    shown: Option<Target>,
    group: Option<Group>,
    /// Of the last look.
    connected: bool,
    /// Since when nothing new was told that is worth a look at ECS, what was told, and the looks since then.
    sign: Ms,
    signs: Signs,
    looks: [u16; KINDS],
    capacity: capacity::Known,
    denied: bool,
    complete_denied: bool,
}

/// What was told, as far as a change of it is worth a look at ECS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Signs {
    named: Option<Arn>,
    seen: u32,
    stopped: u32,
    ecs_stopped: (u32, u32),
    empty: Option<bool>,
    empties: u8,
    blind: bool,
    look: Option<(Arn, InstanceStatus, bool)>,
    target: Option<Target>,
    inward: bool,
    outward: bool,
    reason: bool,
    warned: bool,
    hand: Option<Ms>,
    /// The last answer of ECS that failed, that changed the placement, or that named tasks.
    failed: Ms,
    changed: Ms,
    ran: (bool, bool),
}

/// How often something was asked.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    since: Ms,
    times: u16,
}

const KINDS: usize = 21;

/// The judge's book.
#[derive(Clone, Debug, Default)]
pub(super) struct Judge {
    known: Known,
    violations: Vec<Violation>,
    excused: [u16; 18],
    /// What is excused for as long as it lasts, by when it began.
    excused_since: Option<Ms>,
    pub(super) trouble: [Ms; 6],
    /// A person has set it DRAINING.
    pub(super) person: bool,
    /// A process was started without what the one before it knew.
    state_lost: bool,
    lost_at: Ms,
    pub(super) clock_set: bool,
    pub(super) clock_changed: Ms,
    pub(super) hook_changed: Option<Ms>,
    /// A launch has been abandoned, by whomever: it has failed.
    pub(super) launch_failed: bool,
    /// An earlier process had seen it joined.
    joined_before: bool,
    /// When this launch was given up.
    gave_up: Option<Ms>,
    /// A process that had looked gave this launch up, and has written that.
    decided: bool,
    /// The ready timeout of a launch that a termination has overtaken.
    overtaken: Option<Ms>,
    /// It is released or dies; nothing is left to be done.
    pub(super) finishing: bool,
    booted_since_way: bool,
    awake: Ms,
    /// Until when the process stands still, or did last.
    stood: Ms,
    stands: Ms,
    // Of this transition.
    /// When the first read of metadata was sent that told of a reason which was never told to be gone.
    since: Option<Ms>,
    /// When the first was answered that told of it, of this transition.
    told: Option<Ms>,
    /// Drained in time, and long enough alive to have written it down.
    drained: Option<Ms>,
    latched: bool,
    /// Since when it counts as drained, for which process; and how long it did until that was revoked.
    spent: Option<(Ms, u16)>,
    /// Since when all that was read was empty; and how long, where that was revoked, it may have counted as drained.
    emptied: Option<Ms>,
    lenient: Ms,
    credit: (Ms, u16),
    refused: Option<Ms>,
    refusals: Count,
    /// The last heartbeat that counts: when it was sent.
    beat: Ms,
    /// When a process was told of the hook for the first time.
    first_hook: Option<Ms>,
    /// When an earlier process saw it ACTIVE and connected.
    member_seen: Option<Ms>,
    /// The last answer to a heartbeat that failed.
    beat_failed: Ms,
    beat_sent: Ms,
    lost_beat: bool,
    joined: Option<Ms>,
    /// SUCCESS or FAILURE was sent.
    said: bool,
    /// The outcome of a drain has been told, and no task has been seen since.
    outcome: bool,
    // Of the story.
    /// The minutes of which a sample has arrived; and when the last did.
    samples: Vec<i64>,
    sampled: Ms,
    hand: Option<Ms>,
    hand_changed: Option<Ms>,
    hand_unsure: bool,
    /// A process was told that it is in service, in the pool, and lived on.
    served: bool,
    pooled: bool,
    reason_gone: Ms,
    signal: Option<Status>,
    sent_success: bool,
    told_signalled: bool,
    /// Requests to AWS, but for heartbeats.
    calls: u16,
    /// Whose `ec2InstanceId` was seen, and of which the file can know; one bit a registration.
    verified: u32,
    /// Set DRAINING by the agent, and not seen to be ACTIVE since.
    pub(super) own: u32,
    pub(super) verified_on_disk: u32,
    /// Since when the drain lasts that the file tells of; that of a file that was restored, until that drain is over.
    pub(super) drains_on_disk: Option<Ms>,
    older: Option<Ms>,
    /// Tasks that were listed and not stopped in this drain: all, those of the last write, those of the file and its boot.
    met: u32,
    met_written: u32,
    met_on_disk: (u8, u32),
    counts: [Count; KINDS],
    denials: [Count; KINDS],
    ambiguous_placement: bool,
    /// A process died while it changed the placement, and had not written that down: the disk was slow.
    whose_lost: bool,
    /// A process died while it wrote: the disk was slow.
    write_lost: bool,
    /// The next process starts without a file.
    forgot: bool,
    /// When a change of the placement was sent or answered last.
    placing: Ms,
    pub(super) executing: Ms,
    /// When the instance was sent this way.
    pub(super) way_since: Ms,
    /// Registrations set DRAINING while they were ACTIVE, though the agent was told DRAINING before: one bit each.
    pub(super) unsure: u32,
    /// The executables before this drain, and after it, have been answered, the latter since a task was seen last.
    before_ran: bool,
    after_ran: bool,
    opened: Ms,
    /// Those after a drain that was over in time were started then.
    after_sent: Option<Ms>,
    /// By hand since, and until.
    hand_since: Option<Ms>,
    hand_until: Ms,
    pub(super) due_on_stop: bool,
    pub(super) line: String,
}

fn kind(request: &Request) -> usize {
    use Request as R;
    match request {
        R::ReadIdentityDocument | R::ReadStackTags | R::ReadGroupTag => 0,
        R::ReadMetadata => 1,
        R::ReadAgentMetadata => 2,
        R::ReadTasks | R::ReadTaskSet => 3,
        R::SetDraining(_) => 4,
        R::SetActive(_) => 5,
        R::DescribeContainerInstance(_) => 6,
        R::DescribeTasks(..) => 7,
        R::ListTasks(_) => 8,
        R::StopTask(..) => 9,
        R::DescribeAutoScalingInstance => 10,
        R::DescribeLifecycleHooks(..) => 11,
        R::Heartbeat(..) => 12,
        R::Complete(..) => 13,
        R::Signal(_) => 14,
        R::WriteStateFile(_) => 15,
        R::RunExecutables(_) => 16,
        R::SendMetrics | R::Exit => 17,
        R::DescribeResources(_) => 18,
        R::SendCapacity(_) => 19,
        R::ListContainerInstances => 20,
    }
}

impl Judge {
    /// Whether the process knows which machine it is on.
    pub(super) fn identified(&self) -> bool {
        self.known.identified
    }

    pub(super) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    pub(super) fn exemptions(&self) -> Vec<(&'static str, u32)> {
        EXEMPTIONS
            .iter()
            .zip(self.excused)
            .filter(|(_, times)| *times > 0)
            .map(|((name, _), times)| (*name, u32::from(times)))
            .collect()
    }

    #[cfg(test)]
    pub(super) fn excused_len(&self) -> usize {
        self.excused.len()
    }

    fn excuse(&mut self, name: &'static str) {
        if let Some(it) = EXEMPTIONS.iter().position(|(it, _)| *it == name) {
            self.excused[it] += 1;
        }
    }

    fn excuse_once(&mut self, name: &'static str, since: Ms) {
        if self.excused_since.replace(since) != Some(since) {
            self.excuse(name);
        }
    }

    pub(super) fn new_way(&mut self, way: Way) {
        self.told = None;
        self.drained = None;
        self.latched = false;
        self.spent = None;
        self.emptied = None;
        self.lenient = 0;
        self.credit = (0, 0);
        self.first_hook = None;
        self.outcome = false;
        self.said = false;
        self.refused = None;
        self.refusals = Count::default();
        self.beat = 0;
        self.beat_failed = 0;
        self.beat_sent = 0;
        self.lost_beat = false;
        self.finishing = false;
        self.booted_since_way = false;
        self.after_ran = false;
        self.before_ran &= way != Way::Join;
        if way != Way::Join {
            self.joined = None;
        } else {
            self.decided = false;
            self.gave_up = None;
        }
        self.joined_before = false;
        let known = &mut self.known;
        (
            known.hook,
            known.accepted,
            known.settled,
            known.agreed,
            known.empties,
            known.ready_ran,
        ) = (None, None, None, false, 0, false);
        (known.agrees, known.over) = (false, None);
        (known.turned, known.joined) = (None, None);
        known.signalled = false;
        // One for a hand, a warning or Spot goes on, unless it waited for a join.
        let others = known.spot || known.warned.is_some() || self.hand.is_some();
        if way.transition() == Transition::Launching || self.overtaken.is_some() || !others {
            self.drain_over();
        }
    }

    /// Another drain need not know which tasks this one has seen.
    fn drain_over(&mut self) {
        (self.met, self.met_written, self.met_on_disk.1) = (0, 0, 0);
        self.known.seen &= !std::mem::take(&mut self.known.inherited);
        self.known.first_list = None;
    }

    pub(super) fn booted(&mut self) {
        self.booted_since_way = true;
    }

    /// From a new root volume: nothing that was known is there.
    pub(super) fn replaced(&mut self) {
        (self.served, self.pooled, self.hand, self.hand_changed) = (false, false, None, None);
        (self.forgot, self.state_lost, self.decided) = (false, false, false);
        (self.drains_on_disk, self.older) = (None, None);
        (self.member_seen, self.verified_on_disk, self.whose_lost) = (None, 0, false);
        self.before_ran = false;
    }

    /// Nothing could be done meanwhile.
    pub(super) fn awake(&mut self, now: Ms) {
        self.awake = now;
        self.trouble = [now; 6];
    }

    /// Its way out of the pool is over: of the next way there, nobody has told yet.
    pub(super) fn in_service(&mut self) {
        (self.known.pool, self.pooled) = (None, false);
    }

    /// What was told less than a second before may not have been written down; three, where the disk is slow.
    pub(super) fn ended(&mut self, now: Ms, slow_disk: bool) {
        // It could do nothing while it stood still. The next process does not stand.
        let stood = self.stood;
        self.stood = stood.min(now);
        let now = if now < stood {
            now.min(self.stands)
        } else {
            now
        };
        self.member_seen = self.member_seen.max(self.known.member);
        self.served |= self.known.service.is_some_and(|it| it + 1_000 < now);
        let written = !self.known.disk_refuses;
        self.pooled |= written && self.known.pool.is_some_and(|it| it + 1_000 < now);
        let takes = if slow_disk { 3_000 } else { 1_000 };
        self.hand_unsure |= self.hand_changed.is_some_and(|it| it + takes > now);
        self.told = self.told.filter(|it| it + 1_000 < now);
        self.joined_before |= self.known.joined.is_some();
        // What was under way, or had just been, nobody knows.
        // Nor what one that knew a reason was about to do.
        let reason = self
            .known
            .reason
            .or(self.known.warned)
            .or(self.hand)
            .is_some();
        let about_to = reason
            && self
                .known
                .look
                .is_some_and(|it| it.2 == InstanceStatus::Active);
        self.ambiguous_placement |= self.placing + 1_000 > now || about_to;
        let (written, done) = self.known.writes[0];
        self.whose_lost |= self.placing + 1_000 > now && written > 0 && !done;
        self.write_lost |= written > 0 && !done;
        if self.beat_sent > self.beat.max(self.beat_failed) {
            // Nobody hears how it went.
            self.beat_failed = now;
        }
    }

    /// What is on the disk is not what the process knows: the file is gone, or could not be written.
    pub(super) fn state_gone(&mut self) {
        self.forgot = true;
    }

    /// The file is an older one.
    pub(super) fn restored(&mut self, verified: u32, drains: Option<Ms>) {
        self.state_gone();
        self.verified_on_disk = verified;
        (self.drains_on_disk, self.older) = (drains, drains);
    }

    /// Written as a whole: what was gone is there again.
    fn state_written(&mut self) {
        self.forgot = false;
        self.verified_on_disk = self.verified;
    }

    pub(super) fn signal_taken(&mut self, status: Status) {
        self.signal = Some(status);
    }
}

impl Truth {
    pub(super) fn wrong(&mut self, rule: &'static str, detail: impl FnOnce() -> String) {
        if self.judge.violations.iter().any(|it| it.rule == rule) {
            return;
        }
        let running: Vec<_> = self
            .tasks
            .iter()
            .enumerate()
            .filter(|(_, it)| it.running(self.now))
            .map(|(id, _)| id)
            .collect();
        let mine = self
            .mine()
            .map(|(arn, it)| format!("#{arn} {:?}", it.status));
        let state = self.scaling.state.unwrap_or("no group");
        let detail = format!(
            "{}; containers running: {running:?}, {}, {state}",
            detail(),
            mine.unwrap_or("no registration".into())
        );
        self.judge.violations.push(Violation {
            rule,
            at: self.now,
            detail,
        });
    }

    pub(super) fn process_started(&mut self) {
        self.judge.known = Known::default();
        self.judge.after_sent = None;
        // What was refused before, it need not know.
        self.judge.refusals = Count::default();
        self.judge.known.capacity.started = Some(self.minute());
        // Containers do not outlive a boot.
        let (boot, met) = self.judge.met_on_disk;
        let kept = self.disk.is_some() && !self.judge.forgot && boot == self.boot_id;
        self.judge.met = if kept { met } else { 0 };
        (self.judge.known.seen, self.judge.known.inherited) = (self.judge.met, self.judge.met);
        self.judge.known.first_list = (self.judge.met != 0).then_some(0);
        if std::mem::take(&mut self.judge.forgot) {
            self.judge.state_lost = true;
            self.judge.lost_at = self.now;
            self.judge.outcome = false;
            self.judge.member_seen = None;
        }
        if self.disk.is_none() {
            (self.judge.decided, self.judge.gave_up) = (false, None);
        }
        self.judge.verified = if self.disk.is_some() {
            self.judge.verified_on_disk
        } else {
            0
        };
    }

    pub(super) fn hand(&mut self, hand: Option<Option<Ms>>) {
        // Past its deadline they had their time.
        self.judge.before_ran |= self.judge.hand.is_some() && self.now >= self.judge.hand_until;
        self.judge.known.capacity.interrupted();
        // It may say for how long a drain lasts that goes on already.
        let k = &self.judge.known;
        let begun = [self.judge.hand_since, k.reason, k.warned].into_iter();
        let since = begun.flatten().min().unwrap_or(self.now);
        let goes_on = hand.is_some() || self.reasons();
        self.judge.hand_since = goes_on.then_some(since);
        self.judge.hand = hand.map(|_| self.now);
        self.judge.hand_changed = Some(self.now);
        self.judge.hand_unsure = false;
        self.judge.reason_gone = self.now;
        match hand {
            Some(timeout) => {
                let until = since + timeout.unwrap_or(self.spec.policy.drain_timeout);
                self.judge.hand_until = until.max(self.now);
            }
            // Whether nothing else asks, metadata has to say: until then it goes on.
            None => self.judge.before_ran &= self.reasons() || self.judge.known.target.is_none(),
        }
        self.unless_asked();
    }

    /// Whether anything asks for a drain, by all that this process was told.
    fn asked(&self) -> bool {
        self.reasons() || self.judge.hand.is_some()
    }

    fn unless_asked(&mut self) {
        if !self.asked() {
            self.judge.drain_over();
        }
    }

    /// Whether anything but a hand asks for a drain.
    fn reasons(&self) -> bool {
        let k = &self.judge.known;
        // The pool's targets may be a reason: that it has been in service, it may know from elsewhere.
        let pool = k.target.flatten().is_some_and(pooled);
        // Auto Scaling alone may have said so.
        let told = self.leaving() && self.judge.since.is_some();
        k.reason.is_some() || k.warned.is_some() || k.odd.is_some() || pool || told
    }

    /// Nothing can be done until then. What was asked for before is no look at the world, unless a deadline had passed.
    pub(super) fn away_until(&mut self, until: Ms) {
        let deadline = if self.leaving() {
            self.earliest()
        } else {
            self.join_since() + self.spec.policy.ready_timeout
        };
        self.judge.known.looked &= deadline <= self.now;
        (self.judge.awake, self.judge.stands, self.judge.stood) = (until, self.now, until);
    }

    /// What is written once the ready timeout is over, by a process that has looked, says that the join has failed.
    pub(super) fn state_written(&mut self) {
        self.judge.state_written();
        self.judge.met_on_disk = (self.boot_id, self.judge.met_written);
        let j = &self.judge;
        let asks = [j.since, j.hand_since, j.known.warned, j.older];
        // Before metadata was read, nothing can have ended it.
        let goes_on = self.asked() || j.known.target.is_none();
        self.judge.drains_on_disk = asks.into_iter().flatten().min().filter(|_| goes_on);
        let due = if self.leaving() {
            // It has not been told so.
            self.judge.overtaken.filter(|_| self.judge.told.is_none())
        } else {
            (self.launching() || self.launched())
                .then(|| self.join_since() + self.spec.policy.ready_timeout)
        };
        let k = &self.judge.known;
        // Nor does a deadline change what was written as drained, by local reads or, without them, by ECS.
        let remote = k.api_read.filter(|it| k.blind && it.1).map(|it| it.0);
        let written = k.over.or(remote).is_some_and(|it| k.writes[0].0 >= it);
        let failed = due.is_some_and(|it| it <= self.now) && k.looked;
        // From a new root volume it arrives, and metadata goes on saying that it leaves.
        let leaves = self.leaving() || k.target == Some(Some(Target::Terminated));
        self.judge.outcome |= leaves && written;
        self.judge.decided |= failed;
        if failed && self.judge.joined.is_none() && !self.unhooked() {
            self.judge.gave_up.get_or_insert(self.now);
        }
    }

    /// Where nobody waits, a member has joined.
    fn unhooked(&self) -> bool {
        let member = self.judge.known.member.max(self.judge.member_seen);
        self.scaling.into.is_none() && member.is_some_and(|it| it >= self.judge.way_since)
    }

    /// Since when it knows that it leaves. That the root volume is replaced, no other reason tells.
    fn leaves_since(&self) -> Option<Ms> {
        let k = &self.judge.known;
        let since = if self.scaling.way == Some(Way::Replace) {
            k.replacing.or(k.odd)
        } else {
            k.reason
        };
        since
            .map(|it| it.max(k.arrived_until))
            .filter(|_| !self.arrives())
    }

    fn launching(&self) -> bool {
        self.scaling
            .way
            .is_some_and(|it| it.transition() == Transition::Launching)
    }

    fn leaving(&self) -> bool {
        self.scaling
            .way
            .is_some_and(|it| it.transition() == Transition::Terminating)
    }

    /// The deadline of the drain that a restored file tells of: nothing tells it from the one that goes on now.
    fn older(&self) -> Ms {
        let since = self.judge.older.filter(|_| self.judge.since.is_some());
        since.map_or(NEVER, |it| it + self.spec.policy.drain_timeout)
    }

    /// The earliest moment at which the deadline may be, by any reading.
    fn earliest(&self) -> Ms {
        self.deadline().min(self.older())
    }

    /// By the drain that goes on.
    fn deadline(&self) -> Ms {
        // The time that it spent drained does not count; a process that was not there need not know.
        let (credit, process) = self.judge.credit;
        let credit = if process == self.process { credit } else { 0 };
        let since = self
            .judge
            .since
            .map_or(NEVER, |it| it + self.spec.policy.drain_timeout + credit);
        since.min(self.spot.unwrap_or(NEVER)).min(self.capped())
    }

    /// `GlobalTimeout` caps the deadline. When the wait begins, nobody is told: it may be counted from when the
    /// reason was known, and room be left for the completion and its retries: a tenth, or two requests and a bit.
    fn capped(&self) -> Ms {
        let global = self.scaling.actions[0]
            .map(|it| it.global)
            .or(self.spec.global)
            .filter(|_| self.leaving());
        let since = self.judge.since.map(|it| it.max(self.scaling.since));
        let room = |global: Ms| (global / 10).max(2 * self.spec.policy.request_timeout + 2_000);
        since.zip(global).map_or(NEVER, |(since, global)| {
            (since + global).saturating_sub(room(global))
        })
    }

    /// A transition begins: what of the one before was not over?
    pub(super) fn overtaken(&mut self) {
        let unhooked = self.scaling.way.is_none() && self.scaling.state == Some("InService");
        let joins = self.scaling.way == Some(Way::Join) || unhooked && self.launched();
        let joining = joins && self.judge.joined.is_none();
        self.judge.overtaken = joining.then(|| self.join_since() + self.spec.policy.ready_timeout);
    }

    /// The latest, where that is known.
    fn latest(&self) -> Option<Ms> {
        let j = &self.judge;
        if j.state_lost
            || j.clock_set && j.booted_since_way
            || j.drained.is_some() && j.emptied.is_some()
        {
            return None;
        }
        j.told
            .map(|it| it + self.spec.policy.drain_timeout + j.lenient)
    }

    /// When a MISSING has to have been asked for again: at growing intervals, each no longer than all before together and
    /// a bit, and than a minute.
    fn missing_due(&self) -> Ms {
        self.judge.known.missing.map_or(0, |(_, first, last, _)| {
            last + ((last - first) * 5 / 4 + 5_000).min(60_000)
        })
    }

    fn join_since(&self) -> Ms {
        if self.scaling.generation == 0 {
            0
        } else {
            self.scaling.since
        }
    }

    /// Since when it has to count as drained, by all that this process was told. An outage of introspection is no such
    /// time.
    fn drained_since(&self) -> Option<Ms> {
        let k = &self.judge.known;
        let since = self.judge.since?;
        let ends = self.scaling.way.is_some_and(Way::ends);
        // What was refused is looked at again; and who may come back once more after each change.
        let from = if ends {
            k.unplaced
        } else {
            since.max(k.placed)
        };
        let looked = k.look.is_some_and(|it| it.0 >= from);
        k.settled
            .filter(|_| looked)
            .map(|it| it.max(since).max(k.heard))
    }

    /// It counts as drained no more, or need not.
    fn spent(&mut self) {
        let (now, j) = (self.now, &mut self.judge);
        if let Some((from, process)) = j.spent.take().filter(|it| it.1 == self.process) {
            j.credit = (j.credit.0 + (now - from).saturating_sub(6_000), process);
        }
    }

    /// Whether the last that Auto Scaling did with it was to launch it.
    fn launched(&self) -> bool {
        self.scaling.generation > 0 || matches!(self.spec.begin, Begin::Launched | Begin::IntoPool)
    }

    /// Whether anything that is waited for is there.
    fn left(&self, at: Ms) -> bool {
        let waited = |(id, it): (usize, &Task)| it.left(at) && !bit(self.ignored, id);
        self.tasks.iter().enumerate().any(waited)
    }

    /// The last injected trouble of any of these, or the process's start.
    fn calm(&self, of: &[Service]) -> Ms {
        let until = |it: Service| {
            let felt = self.faults.last(it);
            let away = if it == Service::Local && self.ecs_down > self.now {
                self.now
            } else {
                0
            };
            self.judge.trouble[it as usize]
                .max(felt)
                .min(self.now)
                .max(away)
        };
        of.iter()
            .map(|it| until(*it))
            .max()
            .unwrap_or(0)
            .max(self.started)
            .max(self.judge.stood)
    }

    /// The deadline is by a wall clock that was set: of a Spot interruption, or over a reboot.
    fn clock_unsure(&self) -> bool {
        self.judge.clock_set
            && self.leaving()
            && (self.judge.booted_since_way || self.spot.is_some())
    }

    /// By a clock that is hours ahead, a new instance looks old; and one of which nobody was told that it has
    /// been in the pool looks as if it had been in service all the time.
    fn hidden_launch(&self) -> Option<&'static str> {
        let j = &self.judge;
        if self.clock_unsure() {
            return Some("clock-wrong");
        }
        let old = self.spec.begin == Begin::InService;
        if !self.launching() || self.scaling.replaced {
            None
        } else if !old && self.clock_off > 0 {
            Some("clock-wrong")
        } else if old && j.known.pool.is_none() && (j.state_lost || !j.pooled) {
            Some("pool-untold")
        } else {
            None
        }
    }
}

/// On its way into the pool, or there.
fn pooled(target: Target) -> bool {
    matches!(
        target,
        Target::WarmedStopped | Target::WarmedRunning | Target::WarmedHibernated
    )
}

fn bit(bits: u32, id: usize) -> bool {
    id < 32 && bits >> id & 1 == 1
}
