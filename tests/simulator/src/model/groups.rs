//! Auto Scaling groups and ECS services: records, which `scaling` and `scheduler` keep.

use std::time::Duration;

use crate::clock::SimTime;
use crate::spec::{GroupSpec, ServiceSpec};

/// An Auto Scaling group in the model.
#[derive(Clone, Debug)]
pub struct GroupModel {
    /// What was declared.
    pub spec: GroupSpec,
    /// `DesiredCapacity`, once something scales it.
    pub desired: Option<usize>,
    /// Whether `AlarmNotification` is suspended: no policy is carried out.
    pub suspended: bool,
    /// The cooldown that begins when the last −1 is carried out, and until when there is no other.
    pub(crate) removing: Option<Duration>,
    pub(crate) cool_until: SimTime,
}

/// An ECS service in the model.
#[derive(Clone, Debug)]
pub struct ServiceModel {
    /// What was declared.
    pub spec: ServiceSpec,
    /// How many tasks of its deployment find no place.
    pub waiting: usize,
}
