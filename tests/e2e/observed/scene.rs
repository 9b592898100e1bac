//! An instance, an agent on it that may die and start again, and the few questions that every scene asks.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use ecs_lifecycle_rig::AgentProcess;
use ecs_lifecycle_simulator::{
    ContainerInstanceStatus, Fault, FaultKind, GroupSpec, HookSpec, InstanceSpec, TaskSpec, What,
    World,
};

use crate::by_hand;
use crate::control::{self, Output, socket};
use crate::newcomer::{DRAIN, LAUNCH, Newcomer, TARGET, ms};
use crate::stage::PATIENCE;

pub use crate::stage::{Active, BEAT, Draining, SET, web};
pub use ecs_lifecycle_simulator::LifecycleActionResult::Continue;

pub const LOOK: &str = "ecs:DescribeContainerInstances";

pub fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A terminating and a launching hook; the action can be completed so long after the target state is set, and
/// lapses without a heartbeat.
pub fn group(wait: Duration, lapses: Duration) -> GroupSpec {
    GroupSpec::new("demo-asg")
        .wait_delay(wait)
        .hook(HookSpec::terminating(DRAIN).heartbeat_timeout(lapses))
        .hook(HookSpec::launching(LAUNCH).heartbeat_timeout(lapses))
}

/// A member of that group, with these tasks.
pub fn member(tasks: impl IntoIterator<Item = TaskSpec>) -> InstanceSpec {
    let spec = InstanceSpec::new("demo").group("demo-asg");
    tasks.into_iter().fold(spec, InstanceSpec::task)
}

/// The answer of a look-up that knows nothing of `arn`.
pub fn missing(key: &str, arn: &str) -> FaultKind {
    let body = serde_json::json!({key: [], "failures": [{"arn": arn, "reason": "MISSING"}]});
    FaultKind::Status(200, Some(body.to_string()))
}

/// In service, with an agent that watches.
pub async fn serving(tasks: impl IntoIterator<Item = TaskSpec>) -> Scene {
    let scene = Scene::added(group(ms(100), s(3600)), member(tasks)).await;
    scene.watching().await
}

/// Terminated, and DRAINING.
pub async fn draining(tasks: impl IntoIterator<Item = TaskSpec>) -> Scene {
    let scene = serving(tasks).await;
    scene.instance.terminate();
    scene.becomes(Draining).await;
    scene
}

pub struct Scene {
    pub stage: Newcomer,
    agent: Option<AgentProcess>,
}

impl Deref for Scene {
    type Target = Newcomer;

    fn deref(&self) -> &Newcomer {
        &self.stage
    }
}

impl Scene {
    /// An instance that is there from the start; its agent is not.
    pub async fn added(group: GroupSpec, spec: InstanceSpec) -> Self {
        Self::of(Newcomer::added(group, spec).await)
    }

    /// An instance that its group has just launched; its agent is not there yet.
    pub async fn launched(group: GroupSpec, spec: InstanceSpec) -> Self {
        Self::of(Newcomer::launched(group, spec).await)
    }

    pub fn of(stage: Newcomer) -> Self {
        Self { stage, agent: None }
    }

    pub fn configured(self, settings: &str) -> Self {
        Self::of(self.stage.configured(settings))
    }

    /// Starts the agent, and waits until it watches and knows its container instance.
    pub async fn watching(mut self) -> Self {
        self.agent = Some(by_hand::watching(&self.stage).await);
        self
    }

    pub fn start(&mut self) {
        self.agent = Some(self.stage.start());
    }

