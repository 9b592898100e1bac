//! The CloudFormation signal: the form of the request, and that it holds nothing up.

use std::time::Duration;

use ecs_lifecycle_simulator::{Fault, FaultKind, StackSpec, What};

use super::stage::{PATIENCE, Stage, web};

const SIGNAL: &str = "cloudformation:SignalResource";

async fn stage(stack: StackSpec) -> Stage {
    let stage = Stage::new(vec![web(300)])
        .await
        .set("cloudformation", "stack_name", "demo-stack")
        .set("cloudformation", "signal_drained", "true")
        .set("cloudformation", "logical_resource_id", "AutoScalingGroup");
    stage.simulator.add_stack(&stack);
    stage
}

#[tokio::test]
async fn a_drained_instance_signals_success_before_it_completes() {
    let stage = stage(StackSpec::new("demo-stack").waiting("AutoScalingGroup")).await;
    let _agent = stage.watching().await;
    stage.instance.terminate();
    stage.completed().await;
    stage.simulator.world(|world| {
        let requests = world.requests();
        assert_eq!(requests.accepted(SIGNAL), 1);
        let signal = requests.first(SIGNAL).unwrap();
        let completion = requests
            .first("autoscaling:CompleteLifecycleAction")
            .unwrap();
        assert!(signal.seq < completion.seq);
        // As AWS's own cfn-signal words it.
        for (name, value) in [
            ("StackName", "demo-stack"),
            ("LogicalResourceId", "AutoScalingGroup"),
            ("UniqueId", stage.instance.id()),
            ("Status", "SUCCESS"),
            ("ContentType", "JSON"),
        ] {
            assert_eq!(signal.params[name], value, "{}", signal.params);
        }
        let heard = world.event_of(stage.instance.id(), |what| {
            matches!(what, What::SignalReceived { success: true, .. })
        });
        assert!(heard.is_some());
    });
}

#[tokio::test]
async fn a_stack_that_waits_for_nothing_is_fine() {
    let stage = stage(StackSpec::new("demo-stack").idle("AutoScalingGroup")).await;
    let agent = stage.watching().await;
    stage.instance.terminate();
    stage.completed().await;
    let log = agent
        .logged("is not waiting for a signal", PATIENCE)
        .await
        .unwrap();
    assert!(log.contains("INFO"), "{log}");
    assert_eq!(stage.count(SIGNAL), 1);
}

/// The signal takes no permission: a policy that nobody can write is no remedy.
#[tokio::test]
async fn a_signal_that_is_denied_is_not_blamed_on_the_role() {
    let stage = stage(StackSpec::new("demo-stack").waiting("AutoScalingGroup")).await;
    let agent = stage.watching().await;
    stage
        .simulator
        .fault(Fault::on(SIGNAL, FaultKind::AccessDenied));
    stage.instance.terminate();
    stage.completed().await;
    let line = agent
        .logged("rejected this instance's signal", PATIENCE)
        .await
        .unwrap();
    assert!(line.contains("ERROR"), "{line}");
    for part in ["stack_name", "logical_resource_id", SIGNAL] {
        assert!(line.contains(part), "{line}");
    }
    let text = agent.text();
    assert!(!text.contains("role lacks"), "{text}");
}

#[tokio::test]
async fn no_failure_of_the_signal_holds_the_completion() {
    let kinds = [
        FaultKind::Refuse,
        FaultKind::Hang,
        FaultKind::ResetMidBody,
        FaultKind::InternalError,
        FaultKind::Throttled,
        FaultKind::AccessDenied,
        FaultKind::Garbage,
        FaultKind::Empty,
    ];
    for kind in kinds {
        let stage = stage(StackSpec::new("demo-stack").waiting("AutoScalingGroup")).await;
        let agent = stage.watching().await;
        stage.simulator.fault(Fault::on(SIGNAL, kind.clone()));
        stage.instance.terminate();
        stage.completed().await;
        stage.assert_safe();
        stage.simulator.world(|world| {
            let at =
                |is: fn(&What) -> bool| world.event_of(stage.instance.id(), is).unwrap().at_real;
            let gone = at(|what| matches!(what, What::ContainerGone { .. }));
            let completed = at(|what| matches!(what, What::HookCompleted { .. }));
            assert!(
                completed - gone < Duration::from_millis(2_500),
                "{kind:?}\n{}",
                agent.text()
            );
        });
    }
}

/// How a rolling update counts the signal of an instance that it takes away is not known.
#[tokio::test]
async fn by_default_a_drain_signals_nothing() {
    let stage = Stage::new(vec![web(100)])
        .await
        .set("cloudformation", "stack_name", "demo-stack")
        .set("cloudformation", "logical_resource_id", "AutoScalingGroup");
    stage
        .simulator
        .add_stack(&StackSpec::new("demo-stack").waiting("AutoScalingGroup"));
    let _agent = stage.watching().await;
    stage.instance.terminate();
    stage.completed().await;
    stage.instance.wait_until_gone(PATIENCE).await.unwrap();
    assert_eq!(stage.count(SIGNAL), 0);
}
