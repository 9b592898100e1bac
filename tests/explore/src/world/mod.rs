//! The world: written from AWS's documentation and from what must hold, by somebody who does not know the
//! core. It knows the truth, answers requests, and judges what an agent does by what is true and by what the
//! agent could know. It runs until the machine is gone or the horizon is reached.
//!
//! # Actors
//! - **ECS** (`truth`): registrations of this machine, their status, tasks. Of a task there are three views
//!   which differ in time: the container's, the ECS agent's (about 0.1 s late; random order), ECS's (0.4 s
//!   late, or up to 1.5 s early). A scheduler places a task on every registration that becomes ACTIVE while
//!   it is connected, at most three in a story. DRAINING tells the service's tasks to stop.
//! - **the ECS agent**: introspection, which refuses, forgets, changes its identity.
//! - **Auto Scaling**: `Pending`, `Terminating`, `Warmed:Pending`, `Warmed:Terminating`, each with `:Wait` and `:Proceed`;
//!   heartbeat clocks, `GlobalTimeout`, default results; a hook that is replaced or deleted is finished where it waits. The target state in metadata is set at once, the state follows after 1 s, the
//!   wait after the scene's delay; in its first 0.6 s a completion is still refused.
//! - **CloudFormation**, **Spot**, **people** (`moves`).
//! - **the machine**: up, off, asleep; clocks; the disk. **systemd** starts the process, 2 s after it died.
//!
//! # Clocks
//! `now` is the world's. The wall clock is `EPOCH + now`, plus what people set it wrong by; the boot clock is
//! `now` minus the boot. Requests are carried out when they arrive; replies take the same way back.
//!
//! # Goals
//! [`Scene::goal`] says them. They are judged as bounds (`judge`): nothing that has to come about may be
//! missing for longer than its bound, counted from when it became possible and no fault was in the way.
//!
//! # Names
//! Hook 0 is the terminating one, hook 1 the launching one; a replaced one counts on by two;
//! [`crate::wire::HookName::MANAGED`] is ECS's own. Group 0 is the right one. Registrations count from 0; 200 is another
//! machine's. Tasks are numbered in the order in which they come.
//!
//! # Rules
//! [`RULES`] lists them. Each rule is said once in a story. "Knows" means: was told in a reply that was delivered to the
//! process that runs now. A bound is counted from the last injected fault that was in the way, and from the process's start.
//! `tests` shows, for each rule, an agent that breaks it, and a decent one that breaks none.
//!
//! # Exemptions
//! What no core can know: [`EXEMPTIONS`], counted by [`Story::exemptions`].
//!
//! # What is not in it
//! Retention; `ReplaceRootVolume`; 404 for good with tags; several hooks of which ours is named (`wire::Policy` cannot say it); the wrong clock's correction by the `Date` of answers (`wire` has none), so a clock that is hours
//! ahead for good excuses a launch; tasks under scale-in protection; scaling of other instances.
// A harness: indices are of its own tables.
#![allow(clippy::indexing_slicing)]

/// A rule is broken: by which story, which rule, and how.
macro_rules! wrong {
    ($($truth:ident).+: $rule:literal) => {
        $($truth).+.wrong($rule, String::new)
    };
    ($($truth:ident).+: $rule:literal, $($how:tt)+) => {
        $($truth).+.wrong($rule, || format_args!($($how)+).to_string())
    };
}

mod faults;
mod judge;
mod moves;
mod print;
mod scene;
#[cfg(test)]
mod tests;
mod truth;

pub use judge::{EXEMPTIONS, RULES};
pub use moves::Move;
pub use scene::Scene;

use crate::story::{Boundary, Footprint, Story, Violation};
use crate::wire::{Agent, Input, Ms, Reply, Request, Tickets};
use faults::Lasting;
use moves::part;
use truth::{Cut, Effect, Event, Flight, Service, Timer, Truth, What, latency, service};

/// So many inputs within one millisecond are too many.
const SPINS: u32 = 60;

/// A story: the truth, and the process that runs in it.
#[derive(Clone)]
pub struct World<A> {
    truth: Truth,
    agent: Option<A>,
    tickets: Tickets,
    /// When the process wants a tick.
    wake: Option<Ms>,
    spins: (Ms, u32),
    /// What happened last was idle; the last answer to each question of this process, if anybody asks.
    idle: bool,
    heard: Option<Vec<(Request, Reply)>>,
}