    pub async fn kill(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            agent.kill().await.unwrap();
        }
    }

    /// What is remembered is of another boot from now on.
    pub fn reboot(&self) {
        let file = self.scratch.path().join("state.json");
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, text.replace(id.trim(), "another-boot")).unwrap();
    }

    pub fn agent(&self) -> &AgentProcess {
        self.agent.as_ref().unwrap()
    }

    pub fn log(&self) -> String {
        self.agent
            .as_ref()
            .map_or_else(String::new, AgentProcess::text)
    }

    pub async fn until(&self, what: &str, is: impl FnMut(&World) -> bool) {
        let waited = self.simulator.wait_until(what, PATIENCE, is).await;
        if let Err(error) = waited {
            panic!("{error}\n{}", self.log());
        }
    }

    /// Waits until something happened to the instance.
    pub async fn happens(&self, what: &str, is: impl Fn(&What) -> bool) {
        self.stage.happens(self.agent(), what, is).await;
    }

    /// Waits until a request of this kind has arrived so often.
    pub async fn asked(&self, operation: &str, times: usize) {
        let asked = |world: &World| world.requests().count(operation) >= times;
        self.until(operation, asked).await;
    }

    /// Waits until so much time has passed.
    pub async fn passes(&self, time: Duration) {
        let until = self.simulator.now() + time;
        let passed = |world: &World| world.now() >= until;
        self.until("time passes", passed).await;
    }

    /// Waits for more polls of the metadata.
    pub async fn polls(&self, more: usize) {
        self.stage.polls(self.agent(), more).await;
    }

    /// Waits until the container instance that the ECS agent now is has this status.
    pub async fn becomes(&self, status: ContainerInstanceStatus) {
        self.stage.becomes(self.agent(), status).await;
    }

    /// Waits until a container runs.
    pub async fn runs(&self) {
        let id = self.id();
        let runs = |world: &World| !world.running_tasks(&id).is_empty();
        self.until("a container", runs).await;
    }

    /// The statuses that ECS was asked for, in order.
    pub fn statuses(&self) -> Vec<String> {
        self.world(|world| {
            let asked = world.requests().matching(SET);
            let asked = asked.filter_map(|one| one.params["status"].as_str());
            asked.map(str::to_owned).collect()
        })
    }

    /// Nobody has asked for `ACTIVE`.
    pub fn was_never_put_back(&self) {
        let statuses = self.statuses();
        assert!(!statuses.contains(&Active.to_string()), "{}", self.log());
    }

    /// Runs a command of the binary beside the agent.
    pub async fn command(&self, arguments: &[&str]) -> Output {
        control::run(&socket(&self.scratch), arguments).await
    }

    pub async fn drain_by_hand(&self) {
        control::done(&socket(&self.scratch), &["drain"]).await;
        self.becomes(Draining).await;
    }

    pub async fn undrain(&self) {
        control::done(&socket(&self.scratch), &["undrain"]).await;
        self.becomes(Active).await;
    }

    /// Waits until the action is completed, or lapses.
    pub async fn hook_ends(&self) {
        use What::{HeartbeatLapsed, HookCompleted};
        let ends = |what: &What| matches!(what, HookCompleted { .. } | HeartbeatLapsed { .. });
        self.happens("an end", ends).await;
    }

    /// An operation fails in this way so often.
    pub fn fails(&self, operation: &str, kind: FaultKind, times: u64) {
        self.fault(Fault::on(operation, kind).times(times));
    }

    /// Metadata shows no target state for so many reads.
    pub fn hides_target(&self, times: u64) {
        self.fails(TARGET, FaultKind::Status(404, None), times);
    }

    /// Waits for the end. The action was completed once, with `CONTINUE`, on a container instance that was
    /// `DRAINING`, and no container was killed.
    pub async fn ends_well(&self) {
        self.stage.completed(self.agent(), DRAIN).await;
        self.instance.wait_until_gone(PATIENCE).await.unwrap();
        assert_eq!(self.results(DRAIN), [Continue], "{}", self.log());
        self.world(|world| {
            let told = || self.told(world);
            assert!(world.killed().is_empty(), "killed: {}", told());
            let mut status = None;
            for event in world.events_of(self.instance.id()) {
                match &event.what {
                    What::ContainerInstanceRegistered => status = Some(Active),
                    What::ContainerInstanceStatusChanged { to, .. } => status = Some(*to),
                    What::HookCompleted { .. } => assert_eq!(status, Some(Draining), "{}", told()),
                    _ => {}
                }
            }
        });
    }

    /// What really happened, what AWS was asked, and the agent's log.
    fn told(&self, world: &World) -> String {
        let events = world.events_of(self.instance.id());
        let events = events.map(|event| (event.at_real, format!("{:?}", event.what)));
        let asked = world.requests().aws_calls().map(|request| {
            let outcome = &request.outcome;
            let status = &request.params["status"];
            (
                request.at_real,
                format!("  {} {status} {outcome:?}", request.operation),
            )
        });
        let mut all: Vec<_> = events.chain(asked).collect();
        all.sort();
        let lines = all
            .iter()
            .map(|(at, what)| format!("{:8.3} {what}\n", at.as_secs_f64()));
        format!("{}{}", lines.collect::<String>(), self.log())
    }

    /// Whether the action was left to lapse.
    pub fn has_lapsed(&self) -> bool {
        let lapsed = |what: &What| matches!(what, What::HeartbeatLapsed { .. });
        self.at(lapsed).is_some()
    }

    /// Waits until the launching action is completed, with `CONTINUE`, and nothing has lapsed.
    pub async fn joins(&self) {
        self.stage.completed(self.agent(), LAUNCH).await;
        assert_eq!(self.results(LAUNCH), [Continue], "{}", self.log());
        assert!(!self.has_lapsed(), "{}", self.log());
    }
}

/// A wall clock that the test can set, for agents that are started by it.
pub struct WallClock(std::path::PathBuf);

impl WallClock {
    /// So many seconds beside the right time. `None`, and a word, where libfaketime is not installed.
    pub fn beside(scene: &mut Scene, seconds: i64) -> Option<Self> {
        let folders = ["x86_64-linux-gnu", "aarch64-linux-gnu"];
        let library = folders
            .map(|folder| format!("/usr/lib/{folder}/faketime/libfaketime.so.1"))
            .into_iter()
            .find(|path| Path::new(path).exists());
        let Some(library) = library else {
            eprintln!("SKIPPED: needs libfaketime (apt-get install faketime)");
            return None;
        };
        let clock = Self(scene.scratch.path().join("clock"));
        clock.set(seconds);
        scene.stage.stage.builder = scene
            .builder
            .clone()
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", clock.0.display().to_string())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1");
        Some(clock)
    }

    pub fn set(&self, seconds: i64) {
        // Replaced as a whole: the agent may read it at any moment.
        let draft = self.0.with_extension("draft");
        std::fs::write(&draft, format!("{seconds:+}s\n")).unwrap();
        std::fs::rename(draft, &self.0).unwrap();
    }
}
