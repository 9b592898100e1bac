//! The fleet's world: one account, one group, instances that are terminated at the same moment or in batches.
//! Time is in milliseconds since the fleet's first termination.

use std::collections::BTreeMap;

use crate::core::{Core, Pending};

/// How many tasks an instance runs.
pub const TASKS: u32 = 3;
/// The hook's HeartbeatTimeout.
pub const HEARTBEAT_TIMEOUT: u64 = 300_000;
/// The agents watch for so long before the fleet is terminated.
const BEFORE: u64 = 10_000;
/// ECS tells the ECS agent to stop the tasks so long after DRAINING.
const TOLD_AFTER: u64 = 1_000;
/// A task takes so long to stop.
const STOP_TIME: u64 = 30_000;
/// Nothing takes longer: what is not over by then never is.
const END: u64 = 7_200_000;
/// One column of the calls over time.
pub const BIN: u64 = 5_000;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// Of the machine itself: metadata, introspection, the disk.
    Local,
    SetDraining,
    SetActive,
    DescribeContainerInstances,
    DescribeTasks,
    ListTasks,
    StopTask,
    DescribeAutoScalingInstances,
    DescribeLifecycleHooks,
    Heartbeat,
    Complete,
}

impl Request {
    /// As AWS calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "",
            Self::SetDraining | Self::SetActive => "UpdateContainerInstancesState",
            Self::DescribeContainerInstances => "DescribeContainerInstances",
            Self::DescribeTasks => "DescribeTasks",
            Self::ListTasks => "ListTasks",
            Self::StopTask => "StopTask",
            Self::DescribeAutoScalingInstances => "DescribeAutoScalingInstances",
            Self::DescribeLifecycleHooks => "DescribeLifecycleHooks",
            Self::Heartbeat => "RecordLifecycleActionHeartbeat",
            Self::Complete => "CompleteLifecycleAction",
        }
    }

    fn class(self) -> Option<Class> {
        match self {
            Self::Local => None,
            Self::SetDraining | Self::SetActive | Self::StopTask => Some(Class::EcsChanges),
            Self::DescribeContainerInstances | Self::DescribeTasks | Self::ListTasks => {
                Some(Class::EcsReads)
            }
            _ => Some(Class::AutoScaling),
        }
    }
}

/// Calls that share a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    EcsChanges,
    EcsReads,
    AutoScaling,
}

/// Why a request did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Throttled,
    NoActiveAction,
}

/// Where an instance's tasks are, all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    Running,
    Stopping,
    Stopped,
}

/// An instance as it is when a request arrives.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub draining: bool,
    pub tasks: TaskState,
    /// `LifecycleState`, as Auto Scaling spells it.
    pub lifecycle: &'static str,
}

/// What a core does in a step.
pub struct Output {
    pub requests: Vec<(Request, Pending)>,
    pub wake: Option<u64>,
}

/// A token bucket, in thousandths of a token.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    burst: u64,
    /// Tokens a second, and so thousandths a millisecond.
    refill: u64,
    level: u64,
    at: u64,
}

impl Bucket {
    fn new(burst: u64, refill: u64) -> Self {
        let level = burst * 1_000;
        Self {
            burst,
            refill,
            level,
            at: 0,
        }
    }

    fn take(&mut self, now: u64) -> bool {
        let full = self.burst * 1_000;
        self.level = full.min(self.level + (now - self.at) * self.refill);
        self.at = now;
        let there = self.level >= 1_000;
        self.level -= if there { 1_000 } else { 0 };
        there
    }
}

/// What happens to a fleet.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    pub fleet: u64,
    /// `Terminating:Wait` comes so many seconds after the termination.
    pub wait: u64,
    /// How many are terminated at once, every minute; 0: all.
    pub batch: u64,
    /// Auto Scaling's bucket, burst and refill a second, which AWS does not publish; `None`: without limit.
    pub auto_scaling: Option<(u64, u64)>,
}

/// The figures of one scene.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub calls: BTreeMap<&'static str, u64>,
    pub throttled: u64,
    /// Of these, later than a minute after the last termination.
    pub throttled_late: u64,
    /// Milliseconds until ECS has accepted DRAINING, in order.
    pub draining: Vec<u64>,
    /// Milliseconds from when the instance could go (its last container is gone, and `:Wait` has come) to the
    /// completion, in order.
    pub done: Vec<u64>,
    /// Until the last one is completed.
    pub last: u64,
    /// Hooks that have lapsed, and those of them where containers still ran.
    pub lapsed: u64,
    pub killed: u64,
    /// Most calls of Auto Scaling's in a second.
    pub peak: u64,
    /// Calls in each [`BIN`].
    pub series: Vec<u64>,
}

impl Figures {
    pub fn total(&self) -> u64 {
        self.calls.values().sum()
    }
}

struct Machine {
    core: Core,
    terminated: u64,
    wait: u64,
    draining: Option<u64>,
    /// From when the HeartbeatTimeout counts.
    base: u64,
    over: bool,
    /// Which wake-up counts: an earlier one that was asked for is not.
    wake: Option<u64>,
}

impl Machine {
    fn gone_at(&self) -> Option<u64> {
        self.draining.map(|at| at + TOLD_AFTER + STOP_TIME)
    }

    fn waits(&self, now: u64) -> bool {
        !self.over && now >= self.wait
    }

    fn see(&self, now: u64) -> Seen {
        Seen {
            draining: self.draining.is_some(),
            tasks: match (self.draining, self.gone_at()) {
                (_, Some(gone)) if now >= gone => TaskState::Stopped,
                (Some(at), _) if now >= at + TOLD_AFTER => TaskState::Stopping,
                _ => TaskState::Running,
            },
            lifecycle: match self {
                _ if now < self.terminated => "InService",
                _ if now < self.wait => "Terminating",
                _ if self.over => "Terminating:Proceed",
                _ => "Terminating:Wait",
            },
        }
    }
}

