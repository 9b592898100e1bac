//! The ECS token buckets: per account and region, shared by every caller.

use std::collections::BTreeMap;

use super::ApiError;
use crate::clock::SimTime;
use crate::model::{Service, World};
use crate::net::Call;

/// Fill levels by class of operation. Empty until first used: a class then starts full.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buckets(BTreeMap<&'static str, (f64, SimTime)>);

/// A class of operations: name, burst, and tokens per second.
type Class = (&'static str, f64, f64);

const CLUSTER_READS: Class = ("cluster resource reads", 100.0, 20.0);
const CLUSTER_CHANGES: Class = ("cluster resource changes", 100.0, 40.0);
const SERVICE_READS: Class = ("service reads", 100.0, 20.0);

fn class(action: &str) -> Option<Class> {
    match action {
        "DescribeContainerInstances" | "ListContainerInstances" | "DescribeTasks" | "ListTasks" => {
            Some(CLUSTER_READS)
        }
        "UpdateContainerInstancesState" | "StopTask" => Some(CLUSTER_CHANGES),
        "DescribeServices" => Some(SERVICE_READS),
        _ => None,
    }
}

/// Takes a token for the call, if buckets are enforced.
pub(super) fn take(world: &mut World, call: &Call) -> Result<(), ApiError> {
    if !world.options.throttling || call.service != Service::Ecs {
        return Ok(());
    }
    let Some(class) = class(&call.action) else {
        return Ok(());
    };
    let now = world.now();
    if world.buckets.take(class, now) {
        Ok(())
    } else {
        Err(ApiError::bad("ThrottlingException", "Rate exceeded"))
    }
}

impl Buckets {
    fn take(&mut self, (name, burst, rate): Class, now: SimTime) -> bool {
        let (level, at) = self.0.entry(name).or_insert((burst, now));
        *level = (*level + now.saturating_sub(*at).as_secs_f64() * rate).min(burst);
        *at = now;
        let enough = *level >= 1.0;
        if enough {
            *level -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn burst_then_rate() {
        let mut buckets = Buckets::default();
        let mut taken = |at| {
            (0..500)
                .filter(|_| buckets.take(CLUSTER_READS, Duration::from_secs(at)))
                .count()
        };
        assert_eq!(taken(0), 100);
        assert_eq!(taken(1), 20);
        assert_eq!(taken(100), 100);
    }
}
