//! The stage: a simulated instance with its tasks, hook and stack, and the real agent on it.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use ecs_lifecycle_rig::{AgentBuilder, AgentProcess, Scratch};
use ecs_lifecycle_simulator::{
    GroupSpec, HookSpec, Instance, Options, Scenario, Simulator, StackSpec, TaskSpec,
};

use crate::record::Record;
use crate::said::Said;

/// The stack whose resource waits for the agent's signal.
pub const STACK: &str = "demo-stack";
/// That resource.
pub const RESOURCE: &str = "AutoScalingGroup";

/// Everything that plays.
pub struct Stage {
    /// AWS, and the machine around the agent.
    pub simulator: Simulator,
    /// The instance.
    pub instance: Instance,
    /// The agent.
    pub agent: AgentProcess,
    started: Instant,
    notes: Vec<(Duration, String)>,
    memory_peak_bytes: u64,
    _state: Scratch,
}

impl Stage {
    /// Sets it up in real time (speed 1), and starts the agent, which looks as often as it does by default.
    #[allow(
        clippy::disallowed_methods,
        reason = "relates the log's moments to the simulator's"
    )]
    pub async fn set(binary: &Path) -> io::Result<Self> {
        let Scenario {
            simulator,
            instance,
        } = Scenario::with_group(Options::default(), group(), tasks()).await?;
        simulator.add_stack(&StackSpec::new(STACK).waiting_for(RESOURCE, 1));
        let now = Instant::now();
        let started = now.checked_sub(simulator.now()).unwrap_or(now);
        let said = format!(
            "instance {} is in service, and the agent starts",
            instance.id()
        );
        let state = Scratch::new()?;
        let agent = AgentBuilder::new(binary, &instance, state.path())
            .set("cloudformation", "stack_name", STACK)
            .set("cloudformation", "logical_resource_id", RESOURCE)
            .set("cloudformation", "signal_drained", "true")
            // The only thing quicker than by default: how often it says what it waits for.
            .set("drain", "report_interval", "5s")
            .start()
            .map_err(|error| io::Error::other(format!("{}: {error}", binary.display())))?;
        Ok(Self {
            simulator,
            instance,
            agent,
            started,
            notes: vec![(now - started, said)],
            memory_peak_bytes: 0,
            _state: state,
        })
    }

    /// Has the demo say something.
    pub fn note(&mut self, text: &str) {
        self.notes.push((self.simulator.now(), text.to_owned()));
    }

    /// What happened up to now.
    pub fn record(&mut self) -> Record {
        if let Ok(peak) = self.agent.memory("VmHWM") {
            self.memory_peak_bytes = self.memory_peak_bytes.max(peak);
        }
        let lines = self.agent.log();
        let said = lines
            .iter()
            .map(|line| Said::parse(line.at.saturating_duration_since(self.started), &line.text));
        Record {
            now: self.simulator.now(),
            said: said.collect(),
            notes: self.notes.clone(),
            memory_peak_bytes: self.memory_peak_bytes,
            ..self
                .simulator
                .world(|world| Record::of(world, self.instance.id()))
        }
    }
}

/// Auto Scaling deregisters from load balancers for 3 s; the agent's heartbeats are due every 8 s.
fn group() -> GroupSpec {
    let hook = HookSpec::terminating(Scenario::HOOK).heartbeat_timeout(secs(24.0));
    GroupSpec::new(Scenario::GROUP)
        .wait_delay(secs(3.0))
        .terminate_delay(secs(2.0))
        .hook(hook)
}

/// Told to stop when replaced elsewhere, gone some time after; the daemon last, the job when it is done.
fn tasks() -> Vec<TaskSpec> {
    let service = |name: &str, replaced: f64, stops: f64| {
        TaskSpec::service(name)
            .replacement_delay(secs(replaced))
            .stop_duration(secs(stops))
    };
    vec![
        service("web", 1.0, 3.0),
        service("web", 3.0, 4.0),
        service("api", 2.0, 8.0),
        service("worker", 2.5, 15.5),
        TaskSpec::daemon("log-router")
            .replacement_delay(secs(0.3))
            .stop_duration(secs(1.5)),
        TaskSpec::standalone("report-job").runs_for(secs(16.0)),
    ]
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}
