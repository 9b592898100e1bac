//! The truth: what really is, in ECS, Auto Scaling, CloudFormation, on the machine; and how it goes on.

use super::faults::{Faults, Lasting};
use super::judge::Judge;
use super::moves::Move;
use super::scene::{Begin, Pool, Replacing, Spec, Work};
use crate::wire::{
    ActionResult, Arn, Clocks, Executables, Fault, Group, Hook, HookName, InstanceStatus,
    LifecycleState, Ms, Occasion, Reply, Request, Target, TaskId, TaskKind, Ticket, Transition,
};

/// AWS's wall clock at the beginning of a story.
pub(super) const EPOCH: i64 = 1_790_000_000_000;
pub(super) const NEVER: Ms = Ms::MAX / 4;
/// At most so many late tasks are placed in a story.
const PLACED: u8 = 3;
/// The hook of ECS managed draining.
pub(super) const MANAGED: HookName = HookName::MANAGED;
/// Another instance's container instance.
pub(super) const FOREIGN: Arn = 200;

/// A registration of this machine.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Registration {
    pub(super) status: InstanceStatus,
    pub(super) since: Ms,
    /// Before the last change, for stale reads.
    pub(super) was: InstanceStatus,
    pub(super) connected: bool,
    /// DRAINING because of whom.
    pub(super) by_person: bool,
    /// ACTIVE and connected since then.
    pub(super) member: Ms,
}

/// A task, as a few moments; each view of it is derived from them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) kind: TaskKind,
    pub(super) arn: Arn,
    /// ECS has placed it.
    pub(super) placed: Ms,
    /// The ECS agent has heard of it.
    pub(super) local: Ms,
    /// Its container runs.
    pub(super) runs: Ms,
    /// Told to stop.
    pub(super) asked: Ms,
    /// Its container is gone.
    pub(super) ends: Ms,
    /// From being told to being gone.
    pub(super) takes: Option<Ms>,
    /// The ECS agent has lost it.
    pub(super) orphan: bool,
    /// ECS gave it up.
    pub(super) given_up: Ms,
}

impl Task {
    pub(super) fn running(&self, now: Ms) -> bool {
        self.runs <= now && now < self.ends
    }
    /// Whether it is, or will be, more than nothing.
    pub(super) fn left(&self, now: Ms) -> bool {
        self.placed <= now && now < self.ends
    }
    pub(super) fn ask(&mut self, now: Ms) {
        if self.asked > now {
            self.asked = now;
            if self.runs > now {
                self.runs = NEVER;
                self.ends = now + 200;
            } else if let Some(takes) = self.takes {
                self.ends = self.ends.min(now + takes);
            }
        }
    }
    /// When ECS says STOPPED: of some too early.
    pub(super) fn api_stopped(&self, id: usize) -> Ms {
        let says = if id.is_multiple_of(2) && self.asked < NEVER {
            self.ends.saturating_sub(1_500).max(self.asked + 100)
        } else {
            self.ends + 400
        };
        says.min(self.given_up)
    }
}

/// Which way Auto Scaling moves the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    IntoPool,
    Join,
    ToPool,
    Leave,
    /// Terminated out of the warm pool.
    LeavePool,
    /// The root volume is replaced, and then it joins again.
    Replace,
}

impl Way {
    pub(super) fn transition(self) -> Transition {
        match self {
            Self::IntoPool | Self::Join => Transition::Launching,
            Self::ToPool | Self::Leave | Self::LeavePool | Self::Replace => {
                Transition::Terminating
            }
        }
    }
    /// Whether the machine is gone at its end.
    pub(super) fn ends(self) -> bool {
        matches!(self, Self::Leave | Self::LeavePool)
    }
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Action {
    pub(super) hook: HookName,
    /// When the heartbeat clock started last.
    pub(super) beat: Ms,
    pub(super) timeout: Ms,
    pub(super) begun: Ms,
    /// `GlobalTimeout`
    pub(super) global: Ms,
    pub(super) done: bool,
}

impl Action {
    /// When it ends by itself.
    pub(super) fn lapses(&self) -> Ms {
        (self.beat + self.timeout).min(self.begun + self.global)
    }
}

/// The group's side.
#[derive(Clone, Debug)]
pub(super) struct AutoScaling {
    pub(super) state: Option<LifecycleState>,
    pub(super) way: Option<Way>,
    pub(super) target: Option<Target>,
    pub(super) actions: [Option<Action>; 2],
    /// Counts the transitions.
    pub(super) generation: u8,
    /// Since when it goes this way.
    pub(super) since: Ms,
    pub(super) waits_since: Ms,
    pub(super) out: Option<(HookName, Ms)>,
    pub(super) into: Option<(HookName, Ms)>,
    pub(super) been_in_service: bool,
    pub(super) in_group: bool,
    /// The root volume was replaced: nothing that was remembered is there.
    pub(super) replaced: bool,
}

/// What happens by itself, of the world's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Timer {
    /// systemd starts the process.
    Start,
    /// systemd's patience with a process that was told to stop is over.
    StopTimeout,
    /// The machine begins to shut down: to stop, to reboot, to die.
    Shutdown,
    /// The machine is off.
    Off,
    /// And on again.
    Boot,
    /// The ECS agent is up, perhaps with a new registration.
    EcsUp(bool),
    /// ECS's scheduler places a task, if it can.
    Place(Arn),
    /// Auto Scaling shows the state that it moves to, of that generation.
    Begun(u8),
    Wait(u8),
    Proceeded(u8),
    /// The heartbeat clock of an action is over.
    Lapse(u8),
    /// Spot, and what comes to an end.
    SpotEnd,
    EventsEnd,
    StandbyEnd,
    Script(u8),
}

