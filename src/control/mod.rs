//! The agent's Unix socket: status, metrics, and drains by hand.
//!
//! It speaks HTTP/1.1, so that `curl --unix-socket` and exporters can use it: `GET /status`, `GET /metrics`,
//! `POST /drain?timeout=15m`, `POST /undrain`. Root and the agent's own group may connect, but only root and the
//! agent's own user may drain.
//!
//! Nothing is decided here: [`server`] passes requests to the loop that owns the state, which answers them with
//! [`replies`]. [`client`] is the client side, which the subcommands use.

pub mod client;
pub mod replies;
pub mod server;

use std::time::Duration;

use tokio::sync::oneshot;

/// A request to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The state, as JSON.
    Status,
    /// The metrics, as OpenMetrics text.
    Metrics,
    /// Drain the instance.
    Drain {
        /// How long the drain may take; `None` for `drain.timeout`.
        timeout: Option<Duration>,
    },
    /// Cancel a drain by hand.
    Undrain,
}

/// A request, and where to send the reply.
pub struct Ask {
    /// The request of the client.
    pub request: Request,
    /// The channel on which the server waits for the reply.
    pub reply: oneshot::Sender<Reply>,
}

/// The reply to a request, as an HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status code.
    pub status: u16,
    /// The `Content-Type` of the body.
    pub content_type: &'static str,
    /// The body, which is always text.
    pub body: String,
}

impl Reply {
    /// A reply with status 200 and a body in JSON.
    pub fn json(body: String) -> Self {
        Self {
            status: 200,
            content_type: "application/json",
            body,
        }
    }

    /// A reply that refuses the request and says why, as plain text.
    pub fn refusal(status: u16, why: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: format!("{why}\n"),
        }
    }
}
