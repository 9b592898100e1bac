//! A thousand hosts that look at their capacity, and a hundred of them that drain at once: is it within the rates
//! that Amazon ECS grants an account?

use std::time::Duration;

use ecs_lifecycle_config::{CapacitySettings, Settings};
use ecs_lifecycle_decide::{LifecycleState, Moment, TargetLifecycleState};

use super::agent::{Agent, SECOND, name, old, task};

const HOSTS: usize = 1_000;
const DRAINED: usize = 100;
const MINUTES: u64 = 26;
/// When the hundred drain.
const DRAIN: u64 = 18;
/// Over so many minutes the agents were started. All in one minute, they would look in one, again and again, and
/// one call in twenty would be throttled.
const STARTED: u64 = 10;

/// Published bursts and rates: reads of cluster resources, and changes of them.
const READS: (f64, f64) = (100.0, 20.0);
const CHANGES: (f64, f64) = (100.0, 40.0);

/// What an action asks of Amazon ECS: whether it changes something, and how many calls it takes.
fn calls(action: &str) -> Option<(bool, usize)> {
    match action {
        "DescribeContainerInstance"
        | "DescribeResources"
        | "ListContainerInstances"
        | "ClassifyTasks" => Some((false, 1)),
        // Running and stopped ones are listed, then described.
        "ListTasks" => Some((false, 3)),
        "SetDraining" | "SetActive" | "StopTask" => Some((true, 1)),
        _ => None,
    }
}

/// The calls of one host, whose tasks come and go each minute where it is `busy`.
fn host(number: usize, busy: bool) -> Vec<(Moment, bool)> {
    let mut policy = Settings {
        capacity: CapacitySettings {
            enabled: true,
            cpu: 250,
            memory: 400,
            ..CapacitySettings::default()
        },
        ..Settings::default()
    };
    policy.metadata.poll_interval = 10 * SECOND;
    let mut agent = Agent::new(policy, None, old());
    let started = u64::try_from(number).unwrap() % STARTED;
    // Each reads metadata at its own moment within a second.
    let within = Duration::from_millis(u64::try_from(number * 97 % 1_000).unwrap());
    agent.now = agent.now + Duration::from_mins(started) + within;
    let id = format!("i-{number:017x}");
    agent.world.instance_id = id.clone();
    agent.world.ec2_instance_id = id;
    for resources in [&mut agent.world.registered, &mut agent.world.remaining] {
        (resources.cpu, resources.memory) = (Some(1024), Some(993));
    }
    agent.world.tasks = vec![task("0")];
    for minute in started..MINUTES {
        if busy {
            agent.world.tasks = vec![task(&minute.to_string())];
        }
        if number < DRAINED && minute == DRAIN {
            agent.world.lifecycle = Some(LifecycleState::TerminatingWait);
            agent.target(Some(TargetLifecycleState::Terminated));
            agent.run(30 * SECOND);
            agent.stop_tasks();
            agent.run(30 * SECOND);
            assert_eq!(agent.results().len(), 1, "{:?}", agent.actions);
            break;
        }
        agent.run(60 * SECOND);
    }
    let begun = agent.begun.iter().zip(&agent.actions);
    let asked = begun.filter_map(|(at, action)| Some((*at, calls(&name(action))?)));
    let asked = asked.flat_map(|(at, (changes, count))| std::iter::repeat_n((at, changes), count));
    asked.collect()
}

/// The lowest that a bucket of tokens gets.
fn lowest(calls: &[(Moment, bool)], changes: bool, (burst, rate): (f64, f64)) -> f64 {
    let (mut level, mut lowest, mut last) = (burst, burst, Moment::default());
    for (at, _) in calls.iter().filter(|(_, is)| *is == changes) {
        level = (level + at.since(last).as_secs_f64() * rate).min(burst) - 1.0;
        (last, lowest) = (*at, lowest.min(level));
    }
    lowest
}

/// A hundred are terminated in one moment, and their tasks end in one moment: worse than any fleet does.
#[test]
fn a_thousand_looks_beside_a_hundred_drains_are_within_the_published_rates() {
    for (busy, most) in [(false, 1.7), (true, 8.4)] {
        let mut calls: Vec<_> = (0..HOSTS).flat_map(|number| host(number, busy)).collect();
        calls.sort_unstable();
        let reads = lowest(&calls, false, READS);
        let changes = lowest(&calls, true, CHANGES);
        assert!(reads >= 0.0 && changes >= 0.0, "{busy}: {reads} {changes}");
        // Before the drain, once all have looked for the first time.
        let (from, to) = (Duration::from_mins(10), Duration::from_mins(DRAIN));
        let looks = calls.iter().filter(|(at, _)| {
            let at = at.since(Moment::from_millis(90_000));
            (from..to).contains(&at)
        });
        let rate = f64::from(u32::try_from(looks.count()).unwrap()) / (to - from).as_secs_f64();
        assert!(rate <= most, "{busy}: {rate}");
        assert_eq!(
            calls.iter().filter(|(_, changes)| *changes).count(),
            DRAINED
        );
    }
}
