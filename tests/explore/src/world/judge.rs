//! What must hold (`CORE.md`), judged by the truth: by what was sent, what arrived, what ran; and by what the
//! process had been told, never by what it says of itself.

use super::faults::Lasting;
use super::scene::{Begin, Replacing};
use super::truth::{
    Action, FOREIGN, Flight, MANAGED, NEVER, Service, Task, Truth, Way, What, service,
};
use crate::story::Violation;
use crate::wire::{
    ActionResult, Arn, Fault, HookName, InstanceStatus, Ms, Occasion, OnTimeout, Reply, Request, Status,
    Target, TaskKind, TaskStatus, Transition,
};

/// Every rule, with what it means.
pub const RULES: &[(&str, &str)] = &[
    (
        "completed-while-a-container-ran",
        "rules 2, 3, 10: CONTINUE was sent before the deadline while a container ran of which this process knew",
    ),
    (
        "completed-without-a-fresh-read",
        "rule 2: before the deadline, no empty list that was asked for after the last refusal and within 16 s",
    ),
    (
        "completed-without-a-look-at-ecs",
        "rule 2: before the deadline, no answer of ECS within 61 s that the registration takes no tasks",
    ),
    (
        "wrong-verdict",
        "CONTINUE at the deadline with tasks left where the policy says ABANDON; ABANDON where it does not say so",
    ),
    (
        "completed-though-none",
        "NONE, and not drained in time: completed all the same",
    ),
    (
        "abandoned-before-the-deadline",
        "ABANDON of a termination before its deadline",
    ),
    (
        "drained-but-given-up",
        "rule 3: it was drained in time, nothing has come since, and ABANDON or FAILURE was sent",
    ),
    (
        "decided-before-looking",
        "rule 3: a process that has not looked at anything yet sends ABANDON or FAILURE",
    ),
    (
        "failure-after-success",
        "SUCCESS, then FAILURE, for one wait",
    ),
    (
        "failure-of-a-drain",
        "FAILURE for a drain, which no policy here asks for, not of a launch that had failed before",
    ),
    (
        "success-while-a-container-ran",
        "SUCCESS for a drain, before the deadline, while a known container ran",
    ),
    (
        "completed-again",
        "rule 9: sent again after it was accepted",
    ),
    (
        "completed-on-stop",
        "rule 9: sent by a process that was told to stop",
    ),
    (
        "touched-another-hook",
        "rule 9: heartbeat or completion of ECS's own hook",
    ),
    (
        "changed-another-instance",
        "rule 10: a change for another machine's container instance",
    ),
    (
        "changed-unseen",
        "rule 10: a change for a container instance whose ec2InstanceId was never seen, though looking is allowed",
    ),
    (
        "another-instance-left-changed",
        "rule 10: looking is denied, the answer named another machine's instance, and the change is not undone",
    ),
    (
        "told-before-written",
        "CONTINUE, ABANDON, SUCCESS or FAILURE was sent before what it says was written down, or 250 ms on its way to the disk",
    ),
    (
        "drains-while-joining",
        "rule 8: DRAINING for a warning or by hand, while a launching action is open",
    ),
    (
        "signals-again",
        "rule 6: CloudFormation has it, or has it already, and is told again",
    ),
    (
        "standalone-not-stopped",
        "the policy says that standalone tasks are stopped, and one that is known is not",
    ),
    (
        "stays-active",
        "rule 1: a reason is known, and the current registration stays ACTIVE",
    ),
    (
        "left-draining",
        "rule 7: the reason is gone, that is known, and what was ours stays DRAINING",
    ),
    (
        "undid-a-person",
        "rule 7: set ACTIVE what a person had set DRAINING",
    ),
    (
        "active-though-a-reason",
        "rule 8: ACTIVE was asked for while a termination or Spot interruption is known",
    ),
    (
        "sleeps-for-ever",
        "rule 14: nothing is under way, and it wants to be woken by nothing",
    ),
    (
        "opposite-in-flight",
        "rule 5: the opposite of a change is sent while that one is in flight",
    ),
    (
        "heartbeat-gap",
        "rule 4: no heartbeat, or retry, for more than max(1 s, a quarter of what is left)",
    ),
    (
        "hook-lapsed",
        "rule 4: the hook lapsed although the process was there, knew, and could call",
    ),
    (
        "heartbeat-after-the-end",
        "rule 4: a heartbeat long after the deadline, or after the completion was accepted, or denied",
    ),
    (
        "not-completed",
        "all is over and the wait has begun, and no completion is sent",
    ),
    (
        "not-joined",
        "a member, and the launching action is not completed",
    ),
    (
        "joined-without-a-member",
        "CONTINUE of a launch, or SUCCESS, without having seen it ACTIVE and connected",
    ),
    (
        "abandoned-a-member",
        "rule 3: ABANDON or FAILURE for a healthy member, or before the ready timeout",
    ),
    ("not-signalled", "joined, and the stack was never told"),
    (
        "hurries",
        "rule 13: the same request more often than 15 times in 10 s (local ones: 60)",
    ),
    (
        "costs-too-much",
        "rule 2: a plain drain, undisturbed, of an ARN not verified before: more than six calls and its heartbeats",
    ),
    (
        "completion-refused-too-often",
        "rule 13: refused as too early, and asked again at once, on and on",
    ),
    (
        "denied-spins",
        "a denied request is tried again more often than 8 times in 30 s",
    ),
    ("spins", "no time passes"),
];

