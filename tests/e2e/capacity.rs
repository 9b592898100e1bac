//! Capacity with the real binary: from `DescribeContainerInstances` to the record that the CloudWatch agent
//! gets, and to what the `capacity` command prints.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ecs_lifecycle_agent::decide::{capacity_phase, seed_of};
use ecs_lifecycle_rig::{AgentBuilder, AgentProcess, Scratch};
use ecs_lifecycle_simulator::{
    AWS_CALLS, ContainerInstanceStatus, Fault, FaultKind, Instance, InstanceSpec, LifecycleState,
    Options, Simulator, TargetLifecycleState, TaskSpec,
};
use serde_json::Value;

use super::control::{socket, status};
use super::emf::CloudWatchAgent;
use super::stage::{PATIENCE, Stage, builder, group};

fn examples() -> Vec<Value> {
    let text = include_str!("../capacity/examples.json");
    serde_json::from_str(text).unwrap()
}

fn integer(value: &Value) -> i32 {
    i32::try_from(value.as_i64().unwrap()).unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    let list = value.as_array().unwrap().iter();
    list.map(|text| text.as_str().unwrap()).collect()
}

/// An instance of an example, with tasks that reserve what does not remain.
fn instance_of(host: &Value, id: &str) -> InstanceSpec {
    let (registered, remaining) = (&host["registered"], &host["remaining"]);
    let mut spec = InstanceSpec::new("demo")
        .group("demo-asg")
        .id(id)
        .tag("aws:autoscaling:groupName", "demo-asg")
        .resources(integer(&registered[0]), integer(&registered[1]));
    let reserved = texts(&host["reserved"]).into_iter();
    spec.resources.ports.extend(reserved.map(str::to_owned));
    let taken = |at: usize| integer(&registered[at]) - integer(&remaining[at]);
    let mut task = TaskSpec::service("web").reserves(taken(0), taken(1));
    for port in texts(&host["taken"]) {
        task = task.host_port(port);
    }
    let interfaces = host["interfaces"].as_u64().unwrap();
    for _ in 1..interfaces {
        spec = spec.task(TaskSpec::service("web").awsvpc());
    }
    if interfaces > 0 {
        task = task.awsvpc();
    }
    if host["status"] == "DRAINING" {
        spec = spec.status(ContainerInstanceStatus::Draining);
        task = TaskSpec {
            kind: ecs_lifecycle_simulator::TaskKind::Standalone,
            ..task
        };
    }
    if taken(0) > 0 || taken(1) > 0 || interfaces > 0 {
        spec = spec.task(task);
    }
    spec
}

/// So many agents on a busy machine: none of them gives up early.
fn patient(builder: AgentBuilder) -> AgentBuilder {
    builder
        .set("metadata", "request_timeout", "30s")
        .set("ecs", "introspection_timeout", "30s")
        .set("aws", "request_timeout", "30s")
}

fn configured(builder: AgentBuilder, task: &Value) -> AgentBuilder {
    let builder = patient(builder)
        .set("capacity", "enabled", "true")
        .set("capacity", "cpu", task["cpu"].to_string())
        .set("capacity", "memory", task["memory"].to_string())
        .set("capacity", "ports", texts(&task["ports"]).join(","));
    if task["awsvpc"] == true {
        return builder.set("capacity", "awsvpc", "true").set(
            "capacity",
            "task_enis",
            task["task_enis"].to_string(),
        );
    }
    builder
}

/// What `capacity --json` prints, and its exit status.
async fn asked(builder: &AgentBuilder) -> (Value, i32) {
    let mut process = builder
        .clone()
        .arg("capacity")
        .arg("--json")
        .start()
        .unwrap();
    let line = process.logged("ContainerCapacity", PATIENCE).await.unwrap();
    let code = process.ended(PATIENCE).await.unwrap().code().unwrap();
    (serde_json::from_str(&line).unwrap(), code)
}

/// An instance id that speaks early in the minute.
fn early(number: u64) -> String {
    let mut ids = (0..).map(|salt: u64| format!("i-{number:05x}{salt:012x}"));
    ids.find(|id| (2_000..6_000).contains(&capacity_phase(seed_of(id))))
        .unwrap()
}

struct Host {
    example: usize,
    instance: Instance,
    builder: AgentBuilder,
    expected: Value,
    limited_by: Value,
    _scratch: Scratch,
}

