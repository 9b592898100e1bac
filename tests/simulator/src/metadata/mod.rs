//! What an instance sees on itself: the metadata service and the ECS agent's introspection server.

mod identity;
mod imds;
mod introspection;

pub(crate) use identity::{identity_document, signature_line};

use crate::api::Reply;
use crate::model::{Service, World};
use crate::net::Call;

pub(crate) fn handle(world: &mut World, id: &str, call: &Call) -> Reply {
    match call.service {
        Service::Introspection => introspection::handle(world, id, call),
        _ => imds::handle(world, id, call),
    }
}
