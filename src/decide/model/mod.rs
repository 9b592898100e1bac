//! The ground floor: plain values. What can be known, asked, said and remembered, without behaviour.

mod action;
mod capacity;
mod event;
mod facts;
mod memory;
mod note;
mod operation;
mod phase;
mod reason;
pub mod record;
mod time;

pub use action::*;
pub use capacity::*;
pub use event::*;
pub use facts::*;
pub use memory::*;
pub use note::*;
pub use operation::*;
pub use phase::*;
pub use reason::*;
pub use time::{Moment, WallTime};
