//! Tasks and services.

use std::time::Duration;

/// What a task belongs to, which decides what draining does to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// A task of a `REPLICA` service: replaced elsewhere, then told to stop.
    Service {
        /// The service's name.
        name: String,
    },
    /// A task of a `DAEMON` service: told to stop once all other service tasks are stopped.
    Daemon {
        /// The service's name.
        name: String,
    },
    /// Started by `RunTask`: draining leaves it alone.
    Standalone,
}

impl TaskKind {
    /// The service's name, for a service's task.
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::Service { name } | Self::Daemon { name } => Some(name),
            Self::Standalone => None,
        }
    }
}

/// When the ECS API says `STOPPED`, relative to when the container is really gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApiSkew {
    /// At the same time.
    #[default]
    Exact,
    /// The API says so this much too early.
    Ahead(Duration),
    /// The API says so this much later.
    Behind(Duration),
}

/// A task to run on an instance.
#[derive(Clone, Debug)]
#[must_use]
pub struct TaskSpec {
    /// `Family` of its task definition; also its container's name.
    pub family: String,
    /// `Version` (revision) of its task definition.
    pub version: u32,
    /// What it belongs to.
    pub kind: TaskKind,
    /// From being told to stop until its container is gone.
    pub stop_duration: Duration,
    /// From `DRAINING` until ECS tells it to stop (a replacement has to be up elsewhere first).
    pub replacement_delay: Duration,
    /// Scale-in protection, from its placement: it is not told to stop meanwhile.
    pub protected_for: Duration,
    /// Ends by itself after running this long.
    pub runs_for: Option<Duration>,
    /// How long it is `PENDING` after its placement.
    pub pending_for: Duration,
    /// Placed only this long after its instance becomes `DRAINING` (the placement was under way).
    pub after_draining: Option<Duration>,
    /// When the ECS API reports `STOPPED`.
    pub api_skew: ApiSkew,
    /// How far local introspection is behind the truth.
    pub local_lag: Duration,
    /// Leaves `DesiredStatus` out of the introspection answer.
    pub omit_desired_status: bool,
    /// `startedBy` of a standalone task.
    pub started_by: Option<String>,
    /// What it takes of its instance.
    pub reserves: Reservation,
}

/// What a task takes of its instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    /// CPU units.
    pub cpu: i32,
    /// Memory, in MiB.
    pub memory: i32,
    /// Ports of the host, such as `80/tcp`.
    pub ports: Vec<String>,
    /// Whether it has a network interface of its own.
    pub awsvpc: bool,
}

impl TaskSpec {
    fn new(family: &str, kind: TaskKind) -> Self {
        Self {
            family: family.to_owned(),
            version: 1,
            kind,
            stop_duration: Duration::from_millis(200),
            replacement_delay: Duration::from_millis(200),
            protected_for: Duration::ZERO,
            runs_for: None,
            pending_for: Duration::ZERO,
            after_draining: None,
            api_skew: ApiSkew::Exact,
            local_lag: Duration::ZERO,
            omit_desired_status: false,
            started_by: None,
            reserves: Reservation::default(),
        }
    }

    /// A running task of the `REPLICA` service of that name: 0.2 s until it is told to stop, 0.2 s to stop.
    pub fn service(name: &str) -> Self {
        Self::new(
            name,
            TaskKind::Service {
                name: name.to_owned(),
            },
        )
    }

    /// A running task of the `DAEMON` service of that name.
    pub fn daemon(name: &str) -> Self {
        Self::new(
            name,
            TaskKind::Daemon {
                name: name.to_owned(),
            },
        )
    }

    /// A running standalone task.
    pub fn standalone(family: &str) -> Self {
        Self::new(family, TaskKind::Standalone)
    }

    /// Sets the time from being told to stop until the container is gone.
    pub fn stop_duration(mut self, duration: Duration) -> Self {
        self.stop_duration = duration;
        self
    }

    /// Sets the time from `DRAINING` until ECS tells it to stop.
    pub fn replacement_delay(mut self, delay: Duration) -> Self {
        self.replacement_delay = delay;
        self
    }

