//! Killed before and after every request of a drain. The points come from the record of a drain without
//! faults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ecs_lifecycle_simulator::{
    HeldRequest, Hold, HoldPoint, HookSpec, StackSpec, TaskSpec, What, World,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::lives::{End, Lives, SLACK, apart, wall_clock, watching, written};
use super::report;
use super::stage::{PATIENCE, Stage, group, web};
use super::starved::unless_starved;

/// Requests that occur more often than this are polls: some of them stand for all.
const FEW: usize = 4;
/// Drains at a time.
const AT_ONCE: usize = 8;
const COMPLETE: &str = "autoscaling:CompleteLifecycleAction";

/// A course of events that a drain can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// Services and a daemon.
    Plain,
    /// Standalone tasks are stopped.
    Stopping,
    /// The ECS agent is away, so the ECS API is asked.
    Fallback,
}

/// A moment after which the next request of a kind is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Terminated,
    Draining,
    ToldToStop,
    AllGone,
    Completed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Nth(u64),
    After(Mark),
}

#[derive(Clone, Debug)]
struct Point {
    operation: String,
    when: When,
}

impl Course {
    async fn stage(self) -> Stage {
        let hook = HookSpec::terminating("drain-hook").heartbeat_timeout(Duration::from_secs(4));
        let mut spec = group().terminate_delay(Duration::from_millis(1_500));
        spec.hooks = vec![hook];
        let tasks = match self {
            Self::Plain => vec![web(900), web(1_600), TaskSpec::daemon("logs")],
            Self::Stopping => vec![
                web(300),
                TaskSpec::standalone("job").stop_duration(Duration::from_millis(1_600)),
            ],
            // With the ECS agent away no task is stopped: these end by themselves.
            Self::Fallback => vec![
                TaskSpec::standalone("job").runs_for(Duration::from_secs(2)),
                TaskSpec::standalone("job").runs_for(Duration::from_secs(3)),
            ],
        };
        let mut stage = Stage::with_group(spec, tasks)
            .await
            .set("cloudformation", "stack_name", "demo-stack")
            .set("cloudformation", "logical_resource_id", "Group")
            .set("cloudformation", "signal_drained", "true")
            .set("ecs", "introspection_grace", "300ms")
            .set("ecs", "api_poll_interval", "200ms")
            .set("ecs", "api_settle", "500ms");
        if self == Self::Stopping {
            stage = stage.set("drain", "standalone_tasks", "stop");
        }
        let stack = StackSpec::new("demo-stack").waiting("Group");
        stage.simulator.add_stack(&stack);
        stage
    }

    async fn terminate(self, stage: &Stage) {
        if self == Self::Fallback {
            stage.instance.ecs_agent_down().await;
        }
        assert!(stage.instance.terminate());
    }

    /// Only the plain course is gone through in full.
    fn tells_apart(self, operation: &str) -> bool {
        self == Self::Plain || operation.starts_with("ecs:") || operation == COMPLETE
    }
}

impl Mark {
    fn reached(self, world: &World, id: &str) -> bool {
        let any = |is: fn(&What) -> bool| world.event_of(id, is).is_some();
        match self {
            Self::Terminated => any(|what| matches!(what, What::TargetStateSet(_))),
            Self::Draining => {
                any(|what| matches!(what, What::ContainerInstanceStatusChanged { .. }))
            }
            Self::ToldToStop => any(|what| matches!(what, What::TaskToldToStop { .. })),
            Self::AllGone => world.running_tasks(id).is_empty(),
            Self::Completed => world.completions(id) > 0,
        }
    }
}

impl Point {
    fn hold(&self, at: HoldPoint) -> Hold {
        let hold = match at {
            HoldPoint::Before => Hold::before(&self.operation),
            HoldPoint::After => Hold::after(&self.operation),
        };
        match self.when {
            When::Nth(nth) => hold.nth(nth),
            When::After(_) => hold,
        }
    }
}

