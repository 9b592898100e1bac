//! Auto Scaling groups and ECS services: mere records.

use crate::spec::{GroupSpec, ServiceSpec};

/// An Auto Scaling group in the model.
#[derive(Clone, Debug)]
pub struct GroupModel {
    /// What was declared.
    pub spec: GroupSpec,
}

/// An ECS service in the model.
#[derive(Clone, Debug)]
pub struct ServiceModel {
    /// What was declared.
    pub spec: ServiceSpec,
}