impl<A: Agent> World<A> {
    /// The place in the queue of what comes next; `None`: the process's own tick.
    fn first(&self) -> Option<(Ms, Option<usize>)> {
        let events = &self.truth.events;
        let mut first: Option<(Ms, u32, usize)> = None;
        for (place, event) in events.iter().enumerate() {
            if first.is_none_or(|(at, order, _)| (event.at, event.order) < (at, order)) {
                first = Some((event.at, event.order, place));
            }
        }
        let wake = self
            .wake
            .filter(|_| self.agent.is_some() && !self.truth.asleep)
            .map(|it| it.max(self.truth.stood));
        match (first, wake) {
            (Some((at, _, place)), wake) if wake.is_none_or(|it| at <= it) => {
                Some((at, Some(place)))
            }
            (_, Some(wake)) => Some((wake.max(self.truth.now), None)),
            (None, None) | (Some(_), None) => None,
        }
    }

    fn input(&mut self, input: Input) {
        let clocks = self.truth.clocks();
        let Some(agent) = &mut self.agent else { return };
        if self.spins.0 == self.truth.now {
            self.spins.1 += 1;
        } else {
            self.spins = (self.truth.now, 0);
        }
        let stop = matches!(input, Input::Stop { .. });
        let output = agent.step(input, clocks, &mut self.tickets);
        if self.truth.narrating {
            let line = self.agent.as_ref().map(A::line).unwrap_or_default();
            if self.truth.judge.line != line {
                self.truth.say(|| format!("      = {line}"));
                self.truth.judge.line = line;
            }
        }
        self.truth.stopping |= stop;
        // What was due at this very moment is not sent because of the signal.
        self.truth.judge.due_on_stop = stop && self.wake.is_some_and(|it| it <= self.truth.now);
        self.wake = output
            .wake
            .map(|it| (it + self.truth.booted).max(self.truth.now));
        if self.spins.1 > SPINS {
            wrong!(self.truth: "spins", "{SPINS} inputs and no time passes");
            self.wake = self.wake.map(|it| it.max(self.truth.now + 100));
        }
        for ticket in output.cancelled {
            self.truth.cancel(ticket);
        }
        let mut exit = false;
        let mut requests = output.requests;
        let cut = self.truth.cut.filter(|_| requests.len() > 1);
        if let Some(cut) = cut {
            self.truth.cut = None;
            let leave = match cut {
                Cut::AfterFirst => 1,
                Cut::BeforeLast => requests.len() - 1,
            };
            requests.truncate(leave);
        }
        self.idle &= cut.is_none() && !requests.iter().any(|it| it.1.changes());
        for (ticket, request) in requests {
            if request == Request::Exit {
                exit = true;
                continue;
            }
            self.truth.say(|| format!("   -> {request}"));
            self.truth.sending(&request);
            let aws = matches!(
                service(&request),
                Service::Ecs | Service::Group | Service::Stack
            );
            let late = if aws
                && self
                    .truth
                    .faults
                    .felt(Lasting::SlowRequests, self.truth.now)
            {
                3_000
            } else {
                0
            };
            let at = self.truth.now + latency(&request) + late;
            let flight = Flight {
                ticket,
                process: self.truth.process,
                sent: self.truth.now,
                arrived: at,
                dropped: false,
                request,
            };
            self.truth.push(at, What::Arrive(flight));
        }
        if exit || cut.is_some() {
            self.end();
        } else if self.wake.is_none() && !self.truth.stopping && !self.under_way() {
            wrong!(self.truth: "sleeps-for-ever");
        }
    }

    fn under_way(&self) -> bool {
        self.truth.events.iter().any(|it| match &it.what {
            What::Arrive(flight) | What::Deliver(flight, _) => {
                flight.process == self.truth.process && !flight.dropped
            }
            What::Timer(_) => false,
        })
    }

    /// The process is gone, however.
    fn end(&mut self) {
        if self.agent.take().is_none() {
            return;
        }
        let truth = &mut self.truth;
        truth.say(|| "the process is gone".into());
        self.wake = None;
        truth.alive = false;
        let slow_disk = truth.faults.until(Lasting::SlowDisk) > truth.now;
        truth.judge.ended(truth.now, slow_disk);
        (truth.stands, truth.stood) = (false, truth.stood.min(truth.now));
        truth.forget(|it| matches!(it, Timer::StopTimeout | Timer::Signal(_)));
        let stopped = std::mem::take(&mut truth.stopping);
        let delay = truth.restart.take().or((!stopped).then_some(2_000));
        if let Some(delay) = delay.filter(|_| truth.up) {
            truth.timer_at(truth.now + delay, Timer::Start);
        }
        let process = truth.process;
        truth.events.retain(
            |it| !matches!(&it.what, What::Deliver(flight, _) if flight.process == process),
        );
    }

