//! Capacity with the real binary: from `DescribeContainerInstances` to the record that the CloudWatch agent
//! gets, and to what the `capacity` command prints.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ecs_lifecycle_agent::decide::{capacity_phase, seed_of};
use ecs_lifecycle_rig::{AgentBuilder, AgentProcess, Scratch};
use ecs_lifecycle_simulator::{
    AWS_CALLS, Fault, FaultKind, Instance, InstanceSpec, LifecycleState, Options, Simulator,
    TargetLifecycleState, TaskSpec,
};
use serde_json::Value;

use super::control::{socket, status};
use super::emf::CloudWatchAgent;
use super::stage::{Active, Draining, PATIENCE, Stage, builder, group};

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
        spec = spec.status(Draining);
        task.kind = ecs_lifecycle_simulator::TaskKind::Standalone;
    }
    if taken(0) > 0 || taken(1) > 0 || interfaces > 0 {
        spec = spec.task(task);
    }
    spec
}

/// So many agents on a busy machine: none of them gives up early.
fn patient(builder: AgentBuilder) -> AgentBuilder {
    builder
        .with("metadata.request_timeout=30s ecs.introspection_timeout=30s")
        .with("aws.request_timeout=30s")
}

fn configured(builder: AgentBuilder, task: &Value) -> AgentBuilder {
    let (cpu, memory, ports) = (
        &task["cpu"],
        &task["memory"],
        texts(&task["ports"]).join(","),
    );
    let builder = patient(builder)
        .with(&format!(
            "capacity.enabled=true capacity.cpu={cpu} capacity.memory={memory}"
        ))
        .with(&format!("capacity.ports={ports}"));
    if task["awsvpc"] == true {
        let most = &task["task_enis"];
        return builder.with(&format!("capacity.awsvpc=true capacity.task_enis={most}"));
    }
    builder
}

/// What `capacity --json` prints, and its exit status.
async fn asked(builder: &AgentBuilder) -> (Value, i32) {
    let command = builder.clone().arg("capacity").arg("--json");
    let mut process = command.start().unwrap();
    let line = process.says("ContainerCapacity").await;
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
            let instance = simulator.add_instance(instance_of(host, &id)).await;
            let instance = instance.unwrap();
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

/// What the hosts of each example say adds up to its sum.
fn assert_sums(said: &BTreeMap<usize, Vec<[f64; 3]>>) {
    for (example, known) in (1..).zip(examples()) {
        let figures = &said[&example];
        assert!(is_sum(figures, &known["sum"]), "{example}: {figures:?}");
    }
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
        let publishes = !host.expected.is_null();
        assert_eq!(json["Publishes"], publishes, "{example}: {json}");
        assert_eq!(code, i32::from(!publishes), "{example}: {json}");
        assert_eq!(json["Reason"].is_null(), publishes, "{example}: {json}");
        if !publishes {
            assert!(json["Reason"].is_string(), "{example}: {json}");
            continue;
        }
        let expected: Vec<f64> = serde_json::from_value(host.expected).unwrap();
        assert_eq!(three(&json).to_vec(), expected, "{example}");
        said.entry(example).or_default().push(three(&json));
    }
    assert_sums(&said);
}

