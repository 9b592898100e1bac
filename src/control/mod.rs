//! The agent's Unix socket: what a person on the machine may ask of it.
//!
//! HTTP/1.1, so that `curl --unix-socket` and exporters need nothing of ours: `GET /status`,
//! `GET /metrics`, `POST /drain?timeout=15m`, `POST /undrain`. The socket is for root and the agent's own
//! group; to drain takes root, or the agent's own user.
//!
//! Nothing is decided here: [`server`] passes requests to the loop that owns the state, which makes the
//! answers by way of [`replies`]. [`client`] is the other end, behind the subcommands.

pub mod client;
pub mod replies;
pub mod server;

use std::time::Duration;

use tokio::sync::oneshot;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The state, as JSON.
    Status,
    /// The figures, as OpenMetrics text.
    Metrics,
    /// Drain the instance.
    Drain {
        /// How long that may take; `None` for `drain.timeout`.
        timeout: Option<Duration>,
    },
    /// Take that back.
    Undrain,
}

/// What is asked, and whom to answer.
pub struct Ask {
    /// What.
    pub request: Request,
    /// Whom.
    pub reply: oneshot::Sender<Reply>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// An HTTP status.
    pub status: u16,
    /// The type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Reply {
    /// A good answer in JSON.
    pub fn json(body: String) -> Self {
        Self {
            status: 200,
            content_type: "application/json",
            body,
        }
    }

    /// A refusal, in words.
    pub fn refusal(status: u16, why: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: format!("{why}\n"),
        }
    }
}