/// The points, from the record of a drain that nothing disturbs.
async fn points_of(course: Course) -> Vec<Point> {
    let stage = course.stage().await;
    let _lives = Lives::start(&stage.builder);
    watching(&stage).await.unwrap();
    course.terminate(&stage).await;
    stage.instance.wait_until_gone(PATIENCE).await.unwrap();
    stage.assert_safe();
    let counts: BTreeMap<String, usize> = stage.world(|world| world.requests().counts());
    let beats = "autoscaling:RecordLifecycleActionHeartbeat";
    assert!(
        counts[beats] >= 1,
        "the drain is long enough for a heartbeat"
    );
    let mut points = Vec::new();
    for (operation, count) in counts {
        let mut add = |when| {
            points.push(Point {
                operation: operation.clone(),
                when,
            });
        };
        if !course.tells_apart(&operation) {
            continue;
        }
        if count <= FEW {
            (1..=count).for_each(|nth| add(When::Nth(nth as u64)));
        } else {
            add(When::Nth(1));
            add(When::Nth(2));
            add(When::After(Mark::Terminated));
            add(When::After(Mark::Draining));
            if course == Course::Plain {
                add(When::After(Mark::ToldToStop));
            }
            add(When::After(Mark::AllGone));
            // Only metadata is polled once all is told.
            if operation.starts_with("imds:") {
                add(When::After(Mark::Completed));
            }
        }
    }
    points
}

/// One drain with one death. Returns whether the point was reached: the record of a drain is not the same
/// to the last poll each time.
async fn die_at(
    course: Course,
    point: &Point,
    at: HoldPoint,
    end: End,
) -> (Result<bool, String>, bool, Duration) {
    let stage = course.stage().await;
    let mut lives = Lives::new(&stage.builder);
    let result = live_and_die(course, point, at, end, &stage, &mut lives).await;
    let failed = result.is_err() && !lives.panicked();
    (result, failed, lives.waited())
}

async fn live_and_die(
    course: Course,
    point: &Point,
    at: HoldPoint,
    end: End,
    stage: &Stage,
    lives: &mut Lives,
) -> Result<bool, String> {
    let id = stage.instance.id().to_owned();
    let directory = stage.scratch.path();
    let mut gate = match point.when {
        When::Nth(_) => Some(stage.simulator.hold(point.hold(at))),
        When::After(_) => None,
    };
    lives.begin();
    // Some requests come before any drain.
    let mut reached = false;
    let early = match &mut gate {
        Some(gate) => tokio::select! {
            held = gate.reached(PATIENCE) => Some(held?),
            quiet = watching(stage) => { quiet?; None }
        },
        None => {
            watching(stage).await?;
            None
        }
    };
    if let Some(held) = early {
        die(stage, lives, held, end).await?;
        reached = true;
        lives.begin();
        watching(stage).await?;
    }
    let terminated_at = wall_clock();
    course.terminate(stage).await;
    let mut before = None;
    let mut restarted_at = terminated_at;
    if !reached {
        if let When::After(mark) = point.when {
            let is = |world: &World| mark.reached(world, &id);
            stage.simulator.wait_until("the mark", PATIENCE, is).await?;
            gate = Some(stage.simulator.hold(point.hold(at)));
        }
        let gate = gate.as_mut().unwrap();
        let held = tokio::select! {
            held = gate.reached(PATIENCE) => Some(held?),
            gone = stage.instance.wait_until_gone(PATIENCE) => { gone?; None }
        };
        if let Some(held) = held {
            reached = true;
            die(stage, lives, held, end).await?;
            before = written(directory);
            restarted_at = wall_clock();
            lives.begin();
        }
    }
    let finished = stage.instance.wait_until_gone(PATIENCE).await;
    let verdict = finished.and_then(|()| {
        let after = written(directory).ok_or("the drain was forgotten")?;
        match before {
            Some(before) if apart(before.started_at, after.started_at).as_millis() > 5 => {
                return Err(format!("the deadline moved: {before:?}, then {after:?}"));
            }
            // Written down before the death, or else found out again by the next life.
            _ => {
                let latest = if before.is_some() {
                    terminated_at
                } else {
                    restarted_at
                };
                if after.started_at > latest + SLACK {
                    return Err(format!(
                        "the drain counts from {:?}",
                        apart(after.started_at, terminated_at)
                    ));
                }
            }
        }
        stage.world(|world| judge(world, &id))
    });
    verdict
        .map(|()| reached)
        .map_err(|why| format!("{why}\n{}", lives.log()))
}

