//! The hook state machine, in the pure model: no sockets, no clock.

#![allow(clippy::unwrap_used, reason = "test")]

use std::time::Duration;

use ecs_lifecycle_simulator::model::HookError;
use ecs_lifecycle_simulator::{
    Calendar, GroupSpec, HookSpec, InstanceSpec, LifecycleActionResult, LifecycleState, Options,
    SpotAction, TargetLifecycleState as Target, TaskSpec, What, Who, World,
};

const CONTINUE: LifecycleActionResult = LifecycleActionResult::Continue;
const ABANDON: LifecycleActionResult = LifecycleActionResult::Abandon;

fn s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn group() -> GroupSpec {
    GroupSpec::new("g")
        .wait_delay(s(2.0))
        .terminate_delay(s(1.0))
}

fn hook(name: &str) -> HookSpec {
    HookSpec::terminating(name).heartbeat_timeout(s(10.0))
}

fn world(group: GroupSpec, tasks: Vec<TaskSpec>) -> (World, String) {
    let mut world = World::new(Options::default(), Calendar::new(s(1.7e9), 1.0));
    world.add_group(group);
    let id = world.add_instance(InstanceSpec {
        tasks,
        ..InstanceSpec::new("c").group("g")
    });
    (world, id)
}

fn complete(
    world: &mut World,
    id: &str,
    hook: &str,
    result: LifecycleActionResult,
) -> Result<(), HookError> {
    world.complete(id, hook, None, result, Who::Operator)
}

fn state(world: &World, id: &str) -> Option<LifecycleState> {
    world.instance(id).unwrap().lifecycle_state
}

fn target(world: &World, id: &str) -> Option<Target> {
    world.instance(id).unwrap().target_lifecycle_state
}

fn gone(world: &World, id: &str) -> Option<Duration> {
    at(world, id, |w| matches!(w, What::InstanceGone { .. }))
}

fn at(world: &World, id: &str, is: impl Fn(&What) -> bool) -> Option<Duration> {
    world.event_of(id, is).map(|e| e.at_sim)
}

#[test]
fn metadata_shows_terminated_before_the_wait() {
    let (mut world, id) = world(group().hook(hook("h")), vec![]);
    assert!(world.terminate(&id));
    assert!(!world.terminate(&id), "it is on its way out already");
    assert_eq!(target(&world, &id), Some(Target::Terminated));
    assert_eq!(state(&world, &id), Some(LifecycleState::Terminating));
    // Too early.
    assert_eq!(complete(&mut world, &id, "h", CONTINUE), Err(HookError));
    world.advance(s(2.0));
    assert_eq!(state(&world, &id), Some(LifecycleState::TerminatingWait));
}

#[test]
fn refused_for_the_acceptance_delay_then_accepted_once() {
    let (mut world, id) = world(group().acceptance_delay(s(3.0)).hook(hook("h")), vec![]);
    world.terminate(&id);
    world.advance(s(4.9));
    assert_eq!(state(&world, &id), Some(LifecycleState::TerminatingWait));
    assert_eq!(complete(&mut world, &id, "h", CONTINUE), Err(HookError));
    assert_eq!(world.heartbeat(&id, "h", None), Err(HookError));
    world.advance(s(5.0));
    assert_eq!(world.heartbeat(&id, "h", None), Ok(()));
    assert_eq!(complete(&mut world, &id, "other", CONTINUE), Err(HookError));
    assert_eq!(complete(&mut world, &id, "h", CONTINUE), Ok(()));
    // Completed already.
    assert_eq!(complete(&mut world, &id, "h", CONTINUE), Err(HookError));
    assert_eq!(world.heartbeat(&id, "h", None), Err(HookError));
    assert_eq!(state(&world, &id), Some(LifecycleState::TerminatingProceed));
    world.advance(s(6.0));
    assert!(world.is_gone(&id));
    assert_eq!(state(&world, &id), None);
    assert_eq!(world.completions(&id), 1);
}

#[test]
fn heartbeats_restart_one_clock_and_not_the_other() {
    let (mut world, id) = world(group().hook(hook("h").global_timeout(s(25.0))), vec![]);
    world.terminate(&id);
    for at in [11.0, 20.0, 26.0] {
        world.advance(s(at));
        assert_eq!(world.heartbeat(&id, "h", None), Ok(()), "at {at}");
    }
    world.advance(s(100.0));
    let expired = |w: &What| matches!(w, What::GlobalTimeoutExpired { default_result, .. } if *default_result == ABANDON);
    assert_eq!(at(&world, &id, expired), Some(s(27.0)));
    let lapsed = at(&world, &id, |w| matches!(w, What::HeartbeatLapsed { .. }));
    assert_eq!(lapsed, None);
    assert_eq!(gone(&world, &id), Some(s(28.0)));
}

