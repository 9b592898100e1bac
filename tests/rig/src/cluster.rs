//! A cluster that scales by the figures of its agents: one real agent for each host, in a world that runs
//! many times faster than the machine's clock, and so do the agents' own clocks (a debug build takes
//! `ECS_LIFECYCLE_TEST_CLOCK`). Every setting of the agents is the default, but how often they look.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ecs_lifecycle_simulator::{
    GroupSize, GroupSpec, HookSpec, Instance, InstanceSpec, MetricSpec, Options, ServiceSpec,
    SimTime, Simulator, StackSpec, Statistic, TaskSpec, What, World,
};

use crate::{AgentBuilder, AgentProcess, Scratch, emf, template};

/// The cluster's name.
pub const CLUSTER: &str = "demo";
/// The Auto Scaling group's name.
pub const GROUP: &str = "demo-asg";
/// The service's name.
pub const SERVICE: &str = "web";
/// The stack and its resource that the group is.
const STACK: &str = "demo-stack";
const RESOURCE: &str = "AutoScalingGroup";
/// What a task reserves: four fit a host of 2048 and 3788.
pub const TASK: (i32, i32) = (512, 900);
/// How often a host that is missing is looked for, on the machine's clock.
const TEND: Duration = Duration::from_millis(10);

struct Host {
    instance: Instance,
    agent: AgentProcess,
    builder: AgentBuilder,
    _state: Scratch,
}

/// The cluster, its simulator, and the agents.
pub struct Cluster {
    /// What plays AWS.
    pub simulator: Simulator,
    agent: PathBuf,
    speed: u32,
    endpoint: String,
    hosts: BTreeMap<String, Host>,
    /// What hosts that are gone have logged.
    logs: BTreeMap<String, String>,
}

/// What there was in one minute.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// When, in simulated time.
    pub at: SimTime,
    /// How many tasks are desired.
    pub desired: usize,
    /// How many targets are healthy.
    pub healthy: usize,
    /// How many tasks find no place.
    pub waiting: usize,
    /// The group's instances.
    pub hosts: GroupSize,
    /// The sum of `ContainerCapacity`, of the last minute that is over.
    pub capacity: Option<f64>,
    /// The sum of `IdleHostCapacity`.
    pub idle: Option<f64>,
    /// Whether each of the alarms is in ALARM.
    pub alarms: Vec<bool>,
}

/// A task of the service: starts in 10 s, deregistered and stopped in 60 s.
pub fn task() -> TaskSpec {
    TaskSpec::service(SERVICE)
        .reserves(TASK.0, TASK.1)
        .pending_for(Duration::from_secs(10))
        .stop_duration(Duration::from_secs(60))
}

impl Cluster {
    /// Sets it up: so many hosts, each with its agent, and the service on them.
    pub async fn start(
        agent: &Path,
        speed: u32,
        hosts: usize,
        service: ServiceSpec,
    ) -> io::Result<Self> {
        let options = Options::default().speed(f64::from(speed)).simulated_dates();
        let simulator = Simulator::start(options).await?;
        simulator.add_cluster(CLUSTER);
        simulator.add_stack(&StackSpec::new(STACK).waiting_for(RESOURCE, 1));
        simulator.set_waiting(STACK, RESOURCE, false);
        let hook = |hook: HookSpec| hook.heartbeat_timeout(Duration::from_secs(900));
        simulator.add_group(
            GroupSpec::new(GROUP)
                .sizes(1, 10)
                .wait_delay(Duration::from_secs(5))
                .terminate_delay(Duration::from_secs(20))
                .hook(hook(HookSpec::launching("join")))
                .hook(hook(HookSpec::terminating("drain"))),
        );
        let world = simulator.clone();
        let endpoint = emf::listen(move |line| {
            if let Ok(record) = serde_json::from_str(&line) {
                world.change(|w| w.take_record(&record));
            }
        })
        .await?;
        let mut cluster = Self {
            simulator,
            agent: agent.to_owned(),
            speed,
            endpoint,
            hosts: BTreeMap::new(),
            logs: BTreeMap::new(),
        };
        for _ in 0..hosts {
            let instance = cluster.simulator.add_instance(host()).await?;
            cluster.host(instance)?;
        }
        cluster.simulator.add_service(service);
        let alarms = template::alarms(CLUSTER, GROUP).map_err(io::Error::other)?;
        for alarm in alarms {
            cluster.simulator.change(|w| w.add_alarm(alarm));
        }
        Ok(cluster)
    }