/// A request under way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) ticket: Ticket,
    pub(super) process: u16,
    pub(super) sent: Ms,
    /// When it arrived: of that moment is the answer.
    pub(super) arrived: Ms,
    pub(super) request: Request,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Arrive(Flight),
    Deliver(Flight, Reply),
    Timer(Timer),
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) at: Ms,
    pub(super) order: u32,
    pub(super) what: What,
}

/// Why the machine goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Down {
    Dies,
    Reboots,
    Stops,
    Sleeps,
    /// Boots from a new root volume.
    Replaced,
}

/// Whom a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Service {
    Metadata,
    Local,
    Ecs,
    Group,
    Stack,
    Machine,
}

pub(super) fn service(request: &Request) -> Service {
    use Request as R;
    match request {
        R::ReadIdentityDocument | R::ReadMetadata | R::ReadGroupTag | R::ReadStackTags => {
            Service::Metadata
        }
        R::ReadAgentMetadata | R::ReadTasks => Service::Local,
        R::SetDraining(_)
        | R::SetActive(_)
        | R::DescribeContainerInstance(_)
        | R::DescribeTasks(..)
        | R::ListTasks(_)
        | R::StopTask(..) => Service::Ecs,
        R::DescribeAutoScalingInstance
        | R::DescribeLifecycleHooks(..)
        | R::Heartbeat(..)
        | R::Complete(..) => Service::Group,
        R::Signal(_) => Service::Stack,
        R::WriteStateFile(_) | R::RunExecutables(_) | R::SendMetrics | R::Exit => Service::Machine,
    }
}

/// How long a request is under way, each way.
pub(super) fn latency(request: &Request) -> Ms {
    match service(request) {
        Service::Metadata | Service::Local => 5,
        Service::Ecs => 40,
        Service::Group => 50,
        Service::Stack => 60,
        Service::Machine => 2,
    }
}

/// Where in a step the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    AfterFirst,
    BeforeLast,
}

/// All but the agent.
#[derive(Clone, Debug)]
pub(super) struct Truth {
    pub(super) spec: &'static Spec,
    pub(super) now: Ms,
    pub(super) order: u32,
    pub(super) events: Vec<Event>,
    pub(super) registrations: Vec<Registration>,
    /// Which registration the ECS agent says it is.
    pub(super) current: Option<Arn>,
    pub(super) tasks: Vec<Task>,
    pub(super) placed: u8,
    /// Tasks that nobody waits for; one bit each.
    pub(super) ignored: u32,
    pub(super) scaling: AutoScaling,
    pub(super) signalled: bool,
    pub(super) spot: Option<Ms>,
    pub(super) rebalance: bool,
    pub(super) maintenance: Option<Ms>,
    pub(super) disk: Option<Vec<u8>>,
    pub(super) faults: Faults,
    /// The ECS agent is down until then.
    pub(super) ecs_down: Ms,
    /// Another machine's container instance was set DRAINING by us.
    pub(super) foreign: bool,
    /// The process is killed in the middle of its next step.
    pub(super) cut: Option<Cut>,
    // The machine.
    pub(super) up: bool,
    pub(super) dead: bool,
    pub(super) asleep: bool,
    pub(super) down: Option<Down>,
    pub(super) boot_id: u8,
    pub(super) booted: Ms,
    pub(super) clock_off: i64,
    pub(super) reads: u8,
    // The process.
    pub(super) process: u16,
    pub(super) alive: bool,
    pub(super) started: Ms,
    pub(super) stopping: bool,
    /// systemd starts it so long after it has ended.
    pub(super) restart: Option<Ms>,
    /// A move was made that is not in the script.
    pub(super) disturbed: bool,
    pub(super) judge: Judge,
    pub(super) log: Vec<String>,
    pub(super) narrating: bool,
}