/// All 22 examples, by running agents, as the CloudWatch agent gets them: it takes a minute.
#[tokio::test]
async fn the_records_have_the_figures_of_every_example() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let mut listener = CloudWatchAgent::start().await;
    let hosts = hosts(&simulator).await;
    let settings = format!(
        "metadata.poll_interval=5s metrics.log_group=stack-capacity metrics.emf_endpoint={}",
        listener.endpoint
    );
    let start = |host: &Host| host.builder.clone().with(&settings).start().unwrap();
    let agents: Vec<AgentProcess> = hosts.iter().map(start).collect();
    let speaking = hosts.iter().filter(|host| !host.expected.is_null());
    let speaking: BTreeSet<&str> = speaking.map(|host| host.instance.id()).collect();
    let mut records: BTreeMap<String, Value> = BTreeMap::new();
    while records.len() < speaking.len() {
        let next = tokio::time::timeout(PATIENCE * 3, listener.record());
        let record = next.await;
        let record = record.unwrap_or_else(|_| panic!("{:?}", records.keys()));
        let id = record["InstanceId"].as_str().unwrap().to_owned();
        let speaks = speaking.contains(id.as_str());
        assert!(speaks, "it should keep silent: {record}");
        assert_eq!(record["_aws"]["Timestamp"].as_u64().unwrap() % 60_000, 0);
        assert_eq!(record["_aws"]["LogGroupName"], "stack-capacity");
        let directive = &record["_aws"]["CloudWatchMetrics"][0];
        let sets = serde_json::json!([["ClusterName"], ["ClusterName", "AutoScalingGroupName"]]);
        let at = hosts.iter().position(|host| host.instance.id() == id);
        let log = || agents[at.unwrap()].text();
        assert_eq!(directive["Dimensions"], sets, "{}", log());
        assert_eq!(directive["Namespace"], "ECSLifecycleAgent");
        assert_eq!(record["ClusterName"], "demo");
        assert_eq!(record["AutoScalingGroupName"], "demo-asg");
        records.entry(id).or_insert(record);
    }
    let mut said: BTreeMap<usize, Vec<[f64; 3]>> = BTreeMap::new();
    for host in hosts.iter().filter(|host| !host.expected.is_null()) {
        let record = &records[host.instance.id()];
        let expected: Vec<f64> = serde_json::from_value(host.expected.clone()).unwrap();
        let example = host.example;
        assert_eq!(three(record).to_vec(), expected, "{example}: {record}");
        said.entry(example).or_default().push(three(record));
    }
    assert_sums(&said);
    // One look each, and none for the group, which a tag tells. Those that drain ask no more than that.
    let asked = simulator.world(|world| world.requests().count(AWS_CALLS));
    assert_eq!(asked, hosts.len());
    drop(agents);
}

/// Longer than any test: but a drain waits for it.
const RUNS: Duration = Duration::from_mins(10);

/// In service, with one task of 250/400 on 1024/993: there is room for one more.
async fn stage() -> Stage {
    let job = TaskSpec::standalone("job").reserves(250, 400);
    let instance = InstanceSpec::new("demo")
        .group("demo-asg")
        .id(&early(0))
        .resources(1024, 993)
        .task(job.runs_for(RUNS));
    let mut stage = Stage::with_instance(group(), instance).await;
    stage.builder = patient(stage.builder);
    stage.configured("capacity.enabled=true capacity.cpu=250 capacity.memory=400")
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
    let silent = async |builder: &AgentBuilder, reason: &str| {
        assert_eq!(asked(builder).await, (expected(reason), 1));
    };
    let builder = &stage.builder;
    let off = builder.clone().with("capacity.enabled=false");
    silent(&off, "capacity.enabled is false").await;

    let instance = &stage.instance;
    instance.set_container_instance_status(Draining);
    silent(builder, "the container instance is DRAINING").await;
    instance.set_container_instance_status(Active);

    instance.set_agent_connected(false);
    let reason = "disconnected: the ECS agent has no connection to Amazon ECS";
    silent(builder, reason).await;
    instance.set_agent_connected(true);

    instance.set_target(TargetLifecycleState::Standby);
    silent(builder, "the target lifecycle state is Standby").await;
    instance.set_target(TargetLifecycleState::WarmedStopped);
    let reason = "the instance is drained: target lifecycle state Warmed:Stopped";
    silent(builder, reason).await;
    instance.set_target(TargetLifecycleState::Terminated);
    let reason = "the instance is drained: target lifecycle state Terminated";
    silent(builder, reason).await;
    instance.set_target(TargetLifecycleState::InService);

    let figures = ["ContainerCapacity", "IdleHostCapacity", "TasksPerHost"];
    let unknown = async |builder: &AgentBuilder, reason: &str| {
        let (json, code) = asked(builder).await;
        assert_eq!(code, 1, "{json}");
        assert_eq!(json["Publishes"], false, "{json}");
        assert!(json["Reason"].as_str().unwrap().contains(reason), "{json}");
        assert!(figures.iter().all(|name| json[name].is_null()), "{json}");
        assert!(json["LimitedBy"].is_null(), "{json}");
    };
    let bare = off.with("capacity.cpu=0 capacity.memory=0");
    unknown(&bare, "set cpu and memory").await;
    let look = "ecs:DescribeContainerInstances";
    let denied = stage.fault(Fault::on(look, FaultKind::AccessDenied));
    unknown(builder, look).await;
    stage.simulator.remove_fault(denied);
    instance.ecs_agent_down().await;
    unknown(builder, "not registered").await;
    instance.ecs_agent_up().unwrap();
    instance.close_imds().await;
    unknown(builder, "instance metadata has not answered: PUT http://").await;
    instance.open_imds().unwrap();

    assert_eq!(asked(builder).await.1, 0);
    assert_eq!(stage.count(AWS_CALLS), stage.count(look));
    let mut written = std::fs::read_dir(stage.scratch.path()).unwrap();
    assert!(written.next().is_none());
}