/// Ends the life while its request is held; the request then goes the way of all requests of the dead.
async fn die(stage: &Stage, lives: &mut Lives, held: HeldRequest, end: End) -> Result<(), String> {
    let sent = stage.count(COMPLETE);
    lives.end(end).await?;
    // A drain may complete at this very moment, whether it is told to stop or not.
    let due = |world: &World| was_due(world, stage.instance.id());
    if stage.count(COMPLETE) != sent && !stage.world(due) {
        return Err("completed because it was told to stop".to_owned());
    }
    held.reset();
    Ok(())
}

/// Whether the last completion had its evidence: after the last task was known to be STOPPED, two local reads and a look
/// at ECS.
fn was_due(world: &World, id: &str) -> bool {
    let known = |what: &What| matches!(what, What::TaskKnownStatus { .. });
    let mut stopped = world.events_of(id).rev().filter(|event| known(&event.what));
    let log = world.requests();
    let (Some(stopped), Some(completed)) = (stopped.next(), log.last(COMPLETE)) else {
        return false;
    };
    let between = |operation| {
        let requests = log.matching(operation).map(|request| request.at_real);
        requests
            .filter(|at| (stopped.at_real..completed.at_real).contains(at))
            .count()
    };
    world.running_tasks(id).is_empty()
        && between("introspection:GET /v1/tasks") >= 2
        && between("ecs:DescribeContainerInstances") >= 1
}

fn judge(world: &World, id: &str) -> Result<(), String> {
    if !world.killed().is_empty() {
        return Err(format!("killed: {:?}", world.killed()));
    }
    if world.completions(id) != 1 {
        return Err(format!("{} completions", world.completions(id)));
    }
    let ends = |what: &What| {
        matches!(
            what,
            What::HeartbeatLapsed { .. } | What::GlobalTimeoutExpired { .. }
        )
    };
    if let Some(event) = world.event_of(id, ends) {
        return Err(format!("{:?} at {:?}", event.what, event.at_real));
    }
    let signals: Vec<&What> = world
        .events()
        .iter()
        .map(|event| &event.what)
        .filter(|what| matches!(what, What::SignalReceived { .. }))
        .collect();
    let all_alike = signals.iter().all(|signal| {
        matches!(signal, What::SignalReceived { unique_id, success: true, .. } if unique_id == id)
    });
    if signals.is_empty() || !all_alike {
        return Err(format!("signals: {signals:?}"));
    }
    Ok(())
}

async fn every_point(course: Course, ends: &[End]) {
    let points = points_of(course).await;
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut runs = JoinSet::new();
    for point in &points {
        for at in [HoldPoint::Before, HoldPoint::After] {
            for end in ends {
                let (point, end, places) = (point.clone(), *end, Arc::clone(&places));
                runs.spawn(async move {
                    let _place = places.acquire_owned().await.unwrap();
                    let name = format!("{end:?} {at:?} {point:?}");
                    let result = unless_starved(&name, || die_at(course, &point, at, end)).await;
                    (name, result)
                });
            }
        }
    }
    let (mut reached, mut missed, mut failed) = (0, Vec::new(), Vec::new());
    while let Some(run) = runs.join_next().await {
        match run.unwrap() {
            (_, Ok(true)) => reached += 1,
            (name, Ok(false)) => missed.push(name),
            (name, Err(why)) => failed.push(format!("== {name}: {why}")),
        }
    }
    let counts = format!(
        "{course:?}: {} points, {reached} deaths survived, {} points not met, {} failures",
        points.len(),
        missed.len(),
        failed.len()
    );
    report(&counts);
    assert!(failed.is_empty(), "{counts}\n{}", failed.join("\n"));
    assert!(
        missed.len() * 10 <= reached,
        "{counts}: too few of the points were met: {missed:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_or_stopped_at_every_request_of_a_plain_drain() {
    every_point(Course::Plain, &[End::Kill, End::Term]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_request_while_standalone_tasks_are_stopped() {
    every_point(Course::Stopping, &[End::Kill]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_request_while_the_ecs_api_is_asked_instead() {
    every_point(Course::Fallback, &[End::Kill]).await;
}
