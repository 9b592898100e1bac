//! What draining does to tasks, in the pure model: no sockets, no clock.

#![allow(clippy::unwrap_used, reason = "test")]

use std::time::Duration;

use ecs_lifecycle_simulator::{
    ApiSkew, Calendar, ContainerInstanceStatus, InstanceSpec, Options, TaskSpec, What, Who, World,
};

fn s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// 1 s until told to stop, 3 s to stop.
fn web() -> TaskSpec {
    TaskSpec::service("web")
        .replacement_delay(s(1.0))
        .stop_duration(s(3.0))
}

fn world<const N: usize>(tasks: [TaskSpec; N]) -> (World, String, [String; N]) {
    let (world, id, tasks) = of_many(tasks.into());
    (world, id, tasks.try_into().unwrap())
}

fn of_many(tasks: Vec<TaskSpec>) -> (World, String, Vec<String>) {
    let mut world = World::new(Options::default(), Calendar::new(s(1.7e9), 1.0));
    let id = world.add_instance(InstanceSpec {
        tasks,
        ..InstanceSpec::new("c")
    });
    let arns = world.instance(&id).unwrap().tasks.clone();
    (world, id, arns)
}

fn set(world: &mut World, id: &str, status: ContainerInstanceStatus) {
    world.set_container_instance_status(id, status, Who::Operator);
}

fn drain(world: &mut World, id: &str) {
    set(world, id, ContainerInstanceStatus::Draining);
}

fn told(world: &World, task: &str) -> Option<Duration> {
    world.task(task).unwrap().told_at
}

fn gone(world: &World, task: &str) -> Option<Duration> {
    world.task(task).unwrap().gone_at
}

fn known(world: &World, task: &str) -> &'static str {
    world.task(task).unwrap().known_status(world.now())
}

fn last(world: &World, task: &str) -> &'static str {
    world.task(task).unwrap().last_status(world.now())
}

#[test]
fn running_tasks_are_replaced_then_stopped() {
    let (mut world, id, [task]) = world([web()]);
    drain(&mut world, &id);
    assert_eq!(world.task_counts(&id), (1, 0));
    let mut seen = Vec::new();
    for tenths in 0..60 {
        world.advance(s(f64::from(tenths) / 10.0));
        let status = last(&world, &task);
        if seen.last() != Some(&status) {
            seen.push(status);
        }
        let counted = world.task_counts(&id).0;
        assert_eq!(counted == 1, status == "RUNNING", "{status}");
        let none = world.running_tasks(&id).is_empty();
        assert_eq!(none, gone(&world, &task).is_some());
    }
    let all = "RUNNING DEACTIVATING STOPPING DEPROVISIONING STOPPED";
    assert_eq!(seen.join(" "), all);
    assert_eq!(told(&world, &task), Some(s(1.0)));
    assert_eq!(gone(&world, &task), Some(s(4.0)));
}

#[test]
fn counts_say_zero_while_a_container_still_stops() {
    let (mut world, id, _) = world([web()]);
    drain(&mut world, &id);
    world.advance(s(2.0));
    assert_eq!(world.task_counts(&id), (0, 0));
    assert_eq!(world.running_tasks(&id).len(), 1);
}

#[test]
fn pending_tasks_stop_at_once_and_standalone_ones_never() {
    let (mut world, id, [pending, standalone]) =
        world([web().pending_for(s(60.0)), TaskSpec::standalone("batch")]);
    drain(&mut world, &id);
    world.advance(s(1000.0));
    assert_eq!(told(&world, &pending), Some(s(0.0)));
    assert_eq!(gone(&world, &pending), Some(s(0.0)));
    assert_eq!(told(&world, &standalone), None);
    assert_eq!(last(&world, &standalone), "RUNNING");
    assert!(world.stop_task(&standalone, "drained"));
    world.advance(s(1001.0));
    assert_eq!(last(&world, &standalone), "STOPPED");
    let reason = world.task(&standalone).unwrap().stopped_reason.as_deref();
    assert_eq!(reason, Some("drained"));
}

#[test]
fn daemons_go_last() {
    let (mut world, id, [daemon, _, slow, _]) = world([
        TaskSpec::daemon("logs").replacement_delay(s(0.0)),
        web(),
        web().stop_duration(s(7.0)),
        TaskSpec::standalone("batch"),
    ]);
    drain(&mut world, &id);
    world.advance(s(100.0));
    assert_eq!(gone(&world, &slow), Some(s(8.0)));
    assert_eq!(told(&world, &daemon), Some(s(8.0)));
}

#[test]
fn a_daemon_alone_goes_at_once() {
    let (mut world, id, [daemon]) = world([TaskSpec::daemon("logs").replacement_delay(s(0.0))]);
    drain(&mut world, &id);
    world.advance(s(0.0));
    assert_eq!(told(&world, &daemon), Some(s(0.0)));
}

#[test]
fn protected_tasks_are_left_until_the_protection_ends() {
    let (mut world, id, [task]) = world([web().protected_for(s(50.0))]);
    drain(&mut world, &id);
    world.advance(s(100.0));
    assert_eq!(told(&world, &task), Some(s(50.0)));
}

#[test]
fn back_to_active_calls_off_what_has_not_begun() {
    let (mut world, id, [begun, not_begun, daemon]) = world([
        web(),
        web().replacement_delay(s(10.0)),
        TaskSpec::daemon("logs"),
    ]);
    drain(&mut world, &id);
    world.advance(s(2.0));
    set(&mut world, &id, ContainerInstanceStatus::Active);
    world.advance(s(100.0));
    assert_eq!(gone(&world, &begun), Some(s(4.0)));
    assert_eq!(told(&world, &not_begun), None);
    assert_eq!(told(&world, &daemon), None);
    drain(&mut world, &id);
    world.advance(s(200.0));
    // And draining again starts anew.
    assert_eq!(told(&world, &not_begun), Some(s(110.0)));
}

