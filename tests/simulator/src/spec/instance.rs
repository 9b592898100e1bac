//! A simulated EC2 instance that is a container instance of a cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use super::TaskSpec;
use crate::model::{ContainerInstanceStatus, LifecycleState, TargetLifecycleState};

/// An instance to add with [`Simulator::add_instance`](crate::Simulator::add_instance).
#[derive(Clone, Debug)]
#[must_use]
pub struct InstanceSpec {
    /// Its id; a deterministic one by default.
    pub id: Option<String>,
    /// The cluster it is registered in.
    pub cluster: String,
    /// The Auto Scaling group it belongs to, if any.
    pub group: Option<String>,
    /// What runs on it from the start.
    pub tasks: Vec<TaskSpec>,
    /// The status of its container instance.
    pub status: ContainerInstanceStatus,
    /// Whether it is registered: if not, introspection shows a null ARN and ECS does not know it.
    pub registered: bool,
    /// Whether the ECS agent runs (its introspection port refuses connections if not).
    pub ecs_agent_up: bool,
    /// Registers by itself so long after the instance was added (introspection is refused until then).
    pub registers_after: Option<Duration>,
    /// How long after registering `agentConnected` stays false.
    pub connects_after: Duration,
    /// How long ago it was launched, on the wall clock: `pendingTime` of the identity document. By default a
    /// day ago, or just now if it is launched in the simulation.
    pub launched_ago: Option<Duration>,
    /// `LifecycleState` in the group.
    pub lifecycle_state: LifecycleState,
    /// `target-lifecycle-state` in the metadata; `None` is a 404.
    pub target_lifecycle_state: Option<TargetLifecycleState>,
    /// `instance-life-cycle` in the metadata: `spot` by default.
    pub life_cycle: &'static str,
    /// Tags in the metadata; `None` where `InstanceMetadataTags` is off.
    pub metadata_tags: Option<BTreeMap<String, String>>,
    /// The instance profile's role; `None` without a profile.
    pub role: Option<String>,
    /// Lifetime of its credentials; the simulator's by default.
    pub credential_lifetime: Option<Duration>,
    /// Longest life of a metadata token whatever was asked for (a caller cannot see that).
    pub max_token_ttl: Option<Duration>,
    /// What it has for tasks.
    pub resources: HostResources,
    /// `capacityProviderName` of its container instance.
    pub capacity_provider: Option<String>,
}

/// What an instance has for tasks: its `registeredResources`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostResources {
    /// CPU units.
    pub cpu: i32,
    /// Memory, in MiB.
    pub memory: i32,
    /// Ports that are taken from the start, such as `22/tcp`.
    pub ports: Vec<String>,
}

impl Default for HostResources {
    fn default() -> Self {
        let reserved = ["22/tcp", "2375/tcp", "2376/tcp", "51678/tcp", "51679/tcp"];
        Self {
            cpu: 2048,
            memory: 3788,
            ports: reserved.map(str::to_owned).to_vec(),
        }
    }
}

impl Default for InstanceSpec {
    fn default() -> Self {
        Self {
            id: None,
            cluster: "default".to_owned(),
            group: None,
            tasks: Vec::new(),
            status: ContainerInstanceStatus::Active,
            registered: true,
            ecs_agent_up: true,
            registers_after: None,
            connects_after: Duration::ZERO,
            launched_ago: None,
            lifecycle_state: LifecycleState::InService,
            target_lifecycle_state: Some(TargetLifecycleState::InService),
            life_cycle: "spot",
            metadata_tags: None,
            role: Some("demo-instance-role".to_owned()),
            credential_lifetime: None,
            max_token_ttl: None,
            resources: HostResources::default(),
            capacity_provider: None,
        }
    }
}

impl InstanceSpec {
    /// An `ACTIVE` instance of the cluster, outside any Auto Scaling group.
    pub fn new(cluster: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            ..Self::default()
        }
    }

    /// Sets the id.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// Puts it in a group.
    pub fn group(mut self, group: &str) -> Self {
        self.group = Some(group.to_owned());
        self
    }

    /// An On-Demand Instance.
    pub fn on_demand(mut self) -> Self {
        self.life_cycle = "on-demand";
        self
    }

    /// Adds a task.
    pub fn task(mut self, task: TaskSpec) -> Self {
        self.tasks.push(task);
        self
    }

    /// Sets the container instance's status.
    pub fn status(mut self, status: ContainerInstanceStatus) -> Self {
        self.status = status;
        self
    }

    /// Not registered with ECS yet: null ARN.
    pub fn unregistered(mut self) -> Self {
        self.registered = false;
        self
    }

    /// The ECS agent is down at first.
    pub fn ecs_agent_down(mut self) -> Self {
        self.ecs_agent_up = false;
        self
    }

    /// The ECS agent comes up, and registers, so long after the instance was added: a boot.
    pub fn registers_after(mut self, delay: Duration) -> Self {
        self.registered = false;
        self.ecs_agent_up = false;
        self.registers_after = Some(delay);
        self
    }

    /// So long after it has registered, `agentConnected` becomes true.
    pub fn connects_after(mut self, delay: Duration) -> Self {
        self.connects_after = delay;
        self
    }

    /// Launched so long ago, on the wall clock, whatever the simulator's speed.
    pub fn launched_ago(mut self, ago: Duration) -> Self {
        self.launched_ago = Some(ago);
        self
    }

    /// Sets `target-lifecycle-state`, or leaves it unset (404).
    pub fn target_lifecycle_state(mut self, state: Option<TargetLifecycleState>) -> Self {
        self.target_lifecycle_state = state;
        self
    }

    /// Sets `LifecycleState`.
    pub fn lifecycle_state(mut self, state: LifecycleState) -> Self {
        self.lifecycle_state = state;
        self
    }

    /// Enables tags in the metadata and adds one.
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.metadata_tags
            .get_or_insert_default()
            .insert(key.to_owned(), value.to_owned());
        self
    }

    /// Enables tags in the metadata with those that Auto Scaling and CloudFormation set on an instance
    /// of a group that is this resource of this stack.
    pub fn stack_tags(mut self, stack: &str, logical_id: &str) -> Self {
        if let Some(group) = self.group.clone() {
            self = self.tag("aws:autoscaling:groupName", &group);
        }
        self.tag("aws:cloudformation:stack-name", stack)
            .tag("aws:cloudformation:logical-id", logical_id)
    }

    /// Sets the lifetime of the credentials handed out.
    pub fn credential_lifetime(mut self, lifetime: Duration) -> Self {
        self.credential_lifetime = Some(lifetime);
        self
    }

    /// Ends every metadata token after this long, whatever lifetime was asked for.
    pub fn max_token_ttl(mut self, ttl: Duration) -> Self {
        self.max_token_ttl = Some(ttl);
        self
    }

    /// Sets the CPU units and the memory that it has for tasks.
    pub fn resources(mut self, cpu: i32, memory: i32) -> Self {
        (self.resources.cpu, self.resources.memory) = (cpu, memory);
        self
    }

    /// Makes it an instance of a capacity provider.
    pub fn capacity_provider(mut self, name: &str) -> Self {
        self.capacity_provider = Some(name.to_owned());
        self
    }

    /// Without an instance profile.
    pub fn without_role(mut self) -> Self {
        self.role = None;
        self
    }
}
