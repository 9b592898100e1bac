//! A clock that is wrong, by Debian's libfaketime: AWS refuses a signature that is more than five minutes off.

use std::time::Duration;

use ecs_lifecycle_simulator::{AWS_CALLS, Fault, FaultKind, InstanceSpec, Options};

use super::packages;
use super::stage::{PLAIN_CALLS, Stage, group, web};

fn library() -> String {
    let machine = std::env::consts::ARCH;
    format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1")
}

/// An instance with one task, whose clock is off.
async fn stage_with_clock(by: &str) -> Stage {
    let mut stage = Stage::new(vec![web(300)]).await;
    stage.builder = stage
        .builder
        .env("LD_PRELOAD", library())
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME", by);
    stage
}

/// The first call of each client is refused and sent again at once; the others know.
#[tokio::test]
async fn the_difference_to_the_clock_of_aws_is_learned_from_the_first_refusal() {
    let test = "clocks::the_difference_to_the_clock_of_aws_is_learned_from_the_first_refusal";
    if !packages::has(&library(), test) {
        return;
    }
    for by in ["-20m", "+20m", "+9h"] {
        let stage = stage_with_clock(by).await;
        let agent = stage.watching().await;
        stage.drains().await;
        let calls = stage.count(AWS_CALLS);
        // Calls that go side by side are refused side by side.
        let text = agent.text();
        assert!(calls <= PLAIN_CALLS + 4, "{by}: {calls}\n{text}");
        assert!(!text.contains("failed; retrying"), "{text}");
    }
}

/// A drain that outlives its credentials, as one does that sleeps for long: they are renewed, and no call is
/// lost over it.
#[tokio::test]
async fn credentials_that_end_in_mid_drain_are_renewed() {
    let instance = InstanceSpec::new("demo").group("demo-asg").task(web(4_000));
    let options = Options::default().credential_lifetime(Duration::from_secs(2));
    let stage = Stage::with_options(options, group(), instance).await;
    let agent = stage.leaving().await;
    agent.says("lifecycle action completed").await;
    stage.assert_safe();
    let text = agent.text();
    assert!(!text.contains("failed; retrying"), "{text}");
}

/// Metadata has the new credentials late. Whoever drops the old ones drops the clock's difference with them.
#[tokio::test]
async fn the_difference_is_learned_again_after_expired_credentials() {
    let test = "clocks::the_difference_is_learned_again_after_expired_credentials";
    if !packages::has(&library(), test) {
        return;
    }
    let stage = stage_with_clock("-20m").await;
    let _agent = stage.watching().await;
    for service in ["ecs:*", "autoscaling:*"] {
        stage.fault(Fault::on(service, FaultKind::ExpiredCredentials).times(6));
    }
    stage.drains().await;
}
