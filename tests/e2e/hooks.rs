//! Whose hook is it, and when can it be completed?

use std::time::Duration;

use ecs_lifecycle_simulator::{
    Fault, FaultKind, GroupSpec, HookSpec, InstanceSpec, LifecycleState,
};

use super::stage::{PATIENCE, Stage, group, web};

const COMPLETE: &str = "autoscaling:CompleteLifecycleAction";

fn with_hooks(names: &[&str]) -> GroupSpec {
    let hook =
        |name: &&str| HookSpec::terminating(name).heartbeat_timeout(Duration::from_secs(600));
    // Without a hook it would be gone before a busy machine has asked about it.
    let mut spec = group().terminate_delay(Duration::from_secs(600));
    spec.hooks = names.iter().map(hook).collect();
    spec
}

#[tokio::test]
async fn where_no_hook_is_clearly_ours_it_drains_and_completes_nothing() {
    let cases: [(&[&str], Option<&str>, &str); 4] = [
        (&[], None, "no terminating lifecycle hook for this agent"),
        (
            &["ecs-managed-draining-termination-hook"],
            None,
            "no terminating lifecycle hook for this agent",
        ),
        (&["one", "two"], None, "several terminating lifecycle hooks"),
        (
            &["one", "two"],
            Some("three"),
            "not one of the group's terminating hooks",
        ),
    ];
    for (hooks, configured, message) in cases {
        let mut stage = Stage::with_group(with_hooks(hooks), vec![web(300)]).await;
        if let Some(name) = configured {
            stage = stage.set("autoscaling", "lifecycle_hook_name", name);
        }
        let agent = stage.watching().await;
        stage.instance.terminate();
        let line = agent.logged(message, PATIENCE).await.unwrap();
        assert!(line.contains("ERROR"), "{line}");
        if !hooks.is_empty() {
            agent
                .logged("drained: no tasks are left", PATIENCE)
                .await
                .unwrap();
            agent
                .logged("no lifecycle action to complete", PATIENCE)
                .await
                .unwrap();
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
        let mut stage = Stage::with_group(with_hooks(hooks), vec![web(300)]).await;
        if let Some(name) = configured {
            stage = stage.set("autoscaling", "lifecycle_hook_name", name);
        }
        let agent = stage.watching().await;
        stage.instance.terminate();
        stage.completed().await;
        agent
            .logged("lifecycle action completed", PATIENCE)
            .await
            .unwrap();
        stage.simulator.world(|world| {
            let instance = world.instance(stage.instance.id()).unwrap();
            assert_eq!(
                instance.lifecycle_state,
                Some(LifecycleState::TerminatingWait)
            );
            let hook = &world.requests().last(COMPLETE).unwrap().params["LifecycleHookName"];
            assert_eq!(hook, "ours");
        });
    }
}

/// An owner that listens on EventBridge cannot be told from nobody.
#[tokio::test]
async fn a_lone_hook_that_notifies_somebody_is_completed_with_a_warning() {
    let warning = "the next one will not. Set autoscaling.lifecycle_hook_name";
    for configured in [None, Some("old-drain")] {
        let mut spec = with_hooks(&["old-drain"]);
        let topic = "arn:aws:sns:us-east-1:123456789012:old-drain";
        spec.hooks[0].notification_target = Some(topic.to_owned());
        let mut stage = Stage::with_group(spec, vec![web(100)]).await;
        if let Some(name) = configured {
            stage = stage.set("autoscaling", "lifecycle_hook_name", name);
        }
        let agent = stage.watching().await;
        stage.instance.terminate();
        agent
            .logged("lifecycle action completed", PATIENCE)
            .await
            .unwrap();
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
    let agent = stage.watching().await;
    stage.instance.terminate();
    agent
        .logged("lifecycle action completed", PATIENCE)
        .await
        .unwrap();
    stage.assert_safe();
    assert!(agent.text().contains("too early to complete"));
    stage.simulator.world(|world| {
        assert_eq!(world.requests().accepted(COMPLETE), 1);
        assert!(
            world.requests().count(COMPLETE) <= 7,
            "{}",
            world.requests().count(COMPLETE)
        );
    });
}

#[tokio::test]
async fn a_completion_whose_answer_is_lost_is_not_repeated_in_vain() {
    // A second hook of another owner keeps the instance waiting: "no active action" has to be understood.
    let stage = Stage::with_group(with_hooks(&["ours", "theirs"]), vec![web(100)])
        .await
        .set("autoscaling", "lifecycle_hook_name", "ours");
    let agent = stage.watching().await;
    stage
        .simulator
        .fault(Fault::on(COMPLETE, FaultKind::LostResponse).times(1));
    stage.instance.terminate();
    agent
        .logged("was already completed", PATIENCE)
        .await
        .unwrap();
    stage
        .simulator
        .world(|world| assert_eq!(world.completions(stage.instance.id()), 1));
}

#[tokio::test]
async fn the_group_comes_from_the_tags_where_metadata_has_them() {
    let instance = InstanceSpec::new("demo")
        .group("demo-asg")
        .tag("aws:autoscaling:groupName", "demo-asg")
        .task(web(100));
    let stage = Stage::with_instance(group(), instance).await;
    let _agent = stage.watching().await;
    stage.instance.terminate();
    stage.completed().await;
    assert_eq!(
        stage.count("autoscaling:DescribeAutoScalingInstances"),
        0,
        "a tag costs no call"
    );
}
