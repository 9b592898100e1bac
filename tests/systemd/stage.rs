//! What every test needs: a simulated instance at its real addresses, and a machine to boot on it.

use std::net::SocketAddr;
use std::time::Duration;

use ecs_lifecycle_simulator::{
    GroupSpec, HookSpec, Instance, InstanceSpec, Options, Simulator, TaskSpec, World,
};
use tokio::net::{TcpListener, TcpStream};

use super::machine::{Machine, PATIENCE};

pub const DRAINING: &str = "ecs:UpdateContainerInstancesState";
pub const COMPLETE: &str = "autoscaling:CompleteLifecycleAction";

/// A simulated instance, and the machine on it.
pub struct Stage {
    pub simulator: Simulator,
    pub instance: Instance,
    pub machine: Machine,
}

/// A task of a service, gone `seconds` after it was told to stop.
pub fn web(seconds: u64) -> TaskSpec {
    TaskSpec::service("web").stop_duration(Duration::from_secs(seconds))
}

impl Stage {
    /// The agent is installed as its unit says, and the machine is off.
    pub async fn new(tasks: Vec<TaskSpec>) -> Self {
        Self::with(Machine::new().await, tasks).await
    }

    /// On this machine, which is off; set up by drop-ins for the agent's unit.
    pub async fn with(machine: Machine, tasks: Vec<TaskSpec>) -> Self {
        let stage = Self::as_it_is(machine, tasks).await;
        stage.machine.drop_in(
            "endpoints",
            &format!("[Service]\n{}", stage.endpoints("Environment=")),
        );
        // A fifth of the default intervals: the same course of events, sooner.
        stage.set("metadata", "poll_interval", "200ms");
        stage.set("ecs", "introspection_poll_interval", "200ms");
        stage.set("ecs", "placement_settle", "600ms");
        stage
    }

    /// The variables that point the agent at the simulated AWS, a line each.
    pub fn endpoints(&self, before: &str) -> String {
        self.instance
            .env()
            .iter()
            .filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL"))
            .map(|(name, url)| format!("{before}{name}={url}\n"))
            .collect()
    }

    /// On this machine, which is off and stays as it is.
    pub async fn as_it_is(machine: Machine, tasks: Vec<TaskSpec>) -> Self {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        simulator.add_cluster("demo");
        simulator.add_group(
            GroupSpec::new("demo-asg")
                .wait_delay(Duration::from_millis(100))
                .hook(HookSpec::terminating("drain-hook")),
        );
        let instance = InstanceSpec::new("demo").group("demo-asg");
        let instance = tasks.into_iter().fold(instance, InstanceSpec::task);
        let instance = simulator.add_instance(instance).await.unwrap();
        forward("169.254.169.254:80", &instance.imds_endpoint()).await;
        forward("127.0.0.1:51678", &instance.introspection_endpoint()).await;
        Self {
            simulator,
            instance,
            machine,
        }
    }

    /// Sets a configuration key, by a drop-in for the unit.
    pub fn set(&self, section: &str, key: &str, value: &str) {
        let name = format!("{section}__{key}").to_uppercase();
        self.machine.drop_in(
            &format!("{section}-{key}"),
            &format!("[Service]\nEnvironment=ECS_LIFECYCLE_AGENT_{name}={value}\n"),
        );
    }

    /// Boots the machine, and waits until the agent watches and knows its container instance.
    pub async fn boot(&mut self) {
        self.machine.boot().await;
        self.machine
            .until("StatusText", |text| text.starts_with("watching: "))
            .await;
        self.machine
            .until("StatusText", |text| !text.contains("not registered yet"))
            .await;
    }

    /// Boots the machine, and has the group terminate the instance: waits until the drain goes on.
    pub async fn boot_and_drain(&mut self) {
        self.boot().await;
        self.instance.terminate();
        self.until("DRAINING", |world| world.requests().accepted(DRAINING) > 0)
            .await;
        self.tasks_left().await;
    }

    /// Waits until the status names tasks that are left; returns the whole of it.
    pub async fn tasks_left(&self) -> String {
        self.machine
            .until("StatusText", |text| {
                text.contains(" left (") && text.starts_with("draining: ")
            })
            .await
    }

    /// Waits for something to become true of the world.
    pub async fn until(&self, what: &str, condition: impl FnMut(&World) -> bool) {
        self.simulator
            .wait_until(what, PATIENCE, condition)
            .await
            .unwrap();
    }

    /// How often an operation arrived.
    pub fn count(&self, operation: &str) -> usize {
        self.simulator
            .world(|world| world.requests().count(operation))
    }

    /// Waits until the instance is gone: completed once, with no container running.
    pub async fn gone_in_order(&self) {
        self.instance.wait_until_gone(PATIENCE).await.unwrap();
        self.simulator.world(|world| {
            assert!(world.killed().is_empty(), "killed: {:?}", world.killed());
            assert_eq!(world.completions(self.instance.id()), 1);
        });
    }
}

/// Has `address` lead to `endpoint`.
async fn forward(address: &str, endpoint: &str) {
    let listener = TcpListener::bind(address).await.unwrap();
    let to: SocketAddr = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            tokio::spawn(async move {
                // Where nobody listens, the connection ends.
                if let Ok(mut to) = TcpStream::connect(to).await {
                    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                }
            });
        }
    });
}