    /// Protects it from scale-in.
    pub fn protected_for(mut self, duration: Duration) -> Self {
        self.protected_for = duration;
        self
    }

    /// Lets it end by itself.
    pub fn runs_for(mut self, duration: Duration) -> Self {
        self.runs_for = Some(duration);
        self
    }

    /// Keeps it `PENDING` at first.
    pub fn pending_for(mut self, duration: Duration) -> Self {
        self.pending_for = duration;
        self
    }

    /// Places it only that long after `DRAINING`.
    pub fn after_draining(mut self, delay: Duration) -> Self {
        self.after_draining = Some(delay);
        self
    }

    /// Sets when the ECS API reports `STOPPED`.
    pub fn api_skew(mut self, skew: ApiSkew) -> Self {
        self.api_skew = skew;
        self
    }

    /// Lets introspection lag behind the truth.
    pub fn local_lag(mut self, lag: Duration) -> Self {
        self.local_lag = lag;
        self
    }

    /// Leaves `DesiredStatus` out of introspection.
    pub fn omit_desired_status(mut self) -> Self {
        self.omit_desired_status = true;
        self
    }

    /// Sets the CPU units and the memory that it reserves.
    pub fn reserves(mut self, cpu: i32, memory: i32) -> Self {
        (self.reserves.cpu, self.reserves.memory) = (cpu, memory);
        self
    }

    /// Takes a port of its host, such as `80/tcp`.
    pub fn host_port(mut self, port: &str) -> Self {
        self.reserves.ports.push(port.to_owned());
        self
    }

    /// Gives it a network interface of its own.
    pub fn awsvpc(mut self) -> Self {
        self.reserves.awsvpc = true;
        self
    }

    /// Sets `startedBy`.
    pub fn started_by(mut self, who: &str) -> Self {
        self.started_by = Some(who.to_owned());
        self
    }
}

/// An ECS service. Services of placed tasks that were not declared are added as needed.
#[derive(Clone, Debug)]
#[must_use]
pub struct ServiceSpec {
    /// Its cluster.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// Whether its `schedulingStrategy` is `DAEMON`.
    pub daemon: bool,
    /// What the scheduler keeps running of it; `None`: its tasks are placed by hand.
    pub runs: Option<Deployment>,
}

/// What a service's scheduler keeps running: at least 100 % healthy, at most 200 % in all.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The task. Its `version` tells one deployment from the next.
    pub task: TaskSpec,
    /// `desiredCount`.
    pub desired: usize,
    /// Where the next task goes.
    pub placement: Placement,
    /// From running until the load balancer calls its target healthy.
    pub healthy_after: Duration,
}

/// A task placement strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// Where the fewest of the service run.
    #[default]
    Spread,
    /// Where the least memory is left that is enough.
    Binpack,
}

impl ServiceSpec {
    /// A `REPLICA` service.
    pub fn replica(cluster: &str, name: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            name: name.to_owned(),
            daemon: false,
            runs: None,
        }
    }

    /// Has the scheduler keep so many of these tasks running, and of no service else.
    pub fn runs(cluster: &str, desired: usize, task: TaskSpec) -> Self {
        let name = task.kind.service().unwrap_or_default().to_owned();
        Self {
            runs: Some(Deployment {
                task,
                desired,
                placement: Placement::default(),
                healthy_after: Duration::ZERO,
            }),
            ..Self::replica(cluster, &name)
        }
    }

    /// Sets the placement strategy.
    pub fn placement(mut self, placement: Placement) -> Self {
        if let Some(runs) = &mut self.runs {
            runs.placement = placement;
        }
        self
    }

    /// Sets how long after its start a target is healthy.
    pub fn healthy_after(mut self, delay: Duration) -> Self {
        if let Some(runs) = &mut self.runs {
            runs.healthy_after = delay;
        }
        self
    }

    /// A `DAEMON` service.
    pub fn daemon(cluster: &str, name: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            name: name.to_owned(),
            daemon: true,
            runs: None,
        }
    }
}
