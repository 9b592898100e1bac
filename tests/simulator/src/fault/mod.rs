//! Faults and gates: what goes wrong on the way, and where a request can be held.
//!
//! Neither knows the model. `rules` decides which fault applies to a request, `gate` holds requests
//! until a test lets them go; `net` carries both out.

mod gate;
mod kind;
mod rules;

pub use gate::{Gate, HeldRequest, Hold, HoldPoint};
pub(crate) use gate::{Gates, Verdict};
pub use kind::FaultKind;
pub(crate) use rules::Rules;
pub use rules::{Fault, FaultId};
