//! A new instance is reported as joined: to Auto Scaling, then to CloudFormation, once.

use std::time::Duration;

use ecs_lifecycle_simulator::{
    AWS_CALLS, Fault, FaultKind, Hold, HookSpec, InstanceSpec, LifecycleState, StackSpec,
    TargetLifecycleState, What, Who, World,
};

use super::newcomer::{
    ABANDON, COMPLETE, CONTINUE, DRAIN, LAUNCH, Newcomer, RESOURCE, SIGNAL, STACK, TARGET, group,
    ms, spec, with_launch_hook,
};
use super::stage::{Active, BEAT, Draining, PATIENCE, Registering, SET};

const DESCRIBE: &str = "ecs:DescribeContainerInstances";

fn heard(success: bool) -> impl Fn(&What) -> bool {
    move |what| matches!(what, What::SignalReceived { success: is, .. } if *is == success)
}

fn launch_completed(what: &What) -> bool {
    matches!(what, What::HookCompleted { hook, .. } if hook == LAUNCH)
}

/// A boot: the ECS agent registers, then connects. Only then has it joined.
#[tokio::test]
async fn joined_once_the_ecs_agent_is_connected() {
    let stage = Newcomer::new().await;
    let agent = stage.start();
    stage.signalled(&agent).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE]);
    assert_eq!(stage.signals(), ["SUCCESS"]);
    let connected = stage.at(|what| *what == What::AgentConnected(true));
    let connected = connected.unwrap();
    let completed = stage.at(launch_completed).unwrap();
    let signalled = stage.at(heard(true)).unwrap();
    assert!(connected < completed, "{connected:?} {completed:?}");
    assert!(completed <= signalled, "{completed:?} {signalled:?}");
    stage.reaches(&agent, LifecycleState::InService).await;
    stage.world(|world| {
        let by_us = Who::Api(stage.id());
        let ours = |what: &What| matches!(what, What::HookCompleted { by, .. } if *by == by_us);
        assert!(world.event_of(stage.instance.id(), ours).is_some());
        let signal = world.requests().first(SIGNAL).unwrap();
        assert_eq!(signal.params["StackName"], STACK);
        assert_eq!(signal.params["LogicalResourceId"], RESOURCE);
        assert_eq!(signal.params["UniqueId"], stage.instance.id());
    });
    // A join takes no instance out of service.
    assert_eq!(stage.count(SET), 0);
}

/// Afterwards it is as idle as ever.
#[tokio::test]
async fn once_joined_it_makes_no_call() {
    let stage = Newcomer::new().await;
    let agent = stage.start();
    stage.signalled(&agent).await;
    stage.polls(&agent, 5).await;
    stage.simulator.clear_requests();
    stage.polls(&agent, 40).await;
    assert_eq!(stage.count(AWS_CALLS), 0, "{}", agent.text());
}

/// Registered is not enough: ACTIVE, and its ECS agent connected. An operator may set it to DRAINING in the middle of
/// its boot.
#[tokio::test]
async fn registered_is_not_joined_before_it_is_active_and_connected() {
    for connected in [false, true] {
        let mut spec = spec().status(Registering);
        if !connected {
            spec = spec.connects_after(Duration::from_secs(3600));
        }
        let stage = Newcomer::launched(group(), spec).await;
        let registered = |world: &World| world.instance(stage.instance.id()).unwrap().registered;
        stage.stage.until("registration", registered).await;
        let set = |status| stage.instance.set_container_instance_status(status);
        if connected {
            set(Draining);
        }
        let agent = stage.start();
        let looks = |world: &World| world.requests().accepted(DESCRIBE) >= 4;
        stage.until(&agent, "four looks at ECS", looks).await;
        assert_eq!(stage.count(COMPLETE) + stage.count(SIGNAL), 0);
        set(Active);
        stage.instance.set_agent_connected(true);
        stage.signalled(&agent).await;
        assert_eq!(stage.results(LAUNCH), [CONTINUE]);
    }
}

