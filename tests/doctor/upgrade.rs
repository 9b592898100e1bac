//! `--before-upgrade`: which changed defaults touch this instance?

use ecs_lifecycle_simulator::{GroupSpec, HookSpec};

use super::stage::{CONFIG, Report, Stage, group, instance};

fn before_upgrade(stage: &Stage) -> Report {
    Report::of(&stage.doctor(&["--before-upgrade", "--json"]))
}

#[tokio::test]
async fn an_instance_with_a_hook_of_its_own_is_not_touched() {
    let stage = Stage::new().await;
    let report = before_upgrade(&stage);
    report
        .complains(&[])
        .says("upgrade-lone-hook", "EventBridge")
        .says("upgrade-signal-drained", "no stack")
        .says("upgrade-hop-limit", "no stack");
    assert_eq!(report.mode(), "before-upgrade");
    assert_eq!(report.checks().len(), 5);
}

#[tokio::test]
async fn what_touches_it_is_named_until_it_is_set() {
    let theirs =
        HookSpec::terminating("old-drain").notification_target("arn:aws:sns:us-east-1:1:t");
    let stage = Stage::with(
        GroupSpec::new("demo-asg").hook(theirs),
        instance().tag("aws:cloudformation:stack-name", "demo"),
    )
    .await;
    let stack = "stack_name = \"demo\"\nlogical_resource_id = \"Group\"\n";
    let text = format!(
        "[drain]\nstandalone_tasks = \"stop\"\n[cloudformation]\n{stack}signal_on_timeout = \"FAILURE\"\n"
    );
    stage.host.write(CONFIG, &text);
    before_upgrade(&stage)
        .complains(&[
            "upgrade-lone-hook?",
            "upgrade-signal-drained?",
            "upgrade-hop-limit?",
            "upgrade-stop-task?",
        ])
        .says("upgrade-lone-hook", "arn:aws:sns:us-east-1:1:t")
        .advises("upgrade-lone-hook", "lifecycle_hook_name = \"old-drain\"")
        .says("upgrade-signal-drained", "signal_on_timeout has no effect")
        .advises("upgrade-hop-limit", "HttpPutResponseHopLimit")
        .advises("upgrade-stop-task", "StandaloneTasks");

    let text = format!(
        "[autoscaling]\nlifecycle_hook_name = \"old-drain\"\n[cloudformation]\n{stack}signal_drained = false\n"
    );
    stage.host.write(CONFIG, &text);
    before_upgrade(&stage).complains(&["upgrade-hop-limit?"]);
}

#[tokio::test]
async fn a_configuration_that_this_version_refuses_is_named() {
    let stage = Stage::with(group(), instance()).await;
    stage.host.write(CONFIG, "[drain]\ntimout = \"1m\"\n");
    let report = before_upgrade(&stage);
    assert_eq!(report.check("configuration")["status"], "failure");
    report.untried("upgrade-signal-drained");
}
