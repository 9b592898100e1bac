//! Where a story starts, and what Auto Scaling, EC2 and people do in it by themselves.

use std::fmt;
use std::sync::LazyLock;

use super::moves::Move;
use crate::wire::{Executables, Ms, OnTimeout, Policy, Target, TaskKind};

/// A scene, by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scene(pub(super) u8);

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spec().name)
    }
}

impl Scene {
    /// All of them.
    pub fn all() -> Vec<Self> {
        (0..SPECS.len())
            .filter_map(|it| u8::try_from(it).ok().map(Self))
            .collect()
    }

    pub(super) fn spec(self) -> &'static Spec {
        &SPECS[usize::from(self.0)]
    }

    /// What is to come about, in words.
    pub fn goal(self) -> &'static str {
        self.spec().goal
    }

    /// The agent's settings in it.
    pub fn policy(self) -> &'static Policy {
        &self.spec().policy
    }
}

/// What the instance is at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// In no group, registered.
    Alone,
    /// In service for long.
    InService,
    /// Just launched into service: `Pending`.
    Launched,
    /// Just launched into the warm pool: `Warmed:Pending`.
    IntoPool,
}

/// What an instance in the warm pool does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    Stopped,
    Running,
    Hibernated,
}

/// What metadata says while the root volume is replaced, which is documented nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replacing {
    /// It is not replaced.
    Never,
    /// What it said before.
    Same,
    Shows(Option<Target>),
}

/// A task that runs at the beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) kind: TaskKind,
    /// How long its container takes to stop; `None`: it never does.
    pub(super) takes: Option<Ms>,
    /// When it ends by itself.
    pub(super) ends: Option<Ms>,
}

/// A row of the table.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) goal: &'static str,
    pub(super) policy: Policy,
    pub(super) begin: Begin,
    pub(super) pool: Pool,
    /// `HeartbeatTimeout` of the terminating hook.
    pub(super) out: Option<Ms>,
    /// `HeartbeatTimeout` of the launching hook.
    pub(super) into: Option<Ms>,
    /// `GlobalTimeout` of the terminating hook, where it is not 100 heartbeats: time is compressed.
    pub(super) global: Option<Ms>,
    /// ECS managed draining has a hook of its own in the group.
    pub(super) managed: bool,
    /// How long that one lasts.
    pub(super) managed_lasts: Ms,
    /// The group retains what is abandoned.
    pub(super) retains: bool,
    /// From the start of a transition to its wait.
    pub(super) wait_after: Ms,
    /// From the start of a transition to when its state shows; the target is there at once.
    pub(super) begun_after: Ms,
    pub(super) work: Vec<Work>,
    /// When the ECS agent registers, after the first boot.
    pub(super) registers: Ms,
    /// Whether metadata has the instance's tags.
    pub(super) tags: bool,
    /// The target state is 404 until then.
    pub(super) target_from: Ms,
    /// Whether CloudFormation waits for a signal, and whether it has had one from this instance.
    pub(super) waits: bool,
    pub(super) signalled: bool,
    /// Each local answer takes so long.
    pub(super) intro_takes: Ms,
    /// A Spot interruption stops the instance instead of terminating it.
    pub(super) spot_stops: bool,
    /// EC2 carries it out so long after the time it has said.
    pub(super) spot_late: Ms,
    /// How long warnings are there.
    pub(super) warnings_last: Ms,
    /// ECS wants no more tasks here.
    pub(super) full: bool,
    pub(super) replacing: Replacing,
    /// So many requests to AWS has it to cost at most, undisturbed, without its heartbeats.
    pub(super) calls: Option<u16>,
    /// Who does what when.
    pub(super) script: Vec<(Ms, Move)>,
    pub(super) horizon: Ms,
}

static SPECS: LazyLock<Vec<Spec>> = LazyLock::new(specs);

const S: Ms = 1_000;

fn policy() -> Policy {
    Policy {
        metadata_poll: 5 * S,
        task_poll: 5 * S,
        introspection_grace: 10 * S,
        api_poll: 5 * S,
        request_timeout: 5 * S,
        drain_timeout: 40 * S,
        result_on_timeout: OnTimeout::Continue,
        standalone_stop_after: None,
        ignore_daemons: false,
        recheck_after: 300 * S,
        on_rebalance: None,
        on_maintenance: None,
        ready: true,
        ready_timeout: 40 * S,
        stack: false,
        signal_drained: false,
        executables: Executables::default(),
        executable_timeout: 8 * S,
        capacity: false,
    }
}

