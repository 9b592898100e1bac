//! What happens in one random drain, all of it from its seed.

use std::time::Duration;

use ecs_lifecycle_simulator::{
    ApiSkew, ContainerInstanceStatus, FaultKind, GroupSpec, HookSpec, TargetLifecycleState,
    TaskKind, TaskSpec,
};

use super::dice::Dice;
use super::millis;
use crate::lives::End;

pub const OURS: &str = "drain-hook";
const MANAGED: &str = "ecs-managed-draining-termination-hook";
const THEIRS: &str = "other-hook";

/// What starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Terminated,
    Pool(TargetLifecycleState),
    Spot(Duration),
    /// A Spot notice first, then Auto Scaling.
    SpotThenTerminated(Duration),
}

/// Something that happens at a moment of the drain.
#[derive(Clone, Debug)]
pub enum Act {
    Die(End),
    Rise,
    EcsAgent(bool),
    Imds(bool),
    ExpireCredentials,
    RevokeTokens,
    Terminate,
    Operator(ContainerInstanceStatus),
    CompleteTheirs,
    /// Back into service.
    Return,
    /// The faults end.
    Heal,
}

#[derive(Clone, Debug)]
pub struct Trouble {
    pub operation: &'static str,
    pub kind: FaultKind,
    pub probability: f64,
    pub times: u64,
    pub seed: u64,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub cause: Cause,
    pub tasks: Vec<TaskSpec>,
    pub group: GroupSpec,
    pub their_hook: Option<&'static str>,
    pub tags: bool,
    pub stack: bool,
    pub settings: Vec<(&'static str, &'static str, String)>,
    /// From its start to its deadline, whatever other deadlines there are.
    pub timeout: Duration,
    pub leaves_it_to_the_hook: bool,
    pub drained_by_an_operator: bool,
    pub troubles: Vec<Trouble>,
    /// In the order of time, from the cause on.
    pub acts: Vec<(Duration, Act)>,
    pub called_off: bool,
    pub ignores_standalone: bool,
    pub ignores_daemons: bool,
}

const REMOTE: &[&str] = &[
    "ecs:*",
    "autoscaling:*",
    "ecs:UpdateContainerInstancesState",
    "ecs:DescribeContainerInstances",
    "ecs:ListTasks|ecs:DescribeTasks|ecs:StopTask",
    "autoscaling:CompleteLifecycleAction",
    "autoscaling:CompleteLifecycleAction",
    "autoscaling:RecordLifecycleActionHeartbeat",
    "autoscaling:DescribeAutoScalingInstances|autoscaling:DescribeLifecycleHooks",
    "cloudformation:SignalResource",
];
const LOCAL: &[&str] = &[
    "imds:*",
    "imds:GET /latest/meta-data/*",
    "imds:PUT /latest/api/token",
    "introspection:*",
    "introspection:GET /v1/tasks",
];

