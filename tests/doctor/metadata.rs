//! Instance metadata, the role, the clock.

use std::time::{Duration, Instant};

use ecs_lifecycle_simulator::{FaultKind, TargetLifecycleState};

use super::rude::Rude;
use super::stage::{Stage, group, instance};

/// Everything that hangs on metadata, and is not tried without it.
const NEED_METADATA: [&str; 8] = [
    "role",
    "target-state",
    "metadata-tags",
    "group",
    "hook",
    "container-instance",
    "ecs:ListTasks",
    "autoscaling:DescribeLifecycleHooks",
];

async fn rude(rude: Rude) -> Stage {
    let mut stage = Stage::new().await;
    let endpoint = rude.start(&stage.instance.imds_endpoint());
    stage.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint);
    stage
}

#[tokio::test]
async fn imdsv1_is_still_on() {
    let stage = rude(Rude {
        version_1: true,
        ..Rude::default()
    })
    .await;
    stage
        .finds("metadata-v1?", "IMDSv1", "HttpTokens to required")
        .advises("metadata-v1", stage.instance.id());
}

#[tokio::test]
async fn the_clock_is_wrong() {
    let stage = rude(Rude {
        date: Some("Thu, 01 Jan 2026 00:00:00 GMT"),
        ..Rude::default()
    })
    .await;
    stage.finds("clock?", "ahead", "chronyd");
}

#[tokio::test]
async fn the_token_is_lost_on_a_hop() {
    let mut stage = rude(Rude {
        no_tokens: true,
        ..Rude::default()
    })
    .await;
    stage.configure("metadata", "request_timeout", "5s");
    let report = stage.examine();
    report
        .complains(&["metadata", "metadata-hop-limit"])
        .advises("metadata", "HttpPutResponseHopLimit")
        .advises("metadata-hop-limit", "--http-put-response-hop-limit 2");
    for id in NEED_METADATA {
        report.untried(id);
    }
}

#[tokio::test]
async fn metadata_does_not_answer() {
    let stage = Stage::new().await;
    stage.instance.close_imds().await;
    let report = stage.examine();
    report.finds("metadata", "", "169.254.169.254");
    for id in NEED_METADATA {
        report.untried(id);
    }
}

#[tokio::test]
async fn metadata_has_no_tags() {
    let spec = instance();
    let stage = Stage::with(
        group(),
        ecs_lifecycle_simulator::InstanceSpec {
            metadata_tags: None,
            ..spec
        },
    )
    .await;
    stage
        .finds("metadata-tags?", "", "InstanceMetadataTags")
        .says("hook", "drain-hook");
}

#[tokio::test]
async fn there_is_no_role() {
    let stage = Stage::with(group(), instance().without_role()).await;
    stage
        .finds("role", "", "instance profile")
        .untried("credentials")
        .untried("ecs:DescribeContainerInstances")
        .untried("autoscaling:DescribeAutoScalingInstances");
}

#[tokio::test]
async fn the_credentials_are_not_accepted() {
    let stage = Stage::new().await;
    stage.fault("ecs:*|autoscaling:*", FaultKind::ExpiredCredentials);
    stage.finds("credentials", "", "instance profile");
}

#[tokio::test]
async fn a_key_in_the_environment_comes_first() {
    let mut stage = Stage::new().await;
    stage.set(
        "AWS_ACCESS_KEY_ID",
        ecs_lifecycle_simulator::Options::default()
            .static_access_key_id
            .as_deref()
            .unwrap(),
    );
    stage.set("AWS_SECRET_ACCESS_KEY", "whatever");
    stage.finds("credentials?", "AWS_ACCESS_KEY_ID", "env -i");
}

#[tokio::test]
async fn the_instance_is_being_terminated() {
    let stage = Stage::new().await;
    stage.instance.set_target(TargetLifecycleState::Terminated);
    stage.finds("target-state?", "", "systemctl status");
}

/// Longer than the agent's own timeouts make it, on a machine busy with other tests.
const A_FEW_SECONDS: Duration = Duration::from_secs(20);

/// Connections are taken, and nothing ever answers.
#[tokio::test]
async fn everything_hangs() {
    let mut stage = Stage::new().await;
    stage.configure("metadata", "request_timeout", "1s");
    stage.configure("ecs", "introspection_timeout", "2s");
    stage.fault("*", FaultKind::Hang);
    let start = now();
    stage.examine().complains(&["ecs-agent", "metadata"]);
    assert!(start.elapsed() < A_FEW_SECONDS);
}

/// AWS alone hangs: every call is tried, side by side.
#[tokio::test]
async fn aws_hangs() {
    let mut stage = Stage::new().await;
    stage.configure("aws", "request_timeout", "5s");
    stage.fault("ecs:*|autoscaling:*", FaultKind::Hang);
    let start = now();
    stage
        .examine()
        .complains(&[
            "ecs:DescribeContainerInstances",
            "ecs:ListContainerInstances?",
            "ecs:ListTasks",
            "autoscaling:DescribeAutoScalingInstances",
            "autoscaling:DescribeLifecycleHooks",
        ])
        .advises("ecs:ListTasks", "VPC endpoint")
        .untried("credentials");
    assert!(start.elapsed() < A_FEW_SECONDS);
}

#[expect(clippy::disallowed_methods, reason = "it is about real time")]
fn now() -> Instant {
    Instant::now()
}
