//! The small binary for trying things by hand.

#![allow(clippy::unwrap_used, reason = "test")]

use tokio::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_ecs-lifecycle-simulator");

#[tokio::test]
async fn says_what_to_export_and_then_what_happens() {
    let arguments = ["--tasks", "1", "--terminate-after", "0.05", "--for", "0.5"];
    let output = Command::new(BINARY).args(arguments).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for part in [
        "export AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:",
        "export AWS_ENDPOINT_URL_ECS=http://127.0.0.1:",
        "TaskRunning",
        "TargetStateSet(Terminated)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn wrong_usage_is_64() {
    let output = Command::new(BINARY)
        .args(["--tasks", "many"])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8(output.stderr).unwrap().contains("usage:"));
}
