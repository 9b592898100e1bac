//! HTTP requests without the SDK: to servers on this machine ([`Local`]), and the CloudFormation signal.
//!
//! Each has its own timeout, which covers connect, headers and body, and a limit on the body. So no server can
//! make the agent hang or exhaust its memory.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_smithy_types::date_time::{DateTime, Format};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{DATE, HOST, HeaderValue};
use hyper::http::request::Builder;
use hyper::http::response::Parts;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use reqwest::{RequestBuilder, StatusCode, header::HeaderMap};
use tokio::net::TcpStream;

use crate::decide::{Failure, FailureKind};

use super::names;

/// The most idle connections that are kept for the next requests.
const KEPT: usize = 2;
/// The buffer of a connection, in bytes, which limits the headers. Those read here are much smaller.
const BUFFER: usize = 64 * 1024;

type Trouble = Box<dyn Error + Send + Sync>;

/// A complete HTTP response.
pub struct Answer {
    /// The HTTP status, of success or of failure.
    pub status: StatusCode,
    /// The headers of the response.
    pub headers: HeaderMap,
    /// The complete body.
    pub body: Vec<u8>,
}

impl Answer {
    /// When it was made, by the clock of who made it, to the second.
    pub fn date(&self) -> Option<SystemTime> {
        let date = self.headers.get(DATE)?.to_str().ok()?;
        let date = DateTime::from_str(date, Format::HttpDate).ok()?;
        date.try_into().ok()
    }
}

/// A server on this machine: plain HTTP over connections that are kept, without proxy and redirects.
pub struct Local {
    endpoint: String,
    /// The address in `endpoint`; `None` if that is not a URL with a host.
    server: Option<Server>,
    kept: Mutex<Vec<SendRequest<Empty<Bytes>>>>,
}

struct Server {
    host: String,
    port: u16,
    /// The `Host` header of each request.
    name: HeaderValue,
}

impl Server {
    fn of(endpoint: &str) -> Option<Self> {
        let uri: Uri = endpoint.parse().ok()?;
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
        Some(Self {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(80),
            name: HeaderValue::from_str(uri.authority()?.as_str()).ok()?,
        })
    }
}

/// The body of a response that is still to be read.
pub struct Body {
    what: String,
    incoming: Incoming,
    /// How many more bytes may be read.
    left: usize,
    limit: usize,
    ended: bool,
    sender: SendRequest<Empty<Bytes>>,
}

impl Local {
    /// `endpoint` is `http://`, a host, and optionally a port.
    pub fn new(endpoint: &str) -> Self {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Self {
            server: Server::of(&endpoint),
            endpoint,
            kept: Mutex::default(),
        }
    }

    /// The URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint)
    }

    /// Sends a request for a path and reads the complete response. `what` names the request in errors.
    ///
    /// # Errors
    /// Fails as [`fetch`] does.
    pub async fn fetch(
        &self,
        what: &str,
        path: &str,
        request: Builder,
        timeout: Duration,
        limit: usize,
    ) -> Result<Answer, Failure> {
        within(timeout, what, async {
            let (parts, mut body) = self.open(what, path, request, limit).await?;
            let whole = body.whole().await?;
            self.keep(body);
            Ok(answer(parts, whole))
        })
        .await
    }

    /// Sends a request for a path without reading the body. It has no timeout: use [`within`].
    ///
    /// # Errors
    /// Fails with [`FailureKind::Unreachable`] if there is no response.
    pub async fn open(
        &self,
        what: &str,
        path: &str,
        request: Builder,
        limit: usize,
    ) -> Result<(Parts, Body), Failure> {
        let (sender, response) = self
            .send(path, request)
            .await
            .map_err(|error| broken(what, &*error))?;
        let (parts, incoming) = response.into_parts();
        let body = Body {
            what: what.to_owned(),
            incoming,
            left: limit,
            limit,
            ended: false,
            sender,
        };
        Ok((parts, body))
    }

    /// Keeps the connection for the next request if the body was read to its end.
    pub fn keep(&self, body: Body) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if body.ended && kept.len() < KEPT {
            kept.push(body.sender);
        }
    }

    async fn send(
        &self,
        path: &str,
        request: Builder,
    ) -> Result<(SendRequest<Empty<Bytes>>, hyper::Response<Incoming>), Trouble> {
        let server = self.server.as_ref().ok_or("no host in the URL")?;
        let request: Request<Empty<Bytes>> = request
            .uri(path)
            .header(HOST, &server.name)
            .body(Empty::new())?;
        loop {
            let kept = self
                .kept
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let is_new = kept.is_none();
            let mut sender = match kept {
                Some(sender) => sender,
                None => connect(server).await?,
            };
            let sent = match sender.ready().await {
                Ok(()) => sender.send_request(request.clone()).await,
                Err(error) => Err(error),
            };
            match sent {
                Ok(response) => return Ok((sender, response)),
                Err(error) if is_new => return Err(error.into()),
                // The server has closed this kept connection, so the next one is tried.
                Err(_) => {}
            }
        }
    }
}