enum Happening {
    Wake,
    Arrival(Request, Pending, u64),
    Reply(Pending, Result<Seen, Fault>),
    Lapse,
}

struct World {
    machines: Vec<Machine>,
    events: BTreeMap<(u64, u64), (usize, Happening)>,
    drawn: u64,
    buckets: BTreeMap<Class, Bucket>,
    last_termination: u64,
    seconds: BTreeMap<u64, u64>,
    figures: Figures,
}

/// SplitMix64's finalizer: the same figures in every run.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Plays a scene to its end.
pub fn play(scene: Scene) -> Figures {
    // Published: Amazon ECS API Reference, "Request throttling for the Amazon ECS API".
    let mut buckets = BTreeMap::from([
        (Class::EcsChanges, Bucket::new(100, 40)),
        (Class::EcsReads, Bucket::new(100, 20)),
    ]);
    if let Some((burst, refill)) = scene.auto_scaling {
        buckets.insert(Class::AutoScaling, Bucket::new(burst, refill));
    }
    let mut world = World {
        machines: Vec::new(),
        events: BTreeMap::new(),
        drawn: 0,
        buckets,
        last_termination: 0,
        seconds: BTreeMap::new(),
        figures: Figures::default(),
    };
    for number in 0..scene.fleet {
        let batch = number.checked_div(scene.batch).unwrap_or(0) * 60_000;
        // Each agent was started in another part of a second.
        let start = batch + mix(number) % 1_000;
        let terminated = batch + BEFORE;
        let wait = terminated + scene.wait * 1_000;
        let index = world.machines.len();
        world.machines.push(Machine {
            core: Core::new(format!("i-{:017x}", mix(number + 1_000_000)), start),
            terminated,
            wait,
            draining: None,
            base: wait,
            over: false,
            wake: Some(start),
        });
        world.last_termination = terminated;
        world.plan(start, index, Happening::Wake);
        world.plan(wait + HEARTBEAT_TIMEOUT, index, Happening::Lapse);
    }
    while let Some(((now, _), (index, happening))) = world.events.pop_first() {
        if now > END {
            break;
        }
        world.take(now, index, happening);
    }
    let mut figures = world.figures;
    figures.peak = world.seconds.into_values().max().unwrap_or(0);
    figures.draining.sort_unstable();
    figures.done.sort_unstable();
    figures
}

impl World {
    fn plan(&mut self, at: u64, index: usize, happening: Happening) {
        self.drawn += 1;
        self.events.insert((at, self.drawn), (index, happening));
    }

    fn take(&mut self, now: u64, index: usize, happening: Happening) {
        let machine = &mut self.machines[index];
        if machine.over {
            return;
        }
        let answer = match happening {
            Happening::Lapse => {
                if machine.base + HEARTBEAT_TIMEOUT <= now {
                    machine.over = true;
                    self.figures.lapsed += 1;
                    self.figures.killed += u64::from(machine.see(now).tasks != TaskState::Stopped);
                }
                return;
            }
            Happening::Wake if machine.wake != Some(now) => return,
            Happening::Wake => None,
            Happening::Arrival(request, pending, back) => {
                let seen = self.arrive(now, index, request);
                return self.plan(now + back, index, Happening::Reply(pending, seen));
            }
            Happening::Reply(pending, seen) => Some((pending, seen)),
        };
        let output = machine.core.step(answer, now);
        machine.wake = output.wake;
        if let Some(wake) = output.wake {
            self.plan(wake.max(now), index, Happening::Wake);
        }
        for (request, pending) in output.requests {
            // There and back: a few milliseconds on the machine, 40 to 160 to AWS.
            let way = match request {
                Request::Local => 2,
                _ => 20 + mix(self.drawn) % 61,
            };
            self.plan(now + way, index, Happening::Arrival(request, pending, way));
        }
    }

    /// The request arrives: it is counted, throttled, carried out.
    fn arrive(&mut self, now: u64, index: usize, request: Request) -> Result<Seen, Fault> {
        let machine = &mut self.machines[index];
        let Some(class) = request.class() else {
            return Ok(machine.see(now));
        };
        let figures = &mut self.figures;
        let since = now.saturating_sub(BEFORE);
        *figures.calls.entry(request.name()).or_default() += 1;
        let bin = usize::try_from(since / BIN).unwrap_or(usize::MAX);
        figures.series.resize(figures.series.len().max(bin + 1), 0);
        figures.series[bin] += 1;
        if class == Class::AutoScaling {
            *self.seconds.entry(now / 1_000).or_default() += 1;
        }
        let bucket = self.buckets.get_mut(&class);
        if bucket.is_some_and(|bucket| !bucket.take(now)) {
            figures.throttled += 1;
            figures.throttled_late += u64::from(now > self.last_termination + 60_000);
            return Err(Fault::Throttled);
        }
        match request {
            Request::SetDraining if machine.draining.is_none() => {
                machine.draining = Some(now);
                figures.draining.push(now - machine.terminated);
            }
            Request::Heartbeat | Request::Complete if !machine.waits(now) => {
                return Err(Fault::NoActiveAction);
            }
            Request::Heartbeat => {
                machine.base = now;
                self.plan(now + HEARTBEAT_TIMEOUT, index, Happening::Lapse);
            }
            Request::Complete => {
                machine.over = true;
                let could = machine.gone_at().unwrap_or(u64::MAX).max(machine.wait);
                if could > now {
                    figures.killed += 1;
                }
                figures.done.push(now.saturating_sub(could));
                figures.last = figures.last.max(since);
            }
            _ => {}
        }
        Ok(self.machines[index].see(now))
    }
}
