//! A simulated instance with an agent on it, sped up as far as the configuration allows.

use std::sync::Arc;
use std::time::Duration;

use ecs_lifecycle_rig::{AgentBuilder, AgentProcess, Scratch};
use ecs_lifecycle_simulator::model::InstanceModel;
use ecs_lifecycle_simulator::{GroupSpec, HookSpec, Instance, InstanceSpec, Simulator, TaskSpec};

use crate::counts::{self, Counts};
use crate::introspection::Introspection;
use crate::options::Options;
use crate::process::Usage;

/// Longer than anything takes that is waited for, retries, flapping and a busy machine included.
const PATIENCE: Duration = Duration::from_mins(5);
/// How often the model is looked at.
const LOOK: Duration = Duration::from_millis(20);

const CLUSTER: &str = "soak";
const GROUP: &str = "soak-asg";

/// What is not at its default: what the agent waits for, a tenth to a hundredth as long.
const SETTINGS: [(&str, &str, &str); 12] = [
    // The least that is accepted.
    ("metadata", "poll_interval", "10ms"),
    ("metadata", "request_timeout", "200ms"),
    ("ecs", "introspection_poll_interval", "50ms"),
    ("ecs", "introspection_timeout", "200ms"),
    ("ecs", "introspection_grace", "1s"),
    ("ecs", "api_poll_interval", "200ms"),
    ("ecs", "api_settle", "300ms"),
    ("ecs", "placement_settle", "100ms"),
    ("aws", "request_timeout", "500ms"),
    ("drain", "report_interval", "500ms"),
    ("drain", "recheck_after", "1s"),
    ("autoscaling", "heartbeat_interval", "200ms"),
];

/// Metadata tokens live for this long. The agent cannot see it: a 401 tells.
const TOKEN_TTL: Duration = Duration::from_secs(1);
/// Credentials live for this long.
const CREDENTIALS: Duration = Duration::from_secs(10);

/// With a cluster and a group.
pub(crate) async fn simulator() -> Result<Simulator, String> {
    let options = ecs_lifecycle_simulator::Options::default();
    let simulator = Simulator::start(options).await.map_err(text)?;
    simulator.add_cluster(CLUSTER);
    simulator.add_group(
        GroupSpec::new(GROUP)
            .wait_delay(Duration::from_millis(100))
            .acceptance_delay(Duration::from_millis(50))
            .terminate_delay(Duration::from_millis(50))
            .hook(HookSpec::terminating("soak-hook")),
    );
    Ok(simulator)
}

/// What stories and weather play with.
#[derive(Clone)]
pub(crate) struct Play {
    pub(crate) number: u64,
    pub(crate) instance: Instance,
    pub(crate) introspection: Arc<Introspection>,
    pub(crate) counts: Arc<Counts>,
}

/// An instance and its agent.
pub(crate) struct Stage {
    play: Play,
    agent: AgentProcess,
    _state: Scratch,
}

impl Stage {
    /// Starts both.
    pub(crate) async fn new(
        options: &Options,
        simulator: &Simulator,
        counts: Arc<Counts>,
        number: u64,
    ) -> Result<Self, String> {
        let spec = InstanceSpec::new(CLUSTER)
            .group(GROUP)
            .max_token_ttl(TOKEN_TTL)
            .credential_lifetime(CREDENTIALS);
        let instance = simulator.add_instance(spec).await.map_err(text)?;
        let introspection = Introspection::start(instance.clone()).await.map_err(text)?;
        let state = Scratch::new().map_err(text)?;
        let mut builder = AgentBuilder::new(&options.agent, &instance, state.path()).set(
            "ecs",
            "introspection_endpoint",
            introspection.url(),
        );
        for (section, key, value) in SETTINGS {
            builder = builder.set(section, key, value);
        }
        let agent = builder.start().map_err(text)?;
        let play = Play {
            number,
            instance,
            introspection: Arc::new(introspection),
            counts,
        };
        Ok(Self {
            play,
            agent,
            _state: state,
        })
    }

    /// For a story or for weather.
    pub(crate) fn play(&self) -> Play {
        self.play.clone()
    }

    /// A look at the process.
    pub(crate) fn usage(&mut self) -> Result<Usage, String> {
        let id = self
            .agent
            .id()
            .filter(|_| self.agent.is_running().is_ok_and(|runs| runs));
        let died = || {
            format!(
                "agent {} has ended; the end of its log:\n{}",
                self.play.number,
                self.tail()
            )
        };
        let id = id.ok_or_else(died)?;
        Usage::of(id).map_err(text)
    }

    /// The end of its log.
    pub(crate) fn tail(&self) -> String {
        let log = self.agent.log();
        let last = log.iter().skip(log.len().saturating_sub(30));
        last.map(|line| format!("{}\n", line.text)).collect()
    }

    /// All of its log.
    pub(crate) fn log(&self) -> String {
        self.agent.text()
    }

    /// How much it has logged.
    pub(crate) fn lines(&self) -> usize {
        self.agent.log().len()
    }

    /// Who it is.
    pub(crate) fn number(&self) -> u64 {
        self.play.number
    }
}

impl Play {
    /// Places a task.
    pub(crate) fn place(&self, task: TaskSpec) {
        self.instance.place_task(task);
        counts::add(&self.counts.tasks);
    }

    /// Waits until something is so of the instance.
    pub(crate) async fn until(
        &self,
        what: &str,
        is: impl Fn(&InstanceModel) -> bool,
    ) -> Result<(), String> {
        let search = async {
            while !self.is(&is) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, search)
            .await
            .map_err(|_| self.stuck(what))
    }

    /// With what really happened last.
    fn stuck(&self, what: &str) -> String {
        let events = self.instance.simulator().world(|world| {
            let mut events: Vec<String> = world
                .events_of(self.instance.id())
                .rev()
                .take(25)
                .map(|event| format!("{:.3} {:?}", event.at_real.as_secs_f64(), event.what))
                .collect();
            events.reverse();
            events.join("\n")
        });
        format!(
            "agent {} got stuck waiting for: {what}\n{events}",
            self.number
        )
    }

    fn is(&self, is: impl Fn(&InstanceModel) -> bool) -> bool {
        let simulator = self.instance.simulator();
        simulator.world(|world| world.instance(self.instance.id()).is_some_and(is))
    }
}

/// For a person.
pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