/// The stack may come from the configuration; so may the hook's name.
#[tokio::test]
async fn stack_and_hook_may_be_configured() {
    let untagged = InstanceSpec::new("demo").group("demo-asg");
    let spec = group().hook(HookSpec::launching("theirs"));
    let stage = Newcomer::launched(spec, untagged)
        .await
        .configured("cloudformation.stack_name=other-stack")
        .configured("cloudformation.logical_resource_id=Group")
        .configured("autoscaling.launch_hook_name=launch-hook");
    let stack = StackSpec::new("other-stack").waiting("Group");
    stage.simulator.add_stack(&stack);
    let agent = stage.start();
    stage.signalled(&agent).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE]);
    assert_eq!(stage.results("theirs"), [], "whose it is completes it");
    stage.world(|world| {
        let signal = world.requests().first(SIGNAL).unwrap();
        assert_eq!(signal.params["StackName"], "other-stack");
    });
    assert!(stage.count("autoscaling:DescribeAutoScalingInstances") > 0);
}

/// The hook and the stack are told of independently: in doubt, no hook is touched, and without tags and
/// configuration there is no stack; what is clear is told all the same. The signal takes no permission.
#[tokio::test]
async fn one_of_hook_and_stack_is_told_without_the_other() {
    let without = || {
        let mut group = group();
        group.hooks.retain(|hook| hook.name != LAUNCH);
        group
    };
    let untagged = || InstanceSpec::new("demo").group("demo-asg");
    let theirs = || group().hook(HookSpec::launching("theirs"));
    for (why, group, spec, completes, signals) in [
        ("several hooks", theirs(), spec(), false, true),
        ("no hook", without(), spec(), false, true),
        ("no stack", group(), untagged(), true, false),
        ("denied", group(), spec(), false, true),
    ] {
        let stage = Newcomer::launched(group, spec).await;
        if why == "denied" {
            let denied = Fault::on("autoscaling:*", FaultKind::AccessDenied);
            stage.fault(denied);
        }
        let agent = stage.start();
        if signals {
            stage.signalled(&agent).await;
        } else {
            stage.completed(&agent, LAUNCH).await;
        }
        stage.polls(&agent, 10).await;
        let completed = stage.executed(COMPLETE);
        assert_eq!(completed, usize::from(completes), "{why}\n{}", agent.text());
        let expected: &[&str] = if signals { &["SUCCESS"] } else { &[] };
        assert_eq!(stage.signals(), expected, "{why}");
    }
}

/// Who is not new, or is not to join, says nothing. Each with the reason in its name.
#[tokio::test]
async fn who_does_not_join() {
    let base = || spec().launched_ago(Duration::ZERO);
    let hour = Duration::from_secs(3600);
    let target = |state| base().target_lifecycle_state(Some(state));
    let old = base().launched_ago(hour + ms(60_000));
    let cases = [
        ("an old instance", old, true),
        ("on standby", target(TargetLifecycleState::Standby), true),
        ("detached", target(TargetLifecycleState::Detached), true),
        ("switched off", base(), false),
    ];
    for (why, spec, enabled) in cases {
        let settings = format!("ready.enabled={enabled}");
        let stage = Newcomer::added(group(), spec).await.configured(&settings);
        stage.scripts.add("ready.d", "any", "say ran");
        let agent = stage.start();
        stage.connected(&agent).await;
        stage.polls(&agent, 30).await;
        let calls = stage.world(|world| world.requests().counts());
        assert!(
            stage.count(AWS_CALLS) == 0,
            "{why}: {calls:?}\n{}",
            agent.text()
        );
    }
}