impl Truth {
    pub(super) fn begin(spec: &'static Spec) -> Self {
        let in_group = spec.begin != Begin::Alone;
        let way = match spec.begin {
            Begin::Launched => Some(Way::Join),
            Begin::IntoPool => Some(Way::IntoPool),
            Begin::Alone | Begin::InService => None,
        };
        let (state, target) = match spec.begin {
            Begin::Alone => (None, None),
            Begin::InService => (Some("InService"), Some(Target::InService)),
            Begin::Launched => (Some("Pending"), Some(Target::InService)),
            Begin::IntoPool => (Some("Warmed:Pending"), Some(pool_target(spec.pool))),
        };
        let work = spec.work.iter().map(|it| Task {
            kind: it.kind,
            arn: 0,
            placed: 0,
            local: 0,
            runs: 0,
            asked: NEVER,
            ends: it.ends.unwrap_or(NEVER),
            takes: it.takes,
            orphan: false,
            given_up: NEVER,
        });
        let mut truth = Self {
            spec,
            now: 0,
            order: 0,
            events: Vec::with_capacity(12),
            registrations: Vec::new(),
            current: None,
            tasks: work.collect(),
            placed: 0,
            ignored: ignored(spec),
            scaling: AutoScaling {
                state,
                way,
                target,
                actions: [None; 2],
                generation: 0,
                since: 0,
                waits_since: NEVER,
                out: spec.out.map(|it| (HookName(0), it)),
                into: spec.into.map(|it| (HookName(1), it)),
                been_in_service: spec.begin == Begin::InService,
                in_group,
                replaced: false,
            },
            signalled: spec.signalled,
            spot: None,
            rebalance: false,
            maintenance: None,
            disk: None,
            faults: Faults::default(),
            ecs_down: 0,
            foreign: false,
            cut: None,
            up: true,
            dead: false,
            asleep: false,
            down: None,
            boot_id: 0,
            booted: 0,
            clock_off: 0,
            reads: 0,
            process: 0,
            alive: false,
            started: 0,
            stopping: false,
            restart: None,
            disturbed: false,
            judge: Judge::default(),
            log: Vec::new(),
            narrating: false,
        };
        if spec.registers == 0 {
            truth.register(0);
        } else if spec.begin != Begin::IntoPool {
            truth.timer_at(spec.registers, Timer::EcsUp(false));
        }
        truth.timer_at(10, Timer::Start);
        if way.is_some() {
            truth.timer_at(1_000, Timer::Wait(0));
        }
        for at in 0..spec.script.len() {
            if let (Some((when, _)), Ok(at)) = (spec.script.get(at), u8::try_from(at)) {
                truth.timer_at(*when, Timer::Script(at));
            }
        }
        truth
    }

    pub(super) fn say(&mut self, what: impl FnOnce() -> String) {
        if self.narrating {
            let line = format!("{:>7} {}", self.now, what());
            self.log.push(line);
        }
    }

    pub(super) fn push(&mut self, at: Ms, what: What) {
        self.order += 1;
        self.events.push(Event {
            at,
            order: self.order,
            what,
        });
    }

    pub(super) fn timer_at(&mut self, at: Ms, timer: Timer) {
        self.push(at, What::Timer(timer));
    }

    fn timer_in(&mut self, delay: Ms, timer: Timer) {
        self.timer_at(self.now + delay, timer);
    }

    pub(super) fn forget(&mut self, which: impl Fn(&Timer) -> bool) {
        self.events
            .retain(|it| !matches!(&it.what, What::Timer(timer) if which(timer)));
    }

    pub(super) fn clocks(&self) -> Clocks {
        let now = i64::try_from(self.now).unwrap_or(i64::MAX);
        Clocks {
            boot_id: self.boot_id,
            boot: self.now - self.booted,
            wall: EPOCH + now + self.clock_off,
        }
    }

    pub(super) fn registration(&self, arn: Arn) -> Option<&Registration> {
        self.registrations.get(usize::from(arn))
    }

    /// The registration that the ECS agent says it is.
    pub(super) fn mine(&self) -> Option<(Arn, Registration)> {
        let arn = self.current?;
        Some((arn, *self.registration(arn)?))
    }

    pub(super) fn introspection_up(&self) -> bool {
        self.ecs_agent_up() && !self.faults.lasts(Lasting::Introspection, self.now)
    }

    fn ecs_agent_up(&self) -> bool {
        self.up && self.current.is_some() && self.now >= self.ecs_down
    }

    fn register(&mut self, at: Ms) {
        let Ok(arn) = Arn::try_from(self.registrations.len()) else {
            return;
        };
        for old in &mut self.registrations {
            old.connected = false;
            old.member = NEVER;
        }
        let active = InstanceStatus::Active;
        self.registrations.push(Registration {
            status: active,
            since: at,
            was: active,
            connected: true,
            by_person: false,
            member: at,
        });
        self.current = Some(arn);
        // What it does not know as its own any more.
        for task in self
            .tasks
            .iter_mut()
            .filter(|it| it.arn != arn && it.left(at))
        {
            task.orphan = true;
        }
        self.say(|| format!("the ECS agent has registered as #{arn}"));
        if at > 0 {
            self.timer_in(800, Timer::Place(arn));
        }
    }

    pub(super) fn set_status(&mut self, arn: Arn, status: InstanceStatus, by_person: bool) {
        let now = self.now;
        let Some(it) = self.registrations.get_mut(usize::from(arn)) else {
            return;
        };
        if it.status == status {
            return;
        }
        it.was = it.status;
        it.status = status;
        it.since = now;
        it.by_person = by_person;
        it.member = if status == InstanceStatus::Active && it.connected {
            now
        } else {
            NEVER
        };
        let connected = it.connected;
        match status {
            InstanceStatus::Draining => {
                for task in self
                    .tasks
                    .iter_mut()
                    .filter(|it| it.arn == arn && it.kind != TaskKind::Standalone && it.left(now))
                {
                    if connected && !task.orphan {
                        task.ask(now);
                    } else {
                        task.asked = task.asked.min(now);
                    }
                }
            }
            InstanceStatus::Active => self.timer_in(800, Timer::Place(arn)),
            InstanceStatus::Inactive => {
                for task in self.tasks.iter_mut().filter(|it| it.arn == arn) {
                    task.given_up = task.given_up.min(now + 500);
                }
            }
            InstanceStatus::Registering | InstanceStatus::Missing => {}
        }
        self.say(|| format!("container instance #{arn} is {status:?}"));
    }

