//! In words, and as a hash.

use std::hash::{Hash, Hasher};

use super::moves::part;
use super::truth::{NEVER, Timer, Truth, What};
use crate::story::Footprint;
use crate::wire::{Ms, Reply, Request};

pub(super) fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Failed(fault) => format!("{fault:?}"),
        Reply::Metadata {
            target,
            spot,
            rebalance,
            maintenance,
        } => {
            let mut line = format!("target {target:?}");
            if spot != &Ok(None) {
                line += &format!(", spot {spot:?}");
            }
            if rebalance != &Ok(false) {
                line += &format!(", rebalance {rebalance:?}");
            }
            if maintenance != &Ok(None) {
                line += &format!(", maintenance {maintenance:?}");
            }
            line
        }
        Reply::Tasks(tasks) => {
            let task = |it: &crate::wire::LocalTask| {
                let desired = it
                    .desired
                    .map_or(String::new(), |it| format!(" to be {it:?}"));
                format!("{} {:?}{desired}", it.task, it.known)
            };
            format!(
                "[{}]",
                tasks.iter().map(task).collect::<Vec<_>>().join(", ")
            )
        }
        Reply::ContainerInstance(it) => {
            let connected = if it.connected { "" } else { ", disconnected" };
            format!(
                "{:?}, {} running, {} pending{connected}",
                it.status, it.running, it.pending
            )
        }
        Reply::ApiTasks(tasks) => {
            let task =
                |it: &crate::wire::ApiTask| format!("{} {:?} ({:?})", it.task, it.last, it.kind);
            format!(
                "[{}]",
                tasks.iter().map(task).collect::<Vec<_>>().join(", ")
            )
        }
        other => format!("{other:?}"),
    }
}

pub(super) fn label(what: Option<&What>) -> String {
    match what {
        None => "the process wakes".into(),
        Some(What::Arrive(flight)) => format!("{} arrives", flight.request),
        Some(What::Deliver(flight, answer)) => {
            format!("reply to {}: {}", flight.request, reply(answer))
        }
        Some(What::Timer(timer)) => format!("{timer:?}"),
    }
}

pub(super) fn footprint(timer: Timer) -> Footprint {
    use part::{GROUP, LOCAL, METADATA, PLACEMENT, PROCESS, TASKS};
    let writes = match timer {
        Timer::Start | Timer::StopTimeout => PROCESS,
        Timer::Shutdown | Timer::Off | Timer::Boot => PROCESS | LOCAL | TASKS,
        Timer::EcsUp(_) => LOCAL | PLACEMENT | TASKS,
        Timer::Place(_) => TASKS,
        Timer::Begun(_)
        | Timer::Wait(_)
        | Timer::Proceeded(_)
        | Timer::Lapse(_)
        | Timer::StandbyEnd => GROUP | METADATA,
        Timer::SpotEnd | Timer::EventsEnd => METADATA | PROCESS,
        Timer::Script(_) => METADATA | GROUP | PROCESS,
    };
    let reads = match timer {
        Timer::Place(_) => PLACEMENT,
        Timer::Start | Timer::Boot | Timer::Script(_) => part::CLOCK | part::DISK,
        _ => 0,
    };
    Footprint { reads, writes }
}

/// A hash that is the same in each run.
#[derive(Clone, Copy)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }
    fn write_u64(&mut self, it: u64) {
        self.0 = (self.0 ^ it)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
    }
    fn write_u8(&mut self, it: u8) {
        self.write_u64(u64::from(it));
    }
    fn write_u32(&mut self, it: u32) {
        self.write_u64(u64::from(it));
    }
    fn write_usize(&mut self, it: usize) {
        self.write_u64(it as u64);
    }
    fn write_isize(&mut self, it: isize) {
        self.write_u64(it.cast_unsigned() as u64);
    }
}

/// Collects a normalised state: moments as distances from now, as far as they can still matter.
pub(super) struct Print {
    mix: Mix,
    now: Ms,
}

impl Print {
    pub(super) fn add(&mut self, it: impl Hash) {
        it.hash(&mut self.mix);
    }
    /// A moment: what is past for more than two minutes is all the same.
    pub(super) fn at(&mut self, at: Ms) {
        let away = if at >= NEVER {
            1 << 40
        } else {
            (at + 120_000).saturating_sub(self.now)
        };
        self.mix.write_u64(away);
    }
    /// A moment until which something lasts.
    pub(super) fn until(&mut self, at: Ms) {
        self.mix.write_u64(if at >= NEVER {
            1 << 40
        } else {
            at.saturating_sub(self.now)
        });
    }
}

