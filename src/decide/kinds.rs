//! Which service started each task, and which tasks the policy ignores.

use std::collections::BTreeMap;

use ecs_lifecycle_config::DaemonTasks;

use crate::Policy;
use crate::model::{ApiTask, TaskKind};

/// The kinds of the tasks, as far as ECS has said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kinds {
    known: BTreeMap<String, TaskKind>,
    /// The drain makes no progress, so the next report should name the kinds of the tasks.
    pub(crate) wondering: bool,
}

impl Kinds {
    /// The kind of a task, if it is known.
    pub fn of(&self, arn: &str) -> Option<&TaskKind> {
        self.known.get(arn)
    }

    /// Whether the policy ignores this task. The drain waits for a task of unknown kind.
    pub fn is_ignored(&self, arn: &str, policy: &Policy) -> bool {
        match self.known.get(arn) {
            Some(TaskKind::Standalone) => policy.drain.standalone_tasks.are_ignored(),
            Some(TaskKind::Daemon(_)) => wants_daemons(policy),
            Some(TaskKind::Service(_)) | None => false,
        }
    }

    /// Takes over the kinds from an answer of the ECS API.
    pub(crate) fn learn(&mut self, tasks: &[ApiTask]) {
        for task in tasks {
            self.known.insert(task.task.arn.clone(), task.kind.clone());
        }
    }
}

/// Whether the policy ignores any task at all.
pub(crate) fn may_ignore(policy: &Policy) -> bool {
    policy.drain.standalone_tasks.are_ignored() || wants_daemons(policy)
}

/// Whether the policy has to tell daemons from other services.
pub(crate) fn wants_daemons(policy: &Policy) -> bool {
    match policy.drain.daemon_tasks {
        DaemonTasks::Ignore => true,
        DaemonTasks::Wait => false,
    }
}
