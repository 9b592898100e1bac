//! The machine, and what happens by itself.

use super::{Down, Effect, NEVER, Timer, Truth, Way, What};
use crate::wire::{InstanceStatus, Ms, Target, TaskKind};

impl Truth {
    pub(super) fn die(&mut self, delay: Ms) {
        self.go_down(Down::Dies, delay);
    }

    pub(super) fn go_down(&mut self, why: Down, delay: Ms) {
        if why == Down::Replaced && !self.up && self.down == Some(Down::Reboots) {
            // It is off already, and boots from the new volume.
            self.root_replaced();
            self.down = Some(why);
            return;
        }
        if self.down == Some(Down::Dies) || !self.up && why != Down::Dies {
            return;
        }
        self.forget(|it| matches!(it, Timer::Shutdown | Timer::Off | Timer::Boot));
        self.down = Some(why);
        self.timer_in(delay, Timer::Shutdown);
    }

    /// What becomes of the process by a timer: the caller sees to it.
    pub(in crate::world) fn fire(&mut self, timer: Timer) -> Effect {
        let generation = self.scaling.generation;
        match timer {
            Timer::Start => return Effect::Start,
            Timer::StopTimeout => return Effect::Kill,
            Timer::Signal(shutdown) => return Effect::Stop { shutdown },
            Timer::Shutdown => {
                if self.down == Some(Down::Sleeps) {
                    self.timer_in(0, Timer::Off);
                } else {
                    self.restart = None;
                    self.timer_in(1_500, Timer::Off);
                    return Effect::Stop { shutdown: true };
                }
            }
            Timer::Off => return self.off(),
            Timer::Boot => self.boot(),
            Timer::EcsUp(fresh) => self.ecs_up(fresh),
            Timer::Place(arn) => {
                let open = self
                    .registration(arn)
                    .is_some_and(|it| it.status == InstanceStatus::Active && it.connected);
                if open && self.up {
                    self.place(arn, TaskKind::Service);
                }
            }
            Timer::Begun(of) if of == generation => self.begun(),
            Timer::Wait(of) if of == generation => self.wait(),
            Timer::Proceeded(of) if of == generation => self.proceeded(),
            Timer::Begun(_) | Timer::Wait(_) | Timer::Proceeded(_) => {}
            Timer::Lapse(which) => self.lapse(usize::from(which)),
            Timer::SpotEnd => {
                if self.spec.spot_stops {
                    self.go_down(Down::Stops, 0);
                    self.timer_in(20_000, Timer::Boot);
                    return Effect::None;
                }
                self.judge.finishing = true;
                self.die(0);
            }
            Timer::EventsEnd => {
                self.rebalance = false;
                self.maintenance = None;
            }
            Timer::StandbyEnd => {
                self.scaling.target = Some(Target::InService);
                self.scaling.state = Some("InService");
            }
            Timer::Script(at) => {
                if let Some((_, kind)) = self.spec.script.get(usize::from(at)) {
                    if kind.by_hand() && self.alive && self.stands_still() {
                        // Whoever asks by hand waits for an answer.
                        self.timer_at(self.stood, timer);
                        return Effect::None;
                    }
                    return Effect::Move(*kind);
                }
            }
        }
        Effect::None
    }

    fn off(&mut self) -> Effect {
        let now = self.now;
        self.up = self.down == Some(Down::Sleeps) && self.up;
        match self.down {
            Some(Down::Dies) => {
                self.dead = true;
                self.say(|| "the machine is gone".into());
                return Effect::Kill;
            }
            Some(Down::Sleeps) => {
                self.asleep = true;
                self.say(|| "the machine sleeps".into());
                return Effect::None;
            }
            Some(Down::Reboots) => self.timer_in(4_000, Timer::Boot),
            Some(Down::Replaced) => {
                self.timer_in(4_000, Timer::Boot);
                self.root_replaced();
            }
            Some(Down::Stops) | None => {}
        }
        self.say(|| "the machine is off".into());
        for task in self.tasks.iter_mut().filter(|it| it.left(now)) {
            task.asked = task.asked.min(now);
            task.ends = now;
        }
        for it in &mut self.registrations {
            it.connected = false;
            it.member = NEVER;
        }
        if let Some(it) = self.restored.take() {
            self.disk = Some(it.file);
            self.judge.restored(it.verified, it.drains);
        }
        let process = self.process;
        self.events
            .retain(|it| !matches!(&it.what, What::Arrive(flight) if flight.process == process));
        self.forget(|it| matches!(it, Timer::Start | Timer::StopTimeout | Timer::EcsUp(_)));
        self.ecs_down = NEVER;
        Effect::Kill
    }

    fn root_replaced(&mut self) {
        (self.disk, self.older, self.restored) = (None, None, None);
        self.current = None;
        self.scaling.replaced = true;
    }

    fn boot(&mut self) {
        if self.asleep {
            self.down = None;
            self.asleep = false;
            self.judge.awake(self.now);
            self.say(|| "the machine is awake".into());
            return;
        }
        if self.up || self.dead {
            return;
        }
        self.up = true;
        if std::mem::take(&mut self.down) == Some(Down::Replaced) {
            self.judge.replaced();
            self.start_way(Way::Join);
        }
        self.boot_id += 1;
        self.booted = self.now;
        if self.spec.spot_stops {
            self.spot = None;
        }
        self.judge.booted();
        self.say(|| "the machine boots".into());
        self.timer_in(1_500, Timer::Start);
        self.timer_in(2_500, Timer::EcsUp(false));
    }
}