/// An hour, or `ready.timeout` where that is longer.
#[tokio::test]
async fn what_is_new() {
    let minute = Duration::from_secs(60);
    for (minutes, timeout) in [(59, "10m"), (119, "2h")] {
        let spec = spec().launched_ago(minute * minutes);
        let settings = format!("ready.timeout={timeout}");
        let stage = Newcomer::added(group(), spec).await.configured(&settings);
        let agent = stage.start();
        stage.signalled(&agent).await;
        assert_eq!(stage.signals(), ["SUCCESS"], "{minutes} of {timeout}");
    }
}

/// At the timeout: ABANDON, which makes Auto Scaling terminate the instance at once, then FAILURE, once each, also
/// where CloudFormation fails at first. The stack's update fails.
#[tokio::test]
async fn what_never_joins_is_given_up_at_the_timeout() {
    let never = Duration::from_secs(3600);
    for (why, spec, failures) in [
        ("never registers", spec().registers_after(never), 0),
        ("never connects", spec().connects_after(never), 0),
        ("is not heard at first", spec().connects_after(never), 2),
    ] {
        let stage = Newcomer::launched(group(), spec).await;
        let stage = stage.configured("ready.timeout=3s");
        let fails = Fault::on(SIGNAL, FaultKind::InternalError).times(failures);
        stage.fault(fails);
        let started = stage.simulator.now();
        let agent = stage.start();
        stage.signalled(&agent).await;
        let completed = stage.at(launch_completed).unwrap();
        let signalled = stage.at(heard(false)).unwrap();
        assert!(completed <= signalled, "{why}: {completed:?} {signalled:?}");
        let took = completed.saturating_sub(started);
        assert!(took > ms(2_800) && took < ms(30_000), "{why}: {took:?}");
        let terminated = What::TargetStateSet(TargetLifecycleState::Terminated);
        stage
            .happens(&agent, "the termination", |what| *what == terminated)
            .await;
        // Nothing is said a second time.
        stage.polls(&agent, 20).await;
        assert_eq!(stage.results(LAUNCH), [ABANDON], "{why}");
        assert_eq!(stage.executed(SIGNAL), 1, "{why}");
        assert!(stage.signals().iter().all(|status| status == "FAILURE"));
        stage.world(|world| assert!(world.stack(STACK).unwrap().resources[RESOURCE].failed));
        // Where there is a container instance, it is drained at once, as there is nothing on it.
        if why != "never registers" {
            stage.instance.wait_until_gone(PATIENCE).await.unwrap();
        }
    }
}

/// Auto Scaling refuses for a while: the instance is in `Pending`, not yet in `Pending:Wait`.
#[tokio::test]
async fn a_join_that_is_early_waits_for_the_hook() {
    let spec_of_group = group().wait_delay(ms(3_000)).acceptance_delay(ms(500));
    let stage = Newcomer::launched(spec_of_group, spec()).await;
    let agent = stage.start();
    stage.signalled(&agent).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE]);
    assert_eq!(stage.signals(), ["SUCCESS"]);
    let completed = stage.at(launch_completed).unwrap();
    assert!(completed <= stage.at(heard(true)).unwrap());
}

/// It waits for the completion, but not for ever.
#[tokio::test]
async fn a_completion_that_cannot_be_had_delays_the_signal_by_half_a_minute_at_most() {
    let stage = Newcomer::new().await;
    stage.fault(Fault::on(COMPLETE, FaultKind::InternalError));
    let agent = stage.start();
    stage.counts(COMPLETE, 1).await;
    let tried = stage.simulator.now();
    stage.signalled(&agent).await;
    let waited = stage.at(heard(true)).unwrap().saturating_sub(tried);
    assert!(waited > ms(20_000) && waited < ms(50_000), "{waited:?}");
    stage.simulator.clear_faults();
    stage.completed(&agent, LAUNCH).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE]);
    assert_eq!(stage.signals(), ["SUCCESS"]);
}