#[test]
fn without_heartbeat_the_default_result_kills_what_runs() {
    let task = TaskSpec::service("web");
    let group = group().hook(hook("h").default_result(CONTINUE));
    let (mut world, id) = world(group, vec![task.clone(), task]);
    world.terminate(&id);
    world.advance(s(1000.0));
    let lapsed = |w: &What| matches!(w, What::HeartbeatLapsed { default_result, .. } if *default_result == CONTINUE);
    assert_eq!(at(&world, &id, lapsed), Some(s(12.0)));
    let killed = at(&world, &id, |w| matches!(w, What::Killed { .. }));
    assert_eq!(killed, Some(s(12.0)));
    assert_eq!(world.killed().len(), 2);
    assert_eq!(world.completions(&id), 0);
}

#[test]
fn the_default_global_timeout_is_a_hundred_heartbeats_or_two_days() {
    assert_eq!(hook("h").effective_global_timeout(), s(1000.0));
    let long = hook("h").heartbeat_timeout(s(7200.0));
    assert_eq!(long.effective_global_timeout(), s(172_800.0));
}

#[test]
fn every_hook_has_to_be_completed() {
    let (mut world, id) = world(group().hook(hook("a")).hook(hook("b")), vec![]);
    world.terminate(&id);
    world.advance(s(3.0));
    assert_eq!(complete(&mut world, &id, "a", CONTINUE), Ok(()));
    assert_eq!(state(&world, &id), Some(LifecycleState::TerminatingWait));
    assert_eq!(complete(&mut world, &id, "a", CONTINUE), Err(HookError));
    assert_eq!(complete(&mut world, &id, "b", CONTINUE), Ok(()));
    assert_eq!(state(&world, &id), Some(LifecycleState::TerminatingProceed));
}

#[test]
fn abandon_skips_the_rest() {
    let (mut world, id) = world(group().hook(hook("a")).hook(hook("b")), vec![]);
    world.terminate(&id);
    world.advance(s(3.0));
    assert_eq!(complete(&mut world, &id, "b", ABANDON), Ok(()));
    assert_eq!(state(&world, &id), Some(LifecycleState::TerminatingProceed));
    assert_eq!(complete(&mut world, &id, "a", CONTINUE), Err(HookError));
}

#[test]
fn abandoned_instances_may_be_retained() {
    let task = TaskSpec::service("web");
    let (mut world, id) = world(group().retain_on_abandon().hook(hook("h")), vec![task]);
    world.terminate(&id);
    world.advance(s(100.0));
    let retained = LifecycleState::TerminatingRetained;
    assert_eq!(state(&world, &id), Some(retained));
    assert!(world.killed().is_empty());
}

#[test]
fn tokens_name_the_action() {
    let (mut world, id) = world(group().hook(hook("h")), vec![]);
    world.terminate(&id);
    world.advance(s(2.0));
    let pending = world.instance(&id).unwrap().pending_hook("h");
    let token = pending.unwrap().token.clone();
    assert_eq!(world.heartbeat(&id, "h", Some("another")), Err(HookError));
    assert_eq!(world.heartbeat(&id, "h", Some(&token)), Ok(()));
    let completed = world.complete(&id, "h", Some(&token), CONTINUE, Who::Operator);
    assert_eq!(completed, Ok(()));
}

#[test]
fn without_hooks_it_goes_straight_on() {
    let (mut world, id) = world(group(), vec![TaskSpec::standalone("batch")]);
    world.terminate(&id);
    world.advance(s(3.0));
    assert!(world.is_gone(&id));
    assert_eq!(world.killed().len(), 1);
}

#[test]
fn the_warm_pool_runs_the_hooks_and_kills_nothing() {
    let group = group().hook(hook("h")).hook(HookSpec::launching("l"));
    let (mut world, id) = world(group, vec![TaskSpec::service("web")]);
    assert!(world.send_to_warm_pool(&id, Target::WarmedStopped));
    assert_eq!(target(&world, &id), Some(Target::WarmedStopped));
    world.advance(s(2.0));
    assert_eq!(complete(&mut world, &id, "h", CONTINUE), Ok(()));
    world.advance(s(3.0));
    assert_eq!(state(&world, &id), Some(LifecycleState::WarmedStopped));
    assert!(world.killed().is_empty());
    let suspended = at(&world, &id, |w| matches!(w, What::Suspended { .. }));
    assert!(suspended.is_some(), "a container still ran");

    assert!(world.return_to_service(&id));
    assert_eq!(target(&world, &id), Some(Target::InService));
    world.advance(s(5.0));
    assert_eq!(state(&world, &id), Some(LifecycleState::PendingWait));
    assert_eq!(complete(&mut world, &id, "l", CONTINUE), Ok(()));
    world.advance(s(6.0));
    assert_eq!(state(&world, &id), Some(LifecycleState::InService));
    assert!(world.terminate(&id), "and a real termination may follow");
    world.advance(s(100.0));
    assert!(world.is_gone(&id));
}