    fn host(&mut self, instance: Instance) -> io::Result<()> {
        let state = Scratch::new()?;
        let clock = format!("{}@{}", self.speed, self.simulator.epoch_millis());
        let (cpu, memory) = TASK;
        let builder = AgentBuilder::new(&self.agent, &instance, state.path())
            .env("ECS_LIFECYCLE_TEST_CLOCK", clock)
            .set("metadata", "poll_interval", "10s")
            .set("ecs", "introspection_poll_interval", "10s")
            .set("capacity", "enabled", "true")
            .set("capacity", "cpu", cpu.to_string())
            .set("capacity", "memory", memory.to_string())
            .set("metrics", "emf_endpoint", &self.endpoint);
        let host = Host {
            agent: builder.start()?,
            builder,
            _state: state,
            instance,
        };
        self.hosts.insert(host.instance.id().to_owned(), host);
        Ok(())
    }

    /// Launches what the group misses, and ends the agents of instances that are gone.
    pub async fn tend(&mut self) -> io::Result<()> {
        for _ in 0..self.simulator.world(|w| w.missing_instances(GROUP)) {
            let boots = host()
                .registers_after(Duration::from_secs(60))
                .connects_after(Duration::from_secs(5));
            let instance = self.simulator.launch(boots).await?;
            self.host(instance)?;
        }
        let gone = |host: &Host| host.instance.is_gone();
        let gone: Vec<String> = self
            .hosts
            .iter()
            .filter(|(_, host)| gone(host))
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            if let Some(mut host) = self.hosts.remove(&id) {
                host.agent.kill().await?;
                self.logs.insert(id, host.agent.text());
            }
        }
        for (id, host) in &mut self.hosts {
            if !host.agent.is_running()? {
                let log = host.agent.text();
                return Err(io::Error::other(format!(
                    "the agent of {id} has ended:\n{log}"
                )));
            }
        }
        Ok(())
    }

    /// Kills all agents, and starts them again at once.
    pub async fn kill_agents(&mut self) -> io::Result<()> {
        for host in self.hosts.values_mut() {
            host.agent.kill().await?;
            host.agent = host.builder.start()?;
        }
        Ok(())
    }

    /// Goes on until a moment of simulated time.
    pub async fn run_until(&mut self, at: SimTime) -> io::Result<()> {
        while self.simulator.now() < at {
            self.tend().await?;
            tokio::time::sleep(TEND).await;
        }
        Ok(())
    }

    /// Goes on until something is so.
    pub async fn until(
        &mut self,
        what: &str,
        within: Duration,
        is: impl Fn(&World) -> bool,
    ) -> io::Result<()> {
        let deadline = self.simulator.now() + within;
        while !self.simulator.world(&is) {
            if self.simulator.now() > deadline {
                let logs = self.logs();
                return Err(io::Error::other(format!(
                    "not within {within:?}: {what}\n{logs}"
                )));
            }
            self.tend().await?;
            tokio::time::sleep(TEND).await;
        }
        Ok(())
    }

    /// Changes how many tasks are desired.
    pub fn desire(&self, tasks: usize) {
        self.simulator
            .change(|w| w.change_service(SERVICE, |service| service.desired = tasks));
    }

    /// Suspends `AlarmNotification`, as a rolling update does, or resumes it.
    pub fn suspend(&self, suspended: bool) {
        self.simulator
            .change(|w| w.suspend_policies(GROUP, suspended));
    }

    /// Changes how many hosts are desired.
    pub fn resize(&self, hosts: usize) {
        self.simulator
            .change(|w| w.set_desired_capacity(GROUP, hosts));
    }

    /// Has the stack wait for the signal of a new host.
    pub fn expect_signal(&self) {
        self.simulator.set_waiting(STACK, RESOURCE, true);
    }

    /// Whether the stack has had the signal that it waits for.
    pub fn has_signal(world: &World) -> bool {
        let resource = world
            .stack(STACK)
            .and_then(|stack| stack.resources.get(RESOURCE));
        resource.is_some_and(|resource| !resource.waiting && !resource.failed)
    }

    /// One of the cluster's metrics.
    pub fn metric(name: &str, statistic: Statistic) -> MetricSpec {
        MetricSpec {
            id: String::new(),
            name: name.to_owned(),
            statistic,
            dimensions: format!("ClusterName={CLUSTER}"),
        }
    }

    /// What there is now.
    pub fn sample(&self, desired: usize) -> Sample {
        let sum = |name: &str| Self::metric(name, Statistic::Sum);
        self.simulator.world(|w| {
            let minute = w.minute_of(w.now()).saturating_sub(1);
            Sample {
                at: w.now(),
                desired,
                healthy: w.healthy_targets(SERVICE),
                waiting: w.waiting_tasks(SERVICE),
                hosts: w.group_size(GROUP),
                capacity: w.statistic(minute, &sum("ContainerCapacity")),
                idle: w.statistic(minute, &sum("IdleHostCapacity")),
                alarms: w.alarms().iter().map(|alarm| alarm.on).collect(),
            }
        })
    }

    /// The logs of all agents, of those too whose instances are gone.
    pub fn logs(&self) -> String {
        let running = self.hosts.iter().map(|(id, host)| (id, host.agent.text()));
        let ended = self.logs.iter().map(|(id, log)| (id, log.clone()));
        running
            .chain(ended)
            .map(|(id, log)| format!("--- {id}\n{log}"))
            .collect()
    }
}

