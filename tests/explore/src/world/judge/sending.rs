//! What it asks for, just before that leaves.

use super::{Count, KINDS, bit, kind};
use crate::wire::{
    ActionResult, Arn, Group, HookName, InstanceStatus, Ms, Occasion, OnTimeout, Request, Target,
};
use crate::world::faults::Lasting;
use crate::world::truth::{FOREIGN, MANAGED, NEVER, Service, Task, Truth, Way, What, service};

impl Truth {
    pub(super) fn known_running(&self) -> Option<usize> {
        let k = &self.judge.known;
        let known = |id: usize| bit(k.seen, id) && !bit(k.stopped, id) && !bit(k.ecs_stopped, id);
        self.tasks
            .iter()
            .enumerate()
            .position(|(id, task)| task.running(self.now) && known(id) && !bit(self.ignored, id))
    }

    /// Just before a request leaves.
    pub(in crate::world) fn sending(&mut self, request: &Request) {
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
                    self.drains_before_executables(*arn);
                } else if *arn != FOREIGN {
                    // Unless another reason goes on.
                    self.judge.before_ran &= self.asked();
                }
                if !bit(self.judge.verified, usize::from(*arn)) && !self.faults.deny_describe {
                    wrong!(self: "changed-unseen", "{request}");
                }
                if in_flight {
                    wrong!(self: "opposite-in-flight", "{request}");
                }
                // A change of another machine's is undone where looking is denied.
                let undone = *arn == FOREIGN && self.faults.deny_describe;
                if matches!(request, Request::SetActive(_))
                    && !undone
                    && !self.arrives()
                    && self.judge.known.reason.is_some_and(|it| it + 200 < now)
                    && self.up
                {
                    let target = self.judge.known.target;
                    wrong!(self: "active-though-a-reason", "{request}, and the target is {target:?}");
                }
            }
            Request::Heartbeat(group, _) | Request::Complete(group, ..)
                if *group != Group(0) && self.judge.known.group == Some(Group(0)) =>
            {
                wrong!(self: "touched-another-hook", "{request}, and Auto Scaling has named its group");
            }
            Request::Heartbeat(_, hook) => self.sending_heartbeat(*hook),
            Request::Complete(_, hook, result) => self.sending_completion(*hook, *result),
            Request::ReadTaskSet | Request::DescribeResources(_) | Request::SendCapacity(_) => {
                self.sending_capacity(request);
            }
            Request::Signal(status) => self.sending_signal(*status),
            Request::WriteStateFile(_) => {
                self.judge.known.writes.rotate_right(1);
                self.judge.known.writes[0] = (now, false);
                let k = &self.judge.known;
                self.judge.met_written = self.judge.met & !k.stopped & !k.ecs_stopped;
            }
            Request::RunExecutables(occasion) => self.sending_executables(*occasion),
            _ => {}
        }
    }

    /// Executables of this process that run.
    pub(super) fn running_executables(&self, which: Occasion) -> Option<Ms> {
        self.events.iter().find_map(|it| match &it.what {
            What::Arrive(flight) | What::Deliver(flight, _) => (flight.process == self.process
                && flight.request == Request::RunExecutables(which)
                && self.has_executables(which))
            .then_some(flight.sent),
            What::Timer(_) => None,
        })
    }

    fn sending_executables(&mut self, which: Occasion) {
        let now = self.now;
        if let Some(sent) = self.running_executables(which) {
            wrong!(self: "executables-run-on", "{which:?}, and those of {sent} run");
        }
        let over = self.judge.known.read.is_some_and(|it| it.1) && now < self.ends();
        if which == Occasion::AfterDrain {
            self.judge.after_sent = over.then_some(now);
        }
        self.judge.executing = now + self.spec.policy.executable_timeout;
    }

    /// The deadline of whatever asks for a drain.
    pub(super) fn ends(&self) -> Ms {
        let j = &self.judge;
        // Where its end was lost with a process, it goes on for the next one.
        let hand = if j.hand.is_some() || j.hand_unsure {
            j.hand_until
        } else {
            NEVER
        };
        let warned = j.known.warned.zip(self.spec.policy.on_rebalance);
        self.earliest()
            .min(hand)
            .min(warned.map_or(NEVER, |(since, lasts)| since + lasts))
    }

    /// DRAINING waits for the executables before it: until the deadline, or until they have had their time.
    fn drains_before_executables(&mut self, arn: Arn) {
        let now = self.now;
        let policy = &self.spec.policy;
        let j = &self.judge;
        let deadline = self.ends();
        let hang = self
            .running_executables(Occasion::BeforeDrain)
            .is_some_and(|sent| sent + policy.executable_timeout <= now);
        // Over a reboot, and for Spot, it is by the wall clock.
        let unsure = j.clock_set && (j.booted_since_way || self.spot.is_some());
        let wait = policy.executables.before_drain && now < deadline && !unsure;
        if wait && !j.before_ran && !hang {
            wrong!(self: "drains-before-executables", "#{arn}");
        }
    }

    /// Whoever is told of a drain that is over in time is told so after the executables.
    pub(super) fn told_before_executables(&mut self, what: &'static str) {
        let opened = self.judge.opened;
        if self.spec.policy.executables.after_drain && !self.judge.after_ran && !self.clock_unsure()
        {
            wrong!(self: "told-before-executables", "{what}; a task was seen last at {opened}");
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
            wrong!(self: "drains-while-joining", "#{arn}");
        }
    }

    /// From a new root volume, and told by Auto Scaling that it arrives: what metadata goes on saying is of before.
    /// Where it is terminated after all, metadata says the same as before, and Auto Scaling is asked once a minute.
    pub(super) fn arrives(&self) -> bool {
        let k = &self.judge.known;
        let unheard = k.inward && self.now < self.scaling.since + 66_000;
        k.arrived
            && match self.scaling.way {
                None | Some(Way::Join) => true,
                Some(Way::Leave | Way::Replace) => unheard,
                _ => false,
            }
    }

    pub(super) fn told_of_join(&self) -> bool {
        let k = &self.judge.known;
        if self.scaling.replaced {
            return k.pending;
        }
        k.target == Some(Some(Target::InService)) && k.target_at >= self.scaling.since
    }

    /// What is told to Auto Scaling or CloudFormation has to survive a kill: since it was known, it was written
    /// down, or has been on its way to the disk for 250 ms.
    pub(super) fn told_before_written(&mut self, what: &'static str, since: Option<Ms>) {
        // What an earlier process knew, it may have written.
        // By a clock that is set, a deadline may have come before.
        let Some(since) = since.filter(|it| *it > self.started && !self.judge.clock_set) else {
            return;
        };
        let writes = self.judge.known.writes;
        let safe = |(sent, done)| sent >= since && (done || sent + 250 <= self.now);
        // Or the disk is slow, or refuses.
        let slow = since + 250 <= self.now && writes[0].0 > 0 && !writes[0].1;
        if !slow && !self.judge.known.disk_refuses && !writes.into_iter().any(safe) {
            wrong!(self: "told-before-written", "{what}, known since {since}, written {writes:?}");
        }
    }

    /// A look at ECS has a sign to follow, or a while has passed. Where it joins, or introspection is away, there is
    /// nothing else to look at.
    fn count_look(&mut self, request: &Request) {
        let now = self.now;
        // What was asked for while introspection was away goes on for a while.
        let away = self.judge.trouble[Service::Local as usize];
        let away = away > self.started && now < away + 10_000;
        let blind = self.judge.known.blind || away || !self.introspection_up();
        let over = self.ends();
        let k = &mut self.judge.known;
        // Of those that have vanished only ECS knows anything.
        let vanished = (k.seen | k.ecs_seen) & !k.listed & !k.stopped & !k.ecs_stopped != 0;
        // The list is empty and ECS counts tasks; or it was another machine's just now.
        let disagree =
            k.listed & !self.ignored == 0 && k.look.is_some_and(|it| !it.3 && it.1 != FOREIGN);
        let impostor = self.faults.until(Lasting::Impostor);
        let odd = k.impostor || impostor > 0 && now < impostor + 20_000;
        let blind = blind || vanished || disagree || odd;
        let joined = self.judge.joined.is_some() || self.leaving() || !self.launched();
        // That it has joined is forgotten with the file: it joins anew.
        let lost = if self.judge.state_lost {
            self.judge.lost_at
        } else {
            self.started
        };
        let forgot = (self.judge.state_lost || self.judge.write_lost)
            && self.launched()
            && now < lost + self.spec.policy.ready_timeout + 1_000;
        let joins = self.launching() || !joined || forgot;
        let k = &mut self.judge.known;
        if joins || blind {
            k.looks = [0; KINDS];
            return;
        }
        let looks = &mut k.looks[kind(request)];
        *looks += 1;
        let (looks, sign, signs) = (u64::from(*looks), k.sign, k.signs);
        // At intervals that grow by half, from 5 s to a minute less a quarter.
        let (mut growing, mut pause, mut next) = (0, 5_000, sign + 5_000);
        while next <= now {
            pause = (pause * 3 / 2).min(45_000);
            (growing, next) = (growing + 1, next + pause);
        }
        let retry = signs.failed > 0 && now < signs.failed + 30_000;
        // A deadline is new, too.
        let owed = 1 + u64::from(retry) + u64::from(sign < over && over <= now);
        if looks > owed + growing {
            wrong!(self: "looks-too-often", "{looks} times since {sign}: {request}; {signs:?}");
        }
    }

    fn count(&mut self, request: &Request) {
        let now = self.now;
        if matches!(
            request,
            Request::DescribeContainerInstance(_)
                | Request::DescribeTasks(..)
                | Request::ListTasks(_)
        ) {
            self.count_look(request);
        }
        if matches!(
            service(request),
            Service::Ecs | Service::Group | Service::Stack
        ) && !matches!(
            request,
            Request::Heartbeat(..) | Request::ListContainerInstances
        ) {
            self.judge.calls += 1;
            let calls = self.judge.calls;
            if self.spec.calls.is_some_and(|it| calls > it) && !self.disturbed {
                wrong!(self: "costs-too-much", "call {calls}: {request}");
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
            wrong!(self: "hurries", "{times} times in 10 s: {request}");
        }
    }

    fn sending_heartbeat(&mut self, hook: HookName) {
        let now = self.now;
        if hook == MANAGED {
            wrong!(self: "touched-another-hook", "a heartbeat");
        }
        let policy = &self.spec.policy;
        let timeout = self
            .scaling
            .out
            .map(|it| it.1)
            .or(self.spec.out)
            .unwrap_or(0);
        // Where nothing that it knows was left at the deadline, it may well count as drained.
        let left = self
            .latest()
            .is_some_and(|it| self.left(it) && self.ran_at(it));
        let none =
            policy.result_on_timeout == OnTimeout::None && self.judge.drained.is_none() && left;
        let denied = self.judge.known.complete_denied;
        self.judge.beat_sent = now;
        self.judge.lost_beat = false;
        if self.judge.known.accepted == Some(hook) {
            wrong!(self: "heartbeat-after-the-end", "the completion was accepted");
        }
        if self.leaving()
            && let Some(latest) = self.latest()
        {
            let more = if none || denied { 0 } else { timeout };
            let executing = self.judge.executing.saturating_sub(latest);
            if now
                > latest.max(self.judge.stood)
                    + 2_000
                    + if none || denied {
                        executing
                    } else {
                        executing + more
                    }
            {
                wrong!(self: "heartbeat-after-the-end", "the deadline was at {latest}");
            }
        }
    }

    fn sending_completion(&mut self, hook: HookName, result: ActionResult) {
        let now = self.now;
        if hook == MANAGED {
            wrong!(self: "touched-another-hook", "a completion");
        }
        if self.stopping && !self.judge.due_on_stop {
            wrong!(self: "completed-on-stop", "{result:?}");
        }
        let launching = hook.0 % 2 == 1;
        let since = self.outcome_since(launching, result == ActionResult::Abandon);
        self.told_before_written("the completion", since);
        self.judge.outcome |= !launching;
        if self.judge.known.accepted == Some(hook) {
            wrong!(self: "completed-again", "{result:?}");
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
        if !early && now < self.deadline() {
            self.judge.excuse("older-drain-restored");
        }
        let known = self.known_running();
        let policy = self.spec.policy.result_on_timeout;
        // A Spot interruption's time is by the wall clock, and what a reboot took as well.
        let clock = self.clock_unsure();
        if result == ActionResult::Abandon {
            if early && !clock {
                wrong!(self: "abandoned-before-the-deadline");
            } else if policy != OnTimeout::Abandon {
                wrong!(self: "wrong-verdict", "ABANDON, which the policy does not say");
            } else {
                self.given_up("ABANDON");
            }
            return;
        }
        let drained = early && known.is_none() || self.judge.latched;
        if drained {
            self.told_before_executables("CONTINUE");
        }
        let says = self.spec.policy.signal_drained
            && self.spec.policy.stack
            && self.scaling.way.is_some_and(Way::ends);
        if drained && says && !self.judge.said && !clock {
            wrong!(self: "completed-unsignalled");
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
                OnTimeout::Abandon => {
                    wrong!(self: "wrong-verdict", "CONTINUE with task {task} left")
                }
                OnTimeout::None => wrong!(self: "completed-though-none", "with task {task} left"),
            }
        } else if policy == OnTimeout::None
            && self
                .latest()
                .is_some_and(|it| now > it + 1_000 && self.ran_at(it))
        {
            wrong!(self: "completed-though-none", "tasks were left at the deadline");
        }
    }

    /// Since when what is told now has been known.
    pub(super) fn outcome_since(&self, launch: bool, failed: bool) -> Option<Ms> {
        let k = &self.judge.known;
        match (launch, failed) {
            (true, false) => k.joined.filter(|_| !self.judge.joined_before),
            (true, true) => Some(self.join_since() + self.spec.policy.ready_timeout)
                .filter(|it| *it <= self.now),
            // Where it saw none of the tasks, an earlier process may have written it; where the list became
            // empty after the deadline, it timed out.
            // A deadline that passes later changes nothing.
            (false, _) if self.judge.outcome || self.nothing_to_drain() => None,
            (false, false) => match k.turned {
                Some(it) if it < self.earliest() => Some(it),
                _ if k.read.is_some_and(|it| it.1) => None,
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

    /// Out of the pool, never in service, and nothing has ever registered on this machine: there is nothing to look at,
    /// and nothing that a deadline ends.
    fn nothing_to_drain(&self) -> bool {
        self.scaling.way == Some(Way::LeavePool)
            && !self.scaling.been_in_service
            && self.registrations.is_empty()
    }

    fn early_continue(&mut self, known: Option<usize>) {
        let now = self.now;
        let k = self.judge.known;
        if let Some(task) = known {
            let seen = k.read.map(|it| it.0);
            wrong!(self: "completed-while-a-container-ran",
                "task {task} was seen and never seen stopped; last read: {seen:?}");
        }
        let fresh = |read: Option<(Ms, bool)>| {
            read.is_some_and(|(sent, empty)| {
                empty && now - sent <= 16_000 && self.judge.refused.is_none_or(|it| sent >= it)
            })
        };
        if !(self.nothing_to_drain() || fresh(k.read) || k.blind && fresh(k.api_read)) {
            let refused = self.judge.refused;
            wrong!(self: "completed-without-a-fresh-read",
                "last local read {:?}, of ECS {:?}, refused at {refused:?}", k.read, k.api_read);
        }
        // Nothing is looked at where no registration ever was.
        // Another registration has to be seen first.
        let new = self
            .mine()
            .is_some_and(|(_, it)| it.since.max(self.calm(&[Service::Local])) + 20_000 > now);
        let right = |arn: Arn| new || Some(arn) == self.current;
        // INACTIVE is for good: a machine that comes back has another registration.
        let looked = k.look.is_some_and(|(at, arn, status, _)| {
            (now - at <= 61_000 || status == InstanceStatus::Inactive)
                && status != InstanceStatus::Active
                && right(arn)
        });
        // Who lives and is said to be MISSING three times over 15 s, by all that can be known is gone.
        let gone = k.missing.is_some_and(|(arn, first, last, times)| {
            right(arn) && times >= 3 && last >= first + 15_000 && now <= last + 61_000
        });
        // Past the deadline, what was drained in time stays so: what is missing revokes nothing.
        let (credit, _) = self.judge.credit;
        let contrary = k.look.is_none_or(|it| it.2 == InstanceStatus::Active);
        let kept = self.judge.latched && now + credit >= self.earliest() && !contrary;
        if !looked && !kept && gone && self.current.is_some() {
            self.judge.excuse("missing-for-long");
        } else if !looked && !kept && self.current.is_some() {
            wrong!(self: "completed-without-a-look-at-ecs", "the last: {:?}", k.look);
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
        // What a read a second before would have shown is no excuse.
        let old = |read: (Ms, bool)| read.0 + 1_000 + self.spec.intro_takes < self.now;
        if name == "placed-unseen"
            && task.local + 1_000 < self.now
            && k.read.is_some_and(old)
            && !k.blind
            && self.local_status(id).is_some()
        {
            wrong!(self: "completed-while-a-container-ran", "task {id} is listed; last read {:?}", k.read);
            return;
        }
        self.judge.excuse(name);
    }

    fn given_up(&mut self, what: &'static str) {
        if !self.judge.known.looked {
            wrong!(self: "decided-before-looking", "{what}");
        }
        if self.judge.latched && self.clock_unsure() {
            self.judge.excuse("clock-wrong");
        } else if self.judge.latched && !self.judge.state_lost {
            let at = self.judge.drained;
            wrong!(self: "drained-but-given-up", "{what}; drained at {at:?}");
        }
    }
}