    fn place(&mut self, arn: Arn, kind: TaskKind) -> bool {
        if self.placed >= PLACED || self.spec.full {
            return false;
        }
        self.placed += 1;
        let now = self.now;
        let (local, runs, ends) = (
            now + 700,
            now + 1_200,
            if kind == TaskKind::Standalone {
                now + 25_000
            } else {
                NEVER
            },
        );
        let takes = Some(5_000);
        self.tasks.push(Task {
            kind,
            arn,
            placed: now,
            local,
            runs,
            asked: NEVER,
            ends,
            takes,
            orphan: false,
            given_up: NEVER,
        });
        let id = self.tasks.len() - 1;
        self.say(|| format!("ECS places {kind:?} task {id} on #{arn}"));
        true
    }

    /// Where ECS may place a task now.
    fn open(&self) -> Option<Arn> {
        let open = |it: &Registration| {
            self.up
                && it.connected
                && (it.status == InstanceStatus::Active
                    || it.status == InstanceStatus::Draining && self.now - it.since < 1_000)
        };
        self.registrations
            .iter()
            .position(open)
            .and_then(|it| Arn::try_from(it).ok())
    }

    // Auto Scaling.

    pub(super) fn start_way(&mut self, way: Way) {
        self.overtaken();
        let scaling = &mut self.scaling;
        scaling.generation += 1;
        scaling.way = Some(way);
        scaling.since = self.now;
        scaling.waits_since = NEVER;
        scaling.actions = [None; 2];
        scaling.target = match way {
            Way::Leave => Some(Target::Terminated),
            Way::LeavePool => Some(Target::WarmedTerminated),
            Way::ToPool | Way::IntoPool => Some(pool_target(self.spec.pool)),
            Way::Replace => match self.spec.replacing {
                Replacing::Shows(target) => target,
                Replacing::Never | Replacing::Same => scaling.target,
            },
            // What metadata says then is documented nowhere.
            Way::Join if scaling.replaced => scaling.target,
            Way::Join => Some(Target::InService),
        };
        let generation = scaling.generation;
        self.forget(|it| {
            matches!(
                it,
                Timer::Begun(_)
                    | Timer::Wait(_)
                    | Timer::Proceeded(_)
                    | Timer::Lapse(_)
                    | Timer::StandbyEnd
            )
        });
        self.timer_in(
            if way == Way::Join { 0 } else { self.spec.begun_after },
            Timer::Begun(generation),
        );
        let mut wait = if way.transition() == Transition::Terminating {
            self.spec.wait_after.max(1_500)
        } else {
            1_500
        };
        if way == Way::LeavePool && (!self.up || self.asleep) {
            // It is started first.
            wait += 3_000;
        }
        self.timer_in(wait, Timer::Wait(generation));
        self.judge.new_way(way);
        self.say(|| format!("Auto Scaling: {way:?}"));
    }

    fn begun(&mut self) {
        self.scaling.state = Some(match self.scaling.way {
            Some(Way::Leave) => "Terminating",
            Some(Way::Replace) => "ReplacingRootVolume",
            Some(Way::LeavePool) => "Warmed:Terminating",
            Some(Way::ToPool | Way::IntoPool) => "Warmed:Pending",
            Some(Way::Join) | None => "Pending",
        });
    }

    fn wait(&mut self) {
        let Some(way) = self.scaling.way else { return };
        let hook = if way.transition() == Transition::Launching {
            self.scaling.into
        } else {
            self.scaling.out
        };
        let Some((hook, timeout)) = hook else {
            return self.proceed();
        };
        self.scaling.state = Some(match way {
            Way::Leave => "Terminating:Wait",
            Way::Replace => "ReplacingRootVolume:Wait",
            Way::LeavePool => "Warmed:Terminating:Wait",
            Way::ToPool | Way::IntoPool => "Warmed:Pending:Wait",
            Way::Join => "Pending:Wait",
        });
        self.scaling.waits_since = self.now;
        let global = |timeout| {
            if hook == HookName(1) {
                None
            } else {
                self.spec.global
            }
            .unwrap_or(global_timeout(timeout))
        };
        let action = |hook, timeout| {
            Some(Action {
                hook,
                beat: self.now,
                timeout,
                begun: self.now,
                global: global(timeout),
                done: false,
            })
        };
        self.scaling.actions = [action(hook, timeout), None];
        let first = self.scaling.actions[0].map_or(timeout, |it| it.lapses() - self.now);
        if self.spec.managed && way == Way::Leave {
            self.scaling.actions[1] = action(MANAGED, 12_000);
            self.timer_in(12_000, Timer::Lapse(1));
        }
        self.timer_in(first, Timer::Lapse(0));
        self.say(|| format!("{way:?}: the wait has begun"));
    }

    /// An action is over; so may the wait be.
    fn over(&mut self, which: usize, result: ActionResult) {
        let Some(Some(action)) = self.scaling.actions.get_mut(which) else {
            return;
        };
        action.done = true;
        let all = self.scaling.actions.iter().flatten().all(|it| it.done);
        if result == ActionResult::Abandon {
            match self.scaling.way {
                Some(way @ (Way::Join | Way::IntoPool | Way::ToPool)) => {
                    self.judge.launch_failed |= way == Way::Join;
                    self.say(|| "abandoned: it is terminated".into());
                    self.scaling.actions = [None; 2];
                    self.scaling.state = Some("Terminating");
                    self.scaling.target = Some(Target::Terminated);
                    self.scaling.generation += 1;
                    self.judge.finishing = true;
                    self.die(2_000);
                }
                _ => self.proceed(),
            }
        } else if all {
            self.proceed();
        }
    }

