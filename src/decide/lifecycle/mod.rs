//! One lifecycle action, from its hook to its completion: launching or terminating, the same three parts.
//!
//! *search*: which hook of the group is ours? *heartbeat*: is it kept waiting? *completion*: the world is
//! told how it went, CloudFormation and Auto Scaling, each once.

mod completion;
mod heartbeat;
mod search;
mod signal;

pub use completion::Completion;
pub(super) use completion::Ending;
pub use heartbeat::Heartbeat;
pub use search::{Found, HookSearch, MANAGED_DRAINING_HOOK, NoHook, choose};
pub(super) use signal::Signal;
