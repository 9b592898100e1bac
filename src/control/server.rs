//! The server side of the socket.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{Ask, Reply, Request};

/// How long a connection may last before it is closed.
const CONNECTION_LIMIT: Duration = Duration::from_secs(10);
/// The most connections at once. Further ones wait.
const MOST_CONNECTIONS: usize = 32;
/// The socket is open to root and the agent's group.
const MODE: u32 = 0o660;
/// How long to wait after an error such as too many open files, which does not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens on the socket and replaces one that an earlier process has left behind.
///
/// # Errors
/// Fails if another agent answers there, or if the socket cannot be created.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another agent is listening there",
        ));
    }
    if let Some(directory) = path.parent() {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o750).create(directory)?;
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
    Ok(listener)
}

/// Serves the socket forever and sends the requests to `asks`.
pub async fn serve(listener: UnixListener, asks: mpsc::UnboundedSender<Ask>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let asks = asks.clone();
        tokio::spawn(async move {
            // A client that times out or disconnects needs no handling.
            let _ = tokio::time::timeout(CONNECTION_LIMIT, converse(stream, asks)).await;
            drop(place);
        });
    }
}

async fn converse(stream: UnixStream, asks: mpsc::UnboundedSender<Ask>) {
    let may_drain = stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == 0 || peer.uid() == rustix::process::geteuid().as_raw());
    let service = service_fn(move |request| {
        let asks = asks.clone();
        async move { Ok::<_, Infallible>(response(answer(&request, may_drain, &asks).await)) }
    });
    let _ = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(8 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: &hyper::Request<Incoming>,
    may_drain: bool,
    asks: &mpsc::UnboundedSender<Ask>,
) -> Reply {
    let wanted = match (request.method(), request.uri().path()) {
        (&Method::GET, "/status") => Request::Status,
        (&Method::GET, "/metrics") => Request::Metrics,
        (&Method::POST, "/drain" | "/undrain") if !may_drain => {
            return Reply::refusal(403, "requires root");
        }
        (&Method::POST, "/drain") => match timeout(request.uri().query()) {
            Ok(timeout) => Request::Drain { timeout },
            Err(why) => return Reply::refusal(400, &why),
        },
        (&Method::POST, "/undrain") => Request::Undrain,
        _ => {
            let what = "GET /status, GET /metrics, POST /drain?timeout=15m or POST /undrain";
            return Reply::refusal(404, &format!("use {what}"));
        }
    };
    let (reply, replied) = oneshot::channel();
    let ask = Ask {
        request: wanted,
        reply,
    };
    let gone = || Reply::refusal(503, "the agent is stopping");
    if asks.send(ask).is_err() {
        return gone();
    }
    replied.await.unwrap_or_else(|_| gone())
}

/// Parses the query of `/drain`: `timeout=15m`, or nothing.
fn timeout(query: Option<&str>) -> Result<Option<Duration>, String> {
    let Some(query) = query.filter(|query| !query.is_empty()) else {
        return Ok(None);
    };
    let text = query
        .strip_prefix("timeout=")
        .ok_or_else(|| format!("{query:?} is not timeout=<duration>"))?;
    super::client::drain_timeout(text).map(Some)
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(reply.body));
    if let Ok(status) = hyper::StatusCode::from_u16(reply.status) {
        *response.status_mut() = status;
    }
    response.headers_mut().insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static(reply.content_type),
    );
    response
}
