//! Whose hook is it, and when can it be completed?

use std::time::Duration;

use ecs_lifecycle_simulator::{
    Fault, FaultKind, GroupSpec, HookSpec, InstanceSpec, LifecycleState,
};

use super::stage::{BEAT, Stage, group, web};

const COMPLETE: &str = "autoscaling:CompleteLifecycleAction";

fn with_hooks(names: &[&str]) -> GroupSpec {
    let hook =
        |name: &&str| HookSpec::terminating(name).heartbeat_timeout(Duration::from_secs(600));
    // Without a hook it would be gone before a busy machine has asked about it.
    let mut spec = group().terminate_delay(Duration::from_secs(600));
    spec.hooks = names.iter().map(hook).collect();
    spec
}

async fn stage(group: GroupSpec, configured: Option<&str>) -> Stage {
    let stage = Stage::with_group(group, vec![web(100)]).await;
    match configured {
        Some(name) => stage.set("autoscaling", "lifecycle_hook_name", name),
        None => stage,
    }
}

#[tokio::test]
async fn where_no_hook_is_clearly_ours_it_drains_and_completes_nothing() {
    let managed = "ecs-managed-draining-termination-hook";
    let none = "no terminating lifecycle hook for this agent";
    let not_one = "not one of the group's terminating hooks";
    let cases: [(&[&str], Option<&str>, &str); 4] = [
        (&[], None, none),
        (&[managed], None, none),
        (&["one", "two"], None, "several terminating lifecycle hooks"),
        (&["one", "two"], Some("three"), not_one),
    ];
    for (hooks, configured, message) in cases {
        let stage = stage(with_hooks(hooks), configured).await;
        let agent = stage.leaving().await;
        let line = agent.says(message).await;
        assert!(line.contains("ERROR"), "{line}");
        if !hooks.is_empty() {
            agent.says("drained: no tasks are left").await;
            agent.says("no lifecycle action to complete").await;
        }
        assert_eq!(stage.count(COMPLETE), 0);
    }
}

#[tokio::test]
async fn of_several_hooks_only_ours_is_completed() {
    let cases: [(&[&str], Option<&str>); 2] = [
        (&["ecs-managed-draining-termination-hook", "ours"], None),
        (&["ours", "theirs"], Some("ours")),
    ];
    for (hooks, configured) in cases {
        let stage = stage(with_hooks(hooks), configured).await;
        let agent = stage.leaving().await;
        stage.completed().await;
        agent.says("lifecycle action completed").await;
        stage.world(|world| {
            let state = world.instance(stage.instance.id()).unwrap().lifecycle_state;
            assert_eq!(state, Some(LifecycleState::TerminatingWait));
            let hook = &world.requests().last(COMPLETE).unwrap().params["LifecycleHookName"];
            assert_eq!(hook, "ours");
        });
    }
}

/// A stack update adds a hook in mid-drain, and the agent is restarted. The instance waits for the first hook only.
#[tokio::test]
async fn a_hook_that_is_added_later_is_not_ours() {
    let stage = Stage::with_group(with_hooks(&["ours"]), vec![web(600_000)]).await;
    let mut agent = stage.leaving().await;
    let file = stage.scratch.path().join("state.json");
    let is_written = || std::fs::read_to_string(&file).is_ok_and(|text| text.contains("\"hook\""));
    stage
        .until("the hook is remembered", |_| is_written())
        .await;
    stage.simulator.add_group(with_hooks(&["ours", "theirs"]));
    agent.kill().await.unwrap();
    let agent = stage.start();
    agent.says("lifecycle hook found").await;
    stage.counts(BEAT, 1).await;
}

/// An owner that listens on EventBridge cannot be told from nobody.
#[tokio::test]
async fn a_lone_hook_that_notifies_somebody_is_completed_with_a_warning() {
    let warning = "the next one will not. Set autoscaling.lifecycle_hook_name";
    for configured in [None, Some("old-drain")] {
        let mut spec = with_hooks(&["old-drain"]);
        let topic = "arn:aws:sns:us-east-1:123456789012:old-drain";
        spec.hooks[0].notification_target = Some(topic.to_owned());
        let stage = stage(spec, configured).await;
        let agent = stage.leaving().await;
        agent.says("lifecycle action completed").await;
        let text = agent.text();
        let said = text.lines().find(|line| line.contains(warning));
        assert_eq!(said.is_some(), configured.is_none(), "{text}");
        assert!(said.is_none_or(|line| line.contains("WARN") && line.contains(topic)));
    }
}

/// Metadata says `Terminated` long before `Terminating:Wait`, and a completion is refused even just after.
#[tokio::test]
async fn a_drain_that_is_over_early_waits_for_the_action_to_become_active() {
    let spec = group()
        .wait_delay(Duration::from_secs(4))
        .acceptance_delay(Duration::from_secs(1));
    let stage = Stage::with_group(spec, vec![web(100)]).await;
    let agent = stage.leaving().await;
    agent.says("lifecycle action completed").await;
    stage.assert_safe();
    assert!(agent.text().contains("too early to complete"));
    stage.world(|world| {
        assert_eq!(world.requests().accepted(COMPLETE), 1);
        let asked = world.requests().count(COMPLETE);
        assert!(asked <= 7, "{asked}");
    });
}

#[tokio::test]
async fn a_completion_whose_answer_is_lost_is_not_repeated_in_vain() {
    // A second hook of another owner keeps the instance waiting: "no active action" has to be understood.
    let stage = stage(with_hooks(&["ours", "theirs"]), Some("ours")).await;
    let agent = stage.watching().await;
    stage.fault(Fault::on(COMPLETE, FaultKind::LostResponse).times(1));
    stage.instance.terminate();
    agent.says("was already completed").await;
    assert_eq!(stage.completions(), 1);
}

/// The SDK does not read the answers of operations without a result.
#[tokio::test]
async fn an_error_with_status_200_is_no_completion() {
    let error = "<ErrorResponse><Error><Code>InternalFailure</Code></Error></ErrorResponse>";
    for body in [error, "<html><body>Please log in.</body></html>"] {
        let stage = Stage::new(vec![web(100)]).await;
        let agent = stage.watching().await;
        let kind = FaultKind::Status(200, Some(body.to_owned()));
        stage.fault(Fault::on(COMPLETE, kind).times(1));
        stage.drains().await;
        assert_eq!(stage.count(COMPLETE), 2, "{}", agent.text());
    }
}

#[tokio::test]
async fn the_group_comes_from_the_tags_where_metadata_has_them() {
    let instance = InstanceSpec::new("demo")
        .group("demo-asg")
        .tag("aws:autoscaling:groupName", "demo-asg")
        .task(web(100));
    let stage = Stage::with_instance(group(), instance).await;
    let _agent = stage.leaving().await;
    stage.completed().await;
    let asked = stage.count("autoscaling:DescribeAutoScalingInstances");
    assert_eq!(asked, 0, "a tag costs no call");
}
