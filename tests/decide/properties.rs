//! The invariants, over random worlds. A seed that failed is kept in `proptest-regressions`.

use std::time::Duration;

use ecs_lifecycle_config::{
    DaemonTasks, ResultOnTimeout, Settings, StackResource, StandaloneTasks,
};
use ecs_lifecycle_decide::{Moment, Outcome};
use proptest::prelude::*;

use super::world::{Plan, World};

/// The longest that a call of the random world takes.
const SLOWEST: Duration = Duration::from_millis(4_100);

fn settings() -> impl Strategy<Value = Settings> {
    let result = prop_oneof![
        Just(ResultOnTimeout::Continue),
        Just(ResultOnTimeout::Abandon),
        Just(ResultOnTimeout::None)
    ];
    let standalone = prop_oneof![Just(StandaloneTasks::Wait), Just(StandaloneTasks::Stop)];
    (30_u64..1_200, result, standalone, any::<bool>()).prop_map(
        |(timeout, result, standalone, stack)| {
            let mut settings = Settings::default();
            settings.drain.timeout = Duration::from_secs(timeout);
            settings.drain.result_on_timeout = result;
            settings.drain.standalone_tasks = standalone;
            settings.drain.daemon_tasks = DaemonTasks::Wait;
            settings.cloudformation.resource = stack.then(|| StackResource {
                stack_name: "demo".to_owned(),
                logical_resource_id: "Group".to_owned(),
            });
            settings
        },
    )
}

fn plans(
    faults: std::ops::Range<u64>,
    deaths: std::ops::Range<u64>,
) -> impl Strategy<Value = Plan> {
    (
        any::<u64>(),
        0..12_u64,
        faults,
        deaths,
        0..11_u64,
        0..60_u64,
        30..600_u64,
        settings(),
    )
        .prop_map(
            |(seed, tasks, faults, deaths, api_ahead, wait_delay, heartbeat_timeout, settings)| {
                Plan {
                    seed,
                    tasks,
                    faults,
                    deaths,
                    api_ahead,
                    wait_delay,
                    heartbeat_timeout,
                    settings,
                }
            },
        )
}

/// Holds in every world, however bad.
fn safe(plan: &Plan, world: &World) {
    let record = &world.record;
    assert!(record.accepted.len() <= 1, "completed twice: {record:?}");
    let Some(started) = record.drain_started else {
        return;
    };
    let deadline = started + plan.settings.drain.timeout;
    for (when, containers_run) in &record.accepted {
        assert!(
            !containers_run || *when >= deadline,
            "completed early: {record:?}"
        );
        // A restart after it may have found the deadline past; what counts is what was decided before.
        let drained = record
            .drains_over
            .iter()
            .any(|(at, outcome)| at <= when && *outcome == Outcome::Drained);
        let may_time_out =
            *when >= deadline && plan.settings.drain.result_on_timeout != ResultOnTimeout::None;
        assert!(
            drained || may_time_out,
            "completed without a reason: {record:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn in_any_world_nothing_completes_twice_or_early(plan in plans(0..60, 0..5)) {
        let mut world = World::new(plan.clone());
        world.run(Moment::from_millis(3_600_000));
        safe(&plan, &world);
    }

    #[test]
    fn in_a_world_with_few_faults_every_drain_ends_in_time(plan in plans(0..15, 0..3)) {
        let mut world = World::new(plan.clone());
        world.run(Moment::from_millis(3_600_000));
        safe(&plan, &world);
        let record = &world.record;
        prop_assert!(record.ended_at.is_some(), "never done: {record:?}");
        let started = record.drain_started.expect("ended");
        let (over, _) = *record.drains_over.first().expect("ended");
        // A restart may have come between the deadline and the word of it.
        let latest = started + plan.settings.drain.timeout + Duration::from_secs(20);
        prop_assert!(over <= latest, "over too late: {record:?}");
    }

    #[test]
    fn heartbeats_are_never_further_apart_than_a_third(plan in plans(0..60, 0..1)) {
        let mut world = World::new(plan.clone());
        world.run(Moment::from_millis(3_600_000));
        let record = &world.record;
        let interval = Duration::from_secs(plan.heartbeat_timeout) / 3;
        if let (Some(started), Some((over, _))) = (record.drain_started, record.drains_over.first().copied()) {
            let deadline = started + plan.settings.drain.timeout;
            let from = record.hook_found.map_or(over, |found| found.max(started + interval));
            let mut last = from;
            for beat in record.heartbeats.iter().filter(|beat| **beat <= over) {
                prop_assert!(*beat < deadline, "a heartbeat after the deadline: {record:?}");
                prop_assert!(beat.since(last) <= interval + SLOWEST, "{record:?}");
                last = *beat;
            }
            prop_assert!(over.since(last) <= interval + SLOWEST, "{record:?}");
        }
    }

    #[test]
    fn without_faults_the_hook_never_lapses(plan in plans(0..1, 0..4)) {
        let mut world = World::new(plan.clone());
        world.run(Moment::from_millis(3_600_000));
        safe(&plan, &world);
        let timed_out = world.record.drains_over.iter().any(|over| over.1 == Outcome::TimedOut);
        prop_assert!(timed_out || !world.record.lapsed, "{:?}", world.record);
    }
}

/// Ten seconds or two hours, one task or three hundred: the same few calls.
#[test]
fn the_calls_of_a_plain_drain_depend_on_neither_length_nor_size() {
    for (tasks, seconds) in [(1, 10), (1, 7_200), (300, 10), (300, 7_200)] {
        let mut settings = Settings::default();
        settings.drain.timeout = Duration::from_hours(4);
        let plan = Plan {
            seed: 1,
            tasks: 0,
            faults: 0,
            deaths: 0,
            api_ahead: 0,
            wait_delay: 2,
            heartbeat_timeout: 3_600,
            settings,
        };
        let mut world = World::new(plan);
        world.plain_tasks(tasks, Duration::from_secs(seconds));
        world.run(Moment::from_millis(4 * 3_600_000));
        let calls = &world.record.calls;
        let of = |name: &str| calls.get(name).copied().unwrap_or(0);
        for once in [
            "SetDraining",
            "FindGroup",
            "DescribeLifecycleHooks",
            "DescribeContainerInstance",
            "Complete",
        ] {
            assert_eq!(of(once), 1, "{tasks} tasks, {seconds} s, {once}: {calls:?}");
        }
        for never in [
            "ListTasks",
            "ClassifyTasks",
            "StopTask",
            "SetActive",
            "Signal",
        ] {
            assert_eq!(
                of(never),
                0,
                "{tasks} tasks, {seconds} s, {never}: {calls:?}"
            );
        }
        assert_eq!(of("Heartbeat"), seconds / 1_200, "{calls:?}");
    }
}
