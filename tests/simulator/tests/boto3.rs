//! AWS's own client against the simulator: every operation, errors included (see `boto3_drive.py`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "test")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use ecs_lifecycle_simulator::{
    ContainerInstanceStatus, Fault, FaultKind, GroupSpec, HookSpec, InstanceSpec,
    LifecycleActionResult, Options, Simulator, StackSpec, TaskSpec, What,
};
use tokio::process::Command;

/// Everything that boto3 has to have driven.
const OPERATIONS: &[&str] = &[
    "ecs:UpdateContainerInstancesState",
    "ecs:DescribeContainerInstances",
    "ecs:ListContainerInstances",
    "ecs:ListTasks",
    "ecs:DescribeTasks",
    "ecs:DescribeServices",
    "ecs:StopTask",
    "autoscaling:DescribeAutoScalingInstances",
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeLifecycleHooks",
    "autoscaling:RecordLifecycleActionHeartbeat",
    "autoscaling:CompleteLifecycleAction",
    "autoscaling:TerminateInstanceInAutoScalingGroup",
    "cloudformation:SignalResource",
    "imds:PUT /latest/api/token",
    "imds:GET /latest/meta-data/iam/security-credentials/demo-instance-role",
];

/// A Python that has boto3.
async fn python() -> PathBuf {
    let set_up = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python/bin/python");
    let python = std::env::var_os("SIMULATOR_PYTHON").map_or(set_up, PathBuf::from);
    let found = Command::new(&python)
        .args(["-c", "import boto3"])
        .output()
        .await;
    assert!(
        found.is_ok_and(|output| output.status.success()),
        "{} has no boto3: run make test, which sets up target/python",
        python.display()
    );
    python
}

#[tokio::test]
async fn boto3_drives_every_operation() {
    let ms = Duration::from_millis;
    let simulator = Simulator::start(Options::default().page_size(2))
        .await
        .unwrap();
    let group = GroupSpec::new("demo-asg")
        .wait_delay(ms(100))
        .terminate_delay(ms(50));
    let ours = HookSpec::terminating("drain-hook");
    simulator.add_group(group.hook(ours).hook(HookSpec::launching("launch-hook")));
    simulator.add_stack(&StackSpec::new("stack").waiting("Group").idle("Idle"));
    let spec = || InstanceSpec::new("demo").group("demo-asg");
    let web = || {
        TaskSpec::service("web")
            .replacement_delay(ms(50))
            .stop_duration(ms(100))
    };
    let spec_with_tasks = spec()
        .task(web())
        .task(web())
        .task(web())
        .task(TaskSpec::daemon("logs").replacement_delay(ms(0)))
        .task(TaskSpec::standalone("batch").started_by("nightly"));
    let instance = simulator.add_instance(spec_with_tasks).await.unwrap();
    let other = simulator.add_instance(spec()).await.unwrap();
    let former = other.container_instance_arn();
    other.register_anew();
    let outside = InstanceSpec::new("demo").status(ContainerInstanceStatus::Registering);
    let registering = simulator.add_instance(outside).await.unwrap();
    // The script's third DescribeServices and its first retry.
    simulator.fault(
        Fault::on("ecs:DescribeServices", FaultKind::Throttled)
            .skip(2)
            .times(2),
    );

    let output = Command::new(python().await)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/boto3_drive.py"))
        .env_clear()
        .envs(instance.env())
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("SIM_AWS", simulator.aws_endpoint())
        .env("SIM_INSTANCE", instance.id())
        .env("SIM_OTHER", other.id())
        .env("SIM_ARN", instance.container_instance_arn())
        .env("SIM_OTHER_ARN", other.container_instance_arn())
        .env("SIM_FORMER_ARN", former)
        .env("SIM_REGISTERING_ARN", registering.container_instance_arn())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{stdout}{stderr}");

    simulator.world(|w| {
        for operation in OPERATIONS {
            assert!(w.requests().accepted(operation) > 0, "{operation}");
        }
        assert!(w.killed().is_empty(), "{:?}", w.killed());
        assert_eq!((w.completions(instance.id()), w.completions(other.id())), (1, 1));
        let abandoned = |what: &What| {
            matches!(what, What::HookCompleted { result, .. } if *result == LifecycleActionResult::Abandon)
        };
        assert!(w.event_of(other.id(), abandoned).is_some());
        assert_eq!(w.signals().len(), 1);
        let by_profile = w.requests().aws_calls().filter(|r| r.instance.as_deref() == Some(instance.id())).count();
        assert!(by_profile > 30, "{by_profile}");
    });
}
