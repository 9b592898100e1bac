//! Nothing is completed while a container still runs, whatever ECS and introspection say.

use std::time::Duration;

use ecs_lifecycle_simulator::{ApiSkew, Fault, FaultKind, InstanceSpec, Options, TaskSpec, What};

use super::stage::{Active, Draining, Registering, Stage, group, web};

const TASKS: &str = "introspection:GET /v1/tasks";
const LIST: &str = "ecs:ListTasks";

#[tokio::test]
async fn ecs_says_stopped_ten_seconds_too_early() {
    let skew = ApiSkew::Ahead(Duration::from_secs(10));
    let stage = Stage::new(vec![web(11_000).api_skew(skew)]).await;
    let _agent = stage.leaving().await;
    stage.ends_well().await;
}

/// Introspection is broken, and the pages of the ECS API's list repeat: a failed read, not a loop.
#[tokio::test]
async fn a_list_without_end_is_a_failed_read() {
    let settings = "ecs.introspection_grace=0s ecs.api_poll_interval=2s";
    let stage = Stage::with(settings, vec![web(600_000)]).await;
    stage.fault(Fault::on(TASKS, FaultKind::InternalError));
    let page = r#"{"taskArns":[],"nextToken":"the same"}"#.to_owned();
    stage.fault(Fault::on(LIST, FaultKind::Status(200, Some(page))));
    let agent = stage.leaving().await;
    agent.says("the same page again").await;
    stage.polls(5).await;
    assert!(stage.count(LIST) < 10);
    assert_eq!(stage.completions(), 0);
}

/// The same with introspection broken throughout, at the default intervals: the API alone is believed
/// only after it has said the same for longer than it runs ahead.
async fn too_early_and_introspection_is(broken: FaultKind) {
    let skew = ApiSkew::Ahead(Duration::from_secs(10));
    let settings = "ecs.introspection_grace=1s ecs.api_poll_interval=2s";
    let stage = Stage::with(settings, vec![web(12_000).api_skew(skew)]).await;
    let agent = stage.watching().await;
    stage.fault(Fault::on(TASKS, broken));
    stage.instance.terminate();
    agent.says("using the ECS API for tasks").await;
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
        .configured("ecs.introspection_grace=300ms ecs.api_poll_interval=200ms")
        .configured("ecs.api_settle=500ms drain.report_interval=500ms");
    let agent = stage.watching().await;
    stage.fault(Fault::on(TASKS, FaultKind::InternalError));
    stage.instance.terminate();
    let waiting = agent.says("tasks_left=1").await;
    assert!(waiting.contains("web:1"), "{waiting}");
    stage.ends_well().await;
    stage.world(|world| {
        let described = world.requests().matching("ecs:DescribeTasks");
        let sizes: Vec<usize> = described
            .filter_map(|request| Some(request.params["tasks"].as_array()?.len()))
            .collect();
        assert!(sizes.contains(&100) && sizes.iter().all(|size| *size <= 100));
    });
}

#[tokio::test]
async fn introspection_answers_nonsense_for_a_while() {
    let answers = |text: &str| FaultKind::Status(200, Some(text.to_owned()));
    let broken = [
        FaultKind::InternalError,
        FaultKind::Garbage,
        FaultKind::WrongType,
        FaultKind::Empty,
        FaultKind::Truncated,
        answers(r#"{"AvailableCommands":["/v1/metadata"]}"#),
        answers(r#"{"Tasks":null}"#),
    ];
    for kind in broken {
        let stage = Stage::new(vec![web(1_500)]).await;
        let agent = stage.watching().await;
        // The ECS API runs ahead meanwhile: nobody who believes it is safe.
        stage.fault(Fault::on(TASKS, kind.clone()).times(8));
        stage.instance.terminate();
        stage.ends_well().await;
        assert!(stage.count(TASKS) > 8, "{kind:?}:\n{}", agent.text());
    }
}

#[tokio::test]
async fn the_ecs_agent_restarts_in_mid_drain() {
    let stage = Stage::new(vec![web(2_000)]).await;
    let agent = stage.leaving().await;
    stage.draining().await;
    stage.instance.ecs_agent_down().await;
    stage.polls(11).await;
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
        let _agent = stage.leaving().await;
        stage.ends_well().await;
    }
}

#[tokio::test]
async fn ecs_lags_behind_the_containers() {
    let behind = ApiSkew::Behind(Duration::from_secs(2));
    let stage = Stage::new(vec![web(300).api_skew(behind)]).await;
    let _agent = stage.leaving().await;
    stage.ends_well().await;
}

#[tokio::test]
async fn the_last_look_finds_the_instance_set_back() {
    let job = TaskSpec::standalone("job").runs_for(Duration::from_secs(3));
    let stage = Stage::new(vec![job]).await;
    let _agent = stage.leaving().await;
    stage.draining().await;
    stage.instance.set_container_instance_status(Active);
    stage.ends_well().await;
    let id = stage.instance.id().to_owned();
    stage.world(|world| {
        use What::ContainerInstanceStatusChanged as Changed;
        let events = world.events_of(&id).map(|event| &event.what);
        let changes = events.filter(|what| matches!(what, Changed { to: Draining, .. }));
        assert_eq!(changes.count(), 2, "DRAINING again before the completion");
    });
}

#[tokio::test]
async fn the_container_instance_is_still_registering() {
    let stage = Stage::new(vec![]).await;
    stage.instance.set_container_instance_status(Registering);
    let agent = stage.leaving().await;
    agent.says("UpdateContainerInstancesState failed").await;
    stage.instance.set_container_instance_status(Active);
    stage.ends_well().await;
}
