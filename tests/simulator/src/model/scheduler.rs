//! The scheduler of services that are kept running: places what is missing, and stops what is too much.
//!
//! Its rules are those of a rolling update of 100 and 200 per cent: a task of a former deployment, or on a
//! container instance that is `DRAINING`, goes once enough others are healthy. It looks often, and never
//! gives up; Amazon ECS waits longer and longer between its tries.

use std::time::Duration;

use super::World;
use super::agenda::Due;
use super::events::What;
use super::instance::InstanceModel;
use super::states::ContainerInstanceStatus;
use super::task::TaskModel;
use crate::spec::{Deployment, Placement, Reservation};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(5);
const REASON: &str = "Scaling activity initiated by (deployment ecs-svc/0000000000000000001)";

impl World {
    /// Changes what is kept running of a service.
    pub fn change_service(&mut self, name: &str, change: impl FnOnce(&mut Deployment)) {
        let service = self.services.iter_mut().find(|s| s.spec.name == name);
        if let Some(runs) = service.and_then(|s| s.spec.runs.as_mut()) {
            change(runs);
        }
    }

    /// How many targets of the service are healthy: running for long enough, and not told to stop.
    pub fn healthy_targets(&self, service: &str) -> usize {
        let runs = self.services.iter().find(|s| s.spec.name == service);
        let Some(runs) = runs.and_then(|s| s.spec.runs.as_ref()) else {
            return 0;
        };
        self.living(service)
            .filter(|task| self.is_healthy(task, runs))
            .count()
    }

    /// How many tasks of the service find no place.
    pub fn waiting_tasks(&self, service: &str) -> usize {
        let service = self.services.iter().find(|s| s.spec.name == service);
        service.map_or(0, |service| service.waiting)
    }

    /// Whether a task's service is kept running by its scheduler.
    pub(crate) fn is_scheduled(&self, arn: &str) -> bool {
        let task = self.tasks.get(arn);
        let service = task.and_then(|t| self.find_service(&t.cluster, t.spec.kind.service()?));
        service.is_some_and(|service| service.spec.runs.is_some())
    }

    /// The tasks of a service that are not told to stop.
    fn living<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a TaskModel> {
        let of_service = |t: &&TaskModel| t.spec.kind.service() == Some(service);
        let living = |t: &&TaskModel| t.told_at.is_none() && !t.is_over();
        self.tasks.values().filter(of_service).filter(living)
    }

    fn is_healthy(&self, task: &TaskModel, runs: &Deployment) -> bool {
        task.running_at
            .is_some_and(|at| at + runs.healthy_after <= self.now())
    }

    fn leaves(&self, task: &TaskModel, runs: &Deployment) -> bool {
        let here = self.instances.get(&task.instance);
        let draining = here.is_none_or(|i| i.status != ContainerInstanceStatus::Active);
        draining || task.spec.version != runs.task.version
    }

    pub(crate) fn schedule_services(&mut self) {
        self.schedule(self.now() + EVERY, Due::Services);
        for at in 0..self.services.len() {
            let Some((spec, before)) = self.services.get(at).map(|s| (s.spec.clone(), s.waiting))
            else {
                continue;
            };
            let Some(runs) = &spec.runs else { continue };
            self.stop_too_many(&spec.name, runs);
            let waiting = self.place_missing(&spec.cluster, &spec.name, runs);
            if let Some(service) = self.services.get_mut(at) {
                service.waiting = waiting;
            }
            if waiting != before {
                let service = spec.name;
                let count = waiting;
                self.event("", What::TasksWait { service, count });
            }
        }
    }

    fn stop_too_many(&mut self, service: &str, runs: &Deployment) {
        let (leaving, staying): (Vec<_>, Vec<_>) = self
            .living(service)
            .partition(|task| self.leaves(task, runs));
        let healthy = |tasks: &[&TaskModel]| {
            let healthy = tasks.iter().filter(|task| self.is_healthy(task, runs));
            healthy.count()
        };
        let spare = (healthy(&leaving) + healthy(&staying)).saturating_sub(runs.desired);
        let mut stops: Vec<String> = Vec::new();
        let mut left = spare;
        for task in &leaving {
            if !self.is_healthy(task, runs) {
                stops.push(task.arn.clone());
            } else if left > 0 {
                left -= 1;
                stops.push(task.arn.clone());
            }
        }
        // Fewer are desired: of those that stay, where most are, the latest first.
        let mut rest = staying;
        while rest.len() > runs.desired {
            let crowd = |task: &&TaskModel| {
                let there = rest.iter().filter(|other| other.instance == task.instance);
                (there.count(), task.placed_at, task.arn.clone())
            };
            let Some(arn) = rest
                .iter()
                .copied()
                .max_by_key(crowd)
                .map(|t| t.arn.clone())
            else {
                break;
            };
            rest.retain(|task| task.arn != arn);
            stops.push(arn);
        }
        for arn in stops {
            self.tell_to_stop(&arn, REASON);
        }
    }

    /// Places what is missing, up to 200 per cent in all; how many find no place.
    fn place_missing(&mut self, cluster: &str, service: &str, runs: &Deployment) -> usize {
        let all = self.living(service).count();
        let staying = self
            .living(service)
            .filter(|t| !self.leaves(t, runs))
            .count();
        let missing = runs.desired.saturating_sub(staying);
        let allowed = (2 * runs.desired).saturating_sub(all);
        for placed in 0..missing.min(allowed) {
            let Some(id) = self.place_for(cluster, service, runs) else {
                return missing - placed;
            };
            self.place_task(&id, runs.task.clone());
        }
        0
    }

    fn place_for(&self, cluster: &str, service: &str, runs: &Deployment) -> Option<String> {
        let takes = |instance: &&InstanceModel| {
            instance.cluster == cluster
                && instance.registered
                && instance.agent_connected()
                && instance.status == ContainerInstanceStatus::Active
                && self.has_room(instance, &runs.task.reserves)
        };
        let rank = |instance: &&InstanceModel| {
            let here = self.living(service).filter(|t| t.instance == instance.id);
            let rank = match runs.placement {
                Placement::Spread => i64::try_from(here.count()).unwrap_or(i64::MAX),
                Placement::Binpack => i64::from(self.remaining(instance).memory),
            };
            (rank, instance.id.clone())
        };
        let best = self.instances.values().filter(takes).min_by_key(rank);
        best.map(|instance| instance.id.clone())
    }

    fn has_room(&self, instance: &InstanceModel, needs: &Reservation) -> bool {
        let left = self.remaining(instance);
        left.cpu >= needs.cpu
            && left.memory >= needs.memory
            && !needs.ports.iter().any(|port| left.ports.contains(port))
    }
}
