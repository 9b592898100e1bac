//! The model of the truth: a pure state machine without I/O and without a clock of its own.
//!
//! [`World::advance`] carries out everything that was due up to a moment, in the order of the due
//! times and with those exact times; every other method acts at the time last advanced to. Nothing
//! in here may look at a clock, lock or await: that is what makes it testable by itself.
//!
//! - `lifecycle`, `hooks`, `pool`: Auto Scaling's state machine.
//! - `draining`, `tasks`, `task`: what ECS does with tasks.
//! - `registrations`: an ECS agent that loses its data, and a scheduler.
//! - `scheduler`: services that are kept running.
//! - `metrics`, `math`, `scaling`: CloudWatch, and a group that scales by it.
//! - `ending`: what kills containers. `Killed` events are *the* safety signal.
//! - `stacks`: CloudFormation signals.

mod agenda;
mod credentials;
mod draining;
mod ending;
mod events;
mod groups;
mod hooks;
mod instance;
mod lifecycle;
mod math;
mod metrics;
mod notices;
mod pool;
mod query;
mod registrations;
mod replacing;
mod requests;
mod scaling;
mod scheduler;
mod setup;
mod stacks;
mod states;
mod task;
mod tasks;

use std::collections::BTreeMap;
use std::time::Duration;

use agenda::Agenda;
pub(crate) use agenda::Due;
pub(crate) use credentials::Credentials;
pub use events::{TruthEvent, What, Who};
pub use groups::{GroupModel, ServiceModel};
pub use hooks::HookError;
pub use instance::{InstanceModel, MaintenanceEvent, PendingHook};
pub(crate) use metrics::Metrics;
pub use requests::{Outcome, RequestLog, RequestRecord, Service};
pub use scaling::{AlarmModel, GroupSize};
pub use stacks::{Signal, SignalAuth, SignalError, StackModel, StackResource};
pub use states::{
    ContainerInstanceStatus, HookTransition, LifecycleActionResult, LifecycleState, SpotAction,
    TargetLifecycleState,
};
pub use task::{Container, TaskModel};

use crate::api::Buckets;
use crate::clock::{Calendar, SimTime};
use crate::spec::Options;

/// Everything there is, and everything that happened.
#[derive(Debug)]
pub struct World {
    pub(crate) options: Options,
    pub(crate) calendar: Calendar,
    now: SimTime,
    agenda: Agenda,
    counters: BTreeMap<&'static str, u64>,
    pub(crate) clusters: Vec<String>,
    pub(crate) services: Vec<ServiceModel>,
    pub(crate) groups: BTreeMap<String, GroupModel>,
    pub(crate) stacks: BTreeMap<String, StackModel>,
    pub(crate) instances: BTreeMap<String, InstanceModel>,
    pub(crate) tasks: BTreeMap<String, TaskModel>,
    pub(crate) signals: Vec<Signal>,
    pub(crate) log: RequestLog,
    pub(crate) buckets: Buckets,
    pub(crate) metrics: Metrics,
    pub(crate) alarms: Vec<AlarmModel>,
    events: Vec<TruthEvent>,
}

impl World {
    /// An empty world at time 0.
    pub fn new(options: Options, calendar: Calendar) -> Self {
        Self {
            options,
            calendar,
            now: Duration::ZERO,
            agenda: Agenda::default(),
            counters: BTreeMap::new(),
            clusters: Vec::new(),
            services: Vec::new(),
            groups: BTreeMap::new(),
            stacks: BTreeMap::new(),
            instances: BTreeMap::new(),
            tasks: BTreeMap::new(),
            signals: Vec::new(),
            log: RequestLog::default(),
            buckets: Buckets::default(),
            metrics: Metrics::default(),
            alarms: Vec::new(),
            events: Vec::new(),
        }
    }

    /// The time last advanced to.
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// Carries out everything due up to `now`, in the order of the due times.
    pub fn advance(&mut self, now: SimTime) {
        while let Some((at, due)) = self.agenda.pop_until(now) {
            self.now = self.now.max(at);
            self.fire(due);
        }
        self.now = self.now.max(now);
    }

    fn fire(&mut self, due: Due) {
        match due {
            Due::EnterWait { instance, epoch } => self.enter_wait(&instance, epoch),
            Due::Heartbeat { instance, hook } => self.heartbeat_due(&instance, &hook),
            Due::Global { instance, hook } => self.global_due(&instance, &hook),
            Due::Arrive { instance, epoch } => self.arrive(&instance, epoch),
            Due::Leave { instance, epoch } => self.leave(&instance, epoch),
            Due::Schedule { instance, arn } => self.schedule_due(&instance, &arn),
            Due::SpotTime { instance } => self.spot_time(&instance),
            Due::Place { instance, spec } => {
                self.place_task(&instance, *spec);
            }
            Due::TaskRunning { task } => self.task_running(&task),
            Due::TellToStop { task } => self.tell_to_stop_due(&task),
            Due::TaskEnds { task } => self.task_ends(&task),
            Due::ContainerGone { task } => self.container_gone(&task),
            Due::LocalDesired { task } => {
                self.task_event(&task, |task| What::TaskDesiredStatus {
                    task,
                    status: "STOPPED",
                });
            }
            Due::LocalKnown { task } => {
                self.task_event(&task, |task| What::TaskKnownStatus {
                    task,
                    status: "STOPPED",
                });
            }
            Due::Register { instance } => {
                self.register(&instance);
                self.set_ecs_agent(&instance, true);
            }
            Due::Connect { instance } => self.set_agent_connected(&instance, true),
            Due::DaemonCheck { instance } => self.daemon_check(&instance),
            Due::Services => self.schedule_services(),
            Due::Minute => self.minute_over(),
        }
    }

    pub(crate) fn schedule(&mut self, at: SimTime, due: Due) {
        self.agenda.add(at.max(self.now), due);
    }

    pub(crate) fn event(&mut self, instance: &str, what: What) {
        self.events.push(TruthEvent {
            at_sim: self.now,
            at_real: self.calendar.real(self.now),
            instance: instance.to_owned(),
            what,
        });
    }

    /// The next number of a kind, from 1.
    pub(crate) fn number(&mut self, kind: &'static str) -> u64 {
        let counter = self.counters.entry(kind).or_default();
        *counter += 1;
        *counter
    }

    /// The timeline.
    pub fn events(&self) -> &[TruthEvent] {
        &self.events
    }

    /// The log of requests.
    pub fn requests(&self) -> &RequestLog {
        &self.log
    }

    /// Every signal that CloudFormation accepted, repeated ones too.
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }
}
