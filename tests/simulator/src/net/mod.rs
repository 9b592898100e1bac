//! Sockets and HTTP: everything the model must not know.
//!
//! `listener` accepts and can be closed and reopened on its port; `serve` takes one request through
//! record, faults, gates, model and answer; `body` and `connection` make answers break off.

mod body;
mod call;
mod connection;
mod listener;
mod serve;
mod served;

pub(crate) use call::{Call, Protocol};
pub(crate) use listener::{Front, Listener};
