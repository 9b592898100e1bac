//! Capacity: the worked examples, and when the core looks, speaks and keeps silent.

use std::collections::BTreeSet;
use std::time::Duration;

use ecs_lifecycle_config::{CapacitySettings, HostPort, Protocol, Settings};
use ecs_lifecycle_decide::{
    Action, CapacitySample, ContainerInstanceStatus as Status, ContainerInstanceView, Event,
    FailureKind, HostView, LocalTask, Moment, Note, Resources, Silence, State,
    TargetLifecycleState, TaskStatus, WallTime, capacity_phase, judge, seed_of,
};
use serde_json::Value;

use super::agent::{Agent, BOOT, INSTANCE, SECOND, old, task};

const MINUTE: Duration = Duration::from_mins(1);

fn ports(value: &Value) -> Vec<HostPort> {
    let port = |text: &str| {
        let (number, protocol) = text.split_once('/').unwrap();
        HostPort {
            number: number.parse().unwrap(),
            protocol: match protocol {
                "udp" => Protocol::Udp,
                _ => Protocol::Tcp,
            },
        }
    };
    let texts = value.as_array().unwrap().iter();
    texts.map(|text| port(text.as_str().unwrap())).collect()
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

/// Every example of the specification: what each host says, and the sum.
#[test]
fn the_worked_examples() {
    let examples: Value = serde_json::from_str(include_str!("../capacity/examples.json")).unwrap();
    let examples = examples.as_array().unwrap();
    assert_eq!(examples.len(), 22);
    for example in examples {
        let which = &example["example"];
        let needs = &example["task"];
        let settings = CapacitySettings {
            enabled: true,
            cpu: number(&needs["cpu"]),
            memory: number(&needs["memory"]),
            ports: ports(&needs["ports"]),
            awsvpc: needs["awsvpc"].as_bool().unwrap(),
            task_enis: number(&needs["task_enis"]),
            ..CapacitySettings::default()
        };
        let (mut capacity, mut idle, mut most) = (0, 0.0, 0);
        for host in example["hosts"].as_array().unwrap() {
            let amounts = |name: &str, taken: Vec<HostPort>| Resources {
                cpu: host[name][0].as_i64(),
                memory: host[name][1].as_i64(),
                ports: taken,
            };
            let reserved = ports(&host["reserved"]);
            let taken = [reserved.clone(), ports(&host["taken"])].concat();
            let view = HostView {
                view: ContainerInstanceView {
                    status: Status::parse(host["status"].as_str().unwrap()),
                    running: 0,
                    pending: 0,
                    agent_connected: host["connected"].as_bool().unwrap(),
                    ec2_instance_id: Some(INSTANCE.to_owned()),
                },
                registered: amounts("registered", reserved),
                remaining: amounts("remaining", taken),
                capacity_provider: None,
            };
            let task = |id: u64| LocalTask {
                arn: id.to_string(),
                definition: String::new(),
                awsvpc: true,
            };
            let interfaces = 0..host["interfaces"].as_u64().unwrap();
            let tasks: Vec<LocalTask> = interfaces.map(task).collect();
            let verdict = judge(&settings, None, Ok(&view), Ok(&tasks), INSTANCE);
            let figures = verdict.figures.unwrap();
            assert_eq!(figures.limited_by.as_str(), host["limited_by"], "{which}");
            let Some(expected) = host["figures"].as_array() else {
                assert!(verdict.silence.is_some(), "{which}");
                continue;
            };
            assert_eq!(verdict.silence, None, "{which}");
            assert_eq!(figures.container_capacity, number(&expected[0]), "{which}");
            let share = Some(figures.idle_host_capacity());
            assert_eq!(share, expected[1].as_f64(), "{which}");
            assert_eq!(figures.tasks_per_host, number(&expected[2]), "{which}");
            capacity += figures.container_capacity;
            idle += figures.idle_host_capacity();
            most = most.max(figures.tasks_per_host);
        }
        let sum = &example["sum"];
        assert_eq!(capacity, number(&sum[0]), "{which}");
        let off = (idle - sum[1].as_f64().unwrap()).abs();
        assert!(off < 1e-9, "{which}: {idle}");
        assert_eq!(most, number(&sum[2]), "{which}");
    }
}

fn host(remaining: (i64, i64), registered: (i64, i64)) -> HostView {
    let amounts = |(cpu, memory)| Resources {
        cpu: Some(cpu),
        memory: Some(memory),
        ports: Vec::new(),
    };
    HostView {
        view: ContainerInstanceView {
            status: Status::Active,
            running: 0,
            pending: 0,
            agent_connected: true,
            ec2_instance_id: None,
        },
        registered: amounts(registered),
        remaining: amounts(remaining),
        capacity_provider: None,
    }
}

fn figures(task: &CapacitySettings, host: &HostView) -> (u32, f64, u32) {
    let figures = judge(task, None, Ok(host), Ok(&[]), "").figures.unwrap();
    (
        figures.container_capacity,
        figures.idle_host_capacity(),
        figures.tasks_per_host,
    )
}

/// 5/9 and four times 1/9 are 1.0000000000000002 as floating-point numbers.
#[test]
fn a_sum_of_idle_hosts_is_never_more_than_the_truth() {
    let needs = task_of(1, 0);
    let ninths = |count| figures(&needs, &host((count, 0), (9, 0))).1;
    let shares = [5.0, 1.0, 1.0, 1.0, 1.0].iter();
    let exact: f64 = shares.map(|share| share / 9.0).sum();
    assert!(exact > 1.0, "{exact}");
    let sum = ninths(5) + ninths(1) + ninths(1) + ninths(1) + ninths(1);
    assert!((0.998..=1.0).contains(&sum), "{sum}");
    for total in 1..200 {
        for free in 0..=total {
            let (_, idle, _) = figures(&needs, &host((free, 0), (total, 0)));
            let truth = num(free) / num(total);
            assert!(idle <= truth && truth - idle < 0.001, "{free}/{total}");
        }
    }
}

fn num(number: i64) -> f64 {
    f64::from(i32::try_from(number).unwrap())
}

#[test]
fn daemons_are_taken_off_what_is_registered_and_nothing_goes_below_zero() {
    let mut needs = task_of(100, 100);
    (needs.daemon_cpu, needs.daemon_memory) = (100, 150);
    let offers =
        |needs: &CapacitySettings, cpu, memory| figures(needs, &host((cpu, memory), (1000, 1000)));
    assert_eq!(offers(&needs, 900, 850), (8, 1.0, 8));
    // The daemon does not run yet: what it will take is not offered.
    assert_eq!(offers(&needs, 1000, 1000), (8, 1.0, 8));
    needs.daemon_cpu = 5000;
    assert_eq!(offers(&needs, 900, 850), (0, 0.0, 0));
    needs.daemon_cpu = 0;
    assert_eq!(offers(&needs, -300, 850), (0, 0.0, 8));
}

#[test]
fn what_ecs_does_not_name_is_not_made_up() {
    let mut view = host((0, 0), (0, 0));
    view.registered.memory = None;
    let verdict = judge(&task_of(1, 1), None, Ok(&view), Ok(&[]), "");
    assert_eq!(verdict.figures, None);
    assert!(matches!(verdict.silence, Some(Silence::Unnamed(_))));
    let verdict = judge(&CapacitySettings::default(), None, Ok(&view), Ok(&[]), "");
    assert_eq!(verdict.silence, Some(Silence::NotConfigured));
}

fn task_of(cpu: u32, memory: u32) -> CapacitySettings {
    CapacitySettings {
        enabled: true,
        cpu,
        memory,
        ..CapacitySettings::default()
    }
}

fn policy() -> Settings {
    let mut policy = Settings {
        capacity: task_of(250, 400),
        ..Settings::default()
    };
    policy.metadata.poll_interval = Duration::from_secs(30);
    policy
}

/// An agent in service, at the start of a minute; what it has done so far is forgotten.
fn in_service(policy: Settings) -> Agent {
    let mut agent = started(policy);
    to_the_minute(&mut agent);
    agent
}

fn started(policy: Settings) -> Agent {
    started_where(policy, None)
}

impl Agent {
    /// A request of this kind fails from now on.
    pub fn fails(&mut self, request: &'static str, kind: FailureKind) {
        self.world.failing.insert(request, kind);
    }
}

fn started_where(policy: Settings, failing: Option<(&'static str, FailureKind)>) -> Agent {
    let mut agent = Agent::new(policy, None, old());
    agent.world.failing.extend(failing);
    let resources = host((774, 593), (1024, 993));
    (agent.world.registered, agent.world.remaining) = (resources.registered, resources.remaining);
    agent.world.tasks = vec![task("a")];
    agent.run(SECOND);
    agent
}

fn to_the_minute(agent: &mut Agent) {
    let wall = WallTime::of(agent.now, BOOT).0;
    let left = 60_000 - wall.rem_euclid(60_000);
    agent.run(Duration::from_millis(u64::try_from(left).unwrap()));
    agent.clear();
}

/// All that the capacity asks for.
const ACTIONS: [&str; 4] = [
    "ReadTaskSet",
    "DescribeResources",
    "SendCapacity",
    "FindGroup",
];

fn samples(agent: &Agent) -> Vec<CapacitySample> {
    let sample = |action: &Action| match action {
        Action::SendCapacity(sample) => Some(sample.clone()),
        _ => None,
    };
    agent.actions.iter().filter_map(sample).collect()
}

fn looks(agent: &Agent) -> usize {
    agent.count("DescribeResources")
}

#[test]
fn it_speaks_once_a_minute_at_its_moment_with_the_start_of_the_minute() {
    let mut agent = in_service(policy());
    let phase = Duration::from_millis(u64::try_from(capacity_phase(seed_of(INSTANCE))).unwrap());
    assert!((2_000..45_000).contains(&capacity_phase(seed_of(INSTANCE))));
    let start = WallTime::of(agent.now, BOOT);
    agent.run(phase - Duration::from_millis(1));
    assert!(samples(&agent).is_empty());
    agent.run(Duration::from_millis(1));
    assert_eq!(samples(&agent).len(), 1);
    agent.run(MINUTE * 9);
    let said = samples(&agent);
    for (minute, sample) in (0..).zip(&said) {
        assert_eq!(sample.minute, WallTime(start.0 + 60_000 * minute));
        assert_eq!(sample.figures.container_capacity, 1);
        assert_eq!(sample.cluster, "demo");
        assert_eq!(sample.group.as_deref(), Some("demo-asg"));
    }
    assert_eq!(said.len(), 10);
    assert_eq!(agent.count("ReadTaskSet"), 10);
    assert!(agent.count("FindGroup") <= 1);
}

#[test]
fn the_group_is_not_asked_for_where_it_is_configured() {
    let mut policy = policy();
    policy.autoscaling.auto_scaling_group_name = Some("mine".to_owned());
    let mut agent = in_service(policy);
    agent.run(MINUTE * 3);
    assert_eq!(agent.count("FindGroup"), 0);
    assert_eq!(samples(&agent)[0].group.as_deref(), Some("mine"));
}

#[test]
fn without_the_group_it_speaks_for_the_cluster() {
    let failing = ("FindGroup", FailureKind::Throttled);
    let mut agent = started_where(policy(), Some(failing));
    to_the_minute(&mut agent);
    agent.run(MINUTE * 15);
    // Once for the figures, and a few times for where a machine that has just booted is.
    assert!(agent.count("FindGroup") <= 6);
    assert_eq!(samples(&agent).len(), 15);
    assert!(samples(&agent).iter().all(|sample| sample.group.is_none()));
}

#[test]
fn off_it_asks_nothing() {
    let mut policy = policy();
    policy.capacity.enabled = false;
    let mut agent = in_service(policy);
    agent.run(MINUTE * 15);
    for action in ACTIONS {
        assert!(!agent.did(action), "{action}");
    }
}

#[test]
fn ecs_is_asked_every_ten_minutes_where_nothing_changes() {
    let mut agent = in_service(policy());
    agent.run(MINUTE * 60);
    assert_eq!(looks(&agent), 6);
    assert_eq!(samples(&agent).len(), 60);
}

#[test]
fn after_a_change_it_is_asked_at_once_and_once_more_when_it_has_settled() {
    let mut agent = in_service(policy());
    agent.run(MINUTE * 5);
    agent.clear();
    agent.world.tasks.push(task("b"));
    agent.run(MINUTE);
    assert_eq!(looks(&agent), 1);
    agent.run(MINUTE);
    assert_eq!(looks(&agent), 1, "two minutes have not passed");
    agent.run(MINUTE);
    assert_eq!(looks(&agent), 2);
    agent.run(MINUTE * 7);
    assert_eq!(looks(&agent), 2);
    assert_eq!(samples(&agent).len(), 10);
}

#[test]
fn while_it_keeps_changing_it_is_asked_every_two_minutes() {
    let mut agent = in_service(policy());
    agent.run(MINUTE * 5);
    agent.clear();
    for id in 0..20 {
        agent.world.tasks = vec![task(&id.to_string())];
        agent.run(MINUTE);
    }
    assert_eq!(looks(&agent), 10);
    assert_eq!(samples(&agent).len(), 20);
}

#[test]
fn throttled_it_asks_ever_more_seldom_and_falls_silent_after_twelve_minutes() {
    let mut agent = in_service(policy());
    agent.run(MINUTE);
    assert_eq!((looks(&agent), samples(&agent).len()), (1, 1));
    agent.fails("DescribeResources", FailureKind::Throttled);
    agent.clear();
    let mut at = Vec::new();
    let mut said = Vec::new();
    for minute in 1..=70 {
        agent.run(MINUTE);
        at.extend((0..looks(&agent)).map(|_| minute));
        said.extend(samples(&agent).iter().map(|_| minute));
        agent.clear();
    }
    assert_eq!(at, [10, 12, 16, 24, 40, 56]);
    assert_eq!(said, (1..=12).collect::<Vec<_>>());
    agent.world.failing.clear();
    agent.run(MINUTE * 3);
    assert_eq!((looks(&agent), samples(&agent).len()), (1, 2));
}

#[test]
fn where_the_ecs_agent_does_not_answer_it_keeps_silent() {
    let mut agent = in_service(policy());
    agent.run(MINUTE * 2);
    agent.clear();
    agent.fails("ReadTaskSet", FailureKind::Unreachable);
    agent.run(MINUTE * 3);
    assert!(samples(&agent).is_empty());
    agent.world.failing.clear();
    agent.run(MINUTE);
    assert_eq!(samples(&agent).len(), 1);
}

#[test]
fn a_sample_that_is_not_taken_is_not_sent_again() {
    let mut agent = in_service(policy());
    agent.fails("SendCapacity", FailureKind::Unreachable);
    agent.run(MINUTE * 5);
    assert_eq!(samples(&agent).len(), 5);
    let minutes: BTreeSet<WallTime> = samples(&agent).iter().map(|sample| sample.minute).collect();
    assert_eq!(minutes.len(), 5);
    assert!(agent.said("Failing") > 0);
}

#[test]
fn it_keeps_silent_wherever_a_task_would_not_be_placed() {
    use TargetLifecycleState::{Detached, Standby, Terminated, WarmedStopped};
    type Change = fn(&mut Agent);
    let silent: [(&str, Change); 9] = [
        ("Standby", |agent| agent.target(Some(Standby))),
        ("Detached", |agent| agent.target(Some(Detached))),
        ("not set", |agent| agent.target(None)),
        ("Terminated", |agent| agent.target(Some(Terminated))),
        ("Warmed", |agent| agent.target(Some(WarmedStopped))),
        ("by hand", |agent| {
            agent.take(Event::DrainByHand { timeout: None })
        }),
        ("DRAINING", |agent| agent.world.status = Status::Draining),
        ("disconnected", |agent| agent.world.agent_connected = false),
        ("foreign", |agent| {
            agent.world.ec2_instance_id = "i-0fffffffffffffff0".to_owned()
        }),
    ];
    for (name, change) in silent {
        let mut agent = in_service(policy());
        agent.run(MINUTE * 2);
        change(&mut agent);
        // What only ECS shows is seen with the next look.
        agent.run(MINUTE * 10);
        agent.clear();
        agent.run(MINUTE * 30);
        assert_eq!(samples(&agent), [], "{name}");
    }
    let mut agent = Agent::joining(policy());
    agent.run(MINUTE * 5);
    assert_eq!(samples(&agent), []);
    assert_eq!(looks(&agent), 0);
}

#[test]
fn after_a_join_it_speaks() {
    let mut agent = Agent::joining(policy());
    let resources = host((1024, 993), (1024, 993));
    (agent.world.registered, agent.world.remaining) = (resources.registered, resources.remaining);
    agent.world.identity = Some(super::agent::container_instance());
    agent.run(MINUTE * 5);
    assert_eq!(agent.phase(), "watching");
    assert!(samples(&agent).len() >= 3);
}

/// Killed and started again at every point of a minute, whatever is under way.
#[test]
fn a_restart_never_gives_two_samples_for_a_minute() {
    for held in ACTIONS.into_iter().chain([""]) {
        for at in (0..60_000).step_by(500) {
            let mut agent = in_service(policy());
            let mut said: Vec<WallTime> = Vec::new();
            for _ in 0..2 {
                agent.world.held.insert(held);
                agent.run(Duration::from_millis(at));
                said.extend(samples(&agent).iter().map(|sample| sample.minute));
                agent.world.held.clear();
                agent.restart();
                // A second life, shorter than a minute.
                agent.run(Duration::from_millis(700));
                said.extend(samples(&agent).iter().map(|sample| sample.minute));
                agent.restart();
            }
            agent.run(MINUTE * 2);
            said.extend(samples(&agent).iter().map(|sample| sample.minute));
            let different: BTreeSet<WallTime> = said.iter().copied().collect();
            assert_eq!(different.len(), said.len(), "{held} {at}: {said:?}");
            assert!(!said.is_empty(), "{held} {at}: {said:?}");
        }
    }
}

/// The wall clock is set to and fro in one life.
#[test]
fn a_clock_that_is_set_never_gives_two_samples_for_a_minute() {
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    let mut roll = |most: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % most
    };
    let mut total = 0;
    for _ in 0..40 {
        let mut agent = in_service(policy());
        let mut at_boot = BOOT.0;
        for _ in 0..30 {
            agent.run(Duration::from_millis(roll(200_000)));
            let by = i64::try_from(roll(1_200_000)).unwrap() - 600_000;
            at_boot += if roll(10) == 0 { by * 1_000 } else { by };
            agent.state.set_wall_clock(WallTime(at_boot));
            agent.take(Event::Tick);
        }
        let said: Vec<WallTime> = samples(&agent).iter().map(|sample| sample.minute).collect();
        let different: BTreeSet<WallTime> = said.iter().copied().collect();
        assert_eq!(different.len(), said.len(), "{said:?}");
        total += said.len();
    }
    assert!(total > 400, "{total}");
}

/// A clock that was years ahead does not silence the instance for years.
#[test]
fn a_clock_that_is_set_right_lets_it_speak() {
    let mut agent = in_service(policy());
    let year = 365 * 86_400_000;
    agent.state.set_wall_clock(WallTime(BOOT.0 + year));
    agent.take(Event::Tick);
    agent.run(MINUTE * 10);
    agent.state.set_wall_clock(BOOT);
    agent.take(Event::Tick);
    agent.clear();
    agent.run(MINUTE * 10);
    assert!(samples(&agent).len() >= 9, "{}", samples(&agent).len());
}

fn larger(agent: &Agent) -> Vec<(i64, i64)> {
    let size = |note: &Note| match note {
        Note::LargerTask { cpu, memory, .. } => Some((*cpu, *memory)),
        _ => None,
    };
    agent.notes.iter().filter_map(size).collect()
}

#[test]
fn a_task_that_is_larger_than_configured_is_spoken_of_once() {
    let mut agent = in_service(policy());
    agent.run(MINUTE * 3);
    agent.world.tasks.push(task("b"));
    agent.world.remaining.cpu = Some(274);
    agent.world.remaining.memory = Some(93);
    agent.run(MINUTE * 3);
    assert_eq!(larger(&agent), [(500, 500)]);
    // It goes again, and another comes.
    for tasks in [vec![task("a")], vec![task("a"), task("c")]] {
        let freed = tasks.len() == 1;
        agent.world.tasks = tasks;
        agent.world.remaining.cpu = Some(if freed { 774 } else { 100 });
        agent.run(MINUTE * 6);
    }
    assert_eq!(larger(&agent).len(), 1);
}

#[test]
fn what_may_be_another_tasks_reservation_is_no_drift() {
    type Change = fn(&mut Agent);
    let harmless: [(&str, Change); 4] = [
        ("as configured", |agent| {
            agent.world.tasks.push(task("b"));
            agent.world.remaining.cpu = Some(524);
            agent.world.remaining.memory = Some(193);
        }),
        ("two have come", |agent| {
            agent.world.tasks.extend([task("b"), task("c")]);
            agent.world.remaining.cpu = Some(174);
        }),
        ("one has come, one has gone", |agent| {
            agent.world.tasks = vec![task("b")];
            agent.world.remaining.cpu = Some(174);
        }),
        ("one is on its way out, uncounted", |agent| {
            agent.world.tasks.push(super::agent::stopping("b"));
            agent.world.remaining.cpu = Some(174);
        }),
    ];
    for (name, change) in harmless {
        let mut agent = in_service(policy());
        agent.run(MINUTE * 3);
        change(&mut agent);
        agent.run(MINUTE * 6);
        assert_eq!(larger(&agent), [], "{name}");
    }
}

#[test]
fn the_verdict_says_what_is_known() {
    let verdict = |agent: &Agent| {
        let State { capacity, .. } = &agent.state;
        capacity.verdict(agent.state.standing(), &agent.policy, INSTANCE, agent.now)
    };
    let mut agent = started(policy());
    assert_eq!(verdict(&agent).silence, Some(Silence::NotAsked));
    to_the_minute(&mut agent);
    agent.run(MINUTE);
    let figures = verdict(&agent).figures.unwrap();
    let sentence = figures.sentence(&agent.policy.capacity);
    assert_eq!(sentence, "room for 1 more task of 250/400: memory");
    agent.now = Moment::from_millis(agent.now.as_millis() + 13 * 60_000);
    assert_eq!(verdict(&agent).silence, Some(Silence::Stale));
    for task in &mut agent.world.tasks {
        task.known = TaskStatus::Stopped;
    }
    agent.target(Some(TargetLifecycleState::Standby));
    agent.run(MINUTE);
    let why = verdict(&agent).silence.unwrap().to_string();
    assert_eq!(why, "the target lifecycle state is Standby");
}
