//! What happened so far, as plain data: the views, the summary and the timeline are functions of it.
//!
//! Every time is real time since the simulator's start. What AWS did and what arrived there come from the
//! simulator's record, what the agent thought comes from its log.

use std::collections::BTreeMap;
use std::time::Duration;

use ecs_lifecycle_simulator::{Outcome, Service, TaskKind, TruthEvent, What, World};

use crate::said::Said;

/// Everything up to a moment.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The moment.
    pub now: Duration,
    /// What really happened to the instance.
    pub events: Vec<TruthEvent>,
    /// The tasks on the instance.
    pub tasks: Vec<Task>,
    /// What the agent asked of AWS.
    pub calls: Vec<Call>,
    /// What the agent logged.
    pub said: Vec<Said>,
    /// What the demo has to say.
    pub notes: Vec<(Duration, String)>,
    /// Peak of the agent's resident memory.
    pub memory_peak_bytes: u64,
}

/// One task, that is one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// A name that no other task has.
    pub name: String,
    /// `service`, `daemon` or `standalone`.
    pub kind: &'static str,
    /// Its ARN.
    pub arn: String,
    /// When ECS told it to stop.
    pub told_at: Option<Duration>,
    /// When its container was gone, in an orderly way or not.
    pub gone_at: Option<Duration>,
    /// Whether the end of the instance killed it.
    pub killed: bool,
}

/// One request to an AWS API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it arrived.
    pub at: Duration,
    /// Where.
    pub service: Service,
    /// `ecs:UpdateContainerInstancesState`, …
    pub operation: String,
    /// How it went.
    pub outcome: Outcome,
}

impl Call {
    /// The operation without its service.
    pub fn short(&self) -> &str {
        self.operation
            .split_once(':')
            .map_or(self.operation.as_str(), |(_, name)| name)
    }
}

impl Record {
    /// Takes the simulator's part of it.
    pub fn of(world: &World, instance: &str) -> Self {
        let events: Vec<TruthEvent> = world.events_of(instance).cloned().collect();
        let calls = world.requests().aws_calls().map(|request| Call {
            at: request.at_real,
            service: request.service,
            operation: request.operation.clone(),
            outcome: request.outcome.clone(),
        });
        let kinds: Vec<_> = world
            .tasks_of(instance)
            .map(|task| (task.arn.clone(), task.spec.family.clone(), &task.spec.kind))
            .collect();
        let tasks = tasks(&kinds, &events);
        Self {
            calls: calls.collect(),
            tasks,
            events,
            ..Self::default()
        }
    }

    /// When something first happened.
    pub fn when(&self, is: impl Fn(&What) -> bool) -> Option<Duration> {
        let event = self.events.iter().find(|event| is(&event.what));
        event.map(|event| event.at_real)
    }

    /// When the metadata first told that the instance is to be terminated.
    pub fn flipped_at(&self) -> Option<Duration> {
        self.when(
            |what| matches!(what, What::TargetStateSet(target) if target.as_str() == "Terminated"),
        )
    }

    /// When the instance was gone.
    pub fn gone_at(&self) -> Option<Duration> {
        self.when(|what| matches!(what, What::InstanceGone { .. }))
    }

    /// The calls of one operation that were accepted.
    pub fn accepted<'a>(&'a self, operation: &'a str) -> impl Iterator<Item = &'a Call> {
        self.calls
            .iter()
            .filter(move |call| call.operation == operation && call.outcome == Outcome::Accepted)
    }

    /// When the agent first logged a message that begins so.
    pub fn said_at(&self, beginning: &str) -> Option<Duration> {
        let said = self
            .said
            .iter()
            .find(|said| said.message.starts_with(beginning));
        said.map(|said| said.at)
    }

    /// A task's name.
    pub fn name_of(&self, arn: &str) -> &str {
        let task = self.tasks.iter().find(|task| task.arn == arn);
        task.map_or("a task", |task| task.name.as_str())
    }

    /// The successive values of a state: each with the moment from which it was so.
    pub fn states(
        &self,
        first: &str,
        change: impl Fn(&What) -> Option<String>,
    ) -> Vec<(Duration, String)> {
        let mut states = vec![(Duration::ZERO, first.to_owned())];
        for event in &self.events {
            if let Some(state) = change(&event.what)
                && states.last().is_none_or(|(_, last)| *last != state)
            {
                states.push((event.at_real, state));
            }
        }
        states
    }

    /// Where Auto Scaling says the instance is.
    pub fn lifecycle_states(&self) -> Vec<(Duration, String)> {
        self.states("InService", |what| match what {
            What::LifecycleStateChanged { to: Some(to), .. } => Some(to.to_string()),
            _ => None,
        })
    }

    /// Where the metadata says the instance goes.
    pub fn target_states(&self) -> Vec<(Duration, String)> {
        self.states("InService", |what| match what {
            What::TargetStateSet(target) => Some(target.to_string()),
            _ => None,
        })
    }

    /// The status of the container instance.
    pub fn container_instance_states(&self) -> Vec<(Duration, String)> {
        self.states("ACTIVE", |what| match what {
            What::ContainerInstanceStatusChanged { to, .. } => Some(to.to_string()),
            _ => None,
        })
    }
}

/// The tasks as the events tell of them; tasks of one family are numbered.
fn tasks(known: &[(String, String, &TaskKind)], events: &[TruthEvent]) -> Vec<Task> {
    let mut families: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, family, _) in known {
        *families.entry(family).or_default() += 1;
    }
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut tasks = Vec::new();
    for (arn, family, kind) in known {
        let number = numbers.entry(family).or_default();
        *number += 1;
        let alone = families.get(family.as_str()) == Some(&1);
        let mut task = Task {
            name: if alone {
                family.clone()
            } else {
                format!("{family}-{number}")
            },
            kind: match kind {
                TaskKind::Service { .. } => "service",
                TaskKind::Daemon { .. } => "daemon",
                TaskKind::Standalone => "standalone",
            },
            arn: arn.clone(),
            ..Task::default()
        };
        for event in events {
            match &event.what {
                What::TaskToldToStop { task: of, .. } if of == arn => {
                    task.told_at = Some(event.at_real);
                }
                What::ContainerGone { task: of } if of == arn => {
                    task.gone_at = Some(event.at_real);
                }
                What::Killed { task: of } if of == arn => {
                    task.gone_at = Some(event.at_real);
                    task.killed = true;
                }
                _ => {}
            }
        }
        tasks.push(task);
    }
    tasks
}