#[test]
fn the_api_may_be_ahead_of_or_behind_the_container() {
    let ahead = web().api_skew(ApiSkew::Ahead(s(2.0)));
    let behind = web().api_skew(ApiSkew::Behind(s(5.0)));
    let (mut world, id, [ahead, behind]) = world([ahead, behind]);
    drain(&mut world, &id);
    world.advance(s(2.0));
    assert_eq!(last(&world, &ahead), "STOPPED");
    assert!(world.task(&ahead).unwrap().is_running(), "the API is ahead");
    assert_eq!(known(&world, &ahead), "RUNNING");
    world.advance(s(8.9));
    assert!(world.task(&behind).unwrap().is_over());
    assert_ne!(last(&world, &behind), "STOPPED", "the API is behind");
    world.advance(s(9.0));
    assert_eq!(last(&world, &behind), "STOPPED");
}

#[test]
fn introspection_may_lag() {
    let (mut world, id, [lagging, omitting]) =
        world([web().local_lag(s(10.0)), web().omit_desired_status()]);
    drain(&mut world, &id);
    world.advance(s(10.9));
    let desired = |arn: &str| world.task(arn).unwrap().local_desired_status(world.now());
    assert_eq!(known(&world, &lagging), "RUNNING");
    assert_eq!(desired(&lagging), Some("RUNNING"));
    assert_eq!(known(&world, &omitting), "STOPPED");
    assert_eq!(desired(&omitting), None);
    world.advance(s(14.0));
    assert_eq!(known(&world, &lagging), "STOPPED");
    let lag = |w: &What| matches!(w, What::TaskKnownStatus { task, .. } if *task == lagging);
    assert_eq!(world.event_of(&id, lag).map(|e| e.at_sim), Some(s(14.0)));
}

#[test]
fn a_task_may_arrive_just_after_draining() {
    let late = web().after_draining(s(2.0)).pending_for(s(1.0));
    let (mut world, id, tasks) = of_many(vec![late]);
    assert!(tasks.is_empty());
    world.advance(s(100.0));
    let tasks = &world.instance(&id).unwrap().tasks;
    assert!(tasks.is_empty(), "not before DRAINING");
    drain(&mut world, &id);
    world.advance(s(102.5));
    let task = world.instance(&id).unwrap().tasks.first().cloned().unwrap();
    assert_eq!(last(&world, &task), "PENDING");
    world.advance(s(200.0));
    assert_eq!(told(&world, &task), Some(s(104.0)));
    assert_eq!(gone(&world, &task), Some(s(107.0)));
}

#[test]
fn tasks_may_end_by_themselves() {
    let (mut world, _, [task]) = world([TaskSpec::standalone("batch").runs_for(s(5.0))]);
    world.advance(s(4.9));
    assert_eq!(last(&world, &task), "RUNNING");
    world.advance(s(5.0));
    assert_eq!(last(&world, &task), "STOPPED");
    let desired = world.task(&task).unwrap().desired_status(world.now());
    assert_eq!(desired, "STOPPED");
    assert!(world.killed().is_empty());
}

#[test]
fn nothing_stops_while_the_ecs_agent_is_down() {
    let (mut world, id, [task]) = world([web()]);
    world.set_ecs_agent(&id, false);
    drain(&mut world, &id);
    world.advance(s(50.0));
    assert_eq!(told(&world, &task), Some(s(1.0)));
    assert_eq!(last(&world, &task), "RUNNING");
    assert!(world.task(&task).unwrap().is_running());
    world.set_ecs_agent(&id, true);
    world.advance(s(100.0));
    assert_eq!(gone(&world, &task), Some(s(53.0)));
}

#[test]
fn due_times_are_exact_however_coarsely_time_advances() {
    let history = |steps: u32| {
        let (mut world, id, _) =
            world([web(), web().stop_duration(s(0.7)), TaskSpec::daemon("logs")]);
        drain(&mut world, &id);
        for step in 1..=steps {
            world.advance(s(20.0 * f64::from(step) / f64::from(steps)));
        }
        world.events().to_vec()
    };
    assert_eq!(history(1), history(977));
}

#[test]
fn a_second_registration_is_active_beside_the_first() {
    let (mut world, id, tasks) = world([web()]);
    let first = world.instance(&id).unwrap().container_instance_arn.clone();
    drain(&mut world, &id);
    world.register_anew(&id);
    world.advance(s(60.0));
    let instance = world.instance(&id).unwrap();
    assert_ne!(instance.container_instance_arn, first);
    assert_eq!(instance.status, ContainerInstanceStatus::Active);
    assert_eq!(instance.former[&first], ContainerInstanceStatus::Draining);
    assert_eq!(last(&world, &tasks[0]), "STOPPED");
    assert_eq!(world.running_tasks(&id), tasks, "its container goes on");
    assert_eq!(world.task_counts(&id), (0, 0));
}

#[test]
fn the_scheduler_places_a_task_whenever_it_is_active() {
    let (mut world, id, _) = world([]);
    let placed = |world: &World| world.tasks_of(&id).count();
    drain(&mut world, &id);
    world.schedule_whenever_active(&id, web(), s(2.0));
    world.advance(s(10.0));
    assert_eq!(placed(&world), 0);
    set(&mut world, &id, ContainerInstanceStatus::Active);
    world.advance(s(11.0));
    assert_eq!(placed(&world), 0);
    world.advance(s(12.0));
    assert_eq!(placed(&world), 1);
    drain(&mut world, &id);
    world.register_anew(&id);
    world.advance(s(20.0));
    assert_eq!(placed(&world), 2, "also as a second registration");
}