const fn service(takes: Ms) -> Work {
    Work {
        kind: TaskKind::Service,
        takes: Some(takes),
        ends: None,
    }
}

/// It never stops.
const fn stuck() -> Work {
    Work {
        takes: None,
        ..service(0)
    }
}

const fn standalone(ends: Ms) -> Work {
    Work {
        kind: TaskKind::Standalone,
        takes: Some(2 * S),
        ends: Some(ends),
    }
}

/// In service, with two tasks of a service, and scaled in after 3 s.
fn scale_in(name: &'static str, goal: &'static str) -> Spec {
    Spec {
        name,
        goal,
        policy: policy(),
        begin: Begin::InService,
        pool: Pool::Stopped,
        out: Some(3600 * S),
        into: Some(3600 * S),
        global: None,
        managed: false,
        managed_lasts: 12 * S,
        retains: false,
        wait_after: 2 * S,
        begun_after: S,
        work: vec![service(6 * S), service(9 * S)],
        registers: 0,
        tags: true,
        target_from: 0,
        waits: false,
        signalled: false,
        intro_takes: 0,
        spot_stops: false,
        spot_late: 2 * S,
        warnings_last: 25 * S,
        full: false,
        replacing: Replacing::Never,
        calls: None,
        script: vec![(3 * S, Move::ScaleIn)],
        horizon: 130 * S,
    }
}

/// Just launched, with a launching hook.
fn launch(name: &'static str, goal: &'static str) -> Spec {
    let policy = Policy {
        on_rebalance: Some(40 * S),
        ..policy()
    };
    Spec {
        policy,
        begin: Begin::Launched,
        work: vec![],
        registers: 4 * S,
        script: vec![],
        horizon: 100 * S,
        ..scale_in(name, goal)
    }
}

const fn daemon(takes: Option<Ms>) -> Work {
    Work {
        kind: TaskKind::Daemon,
        takes,
        ends: None,
    }
}

/// An instance refresh replaces the root volume after 3 s.
fn replaced(name: &'static str, goal: &'static str) -> Spec {
    let mut spec = scale_in(name, goal);
    spec.replacing = Replacing::Same;
    spec.script = vec![(3 * S, Move::ReplaceRoot)];
    spec.horizon = 140 * S;
    spec.out = Some(60 * S);
    spec.into = Some(60 * S);
    spec
}

/// Nothing happens by itself.
fn quiet(name: &'static str, goal: &'static str) -> Spec {
    Spec {
        script: vec![],
        horizon: 90 * S,
        ..scale_in(name, goal)
    }
}