fn host() -> InstanceSpec {
    InstanceSpec::new(CLUSTER)
        .group(GROUP)
        .stack_tags(STACK, RESOURCE)
}

/// A load that rises and falls.
pub mod tide {
    use super::{Cluster, Duration, Sample, ServiceSpec, What, io, task};

    const MINUTE: u64 = 60;
    /// Tasks at low and at high water.
    const LOW: u64 = 4;
    const HIGH: u64 = 18;
    /// When it begins to rise, how many minutes each further task takes; when it begins to fall, in half minutes.
    const RISES: u64 = 6;
    const RISE: u64 = 3;
    const FALLS: u64 = 58;
    const FALL_HALVES: u64 = 3;
    /// How long it is played.
    pub const MINUTES: u64 = 128;
    /// How many hosts there are at low water.
    pub const HOSTS: usize = 2;

    /// How many tasks are desired in a minute.
    pub fn desired(minute: u64) -> usize {
        let up = LOW + minute.saturating_sub(RISES).div_ceil(RISE);
        let down = minute.saturating_sub(FALLS) * 2 / FALL_HALVES;
        let tasks = up.min(HIGH).saturating_sub(down).max(LOW);
        usize::try_from(tasks).unwrap_or(usize::MAX)
    }

    /// The service at its beginning.
    pub fn service() -> ServiceSpec {
        ServiceSpec::runs(super::CLUSTER, desired(0), task()).healthy_after(Duration::from_secs(20))
    }

    /// A scale-out at its longest: two minutes of too little room, of which the first may just have begun, a look
    /// at ECS every two minutes, half a minute until CloudWatch has it, a boot, a join, and what a busy machine adds.
    const SCALE_OUT: Duration = Duration::from_mins(10);

    /// What is wrong with a run; nothing where the cluster has followed.
    pub fn problems(cluster: &Cluster, history: &[Sample]) -> Vec<String> {
        let mut problems = Vec::new();
        let mut demand = |holds: bool, what: String| {
            if !holds {
                problems.push(what);
            }
        };
        cluster.simulator.world(|world| {
            demand(
                world.killed().is_empty(),
                format!("killed: {:?}", world.killed()),
            );
            // Out, then in, and never out again.
            let steps: Vec<bool> = world
                .events()
                .iter()
                .filter_map(|event| match &event.what {
                    What::DesiredCapacity { from, to, .. } => Some(to > from),
                    _ => None,
                })
                .collect();
            demand(
                steps.iter().any(|out| *out),
                "it never scaled out".to_owned(),
            );
            demand(
                steps.iter().is_sorted_by(|a, b| a >= b),
                format!("scale-out (true) and scale-in alternate: {steps:?}"),
            );
            let mut since = None;
            let mut longest = Duration::ZERO;
            for event in world.events() {
                if let What::TasksWait { count, .. } = event.what {
                    let from = *since.get_or_insert(event.at_sim);
                    longest = longest.max(event.at_sim - from);
                    since = since.filter(|_| count > 0);
                }
            }
            demand(since.is_none(), "tasks are still pending".to_owned());
            demand(
                longest <= SCALE_OUT,
                format!("a task waited for {longest:?}"),
            );
        });
        let most = history.iter().map(|sample| sample.hosts.in_service).max();
        let last = history.last().cloned().unwrap_or_default();
        demand(most >= Some(5), format!("at most {most:?} hosts"));
        demand(
            last.hosts.in_service == HOSTS,
            format!("{} hosts in the end", last.hosts.in_service),
        );
        demand(
            last.healthy == desired(MINUTES),
            format!("{} healthy targets in the end", last.healthy),
        );
        problems
    }

    /// Plays it, and tells of each half minute.
    pub async fn play(
        cluster: &mut Cluster,
        mut tell: impl FnMut(&Sample),
    ) -> io::Result<Vec<Sample>> {
        let mut history = Vec::new();
        for half in 0..MINUTES * 2 {
            let desired = desired(half / 2);
            cluster.desire(desired);
            let at = Duration::from_secs((half + 1) * MINUTE / 2);
            cluster.run_until(at).await?;
            let sample = cluster.sample(desired);
            tell(&sample);
            history.push(sample);
        }
        Ok(history)
    }
}
