//! Our own HTTP requests: metadata, introspection, the CloudFormation signal.
//!
//! Each has a timeout of its own, covering connect, headers and body, and a limit on the body: nothing
//! that answers can make the agent hang or grow.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, header::HeaderMap};

use crate::decide::{Failure, FailureKind};

/// A complete answer.
pub struct Answer {
    /// Any status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Vec<u8>,
}

/// A client for plain HTTP on this machine: no TLS roots are loaded, no proxy is used, no redirect is
/// followed.
///
/// # Errors
/// Where reqwest cannot be set up at all.
pub fn local_client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_only([])
        .pool_max_idle_per_host(2)
        .build()
}

/// Sends `request` and reads the answer. `what` names method and URI for the error.
///
/// # Errors
/// [`FailureKind::Timeout`], [`FailureKind::Unreachable`] or, for a body over `limit` bytes,
/// [`FailureKind::Malformed`].
pub async fn fetch(
    what: &str,
    request: RequestBuilder,
    timeout: Duration,
    limit: usize,
) -> Result<Answer, Failure> {
    let exchange = async {
        let mut response = request.send().await.map_err(|error| broken(what, &error))?;
        // At its full size from the start: to grow by doubling would take up three times as much.
        let announced = response
            .content_length()
            .and_then(|length| usize::try_from(length).ok());
        let mut body = Vec::with_capacity(announced.unwrap_or(0).min(limit));
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| broken(what, &error))?
        {
            if body.len() + chunk.len() > limit {
                let message = format!("{what}: the body is larger than {limit} bytes");
                return Err(Failure::new(FailureKind::Malformed, message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body,
        })
    };
    tokio::time::timeout(timeout, exchange)
        .await
        .unwrap_or_else(|_elapsed| {
            let message = format!(
                "{what}: no complete answer within {}",
                humantime::format_duration(timeout)
            );
            Err(Failure::new(FailureKind::Timeout, message))
        })
}

/// Puts a transport error into words, with its causes: reqwest's own text stops at the first.
fn broken(what: &str, error: &reqwest::Error) -> Failure {
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    let why = causes.pop().unwrap_or_else(|| error.to_string());
    Failure::new(FailureKind::Unreachable, format!("{what}: {why}"))
}

/// The failure that an unexpected status is, with the beginning of the body.
pub fn unexpected_status(what: &str, answer: &Answer) -> Failure {
    let kind = match answer.status.as_u16() {
        429 | 503 => FailureKind::Throttled,
        500.. => FailureKind::Server,
        _ => FailureKind::Refused,
    };
    Failure::new(
        kind,
        format!(
            "{what}: status {}: {}",
            answer.status.as_u16(),
            excerpt(&answer.body)
        ),
    )
}

/// The beginning of a body, fit for a log line.
pub fn excerpt(body: &[u8]) -> String {
    const MOST: usize = 120;
    let text = String::from_utf8_lossy(body.get(..MOST).unwrap_or(body));
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if clean.trim().is_empty() {
        "(empty body)".to_owned()
    } else {
        format!("{:?}", clean.trim())
    }
}