/// The scenes: what each begins from, its name, its goal, and what is different in it.
macro_rules! scenes {
    ($it:ident: $($base:ident $name:literal $goal:literal { $($change:tt)* })*) => {
        vec![$({
            #[allow(unused_mut, reason = "of some nothing is different")]
            let mut $it = $base($name, $goal);
            $($change)*
            $it
        }),*]
    };
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn specs() -> Vec<Spec> {
    scenes! { it:
        scale_in "scale-in"
            "drained, then CONTINUE, in six calls" {
            it.calls = Some(6);
        }
        scale_in "scale-in-wait-15s"
            "drained, then CONTINUE once the wait has begun" {
            it.wait_after = 18 * S;
        }
        scale_in "scale-in-hook-30s"
            "the hook is kept waiting; CONTINUE" {
            it.out = Some(30 * S); it.tags = false;
            it.work = vec![service(6 * S), standalone(36 * S)];
        }
        scale_in "scale-in-wait-45s"
            "few refusals while a load balancer deregisters; CONTINUE" {
            it.wait_after = 45 * S; it.out = Some(30 * S); it.horizon = 160 * S;
        }
        scale_in "stuck-continue"
            "a task is stuck: CONTINUE at the deadline, not before" {
            it.out = Some(30 * S); it.work.push(stuck());
        }
        scale_in "stuck-abandon"
            "a task is stuck: ABANDON at the deadline, not before" {
            it.policy.result_on_timeout = OnTimeout::Abandon; it.work.push(stuck());
        }
        scale_in "stuck-none"
            "a task is stuck: never completed, the hook lapses" {
            it.policy.result_on_timeout = OnTimeout::None; it.out = Some(30 * S);
            it.work.push(stuck()); it.horizon = 150 * S;
        }
        scale_in "drained-none-late-wait"
            "drained in time, waits until after the deadline: CONTINUE all the same" {
            it.policy.result_on_timeout = OnTimeout::None; it.wait_after = 46 * S;
            it.horizon = 160 * S;
        }
        scale_in "drained-abandon-late-wait"
            "drained in time, waits until after the deadline: CONTINUE, and no ABANDON" {
            it.policy.result_on_timeout = OnTimeout::Abandon; it.policy.stack = true;
            it.policy.signal_drained = true; it.wait_after = 46 * S; it.horizon = 160 * S;
        }
        scale_in "standalone-wait"
            "a standalone task outlives the deadline: ABANDON there" {
            it.policy.result_on_timeout = OnTimeout::Abandon;
            it.work = vec![service(4 * S), standalone(70 * S)];
        }
        scale_in "standalone-stop"
            "a standalone task is stopped after 10 s; CONTINUE" {
            it.policy.standalone_stop_after = Some(10 * S);
            it.policy.result_on_timeout = OnTimeout::Abandon;
            it.work = vec![service(4 * S), standalone(300 * S)];
        }
        scale_in "executables"
            "before-drain and after-drain run, the 30 s hook is kept waiting; CONTINUE" {
            it.policy.executables = Executables { before_drain: true, after_drain: true, ready: false};
            it.out = Some(30 * S);
        }
        scale_in "global-timeout"
            "GlobalTimeout ends it before the deadline would: nothing is completed too early" {
            it.policy.drain_timeout = 60 * S; it.out = Some(30 * S); it.global = Some(40 * S);
            it.work.push(stuck());
        }
        scale_in "global-timeout-late-task"
            "drained in time, a standalone task at the end of it: CONTINUE" {
            it.policy.result_on_timeout = OnTimeout::Abandon;
            it.policy.standalone_stop_after = Some(25 * S); it.policy.drain_timeout = 50 * S;
            it.out = Some(30 * S); it.global = Some(42 * S); it.wait_after = 15 * S;
            it.work = vec![service(4 * S), standalone(300 * S)];
        }
        scale_in "managed-draining"
            "ECS has a hook of its own, which is not ours; CONTINUE for ours" {
            it.managed = true; it.calls = Some(6);
        }
        scale_in "managed-outlasts"
            "ECS's hook outlasts ours by a minute; CONTINUE once, and DRAINING until the end" {
            it.managed = true; it.managed_lasts = 80 * S;
        }
        scale_in "stuck-retained"
            "a task is stuck: ABANDON, and the instance is retained, DRAINING" {
            it.policy.result_on_timeout = OnTimeout::Abandon; it.policy.recheck_after = 20 * S;
            it.retains = true; it.work.push(stuck()); it.horizon = 120 * S;
        }
        scale_in "no-hook"
            "drains; nobody waits" {
            it.out = None; it.wait_after = 25 * S;
        }
        scale_in "introspection-slow"
            "each local answer takes 3 s; drained, then CONTINUE" {
            it.intro_takes = 3 * S;
        }
        launch "launch"
            "a member: CONTINUE, SUCCESS" {
            it.policy.stack = true; it.waits = true;
        }
        launch "launch-no-hook"
            "nobody waits in the group: a member, SUCCESS" {
            it.policy.stack = true; it.waits = true; it.into = None;
        }
        launch "launch-404-already"
            "the target is 404 for long, the signal was sent before: CONTINUE" {
            it.policy.stack = true; it.into = Some(30 * S); it.target_from = 30 * S;
            it.waits = true; it.signalled = true; it.registers = 18 * S;
            it.policy.executables.ready = true;
        }
        launch "launch-never-registers"
            "no member by the ready timeout: ABANDON, FAILURE" {
            it.policy.stack = true; it.waits = true; it.registers = 500 * S;
        }
        launch "launch-then-scale-in"
            "joins, then drains: CONTINUE for both" {
            it.script = vec![(24 * S, Move::ScaleIn)]; it.horizon = 130 * S;
        }
        launch "scaled-in-while-pending"
            "taken back while it joins: DRAINING, and released" {
            it.script = vec![(8 * S, Move::ScaleIn)]; it.registers = 12 * S; it.horizon = 130 * S;
        }
        launch "pool-in-and-out"
            "into the pool: CONTINUE at once; out of it: joins" {
            it.begin = Begin::IntoPool; it.policy.stack = true; it.waits = true;
            it.script = vec![(25 * S, Move::OutOfPool)]; it.horizon = 120 * S;
        }
        scale_in "pool-back-stopped"
            "back to the pool: drained, CONTINUE, stopped; out again: ACTIVE and joined" {
            it.script = vec![(3 * S, Move::ToPool), (45 * S, Move::OutOfPool)];
            it.horizon = 140 * S;
        }
        scale_in "pool-back-running"
            "the same, running meanwhile, and back again" {
            it.pool = Pool::Running; it.out = Some(30 * S); it.into = Some(30 * S);
            it.script = vec![(3 * S, Move::ToPool), (40 * S, Move::OutOfPool), (90 * S, Move::ToPool)];
            it.horizon = 170 * S;
        }
        scale_in "pool-back-hibernated"
            "the same, hibernated meanwhile" {
            it.pool = Pool::Hibernated;
            it.script = vec![(3 * S, Move::ToPool), (45 * S, Move::OutOfPool)];
            it.horizon = 140 * S;
        }
        scale_in "pool-stopped-terminated"
            "back to the pool, stopped; started to be terminated: CONTINUE" {
            it.out = Some(30 * S);
            it.script = vec![(3 * S, Move::ToPool), (45 * S, Move::TerminatePooled)];
            it.horizon = 120 * S;
        }
        scale_in "pool-running-terminated"
            "back to the pool, running; terminated there: CONTINUE" {
            it.pool = Pool::Running;
            it.script = vec![(3 * S, Move::ToPool), (45 * S, Move::TerminatePooled)];
            it.horizon = 120 * S;
        }
        scale_in "pool-running-stuck"
            "a task is stuck: CONTINUE at the deadline, and into the pool with it, DRAINING all the time" {
            it.pool = Pool::Running; it.full = true; it.work.push(stuck()); it.policy.recheck_after = 20 * S;
            it.script = vec![(3 * S, Move::ToPool)]; it.horizon = 120 * S;
        }
        launch "pool-never-in-service"
            "into the pool, and terminated there: CONTINUE for both" {
            it.begin = Begin::IntoPool; it.script = vec![(25 * S, Move::TerminatePooled)];
            it.horizon = 110 * S;
        }
        quiet "spot-in-group"
            "DRAINING; then Auto Scaling takes it, and it is released" {
            it.script = vec![(3 * S, Move::Spot), (12 * S, Move::ScaleIn)];
        }
        quiet "spot-stop-alone"
            "in no group, stopped by Spot and started again: ACTIVE again" {
            it.begin = Begin::Alone; it.spot_stops = true; it.script = vec![(3 * S, Move::Spot)];
            it.horizon = 120 * S;
        }
        quiet "by-hand"
            "drained by hand, taken back: ACTIVE again; then scaled in" {
            it.script = vec![(3 * S, Move::DrainByHand), (22 * S, Move::UndrainByHand), (72 * S, Move::ScaleIn)];
            it.horizon = 160 * S;
        }
        quiet "undrain-then-scale-in"
            "scaled in while the instance is being set back: DRAINING, and released" {
            it.wait_after = 8 * S;
            it.script = vec![(3 * S, Move::DrainByHand), (22 * S, Move::UndrainByHand), (23 * S, Move::ScaleIn)];
            it.horizon = 110 * S;
        }
        quiet "warnings"
            "a rebalance recommendation and maintenance come and go: ACTIVE again" {
            it.policy.on_rebalance = Some(40 * S); it.policy.on_maintenance = Some(100 * S);
            it.script = vec![(3 * S, Move::Rebalance), (66 * S, Move::Maintenance)];
            it.horizon = 135 * S;
        }
        scale_in "executable-outlasts-hook"
            "an after-drain executable runs past the deadline under a 30 s hook: CONTINUE after it" {
            it.policy.executables.after_drain = true; it.policy.executable_timeout = 70 * S;
            it.out = Some(30 * S); it.script.push((4 * S, Move::ExecutableHangs));
            it.horizon = 160 * S;
        }
        quiet "executables-by-hand"
            "called off while an executable hangs: it is ended, ACTIVE again; scaled in, each runs again: CONTINUE" {
            it.policy.executables = Executables { before_drain: true, after_drain: true, ready: false};
            it.policy.executable_timeout = 30 * S;
            it.script = vec![(2 * S, Move::ExecutableHangs), (3 * S, Move::DrainByHand), (10 * S, Move::UndrainByHand), (45 * S, Move::ScaleIn)];
            it.horizon = 150 * S;
        }
        launch "launch-rebalance-stays"
            "launched under a rebalance recommendation that stays: CONTINUE, SUCCESS, then DRAINING" {
            it.policy.stack = true; it.waits = true; it.warnings_last = 500 * S;
            it.script = vec![(5, Move::Rebalance)];
        }
        quiet "spot-late"
            "EC2 is 45 s late after the notice's time: DRAINING until then" {
            it.begin = Begin::Alone; it.spot_late = 45 * S; it.script = vec![(3 * S, Move::Spot)];
            it.horizon = 100 * S;
        }
        scale_in "standalone-still"
            "the drain stands still on standalone tasks; set ACTIVE meanwhile, it is seen: CONTINUE" {
            it.policy.drain_timeout = 150 * S; it.policy.recheck_after = 20 * S; it.full = true;
            it.work = vec![standalone(118 * S), standalone(119 * S), standalone(120 * S), standalone(121 * S)];
            it.horizon = 190 * S;
        }
        scale_in "pool-back-late-wait"
            "back to the pool, the wait comes late: CONTINUE; out again: ACTIVE and joined" {
            it.wait_after = 18 * S; it.out = Some(30 * S);
            it.script = vec![(3 * S, Move::ToPool), (60 * S, Move::OutOfPool)];
            it.horizon = 150 * S;
        }
        scale_in "pool-running-late-wait"
            "running in the pool, terminated there, the state follows late: CONTINUE for both" {
            it.pool = Pool::Running; it.wait_after = 18 * S; it.begun_after = 16 * S;
            it.out = Some(30 * S);
            it.script = vec![(3 * S, Move::ToPool), (60 * S, Move::TerminatePooled)];
            it.horizon = 150 * S;
        }
        quiet "standby-then-scale-in"
            "terminated out of Standby, the state follows late: CONTINUE" {
            it.wait_after = 18 * S; it.begun_after = 16 * S; it.out = Some(30 * S);
            it.script = vec![(3 * S, Move::Standby), (12 * S, Move::ScaleIn)]; it.horizon = 130 * S;
        }
        quiet "by-hand-alone"
            "in no group, drained by hand and taken back: ACTIVE again" {
            it.begin = Begin::Alone;
            it.script = vec![(3 * S, Move::DrainByHand), (22 * S, Move::UndrainByHand)];
            it.horizon = 100 * S;
        }
        scale_in "daemon-ignored"
            "a daemon's container runs on, and is not waited for: CONTINUE" {
            it.policy.ignore_daemons = true; it.work = vec![service(6 * S), daemon(None)];
        }
        scale_in "daemon-waited-for"
            "a daemon stops last, and is waited for: CONTINUE" {
            it.work = vec![service(6 * S), daemon(Some(18 * S))];
        }
        replaced "root-volume-unknown"
            "its root volume is replaced, metadata says a state that nobody knows: CONTINUE for both" {
            it.replacing = Replacing::Shows(Some(Target::Unknown));
        }
        replaced "root-volume-404"
            "the same, and metadata says nothing: CONTINUE for both" {
            it.replacing = Replacing::Shows(None);
        }
        replaced "root-volume-terminated"
            "the same, and metadata goes on saying Terminated while it arrives: CONTINUE for both" {
            it.replacing = Replacing::Shows(Some(Target::Terminated));
            it.out = Some(120 * S); it.horizon = 180 * S;
        }
        replaced "root-volume-same"
            "the same, and metadata says InService all the time: CONTINUE for the launch" {}
        scale_in "drained-signalled"
            "drained, SUCCESS for a stack that waits, then CONTINUE" {
            it.policy.stack = true; it.policy.signal_drained = true; it.waits = true;
            it.policy.executables.after_drain = true;
        }
        quiet "capacity-idle"
            "a sample each minute; ECS is asked when a task ends, and every ten minutes" {
            it.policy.capacity = true; it.policy.metadata_poll = 30 * S;
            it.work = vec![service(6 * S), standalone(250 * S)]; it.horizon = 800 * S;
        }
        scale_in "capacity-scale-in"
            "samples until it drains, and none from then on" {
            it.policy.capacity = true; it.script = vec![(115 * S, Move::ScaleIn)];
            it.horizon = 260 * S;
        }
        launch "capacity-launch"
            "no sample before it has joined, then one each minute" {
            it.policy.capacity = true; it.registers = 30 * S; it.policy.ready_timeout = 70 * S;
            it.horizon = 200 * S;
        }
        quiet "capacity-away"
            "no sample on standby, nor while it drains by hand" {
            it.policy.capacity = true; it.policy.metadata_poll = 10 * S;
            it.script = vec![(70 * S, Move::Standby), (125 * S, Move::DrainByHand), (150 * S, Move::UndrainByHand)];
            it.horizon = 300 * S;
        }
    }
}
