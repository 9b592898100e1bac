//! What has happened so far, over all agents.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ecs_lifecycle_simulator::{AWS_CALLS, Simulator};

const POLL: &str = "imds:GET /latest/meta-data/autoscaling/target-lifecycle-state";
const TOKEN: &str = "imds:PUT /latest/api/token";
const CREDENTIALS: &str = "imds:GET /latest/meta-data/iam/security-credentials/";

/// Counters.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Drains that ended with the lifecycle action complete.
    pub(crate) drains: AtomicU64,
    /// Drains that were called off under way.
    pub(crate) called_off: AtomicU64,
    /// Container instances that an operator has put back.
    pub(crate) put_back: AtomicU64,
    /// Tasks placed.
    pub(crate) tasks: AtomicU64,
    /// Changes of the weather.
    pub(crate) disturbances: AtomicU64,
    requests: Mutex<Requests>,
}

#[derive(Debug, Default)]
struct Requests {
    last: u64,
    operations: BTreeMap<String, u64>,
}

impl Counts {
    /// Takes over what the simulator has recorded since the last time. `forget` has the simulator forget
    /// it; what arrives just then is not counted.
    pub(crate) fn take(&self, simulator: &Simulator, forget: bool) {
        let mut requests = self.requests();
        simulator.world(|world| {
            for record in world.requests().all().iter().rev() {
                if record.seq <= requests.last {
                    break;
                }
                *requests
                    .operations
                    .entry(record.operation.clone())
                    .or_default() += 1;
            }
            if let Some(last) = world.requests().all().last() {
                requests.last = last.seq;
            }
        });
        if forget {
            simulator.clear_requests();
        }
    }

    /// Looks at the metadata: one a second without acceleration.
    pub(crate) fn polls(&self) -> u64 {
        self.count(|operation| operation == POLL)
    }

    /// Metadata tokens fetched, those of the AWS SDK among them.
    pub(crate) fn tokens(&self) -> u64 {
        self.count(|operation| operation == TOKEN)
    }

    /// Credentials fetched. The path of the role's name alone is not.
    pub(crate) fn credentials(&self) -> u64 {
        self.count(|operation| {
            operation
                .strip_prefix(CREDENTIALS)
                .is_some_and(|role| !role.is_empty())
        })
    }

    /// Calls to AWS.
    pub(crate) fn calls(&self) -> u64 {
        let services: Vec<&str> = AWS_CALLS
            .split('|')
            .map(|service| service.trim_end_matches('*'))
            .collect();
        self.count(|operation| {
            services
                .iter()
                .any(|service| operation.starts_with(service))
        })
    }

    /// All requests that the simulator saw, by operation.
    pub(crate) fn operations(&self) -> BTreeMap<String, u64> {
        self.requests().operations.clone()
    }

    fn count(&self, is: impl Fn(&str) -> bool) -> u64 {
        self.requests()
            .operations
            .iter()
            .filter(|(operation, _)| is(operation))
            .map(|(_, count)| count)
            .sum()
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One more.
pub(crate) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// So far.
pub(crate) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