/// An answer that is lost does not make a second completion, nor a second signal that counts.
#[tokio::test]
async fn lost_answers_are_outlived() {
    let stage = Newcomer::new().await;
    for operation in [COMPLETE, SIGNAL] {
        stage.fault(Fault::on(operation, FaultKind::LostResponse).times(1));
    }
    let agent = stage.start();
    stage.signalled(&agent).await;
    stage.polls(&agent, 40).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE]);
    stage.world(|world| {
        let heard = world.signals();
        let success = heard.iter().all(|signal| signal.status == "SUCCESS");
        assert!(success && heard.len() <= 2, "{heard:?}");
    });
}

/// The launching hook is kept waiting, every third of its timeout, for as long as the join takes.
#[tokio::test]
async fn heartbeats_keep_the_launching_hook() {
    // Its clock begins before the agent does, on a machine that may be busy.
    let hook = HookSpec::launching(LAUNCH).heartbeat_timeout(ms(12_000));
    let mut stage = Newcomer::launched(with_launch_hook(hook), spec()).await;
    stage.scripts.add("ready.d", "slow", "say began; hold");
    let agent = stage.start();
    stage.scripts.said().await;
    let id = stage.id();
    let four = |world: &World| {
        let beats = world.events_of(&id);
        let is = |what: &What| matches!(what, What::HookHeartbeat { hook } if hook == LAUNCH);
        beats.filter(|event| is(&event.what)).count() >= 4
    };
    stage.until(&agent, "four heartbeats", four).await;
    stage.scripts.release().await;
    stage.signalled(&agent).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE]);
    stage.never_lapsed();
    // And none after it is complete.
    stage.polls(&agent, 5).await;
    stage.simulator.clear_requests();
    stage.polls(&agent, 50).await;
    assert_eq!(stage.count(BEAT), 0);
}

/// The deadline counts from the first start, whatever becomes of the process.
#[tokio::test]
async fn killed_in_mid_join_it_has_the_same_deadline() {
    let never = Duration::from_secs(3600);
    let stage = Newcomer::launched(group(), spec().connects_after(never)).await;
    let stage = stage.configured("ready.timeout=25s");
    let started = stage.simulator.now();
    let mut agent = stage.start();
    let mut started_again = started;
    for signal in ["KILL", "TERM", "KILL"] {
        stage.counts(DESCRIBE, stage.count(DESCRIBE) + 1).await;
        agent.signal(signal).await.unwrap();
        agent.ended(PATIENCE).await.unwrap();
        let told = stage.count(COMPLETE) + stage.count(SIGNAL);
        let after = stage.simulator.now() - started;
        assert_eq!(told, 0, "{after:?}\n{}", agent.text());
        started_again = stage.simulator.now();
        agent = stage.start();
    }
    stage.signalled(&agent).await;
    assert_eq!(stage.results(LAUNCH), [ABANDON]);
    assert_eq!(stage.signals(), ["FAILURE"]);
    let completed = stage.at(launch_completed).unwrap();
    let (took, since) = (completed - started, completed - started_again);
    let same = took > ms(24_800) && since < ms(25_000);
    assert!(same, "{took:?} {since:?}\n{}", agent.text());
}

#[tokio::test]
async fn killed_in_mid_join_it_completes_once() {
    let mut stage = Newcomer::new().await;
    stage.scripts.add("ready.d", "slow", "say began; hold");
    let mut agent = stage.start();
    stage.scripts.said().await;
    agent.kill().await.unwrap();
    // The script of the dead agent may hold on; the next one runs its own.
    let agent = stage.start();
    stage.scripts.said().await;
    stage.scripts.release().await;
    stage.scripts.release().await;
    stage.signalled(&agent).await;
    stage.polls(&agent, 10).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE]);
    assert_eq!(stage.signals(), ["SUCCESS"]);
    assert_eq!(stage.executed(COMPLETE), 1);
}