/// What no core can know, with what it excuses.
pub const EXEMPTIONS: &[(&str, &str)] = &[
    (
        "placed-unseen",
        "a task that came after the last read ran when the completion was sent",
    ),
    (
        "lost-before-this-process",
        "the ECS agent had lost a container before this process could see it",
    ),
    (
        "ecs-said-stopped",
        "ECS said STOPPED of a task under a living registration whose container ran on",
    ),
    (
        "clock-wrong",
        "the clock was set, and a time by the wall clock counts: of Spot, of the launch, over a reboot",
    ),
    (
        "pool-untold",
        "the instance was in the pool and out again, and no process was told so and lived to write it down",
    ),
    (
        "lapsed-unreachable",
        "the hook lapsed while Auto Scaling could not be called",
    ),
    (
        "lapsed-process-away",
        "the hook lapsed while the process was away, or had been back for less than 15 s",
    ),
    (
        "lapsed-untold",
        "the hook lapsed and metadata had not told this process why",
    ),
    (
        "lapsed-hook-changed",
        "somebody had changed the hook in mid-story",
    ),
    (
        "lapsed-by-global-timeout",
        "GlobalTimeout was over, and it was not drained long before",
    ),
    (
        "lapsed-by-policy",
        "NONE, denied, or the ready timeout: it has to lapse",
    ),
    (
        "another-instance-unseen",
        "looking is denied, and introspection named another machine's registration",
    ),
    (
        "forgotten-with-the-file",
        "FAILURE after SUCCESS, where the file was lost or could not be written, and it is no member now",
    ),
    (
        "undid-a-person-unknowing",
        "who had set it DRAINING could not be told apart: both at once, an answer lost, the file lost",
    ),
];

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
    // Bits, one a task: seen and not stopped; seen stopped; said to be stopped by ECS.
    seen: u32,
    stopped: u32,
    ecs_stopped: u32,
    /// The last local read that worked: sent, and whether it was empty.
    read: Option<(Ms, bool)>,
    /// The last of the API.
    api_read: Option<(Ms, bool)>,
    /// The last local read failed.
    blind: bool,
    /// The last word of ECS on a registration.
    look: Option<(Ms, Arn, InstanceStatus, bool)>,
    /// Since when ECS has been saying ACTIVE of the registration that it said something of last.
    active: Option<Ms>,
    member: Option<Ms>,
    /// Any answer about tasks or the container instance.
    looked: bool,
    hook: Option<(Ms, HookName)>,
    empties: u8,
    /// Empty twice, ECS agrees, empty again.
    agreed: bool,
    settled: Option<Ms>,
    ready_ran: bool,
    /// When the list became empty; when `ready.d` had succeeded: of this transition.
    turned: Option<Ms>,
    joined: Option<Ms>,
    /// CloudFormation has the signal.
    signalled: bool,
    /// An answer said that another machine's instance was changed.
    foreign: Option<Ms>,
    /// The last writes of the state file: when they were sent, whether they were answered.
    writes: [(Ms, bool); 4],
    /// Told that the completion was accepted.
    accepted: Option<HookName>,
    /// Told `InService`, `Warmed:…`: when.
    service: Option<Ms>,
    pool: Option<Ms>,
    denied: bool,
}

/// How often something was asked.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    since: Ms,
    times: u16,
}

const KINDS: usize = 18;

/// The judge's book.
#[derive(Clone, Debug, Default)]
pub(super) struct Judge {
    known: Known,
    violations: Vec<Violation>,
    excused: [u16; 14],
    pub(super) trouble: [Ms; 6],
    /// A person has set it DRAINING.
    pub(super) person: bool,
    /// A process was started without what the one before it knew.
    state_lost: bool,
    pub(super) clock_set: bool,
    pub(super) hook_changed: Option<Ms>,
    /// A launch has been abandoned, by whomever: it has failed.
    pub(super) launch_failed: bool,
    /// An earlier process had seen it joined.
    joined_before: bool,
    /// When this launch was given up.
    gave_up: Option<Ms>,
    /// A process that had looked gave this launch up.
    decided: bool,
    /// The ready timeout of a launch that a termination has overtaken.
    overtaken: Option<Ms>,
    /// It is released or dies; nothing is left to be done.
    pub(super) finishing: bool,
    booted_since_way: bool,
    awake: Ms,
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
    // Of the story.
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
    verified_on_disk: u32,
    counts: [Count; KINDS],
    denials: [Count; KINDS],
    ambiguous_placement: bool,
    /// The next process starts without a file.
    forgot: bool,
    /// When a change of the placement was sent or answered last.
    placing: Ms,
    executing: Ms,
    pub(super) due_on_stop: bool,
    pub(super) line: String,
}

fn kind(request: &Request) -> usize {
    use Request as R;
    match request {
        R::ReadIdentityDocument | R::ReadStackTags | R::ReadGroupTag => 0,
        R::ReadMetadata => 1,
        R::ReadAgentMetadata => 2,
        R::ReadTasks => 3,
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
    }
}

impl Judge {
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

    pub(super) fn new_way(&mut self, way: Way) {
        self.told = None;
        self.drained = None;
        self.latched = false;
        self.spent = None;
        self.emptied = None;
        self.lenient = 0;
        self.credit = (0, 0);
        self.first_hook = None;
        self.refused = None;
        self.refusals = Count::default();
        self.beat = 0;
        self.beat_failed = 0;
        self.beat_sent = 0;
        self.lost_beat = false;
        self.finishing = false;
        self.booted_since_way = false;
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
        (known.turned, known.joined) = (None, None);
        known.signalled = false;
    }

    pub(super) fn booted(&mut self) {
        self.booted_since_way = true;
    }

    /// From a new root volume: nothing that was known is there.
    pub(super) fn replaced(&mut self) {
        (self.served, self.pooled, self.hand, self.hand_changed) = (false, false, None, None);
        (self.forgot, self.state_lost, self.decided) = (false, false, false);
        (self.member_seen, self.verified_on_disk) = (None, 0);
    }

    /// Nothing could be done meanwhile.
    pub(super) fn awake(&mut self, now: Ms) {
        self.awake = now;
        self.trouble = [now; 6];
    }

    /// What was told less than a second before may not have been written down.
    pub(super) fn ended(&mut self, now: Ms) {
        self.member_seen = self.member_seen.max(self.known.member);
        self.served |= self.known.service.is_some_and(|it| it + 1_000 < now);
        self.pooled |= self.known.pool.is_some_and(|it| it + 1_000 < now);
        self.hand_unsure |= self.hand_changed.is_some_and(|it| it + 1_000 > now);
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
        if self.beat_sent > self.beat.max(self.beat_failed) {
            // Nobody hears how it went.
            self.beat_failed = now;
        }
    }

    /// What is on the disk is not what the process knows: the file is gone, or could not be written.
    pub(super) fn state_gone(&mut self) {
        self.forgot = true;
    }

    /// Written as a whole: what was gone is there again.
    pub(super) fn state_written(&mut self) {
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
        if std::mem::take(&mut self.judge.forgot) {
            self.judge.state_lost = true;
        }
        self.judge.verified = if self.disk.is_some() {
            self.judge.verified_on_disk
        } else {
            0
        };
    }

