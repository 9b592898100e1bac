//! What the metadata service announces: Spot interruptions, rebalance recommendations, maintenance.

use std::time::Duration;

use super::World;
use super::agenda::Due;
use super::events::What;
use super::instance::MaintenanceEvent;
use super::states::SpotAction;

impl World {
    /// Announces a Spot interruption. The instance ends at that time, whatever still runs.
    pub fn interrupt_spot(&mut self, id: &str, action: SpotAction, within: Duration) {
        self.announce_spot(id, action, within);
        let (at, instance) = (self.now() + within, id.to_owned());
        self.schedule(at, Due::SpotTime { instance });
    }

    /// Announces one alone: EC2 is late, and the instance lives on.
    pub fn announce_spot(&mut self, id: &str, action: SpotAction, within: Duration) {
        let at = self.now() + within;
        let Some(instance) = self.instances.get_mut(id) else {
            return;
        };
        instance.spot = Some((action, at));
        self.event(id, What::SpotInterruption { action, at });
    }

    /// Stops it and starts it again, as after a Spot interruption: no notice, another `pendingTime`, the ECS
    /// agent with its data.
    pub fn stop_and_start(&mut self, id: &str) {
        let launched_at = self.calendar.since_1970(self.now());
        if let Some(instance) = self.instances.get_mut(id) {
            instance.spot = None;
            instance.rebalance = None;
            instance.launched_at = launched_at;
        }
        self.kill_containers(id);
    }

    /// Gives a rebalance recommendation.
    pub fn recommend_rebalance(&mut self, id: &str) {
        let now = self.now();
        let Some(instance) = self.instances.get_mut(id) else {
            return;
        };
        instance.rebalance = Some(now);
        self.event(id, What::RebalanceRecommended);
    }

    /// Announces a maintenance event, or changes the one with the same id.
    pub fn set_maintenance(&mut self, id: &str, event: MaintenanceEvent) {
        let Some(instance) = self.instances.get_mut(id) else {
            return;
        };
        let name = event.id.clone();
        instance.maintenance.retain(|e| e.id != name);
        instance.maintenance.push(event);
        self.event(id, What::MaintenanceEvent { id: name });
    }
}
