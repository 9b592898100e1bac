//! One task: the truth about its container, and what the ECS API and introspection say about it.

use crate::clock::SimTime;
use crate::spec::{ApiSkew, TaskKind, TaskSpec};

/// The truth about a task's container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// Not started yet.
    Pending,
    /// Running.
    Running,
    /// Ended in an orderly way.
    Gone,
    /// Ended by the end of its instance.
    Killed,
}

/// A task in the model.
#[derive(Clone, Debug)]
pub struct TaskModel {
    /// Its ARN.
    pub arn: String,
    /// Its cluster.
    pub cluster: String,
    /// The instance it is on.
    pub instance: String,
    /// The ARN of the container instance that it was placed on.
    pub registration: String,
    /// Whether the ECS agent has lost it: introspection does not list it.
    pub forgotten: bool,
    /// What was declared.
    pub spec: TaskSpec,
    /// When it was placed.
    pub placed_at: SimTime,
    /// When its container started.
    pub running_at: Option<SimTime>,
    /// The truth.
    pub container: Container,
    /// When ECS is going to tell it to stop.
    pub stop_due: Option<SimTime>,
    /// When ECS told it to stop.
    pub told_at: Option<SimTime>,
    /// When the ECS agent began to stop its container.
    pub stopping_at: Option<SimTime>,
    /// When its container was gone.
    pub gone_at: Option<SimTime>,
    /// From when the ECS API reports `STOPPED`.
    pub api_stopped_at: Option<SimTime>,
    /// `stoppedReason`.
    pub stopped_reason: Option<String>,
}

impl TaskModel {
    /// Whether its container still runs, in truth.
    pub fn is_running(&self) -> bool {
        self.container == Container::Running
    }

    /// Whether its container is gone, one way or another.
    pub fn is_over(&self) -> bool {
        matches!(self.container, Container::Gone | Container::Killed)
    }

    /// Whether draining has ECS stop it.
    pub fn is_service(&self) -> bool {
        self.spec.kind != TaskKind::Standalone
    }

    /// `group`.
    pub fn group(&self) -> String {
        match self.spec.kind.service() {
            Some(service) => format!("service:{service}"),
            None => format!("family:{}", self.spec.family),
        }
    }

    /// Whether the ECS API reports it stopped by now.
    pub fn api_stopped(&self, now: SimTime) -> bool {
        self.api_stopped_at.is_some_and(|at| at <= now)
    }

    /// `lastStatus` in the ECS API.
    pub fn last_status(&self, now: SimTime) -> &'static str {
        if self.api_stopped(now) {
            return "STOPPED";
        }
        if let (Some(begun), Some(stopped)) = (self.stopping_at, self.api_stopped_at) {
            let passed = now.saturating_sub(begun).as_secs_f64();
            let share = passed / stopped.saturating_sub(begun).as_secs_f64().max(1e-9);
            return match share {
                s if s < 1.0 / 3.0 => "DEACTIVATING",
                s if s < 2.0 / 3.0 => "STOPPING",
                _ => "DEPROVISIONING",
            };
        }
        if self.container == Container::Pending {
            "PENDING"
        } else {
            "RUNNING"
        }
    }

    /// `desiredStatus` in the ECS API.
    pub fn desired_status(&self, now: SimTime) -> &'static str {
        if self.told_at.is_some() || self.api_stopped(now) {
            "STOPPED"
        } else {
            "RUNNING"
        }
    }

    /// `KnownStatus` in local introspection.
    pub fn known_status(&self, now: SimTime) -> &'static str {
        let lag = self.spec.local_lag;
        if self.gone_at.is_some_and(|at| at + lag <= now) {
            "STOPPED"
        } else if self.running_at.is_some_and(|at| at <= now) {
            "RUNNING"
        } else {
            "PENDING"
        }
    }

    /// `DesiredStatus` in local introspection, which may leave it out.
    pub fn local_desired_status(&self, now: SimTime) -> Option<&'static str> {
        if self.spec.omit_desired_status {
            return None;
        }
        let since = self.stopping_at.or(self.gone_at);
        Some(if since.is_some_and(|at| at + self.spec.local_lag <= now) {
            "STOPPED"
        } else {
            "RUNNING"
        })
    }

    /// When the API reports `STOPPED` for a container gone at `gone`, decided at `now`.
    pub(crate) fn skewed(&self, gone: SimTime, now: SimTime) -> SimTime {
        match self.spec.api_skew {
            ApiSkew::Exact => gone,
            ApiSkew::Ahead(by) => gone.saturating_sub(by).max(now),
            ApiSkew::Behind(by) => gone + by,
        }
    }
}
