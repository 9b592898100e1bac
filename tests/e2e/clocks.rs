//! A clock that is wrong, by Debian's libfaketime: AWS refuses a signature that is more than five minutes off.

use std::time::Duration;

use ecs_lifecycle_simulator::{AWS_CALLS, GroupSpec, InstanceSpec, Options, RequestRecord};

use super::packages;
use super::stage::{PATIENCE, PLAIN_CALLS, Stage, group, web};

fn library() -> String {
    let machine = std::env::consts::ARCH;
    format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1")
}

fn wrong(stage: Stage, by: &str) -> Stage {
    let Stage { builder, .. } = stage;
    Stage {
        builder: builder
            .env("LD_PRELOAD", library())
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1")
            .env("FAKETIME", by),
        ..stage
    }
}

/// The first call of each client is refused and sent again at once; the others know.
#[tokio::test]
async fn the_difference_to_the_clock_of_aws_is_learned_from_the_first_refusal() {
    let test = "clocks::the_difference_to_the_clock_of_aws_is_learned_from_the_first_refusal";
    if !packages::has(&library(), test) {
        return;
    }
    for by in ["-20m", "+20m", "+9h"] {
        let stage = wrong(Stage::new(vec![web(300)]).await, by);
        let agent = stage.watching().await;
        stage.instance.terminate();
        stage.completed().await;
        stage.assert_safe();
        let calls = stage.count(AWS_CALLS);
        // Calls that go side by side are refused side by side.
        assert!(calls <= PLAIN_CALLS + 4, "{by}: {calls}\n{}", agent.text());
        assert!(
            !agent.text().contains("failed; retrying"),
            "{}",
            agent.text()
        );
    }
}

/// A drain that outlives its credentials, as one does that sleeps for long: they are renewed, and no call is
/// lost over it.
#[tokio::test]
async fn credentials_that_end_in_mid_drain_are_renewed() {
    let group: GroupSpec = group();
    let instance = InstanceSpec::new("demo")
        .group(&group.name)
        .task(web(4_000));
    let options = Options::default().credential_lifetime(Duration::from_secs(2));
    let stage = Stage::with_options(options, group, instance).await;
    let agent = stage.watching().await;
    stage.instance.terminate();
    agent
        .logged("lifecycle action completed", PATIENCE)
        .await
        .unwrap();
    stage.assert_safe();
    let text = agent.text();
    assert!(!text.contains("failed; retrying"), "{text}");
}

/// As a machine does that is suspended: nothing runs meanwhile, and the credentials are long over when it goes
/// on. AWS never sees them again, and the drain goes on.
#[tokio::test]
async fn credentials_that_end_in_a_suspend_are_not_used_after_it() {
    let group: GroupSpec = group();
    let instance = InstanceSpec::new("demo")
        .group(&group.name)
        .task(web(15_000));
    // The SDK takes them for good until ten seconds before their end.
    let options = Options::default().credential_lifetime(Duration::from_secs(12));
    let stage = Stage::with_options(options, group, instance).await;
    let agent = stage.watching().await;
    stage.instance.terminate();
    stage.draining().await;
    agent.signal("STOP").await.unwrap();
    tokio::time::sleep(Duration::from_secs(13)).await;
    stage.simulator.clear_requests();
    agent.signal("CONT").await.unwrap();
    agent
        .logged("lifecycle action completed", PATIENCE)
        .await
        .unwrap();
    stage.assert_safe();
    let text = agent.text();
    assert!(!text.contains("failed; trying again"), "{text}");
    stage.simulator.world(|world| {
        let refused = |request: &&RequestRecord| request.status.is_some_and(|status| status >= 400);
        let refused: Vec<_> = world.requests().aws_calls().filter(refused).collect();
        assert!(refused.is_empty(), "{refused:?}");
        let renewed = |operation: &String| operation.contains("iam/security-credentials");
        assert!(world.requests().counts().keys().any(renewed), "{text}");
    });
}
