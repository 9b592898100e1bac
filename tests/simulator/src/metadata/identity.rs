//! The instance identity document and its signature.

use serde_json::json;

use crate::model::World;
use crate::secrets;

/// `dynamic/instance-identity/document`, as text: exactly what was signed.
pub(crate) fn identity_document(world: &World, id: &str) -> String {
    let launched = world
        .instance(id)
        .map(|i| i.launched_at)
        .unwrap_or_default();
    let document = json!({
        "accountId": world.options.account_id,
        "architecture": "x86_64",
        "availabilityZone": availability_zone(world),
        "billingProducts": null,
        "devpayProductCodes": null,
        "marketplaceProductCodes": null,
        "imageId": super::imds::AMI,
        "instanceId": id,
        "instanceType": super::imds::INSTANCE_TYPE,
        "kernelId": null,
        "pendingTime": world.calendar.date(launched),
        "privateIp": "10.0.0.10",
        "ramdiskId": null,
        "region": world.options.region,
        "version": "2017-09-30",
    });
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

/// The signature as `CFN_V1` wants it: in one line.
pub(crate) fn signature_line(id: &str) -> String {
    secrets::identity_signature(id).replace('\n', "")
}

pub(super) fn availability_zone(world: &World) -> String {
    format!("{}a", world.options.region)
}
