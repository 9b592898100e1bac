//! CloudFormation stacks whose resources may wait for signals.

use std::collections::BTreeMap;

use super::World;
use super::events::What;
use crate::clock::SimTime;
use crate::spec::StackSpec;

/// A stack in the model.
#[derive(Clone, Debug)]
pub struct StackModel {
    /// Its resources by `LogicalResourceId`.
    pub resources: BTreeMap<String, StackResource>,
}

/// A resource of a stack.
#[derive(Clone, Debug)]
pub struct StackResource {
    /// Whether the stack operation waits for its signals now.
    pub waiting: bool,
    /// How many `SUCCESS` signals end the wait.
    pub required: Option<usize>,
    /// Whether a `FAILURE` signal failed the operation.
    pub failed: bool,
    /// The unique ids that signalled `SUCCESS` in this wait.
    pub succeeded: Vec<String>,
}

/// How a signal was authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalAuth {
    /// By the identity document of this instance (`CFN_V1`).
    InstanceIdentity(String),
    /// By SigV4.
    SigV4,
}

/// A signal that CloudFormation accepted.
#[derive(Clone, Debug)]
pub struct Signal {
    /// When.
    pub at_sim: SimTime,
    /// `StackName`.
    pub stack: String,
    /// `LogicalResourceId`.
    pub resource: String,
    /// `UniqueId`.
    pub unique_id: String,
    /// `SUCCESS` or `FAILURE`.
    pub status: String,
    /// How it was authenticated.
    pub auth: SignalAuth,
}

/// Why a signal was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalError {
    /// There is no such stack.
    NoSuchStack,
    /// The stack has no such resource.
    NoSuchResource,
    /// The resource waits for no signal.
    NotWaiting,
    /// This unique id has signalled `SUCCESS` in this wait; only `FAILURE` may follow.
    AlreadySignalled,
}

impl StackModel {
    pub(crate) fn new(spec: &StackSpec) -> Self {
        let resources = spec.resources.iter().map(|r| {
            let resource = StackResource {
                waiting: r.waiting,
                required: r.required,
                failed: false,
                succeeded: Vec::new(),
            };
            (r.logical_id.clone(), resource)
        });
        Self {
            resources: resources.collect(),
        }
    }
}

impl World {
    /// `SignalResource`.
    pub fn signal(&mut self, signal: Signal) -> Result<(), SignalError> {
        let stack = self
            .stacks
            .get_mut(&signal.stack)
            .ok_or(SignalError::NoSuchStack)?;
        let resource = stack
            .resources
            .get_mut(&signal.resource)
            .ok_or(SignalError::NoSuchResource)?;
        if !resource.waiting {
            return Err(SignalError::NotWaiting);
        }
        let success = signal.status == "SUCCESS";
        if !success {
            resource.failed = true;
            resource.waiting = false;
        } else if resource.succeeded.contains(&signal.unique_id) {
            return Err(SignalError::AlreadySignalled);
        } else {
            resource.succeeded.push(signal.unique_id.clone());
            resource.waiting = resource
                .required
                .is_none_or(|needed| resource.succeeded.len() < needed);
        }
        let instance = self
            .instances
            .get(&signal.unique_id)
            .map(|i| i.id.clone())
            .unwrap_or_default();
        let (stack, resource) = (signal.stack.clone(), signal.resource.clone());
        let unique_id = signal.unique_id.clone();
        self.signals.push(signal);
        self.event(
            &instance,
            What::SignalReceived {
                stack,
                resource,
                unique_id,
                success,
            },
        );
        Ok(())
    }

    /// Starts (with a clean slate) or ends a resource's wait for signals.
    pub fn set_waiting(&mut self, stack: &str, logical_id: &str, waiting: bool) {
        let resource = self
            .stacks
            .get_mut(stack)
            .and_then(|s| s.resources.get_mut(logical_id));
        if let Some(resource) = resource {
            resource.waiting = waiting;
            if waiting {
                resource.failed = false;
                resource.succeeded.clear();
            }
        }
    }
}
