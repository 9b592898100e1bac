//! Queries instance metadata.

use std::time::Duration;

use hyper::Request;

use crate::clients::http::{Answer, Local};
use crate::clients::{Imds, Warnings};
use crate::clock::Clock;
use crate::decide::Failure;

use crate::doctor::facts::{Metadata, WithoutToken};

/// The most bytes of an answer. Those that are read here are much smaller.
const BODY_LIMIT: usize = 64 * 1024;

/// Queries metadata, and the name of the group from the instance's tag.
pub(super) async fn ask(
    endpoint: &str,
    timeout: Duration,
    clock: Clock,
) -> (Metadata, Option<String>) {
    let imds = Imds::new(endpoint, timeout, clock, Warnings::default());
    // The first request fetches the token. Without a token, the others would each wait for one in turn.
    let (instance, without_token) =
        tokio::join!(imds.instance(), without_token(endpoint, timeout, clock));
    let mut metadata = Metadata {
        instance,
        without_token,
        target: None,
        tags: None,
        role: None,
    };
    if metadata.instance.is_err() {
        return (metadata, None);
    }
    let (target, tags, role, group) = tokio::join!(
        imds.target_lifecycle_state(),
        imds.tag_names(),
        imds.role(),
        imds.tag("aws:autoscaling:groupName"),
    );
    metadata.target = Some(target);
    metadata.tags = Some(tags);
    metadata.role = Some(role);
    (metadata, group.ok().flatten())
}

/// Sends the only request of version 1, which should be refused. Only the status and the time of the answer are
/// used.
async fn without_token(
    endpoint: &str,
    timeout: Duration,
    clock: Clock,
) -> Result<WithoutToken, Failure> {
    let local = Local::new(endpoint);
    let path = "/latest/meta-data/instance-id";
    let what = format!("GET {}", local.url(path));
    let request = Request::get("/");
    let answer = local
        .fetch(&what, path, request, timeout, BODY_LIMIT)
        .await?;
    Ok(WithoutToken {
        status: answer.status.as_u16(),
        clock_ahead: clock_ahead(&answer, clock),
    })
}

fn clock_ahead(answer: &Answer, clock: Clock) -> Option<i64> {
    let there = clock.moment_of(answer.date()?);
    Some(clock.now().as_millis().saturating_sub(there.as_millis()) / 1_000)
}