    fn start(&mut self) {
        let truth = &mut self.truth;
        if !truth.up || self.agent.is_some() || truth.dead {
            return;
        }
        truth.process += 1;
        truth.alive = true;
        truth.started = truth.now;
        truth.process_started();
        truth.say(|| "the process starts".into());
        if let Some(heard) = &mut self.heard {
            heard.clear();
        }
        self.agent = Some(A::start(
            &truth.spec.policy,
            truth.disk.as_deref(),
            truth.clocks(),
        ));
        self.wake = Some(truth.now);
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::None => {}
            Effect::Start => self.start(),
            Effect::Kill => self.end(),
            Effect::Stop { shutdown } => {
                if self.agent.is_some() && !self.truth.stopping {
                    self.truth.say(|| format!("SIGTERM (shutdown: {shutdown})"));
                    let at = self.truth.now + 8_000;
                    self.truth.timer_at(at, Timer::StopTimeout);
                    if self.truth.stands_still() {
                        let until = self.truth.stood;
                        self.truth.timer_at(until, Timer::Signal(shutdown));
                        return;
                    }
                    self.input(Input::Stop { shutdown });
                }
            }
            Effect::Hand(hand) => {
                if self.agent.is_some() && !self.truth.stopping {
                    self.truth.hand(hand);
                    self.input(hand.map_or(Input::UndrainByHand, Input::DrainByHand));
                }
            }
            Effect::Move(kind) => {
                self.make(kind);
            }
        }
    }

    /// Makes a move now; `false` where it is not possible.
    fn make(&mut self, kind: Move) -> bool {
        let by_hand = kind.by_hand();
        let deaf = self.truth.stopping
            || self.truth.asleep
            || self.truth.stands
            || self.truth.now < self.truth.stood;
        if self.truth.dead || by_hand && (self.agent.is_none() || deaf) {
            return false;
        }
        // A person may be refused by a process that does not know yet which machine it is on.
        let word = if kind == Move::UndrainByHand {
            Input::UndrainByHand
        } else {
            Input::DrainByHand(None)
        };
        let refuses = |agent: &A| agent.refuses(&word);
        if by_hand && !self.truth.judge.identified() && self.agent.as_ref().is_some_and(refuses) {
            return false;
        }
        let Some(effect) = self.truth.disturb(kind) else {
            return false;
        };
        self.truth.say(|| format!("*** {kind}"));
        self.effect(effect);
        true
    }

    /// Whether the last answer to the same question said the same.
    fn was_heard(&self, request: &Request, reply: &Reply) -> bool {
        let mut heard = self.heard.iter().flatten();
        heard.any(|it| it.0 == *request && same(&it.1, reply))
    }

    fn deliver(&mut self, flight: Flight, reply: Reply) {
        if flight.dropped || flight.process != self.truth.process || self.agent.is_none() {
            return;
        }
        self.truth
            .say(|| format!("   <- {}: {}", flight.request, print::reply(&reply)));
        self.truth.told(&flight, &reply);
        self.idle = self.was_heard(&flight.request, &reply);
        if let Some(heard) = self.heard.as_mut().filter(|_| !self.idle) {
            heard.retain(|it| it.0 != flight.request);
            heard.push((flight.request.clone(), reply.clone()));
        }
        self.input(Input::Reply(flight.ticket, reply));
    }
}

/// Whether two answers say the same: the order of tasks is random.
fn same(one: &Reply, other: &Reply) -> bool {
    match (one, other) {
        (Reply::Tasks(one), Reply::Tasks(other)) => {
            one.len() == other.len() && one.iter().all(|it| other.contains(it))
        }
        _ => one == other,
    }
}

impl<A: Agent> Story for World<A> {
    type Scene = Scene;
    type Move = Move;

    fn scenes() -> Vec<Scene> {
        Scene::all()
    }

    fn named_moves() -> Vec<Move> {
        moves::NAMED.to_vec()
    }

    fn other_moves() -> Vec<Move> {
        moves::OTHERS.to_vec()
    }