    fn proceed(&mut self) {
        let Some(way) = self.scaling.way else { return };
        self.scaling.actions = [None; 2];
        self.scaling.waits_since = NEVER;
        self.judge.finishing = way.ends();
        self.forget(|it| matches!(it, Timer::Lapse(_)));
        self.scaling.state = Some(match way {
            Way::Leave => "Terminating:Proceed",
            Way::Replace => "ReplacingRootVolume:Proceed",
            Way::LeavePool => "Warmed:Terminating:Proceed",
            Way::ToPool | Way::IntoPool => "Warmed:Pending:Proceed",
            Way::Join => "Pending:Proceed",
        });
        self.say(|| format!("{way:?}: it proceeds"));
        if way.ends() {
            self.die(2_000);
        } else {
            let generation = self.scaling.generation;
            self.timer_in(700, Timer::Proceeded(generation));
        }
    }

    fn proceeded(&mut self) {
        match self.scaling.way.take() {
            Some(Way::Join) => {
                self.scaling.state = Some("InService");
                self.scaling.target = Some(Target::InService);
                self.scaling.been_in_service = true;
            }
            Some(Way::ToPool | Way::IntoPool) => {
                self.scaling.state = Some(match self.spec.pool {
                    Pool::Stopped => "Warmed:Stopped",
                    Pool::Running => "Warmed:Running",
                    Pool::Hibernated => "Warmed:Hibernated",
                });
                match self.spec.pool {
                    Pool::Stopped => self.go_down(Down::Stops, 500),
                    Pool::Hibernated => self.go_down(Down::Sleeps, 500),
                    Pool::Running => {}
                }
            }
            Some(Way::Replace) => {
                self.scaling.state = Some("RootVolumeReplaced");
                self.go_down(Down::Replaced, 0);
            }
            Some(Way::Leave | Way::LeavePool) | None => {}
        }
        self.scaling.since = self.now;
    }

    fn die(&mut self, delay: Ms) {
        self.go_down(Down::Dies, delay);
    }

    fn go_down(&mut self, why: Down, delay: Ms) {
        if self.down == Some(Down::Dies) || !self.up && why != Down::Dies {
            return;
        }
        self.forget(|it| matches!(it, Timer::Shutdown | Timer::Off | Timer::Boot));
        self.down = Some(why);
        self.timer_in(delay, Timer::Shutdown);
    }

