//! The handle of one simulated instance.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    ContainerInstanceStatus, MaintenanceEvent, SpotAction, TargetLifecycleState, Who, World,
};
use crate::net::{Front, Listener};
use crate::simulator::Simulator;
use crate::spec::TaskSpec;

/// A simulated instance; cheap to clone. Its ports stay open as long as the simulator runs, whether
/// or not its handle is kept.
#[derive(Clone)]
pub struct Instance {
    simulator: Simulator,
    id: String,
    ports: Arc<Ports>,
}

pub(crate) struct Ports {
    imds: Listener,
    introspection: Listener,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Instance {
    pub(crate) fn open(simulator: Simulator, id: String, ecs_agent_up: bool) -> io::Result<Self> {
        let imds = simulator.reserve(Front::Imds(id.clone()))?;
        let introspection = simulator.reserve(Front::Introspection(id.clone()))?;
        imds.open()?;
        if ecs_agent_up {
            introspection.open()?;
        }
        let ports = Arc::new(Ports {
            imds,
            introspection,
        });
        simulator.keep(ports.clone());
        Ok(Self {
            simulator,
            id,
            ports,
        })
    }

    /// Its instance id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The simulator it belongs to.
    pub fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    /// Its `containerInstanceArn`.
    pub fn container_instance_arn(&self) -> String {
        self.simulator
            .world(|w| {
                w.instance(&self.id)
                    .map(|i| i.container_instance_arn.clone())
            })
            .unwrap_or_default()
    }

    /// Its metadata service.
    pub fn imds_endpoint(&self) -> String {
        self.ports.imds.url()
    }

    /// Its ECS agent's introspection server.
    pub fn introspection_endpoint(&self) -> String {
        self.ports.introspection.url()
    }

    /// The standard variables that point an SDK on this instance at the simulator. (There is no
    /// standard one for introspection.)
    pub fn env(&self) -> Vec<(String, String)> {
        let variables = [
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", self.imds_endpoint()),
            ("AWS_ENDPOINT_URL_ECS", self.simulator.ecs_endpoint()),
            (
                "AWS_ENDPOINT_URL_AUTO_SCALING",
                self.simulator.autoscaling_endpoint(),
            ),
            (
                "AWS_ENDPOINT_URL_CLOUDFORMATION",
                self.simulator.cloudformation_endpoint(),
            ),
        ];
        variables
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec()
    }

    fn change<R>(&self, change: impl FnOnce(&mut World, &str) -> R) -> R {
        self.simulator.change(|w| change(w, &self.id))
    }

    /// Sets its user data.
    pub fn set_user_data(&self, text: &str) {
        self.change(|w, id| {
            if let Some(instance) = w.instances.get_mut(id) {
                instance.user_data = Some(text.to_owned());
            }
        });
    }

    /// Has its group terminate it.
    pub fn terminate(&self) -> bool {
        self.change(World::terminate)
    }

    /// Has the EC2 API terminate it: no hook, gone at once.
    pub fn terminate_outside_auto_scaling(&self) {
        self.change(World::terminate_outside_auto_scaling);
    }

    /// Sets `target-lifecycle-state` alone.
    pub fn set_target(&self, state: TargetLifecycleState) {
        self.change(|w, id| w.set_target(id, state));
    }

    /// Announces a Spot interruption: the instance ends at that time.
    pub fn interrupt_spot(&self, action: SpotAction, within: Duration) {
        self.change(|w, id| w.interrupt_spot(id, action, within));
    }

    /// Announces a Spot interruption that EC2 is late to carry out: the instance lives on.
    pub fn announce_spot(&self, action: SpotAction, within: Duration) {
        self.change(|w, id| w.announce_spot(id, action, within));
    }

    /// Stops it and starts it again, with another `pendingTime` and no notices.
    pub fn stop_and_start(&self) {
        self.change(World::stop_and_start);
    }

    /// Gives a rebalance recommendation.
    pub fn recommend_rebalance(&self) {
        self.change(World::recommend_rebalance);
    }

    /// Announces or changes a maintenance event.
    pub fn set_maintenance(&self, event: MaintenanceEvent) {
        self.change(|w, id| w.set_maintenance(id, event));
    }

    /// Sends it to the warm pool (a `Warmed:*` state); terminating hooks run.
    pub fn send_to_warm_pool(&self, state: TargetLifecycleState) -> bool {
        self.change(|w, id| w.send_to_warm_pool(id, state))
    }

    /// Has its group replace its root volume; metadata shows `target` meanwhile.
    pub fn replace_root_volume(&self, target: Option<TargetLifecycleState>) -> bool {
        self.change(|w, id| w.replace_root_volume(id, target))
    }

    /// Boots it from the new root volume. Its ECS agent comes up and registers anew so long from now.
    pub async fn boot_from_new_root_volume(&self, registers_after: Duration) {
        self.ports.introspection.close().await;
        self.change(|w, id| w.boot_from_new_root_volume(id, registers_after));
        self.open_when_registered();
    }

    /// Takes it back into service from the warm pool.
    pub fn return_to_service(&self) -> bool {
        self.change(World::return_to_service)
    }

    /// Puts it on standby.
    pub fn enter_standby(&self) -> bool {
        self.change(World::enter_standby)
    }

    /// Takes it back from standby.
    pub fn exit_standby(&self) -> bool {
        self.change(World::exit_standby)
    }

    /// Detaches it from its group.
    pub fn detach(&self) -> bool {
        self.change(World::detach)
    }

    /// Places a task on it; returns its ARN, unless it is to come only some time after `DRAINING`.
    pub fn place_task(&self, spec: TaskSpec) -> Option<String> {
        self.change(|w, id| w.place_task(id, spec))
    }

    /// Sets its container instance's status as an operator would.
    pub fn set_container_instance_status(&self, status: ContainerInstanceStatus) {
        self.change(|w, id| w.set_container_instance_status(id, status, Who::Operator));
    }

    /// From now on the scheduler places this task whenever it is `ACTIVE`, so long after it became so.
    pub fn schedule_whenever_active(&self, spec: TaskSpec, after: Duration) {
        self.change(|w, id| w.schedule_whenever_active(id, spec, after));
    }

    /// Its ECS agent loses its data: introspection lists none of the tasks so far, whose containers go on.
    pub fn forget_tasks(&self) {
        self.change(World::forget_tasks);
    }

    /// Its ECS agent loses its data and registers a second, `ACTIVE` container instance beside the first.
    pub fn register_anew(&self) {
        self.change(World::register_anew);
    }

    /// Registers it with ECS: its ARN shows, `REGISTERING` becomes `ACTIVE`.
    pub fn register(&self) {
        self.change(World::register);
    }

    /// The ECS agent goes down: introspection refuses connections, `agentConnected` is false, and
    /// tasks told to stop meanwhile go on until it is up again.
    pub async fn ecs_agent_down(&self) {
        self.ports.introspection.close().await;
        self.change(|w, id| w.set_ecs_agent(id, false));
    }

    /// The ECS agent comes up, at the same port.
    pub fn ecs_agent_up(&self) -> io::Result<()> {
        self.change(|w, id| w.set_ecs_agent(id, true));
        self.ports.introspection.open()
    }

    /// The metadata service refuses connections.
    pub async fn close_imds(&self) {
        self.ports.imds.close().await;
    }

    /// The metadata service answers again, at the same port.
    pub fn open_imds(&self) -> io::Result<()> {
        self.ports.imds.open()
    }

    /// Ends every metadata token: the next requests with one get 401.
    pub fn revoke_tokens(&self) {
        self.change(|w, id| {
            if let Some(instance) = w.instances.get_mut(id) {
                instance.identity.revoke_tokens();
            }
        });
    }

    /// Ends every credential handed out: the next calls with one are refused as expired.
    pub fn expire_credentials(&self) {
        self.change(|w, id| {
            let now = w.now();
            if let Some(instance) = w.instances.get_mut(id) {
                instance.identity.expire_credentials(now);
            }
        });
    }

    /// Whether the ECS agent has its connection to ECS: `agentConnected`.
    pub fn set_agent_connected(&self, connected: bool) {
        self.change(|w, id| w.set_agent_connected(id, connected));
    }

    /// Opens introspection once the model's ECS agent has come up by itself.
    pub(crate) fn open_when_registered(&self) {
        let (ports, id) = (self.ports.clone(), self.id.clone());
        self.simulator.spawn_until(
            move |w| w.instance(&id).is_none_or(|i| i.registered || i.is_gone()),
            move || {
                // A port that cannot be had again shows as a connection refused.
                let _ = ports.introspection.open();
            },
        );
    }

    /// Whether it is gone.
    pub fn is_gone(&self) -> bool {
        self.simulator.world(|w| w.is_gone(&self.id))
    }

    /// Waits (in real time) until it is gone.
    pub async fn wait_until_gone(&self, timeout: Duration) -> Result<(), String> {
        self.simulator
            .wait_until("the instance is gone", timeout, |w| w.is_gone(&self.id))
            .await
    }
}
