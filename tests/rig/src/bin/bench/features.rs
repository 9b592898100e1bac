//! What the features beside a plain drain cost: a join, a look at the status, what is off by default.

use std::process::Stdio;
use std::time::Duration;

use ecs_lifecycle_rig::{AgentBuilder, Scratch};
use ecs_lifecycle_simulator::{
    AWS_CALLS, GroupSpec, HookSpec, InstanceSpec, Options as Simulated, Simulator, StackSpec,
    TaskSpec, What,
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::options::Options;
use crate::processes::Usage;
use crate::report::{Figure, Section, summarized};
use crate::stage::{self, PATIENCE, SET_DRAINING, Stage, simulator, text};
use crate::statistics::Summary;

const CLUSTER: &str = "bench";
const STACK: &str = "bench-stack";
const RESOURCE: &str = "AutoScalingGroup";
const TASKS: usize = 300;
const LOOKS: usize = 50;
const WATCHED: Duration = Duration::from_secs(20);
/// With the capacity, there are two samples and one look at ECS in this time.
const TWO_MINUTES: Duration = Duration::from_mins(2);

/// One after the other.
pub(crate) async fn measure(options: &Options) -> Result<Section, String> {
    let mut figures = Vec::new();
    let joins = join(options, &mut figures).await?;
    let looks = looks(options, &mut figures).await?;
    idle(options, &mut figures).await?;
    Ok(Section {
        title: format!("Features: a join, {LOOKS} looks at the status, what is off by default"),
        figures,
        data: json!({"join": joins, "status": looks}),
        ..Section::default()
    })
}

/// A new instance with a launching hook and a stack, whose ECS agent takes two seconds to register.
async fn join(options: &Options, figures: &mut Vec<Figure>) -> Result<Value, String> {
    let simulator = Simulator::start(Simulated::default()).await.map_err(text)?;
    simulator.add_cluster(CLUSTER);
    simulator.add_group(GroupSpec::new("bench-asg").hook(HookSpec::launching("launch")));
    simulator.add_stack(&StackSpec::new(STACK).waiting(RESOURCE));
    let spec = InstanceSpec::new(CLUSTER)
        .group("bench-asg")
        .stack_tags(STACK, RESOURCE)
        .registers_after(Duration::from_secs(2))
        .connects_after(Duration::ZERO);
    let instance = simulator.launch(spec).await.map_err(text)?;
    let state = Scratch::new().map_err(text)?;
    let agent = AgentBuilder::new(&options.agent, &instance, state.path())
        .start()
        .map_err(text)?;
    simulator
        .wait_until("a signal", PATIENCE, |world| !world.signals().is_empty())
        .await
        .map_err(|error| format!("{error}\nthe agent's log:\n{}", agent.text()))?;
    let (counts, connected, completed) = simulator.world(|world| {
        let at = |is: fn(&What) -> bool| {
            let mut events = world.events_of(instance.id());
            let found = events.find(|event| is(&event.what));
            found.map_or(0.0, |event| event.at_real.as_secs_f64())
        };
        let connected = at(|what| *what == What::AgentConnected(true));
        let completed = at(|what| matches!(what, What::HookCompleted { .. }));
        let mut counts = world.requests().counts();
        counts.retain(|operation, _| {
            ["ecs:", "autoscaling:", "cloudformation:"]
                .iter()
                .any(|api| operation.starts_with(api))
        });
        (counts, connected, completed)
    });
    let calls = counts.values().sum();
    figures.push(Figure::number(
        "a join: calls to AWS",
        number(calls),
        0,
        "calls",
    ));
    figures.push(Figure::seconds(
        "a join: ECS agent connected → hook completed",
        completed - connected,
    ));
    Ok(json!({"calls": counts}))
}

/// In mid-drain, with hundreds of tasks: the whole command, from start to end of its process.
async fn looks(options: &Options, figures: &mut Vec<Figure>) -> Result<Value, String> {
    let simulator = simulator(1).await?;
    let task = TaskSpec::service("web").stop_duration(Duration::from_hours(1));
    let stage = Stage::new(options, &simulator, vec![task; TASKS], &[]).await?;
    stage.instance.terminate();
    simulator
        .wait_until("DRAINING", PATIENCE, |world| {
            world.requests().accepted(SET_DRAINING) > 0
        })
        .await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let socket = stage.socket();
    simulator.clear_requests();
    let (mut samples, mut known) = (Vec::new(), Vec::new());
    for _ in 0..LOOKS {
        let started = stage::now();
        let output = Command::new(&options.agent)
            .args(["--config", "/dev/null", "status", "--json"])
            .env_clear()
            .env("ECS_LIFECYCLE_AGENT_AGENT__SOCKET", &socket)
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(text)?;
        samples.push(started.elapsed().as_secs_f64());
        let status: Value = serde_json::from_slice(&output.stdout).map_err(text)?;
        let tasks = status.get("waiting_for").and_then(Value::as_array);
        let tasks = tasks.ok_or("a status without tasks")?;
        let kinds = tasks.iter().filter(|task| !task["kind"].is_null()).count();
        if tasks.len() != TASKS {
            return Err(format!("a status with {} tasks of {TASKS}", tasks.len()));
        }
        known.push(kinds);
    }
    let calls = simulator.world(|world| world.requests().count(AWS_CALLS));
    let summary = Summary::of(&samples).ok_or("no look was measured")?;
    let name = format!("status, {TASKS} tasks");
    figures.extend(summarized(&name, summary, Some(0.05), None));
    figures.push(Figure::number(
        "status: calls to AWS, of all looks",
        number(calls),
        0,
        "calls",
    ));
    Ok(json!({"seconds": samples, "tasks_with_a_kind": known}))
}

/// Idle on a Spot Instance, without and with rebalance recommendations and scheduled events, then with the capacity.
async fn idle(options: &Options, figures: &mut Vec<Figure>) -> Result<(), String> {
    let warnings = [
        ("drain", "on_rebalance", "10m".to_owned()),
        ("drain", "on_maintenance", "1h".to_owned()),
    ];
    let simulator = simulator(1).await?;
    for (name, settings) in [("Spot", &warnings[..0]), ("warnings", &warnings[..])] {
        let stage = Stage::with(options, &simulator, InstanceSpec::default(), settings).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let hour = idle_hour(&stage, WATCHED).await?;
        let name = format!("processor time of an idle hour, {name}");
        figures.push(Figure::number(&name, hour, 2, "s"));
    }
    if !knows_capacity(options).await? {
        return Ok(());
    }
    let (told, mut samples) = tokio::sync::mpsc::unbounded_channel();
    let listener = ecs_lifecycle_rig::emf::listen(move |line| drop(told.send(line)));
    let capacity = [
        ("capacity", "enabled", "true".to_owned()),
        ("capacity", "cpu", "256".to_owned()),
        ("capacity", "memory", "512".to_owned()),
        ("metrics", "emf_endpoint", listener.await.map_err(text)?),
    ];
    let tasks = vec![TaskSpec::service("web"); 10];
    let stage = Stage::new(options, &simulator, tasks, &capacity).await?;
    let first = tokio::time::timeout(Duration::from_secs(150), samples.recv());
    first.await.map_err(|_| "no sample of the capacity")?;
    let hour = idle_hour(&stage, TWO_MINUTES).await?;
    let peak = stage.agent.memory("VmHWM").map_err(text)?;
    let name = "processor time of an idle hour, capacity";
    figures.push(Figure::number(name, hour, 2, "s"));
    figures.push(Figure::bytes("VmHWM while idle, capacity on", peak));
    Ok(())
}

/// An earlier release may not know it.
async fn knows_capacity(options: &Options) -> Result<bool, String> {
    let mut command = Command::new(&options.agent);
    let command = command.args(["capacity", "--help"]).env_clear();
    let output = command.output().await.map_err(text)?;
    Ok(output.status.success())
}

/// The processor time of an hour, from what is used in `watched`.
async fn idle_hour(stage: &Stage, watched: Duration) -> Result<f64, String> {
    let id = stage.agent.id().ok_or("the agent has ended")?;
    let (began, before) = (stage::now(), Usage::of(id).map_err(text)?);
    tokio::time::sleep(watched).await;
    let (took, after) = (began.elapsed().as_secs_f64(), Usage::of(id).map_err(text)?);
    #[allow(
        clippy::cast_precision_loss,
        reason = "52 bits of nanoseconds are 52 days"
    )]
    let cpu = after.cpu.saturating_sub(before.cpu) as f64 / 1e9;
    Ok(cpu / took * 3600.0)
}

#[allow(clippy::cast_precision_loss, reason = "counts here are small")]
fn number(count: usize) -> f64 {
    count as f64
}