    /// What becomes of the process by a timer: the caller sees to it.
    pub(super) fn fire(&mut self, timer: Timer) -> Effect {
        let generation = self.scaling.generation;
        match timer {
            Timer::Start => return Effect::Start,
            Timer::StopTimeout => return Effect::Kill,
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
                    return Effect::Move(*kind);
                }
            }
        }
        Effect::None
    }

    fn lapse(&mut self, which: usize) {
        let Some(Some(action)) = self.scaling.actions.get(which).copied() else {
            return;
        };
        if action.done {
            return;
        }
        let timeout = action.lapses();
        if self.now < timeout {
            let which = u8::try_from(which).unwrap_or_default();
            self.timer_at(timeout, Timer::Lapse(which));
            return;
        }
        self.say(|| format!("{:?} has lapsed", action.hook));
        if action.hook != MANAGED {
            self.lapsed(action);
        }
        let launching = self
            .scaling
            .way
            .is_some_and(|it| it.transition() == Transition::Launching);
        self.over(
            which,
            if launching {
                ActionResult::Abandon
            } else {
                ActionResult::Continue
            },
        );
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
                self.disk = None;
                self.current = None;
                self.scaling.replaced = true;
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
        let process = self.process;
        self.events
            .retain(|it| !matches!(&it.what, What::Arrive(flight) if flight.process == process));
        self.forget(|it| matches!(it, Timer::Start | Timer::StopTimeout | Timer::EcsUp(_)));
        self.ecs_down = NEVER;
        Effect::Kill
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

    fn ecs_up(&mut self, fresh: bool) {
        if !self.up {
            return;
        }
        let pool = matches!(
            self.scaling.target,
            Some(
                Target::WarmedStopped
                    | Target::WarmedHibernated
                    | Target::WarmedRunning
                    | Target::WarmedTerminated
            )
        );
        if fresh || self.current.is_none() {
            if self.current.is_none() && pool {
                return;
            }
            self.ecs_down = self.ecs_down.min(self.now);
            return self.register(self.now);
        }
        self.ecs_down = self.now;
        let now = self.now;
        if let Some(it) = self
            .current
            .and_then(|it| self.registrations.get_mut(usize::from(it)))
            && it.status != InstanceStatus::Inactive
        {
            it.connected = true;
            if it.status == InstanceStatus::Active {
                it.member = now;
                if let Some(arn) = self.current {
                    self.timer_in(800, Timer::Place(arn));
                }
            }
        }
    }

    // Requests.

    /// Carries out what arrives. `None`: no answer ever comes.
    pub(super) fn arrive(&mut self, flight: &Flight) -> Option<(Reply, Ms)> {
        let request = &flight.request;
        let now = self.now;
        let to = service(request);
        let mut delay = latency(request);
        let aws = matches!(to, Service::Ecs | Service::Group | Service::Stack);
        let change = matches!(
            request,
            Request::SetDraining(_)
                | Request::SetActive(_)
                | Request::StopTask(..)
                | Request::Heartbeat(..)
                | Request::Complete(..)
                | Request::Signal(_)
        );
        let fault = |fault| Some((Reply::Failed(fault), latency(request)));
        if aws && self.faults.felt(Lasting::Network, now) {
            return None;
        }
        if to == Service::Ecs && self.faults.felt(Lasting::Ecs, now) {
            return fault(Fault::Server);
        }
        let throttled = to == Service::Ecs && self.faults.felt(Lasting::EcsThrottled, now)
            || to == Service::Group && self.faults.felt(Lasting::Group, now);
        if throttled || change && std::mem::take(&mut self.faults.throttle_next) {
            return fault(Fault::Throttled);
        }
        if to == Service::Metadata && self.faults.felt(Lasting::Metadata, now) {
            return match request {
                Request::ReadMetadata => {
                    let gone = Fault::Unreachable;
                    Some((
                        Reply::Metadata {
                            target: Err(gone),
                            spot: Err(gone),
                            rebalance: Err(gone),
                            maintenance: Err(gone),
                        },
                        delay,
                    ))
                }
                _ => fault(Fault::Unreachable),
            };
        }
        if to == Service::Local {
            delay += self.spec.intro_takes;
            if self.faults.felt(Lasting::Impostor, now) {
                return match request {
                    Request::ReadAgentMetadata => Some((Reply::AgentMetadata(FOREIGN), delay)),
                    _ => Some((Reply::Tasks(Vec::new()), delay)),
                };
            }
            if !self.ecs_agent_up() || self.faults.felt(Lasting::Introspection, now) {
                return fault(Fault::Unreachable);
            }
        }
        let (reply, takes) = self.carry_out(request);
        if aws && std::mem::take(&mut self.faults.lose_next) {
            return None;
        }
        if aws && self.faults.felt(Lasting::SlowReplies, now) {
            delay += 4_000;
        }
        Some((reply, delay + takes))
    }

    fn carry_out(&mut self, request: &Request) -> (Reply, Ms) {
        let mut takes = 0;
        let reply = match request {
            Request::ReadIdentityDocument => {
                let new = matches!(self.spec.begin, Begin::Launched | Begin::IntoPool);
                Reply::Identity {
                    pending_time: EPOCH - if new { 15_000 } else { 30 * 86_400_000 },
                }
            }
            Request::ReadMetadata => self.metadata(),
            Request::ReadGroupTag => {
                let group = Group(u8::from(self.faults.stale_tag));
                Reply::GroupTag(
                    (self.spec.tags && self.spec.begin != Begin::Alone).then_some(group),
                )
            }
            Request::ReadStackTags => Reply::StackTag(self.spec.policy.stack),
            Request::ReadAgentMetadata => match self.current {
                Some(arn) => Reply::AgentMetadata(arn),
                None => Reply::Failed(Fault::Unreachable),
            },
            Request::ReadTasks => self.local_tasks(),
            Request::SetDraining(arn) => self.change(*arn, InstanceStatus::Draining),
            Request::SetActive(arn) => self.change(*arn, InstanceStatus::Active),
            Request::DescribeContainerInstance(arn) => {
                if self.faults.deny_describe {
                    Reply::Failed(Fault::Denied)
                } else {
                    self.describe(*arn, true)
                }
            }
            Request::DescribeTasks(arn, ids) => self.api_tasks(*arn, Some(ids)),
            Request::ListTasks(arn) => self.api_tasks(*arn, None),
            Request::StopTask(_, id) => {
                let now = self.now;
                match self.tasks.get_mut(usize::from(*id)) {
                    Some(task) if task.orphan => {
                        task.asked = task.asked.min(now);
                        Reply::Done
                    }
                    Some(task) => {
                        task.ask(now);
                        Reply::Done
                    }
                    None => Reply::Failed(Fault::Refused),
                }
            }
            Request::DescribeAutoScalingInstance => {
                Reply::AutoScalingInstance(self.scaling.state.map(|it| (Group(0), it)))
            }
            Request::DescribeLifecycleHooks(group, transition) => self.hooks(*group, *transition),
            Request::Heartbeat(group, name) => self.heartbeat(*group, *name),
            Request::Complete(group, name, result) => self.complete(*group, *name, *result),
            Request::Signal(status) => {
                if !self.spec.waits {
                    Reply::Failed(Fault::NotSignalable)
                } else if self.signalled {
                    Reply::Failed(Fault::AlreadySignalled)
                } else {
                    self.signalled = true;
                    self.judge.signal_taken(*status);
                    Reply::Done
                }
            }
            Request::WriteStateFile(bytes) => {
                if self.faults.felt(Lasting::SlowDisk, self.now) {
                    takes = 1_000;
                }
                if self.faults.felt(Lasting::Disk, self.now) {
                    self.judge.state_gone();
                    Reply::Failed(Fault::Refused)
                } else {
                    self.disk = Some(bytes.clone());
                    self.judge.state_written();
                    Reply::Done
                }
            }
            Request::RunExecutables(occasion) if !self.has_executables(*occasion) => {
                Reply::Executables(true)
            }
            Request::RunExecutables(_) => {
                let hangs = std::mem::take(&mut self.faults.hang_next);
                let fails = std::mem::take(&mut self.faults.fail_next);
                takes = if hangs {
                    self.spec.policy.executable_timeout
                } else {
                    1_500
                };
                Reply::Executables(!hangs && !fails)
            }
            Request::SendMetrics | Request::Exit => Reply::Done,
        };
        (reply, takes)
    }

    fn has_executables(&self, occasion: Occasion) -> bool {
        let there = self.spec.policy.executables;
        match occasion {
            Occasion::BeforeDrain => there.before_drain,
            Occasion::AfterDrain => there.after_drain,
            Occasion::Ready => there.ready,
        }
    }

    fn metadata(&mut self) -> Reply {
        let now = self.now;
        let shown = !self.faults.felt(Lasting::Target404, now)
            && (self.now >= self.spec.target_from || self.scaling.generation > 0);
        let target = match self.scaling.target {
            _ if !shown => None,
            Some(_) if self.faults.felt(Lasting::Garbage, now) => Some(Target::Unknown),
            target => target,
        };
        let wall = |at: Ms| EPOCH + i64::try_from(at).unwrap_or(i64::MAX / 2);
        Reply::Metadata {
            target: Ok(target),
            spot: Ok(self.spot.map(wall)),
            rebalance: Ok(self.rebalance),
            maintenance: Ok(self.maintenance.map(wall)),
        }
    }

    /// The status of a task in the ECS agent's list, if it is there.
    pub(super) fn local_status(&self, id: usize) -> Option<crate::wire::LocalTask> {
        use crate::wire::TaskStatus::{Pending, Running, Stopped};
        let now = self.now;
        let task = self.tasks.get(id)?;
        if task.orphan
            || now < task.local
            || self.faults.lasts(Lasting::Forgetful, now)
            || Some(task.arn) != self.current
        {
            return None;
        }
        let known = if now >= task.ends + 100 {
            Stopped
        } else if now < task.runs || id % 2 == 1 && now >= task.asked && task.takes.is_some() {
            Pending
        } else {
            Running
        };
        let desired = if now >= task.asked {
            Some(Stopped)
        } else if id == 0 {
            None
        } else {
            Some(Running)
        };
        Some(crate::wire::LocalTask {
            task: TaskId::try_from(id).ok()?,
            known,
            desired,
        })
    }

    fn local_tasks(&mut self) -> Reply {
        self.faults.felt(Lasting::Forgetful, self.now);
        let mut tasks: Vec<_> = (0..self.tasks.len())
            .filter_map(|it| self.local_status(it))
            .collect();
        self.reads = (self.reads + 1) % 6;
        let by = usize::from(self.reads) % tasks.len().max(1);
        tasks.rotate_left(by);
        if self.reads >= 3 {
            tasks.reverse();
        }
        Reply::Tasks(tasks)
    }

    fn change(&mut self, arn: Arn, to: InstanceStatus) -> Reply {
        if std::mem::take(&mut self.faults.missing_next) {
            return Reply::Failed(Fault::Missing);
        }
        if arn == FOREIGN {
            self.touched_another_instance(to);
            self.foreign = to == InstanceStatus::Draining;
            return self.describe(arn, false);
        }
        match self.registration(arn).map(|it| (it.status, it.by_person)) {
            None => return Reply::Failed(Fault::Missing),
            Some((InstanceStatus::Inactive, _)) => return Reply::Failed(Fault::Refused),
            Some((InstanceStatus::Draining, true)) if to == InstanceStatus::Active => {
                self.undid_a_person(arn)
            }
            Some((InstanceStatus::Draining, true)) => self.drains_a_persons(arn),
            Some(_) => {}
        }
        if to == InstanceStatus::Draining {
            self.judge.own |= 1 << arn.min(31);
        }
        self.set_status(arn, to, false);
        self.describe(arn, false)
    }

    pub(super) fn describe(&mut self, arn: Arn, read: bool) -> Reply {
        use crate::wire::ContainerInstance;
        let missing = ContainerInstance {
            status: InstanceStatus::Missing,
            running: 0,
            pending: 0,
            connected: false,
            ours: false,
        };
        if read && std::mem::take(&mut self.faults.missing_next) {
            self.judge.trouble[Service::Ecs as usize] = self.now;
            return Reply::ContainerInstance(missing);
        }
        let stale = read && self.faults.felt(Lasting::Stale, self.now);
        if stale {
            self.judge.trouble[Service::Ecs as usize] = self.now;
        }
        if arn == FOREIGN {
            let it = ContainerInstance {
                status: if self.foreign {
                    InstanceStatus::Draining
                } else {
                    InstanceStatus::Active
                },
                running: 2,
                connected: true,
                ..missing
            };
            return Reply::ContainerInstance(it);
        }
        let Some(it) = self.registration(arn) else {
            return Reply::ContainerInstance(missing);
        };
        let stale = stale && self.now - it.since < 10_000;
        let counted = |id: &usize, task: &Task| {
            task.arn == arn
                && task.left(self.now)
                && self.now < task.asked
                && self.now < task.api_stopped(*id)
        };
        let (mut running, mut pending) = (0, 0);
        for (id, task) in self.tasks.iter().enumerate() {
            if counted(&id, task) {
                *(if task.runs <= self.now {
                    &mut running
                } else {
                    &mut pending
                }) += 1;
            }
        }
        let status = if stale { it.was } else { it.status };
        Reply::ContainerInstance(ContainerInstance {
            status,
            running,
            pending,
            connected: it.connected,
            ours: true,
        })
    }

    fn api_tasks(&mut self, arn: Arn, ids: Option<&Vec<TaskId>>) -> Reply {
        use crate::wire::ApiTask;
        use crate::wire::TaskStatus::{Pending, Running, Stopped};
        if std::mem::take(&mut self.faults.missing_next) {
            self.judge.trouble[Service::Ecs as usize] = self.now;
            return Reply::ApiTasks(Vec::new());
        }
        let now = self.now;
        let tasks = self.tasks.iter().enumerate().filter_map(|(at, task)| {
            let id = TaskId::try_from(at).ok()?;
            if task.placed > now || task.arn != arn || ids.is_some_and(|ids| !ids.contains(&id)) {
                return None;
            }
            let last = if now >= task.api_stopped(at) {
                Stopped
            } else if now < task.runs || now >= task.asked {
                Pending
            } else {
                Running
            };
            let desired = if now >= task.asked || last == Stopped {
                Stopped
            } else {
                Running
            };
            Some(ApiTask {
                task: id,
                last,
                desired,
                kind: task.kind,
            })
        });
        Reply::ApiTasks(tasks.collect())
    }

    fn hooks(&self, group: Group, transition: Transition) -> Reply {
        if group != Group(0) && self.faults.group_gone {
            return Reply::Failed(Fault::Refused);
        }
        if group != Group(0) {
            return Reply::Hooks(Vec::new());
        }
        let of = |(name, timeout): (HookName, Ms)| Hook {
            name,
            transition,
            heartbeat_timeout: timeout,
            global_timeout: self
                .spec
                .global
                .filter(|_| name != MANAGED && transition == Transition::Terminating)
                .unwrap_or(global_timeout(timeout)),
            default_result: if transition == Transition::Launching {
                ActionResult::Abandon
            } else {
                ActionResult::Continue
            },
        };
        let mut hooks: Vec<_> = if transition == Transition::Launching {
            self.scaling.into
        } else {
            self.scaling.out
        }
        .map(of)
        .into_iter()
        .collect();
        if self.spec.managed && transition == Transition::Terminating {
            hooks.push(of((MANAGED, 12_000)));
        }
        Reply::Hooks(hooks)
    }

    pub(super) fn active(&self, name: HookName) -> Option<(usize, Action)> {
        let ours = |it: &Option<Action>| it.is_some_and(|it| it.hook == name && !it.done);
        let which = self.scaling.actions.iter().position(ours)?;
        Some((which, self.scaling.actions[which]?))
    }

    fn heartbeat(&mut self, group: Group, name: HookName) -> Reply {
        if self.faults.deny_beat {
            return Reply::Failed(Fault::Denied);
        }
        let now = self.now;
        match self.active(name) {
            Some((which, _)) if group == Group(0) => {
                if let Some(action) = &mut self.scaling.actions[which] {
                    action.beat = now;
                }
                let until = self.scaling.actions[which].map_or(now, |it| it.lapses());
                for event in &mut self.events {
                    if matches!(event.what, What::Timer(Timer::Lapse(it)) if usize::from(it) == which)
                    {
                        event.at = until;
                    }
                }
                Reply::Done
            }
            _ => Reply::Failed(Fault::NoActiveAction),
        }
    }

    fn complete(&mut self, group: Group, name: HookName, result: ActionResult) -> Reply {
        if self.faults.deny_complete {
            return Reply::Failed(Fault::Denied);
        }
        match self.active(name) {
            // Just after the wait has begun, it may still be refused.
            Some((which, action)) if group == Group(0) && self.now >= action.begun + 600 => {
                self.say(|| format!("{name:?} is completed: {result:?}"));
                self.completed(result);
                self.over(which, result);
                Reply::Done
            }
            _ => Reply::Failed(Fault::NoActiveAction),
        }
    }

    /// A move. `None`: it is not possible here.
    pub(super) fn disturb(&mut self, kind: Move) -> Option<Effect> {
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
            Move::StateLost => {
                self.disk.take()?;
                self.judge.state_gone();
            }
            Move::LostReply => f.lose_next = true,
            Move::Throttled => f.throttle_next = true,
            Move::Missing => f.missing_next = true,
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

/// Daemons, where the policy says so: none comes later.
fn ignored(spec: &Spec) -> u32 {
    let daemon = |(_, it): &(u32, &Work)| it.kind == TaskKind::Daemon;
    let daemons = (0..).zip(&spec.work).filter(daemon);
    if spec.policy.ignore_daemons {
        daemons.fold(0, |bits, (id, _)| bits | 1 << id)
    } else {
        0
    }
}

/// What becomes of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    Start,
    Kill,
    Stop {
        shutdown: bool,
    },
    /// `drain` with its timeout, or `undrain`.
    Hand(Option<Option<Ms>>),
    Move(Move),
}

/// `GlobalTimeout`: 100 heartbeats, at most two days.
fn global_timeout(heartbeat: Ms) -> Ms {
    (100 * heartbeat).min(172_800_000)
}

pub(super) fn pool_target(pool: Pool) -> Target {
    match pool {
        Pool::Stopped => Target::WarmedStopped,
        Pool::Running => Target::WarmedRunning,
        Pool::Hibernated => Target::WarmedHibernated,
    }
}