/// A host port is taken for its protocol only.
#[tokio::test]
async fn a_udp_port_is_not_a_tcp_port() {
    let stage = stage().await;
    let dns = TaskSpec::service("dns").host_port("53/udp");
    stage.instance.place_task(dns).unwrap();
    for (port, capacity) in [("53/tcp", 1), ("53/udp", 0)] {
        let builder = stage.builder.clone().set("capacity", "ports", port);
        let (json, _) = asked(&builder).await;
        assert_eq!(json["ContainerCapacity"], capacity, "{port}: {json}");
    }
}

#[tokio::test]
async fn a_newcomer_publishes_nothing_before_it_has_joined() {
    let instance = InstanceSpec::new("demo")
        .group("demo-asg")
        .launched_ago(Duration::from_secs(30))
        .lifecycle_state(LifecycleState::PendingWait);
    let stage = Stage::with_instance(group(), instance).await;
    let builder = patient(stage.builder.clone());
    let (json, code) = asked(&builder.with("capacity.enabled=true capacity.cpu=100")).await;
    assert_eq!(code, 1);
    let reason = "joining: the instance has not joined its cluster yet";
    assert_eq!(json["Reason"], reason);
    assert_eq!(json["ContainerCapacity"], 20);
}

#[tokio::test]
async fn the_command_speaks_to_people_too() {
    let stage = stage().await;
    let mut process = stage.builder.clone().arg("capacity").start().unwrap();
    let code = process.ended(PATIENCE).await.unwrap().code();
    process.says("remaining").await;
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
    let wrong = stage.builder.clone().with("capacity.awsvpc=true");
    let wrong = wrong.arg("capacity");
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
        .configured("drain.standalone_tasks=ignore");
    let _agent = stage.watching().await;
    let before = status(&socket(&stage.scratch)).await;
    assert_eq!(before["capacity"]["publishes"], false, "{before:#}");
    let record = tokio::time::timeout(PATIENCE * 3, listener.record()).await;
    let record = record.unwrap();
    assert_eq!(three(&record), [1.0, 0.5, 2.0]);
    let after = status(&socket(&stage.scratch)).await;
    let room = "room for 1 more task of 250/400: memory";
    assert_eq!(after["capacity"]["line"], room);
    assert_eq!(after["capacity"]["container_capacity"], 1, "{after:#}");
    stage.instance.terminate();
    stage.completed().await;
    let record = tokio::time::timeout(PATIENCE, listener.record()).await;
    let record = record.unwrap();
    assert_eq!(record["Drains"], 1, "{record}");
    let drained = status(&socket(&stage.scratch)).await;
    assert_eq!(drained["capacity"]["publishes"], false);
    assert_eq!(drained["capacity"]["container_capacity"], Value::Null);
}