#[test]
fn launching_waits_for_the_launching_hook() {
    let group = group().hook(hook("h")).hook(HookSpec::launching("l"));
    let (mut world, _) = world(group, vec![]);
    let good = world.launch(InstanceSpec::new("c").group("g"));
    let bad = world.launch(InstanceSpec::new("c").group("g"));
    assert_eq!(state(&world, &good), Some(LifecycleState::Pending));
    world.advance(s(2.0));
    assert_eq!(state(&world, &good), Some(LifecycleState::PendingWait));
    // Another transition's hook.
    assert_eq!(complete(&mut world, &good, "h", CONTINUE), Err(HookError));
    assert_eq!(complete(&mut world, &good, "l", CONTINUE), Ok(()));
    assert_eq!(complete(&mut world, &bad, "l", ABANDON), Ok(()));
    world.advance(s(3.0));
    assert_eq!(state(&world, &good), Some(LifecycleState::InService));
    assert_eq!(state(&world, &bad), Some(LifecycleState::Terminating));
}

#[test]
fn standby_and_detach_run_no_hooks() {
    let (mut world, id) = world(group().hook(hook("h")), vec![]);
    assert!(world.enter_standby(&id));
    assert_eq!(target(&world, &id), Some(Target::Standby));
    assert_eq!(state(&world, &id), Some(LifecycleState::Standby));
    assert!(world.exit_standby(&id));
    assert_eq!(state(&world, &id), Some(LifecycleState::InService));
    assert!(world.detach(&id));
    assert_eq!(state(&world, &id), None);
    assert!(!world.terminate(&id));
    assert!(!world.is_gone(&id));
}

#[test]
fn a_spot_interruption_waits_for_nobody() {
    let (mut world, id) = world(group().hook(hook("h")), vec![TaskSpec::service("web")]);
    world.interrupt_spot(&id, SpotAction::Terminate, s(120.0));
    world.advance(s(119.9));
    assert!(!world.is_gone(&id));
    world.advance(s(500.0));
    assert_eq!(gone(&world, &id), Some(s(120.0)));
    assert_eq!(world.killed().len(), 1);
}

#[test]
fn termination_by_the_ec2_api_does_not_wait_for_the_hook() {
    let (mut world, id) = world(group().hook(hook("h")), vec![TaskSpec::service("web")]);
    world.terminate_outside_auto_scaling(&id);
    assert!(world.is_gone(&id));
    assert_eq!(world.killed().len(), 1);
    assert!(!world.terminate(&id));
}

fn launch(spec: InstanceSpec) -> (World, String) {
    let group = group()
        .hook(hook("h"))
        .hook(HookSpec::launching("l").heartbeat_timeout(s(10.0)));
    let (mut world, _) = world(group, vec![]);
    let id = world.launch(spec);
    (world, id)
}

#[test]
fn a_launching_hook_has_both_clocks_too() {
    let (mut world, id) = launch(InstanceSpec::new("c").group("g"));
    assert_eq!(world.heartbeat(&id, "l", None), Err(HookError), "too early");
    world.advance(s(11.0));
    assert_eq!(world.heartbeat(&id, "l", None), Ok(()));
    world.advance(s(20.5));
    assert_eq!(state(&world, &id), Some(LifecycleState::PendingWait));
    assert_eq!(target(&world, &id), Some(Target::InService));
    world.advance(s(21.0));
    let lapsed = |w: &What| matches!(w, What::HeartbeatLapsed { hook, default_result } if hook == "l" && *default_result == ABANDON);
    assert_eq!(at(&world, &id, lapsed), Some(s(21.0)));
    assert_eq!(state(&world, &id), Some(LifecycleState::Terminating));
    assert_eq!(complete(&mut world, &id, "l", CONTINUE), Err(HookError));
    world.advance(s(23.0));
    // And its terminating hooks run.
    assert_eq!(complete(&mut world, &id, "h", CONTINUE), Ok(()));
}

