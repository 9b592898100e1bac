//! An instance refresh that replaces the root volume: the instance stays, and boots from an empty disk.

use std::time::Duration;

use super::World;
use super::agenda::Due;
use super::instance::Destination;
use super::states::{LifecycleState, TargetLifecycleState};

impl World {
    /// Has the group replace the root volume. Metadata shows `target` from now on, until somebody sets another one.
    pub fn replace_root_volume(&mut self, id: &str, target: Option<TargetLifecycleState>) -> bool {
        self.leave_service(id, target, Destination::NewRootVolume)
    }

    /// Boots from the new root volume: the launching hooks run, and the ECS agent, which has lost its data, registers
    /// a second container instance so long from now.
    pub fn boot_from_new_root_volume(&mut self, id: &str, registers_after: Duration) {
        self.set_ecs_agent(id, false);
        self.lose_registration(id);
        let wait = self.group_of(id).map(|g| g.wait_delay).unwrap_or_default();
        let Some(instance) = self.instances.get_mut(id) else {
            return;
        };
        (instance.registered, instance.connected) = (false, false);
        instance.destination = Destination::Gone;
        let epoch = self.set_lifecycle(id, Some(LifecycleState::Pending));
        let (now, instance) = (self.now(), id.to_owned());
        self.schedule(now + wait, Due::EnterWait { instance, epoch });
        let instance = id.to_owned();
        self.schedule(now + registers_after, Due::Register { instance });
    }
}