async fn hosts(simulator: &Simulator) -> Vec<Host> {
    simulator.add_cluster("demo");
    simulator.add_group(group());
    let mut all = Vec::new();
    for (example, known) in (1..).zip(examples()) {
        for host in known["hosts"].as_array().unwrap() {
            let id = early(u64::try_from(all.len()).unwrap());
            let instance = simulator
                .add_instance(instance_of(host, &id))
                .await
                .unwrap();
            if host["connected"] == false {
                instance.set_agent_connected(false);
            }
            let scratch = Scratch::new().unwrap();
            all.push(Host {
                example,
                builder: configured(builder(&instance, scratch.path()), &known["task"]),
                instance,
                expected: host["figures"].clone(),
                limited_by: host["limited_by"].clone(),
                _scratch: scratch,
            });
        }
    }
    all
}

fn is_sum(figures: &[[f64; 3]], sum: &Value) -> bool {
    let total = |at: usize| figures.iter().map(|figures| figures[at]).sum::<f64>();
    let most = figures.iter().map(|figures| figures[2]).fold(0.0, f64::max);
    let near = |value: f64, at: usize| (value - sum[at].as_f64().unwrap()).abs() < 1e-9;
    near(total(0), 0) && near(total(1), 1) && near(most, 2)
}

fn three(value: &Value) -> [f64; 3] {
    ["ContainerCapacity", "IdleHostCapacity", "TasksPerHost"]
        .map(|name| value[name].as_f64().unwrap())
}

/// All 22 examples, by the command: each host, and the sum of those that publish.
#[tokio::test]
async fn the_command_has_the_figures_of_every_example() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let mut said: BTreeMap<usize, Vec<[f64; 3]>> = BTreeMap::new();
    for host in hosts(&simulator).await {
        let (json, code) = asked(&host.builder).await;
        let example = host.example;
        assert_eq!(json["LimitedBy"], host.limited_by, "{example}: {json}");
        if host.expected.is_null() {
            assert_eq!(
                (&json["Publishes"], code),
                (&Value::Bool(false), 1),
                "{example}: {json}"
            );
            assert!(json["Reason"].is_string(), "{example}: {json}");
            continue;
        }
        assert_eq!(
            (&json["Publishes"], code),
            (&Value::Bool(true), 0),
            "{example}: {json}"
        );
        assert!(json["Reason"].is_null(), "{example}: {json}");
        let expected: Vec<f64> = serde_json::from_value(host.expected).unwrap();
        assert_eq!(three(&json).to_vec(), expected, "{example}");
        said.entry(example).or_default().push(three(&json));
    }
    for (example, known) in (1..).zip(examples()) {
        assert!(
            is_sum(&said[&example], &known["sum"]),
            "{example}: {:?}",
            said[&example]
        );
    }
}

/// All 22 examples, by running agents, as the CloudWatch agent gets them: it takes a minute.
#[tokio::test]
async fn the_records_have_the_figures_of_every_example() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let mut listener = CloudWatchAgent::start().await;
    let hosts = hosts(&simulator).await;
    let agents: Vec<AgentProcess> = hosts
        .iter()
        .map(|host| {
            let builder = host.builder.clone();
            let agent = builder
                .set("metadata", "poll_interval", "5s")
                .set("metrics", "emf_endpoint", listener.endpoint.clone())
                .set("metrics", "log_group", "stack-capacity");
            agent.start().unwrap()
        })
        .collect();
    let speaking: BTreeSet<&str> = hosts
        .iter()
        .filter(|host| !host.expected.is_null())
        .map(|host| host.instance.id())
        .collect();
    let mut records: BTreeMap<String, Value> = BTreeMap::new();
    while records.len() < speaking.len() {
        let next = tokio::time::timeout(PATIENCE * 3, listener.record());
        let record = next
            .await
            .unwrap_or_else(|_| panic!("{:?}", records.keys()));
        let id = record["InstanceId"].as_str().unwrap().to_owned();
        assert!(
            speaking.contains(id.as_str()),
            "it should keep silent: {record}"
        );
        assert_eq!(record["_aws"]["Timestamp"].as_u64().unwrap() % 60_000, 0);
        assert_eq!(record["_aws"]["LogGroupName"], "stack-capacity");
        let directive = &record["_aws"]["CloudWatchMetrics"][0];
        let sets = serde_json::json!([["ClusterName"], ["ClusterName", "AutoScalingGroupName"]]);
        let at = hosts.iter().position(|host| host.instance.id() == id);
        let log = || agents[at.unwrap()].text();
        assert_eq!(directive["Dimensions"], sets, "{}", log());
        assert_eq!(directive["Namespace"], "ECSLifecycleAgent");
        assert_eq!(
            (&record["ClusterName"], &record["AutoScalingGroupName"]),
            (&"demo".into(), &"demo-asg".into())
        );
        records.entry(id).or_insert(record);
    }
    let mut said: BTreeMap<usize, Vec<[f64; 3]>> = BTreeMap::new();
    for host in hosts.iter().filter(|host| !host.expected.is_null()) {
        let record = &records[host.instance.id()];
        let expected: Vec<f64> = serde_json::from_value(host.expected.clone()).unwrap();
        assert_eq!(
            three(record).to_vec(),
            expected,
            "{}: {record}",
            host.example
        );
        said.entry(host.example).or_default().push(three(record));
    }
    for (example, known) in (1..).zip(examples()) {
        assert!(
            is_sum(&said[&example], &known["sum"]),
            "{example}: {:?}",
            said[&example]
        );
    }
    // One look each, and none for the group, which a tag tells. Those that drain ask no more than that.
    assert_eq!(
        simulator.world(|world| world.requests().count(AWS_CALLS)),
        hosts.len()
    );
    drop(agents);
}

