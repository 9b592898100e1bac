//! The kinds of faults.

use std::time::Duration;

/// What goes wrong.
///
/// `LostResponse`, `SlowResponse`, `ResetMidBody` and `Truncated` hit on the way back: **the operation
/// is carried out.** All others answer (or do not) in its place. `Delay` only delays, before it is
/// carried out; a later rule may still hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The connection is accepted, and reset when the request comes. (For refused connections close
    /// the listener: [`Simulator::close_listener`](crate::Simulator::close_listener).)
    Refuse,
    /// Never an answer; the connection stays open.
    Hang,
    /// Handled as usual, but only after this (simulated) time.
    Delay(Duration),
    /// The operation is carried out; the connection is reset in the middle of the answer's body.
    ResetMidBody,
    /// Answered with this status, and this body if given.
    Status(u16, Option<String>),
    /// Throttled, as the protocol does it: `ThrottlingException`, `Throttling`, or 429.
    Throttled,
    /// Not authorised, as the protocol does it: `AccessDeniedException`, `AccessDenied`, or 403.
    AccessDenied,
    /// Credentials expired, as the protocol does it; 401 in the metadata service.
    ExpiredCredentials,
    /// Internal error, as the protocol does it; `{"Tasks":null}` with 500 in introspection.
    InternalError,
    /// 200 with bytes that are no JSON, XML or text.
    Garbage,
    /// The operation is carried out; the answer ends before its `Content-Length`.
    Truncated,
    /// 200 with valid JSON or XML of the wrong shape and types.
    WrongType,
    /// 200 with an empty body.
    Empty,
    /// 200 with this many bytes of body.
    Huge(u64),
    /// The operation is carried out, then the connection is reset before any answer.
    LostResponse,
    /// The operation is carried out at once, and answered only after this (simulated) time: a
    /// caller that gives up meanwhile has still changed something.
    SlowResponse(Duration),
}

impl FaultKind {
    /// Its name, as in [`Outcome::Fault`](crate::Outcome::Fault).
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refuse => "Refuse",
            Self::Hang => "Hang",
            Self::Delay(_) => "Delay",
            Self::ResetMidBody => "ResetMidBody",
            Self::Status(..) => "Status",
            Self::Throttled => "Throttled",
            Self::AccessDenied => "AccessDenied",
            Self::ExpiredCredentials => "ExpiredCredentials",
            Self::InternalError => "InternalError",
            Self::Garbage => "Garbage",
            Self::Truncated => "Truncated",
            Self::WrongType => "WrongType",
            Self::Empty => "Empty",
            Self::Huge(_) => "Huge",
            Self::LostResponse => "LostResponse",
            Self::SlowResponse(_) => "SlowResponse",
        }
    }

    /// Whether the operation is carried out before the fault hits.
    pub fn hits_the_answer(&self) -> bool {
        use FaultKind::{LostResponse, ResetMidBody, SlowResponse, Truncated};
        matches!(
            self,
            ResetMidBody | Truncated | LostResponse | SlowResponse(_)
        )
    }
}