#[test]
fn launched_into_the_warm_pool_it_runs_the_launching_hook_twice() {
    let spec = InstanceSpec::new("c")
        .group("g")
        .target_lifecycle_state(Some(Target::WarmedStopped));
    let (mut world, id) = launch(spec);
    world.advance(s(2.0));
    assert_eq!(state(&world, &id), Some(LifecycleState::WarmedPendingWait));
    assert_eq!(complete(&mut world, &id, "l", CONTINUE), Ok(()));
    world.advance(s(3.0));
    assert_eq!(state(&world, &id), Some(LifecycleState::WarmedStopped));
    let launched = world.instance(&id).unwrap().launched_at;
    world.advance(s(60.0));
    assert!(world.return_to_service(&id));
    let started = world.instance(&id).unwrap().launched_at;
    assert_eq!(started - launched, s(60.0), "a start is a launch to EC2");
    world.advance(s(62.0));
    assert_eq!(state(&world, &id), Some(LifecycleState::PendingWait));
    assert_eq!(complete(&mut world, &id, "l", CONTINUE), Ok(()));
    world.advance(s(63.0));
    assert_eq!(state(&world, &id), Some(LifecycleState::InService));
    assert_eq!(world.instance(&id).unwrap().completions["l"], 2);
}

#[test]
fn a_booting_instance_registers_and_then_connects() {
    let spec = InstanceSpec::new("c")
        .group("g")
        .registers_after(s(3.0))
        .connects_after(s(2.0));
    let (mut world, id) = launch(spec);
    let seen = |world: &World| {
        let instance = world.instance(&id).unwrap();
        let connected = instance.agent_connected();
        (instance.registered, instance.ecs_agent_up, connected)
    };
    world.advance(s(2.9));
    assert_eq!(seen(&world), (false, false, false));
    world.advance(s(3.0));
    assert_eq!(seen(&world), (true, true, false));
    world.advance(s(5.0));
    assert_eq!(seen(&world), (true, true, true));
    let registered = at(&world, &id, |w| *w == What::ContainerInstanceRegistered);
    let connected = at(&world, &id, |w| *w == What::AgentConnected(true));
    assert_eq!((registered, connected), (Some(s(3.0)), Some(s(5.0))));
    world.set_agent_connected(&id, false);
    assert_eq!(seen(&world), (true, true, false));
}

#[test]
fn a_launch_counts_from_now_unless_told_otherwise() {
    let (mut world, old) = world(group(), vec![]);
    world.advance(s(5.0));
    let launched = world.launch(InstanceSpec::new("c").group("g"));
    let earlier = world.add_instance(InstanceSpec::new("c").launched_ago(s(60.0)));
    let at = |id: &str| world.instance(id).unwrap().launched_at.as_secs();
    assert_eq!(at(&old), 1_700_000_000 - 86_400);
    assert_eq!(at(&launched), 1_700_000_005);
    assert_eq!(at(&earlier), 1_700_000_005 - 60);
}

/// Every state of the instance so far.
fn states(world: &World, id: &str) -> Vec<LifecycleState> {
    let changes = world.events_of(id).filter_map(|event| match event.what {
        What::LifecycleStateChanged { to, .. } => to,
        _ => None,
    });
    changes.collect()
}

#[test]
fn the_way_back_to_the_pool_may_show_its_own_states() {
    let (mut world, id) = world(group().hook(hook("h")).pool_states(), vec![]);
    assert!(world.send_to_warm_pool(&id, Target::WarmedStopped));
    world.advance(s(1.0));
    assert!(complete(&mut world, &id, "h", CONTINUE).is_err());
    world.advance(s(2.0));
    complete(&mut world, &id, "h", CONTINUE).unwrap();
    world.advance(s(3.0));
    let expected = [
        LifecycleState::WarmedPending,
        LifecycleState::WarmedPendingWait,
        LifecycleState::WarmedPendingProceed,
        LifecycleState::WarmedStopped,
    ];
    assert_eq!(states(&world, &id), expected);
}

#[test]
fn the_target_state_may_run_ahead() {
    let (mut world, id) = world(group().hook(hook("h")).target_lead(s(3.0)), vec![]);
    assert!(world.enter_standby(&id) && world.terminate(&id));
    assert_eq!(target(&world, &id), Some(Target::Terminated));
    world.advance(s(2.9));
    assert_eq!(state(&world, &id), Some(LifecycleState::Standby));
    world.advance(s(5.0));
    assert_eq!(state(&world, &id), Some(LifecycleState::TerminatingWait));
}
