//! Putting things into the world.

use std::time::Duration;

use super::agenda::Due;
use super::credentials::Identity;
use super::events::What;
use super::groups::{GroupModel, ServiceModel};
use super::instance::{Destination, InstanceModel};
use super::states::{LifecycleState, TargetLifecycleState};
use super::{StackModel, World};
use crate::ids;
use crate::spec::{GroupSpec, InstanceSpec, ServiceSpec, StackSpec};

/// An instance that was there from the start is an old one.
const DAY: Duration = Duration::from_secs(24 * 3600);

impl World {
    /// Adds a cluster.
    pub fn add_cluster(&mut self, name: &str) {
        if !self.clusters.iter().any(|c| c == name) {
            self.clusters.push(name.to_owned());
        }
    }

    /// Adds an Auto Scaling group, or replaces it.
    pub fn add_group(&mut self, spec: GroupSpec) {
        let model = GroupModel {
            desired: None,
            suspended: false,
            removing: None,
            cool_until: Duration::ZERO,
            spec,
        };
        self.groups.insert(model.spec.name.clone(), model);
    }

    /// Adds a service (and its cluster).
    pub fn add_service(&mut self, spec: ServiceSpec) {
        self.add_cluster(&spec.cluster);
        if self.find_service(&spec.cluster, &spec.name).is_none() {
            if spec.runs.is_some() {
                self.schedule(self.now(), Due::Services);
            }
            self.services.push(ServiceModel { spec, waiting: 0 });
        }
    }

    /// Adds a CloudFormation stack, or replaces it.
    pub fn add_stack(&mut self, spec: &StackSpec) {
        self.stacks.insert(spec.name.clone(), StackModel::new(spec));
    }

    /// Adds an instance and places its tasks; returns its id. A cluster or group that was not
    /// declared is added with defaults.
    pub fn add_instance(&mut self, spec: InstanceSpec) -> String {
        self.add_cluster(&spec.cluster);
        if let Some(group) = &spec.group
            && !self.groups.contains_key(group)
        {
            self.add_group(GroupSpec::new(group));
        }
        let number = self.number("instance");
        let id = spec.id.unwrap_or_else(|| ids::instance_id(number));
        let container_instance_arn = self.ecs_arn(&format!(
            "container-instance/{}/{}",
            spec.cluster,
            ids::hex32(1, number)
        ));
        let lifetime = spec
            .credential_lifetime
            .unwrap_or(self.options.credential_lifetime);
        let ago = spec.launched_ago.unwrap_or(DAY);
        let launched_at = self.calendar.since_1970(self.now()).saturating_sub(ago);
        let registers_at = spec.registers_after.map(|delay| self.now() + delay);
        let lifecycle_state = spec.group.is_some().then_some(spec.lifecycle_state);
        let model = InstanceModel {
            id: id.clone(),
            lifecycle_state,
            target_lifecycle_state: spec.group.as_ref().and(spec.target_lifecycle_state),
            group: spec.group,
            life_cycle: spec.life_cycle,
            destination: Destination::Gone,
            epoch: 0,
            hooks: Vec::new(),
            completions: std::collections::BTreeMap::new(),
            gone_at: None,
            cluster: spec.cluster,
            container_instance_arn,
            former: std::collections::BTreeMap::new(),
            registered: spec.registered,
            status: spec.status,
            ecs_agent_up: spec.ecs_agent_up,
            connected: spec.registered,
            connects_after: spec.connects_after,
            launched_at,
            in_service_since: None,
            tasks: Vec::new(),
            scheduled: None,
            returning: false,
            arrivals: Vec::new(),
            spot: None,
            rebalance: None,
            maintenance: Vec::new(),
            metadata_tags: spec.metadata_tags,
            resources: spec.resources,
            capacity_provider: spec.capacity_provider,
            user_data: None,
            identity: Identity::new(spec.role, lifetime, spec.max_token_ttl),
        };
        self.instances.insert(id.clone(), model);
        self.event(&id, What::Launched);
        if let Some(at) = registers_at {
            let instance = id.clone();
            self.schedule(at, Due::Register { instance });
        }
        for task in spec.tasks {
            self.place_task(&id, task);
        }
        id
    }

    /// Launches an instance of a group: `Pending`, then the launching hooks, then `InService`. With one
    /// of the `Warmed:*` target states: into the warm pool, by way of the launching hooks.
    pub fn launch(&mut self, spec: InstanceSpec) -> String {
        let mut spec = spec;
        let pool = spec
            .target_lifecycle_state
            .filter(|t| t.as_str().starts_with("Warmed:"));
        spec.lifecycle_state = match pool {
            Some(_) => LifecycleState::WarmedPending,
            None => LifecycleState::Pending,
        };
        spec.target_lifecycle_state = pool.or(Some(TargetLifecycleState::InService));
        spec.launched_ago.get_or_insert(Duration::ZERO);
        let id = self.add_instance(spec);
        if let (Some(target), Some(instance)) = (pool, self.instances.get_mut(&id)) {
            instance.destination = Destination::WarmPool(target);
        }
        let delay = self.group_of(&id).map(|g| g.wait_delay).unwrap_or_default();
        let at = self.now() + delay;
        self.schedule(
            at,
            Due::EnterWait {
                instance: id.clone(),
                epoch: 0,
            },
        );
        id
    }

    /// `arn:aws:ecs:REGION:ACCOUNT:RESOURCE`
    pub(crate) fn ecs_arn(&self, resource: &str) -> String {
        format!(
            "arn:aws:ecs:{}:{}:{resource}",
            self.options.region, self.options.account_id
        )
    }
}