async fn connect(server: &Server) -> Result<SendRequest<Empty<Bytes>>, Trouble> {
    let addresses = names::look_up(&server.host).await?;
    let addresses = addresses.into_iter().map(|ip| (ip, server.port).into());
    let stream = TcpStream::connect(&addresses.collect::<Vec<_>>()[..]).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER)
        .handshake(TokioIo::new(stream))
        .await?;
    tokio::spawn(async move {
        // The request on this connection reports how it ended.
        let _ = connection.await;
    });
    Ok(sender)
}

impl Body {
    /// The next part of the body; `None` at its end.
    ///
    /// # Errors
    /// Fails if the connection breaks, or if the body exceeds the limit.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        while let Some(frame) = self.incoming.frame().await {
            let frame = frame.map_err(|error| broken(&self.what, &error))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let Some(left) = self.left.checked_sub(data.len()) else {
                return Err(too_large(&self.what, self.limit));
            };
            self.left = left;
            return Ok(Some(data));
        }
        self.ended = true;
        Ok(None)
    }

    /// Reads the body to its end.
    ///
    /// # Errors
    /// Fails as [`Body::chunk`] does.
    pub async fn whole(&mut self) -> Result<Vec<u8>, Failure> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }
}

/// Builds an answer from the head of a response and its body.
pub fn answer(parts: Parts, body: Vec<u8>) -> Answer {
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

/// Runs an exchange with a timeout.
///
/// # Errors
/// Fails with [`FailureKind::Timeout`], or as the exchange does.
pub async fn within<T>(
    timeout: Duration,
    what: &str,
    exchange: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
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

fn too_large(what: &str, limit: usize) -> Failure {
    let message = format!("{what}: the body is larger than {limit} bytes");
    Failure::new(FailureKind::Malformed, message)
}

/// Sends `request` and reads the answer. `what` names method and URI in errors.
///
/// # Errors
/// Fails with [`FailureKind::Timeout`], [`FailureKind::Unreachable`] or, for a body over `limit` bytes,
/// [`FailureKind::Malformed`].
pub async fn fetch(
    what: &str,
    request: RequestBuilder,
    timeout: Duration,
    limit: usize,
) -> Result<Answer, Failure> {
    within(timeout, what, async {
        let mut response = request.send().await.map_err(|error| broken(what, &error))?;
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| broken(what, &error))?
        {
            if body.len() + chunk.len() > limit {
                return Err(too_large(what, limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body,
        })
    })
    .await
}

/// Converts a transport error, by its innermost cause: the others only say where it happened.
fn broken(what: &str, error: &(dyn Error + 'static)) -> Failure {
    let mut why = error;
    while let Some(cause) = why.source() {
        why = cause;
    }
    Failure::new(FailureKind::Unreachable, format!("{what}: {why}"))
}

/// The failure for an unexpected status, with the beginning of the body.
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

/// The beginning of a body, without control characters, for a log line.
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
