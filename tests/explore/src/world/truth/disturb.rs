//! What a move does.

use super::{Cut, Down, Effect, NEVER, Service, Task, Timer, Truth, Way, What};
use crate::wire::{
    ActionResult, Executables, HookName, InstanceStatus, Target, TaskKind, Transition,
};
use crate::world::faults::Lasting;
use crate::world::moves::Move;
use crate::world::scene::{Begin, Replacing};

impl Truth {
    /// A move. `None`: it is not possible here.
    pub(in crate::world) fn disturb(&mut self, kind: Move) -> Option<Effect> {
        let now = self.now;
        let state = self.scaling.state;
        let mut effect = Effect::None;
        let f = &mut self.faults;
        match kind {
            Move::PlaceTask | Move::RunTask => {
                let arn = self.open()?;
                let kind = if kind == Move::RunTask {
                    TaskKind::Standalone
                } else {
                    TaskKind::Service
                };
                if !self.place(arn, kind) {
                    return None;
                }
            }
            Move::PersonActive => {
                let (arn, it) = self.mine()?;
                if it.status != InstanceStatus::Draining {
                    return None;
                }
                self.set_status(arn, InstanceStatus::Active, true);
                if it.by_person {
                    self.judge.person = false;
                }
            }
            Move::PersonDraining => {
                let (arn, it) = self.mine()?;
                if it.status != InstanceStatus::Active {
                    return None;
                }
                self.set_status(arn, InstanceStatus::Draining, true);
                self.person_drains(arn);
            }
            Move::Reregister => {
                self.current?;
                if !self.up || self.registrations.len() >= 4 || now < self.ecs_down {
                    return None;
                }
                self.ecs_down = NEVER;
                if let Some(it) = self
                    .current
                    .and_then(|it| self.registrations.get_mut(usize::from(it)))
                {
                    it.connected = false;
                    it.member = NEVER;
                }
                let current = self.current;
                for task in self
                    .tasks
                    .iter_mut()
                    .filter(|it| Some(it.arn) == current && it.left(now))
                {
                    task.orphan = true;
                    if task.runs > now {
                        task.runs = NEVER;
                        task.ends = now;
                    } else if task.asked > now {
                        // Nobody is left who would stop it.
                        task.ends = if task.kind == TaskKind::Standalone {
                            task.ends
                        } else {
                            NEVER
                        };
                    }
                }
                self.timer_in(1_500, Timer::EcsUp(true));
            }
            Move::IntrospectionAway => {
                if !self.up || self.current.is_none() || now < self.ecs_down {
                    return None;
                }
                f.arm(Lasting::Introspection, 12_000);
            }
            Move::Forgetful => f.arm(Lasting::Forgetful, 10_000),
            Move::Impostor => f.arm(Lasting::Impostor, 8_000),
            Move::Deregister => {
                let (arn, it) = self.mine()?;
                if it.status == InstanceStatus::Inactive {
                    return None;
                }
                self.set_status(arn, InstanceStatus::Inactive, true);
                if let Some(it) = self.registrations.get_mut(usize::from(arn)) {
                    it.connected = false;
                }
            }
            Move::Kill | Move::KillLosing | Move::KillLong | Move::KillMiddle => {
                if !self.alive || self.asleep {
                    return None;
                }
                if matches!(kind, Move::KillLosing | Move::KillLong) {
                    let process = self.process;
                    self.events.retain(
                        |it| !matches!(&it.what, What::Arrive(flight) if flight.process == process),
                    );
                }
                self.restart = Some(match kind {
                    Move::KillLong => 50_000,
                    Move::KillMiddle => 20_000,
                    _ => 2_000,
                });
                effect = Effect::Kill;
            }
            Move::Restart => {
                if !self.alive || self.stopping || self.asleep {
                    return None;
                }
                self.restart = Some(1_000);
                effect = Effect::Stop { shutdown: false };
            }
            Move::Reboot => {
                if !self.up || self.asleep || self.down.is_some() {
                    return None;
                }
                self.go_down(Down::Reboots, 0);
            }
            Move::StandStill => {
                if !self.alive || self.asleep || self.now < self.stood {
                    return None;
                }
                self.stands = true;
            }
            Move::StateLost => {
                self.disk.take()?;
                self.judge.state_gone();
            }
            Move::LostReply => f.lose_next = true,
            Move::Throttled => f.throttle_next = true,
            Move::Missing => f.missing_next = 1,
            Move::MissingThrice => f.missing_next = 3,
            Move::StaleDescribe => f.arm(Lasting::Stale, 6_000),
            Move::Target404 => {
                self.scaling.target?;
                f.arm(Lasting::Target404, 12_000);
            }
            Move::TargetGarbage => {
                self.scaling.target?;
                f.arm(Lasting::Garbage, 12_000);
            }
            Move::MetadataAway => f.arm(Lasting::Metadata, 12_000),
            Move::Spot => {
                if self.spot.is_some() || !self.up {
                    return None;
                }
                self.spot = Some(now + 30_000);
                self.timer_in(30_000 + self.spec.spot_late, Timer::SpotEnd);
            }
            Move::DrainByHand => effect = Effect::Hand(Some(None)),
            Move::DrainByHandShort => effect = Effect::Hand(Some(Some(4_000))),
            Move::UndrainByHand => effect = Effect::Hand(None),
            Move::HookReplaced => {
                let (name, timeout) = self.scaling.out?;
                self.scaling.out = Some((HookName(name.0 + 2), timeout));
                self.judge.hook_changed = Some(now);
                // What waited for the old one is finished.
                if self.active(name).is_some_and(|it| it.0 == 0) {
                    self.over(0, ActionResult::Continue);
                }
            }
            Move::HookDeleted => {
                if self.scaling.out.is_none() && self.scaling.into.is_none() {
                    return None;
                }
                self.judge.hook_changed = Some(now);
                (self.scaling.out, self.scaling.into) = (None, None);
                // Auto Scaling finishes what waits: ABANDON for a launch, CONTINUE for a termination.
                let launching = self
                    .scaling
                    .way
                    .is_some_and(|it| it.transition() == Transition::Launching);
                if self.scaling.actions[0].is_some_and(|it| !it.done) {
                    self.over(
                        0,
                        if launching {
                            ActionResult::Abandon
                        } else {
                            ActionResult::Continue
                        },
                    );
                }
            }
            Move::ClockForward | Move::ClockBack => {
                self.clock_off += if kind == Move::ClockForward {
                    10_800_000
                } else {
                    -10_800_000
                };
                self.judge.clock_set = true;
                self.judge.clock_changed = now;
                self.judge.trouble[Service::Metadata as usize] = now;
                self.judge.trouble[Service::Stack as usize] = now;
            }
            Move::EcsTrouble => f.arm(Lasting::Ecs, 9_000),
            Move::EcsThrottled => f.arm(Lasting::EcsThrottled, 15_000),
            Move::GroupThrottled => f.arm(Lasting::Group, 15_000),
            Move::GroupThrottledLong => f.arm(Lasting::Group, 24_000),
            Move::SlowRequests => f.arm(Lasting::SlowRequests, 8_000),
            Move::SlowReplies => f.arm(Lasting::SlowReplies, 10_000),
            Move::NoNetwork => f.arm(Lasting::Network, 10_000),
            Move::DiskFails => f.arm(Lasting::Disk, 10_000),
            Move::DiskSlow => f.arm(Lasting::SlowDisk, 10_000),
            Move::ExecutableHangs | Move::ExecutableFails
                if self.spec.policy.executables == Executables::default() =>
            {
                return None;
            }
            Move::ExecutableHangs => f.hang_next = true,
            Move::ExecutableFails => f.fail_next = true,
            Move::StaleTag => {
                if !self.spec.tags {
                    return None;
                }
                f.stale_tag = true;
            }
            Move::GroupGone => {
                if !self.spec.tags {
                    return None;
                }
                (f.stale_tag, f.group_gone) = (true, true);
            }
            Move::KillAfterFirst | Move::KillBeforeLast => {
                if !self.alive || self.asleep {
                    return None;
                }
                self.cut = Some(if kind == Move::KillAfterFirst {
                    Cut::AfterFirst
                } else {
                    Cut::BeforeLast
                });
            }
            Move::ReplaceRoot => {
                let possible = self.spec.replacing != Replacing::Never
                    && state == Some("InService")
                    && self.scaling.way.is_none()
                    && self.down.is_none();
                if !possible {
                    return None;
                }
                self.start_way(Way::Replace);
            }
            Move::FormerGroup => {
                if !self.spec.tags {
                    return None;
                }
                (f.stale_tag, f.group_hooks) = (true, true);
            }
            Move::MissingLong => f.arm(Lasting::Missing, 12_000),
            Move::Vanished => {
                let (arn, it) = self.mine()?;
                if it.vanished {
                    return None;
                }
                self.set_status(arn, InstanceStatus::Inactive, true);
                if let Some(it) = self.registrations.get_mut(usize::from(arn)) {
                    (it.connected, it.vanished) = (false, true);
                }
            }
            Move::AgentUpgraded => {
                let (arn, _) = self.mine()?;
                if !self.up || self.asleep || now < self.ecs_down {
                    return None;
                }
                self.ecs_down = NEVER;
                if let Some(it) = self.registrations.get_mut(usize::from(arn)) {
                    (it.connected, it.member) = (false, NEVER);
                }
                self.timer_in(8_000, Timer::EcsUp(false));
            }
            Move::GivenUp => {
                let (arn, _) = self.mine()?;
                let ours = |it: &&mut Task| it.arn == arn && it.left(now) && it.given_up > now;
                let mut any = false;
                for task in self.tasks.iter_mut().filter(ours) {
                    (task.given_up, any) = (now, true);
                }
                if !any {
                    return None;
                }
            }
            Move::HookAdded => {
                // Once nothing runs, or nothing that the ECS agent tells of, the agent may be done with what it was told.
                let runs = self.tasks.iter().any(|it| it.running(now));
                let told = !self.faults.lasts(Lasting::Forgetful, now);
                if !runs || !told || self.scaling.out.is_some() || self.spec.begin == Begin::Alone {
                    return None;
                }
                self.scaling.out = Some((HookName(40), 60_000));
                self.judge.hook_changed = Some(now);
            }
            Move::RootRestored => {
                if !self.up || self.asleep || self.down.is_some() {
                    return None;
                }
                self.restored = Some(self.older.take()?);
                self.go_down(Down::Reboots, 0);
            }
            Move::SampleRefused | Move::SampleUnanswered if !self.spec.policy.capacity => {
                return None;
            }
            Move::SampleRefused => f.arm(Lasting::Sink, 70_000),
            Move::SampleUnanswered => f.sample_unanswered = true,
            Move::DenyComplete => f.deny_complete = true,
            Move::DenyHeartbeat => f.deny_beat = true,
            Move::DenyDescribe => f.deny_describe = true,
            Move::ScaleIn | Move::ToPool => {
                let way = if kind == Move::ScaleIn {
                    Way::Leave
                } else {
                    Way::ToPool
                };
                let leaves = self
                    .scaling
                    .way
                    .is_some_and(|it| it.transition() == Transition::Terminating);
                let possible = match way {
                    Way::Leave => matches!(
                        state,
                        Some(
                            "InService"
                                | "Standby"
                                | "Pending"
                                | "Pending:Wait"
                                | "Pending:Proceed"
                        )
                    ),
                    _ => state == Some("InService") && self.spec.begin == Begin::InService,
                };
                if leaves || !possible || self.down == Some(Down::Dies) {
                    return None;
                }
                self.start_way(way);
            }
            Move::OutOfPool | Move::TerminatePooled => {
                let pooled = matches!(
                    state,
                    Some("Warmed:Stopped" | "Warmed:Running" | "Warmed:Hibernated")
                );
                if !pooled || self.scaling.way.is_some() || self.down == Some(Down::Dies) {
                    return None;
                }
                self.start_way(if kind == Move::OutOfPool {
                    Way::Join
                } else {
                    Way::LeavePool
                });
                if self.up && !self.asleep && kind == Move::TerminatePooled {
                    // It runs already; nothing is to be started.
                } else if self.up && !self.asleep {
                    self.timer_in(1_000, Timer::EcsUp(false));
                } else {
                    self.timer_in(1_000, Timer::Boot);
                }
            }
            Move::Standby => {
                if state != Some("InService") || self.scaling.way.is_some() {
                    return None;
                }
                self.scaling.target = Some(Target::Standby);
                self.scaling.state = Some("Standby");
                self.timer_in(20_000, Timer::StandbyEnd);
            }
            Move::Detach => {
                if state != Some("InService") || self.scaling.way.is_some() {
                    return None;
                }
                self.scaling.target = Some(Target::Detached);
                self.scaling.state = None;
                self.scaling.in_group = false;
            }
            Move::Rebalance | Move::Maintenance => {
                if self.rebalance || self.maintenance.is_some() {
                    return None;
                }
                if kind == Move::Rebalance {
                    self.rebalance = true;
                } else {
                    self.maintenance = Some(now + 60_000);
                }
                self.timer_in(self.spec.warnings_last, Timer::EventsEnd);
            }
        }
        Some(effect)
    }
}