pub(super) fn fingerprint(truth: &Truth, agent: u64, wake: u64) -> u64 {
    let mut p = Print {
        mix: Mix(agent),
        now: truth.now,
    };
    p.add(wake);
    p.add((truth.spec.horizon.saturating_sub(truth.now)) / 10_000);
    let mut order: Vec<usize> = (0..truth.events.len()).collect();
    order.sort_unstable_by_key(|it| (truth.events[*it].at, truth.events[*it].order));
    for event in order.iter().map(|it| &truth.events[*it]) {
        p.until(event.at);
        match &event.what {
            What::Arrive(flight) => p.add((
                0_u8,
                flight.process == truth.process,
                truth.now - flight.sent,
                &flight.request,
            )),
            What::Deliver(flight, reply) => {
                p.add((
                    1_u8,
                    flight.process == truth.process,
                    truth.now - flight.sent,
                ));
                match (&flight.request, reply) {
                    (Request::WriteStateFile(_), _) => p.add(9_u8),
                    (request, reply) => {
                        p.add(request);
                        hash_reply(&mut p, reply);
                    }
                }
            }
            What::Timer(Timer::Begun(_)) => p.add(2_u8),
            What::Timer(timer) => p.add((3_u8, timer)),
        }
    }
    p.add((
        truth.current,
        truth.placed,
        truth.signalled,
        truth.rebalance,
        truth.up,
        truth.asleep,
        truth.down,
    ));
    for it in &truth.registrations {
        p.add((it.status, it.was, it.connected, it.by_person));
        p.at(it.since);
        p.at(it.member);
    }
    for it in &truth.tasks {
        p.add((it.kind, it.arn, it.takes, it.orphan));
        for at in [it.placed, it.local, it.runs, it.asked, it.ends, it.given_up] {
            p.at(at);
        }
    }
    let s = &truth.scaling;
    p.add((
        s.state,
        s.way,
        s.target,
        s.out,
        s.into,
        s.been_in_service,
        s.in_group,
    ));
    p.at(s.since);
    p.at(s.waits_since);
    for it in &s.actions {
        p.add(it.map(|it| (it.hook, it.done)));
        p.at(it.map_or(NEVER, |it| it.beat));
        p.at(it.map_or(NEVER, |it| it.begun));
    }
    p.until(truth.spot.unwrap_or(NEVER));
    p.until(truth.maintenance.unwrap_or(NEVER));
    p.until(truth.spec.target_from);
    // Its bytes, absolute times and all: a process that starts reads them, and what merges has the same ones.
    p.add(truth.disk.as_deref());
    for at in truth.faults.untils() {
        p.until(at);
    }
    p.until(truth.faults.slow_out);
    p.add(truth.faults.flags());
    p.add((
        truth.clock_off,
        truth.reads,
        truth.alive,
        truth.stopping,
        truth.restart,
    ));
    p.at(truth.started);
    truth.judge.print(&mut p);
    p.mix.finish()
}

fn hash_reply(p: &mut Print, reply: &Reply) {
    match reply {
        Reply::Identity { .. } => p.add(0_u8),
        Reply::Metadata {
            target,
            spot,
            rebalance,
            maintenance,
        } => {
            // Only of the moment's distance: the same as the world's own.
            let spot = spot.map(|it| it.is_some());
            p.add((
                1_u8,
                target.ok(),
                spot.ok(),
                rebalance.ok(),
                maintenance.is_ok_and(|it| it.is_some()),
            ));
        }
        Reply::GroupTag(it) => p.add((2_u8, it)),
        Reply::StackTag(it) => p.add((3_u8, it)),
        Reply::AgentMetadata(it) => p.add((4_u8, it)),
        Reply::Tasks(it) => p.add((5_u8, it)),
        Reply::ContainerInstance(it) => p.add((6_u8, it)),
        Reply::ApiTasks(it) => p.add((7_u8, it)),
        Reply::AutoScalingInstance(it) => p.add((8_u8, it)),
        Reply::Hooks(it) => p.add((9_u8, it)),
        Reply::Done => p.add(10_u8),
        Reply::Executables(it) => p.add((11_u8, it)),
        Reply::Failed(it) => p.add((12_u8, it)),
    }
}
