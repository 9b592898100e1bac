//! The group and its hooks.

use std::time::Duration;

use ecs_lifecycle_simulator::{GroupSpec, HookSpec, InstanceSpec};

use super::stage::{CONFIG, Stage, drain_hook, group, instance};

const MANAGED: &str = "ecs-managed-draining-termination-hook";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:old-drain";

#[tokio::test]
async fn the_instance_is_in_no_group() {
    let mut spec = InstanceSpec::new("demo")
        .tag("Name", "x")
        .target_lifecycle_state(None);
    spec.tasks = instance().tasks;
    let stage = Stage::with(group(), spec).await;
    stage
        .finds("group?", "", "Auto Scaling group")
        .untried("hook");
}

#[tokio::test]
async fn the_group_has_no_hook() {
    let stage = Stage::with(
        GroupSpec::new("demo-asg").hook(HookSpec::launching("join")),
        instance(),
    )
    .await;
    stage.finds(
        "hook",
        "Auto Scaling does not wait for the drain",
        "put-lifecycle-hook --auto-scaling-group-name demo-asg",
    );
}

#[tokio::test]
async fn several_hooks_and_none_is_named() {
    let abandons = GroupSpec::new("demo-asg").hook(HookSpec::terminating("drain-hook"));
    let stage = Stage::with(abandons.hook(HookSpec::terminating("backup")), instance()).await;
    stage.finds(
        "hook",
        "drain-hook, backup",
        "autoscaling.lifecycle_hook_name",
    );

    stage.host.write(
        CONFIG,
        "[autoscaling]\nlifecycle_hook_name = \"drain-hook\"\n",
    );
    stage
        .examine()
        .says("hook", "as configured")
        // ABANDON, and there is another hook that it would skip.
        .complains(&["hook-default-result?"])
        .advises("hook-default-result", "CONTINUE");
}

#[tokio::test]
async fn a_hook_that_notifies_somebody_may_be_theirs() {
    let theirs = drain_hook("old-drain").notification_target(TOPIC);
    let stage = Stage::with(GroupSpec::new("demo-asg").hook(theirs), instance()).await;
    stage
        .finds("hook?", "", "")
        .says("hook", TOPIC)
        .advises("hook", "autoscaling.lifecycle_hook_name = \"old-drain\"");
    // Named, it is this agent's.
    stage.host.write(
        CONFIG,
        "[autoscaling]\nlifecycle_hook_name = \"old-drain\"\n",
    );
    stage.examine().complains(&[]).says("hook", "as configured");
}

#[tokio::test]
async fn the_configured_hook_is_not_there() {
    let stage = Stage::new().await;
    stage.host.write(
        CONFIG,
        "[autoscaling]\nlifecycle_hook_name = \"drain-hok\"\n",
    );
    stage.finds("hook", "(drain-hook)", "correct the name");
}

#[tokio::test]
async fn the_configured_group_is_another() {
    let stage = Stage::new().await;
    stage
        .simulator
        .add_group(GroupSpec::new("other").hook(drain_hook("other-hook")));
    stage.host.write(
        CONFIG,
        "[autoscaling]\nauto_scaling_group_name = \"other\"\n",
    );
    stage.finds("group", "", "remove it");
}

#[tokio::test]
async fn managed_draining_is_on_too() {
    let hook = drain_hook(MANAGED);
    let ours = drain_hook("drain-hook");
    let stage = Stage::with(
        GroupSpec::new("demo-asg").hook(ours).hook(hook.clone()),
        instance(),
    )
    .await;
    stage
        .finds("managed-draining?", "", "capacity provider")
        .says("hook", "drain-hook");

    let stage = Stage::with(GroupSpec::new("demo-asg").hook(hook), instance()).await;
    stage
        .examine()
        .complains(&["hook?", "managed-draining?"])
        .advises("hook", "a hook of its own");
}

#[tokio::test]
async fn heartbeats_come_too_seldom() {
    let hook = drain_hook("drain-hook").heartbeat_timeout(Duration::from_secs(60));
    let stage = Stage::with(GroupSpec::new("demo-asg").hook(hook), instance()).await;
    for (interval, complaint) in [("1m", "hook-heartbeat?"), ("16s", "hook-heartbeat?")] {
        stage.host.write(
            CONFIG,
            &format!("[autoscaling]\nheartbeat_interval = \"{interval}\"\n"),
        );
        stage
            .examine()
            .complains(&[complaint])
            .advises("hook-heartbeat", "at most \"15s\"");
    }
}

#[tokio::test]
async fn the_hook_cannot_wait_as_long_as_the_drain() {
    let hook = drain_hook("drain-hook")
        .heartbeat_timeout(Duration::from_secs(30))
        .global_timeout(Duration::from_secs(600));
    let stage = Stage::with(GroupSpec::new("demo-asg").hook(hook), instance()).await;
    stage.finds("hook-timeout?", "drain.timeout is 15m", "HeartbeatTimeout");
}

#[tokio::test]
async fn the_launching_hook_is_a_matter_of_its_own() {
    let launching = |names: &[&str]| {
        let hooks = names.iter().map(|name| HookSpec::launching(name));
        hooks.fold(group(), GroupSpec::hook)
    };
    let stage = Stage::with(launching(&[]), instance()).await;
    stage.examine().complains(&[]).says("launch-hook", "none");
    let stage = Stage::with(launching(&["join"]), instance()).await;
    stage
        .examine()
        .complains(&[])
        .says("launch-hook", "join of demo-asg, the only one");
    let stage = Stage::with(launching(&["join", "other"]), instance()).await;
    stage.finds(
        "launch-hook?",
        "join, other",
        "autoscaling.launch_hook_name",
    );
    for (named, complaint) in [("join", None), ("gone", Some("launch-hook"))] {
        let text = format!("[autoscaling]\nlaunch_hook_name = \"{named}\"\n");
        stage.host.write(CONFIG, &text);
        let complaints: Vec<&str> = complaint.into_iter().collect();
        stage.examine().complains(&complaints);
    }
}

/// A group may retain what is abandoned: the hook and the agent have to say the same.
#[tokio::test]
async fn the_default_result_contradicts_the_agents() {
    for (ours, hook, complaint) in [
        ("ABANDON", HookSpec::terminating("drain-hook"), None),
        (
            "ABANDON",
            drain_hook("drain-hook"),
            Some("hook-default-result?"),
        ),
        (
            "CONTINUE",
            HookSpec::terminating("drain-hook"),
            Some("hook-default-result?"),
        ),
    ] {
        let mut stage = Stage::with(GroupSpec::new("demo-asg").hook(hook), instance()).await;
        stage.configure("drain", "result_on_timeout", ours);
        let complaints: Vec<&str> = complaint.into_iter().collect();
        stage.examine().complains(&complaints);
    }
}
