//! Tasks that draining does not stop.

use std::time::Duration;

use ecs_lifecycle_simulator::{InstanceSpec, Options, TaskSpec, What};

use super::stage::{PATIENCE, Stage, group, web};

fn job(millis: u64) -> TaskSpec {
    TaskSpec::standalone("job")
        .runs_for(Duration::from_millis(millis))
        .stop_duration(Duration::from_millis(200))
}

#[tokio::test]
async fn stop_stops_standalone_tasks_only_and_gives_a_reason() {
    let settings = "drain.standalone_tasks=stop drain.standalone_stop_after=500ms";
    let late = web(2_000).replacement_delay(Duration::from_secs(1));
    let stage = Stage::with(settings, vec![late, job(600_000), job(600_000)]).await;
    let _agent = stage.leaving().await;
    stage.ends_well().await;
    assert_eq!(stage.count("ecs:StopTask"), 2);
    stage.world(|world| {
        let events = world.events_of(stage.instance.id());
        let ours = |what: &What| matches!(what, What::TaskToldToStop { reason, .. } if reason.contains("ecs-lifecycle-agent"));
        assert_eq!(events.filter(|event| ours(&event.what)).count(), 2);
    });
}

#[tokio::test]
async fn ignore_does_not_wait_but_does_for_the_rest() {
    let settings = "drain.standalone_tasks=ignore drain.daemon_tasks=ignore";
    let logs = TaskSpec::daemon("logs").stop_duration(Duration::from_secs(600));
    let stage = Stage::with(settings, vec![web(2_000), job(600_000), logs]).await;
    let agent = stage.leaving().await;
    stage.completed().await;
    agent.says("drained").await;
    stage.instance.wait_until_gone(PATIENCE).await.unwrap();
    stage.world(|world| {
        // The ignored ones die with the instance, as the policy says; the service's task must not.
        let killed = world.killed();
        assert_eq!(killed.len(), 2, "{killed:?}");
        let web_gone = world
            .tasks_of(stage.instance.id())
            .filter(|task| task.spec.kind.service() == Some("web"))
            .all(|task| !killed.contains(&task.arn));
        assert!(web_gone);
    });
}

/// The API lists a hundred at a time: to read one page only would be to be blind to the rest.
#[tokio::test]
async fn the_fallback_reads_every_page() {
    let mut instance = InstanceSpec::new("demo").group("demo-asg");
    for n in 0..5_000 {
        // Those of the first pages are gone at once, the last ones late.
        instance = instance.task(web(if n < 4_900 { 10 } else { 4_000 }));
    }
    let stage = Stage::with_options(Options::default(), group(), instance)
        .await
        .configured("ecs.introspection_grace=0s ecs.api_poll_interval=2s ecs.api_settle=1s");
    let agent = stage.watching().await;
    stage.instance.ecs_agent_down().await;
    stage.instance.terminate();
    // With the ECS agent down nothing stops: what is listed stays listed.
    agent.says("using the ECS API for tasks").await;
    // Two full lists.
    stage.counts("ecs:DescribeTasks", 100).await;
    stage.world(|world| {
        let most = world
            .requests()
            .matching("ecs:DescribeTasks")
            .map(|request| request.params["tasks"].as_array().map_or(0, Vec::len))
            .max();
        assert_eq!(most, Some(100));
    });
    stage.instance.ecs_agent_up().unwrap();
    agent.says("introspection API is available again").await;
    stage.ends_well().await;
    let most = agent.memory("VmHWM").unwrap();
    assert!(most < 64_000_000, "{most}");
}