/// Longer than any test: but a drain waits for it.
const RUNS: Duration = Duration::from_mins(10);

/// In service, with one task of 250/400 on 1024/993: there is room for one more.
async fn stage() -> Stage {
    let instance = InstanceSpec::new("demo")
        .group("demo-asg")
        .id(&early(0))
        .resources(1024, 993)
        .task(
            TaskSpec::standalone("job")
                .reserves(250, 400)
                .runs_for(RUNS),
        );
    let mut stage = Stage::with_instance(group(), instance).await;
    stage.builder = patient(stage.builder);
    stage
        .set("capacity", "enabled", "true")
        .set("capacity", "cpu", "250")
        .set("capacity", "memory", "400")
}

/// What it says in each state in which nothing is published, and that it only reads.
#[tokio::test]
async fn the_command_says_why_nothing_is_published() {
    let stage = stage().await;
    let (json, code) = asked(&stage.builder).await;
    // Three of four by CPU, one of two by memory.
    let known = serde_json::json!({
        "ContainerCapacity": 1, "IdleHostCapacity": 0.5, "TasksPerHost": 2, "LimitedBy": "memory",
        "Publishes": true, "Reason": null,
    });
    assert_eq!((&json, code), (&known, 0));
    let expected = |reason: &str| {
        let mut expected = known.clone();
        expected["Publishes"] = false.into();
        expected["Reason"] = reason.into();
        expected
    };
    let off = stage.builder.clone().set("capacity", "enabled", "false");
    assert_eq!(
        asked(&off).await,
        (expected("capacity.enabled is false"), 1)
    );

    let instance = &stage.instance;
    instance.set_container_instance_status(ContainerInstanceStatus::Draining);
    let draining = asked(&stage.builder).await;
    assert_eq!(
        draining,
        (expected("the container instance is DRAINING"), 1)
    );
    instance.set_container_instance_status(ContainerInstanceStatus::Active);

    instance.set_agent_connected(false);
    let reason = "disconnected: the ECS agent has no connection to Amazon ECS";
    assert_eq!(asked(&stage.builder).await, (expected(reason), 1));
    instance.set_agent_connected(true);

    instance.set_target(TargetLifecycleState::Standby);
    let standby = asked(&stage.builder).await;
    assert_eq!(
        standby,
        (expected("the target lifecycle state is Standby"), 1)
    );
    instance.set_target(TargetLifecycleState::WarmedStopped);
    let reason = "the instance is drained: target lifecycle state Warmed:Stopped";
    assert_eq!(asked(&stage.builder).await, (expected(reason), 1));
    instance.set_target(TargetLifecycleState::Terminated);
    let reason = "the instance is drained: target lifecycle state Terminated";
    assert_eq!(asked(&stage.builder).await, (expected(reason), 1));
    instance.set_target(TargetLifecycleState::InService);

    let nothing = [
        "ContainerCapacity",
        "IdleHostCapacity",
        "TasksPerHost",
        "LimitedBy",
    ];
    let unknown = |(json, code): (Value, i32), reason: &str| {
        assert_eq!(
            (code, &json["Publishes"]),
            (1, &Value::Bool(false)),
            "{json}"
        );
        assert!(json["Reason"].as_str().unwrap().contains(reason), "{json}");
        assert!(nothing.iter().all(|name| json[name].is_null()), "{json}");
    };
    let bare = stage.builder.clone();
    let bare = bare
        .set("capacity", "enabled", "false")
        .set("capacity", "cpu", "0");
    unknown(
        asked(&bare.set("capacity", "memory", "0")).await,
        "set cpu and memory",
    );
    let look = "ecs:DescribeContainerInstances";
    let denied = stage
        .simulator
        .fault(Fault::on(look, FaultKind::AccessDenied));
    unknown(
        asked(&stage.builder).await,
        "ecs:DescribeContainerInstances",
    );
    stage.simulator.remove_fault(denied);
    instance.ecs_agent_down().await;
    unknown(asked(&stage.builder).await, "not registered");
    instance.ecs_agent_up().unwrap();
    instance.close_imds().await;
    unknown(
        asked(&stage.builder).await,
        "instance metadata has not answered: PUT http://",
    );
    instance.open_imds().unwrap();

    assert_eq!(asked(&stage.builder).await.1, 0);
    stage.simulator.world(|world| {
        let looks = world.requests().count("ecs:DescribeContainerInstances");
        assert_eq!(world.requests().count(AWS_CALLS), looks);
    });
    assert!(
        std::fs::read_dir(stage.scratch.path())
            .unwrap()
            .next()
            .is_none()
    );
}

