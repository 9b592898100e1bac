//! The adapters: one for each core, between its own types and the wire's.

mod core;

pub use core::Core;
