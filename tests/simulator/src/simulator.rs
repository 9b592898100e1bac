//! The handle: starts the simulator, declares what there is, makes things go wrong, waits for things.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::clock::{Clock, SimTime};
use crate::fault::{Fault, FaultId, Gate, Hold};
use crate::instance::{Instance, Ports};
use crate::model::{Service, World};
use crate::net::{Front, Listener};
use crate::shared::Shared;
use crate::spec::{GroupSpec, InstanceSpec, Options, ServiceSpec, StackSpec};

/// How often the model is advanced when nobody asks it anything.
const TICK: Duration = Duration::from_millis(5);

/// A running simulator; cheap to clone. It runs on a thread of its own and ends with its last handle
/// (those of its instances included).
#[derive(Clone)]
pub struct Simulator {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    runtime: Handle,
    ecs: Listener,
    autoscaling: Listener,
    cloudformation: Listener,
    aws: Listener,
    /// The ports of all instances.
    ports: Mutex<Vec<Arc<Ports>>>,
    /// Dropped with the last handle, which ends the simulator's thread.
    _running: oneshot::Sender<()>,
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}

impl Simulator {
    /// Starts a simulator with an empty world.
    pub async fn start(options: Options) -> io::Result<Self> {
        let clock = Clock::start_with(options.speed, options.simulated_dates);
        let world = World::new(options, clock.calendar());
        let shared = Arc::new(Shared::new(clock, world));
        let (running, ended) = oneshot::channel();
        let runtime = spawn_runtime(shared.clone(), ended)?;
        let listen = |front| {
            let listener = Listener::reserve(shared.clone(), front, runtime.clone())?;
            listener.open()?;
            io::Result::Ok(listener)
        };
        let inner = Inner {
            ecs: listen(Front::Aws(Some(Service::Ecs)))?,
            autoscaling: listen(Front::Aws(Some(Service::AutoScaling)))?,
            cloudformation: listen(Front::Aws(Some(Service::CloudFormation)))?,
            aws: listen(Front::Aws(None))?,
            shared: shared.clone(),
            runtime: runtime.clone(),
            ports: Mutex::default(),
            _running: running,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Simulated time since the start.
    pub fn now(&self) -> SimTime {
        self.inner.shared.clock.now()
    }

    /// Milliseconds since 1970 at the start.
    pub fn epoch_millis(&self) -> u128 {
        let calendar = self.inner.shared.clock.calendar();
        calendar.really(SimTime::ZERO).as_millis()
    }

    /// Adds a cluster.
    pub fn add_cluster(&self, name: &str) {
        self.change(|w| w.add_cluster(name));
    }

    /// Adds an Auto Scaling group.
    pub fn add_group(&self, spec: GroupSpec) {
        self.change(|w| w.add_group(spec));
    }

    /// Adds a service. (Those of placed tasks come by themselves.)
    pub fn add_service(&self, spec: ServiceSpec) {
        self.change(|w| w.add_service(spec));
    }

    /// Adds a CloudFormation stack.
    pub fn add_stack(&self, spec: &StackSpec) {
        self.change(|w| w.add_stack(spec));
    }

    /// Starts or ends the wait of a stack's resource for signals.
    pub fn set_waiting(&self, stack: &str, logical_id: &str, waiting: bool) {
        self.change(|w| w.set_waiting(stack, logical_id, waiting));
    }

    /// Adds an instance, with a metadata service and an introspection server of its own.
    pub async fn add_instance(&self, spec: InstanceSpec) -> io::Result<Instance> {
        self.open(spec, World::add_instance)
    }

    /// Like [`add_instance`](Self::add_instance), but the instance is launched by its group just
    /// now: `Pending`, launching hooks, `InService`.
    pub async fn launch(&self, spec: InstanceSpec) -> io::Result<Instance> {
        self.open(spec, World::launch)
    }

    fn open(
        &self,
        spec: InstanceSpec,
        add: impl FnOnce(&mut World, InstanceSpec) -> String,
    ) -> io::Result<Instance> {
        let (up, boots) = (spec.ecs_agent_up, spec.registers_after.is_some());
        let id = self.change(|w| add(w, spec));
        let instance = Instance::open(self.clone(), id, up)?;
        if boots {
            instance.open_when_registered();
        }
        Ok(instance)
    }

    /// Does something on the simulator's thread once something is so in the world.
    pub(crate) fn spawn_until(
        &self,
        is: impl Fn(&World) -> bool + Send + 'static,
        then: impl FnOnce() + Send + 'static,
    ) {
        let shared = self.inner.shared.clone();
        self.inner.runtime.spawn(async move {
            loop {
                let mut changed = std::pin::pin!(shared.changed.notified());
                changed.as_mut().enable();
                if shared.read(&is) {
                    return then();
                }
                changed.await;
            }
        });
    }

    /// Where ECS answers, and nothing else.
    pub fn ecs_endpoint(&self) -> String {
        self.inner.ecs.url()
    }

    /// Where Auto Scaling answers, and nothing else.
    pub fn autoscaling_endpoint(&self) -> String {
        self.inner.autoscaling.url()
    }

    /// Where CloudFormation answers, and nothing else.
    pub fn cloudformation_endpoint(&self) -> String {
        self.inner.cloudformation.url()
    }

    /// Where all three answer.
    pub fn aws_endpoint(&self) -> String {
        self.inner.aws.url()
    }

    /// Has one AWS API refuse connections (at its own endpoint), and breaks off those there are.
    pub async fn close_listener(&self, service: Service) {
        if let Some(listener) = self.listener(service) {
            listener.close().await;
        }
    }

    /// Has it accept connections again, at the same port.
    pub fn open_listener(&self, service: Service) -> io::Result<()> {
        self.listener(service).map_or(Ok(()), Listener::open)
    }

    fn listener(&self, service: Service) -> Option<&Listener> {
        match service {
            Service::Ecs => Some(&self.inner.ecs),
            Service::AutoScaling => Some(&self.inner.autoscaling),
            Service::CloudFormation => Some(&self.inner.cloudformation),
            Service::Imds | Service::Introspection => None,
        }
    }

    /// Reads the world as it is now. Do not call back into the simulator from inside.
    pub fn world<R>(&self, read: impl FnOnce(&World) -> R) -> R {
        self.inner.shared.read(read)
    }

    /// Changes the world by its own methods. Do not call back into the simulator from inside.
    pub fn change<R>(&self, change: impl FnOnce(&mut World) -> R) -> R {
        self.inner.shared.act(change)
    }

    /// Waits, up to a real-time timeout, until something is so in the world. Woken by changes and
    /// by the ticker; independent of the caller's runtime, even of a paused clock.
    pub async fn wait_until(
        &self,
        what: &str,
        timeout: Duration,
        mut is: impl FnMut(&World) -> bool,
    ) -> Result<(), String> {
        let deadline = self.inner.shared.clock.real_now() + timeout;
        loop {
            let mut changed = std::pin::pin!(self.inner.shared.changed.notified());
            changed.as_mut().enable();
            if self.world(&mut is) {
                return Ok(());
            }
            if self.inner.shared.clock.real_now() >= deadline {
                return Err(self.world(|w| crate::report::timed_out(what, timeout, w)));
            }
            changed.await;
        }
    }

    /// Adds a fault rule.
    pub fn fault(&self, fault: Fault) -> FaultId {
        self.inner.shared.rules().add(fault)
    }

    /// Removes a fault rule.
    pub fn remove_fault(&self, id: FaultId) {
        self.inner.shared.rules().remove(id);
    }

    /// Removes every fault rule.
    pub fn clear_faults(&self) {
        self.inner.shared.rules().clear();
    }

    /// How often a fault rule has hit.
    pub fn fault_hits(&self, id: FaultId) -> u64 {
        self.inner.shared.rules().hits(id)
    }

    /// Holds a request at a gate.
    pub fn hold(&self, hold: Hold) -> Gate {
        self.inner.shared.gates().add(hold)
    }

    /// Forgets the requests recorded so far.
    pub fn clear_requests(&self) {
        self.change(|w| w.log.clear());
    }

    /// Enforces the ECS token buckets, or no longer.
    pub fn set_throttling(&self, on: bool) {
        self.change(|w| w.options.throttling = on);
    }

    pub(crate) fn keep(&self, ports: Arc<Ports>) {
        let kept = self.inner.ports.lock();
        kept.unwrap_or_else(PoisonError::into_inner).push(ports);
    }

    pub(crate) fn reserve(&self, front: Front) -> io::Result<Listener> {
        Listener::reserve(self.inner.shared.clone(), front, self.inner.runtime.clone())
    }
}

/// A single-threaded runtime on its own thread: the sockets and the ticker.
fn spawn_runtime(shared: Arc<Shared>, ended: oneshot::Receiver<()>) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("simulator".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let mut ended = ended;
                let mut ticks = tokio::time::interval(TICK);
                ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    tokio::select! {
                        _ = &mut ended => return,
                        _ = ticks.tick() => shared.act(|_| ()),
                    }
                }
            });
        })?;
    Ok(handle)
}