impl Plan {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let dice = &mut dice;
        let cause = cause(dice);
        let heartbeat = Duration::from_secs(dice.between(3, 6));
        let mut hook = HookSpec::terminating(OURS).heartbeat_timeout(heartbeat);
        let mut timeout = dice.millis(3_000, 6_000);
        let configured = timeout;
        if dice.percent(10) {
            let global = Duration::from_secs(dice.between(4, 6));
            hook = hook.global_timeout(global);
            timeout = timeout.min(global - global / 4);
        }
        let mut group = GroupSpec::new("demo-asg")
            .wait_delay(dice.millis(20, 600))
            .acceptance_delay(dice.millis(0, 500))
            .terminate_delay(dice.millis(100, 800))
            .hook(hook);
        let their_hook = match dice.between(0, 9) {
            0 | 1 => Some(MANAGED),
            2 => Some(THEIRS),
            _ => None,
        };
        if let Some(name) = their_hook {
            group = group.hook(HookSpec::terminating(name));
        }
        let tasks = (0..dice.between(0, 5)).map(|_| task(dice)).collect();
        let mut plan = Self {
            cause,
            tasks,
            group,
            their_hook,
            tags: dice.percent(50),
            stack: dice.percent(50),
            settings: Vec::new(),
            timeout,
            leaves_it_to_the_hook: false,
            drained_by_an_operator: dice.percent(12),
            troubles: Vec::new(),
            acts: Vec::new(),
            called_off: false,
            ignores_standalone: false,
            ignores_daemons: false,
        };
        plan.configure(dice, configured);
        if dice.percent(80) {
            plan.disturb(dice);
        }
        if let Cause::SpotThenTerminated(_) = cause {
            plan.act(dice.millis(50, 1_500), Act::Terminate);
        }
        if their_hook.is_some() {
            plan.act(dice.millis(1_500, 4_000), Act::CompleteTheirs);
        }
        if matches!(cause, Cause::Pool(_)) && dice.percent(75) {
            plan.called_off = true;
            plan.act(dice.millis(10, 4_500), Act::Return);
        }
        plan.acts.sort_by_key(|(at, _)| *at);
        plan
    }

    fn act(&mut self, at: Duration, act: Act) {
        self.acts.push((at, act));
    }

    fn configure(&mut self, dice: &mut Dice, timeout: Duration) {
        let mut set = |section, key, value: &str| {
            self.settings.push((section, key, value.to_owned()));
        };
        set("metadata", "poll_interval", "80ms");
        set("metadata", "request_timeout", "500ms");
        set("ecs", "introspection_poll_interval", "60ms");
        set("ecs", "introspection_timeout", "500ms");
        set("ecs", "introspection_grace", "300ms");
        set("ecs", "api_poll_interval", "150ms");
        set("ecs", "api_settle", "600ms");
        set("ecs", "placement_settle", "250ms");
        set("aws", "request_timeout", "600ms");
        set("drain", "recheck_after", "700ms");
        let timeout = format!("{}ms", timeout.as_millis());
        set("drain", "timeout", &timeout);
        let result = dice.one_of(&["CONTINUE", "CONTINUE", "ABANDON", "NONE"]);
        set("drain", "result_on_timeout", result);
        let standalone = dice.one_of(&["wait", "wait", "stop", "ignore"]);
        set("drain", "standalone_tasks", standalone);
        let daemons = dice.one_of(&["wait", "wait", "wait", "ignore"]);
        set("drain", "daemon_tasks", daemons);
        if self.their_hook == Some(THEIRS) || dice.percent(30) {
            set("autoscaling", "lifecycle_hook_name", OURS);
        }
        if self.stack {
            set("cloudformation", "stack_name", "demo-stack");
            set("cloudformation", "logical_resource_id", "Group");
            set("cloudformation", "signal_drained", "true");
        }
        self.leaves_it_to_the_hook = result == "NONE";
        self.ignores_standalone = standalone == "ignore";
        self.ignores_daemons = daemons == "ignore";
    }

    fn disturb(&mut self, dice: &mut Dice) {
        for _ in 0..dice.between(0, 4) {
            let trouble = trouble(dice);
            self.troubles.push(trouble);
        }
        self.act(dice.millis(800, 4_000), Act::Heal);
        for _ in 0..dice.between(0, 4) {
            let at = dice.millis(0, 4_500);
            let end = dice.one_of(&[End::Kill, End::Kill, End::Term]);
            self.act(at, Act::Die(end));
            self.act(at + dice.millis(0, 700), Act::Rise);
        }
        if dice.percent(25) {
            let at = dice.millis(0, 2_500);
            self.act(at, Act::EcsAgent(false));
            self.act(at + dice.millis(100, 2_000), Act::EcsAgent(true));
        }
        if dice.percent(20) {
            let at = dice.millis(0, 2_500);
            self.act(at, Act::Imds(false));
            self.act(at + dice.millis(50, 1_000), Act::Imds(true));
        }
        if dice.percent(15) {
            self.act(dice.millis(0, 3_000), Act::ExpireCredentials);
        }
        if dice.percent(15) {
            self.act(dice.millis(0, 3_000), Act::RevokeTokens);
        }
        if dice.percent(15) {
            let active = Act::Operator(ContainerInstanceStatus::Active);
            self.act(dice.millis(200, 3_000), active);
        }
    }
}

