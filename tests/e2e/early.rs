//! Nothing is completed while a container still runs, whatever ECS and introspection say.

use std::time::Duration;

use ecs_lifecycle_simulator::{
    ApiSkew, ContainerInstanceStatus, Fault, FaultKind, InstanceSpec, Options, TaskSpec, What,
};

use super::stage::{PATIENCE, Stage, group, web};

const TASKS: &str = "introspection:GET /v1/tasks";

#[tokio::test]
async fn ecs_says_stopped_ten_seconds_too_early() {
    let skew = ApiSkew::Ahead(Duration::from_secs(10));
    let stage = Stage::new(vec![web(11_000).api_skew(skew)]).await;
    let _agent = stage.watching().await;
    stage.instance.terminate();
    stage.ends_well().await;
}

/// The same with introspection broken throughout, at the default intervals: the API alone is believed
/// only after it has said the same for longer than it runs ahead.
async fn too_early_and_introspection_is(broken: FaultKind) {
    let skew = ApiSkew::Ahead(Duration::from_secs(10));
    let stage = Stage::new(vec![web(12_000).api_skew(skew)])
        .await
        .set("ecs", "introspection_grace", "1s")
        .set("ecs", "api_poll_interval", "2s");
    let agent = stage.watching().await;
    stage.simulator.fault(Fault::on(TASKS, broken));
    stage.instance.terminate();
    agent
        .logged("using the ECS API for tasks", PATIENCE)
        .await
        .unwrap();
    stage.ends_well().await;
}

#[tokio::test]
async fn ecs_says_stopped_ten_seconds_too_early_and_introspection_fails() {
    too_early_and_introspection_is(FaultKind::InternalError).await;
}

#[tokio::test]
async fn ecs_says_stopped_ten_seconds_too_early_and_introspection_answers_nonsense() {
    too_early_and_introspection_is(FaultKind::WrongType).await;
}

/// ECS lists what has stopped for an hour or more. All of it is looked through, a hundred at a time.
#[tokio::test]
async fn among_hundreds_of_stopped_tasks_one_still_runs() {
    let job = TaskSpec::standalone("batch").runs_for(Duration::from_millis(1));
    let mut instance = InstanceSpec::new("demo").group("demo-asg");
    instance.tasks = vec![job; 250];
    instance.tasks.insert(100, web(6_000));
    let stage = Stage::with_options(Options::default().page_size(30), group(), instance)
        .await
        .set("ecs", "introspection_grace", "300ms")
        .set("ecs", "api_poll_interval", "200ms")
        .set("ecs", "api_settle", "500ms")
        .set("drain", "report_interval", "500ms");
    let agent = stage.watching().await;
    stage
        .simulator
        .fault(Fault::on(TASKS, FaultKind::InternalError));
    stage.instance.terminate();
    let waiting = agent.logged("tasks_left=1", PATIENCE).await.unwrap();
    assert!(waiting.contains("web:1"), "{waiting}");
    stage.ends_well().await;
    stage.simulator.world(|world| {
        let described = world.requests().matching("ecs:DescribeTasks");
        let sizes: Vec<usize> = described
            .filter_map(|request| Some(request.params["tasks"].as_array()?.len()))
            .collect();
        assert!(sizes.contains(&100) && sizes.iter().all(|size| *size <= 100));
    });
}

#[tokio::test]
async fn introspection_answers_nonsense_for_a_while() {
    let broken = [
        FaultKind::InternalError,
        FaultKind::Garbage,
        FaultKind::WrongType,
        FaultKind::Empty,
        FaultKind::Truncated,
        FaultKind::Status(
            200,
            Some(r#"{"AvailableCommands":["/v1/metadata"]}"#.to_owned()),
        ),
        FaultKind::Status(200, Some(r#"{"Tasks":null}"#.to_owned())),
    ];
    for kind in broken {
        let stage = Stage::new(vec![web(1_500)]).await;
        let agent = stage.watching().await;
        // The ECS API runs ahead meanwhile: nobody who believes it is safe.
        stage
            .simulator
            .fault(Fault::on(TASKS, kind.clone()).times(8));
        stage.instance.terminate();
        stage.ends_well().await;
        assert!(stage.count(TASKS) > 8, "{kind:?}:\n{}", agent.text());
    }
}

#[tokio::test]
async fn the_ecs_agent_restarts_in_mid_drain() {
    let stage = Stage::new(vec![web(2_000)]).await;
    let agent = stage.watching().await;
    stage.instance.terminate();
    stage.draining().await;
    stage.instance.ecs_agent_down().await;
    let down = stage.count("imds:GET /latest/meta-data/spot/instance-action");
    stage
        .until("a second of silence", |world| {
            world
                .requests()
                .count("imds:GET /latest/meta-data/spot/instance-action")
                > down + 10
        })
        .await;
    stage.instance.ecs_agent_up().unwrap();
    stage.ends_well().await;
    assert!(!agent.text().contains("using the ECS API for tasks"));
}

/// An instance that looks empty must drain too, or what arrives a moment later dies.
#[tokio::test]
async fn a_task_is_placed_just_after_draining() {
    for (there, after) in [(vec![web(200)], 150), (Vec::new(), 50)] {
        let late = web(700)
            .after_draining(Duration::from_millis(after))
            .pending_for(Duration::from_millis(300));
        let stage = Stage::new(there.into_iter().chain([late]).collect()).await;
        let _agent = stage.watching().await;
        stage.instance.terminate();
        stage.ends_well().await;
    }
}

#[tokio::test]
async fn ecs_lags_behind_the_containers() {
    let stage = Stage::new(vec![
        web(300).api_skew(ApiSkew::Behind(Duration::from_secs(2))),
    ])
    .await;
    let _agent = stage.watching().await;
    stage.instance.terminate();
    stage.ends_well().await;
}

#[tokio::test]
async fn the_last_look_finds_the_instance_set_back() {
    let stage = Stage::new(vec![
        TaskSpec::standalone("job").runs_for(Duration::from_secs(3)),
    ])
    .await;
    let _agent = stage.watching().await;
    stage.instance.terminate();
    stage.draining().await;
    stage
        .instance
        .set_container_instance_status(ContainerInstanceStatus::Active);
    stage.ends_well().await;
    let id = stage.instance.id().to_owned();
    stage.simulator.world(|world| {
        let changes = world
            .events_of(&id)
            .filter(|event| {
                matches!(
                    &event.what,
                    What::ContainerInstanceStatusChanged {
                        to: ContainerInstanceStatus::Draining,
                        ..
                    }
                )
            })
            .count();
        assert_eq!(changes, 2, "DRAINING again before the completion");
    });
}

#[tokio::test]
async fn the_container_instance_is_still_registering() {
    let stage = Stage::new(vec![]).await;
    stage
        .instance
        .set_container_instance_status(ContainerInstanceStatus::Registering);
    let agent = stage.watching().await;
    stage.instance.terminate();
    agent
        .logged("UpdateContainerInstancesState failed", PATIENCE)
        .await
        .unwrap();
    stage
        .instance
        .set_container_instance_status(ContainerInstanceStatus::Active);
    stage.ends_well().await;
}
