//! What has lasted for too long.

use super::{bit, pooled};
use crate::wire::{InstanceStatus, Ms, Occasion, OnTimeout, Target, TaskKind};
use crate::world::faults::Lasting;
use crate::world::scene::Begin;
use crate::world::truth::{Action, NEVER, Service, Task, Truth, Way};

impl Truth {
    /// An action that is ours has lapsed.
    pub(in crate::world) fn lapsed(&mut self, action: Action) {
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
        // What was in vain for long is tried more seldom.
        let away = self.calm(&[Service::Group, Service::Metadata]);
        // At the end it is tried once a second (rule 4), and a try has to get there.
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
        } else if !self.alive
            || self.asleep
            || self.stopping
            || now < (self.started + 15_000).max(j.stood + 2_000)
        {
            "lapsed-process-away"
        } else if self.calm(&[Service::Group]) + 2_000 > now
            || f.until(Lasting::Group) > now
            || f.until(Lasting::Network) + policy.request_timeout + 2_000 > now
        {
            "lapsed-unreachable"
        } else if self.leaving() && self.leaves_since().is_none_or(|it| it + 12_000 > now) {
            "lapsed-untold"
        } else if k.hook.is_none_or(|(told, _)| told + 1_000 > now)
            && away + ((away - self.started) * 2 / 3).clamp(20_000, 60_000) > now
        {
            "lapsed-unreachable"
        } else {
            let beat = j.beat;
            return wrong!(self: "hook-lapsed",
                "{:?}, begun at {}, the last heartbeat was sent at {beat}", action.hook, action.begun);
        };
        self.judge.excuse(excuse);
    }

    /// After each boundary: what has lasted for too long.
    pub(in crate::world) fn watch(&mut self) {
        self.watch_drained();
        if self.arrives() {
            self.judge.known.arrived_until = self.now;
        }
        let still = self.now < self.judge.stood;
        if !self.alive || self.stopping || self.asleep || still || !self.up || self.judge.finishing
        {
            return;
        }
        self.watch_another();
        self.watch_executables();
        self.watch_standalone();
        self.watch_placement();
        self.watch_hook();
        self.watch_signal();
        self.watch_capacity();
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
            && now >= settled.max(self.judge.stood) + 6_000
        {
            let early = self.earliest();
            let j = &mut self.judge;
            if now < early {
                j.drained.get_or_insert(settled);
                j.latched = true;
            }
        }
        if let Some(from) = self.drained_since()
            && self.judge.latched
            && self.alive
            && !after
            && now >= from + 6_000
            && now < self.earliest()
        {
            self.judge.spent.get_or_insert((from, self.process));
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
            wrong!(self: "another-instance-left-changed", "told at {told}");
        }
    }

    /// Executables that nobody waits for any more: the drain is called off, or goes on.
    fn watch_executables(&mut self) {
        let now = self.now;
        let after = self.running_executables(Occasion::AfterDrain);
        let before = self.running_executables(Occasion::BeforeDrain);
        let Some(sent) = before.or(after) else { return };
        let j = &self.judge;
        let reopened = after.is_some_and(|sent| Some(sent) == j.after_sent && j.opened > sent)
            && now > j.opened + 1_000
            && now < self.earliest()
            && !j.known.impostor
            && !self.clock_unsure();
        let by_hand = j.reason_gone >= j.known.target_at.max(self.scaling.since);
        let bound = if by_hand { 3_000 } else { 15_000 };
        let calm = self.calm(&[Service::Metadata, Service::Group]);
        let called_off = self
            .nothing_asks()
            .is_some_and(|gone| now > gone.max(calm) + bound);
        if reopened || called_off {
            let why = if reopened { "goes on" } else { "is called off" };
            wrong!(self: "executables-run-on", "since {sent}, and the drain {why}");
        }
    }

    /// Since when nothing asks for a drain, and that is known.
    fn nothing_asks(&self) -> Option<Ms> {
        let j = &self.judge;
        let k = &j.known;
        let policy = &self.spec.policy;
        let alone = !self.scaling.in_group && self.spec.begin == Begin::Alone;
        let back =
            alone || k.target == Some(Some(Target::InService)) && self.scaling.state.is_some();
        let warning = policy.on_rebalance.is_some() && self.rebalance
            || policy.on_maintenance.is_some() && self.maintenance.is_some();
        let asks = self.reasons()
            || j.hand.is_some()
            || warning
            || !back
            || j.state_lost
            || j.hand_unsure
            || self.spot.is_some();
        (!asks).then(|| j.reason_gone.max(k.target_at).max(self.scaling.since))
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
        // A hand may have said for how long.
        if now >= self.earliest() || self.judge.clock_set || self.judge.hand.is_some() {
            return;
        }
        let from = (reason + after).max(self.calm(&[Service::Ecs, Service::Local]));
        let late = |(id, it): &(usize, &Task)| {
            it.kind == TaskKind::Standalone
                && it.running(now)
                && it.asked > now
                && Some(it.arn) == self.current
                && !self.vanished(it.arn)
                && bit(self.judge.known.seen, *id)
                && now > from.max(it.local) + 15_000
        };
        if let Some((id, _)) = self.tasks.iter().enumerate().find(late) {
            wrong!(self: "standalone-not-stopped", "task {id}, to be stopped from {from}");
        }
    }

    fn watch_placement(&mut self) {
        let now = self.now;
        let Some((arn, it)) = self.mine() else { return };
        let j = &self.judge;
        let k = &j.known;
        let policy = &self.spec.policy;
        // Warnings and a hand wait for the end of a join.
        let starts_new = !self.leaving() && self.launched();
        let joined = (self.join_since() + policy.ready_timeout).max(self.started) + 25_000;
        let joined = if starts_new { joined } else { 0 };
        // On the way into the pool, metadata says the same as on the way back.
        let untold = k.target.flatten().is_some_and(pooled) && k.service.is_none() && !j.served;
        let joining = self.launching() || untold || now < joined;
        let hand = j.hand.filter(|_| !j.hand_unsure && !j.state_lost);
        // By a wrong clock, maintenance is far away.
        let warned = k.warned.filter(|_| self.clock_off == 0 || !k.by_clock);
        let mild = [warned, hand]
            .into_iter()
            .flatten()
            .min()
            .filter(|_| !joining);
        // A join may just have ended.
        let mild = mild.map(|it| it.max(self.scaling.since).max(joined));
        // Whether it joins has to be known first.
        let away = self.calm(&[Service::Metadata, Service::Group]);
        let mild = mild.map(|it| it.max(away));
        // A target that nobody knows is a reason to ask Auto Scaling.
        let odd = k.odd.filter(|_| k.reason.is_none());
        let reason = [k.reason, mild, odd].into_iter().flatten().min();
        let calm = self.calm(&[Service::Ecs, Service::Local]);
        if it.status == InstanceStatus::Active {
            let Some(reason) = reason else { return };
            if !self.introspection_up()
                || self.arrives()
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
            // A task on the first list of this drain is new only where ECS has counted fewer.
            let open = |it: &&Task| it.arn == arn && it.left(now) && it.asked > now;
            let more = self.tasks.iter().filter(open).count() > k.counted;
            let new = |it: &Task| more || k.first_list.is_some_and(|first| first < it.placed);
            let sign = self
                .tasks
                .iter()
                .filter(|it| sign(it) && new(it))
                .map(|it| it.local)
                .min();
            let ended = k.accepted.is_some() || self.scaling.way.is_none();
            // What the ECS agent had lost before, nobody sees.
            let hidden = |id, it: &Task| bit(self.ignored, id) || it.orphan && !bit(k.seen, id);
            let mut tasks = self.tasks.iter().enumerate();
            let left = tasks.any(|(id, it)| it.left(now) && !hidden(id, it));
            if sign.is_none() && believed && ended && !left {
                // Nothing is left that it could end by, and no action that rests on it.
                return;
            }
            let (from, mut bound) = match sign {
                Some(sign) if believed => (sign, 14_000),
                None if believed => (it.since, 66_000),
                _ => (it.since.max(k.active.unwrap_or(0)), 12_000),
            };
            if policy.executables.before_drain {
                bound += policy.executable_timeout + 2_000;
            }
            // After a call that failed, the pause is up to 20 s.
            let troubled = j.trouble[Service::Ecs as usize];
            // Whether a join has ended, which it waits for, Auto Scaling may not have been able to say.
            let group = j.trouble[Service::Group as usize];
            let waits = k.reason.is_none() && odd.is_none() && starts_new;
            let troubled = troubled.max(if waits { group } else { 0 });
            // That it is in no group counts once that was told twice, 15 s apart.
            let twice = if waits && !self.scaling.in_group {
                16_000
            } else {
                0
            };
            let pause = if troubled > self.started {
                troubled + 24_000 + twice
            } else {
                0
            };
            let calm = if let Some(odd) = odd {
                let away = self.calm(&[Service::Group]);
                bound += (away.saturating_sub(odd) * 2 / 3).clamp(12_000, 60_000);
                calm.max(away)
            } else {
                calm
            };
            bound += 2 * self.spec.intro_takes;
            if j.clock_set {
                bound += 5_000;
            }
            let calm = calm.max(self.missing_due());
            if now > (from.max(reason).max(k.arrived_until).max(calm) + bound).max(pause) {
                if sign.is_none() && believed && now <= self.recheck_due(it.since) {
                    self.judge.excuse_once("active-until-the-recheck", it.since);
                    return;
                }
                wrong!(self: "stays-active", "#{arn} since {}, a reason is known since {reason}", it.since);
            }
        } else if it.status == InstanceStatus::Draining && !it.by_person {
            let Some(gone) = self.nothing_asks().filter(|_| !j.whose_lost) else {
                return;
            };
            let gone = gone.max(it.since).max(calm);
            // Whose it is may take a look; what was ambiguous, a longer one.
            let bound = if self.judge.ambiguous_placement {
                30_000
            } else {
                15_000
            };
            if now > gone.max(self.calm(&[Service::Metadata, Service::Group])) + bound {
                if bit(self.judge.unsure, usize::from(arn)) {
                    self.judge.unsure &= !(1 << arn.min(31));
                    self.judge.own &= !(1 << arn.min(31));
                    self.judge.excuse("took-it-for-a-persons");
                    self.judge.whose_lost = true;
                    return;
                }
                wrong!(self: "left-draining", "#{arn}; nothing asks for it since {gone}");
            }
        }
    }

    /// Until when a drain that stands still need not have noticed that it is ACTIVE since then: it looks at ECS when it has
    /// made no progress for `drain.recheck_after`, and at its deadline; and no more than once a minute.
    fn recheck_due(&self, active: Ms) -> Ms {
        let stands = active.max(self.judge.known.sign) + self.spec.policy.recheck_after;
        stands.min(self.ends().max(active)) + 66_000
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
        // Heartbeats. A termination outranks a join, until that goes on: then the hook is asked for again.
        let outranked = |told| k.reason.is_some_and(|it| it > told || !self.arrives());
        if let (Some((told, hook)), Some(timeout)) = (k.hook, action.map(|it| it.timeout))
            && action.is_some_and(|it| it.hook == hook)
            && (self.leaving() && k.reason.is_some() && now < self.earliest()
                || way == Way::Join
                    && policy.ready
                    && self.spot.is_none()
                    && !outranked(told)
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
                wrong!(self: "heartbeat-gap",
                    "the last one that counts was sent at {last}, one failed at {failed}, of {timeout}");
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
                if self.leaves_since().is_none() {
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
                // One MISSING is not knowledge, and several take their time.
                let gone = if self.mine().is_some_and(|(_, it)| it.vanished) {
                    25_000
                } else {
                    0
                };
                let told = self.leaves_since().unwrap_or(0);
                if let Some(from) = from
                    && now > from.max(calm).max(told) + 40_000 + after + gone
                {
                    wrong!(self: "not-completed", "over since {from}, waits since {waits}");
                }
            }
            Way::IntoPool => {
                if policy.ready
                    && self.spot.is_none()
                    && now > calm.max(self.calm(&[Service::Metadata])) + 40_000
                {
                    wrong!(self: "not-joined", "on its way into the pool, waits since {waits}");
                }
            }
            Way::Join => {
                let Some((_, it)) = self.mine() else { return };
                let ready = !policy.executables.ready || k.ready_ran;
                if policy.ready
                    && ready
                    && !self.faults.deny_describe
                    && self.spot.is_none()
                    && (k.reason.is_none() || self.arrives())
                    && now
                        > it.member.max(calm).max(self.calm(&[
                            Service::Ecs,
                            Service::Local,
                            Service::Metadata,
                        ])) + 40_000
                {
                    wrong!(self: "not-joined", "a member since {}, waits since {waits}", it.member);
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
        let calm = self.calm(&[Service::Stack, Service::Ecs, Service::Local]);
        if self.now > joined.max(calm) + 60_000 {
            wrong!(self: "not-signalled", "joined at {joined}");
        }
    }
}
