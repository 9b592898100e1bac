//! The ECS agent, the cluster, and what the role may do.

use ecs_lifecycle_simulator::{ContainerInstanceStatus, Fault, FaultKind, Service, TaskSpec};

use super::stage::{CONFIG, Stage, group, instance};

#[tokio::test]
async fn the_ecs_agent_is_down() {
    let stage = Stage::with(group(), instance().ecs_agent_down()).await;
    stage
        .finds("ecs-agent", "", "systemctl start ecs")
        .untried("container-instance")
        .untried("ecs:ListTasks")
        .says("hook", "drain-hook");
}

#[tokio::test]
async fn the_ecs_agent_is_not_registered() {
    let stage = Stage::with(group(), instance().unregistered()).await;
    stage.finds("ecs-agent", "not registered", "ECS_CLUSTER");
}

#[tokio::test]
async fn somebody_left_it_draining() {
    let stage = Stage::with(
        group(),
        instance().status(ContainerInstanceStatus::Draining),
    )
    .await;
    stage.finds("container-instance?", "", "--status ACTIVE");
}

#[tokio::test]
async fn the_ecs_agent_has_registered_anew() {
    let stage = Stage::new().await;
    let former = stage.instance.container_instance_arn();
    stage.instance.register_anew();
    let report = stage.examine();
    let command = format!(
        "aws ecs deregister-container-instance --cluster demo --container-instance {former} --force"
    );
    report
        .finds("former-registrations?", "", "")
        .says("former-registrations", former.rsplit('/').next().unwrap());
    assert_eq!(report.check("former-registrations")["remedy"], command);

    // What the role may not list is not known. No drain depends on it.
    let denied = Fault::on("ecs:ListContainerInstances", FaultKind::AccessDenied);
    stage.simulator.fault(denied);
    stage
        .finds(
            "ecs:ListContainerInstances?",
            "",
            "allow ecs:ListContainerInstances in the role's policy",
        )
        .untried("former-registrations");
}

/// With capacity on: a task that never fits, and no CloudWatch agent that listens.
#[tokio::test]
async fn the_capacity_is_too_small_and_nothing_listens() {
    let stage = Stage::with(group(), instance().resources(1024, 993)).await;
    let settings = "[metrics]\nemf_endpoint = \"tcp://127.0.0.1:1\"\n\
                    [capacity]\nenabled = true\ncpu = 250\nmemory = 994\n";
    stage.host.write(CONFIG, settings);
    stage
        .examine()
        .complains(&["capacity", "capacity-listener?"])
        .says("capacity", "never fits on this instance, limited by memory")
        .advises("capacity-listener", "metrics.emf_endpoint");
}

#[tokio::test]
async fn each_permission_that_is_missing_is_named() {
    // What it needs the answer of is untried, and not wrong as well.
    let cases: [(&str, &[&str]); 6] = [
        ("ecs:DescribeContainerInstances", &["container-instance"]),
        (
            "ecs:ListTasks",
            &["ecs:DescribeTasks", "ecs:DescribeServices"],
        ),
        ("ecs:DescribeTasks", &["ecs:DescribeServices"]),
        ("ecs:DescribeServices", &[]),
        ("autoscaling:DescribeAutoScalingInstances", &[]),
        (
            "autoscaling:DescribeLifecycleHooks",
            &["hook", "managed-draining", "hook-heartbeat", "hook-timeout"],
        ),
    ];
    let stage = Stage::new().await;
    for (action, untried) in cases {
        let fault = stage.fault(action, FaultKind::AccessDenied);
        let report = stage.examine();
        report
            .complains(&[action])
            .says(action, "is not authorized to perform")
            .advises(action, &format!("allow {action} in the role's policy"));
        for id in untried {
            report.untried(id);
        }
        stage.simulator.remove_fault(fault);
    }
}

#[tokio::test]
async fn there_is_no_way_to_amazon_ecs() {
    let stage = Stage::new().await;
    stage.simulator.close_listener(Service::Ecs).await;
    stage
        .examine()
        .complains(&[
            "ecs:DescribeContainerInstances",
            "ecs:ListContainerInstances?",
            "ecs:ListTasks",
        ])
        .advises("ecs:ListTasks", "VPC endpoint");
}

#[tokio::test]
async fn something_else_answers() {
    let stage = Stage::new().await;
    stage.fault("autoscaling:DescribeLifecycleHooks", FaultKind::Garbage);
    stage.finds("autoscaling:DescribeLifecycleHooks", "", "proxy");
}

#[tokio::test]
async fn throttled_is_no_failure() {
    let stage = Stage::new().await;
    stage.fault("ecs:DescribeContainerInstances", FaultKind::Throttled);
    stage.finds("ecs:DescribeContainerInstances?", "", "again later");
}

#[tokio::test]
async fn where_no_task_runs_there_is_nothing_to_ask() {
    let mut spec = instance();
    spec.tasks.clear();
    let stage = Stage::with(group(), spec).await;
    stage
        .examine()
        .complains(&[])
        .untried("ecs:DescribeTasks")
        .untried("ecs:DescribeServices");
    stage.instance.place_task(TaskSpec::standalone("job"));
    stage
        .examine()
        .complains(&[])
        .says("ecs:DescribeTasks", "the call succeeded")
        .untried("ecs:DescribeServices");
}