    pub(super) fn hand(&mut self, hand: Option<Option<Ms>>) {
        self.judge.hand = hand.map(|_| self.now);
        self.judge.hand_changed = Some(self.now);
        self.judge.hand_unsure = false;
        self.judge.reason_gone = self.now;
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

    /// The earliest moment at which the deadline may be, by any reading.
    fn earliest(&self) -> Ms {
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
        let joining = self.scaling.way == Some(Way::Join) && self.judge.joined.is_none();
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

    fn known_running(&self) -> Option<usize> {
        let k = &self.judge.known;
        let known = |id: usize| bit(k.seen, id) && !bit(k.stopped, id) && !bit(k.ecs_stopped, id);
        self.tasks
            .iter()
            .enumerate()
            .position(|(id, task)| task.running(self.now) && known(id) && !bit(self.ignored, id))
    }

    /// Just before a request leaves.
    pub(super) fn sending(&mut self, request: &Request) {
        self.count(request);
        let now = self.now;
        match request {
            Request::SetDraining(arn) | Request::SetActive(arn) => {
                // Until it is answered.
                self.judge.placing = now + self.spec.policy.request_timeout;
                let process = self.process;
                let other = |it: &Request| match request {
                    Request::SetDraining(_) => *it == Request::SetActive(*arn),
                    _ => *it == Request::SetDraining(*arn),
                };
                let in_flight = self.events.iter().any(|it| match &it.what {
                    What::Arrive(flight) | What::Deliver(flight, _) => {
                        flight.process == process && other(&flight.request)
                    }
                    What::Timer(_) => false,
                });
                if *request == Request::SetDraining(*arn) {
                    self.drains_while_joining(*arn);
                }
                if !bit(self.judge.verified, usize::from(*arn)) && !self.faults.deny_describe {
                    self.wrong("changed-unseen", || format!("{request}"));
                }
                if in_flight {
                    self.wrong("opposite-in-flight", || format!("{request}"));
                }
                // A change of another machine's is undone where looking is denied.
                let undone = *arn == FOREIGN && self.faults.deny_describe;
                if matches!(request, Request::SetActive(_))
                    && !undone
                    && self.judge.known.reason.is_some_and(|it| it + 200 < now)
                    && self.up
                {
                    let target = self.judge.known.target;
                    self.wrong("active-though-a-reason", || {
                        format!("{request}, and the target is {target:?}")
                    });
                }
            }
            Request::Heartbeat(_, hook) => self.sending_heartbeat(*hook),
            Request::Complete(_, hook, result) => self.sending_completion(*hook, *result),
            Request::Signal(status) => self.sending_signal(*status),
            Request::WriteStateFile(_) => {
                self.judge.known.writes.rotate_right(1);
                self.judge.known.writes[0] = (now, false);
            }
            Request::RunExecutables(_) => {
                self.judge.executing = now + self.spec.policy.executable_timeout;
            }
            _ => {}
        }
    }

    /// Warnings and a hand wait for the end of a join, whose action is open or will be.
    fn drains_while_joining(&mut self, arn: Arn) {
        let open = matches!(
            self.scaling.state,
            Some("Pending" | "Pending:Wait" | "Warmed:Pending" | "Warmed:Pending:Wait")
        );
        let f = &self.faults;
        let denied = f.deny_complete || f.deny_beat || f.deny_describe;
        if self.launching()
            && open
            && !denied
            && self.scaling.into.is_some()
            && self.spec.policy.ready
            && self.judge.known.reason.is_none()
            && self.judge.since.is_none()
            && (self.scaling.generation == 0 || self.told_of_join())
            && self.hidden_launch().is_none()
            && self.now < self.join_since() + self.spec.policy.ready_timeout
        {
            self.wrong("drains-while-joining", || format!("#{arn}"));
        }
    }

    fn told_of_join(&self) -> bool {
        let k = &self.judge.known;
        k.target == Some(Some(Target::InService)) && k.target_at >= self.scaling.since
    }

    /// What is told to Auto Scaling or CloudFormation has to survive a kill: since it was known, it was written
    /// down, or has been on its way to the disk for 250 ms.
    fn told_before_written(&mut self, what: &'static str, since: Option<Ms>) {
        // What an earlier process knew, it may have written.
        let Some(since) = since.filter(|it| *it > self.started) else {
            return;
        };
        let writes = self.judge.known.writes;
        let safe = |(sent, done)| sent >= since && (done || sent + 250 <= self.now);
        // Or the disk is slow, or refuses.
        let slow = since + 250 <= self.now && !writes[0].1;
        if !slow && !writes.into_iter().any(safe) {
            self.wrong("told-before-written", || {
                format!("{what}, known since {since}, written {writes:?}")
            });
        }
    }

    fn count(&mut self, request: &Request) {
        let now = self.now;
        if matches!(
            service(request),
            Service::Ecs | Service::Group | Service::Stack
        ) && !matches!(request, Request::Heartbeat(..))
        {
            self.judge.calls += 1;
            let calls = self.judge.calls;
            if self.spec.calls.is_some_and(|it| calls > it) && !self.disturbed {
                self.wrong("costs-too-much", || format!("call {calls}: {request}"));
            }
        }
        let local = matches!(
            service(request),
            Service::Metadata | Service::Local | Service::Machine
        );
        let it = &mut self.judge.counts[kind(request)];
        if now >= it.since + 10_000 {
            *it = Count {
                since: now,
                times: 0,
            };
        }
        it.times += 1;
        let times = it.times;
        if times > if local { 60 } else { 15 } {
            self.wrong("hurries", || format!("{times} times in 10 s: {request}"));
        }
    }

    fn sending_heartbeat(&mut self, hook: HookName) {
        let now = self.now;
        if hook == MANAGED {
            self.wrong("touched-another-hook", || "a heartbeat".into());
        }
        let policy = &self.spec.policy;
        let timeout = self.scaling.out.map_or(0, |it| it.1);
        // Where nothing was left at the deadline, it may well count as drained.
        let left = self
            .latest()
            .is_some_and(|it| self.left(it));
        let none =
            policy.result_on_timeout == OnTimeout::None && self.judge.drained.is_none() && left;
        let denied = self.judge.known.denied;
        self.judge.beat_sent = now;
        self.judge.lost_beat = false;
        if self.judge.known.accepted == Some(hook) {
            self.wrong("heartbeat-after-the-end", || {
                "the completion was accepted".into()
            });
        }
        if self.leaving()
            && let Some(latest) = self.latest()
        {
            let more = if none || denied { 0 } else { timeout };
            let executing = self.judge.executing.saturating_sub(latest);
            if now
                > latest
                    + 2_000
                    + if none || denied {
                        executing
                    } else {
                        executing + more
                    }
            {
                self.wrong("heartbeat-after-the-end", || {
                    format!("the deadline was at {latest}")
                });
            }
        }
    }

    fn sending_completion(&mut self, hook: HookName, result: ActionResult) {
        let now = self.now;
        if hook == MANAGED {
            self.wrong("touched-another-hook", || "a completion".into());
        }
        if self.stopping && !self.judge.due_on_stop {
            self.wrong("completed-on-stop", || format!("{result:?}"));
        }
        let launching = hook == HookName(1);
        let since = self.outcome_since(launching, result == ActionResult::Abandon);
        self.told_before_written("the completion", since);
        if self.judge.known.accepted == Some(hook) {
            self.wrong("completed-again", || format!("{result:?}"));
        }
        // Which action it can mean: that of now, or none.
        if launching {
            if self.launching() {
                self.sending_launch(result);
            }
            return;
        }
        if !self.leaving() {
            return;
        }
        let early = now < self.earliest();
        let known = self.known_running();
        let policy = self.spec.policy.result_on_timeout;
        // A Spot interruption's time is by the wall clock, and what a reboot took as well.
        let clock = self.clock_unsure();
        if result == ActionResult::Abandon {
            if early && !clock {
                self.wrong("abandoned-before-the-deadline", String::new);
            } else if policy != OnTimeout::Abandon {
                self.wrong("wrong-verdict", || {
                    "ABANDON, which the policy does not say".into()
                });
            } else {
                self.given_up("ABANDON");
            }
            return;
        }
        if early {
            if clock {
                self.judge.excuse("clock-wrong");
            } else {
                self.early_continue(known);
            }
        } else if let Some(task) = known {
            match policy {
                OnTimeout::Continue => {}
                OnTimeout::Abandon => self.wrong("wrong-verdict", || {
                    format!("CONTINUE with task {task} left")
                }),
                OnTimeout::None => {
                    self.wrong("completed-though-none", || format!("with task {task} left"))
                }
            }
        } else if policy == OnTimeout::None
            && self
                .latest()
                .is_some_and(|it| now > it + 1_000 && self.ran_at(it))
        {
            self.wrong("completed-though-none", || {
                "tasks were left at the deadline".into()
            });
        }
    }

    /// Since when what is told now has been known.
    fn outcome_since(&self, launch: bool, failed: bool) -> Option<Ms> {
        let k = &self.judge.known;
        match (launch, failed) {
            (true, false) => k.joined.filter(|_| !self.judge.joined_before),
            (true, true) => Some(self.join_since() + self.spec.policy.ready_timeout),
            // Where it saw none of the tasks, an earlier process may have written it; where the list became
            // empty after the deadline, it timed out.
            (false, false) => match k.turned {
                Some(it) if it < self.earliest() => Some(it),
                _ if self.judge.drained.is_some() => None,
                _ => Some(self.earliest()).filter(|it| *it <= self.now),
            },
            (false, true) => Some(self.earliest()).filter(|it| *it <= self.now),
        }
    }

    /// Whether a task that is known ran at that moment.
    fn ran_at(&self, at: Ms) -> bool {
        self.tasks.iter().enumerate().any(|(id, it)| {
            it.running(at)
                && bit(self.judge.known.seen & !self.ignored, id)
                && !bit(self.judge.known.ecs_stopped, id)
        })
    }

    fn early_continue(&mut self, known: Option<usize>) {
        let now = self.now;
        let k = self.judge.known;
        if let Some(task) = known {
            let seen = k.read.map(|it| it.0);
            self.wrong("completed-while-a-container-ran", || {
                format!("task {task} was seen and never seen stopped; last read: {seen:?}")
            });
        }
        let fresh = |read: Option<(Ms, bool)>| {
            read.is_some_and(|(sent, empty)| {
                empty && now - sent <= 16_000 && self.judge.refused.is_none_or(|it| sent >= it)
            })
        };
        // Out of the pool, never in service, and nothing has ever registered on this machine: there is nothing to look at.
        let nothing = self.scaling.way == Some(Way::LeavePool)
            && !self.scaling.been_in_service
            && self.registrations.is_empty();
        if !(nothing || fresh(k.read) || k.blind && fresh(k.api_read)) {
            let refused = self.judge.refused;
            self.wrong("completed-without-a-fresh-read", || {
                format!(
                    "last local read {:?}, of ECS {:?}, refused at {refused:?}",
                    k.read, k.api_read
                )
            });
        }
        // Nothing is looked at where no registration ever was.
        // Another registration has to be seen first.
        let new = self
            .mine()
            .is_some_and(|(_, it)| it.since.max(self.calm(&[Service::Local])) + 20_000 > now);
        let right = |arn: Arn| new || Some(arn) == self.current;
        let looked = k.look.is_some_and(|(at, arn, status, _)| {
            now - at <= 61_000 && status != InstanceStatus::Active && right(arn)
        });
        if !looked && self.current.is_some() {
            self.wrong("completed-without-a-look-at-ecs", || {
                format!("the last: {:?}", k.look)
            });
        }
        if known.is_none() {
            // It counts as drained, and that is written down.
            self.judge.drained.get_or_insert(now);
            self.judge.latched = true;
            for id in 0..self.tasks.len() {
                let task = self.tasks[id];
                if task.running(now) && !bit(self.ignored, id) {
                    self.excuse_task(id, task);
                }
            }
        }
    }

    fn excuse_task(&mut self, id: usize, task: Task) {
        let k = self.judge.known;
        let name = if bit(k.ecs_stopped, id) {
            "ecs-said-stopped"
        } else if task.orphan {
            "lost-before-this-process"
        } else {
            "placed-unseen"
        };
        self.judge.excuse(name);
    }

    fn given_up(&mut self, what: &'static str) {
        if !self.judge.known.looked {
            self.wrong("decided-before-looking", || what.into());
        }
        if self.judge.latched && self.clock_unsure() {
            self.judge.excuse("clock-wrong");
        } else if self.judge.latched && !self.judge.state_lost {
            let at = self.judge.drained;
            self.wrong("drained-but-given-up", || {
                format!("{what}; drained at {at:?}")
            });
        }
    }

    fn join_since(&self) -> Ms {
        if self.scaling.generation == 0 {
            0
        } else {
            self.scaling.since
        }
    }

    fn sending_launch(&mut self, result: ActionResult) {
        if self.scaling.way == Some(Way::IntoPool) {
            if result == ActionResult::Abandon {
                self.wrong("abandoned-a-member", || {
                    "on its way into the pool, where nothing is to be joined".into()
                });
            }
            return;
        }
        let what = if result == ActionResult::Abandon {
            "ABANDON"
        } else {
            "CONTINUE"
        };
        if result == ActionResult::Abandon {
            self.failed_join(what)
        } else {
            self.claimed_member(what)
        }
    }

    fn failed_join(&mut self, what: &'static str) {
        let now = self.now;
        let deadline = self.join_since() + self.spec.policy.ready_timeout;
        // A wrong clock makes an instance old or young; the ready timeout is ours all the same.
        if now + 500 < deadline {
            self.wrong("abandoned-a-member", || {
                format!("{what} before the ready timeout at {deadline}")
            });
            return;
        }
        if self.judge.known.looked {
            self.judge.decided = true;
        } else if !self.decided_before() {
            self.wrong("decided-before-looking", || what.into());
        }
        let member = self.mine().map_or(NEVER, |(_, it)| it.member);
        let calm = self.calm(&[Service::Ecs, Service::Local]);
        // It is decided once.
        if !self.judge.state_lost && self.judge.gave_up.is_some_and(|it| it + 1_000 < now) {
            return;
        }
        self.judge.gave_up.get_or_insert(now);
        let ready = !self.spec.policy.executables.ready || self.judge.known.ready_ran;
        if ready && !self.faults.deny_describe && now > member.max(calm).max(self.started) + 15_000
        {
            self.wrong("abandoned-a-member", || {
                format!("{what}, and it is a member since {member}")
            });
        }
    }

    fn claimed_member(&mut self, what: &'static str) {
        let k = self.judge.known;
        // What an earlier process has seen may be remembered.
        let before = self.judge.member_seen.filter(|_| !self.judge.state_lost);
        let seen = k
            .member
            .max(before)
            .is_some_and(|it| it >= self.join_since());
        if !seen && !self.judge.joined_before {
            self.wrong("joined-without-a-member", || what.into());
        } else if self.spec.policy.executables.ready && !k.ready_ran && !self.judge.joined_before {
            self.wrong("joined-without-a-member", || {
                format!("{what}, and ready.d has not succeeded")
            });
        }
    }

    fn sending_signal(&mut self, status: Status) {
        let leaving = self.leaving();
        let since = self.outcome_since(!leaving, status == Status::Failure);
        self.told_before_written("the signal", since.filter(|_| !leaving || status == Status::Success));
        if self.judge.known.signalled {
            self.wrong("signals-again", || format!("{status:?}"));
        }
        if status == Status::Success {
            self.judge.sent_success = true;
            if leaving
                && self.spec.policy.signal_drained
                && self.now < self.earliest()
                && let Some(task) = self.known_running()
            {
                self.wrong("success-while-a-container-ran", || format!("task {task}"));
            } else if (self.scaling.way == Some(Way::Join)
                || self.scaling.way.is_none() && self.launched())
                && self.judge.joined.is_none()
            {
                self.claimed_member("SUCCESS");
            }
            return;
        }
        let forgotten = self.judge.state_lost && self.mine().is_none_or(|it| it.1.member == NEVER);
        if self.judge.sent_success && (leaving || self.signal_is(Status::Success)) {
            if self.judge.state_lost {
                self.judge.excuse("forgotten-with-the-file");
            } else {
                self.wrong("failure-after-success", String::new);
            }
        }
        if self.judge.launch_failed {
            // What is true may be said, also by a process that has not looked.
        } else if leaving {
            self.failed_before_leaving();
        } else if self.judge.joined.is_some() && forgotten {
            self.judge.excuse("forgotten-with-the-file");
        } else if self.judge.joined.is_some() {
            self.wrong("abandoned-a-member", || "FAILURE, and it has joined".into());
        } else if self.scaling.way == Some(Way::Join) {
            self.failed_join("FAILURE");
        } else if self.scaling.way == Some(Way::IntoPool) {
            self.wrong("abandoned-a-member", || {
                "FAILURE, on its way into the pool, where nothing is to be joined".into()
            });
        } else if self.launched() {
            self.failed_join("FAILURE");
        } else {
            self.wrong("failure-of-a-drain", || {
                "FAILURE, and nothing is launched".into()
            });
        }
    }

    /// An earlier process had looked and decided, and that can be remembered.
    fn decided_before(&self) -> bool {
        self.judge.decided && !self.judge.state_lost
    }

    /// FAILURE of a launch that a termination has overtaken: only if its time was over before that was known.
    fn failed_before_leaving(&mut self) {
        let now = self.now;
        let known = self.judge.told.unwrap_or(now);
        match self.judge.overtaken {
            Some(due) if known + 500 >= due && now + 500 >= due => {
                if !self.judge.known.looked && !self.decided_before() {
                    self.wrong("decided-before-looking", || {
                        "FAILURE of a launch that was not abandoned".into()
                    });
                }
            }
            _ => self.wrong("failure-of-a-drain", String::new),
        }
    }

    /// Whether the last that Auto Scaling did with it was to launch it.
    fn launched(&self) -> bool {
        self.scaling.generation > 0 || matches!(self.spec.begin, Begin::Launched | Begin::IntoPool)
    }

    fn signal_is(&self, status: Status) -> bool {
        self.judge.signal == Some(status)
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
            self.judge.trouble[it as usize].max(felt).min(self.now).max(away)
        };
        of.iter().map(|it| until(*it)).max().unwrap_or(0).max(self.started)
    }

    /// Just before a reply is given to the process.
    pub(super) fn told(&mut self, flight: &Flight, reply: &Reply) {
        let now = self.now;
        let to = service(&flight.request);
        let j = &mut self.judge;
        if let Reply::Failed(fault) = reply {
            use Fault as F;
            if matches!(
                fault,
                F::Timeout
                    | F::Server
                    | F::Throttled
                    | F::Unreachable
                    | F::Missing
                    | F::Malformed
                    | F::Credentials
            ) {
                j.trouble[to as usize] = now;
            }
            if *fault == F::Denied {
                // That it may not look is all that there is to be seen.
                j.known.looked |= to == Service::Ecs;
                j.known.denied |= matches!(
                    flight.request,
                    Request::Heartbeat(..) | Request::Complete(..)
                );
                let it = &mut j.denials[kind(&flight.request)];
                if now >= it.since + 30_000 {
                    *it = Count {
                        since: now,
                        times: 0,
                    };
                }
                it.times += 1;
                if it.times > 8 {
                    self.wrong("denied-spins", || format!("{}", flight.request));
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
                k.seen |= listed;
                k.stopped &= !listed;
                k.looked = true;
                k.blind = false;
                let ignored = self.ignored;
                let empty =
                    (listed | k.seen & !k.stopped & !k.ecs_stopped) & !ignored == 0;
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
                    (k.agreed, k.settled) = (false, None);
                    if let Some((from, process)) = j.spent.take().filter(|it| it.1 == self.process)
                    {
                        j.credit = (j.credit.0 + (now - from).saturating_sub(6_000), process);
                    }
                } else if k.agreed && k.settled.is_none() && !odd {
                    k.settled = Some(now);
                }
            }
            (Request::ReadAgentMetadata, Reply::Failed(_)) => j.known.looked = true,
            (Request::ReadTasks, Reply::Failed(_)) => {
                j.known.blind = true;
                j.known.looked = true;
                j.known.empties = 0;
            }
            (_, Reply::ContainerInstance(it)) => {
                let (Request::SetDraining(arn)
                | Request::SetActive(arn)
                | Request::DescribeContainerInstance(arn)) = flight.request
                else {
                    return;
                };
                if !matches!(flight.request, Request::DescribeContainerInstance(_)) {
                    j.placing = now;
                }
                let k = &mut j.known;
                k.looked = true;
                if !it.ours && it.status == InstanceStatus::Draining {
                    k.foreign.get_or_insert(now);
                }
                if it.ours {
                    j.verified |= 1_u32 << arn.min(31);
                }
                // Its words are of when it arrived.
                let at = flight.arrived;
                // A MISSING of one that lives is not knowledge.
                let missing = it.status == InstanceStatus::Missing
                    && self.registrations.get(usize::from(arn)).is_none();
                if k.look.is_none_or(|look| look.0 <= at) && it.ours || missing {
                    k.look = Some((at, arn, it.status, it.running + it.pending == 0));
                    k.active = if it.status == InstanceStatus::Active {
                        k.active.or(Some(now))
                    } else {
                        None
                    };
                }
                let zero =
                    it.running + it.pending == 0 && matches!(it.status, InstanceStatus::Draining);
                k.agreed = zero && (k.agreed || k.empties >= 2);
                if it.status == InstanceStatus::Active && it.connected && it.ours {
                    k.member = Some(now);
                    j.own &= !(1 << arn.min(31));
                }
            }
            (Request::SetDraining(_) | Request::SetActive(_), Reply::Failed(_)) => {
                j.ambiguous_placement = true
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
                if matches!(flight.request, Request::ListTasks(_)) {
                    k.api_read = Some((
                        flight.sent,
                        tasks.iter().all(|it| {
                            it.last == TaskStatus::Stopped || bit(self.ignored, usize::from(it.task))
                        }),
                    ));
                }
            }
            (Request::DescribeLifecycleHooks(_, transition), Reply::Hooks(hooks)) => {
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
            (Request::Heartbeat(..), Reply::Done | Reply::Failed(Fault::NoActiveAction)) => {
                j.beat = j.beat.max(flight.sent)
            }
            (Request::Heartbeat(..), Reply::Failed(_)) => {
                j.beat_failed = now;
                j.lost_beat = true;
            }
            (Request::Complete(_, hook, _), Reply::Done)
                if flight.arrived >= self.scaling.since =>
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
                    self.wrong("completion-refused-too-often", || {
                        format!("{times} times in {over} ms")
                    });
                }
            }
            (Request::Signal(_), Reply::Done | Reply::Failed(Fault::AlreadySignalled)) => {
                j.told_signalled = true;
                j.known.signalled |= flight.sent >= self.scaling.since;
            }
            (Request::WriteStateFile(_), Reply::Done) => {
                for it in &mut j.known.writes {
                    it.1 |= it.0 == flight.sent;
                }
            }
            (Request::RunExecutables(occasion), Reply::Executables(succeeded)) => {
                j.executing = now;
                if *occasion == Occasion::Ready {
                    j.known.ready_ran = *succeeded;
                    if *succeeded {
                        j.known.joined.get_or_insert(now);
                    }
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
        if target == Ok(Some(Target::InService)) {
            k.service.get_or_insert(now);
        }
        if matches!(
            target,
            Ok(Some(
                Target::WarmedStopped | Target::WarmedRunning | Target::WarmedHibernated
            ))
        ) {
            k.pool.get_or_insert(now);
        }
        // On the way into the pool, metadata says the same as on the way back.
        let been =
            self.scaling.been_in_service && (k.service.is_some() || j.served && !j.state_lost);
        let leaves = |it: Target| match it {
            Target::Terminated | Target::WarmedTerminated => true,
            Target::WarmedStopped | Target::WarmedRunning | Target::WarmedHibernated => been,
            Target::InService | Target::Detached | Target::Standby | Target::Unknown => false,
        };
        if let Ok(Some(target)) = target
            && target != Target::Unknown
        {
            if k.target != Some(Some(target)) {
                k.target_at = now;
            }
            k.target = Some(Some(target));
        }
        if let Ok(spot) = spot {
            k.spot = spot.is_some();
        }
        let replacing = target == Ok(Some(Target::Unknown))
            && self.scaling.way == Some(Way::Replace)
            && self.spec.replacing == Replacing::Shows(Some(Target::Unknown));
        let told = k.target.flatten().is_some_and(leaves) || replacing;
        if told || k.spot {
            k.reason.get_or_insert(now);
        } else {
            k.reason = None;
            // A 404 takes nothing back.
            if target.is_ok_and(|it| {
                it.is_some_and(|it| {
                    matches!(it, Target::InService | Target::Detached | Target::Standby)
                })
            }) {
                j.since = None;
            }
        }
        let warned = policy.on_rebalance.is_some() && rebalance == Ok(true)
            || policy.on_maintenance.is_some() && matches!(maintenance, Ok(Some(_)));
        if warned {
            k.by_clock = rebalance != Ok(true);
            k.warned.get_or_insert(now);
        } else if rebalance.is_ok() && maintenance.is_ok() && k.warned.take().is_some() {
            j.reason_gone = now;
        }
        // The answer is of when the question arrived, which may have been sent before.
        if let Ok(Some(target)) = target
            && flight.arrived >= self.scaling.since
        {
            let pooled = matches!(
                target,
                Target::WarmedStopped | Target::WarmedRunning | Target::WarmedHibernated
            );
            // It may know from elsewhere that it has been in service.
            if told || pooled && self.scaling.been_in_service {
                j.since.get_or_insert(flight.sent);
            }
            if leaves(target) || j.known.spot || replacing {
                j.told.get_or_insert(now);
            }
        }
    }

    pub(super) fn undid_a_person(&mut self, arn: Arn) {
        if self.judge.ambiguous_placement || self.judge.state_lost || self.faults.deny_describe {
            self.judge.excuse("undid-a-person-unknowing");
        } else {
            self.wrong("undid-a-person", || format!("#{arn}"));
        }
    }

    /// A person sets DRAINING what the agent believes it has set so itself.
    pub(super) fn person_drains(&mut self, arn: Arn) {
        self.judge.person = true;
        self.judge.ambiguous_placement |= bit(self.judge.own, usize::from(arn));
    }

    pub(super) fn drains_a_persons(&mut self, arn: Arn) {
        // The last it heard was ACTIVE: it cannot know that the person was first.
        self.judge.ambiguous_placement |= self
            .judge
            .known
            .look
            .is_some_and(|(_, of, status, _)| of == arn && status == InstanceStatus::Active);
    }

    pub(super) fn touched_another_instance(&mut self, to: InstanceStatus) {
        if self.faults.deny_describe {
            self.judge.excuse("another-instance-unseen");
        } else {
            self.wrong("changed-another-instance", || {
                format!("{to:?} for another machine's container instance")
            });
        }
    }

    pub(super) fn completed(&mut self, result: ActionResult) {
        if result == ActionResult::Continue && self.scaling.way == Some(Way::Join) {
            self.judge.joined = Some(self.now);
        }
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

    /// An action that is ours has lapsed.
    pub(super) fn lapsed(&mut self, action: Action) {
        let now = self.now;
        let j = &self.judge;
        let k = &j.known;
        let f = &self.faults;
        let policy = &self.spec.policy;
        let none = policy.result_on_timeout == OnTimeout::None
            && self.leaving()
            && now >= self.earliest()
            && !j.latched;
        let member = self.mine().is_some_and(|(_, it)| it.member + 15_000 < now);
        let ready_over = self.launching()
            && (!policy.ready || now >= self.join_since() + policy.ready_timeout && !member);
        // A Spot interruption outranks a join: its action is left to Auto Scaling.
        let outranked = self.launching() && self.spot.is_some();
        let capped = action.begun + action.global <= now;
        // Time is compressed: nobody need hurry so much as to catch the end of one of 40 s.
        let settled = k
            .settled
            .is_some_and(|it| it.max(self.calm(&[Service::Group])) + 15_000 < now);
        let excuse = if capped && !settled {
            "lapsed-by-global-timeout"
        } else if none || f.deny_beat || f.deny_complete || ready_over || outranked {
            "lapsed-by-policy"
        } else if let Some(hidden) = self.hidden_launch() {
            hidden
        } else if j.hook_changed.is_some()
            && k.hook
                .is_none_or(|(told, name)| name != action.hook || told + 3_000 > now)
        {
            "lapsed-hook-changed"
        } else if !self.alive || self.asleep || self.stopping || now < self.started + 15_000 {
            "lapsed-process-away"
        } else if self.calm(&[Service::Group]) + 3_500 > now
            || f.until(Lasting::Network) + policy.request_timeout + 3_500 > now
        {
            "lapsed-unreachable"
        } else if self.leaving() && k.reason.is_none_or(|it| it + 12_000 > now) {
            "lapsed-untold"
        } else if k.hook.is_none() && self.calm(&[Service::Group, Service::Metadata]) + 12_000 > now
        {
            "lapsed-unreachable"
        } else {
            let beat = j.beat;
            return self.wrong("hook-lapsed", || {
                format!(
                    "{:?}, begun at {}, the last heartbeat was sent at {beat}",
                    action.hook, action.begun
                )
            });
        };
        self.judge.excuse(excuse);
    }

    /// After each boundary: what has lasted for too long.
    pub(super) fn watch(&mut self) {
        self.watch_drained();
        if !self.alive || self.stopping || self.asleep || !self.up || self.judge.finishing {
            return;
        }
        self.watch_another();
        self.watch_standalone();
        self.watch_placement();
        self.watch_hook();
        self.watch_signal();
    }

    fn watch_drained(&mut self) {
        if self.judge.since.is_none() || !self.leaving() {
            return;
        }
        let now = self.now;
        let any = self.left(now);
        let open = self
            .registrations
            .iter()
            .any(|it| it.connected && it.status == InstanceStatus::Active);
        let j = &mut self.judge;
        if any || open {
            // Contrary evidence: whatever was, is revoked. (That it was, still makes the deadline uncertain.)
            j.latched = false;
            j.known.settled = None;
            j.known.agreed = false;
            return;
        }
        let after = self.spec.policy.executables.after_drain;
        if let (Some(settled), false, true) = (j.known.settled, j.latched, self.alive)
            && !after
            && now >= settled + 6_000
        {
            let early = self.earliest();
            let j = &mut self.judge;
            if now < early {
                j.drained.get_or_insert(settled);
                j.latched = true;
                j.spent.get_or_insert((settled, self.process));
            }
        }
        if let Some(settled) = self.judge.known.settled {
            self.judge.drained.get_or_insert(settled);
        }
    }

    fn watch_another(&mut self) {
        let calm = self.calm(&[Service::Ecs]);
        if let Some(told) = self.judge.known.foreign.filter(|_| self.foreign)
            && self.now > told.max(calm) + 15_000
        {
            self.wrong("another-instance-left-changed", || format!("told at {told}"));
        }
    }

    /// A standalone task that is seen here, and that ECS knows, is told to stop.
    fn watch_standalone(&mut self) {
        let (Some(after), Some(reason)) = (
            self.spec.policy.standalone_stop_after,
            self.judge.known.reason,
        ) else {
            return;
        };
        let now = self.now;
        if now >= self.earliest() || self.judge.clock_set {
            return;
        }
        let from = (reason + after).max(self.calm(&[Service::Ecs, Service::Local]));
        let late = |(id, it): &(usize, &Task)| {
            it.kind == TaskKind::Standalone
                && it.running(now)
                && it.asked > now
                && Some(it.arn) == self.current
                && bit(self.judge.known.seen, *id)
                && now > from.max(it.local) + 15_000
        };
        if let Some((id, _)) = self.tasks.iter().enumerate().find(late) {
            self.wrong("standalone-not-stopped", || format!("task {id}, to be stopped from {from}"));
        }
    }

    fn watch_placement(&mut self) {
        let now = self.now;
        let Some((arn, it)) = self.mine() else { return };
        let j = &self.judge;
        let k = &j.known;
        let policy = &self.spec.policy;
        // Warnings and a hand wait for the end of a join.
        let starts_new = self.spec.begin == Begin::Launched && self.scaling.generation == 0
            || self.scaling.way == Some(Way::Join);
        let joining = self.launching()
            || starts_new && now < self.join_since() + policy.ready_timeout + 25_000;
        let hand = j.hand.filter(|_| !j.hand_unsure && !j.state_lost);
        // By a wrong clock, maintenance is far away.
        let warned = k.warned.filter(|_| self.clock_off == 0 || !k.by_clock);
        let mild = [warned, hand]
            .into_iter()
            .flatten()
            .min()
            .filter(|_| !joining);
        // A join may just have ended.
        let mild = mild.map(|it| it.max(self.scaling.since));
        let reason = [k.reason, mild].into_iter().flatten().min();
        let mut calm = self.calm(&[Service::Ecs, Service::Local]);
        if k.reason.is_none() {
            // Whether it joins has to be known first.
            calm = calm.max(self.calm(&[Service::Metadata, Service::Group]));
        }
        if it.status == InstanceStatus::Active {
            let Some(reason) = reason else { return };
            if !self.introspection_up()
                || self.scaling.state == Some("Warmed:Pending") && !self.scaling.been_in_service
            {
                return;
            }
            let believed = k
                .look
                .is_some_and(|(_, of, status, _)| of == arn && status == InstanceStatus::Draining);
            let sign = |task: &Task| {
                task.arn == arn && task.placed >= it.since && task.local <= now && !task.orphan
            };
            let sign = self
                .tasks
                .iter()
                .filter(|it| sign(it))
                .map(|it| it.local)
                .min();
            let (from, mut bound) = match sign {
                Some(sign) if believed => (sign, 14_000),
                None if believed => (it.since, 66_000),
                _ => (it.since.max(k.active.unwrap_or(0)), 12_000),
            };
            if policy.executables.before_drain {
                bound += 10_000;
            }
            if j.trouble[Service::Ecs as usize] > reason {
                bound += 12_000;
            }
            if j.clock_set {
                bound += 5_000;
            }
            if now > from.max(reason).max(calm) + bound {
                self.wrong("stays-active", || {
                    format!(
                        "#{arn} since {}, a reason is known since {reason}",
                        it.since
                    )
                });
            }
        } else if it.status == InstanceStatus::Draining && !it.by_person {
            let alone = !self.scaling.in_group && self.spec.begin == Begin::Alone;
            let back =
                alone || k.target == Some(Some(Target::InService)) && self.scaling.state.is_some();
            let warning = policy.on_rebalance.is_some() && self.rebalance
                || policy.on_maintenance.is_some() && self.maintenance.is_some();
            if reason.is_some()
                || j.hand.is_some()
                || k.warned.is_some()
                || warning
                || !back
                || j.state_lost
                || j.hand_unsure
                || self.spot.is_some()
            {
                return;
            }
            let gone = j
                .reason_gone
                .max(k.target_at)
                .max(self.scaling.since)
                .max(it.since)
                .max(calm);
            // Whose it is may take a look; what was ambiguous, a longer one.
            let bound = if self.judge.ambiguous_placement {
                30_000
            } else {
                15_000
            };
            if now > gone.max(self.calm(&[Service::Metadata, Service::Group])) + bound {
                self.wrong("left-draining", || {
                    format!("#{arn}; nothing asks for it since {gone}")
                });
            }
        }
    }

    fn watch_hook(&mut self) {
        let now = self.now;
        let Some(way) = self.scaling.way else { return };
        let j = &self.judge;
        let k = &j.known;
        let f = &self.faults;
        if k.accepted.is_some()
            || k.denied
            || f.deny_beat
            || f.deny_complete
            || self.hidden_launch().is_some()
        {
            return;
        }
        let policy = &self.spec.policy;
        let calm = self.calm(&[Service::Group]);
        let action = self.scaling.actions[0].filter(|it| !it.done);
        let waits = self.scaling.waits_since;
        // Heartbeats.
        if let (Some((told, hook)), Some(timeout)) = (k.hook, action.map(|it| it.timeout))
            && action.is_some_and(|it| it.hook == hook)
            && (self.leaving() && k.reason.is_some() && now < self.earliest()
                || way == Way::Join
                    && policy.ready
                    && self.spot.is_none()
                    && now < self.join_since() + policy.ready_timeout)
        {
            // Before the first, what is left can be known only from when the hook was.
            let last = if j.beat > 0 {
                j.beat
            } else {
                waits.max(j.first_hook.unwrap_or(told))
            };
            let in_flight = j.beat_sent > last && j.beat_sent > j.beat_failed;
            let failed = j.beat_failed;
            let from = last
                .max(failed)
                .max(told)
                .max(self.started)
                .max(j.awake)
                .max(waits.min(last + timeout / 4));
            let left = (last + timeout).saturating_sub(from);
            if now > from + (left / 4).max(1_000) + 300 && !in_flight {
                self.wrong("heartbeat-gap", || format!("the last one that counts was sent at {last}, one failed at {failed}, of {timeout}"));
            }
        }
        let Some(_) = action else { return };
        // A hook of another name has to be found again.
        let calm = calm
            .max(waits)
            .max(self.judge.hook_changed.map_or(0, |it| it + 30_000));
        let j = &self.judge;
        let k = &j.known;
        match way {
            Way::Leave | Way::ToPool | Way::LeavePool | Way::Replace => {
                if k.reason.is_none() {
                    return;
                }
                let early = self.earliest();
                // What was written down counts over a restart.
                let latched = j.drained.filter(|_| j.latched && !j.state_lost);
                let settled = k
                    .settled
                    .filter(|it| *it + 6_000 < early || j.latched)
                    .or(latched);
                let after = if policy.executables.after_drain {
                    10_000
                } else {
                    0
                };
                let calm = calm.max(j.executing.min(now));
                let in_vain = j.state_lost && policy.result_on_timeout == OnTimeout::None;
                let from = match settled {
                    Some(settled) if !in_vain => Some(settled),
                    _ if policy.result_on_timeout == OnTimeout::None => None,
                    _ => self.latest(),
                };
                let calm = calm.max(self.calm(&[Service::Ecs, Service::Local]));
                if let Some(from) = from
                    && now > from.max(calm) + 40_000 + after
                {
                    self.wrong("not-completed", || {
                        format!("over since {from}, waits since {waits}")
                    });
                }
            }
            Way::IntoPool => {
                if policy.ready
                    && self.spot.is_none()
                    && now > calm.max(self.calm(&[Service::Metadata])) + 40_000
                {
                    self.wrong("not-joined", || {
                        format!("on its way into the pool, waits since {waits}")
                    });
                }
            }
            Way::Join => {
                let Some((_, it)) = self.mine() else { return };
                let ready = !policy.executables.ready || k.ready_ran;
                if policy.ready
                    && ready
                    && !self.faults.deny_describe
                    && self.spot.is_none()
                    && k.reason.is_none()
                    && now
                        > it.member.max(calm).max(self.calm(&[
                            Service::Ecs,
                            Service::Local,
                            Service::Metadata,
                        ])) + 40_000
                {
                    self.wrong("not-joined", || {
                        format!("a member since {}, waits since {waits}", it.member)
                    });
                }
            }
        }
    }

    fn watch_signal(&mut self) {
        // Where no hook waits, it has joined as soon as it is a member in service.
        let ready = self.launched()
            && self.scaling.way.is_none()
            && self.scaling.state == Some("InService")
            && !self.spec.policy.executables.ready;
        let member = self
            .mine()
            .map(|it| it.1.member)
            .filter(|it| ready && *it < NEVER && !self.judge.launch_failed);
        let Some(joined) = self.judge.joined.or(member) else {
            return;
        };
        // That it has joined, a process that was away sees by its being a member.
        let joined = joined.max(self.mine().map_or(NEVER, |it| it.1.member));
        let into_pool = self.spec.begin == Begin::IntoPool && self.scaling.generation == 0;
        if self.clock_off > 0
            || !self.spec.waits
            || !self.spec.policy.stack
            || self.signalled
            || into_pool
            || self.leaving()
            || self.judge.state_lost
        {
            return;
        }
        let calm = self.calm(&[Service::Stack]);
        if self.now > joined.max(calm) + 60_000 {
            self.wrong("not-signalled", || format!("joined at {joined}"));
        }
    }
}

fn bit(bits: u32, id: usize) -> bool {
    id < 32 && bits >> id & 1 == 1
}
