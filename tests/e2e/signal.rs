//! The CloudFormation signal: the form of the request, and that it holds nothing up.

use std::time::Duration;

use ecs_lifecycle_simulator::{Fault, FaultKind, StackSpec, What};

use super::stage::{STACK, Stage, web};

const SIGNAL: &str = "cloudformation:SignalResource";

async fn stage(stack: StackSpec) -> Stage {
    let stage = Stage::with(STACK, vec![web(300)]).await;
    stage.simulator.add_stack(&stack);
    stage.configured("cloudformation.signal_drained=true")
}

async fn waiting() -> Stage {
    stage(StackSpec::new("demo-stack").waiting("Group")).await
}

#[tokio::test]
async fn a_drained_instance_signals_success_before_it_completes() {
    let stage = waiting().await;
    let _agent = stage.leaving().await;
    stage.completed().await;
    stage.world(|world| {
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
            ("LogicalResourceId", "Group"),
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
    let stage = stage(StackSpec::new("demo-stack").idle("Group")).await;
    let agent = stage.leaving().await;
    stage.completed().await;
    let log = agent.says("is not waiting for a signal").await;
    assert!(log.contains("INFO"), "{log}");
    assert_eq!(stage.count(SIGNAL), 1);
}

/// The signal takes no permission: a policy that nobody can write is no remedy.
#[tokio::test]
async fn a_signal_that_is_denied_is_not_blamed_on_the_role() {
    let stage = waiting().await;
    let agent = stage.watching().await;
    stage.fault(Fault::on(SIGNAL, FaultKind::AccessDenied));
    stage.instance.terminate();
    stage.completed().await;
    let line = agent.says("rejected this instance's signal").await;
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
        let stage = waiting().await;
        let agent = stage.watching().await;
        stage.fault(Fault::on(SIGNAL, kind.clone()));
        stage.drains().await;
        stage.world(|world| {
            let at =
                |is: fn(&What) -> bool| world.event_of(stage.instance.id(), is).unwrap().at_real;
            let gone = at(|what| matches!(what, What::ContainerGone { .. }));
            let completed = at(|what| matches!(what, What::HookCompleted { .. }));
            let took = completed - gone;
            assert!(
                took < Duration::from_millis(2_500),
                "{kind:?}\n{}",
                agent.text()
            );
        });
    }
}

/// How a rolling update counts the signal of an instance that it takes away is not known.
#[tokio::test]
async fn by_default_a_drain_signals_nothing() {
    let stage = Stage::with(STACK, vec![web(100)]).await;
    let stack = StackSpec::new("demo-stack").waiting("Group");
    stage.simulator.add_stack(&stack);
    let _agent = stage.leaving().await;
    stage.ends_well().await;
    assert_eq!(stage.count(SIGNAL), 0);
}