    fn begin(scene: Scene) -> Self {
        let truth = Truth::begin(scene.spec());
        Self {
            truth,
            agent: None,
            tickets: Tickets::default(),
            wake: None,
            spins: (0, 0),
            idle: false,
            heard: Some(Vec::new()),
        }
    }

    fn next(&self) -> Option<Boundary> {
        if self.truth.dead {
            return None;
        }
        let (at, place) = self
            .first()
            .filter(|(at, _)| *at <= self.truth.spec.horizon)?;
        let event = place.and_then(|it| self.truth.events.get(it));
        let footprint = match event.map(|it| &it.what) {
            None => Footprint {
                reads: part::CLOCK,
                writes: part::PROCESS,
            },
            Some(What::Arrive(flight)) => moves::arrival(&flight.request),
            Some(What::Deliver(..)) => Footprint {
                reads: part::CLOCK,
                writes: part::PROCESS,
            },
            Some(What::Timer(timer)) => print::footprint(*timer),
        };
        let label = if self.truth.narrating {
            print::label(event.map(|it| &it.what))
        } else {
            String::new()
        };
        Some(Boundary {
            at,
            footprint,
            after_idle: self.idle,
            question: match event.map(|it| &it.what) {
                Some(What::Arrive(flight) | What::Deliver(flight, _)) => Some(flight.ticket),
                _ => None,
            },
            label,
        })
    }

    fn advance(&mut self) {
        let Some((at, place)) = self.first() else {
            return;
        };
        self.truth.now = at.max(self.truth.now);
        self.idle = false;
        match place {
            // Standing still, it is not woken.
            None if self.truth.stands_still() => {}
            None => {
                self.wake = None;
                self.idle = true;
                self.input(Input::Tick);
            }
            Some(place) => {
                let Event { what, at, order } = self.truth.events.swap_remove(place);
                match what {
                    // Asleep, the process hears nothing.
                    What::Deliver(flight, reply) if self.truth.asleep => {
                        self.truth.events.push(Event {
                            at: at + 500,
                            order,
                            what: What::Deliver(flight, reply),
                        });
                    }
                    // Standing still, it hears it afterwards, in the same order.
                    What::Deliver(flight, reply)
                        if flight.process == self.truth.process && self.truth.stands_still() =>
                    {
                        let until = self.truth.stood;
                        self.truth.push(until, What::Deliver(flight, reply));
                    }
                    What::Timer(timer @ Timer::Start) if self.truth.asleep => {
                        self.truth.timer_at(at + 500, timer)
                    }
                    What::Arrive(flight) => {
                        let patience = flight.sent + self.truth.spec.policy.request_timeout;
                        let came = self.truth.arrive(&flight);
                        let reply = came.as_ref().map(|it| &it.0);
                        let heard = reply.is_some_and(|it| self.was_heard(&flight.request, it));
                        self.idle = heard && !flight.request.changes();
                        match came {
                            Some((reply, delay))
                                if at + delay <= patience
                                    || service(&flight.request) == Service::Machine =>
                            {
                                self.truth.push(at + delay, What::Deliver(flight, reply));
                            }
                            _ => self.truth.push(
                                patience,
                                What::Deliver(flight, Reply::Failed(crate::wire::Fault::Timeout)),
                            ),
                        }
                    }
                    What::Deliver(flight, reply) => self.deliver(flight, reply),
                    What::Timer(timer) => {
                        let effect = self.truth.fire(timer);
                        self.effect(effect);
                    }
                }
            }
        }
        self.truth.watch();
    }

    fn heedless(&mut self) {
        self.heard = None;
    }

    fn footprint(kind: Move) -> Footprint {
        moves::footprint(kind)
    }

    fn disturb(&mut self, kind: Move) -> bool {
        let Some((at, _)) = self.first() else {
            return false;
        };
        // Just before what comes next: as late as it can be.
        let before = self.truth.now;
        self.truth.now = at.max(before);
        let made = self.make(kind);
        if made {
            self.truth.disturbed = true;
        } else {
            self.truth.now = before;
        }
        made
    }

    fn violations(&self) -> &[Violation] {
        self.truth.judge.violations()
    }

    fn exemptions(&self) -> Vec<(&'static str, u32)> {
        self.truth.judge.exemptions()
    }

    fn log(&self) -> &[String] {
        &self.truth.log
    }

    fn narrate(&mut self) {
        self.truth.narrating = true;
    }
}
