//! The truth: what really is, in ECS, Auto Scaling, CloudFormation, on the machine; and how it goes on.

mod disturb;
mod ecs;
mod machine;
mod requests;
mod scaling;

use super::faults::{Faults, Lasting};
use super::judge::Judge;
use super::moves::Move;
use super::scene::{Begin, Pool, Spec, Work};
use crate::wire::{
    Arn, Clocks, HookName, InstanceStatus, LifecycleState, Ms, Reply, Request, Target, TaskKind,
    Ticket, Transition,
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
    /// ECS does not know it any more.
    pub(super) vanished: bool,
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
            Self::ToPool | Self::Leave | Self::LeavePool | Self::Replace => Transition::Terminating,
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
    /// A signal that waits for a process that stands still.
    Signal(bool),
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
    /// Nobody waits for the answer any more.
    pub(super) dropped: bool,
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
        R::ReadAgentMetadata | R::ReadTasks | R::ReadTaskSet => Service::Local,
        R::SetDraining(_)
        | R::SetActive(_)
        | R::DescribeContainerInstance(_)
        | R::DescribeResources(_)
        | R::ListContainerInstances
        | R::DescribeTasks(..)
        | R::ListTasks(_)
        | R::StopTask(..) => Service::Ecs,
        R::DescribeAutoScalingInstance
        | R::DescribeLifecycleHooks(..)
        | R::Heartbeat(..)
        | R::Complete(..) => Service::Group,
        R::Signal(_) => Service::Stack,
        R::WriteStateFile(_)
        | R::RunExecutables(_)
        | R::SendMetrics
        | R::SendCapacity(_)
        | R::Exit => Service::Machine,
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

/// A state file of before: which registrations it has verified, and since when the drain lasts that it tells of.
#[derive(Clone, Debug)]
pub(super) struct Older {
    pub(super) until: Ms,
    pub(super) file: Vec<u8>,
    pub(super) verified: u32,
    pub(super) drains: Option<Ms>,
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
    /// What was on it, at least 10 s of writes ago; and what will be, once the machine is off.
    pub(super) older: Option<Older>,
    pub(super) restored: Option<Older>,
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
    /// The next thing that would reach the process finds it standing still; until when it does, or did last.
    pub(super) stands: bool,
    pub(super) stood: Ms,
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
            older: None,
            restored: None,
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
            stands: false,
            stood: 0,
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

    /// Whether ECS does not know this one any more.
    pub(super) fn vanished(&self, arn: Arn) -> bool {
        self.registration(arn).is_some_and(|it| it.vanished)
    }

    /// The registration that the ECS agent says it is.
    pub(super) fn mine(&self) -> Option<(Arn, Registration)> {
        let arn = self.current?;
        Some((arn, *self.registration(arn)?))
    }

    /// Whether what comes now finds the process standing still.
    pub(super) fn stands_still(&mut self) -> bool {
        if std::mem::take(&mut self.stands) && self.alive {
            self.stood = self.now + 20_000;
            self.away_until(self.stood);
            self.say(|| "the process stands still".into());
        }
        self.now < self.stood
    }

    pub(super) fn introspection_up(&self) -> bool {
        self.ecs_agent_up() && !self.faults.lasts(Lasting::Introspection, self.now)
    }

    fn ecs_agent_up(&self) -> bool {
        self.up && self.current.is_some() && self.now >= self.ecs_down
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