/// Killed when the completion is through and the signal is not: that one is still to come.
#[tokio::test]
async fn killed_between_completion_and_signal_it_signals_once() {
    let stage = Newcomer::new().await;
    let mut gate = stage.simulator.hold(Hold::before(SIGNAL));
    let mut agent = stage.start();
    let held = gate.reached(PATIENCE).await.unwrap();
    agent.kill().await.unwrap();
    held.reset();
    drop(gate);
    let agent = stage.start();
    stage.signalled(&agent).await;
    stage.polls(&agent, 10).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE]);
    assert_eq!(stage.executed(SIGNAL), 1);
}

/// Restarted afterwards, however, it says nothing.
#[tokio::test]
async fn started_again_after_it_has_joined_it_signals_nothing() {
    let stage = Newcomer::new().await;
    stage.scripts.add("ready.d", "any", "exit 0");
    let mut agent = stage.start();
    stage.signalled(&agent).await;
    for signal in ["TERM", "KILL"] {
        stage.polls(&agent, 5).await;
        agent.signal(signal).await.unwrap();
        agent.ended(PATIENCE).await.unwrap();
        stage.simulator.clear_requests();
        // A stack that waits again: the next update of it, say.
        stage.simulator.set_waiting(STACK, RESOURCE, true);
        agent = stage.start();
        stage.polls(&agent, 30).await;
        assert_eq!(stage.count(AWS_CALLS), 0, "{signal}\n{}", agent.text());
    }
    assert_eq!(stage.results(LAUNCH), [CONTINUE]);
}

/// And so it is with one that failed to.
#[tokio::test]
async fn started_again_after_it_has_given_up_it_signals_nothing() {
    let never = Duration::from_secs(3600);
    let mut spec_of_group = group();
    // Nothing terminates it.
    spec_of_group.hooks.retain(|hook| hook.name != LAUNCH);
    let stage = Newcomer::launched(spec_of_group, spec().connects_after(never)).await;
    let stage = stage.configured("ready.timeout=2s");
    let mut agent = stage.start();
    stage.signalled(&agent).await;
    stage.polls(&agent, 5).await;
    agent.kill().await.unwrap();
    stage.simulator.set_waiting(STACK, RESOURCE, true);
    stage.instance.set_agent_connected(true);
    let agent = stage.start();
    stage.polls(&agent, 30).await;
    assert_eq!(stage.signals(), ["FAILURE"], "{}", agent.text());
}

/// The join is dropped, the drain begins: neither hook nor stack hear of the join any more.
#[tokio::test]
async fn terminated_in_mid_join_it_drains() {
    let mut stage = Newcomer::new().await;
    let script = "say began; exec sleep 600";
    stage.scripts.add("ready.d", "slow", script);
    let agent = stage.start();
    stage.scripts.said().await;
    assert!(stage.instance.terminate());
    stage.completed(&agent, DRAIN).await;
    assert_eq!(stage.results(LAUNCH), []);
    assert_eq!(stage.signals(), Vec::<String>::new());
    stage.instance.wait_until_gone(PATIENCE).await.unwrap();
    assert!(stage.count(SET) > 0);
}

/// Launched into the pool, its launching hook is completed, as nobody else would; that is all. It joins when
/// it comes into service.
#[tokio::test]
async fn out_of_the_warm_pool_it_joins() {
    let spec = spec().target_lifecycle_state(Some(TargetLifecycleState::WarmedRunning));
    let mut stage = Newcomer::launched(group(), spec).await;
    stage.scripts.add("ready.d", "any", "say ran");
    let agent = stage.start();
    stage.reaches(&agent, LifecycleState::WarmedRunning).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE]);
    stage.connected(&agent).await;
    stage.polls(&agent, 20).await;
    let told = stage.count(SIGNAL) + stage.count("ecs:*");
    assert_eq!(told, 0, "{}", agent.text());
    stage.scripts.said_all().await;
    assert!(stage.instance.return_to_service());
    stage.signalled(&agent).await;
    assert_eq!(stage.scripts.said().await.words, ["ran"]);
    assert_eq!(stage.results(LAUNCH), [CONTINUE, CONTINUE]);
    assert_eq!(stage.signals(), ["SUCCESS"]);
}