#[tokio::test]
async fn a_newcomer_publishes_nothing_before_it_has_joined() {
    let instance = InstanceSpec::new("demo")
        .group("demo-asg")
        .launched_ago(Duration::from_secs(30))
        .lifecycle_state(LifecycleState::PendingWait);
    let stage = Stage::with_instance(group(), instance).await;
    let builder = patient(stage.builder.clone()).set("capacity", "enabled", "true");
    let (json, code) = asked(&builder.set("capacity", "cpu", "100")).await;
    assert_eq!(code, 1);
    assert_eq!(
        json["Reason"],
        "joining: the instance has not joined its cluster yet"
    );
    assert_eq!(json["ContainerCapacity"], 20);
}

#[tokio::test]
async fn the_command_speaks_to_people_too() {
    let stage = stage().await;
    let mut process = stage.builder.clone().arg("capacity").start().unwrap();
    let code = process.ended(PATIENCE).await.unwrap().code();
    process.logged("remaining", PATIENCE).await.unwrap();
    let text = process.text();
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "room for 1 more task of 250/400: memory\n",
        "ContainerCapacity   1\n",
        "IdleHostCapacity    0.5\n",
        "TasksPerHost        2\n",
        "published           once a minute, to tcp://127.0.0.1:25888\n",
        "CPU 774, memory 593",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let wrong = stage
        .builder
        .clone()
        .set("capacity", "awsvpc", "true")
        .arg("capacity");
    let code = wrong.start().unwrap().ended(PATIENCE).await.unwrap().code();
    assert_eq!(code, Some(64));
}

/// A running agent says it in its status, and does not speak of an instance that drains.
#[tokio::test]
async fn status_has_the_figures_and_a_drain_ends_them() {
    let mut listener = CloudWatchAgent::start().await;
    let stage = stage()
        .await
        .set("metrics", "emf_endpoint", &listener.endpoint)
        .set("drain", "standalone_tasks", "ignore");
    let _agent = stage.watching().await;
    let before = status(&socket(&stage.scratch)).await;
    assert_eq!(before["capacity"]["publishes"], false, "{before:#}");
    let record = tokio::time::timeout(PATIENCE * 3, listener.record())
        .await
        .unwrap();
    assert_eq!(three(&record), [1.0, 0.5, 2.0]);
    let after = status(&socket(&stage.scratch)).await;
    assert_eq!(
        after["capacity"]["line"],
        "room for 1 more task of 250/400: memory"
    );
    assert_eq!(after["capacity"]["container_capacity"], 1, "{after:#}");
    stage.instance.terminate();
    stage.completed().await;
    let record = tokio::time::timeout(PATIENCE, listener.record())
        .await
        .unwrap();
    assert_eq!(record["Drains"], 1, "{record}");
    let drained = status(&socket(&stage.scratch)).await;
    assert_eq!(drained["capacity"]["publishes"], false);
    assert_eq!(drained["capacity"]["container_capacity"], Value::Null);
}
