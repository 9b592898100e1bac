//! Descriptions of instances and groups.

use crate::api::ApiError;
use crate::api::params::page;
use crate::api::xml::{element, members};
use crate::model::{GroupModel, InstanceModel, LifecycleState, World};
use crate::net::Call;

pub(super) fn instances(world: &World, call: &Call) -> Result<String, ApiError> {
    let wanted = call.members("InstanceIds");
    let most = call.count("MaxRecords").unwrap_or(50);
    if most == 0 || most > 50 || wanted.len() > 50 {
        return Err(ApiError::bad(
            "ValidationError",
            "At most 50 instances can be described at a time.",
        ));
    }
    let listed = world
        .instances()
        .filter(|i| wanted.is_empty() || wanted.contains(&i.id));
    let listed: Vec<_> = listed.filter_map(|i| instance(world, i, true)).collect();
    let (listed, next) = page(&listed, call.text("NextToken"), most)
        .ok_or_else(|| ApiError::bad("InvalidNextToken", "The token is invalid."))?;
    Ok(members("AutoScalingInstances", listed)
        + &next.map(|n| element("NextToken", n)).unwrap_or_default())
}

pub(super) fn groups(world: &World, call: &Call) -> Result<String, ApiError> {
    let wanted = call.members("AutoScalingGroupNames");
    let most = call.count("MaxRecords").unwrap_or(50);
    let listed = world
        .groups
        .values()
        .filter(|g| wanted.is_empty() || wanted.contains(&g.spec.name));
    let listed: Vec<_> = listed.map(|g| group(world, g)).collect();
    let (listed, next) = page(&listed, call.text("NextToken"), most)
        .ok_or_else(|| ApiError::bad("InvalidNextToken", "The token is invalid."))?;
    Ok(members("AutoScalingGroups", listed)
        + &next.map(|n| element("NextToken", n)).unwrap_or_default())
}

/// `None` if the instance is in no group (any more).
fn instance(world: &World, instance: &InstanceModel, with_group: bool) -> Option<String> {
    let state = instance.lifecycle_state?;
    let group = instance.group.as_ref().filter(|_| with_group);
    let parts = [
        element("InstanceId", &instance.id),
        group
            .map(|g| element("AutoScalingGroupName", g))
            .unwrap_or_default(),
        element("AvailabilityZone", format!("{}a", world.options.region)),
        element("InstanceType", "m5.large"),
        element("LifecycleState", state),
        element(
            "HealthStatus",
            if with_group { "HEALTHY" } else { "Healthy" },
        ),
        element("ProtectedFromScaleIn", false),
    ];
    Some(parts.concat())
}

fn group(world: &World, group: &GroupModel) -> String {
    let name = &group.spec.name;
    let of_group: Vec<_> = world
        .instances()
        .filter(|i| i.group.as_ref() == Some(name))
        .collect();
    let in_service = of_group
        .iter()
        .filter(|i| i.lifecycle_state == Some(LifecycleState::InService))
        .count();
    [
        element("AutoScalingGroupName", name),
        element("MinSize", 0),
        element("MaxSize", 1000),
        element("DesiredCapacity", in_service),
        element("DefaultCooldown", 300),
        members("AvailabilityZones", [format!("{}a", world.options.region)]),
        element("HealthCheckType", "EC2"),
        element("HealthCheckGracePeriod", 0),
        members(
            "Instances",
            of_group.iter().filter_map(|i| instance(world, i, false)),
        ),
        element("CreatedTime", world.calendar.iso(std::time::Duration::ZERO)),
    ]
    .concat()
}