/// Metadata may show no target state at first (404): once it does, that counts. An instance of the pool has not
/// joined when its ECS agent has connected, and its way into service is still to come.
#[tokio::test]
async fn launched_into_the_warm_pool_with_metadata_that_does_not_say_so_at_first() {
    let spec = spec()
        .target_lifecycle_state(Some(TargetLifecycleState::WarmedRunning))
        .connects_after(ms(6_000));
    let stage = Newcomer::launched(group(), spec).await;
    let unset = FaultKind::Status(404, None);
    stage.fault(Fault::on(TARGET, unset).times(5));
    let agent = stage.start();
    stage.reaches(&agent, LifecycleState::WarmedRunning).await;
    stage.connected(&agent).await;
    stage.polls(&agent, 30).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE], "{}", agent.text());
    assert_eq!(stage.signals(), Vec::<String>::new(), "{}", agent.text());
    assert!(stage.instance.return_to_service());
    stage.signalled(&agent).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE, CONTINUE]);
    assert_eq!(stage.signals(), ["SUCCESS"]);
}

/// There and back again: the hook is completed each time, the stack is told once in an instance's life.
#[tokio::test]
async fn back_from_the_warm_pool_it_completes_the_hook_again_and_signals_nothing() {
    let stage = Newcomer::new().await;
    let agent = stage.start();
    stage.signalled(&agent).await;
    stage.reaches(&agent, LifecycleState::InService).await;
    for round in 1..=2 {
        let pooled = TargetLifecycleState::WarmedRunning;
        assert!(stage.instance.send_to_warm_pool(pooled));
        let state = |wanted: LifecycleState| {
            let id = stage.id();
            move |world: &World| world.instance(&id).unwrap().lifecycle_state == Some(wanted)
        };
        let pooled = state(LifecycleState::WarmedRunning);
        stage.until(&agent, "the pool", pooled).await;
        assert!(stage.instance.return_to_service());
        let served = state(LifecycleState::InService);
        stage.until(&agent, "service", served).await;
        assert_eq!(stage.results(LAUNCH), vec![CONTINUE; round + 1]);
        stage.becomes(&agent, Active).await;
    }
    stage.polls(&agent, 10).await;
    assert_eq!(stage.signals(), ["SUCCESS"], "{}", agent.text());
    assert_eq!(stage.results(DRAIN).len(), 2);
}

/// A state file that was baked into an image is about another instance: this one joins.
#[tokio::test]
async fn what_another_instance_has_written_does_not_count() {
    let first = Newcomer::launched(group(), spec().id("i-0bbbbbbbbbbbbbbbb")).await;
    let mut agent = first.start();
    first.signalled(&agent).await;
    first.polls(&agent, 5).await;
    agent.signal("TERM").await.unwrap();
    agent.ended(PATIENCE).await.unwrap();
    let second = Newcomer::new().await;
    let file = |of: &Newcomer| of.scratch.path().join("state.json");
    std::fs::copy(file(&first), file(&second)).unwrap();
    let agent = second.start();
    second.signalled(&agent).await;
    assert_eq!(second.results(LAUNCH), [CONTINUE]);
    assert_eq!(second.signals(), ["SUCCESS"]);
}

/// CloudFormation is away for longer than it takes to say it once.
#[tokio::test]
async fn a_signal_that_fails_at_first_is_sent_again() {
    let stage = Newcomer::new().await;
    stage.fault(Fault::on(SIGNAL, FaultKind::InternalError).times(3));
    let agent = stage.start();
    stage.signalled(&agent).await;
    assert_eq!(stage.results(LAUNCH), [CONTINUE]);
    assert_eq!(stage.executed(SIGNAL), 1);
    assert_eq!(stage.count(COMPLETE), 1);
}