fn cause(dice: &mut Dice) -> Cause {
    match dice.between(0, 99) {
        0..55 => Cause::Terminated,
        55..88 => Cause::Pool(dice.one_of(&[
            TargetLifecycleState::WarmedStopped,
            TargetLifecycleState::WarmedRunning,
            TargetLifecycleState::WarmedHibernated,
        ])),
        88..94 => Cause::Spot(dice.millis(3_000, 6_000)),
        _ => Cause::SpotThenTerminated(dice.millis(4_000, 7_000)),
    }
}

fn task(dice: &mut Dice) -> TaskSpec {
    let mut task = match dice.between(0, 9) {
        0..6 => TaskSpec::service(dice.one_of(&["web", "api"])),
        6 => TaskSpec::daemon("logs"),
        _ => {
            let task = TaskSpec::standalone("job");
            // One that never ends waits for the deadline, or for StopTask.
            if dice.percent(80) {
                task.runs_for(dice.millis(300, 3_500))
            } else {
                task
            }
        }
    };
    let longest = if dice.percent(5) { 60_000 } else { 1_500 };
    task = task
        .stop_duration(dice.millis(longest / 30, longest))
        .replacement_delay(dice.millis(0, 500))
        .local_lag(dice.millis(0, 150));
    task = match dice.between(0, 3) {
        0 => task.api_skew(ApiSkew::Ahead(dice.millis(10, 250))),
        1 => task.api_skew(ApiSkew::Behind(dice.millis(10, 500))),
        _ => task,
    };
    if dice.percent(10) {
        task = task.omit_desired_status();
    }
    if dice.percent(10) && !matches!(task.kind, TaskKind::Standalone) {
        task = task
            .after_draining(dice.millis(0, 100))
            .pending_for(dice.millis(0, 300));
    }
    task
}

fn trouble(dice: &mut Dice) -> Trouble {
    let slow = millis(dice.between(100, 1_500));
    let (operation, kinds) = if dice.percent(60) {
        let kinds = vec![
            FaultKind::Throttled,
            FaultKind::InternalError,
            FaultKind::ExpiredCredentials,
            FaultKind::LostResponse,
            FaultKind::LostResponse,
            FaultKind::SlowResponse(slow),
            FaultKind::Delay(slow),
            FaultKind::Hang,
            FaultKind::Refuse,
            FaultKind::ResetMidBody,
            FaultKind::Truncated,
            FaultKind::Garbage,
            FaultKind::Empty,
            FaultKind::WrongType,
            FaultKind::Status(503, None),
            FaultKind::AccessDenied,
        ];
        (dice.one_of(REMOTE), kinds)
    } else {
        let kinds = vec![
            FaultKind::InternalError,
            FaultKind::LostResponse,
            FaultKind::SlowResponse(slow),
            FaultKind::Hang,
            FaultKind::Refuse,
            FaultKind::Truncated,
            FaultKind::Garbage,
            FaultKind::Empty,
            FaultKind::WrongType,
            FaultKind::Status(404, None),
        ];
        (dice.one_of(LOCAL), kinds)
    };
    let mut kind = dice.one_of(&kinds);
    // "Not there" is an answer in the metadata service, not a fault.
    if matches!(kind, FaultKind::Status(404, _)) && operation.starts_with("imds:") {
        kind = FaultKind::Status(500, None);
    }
    let times = match kind {
        // Is asked again only after many seconds.
        FaultKind::AccessDenied => 1,
        _ => dice.between(1, 6),
    };
    #[expect(clippy::cast_precision_loss, reason = "at most 90")]
    let probability = dice.between(15, 90) as f64 / 100.0;
    Trouble {
        operation,
        kind,
        probability,
        times,
        seed: dice.next(),
    }
}
