//! Runs the real `ecs-lifecycle-agent` binary as a child process, with its log caught line by line.
//!
//! It knows nothing of what the agent should do: that is for the tests, the demo and the benchmark.

pub mod agent;
pub mod cluster;
pub mod emf;
pub mod random;
pub mod scratch;
pub mod svg;
pub mod template;

pub use agent::{AgentBuilder, AgentProcess, LogLine};
pub use random::Random;
pub use scratch::Scratch;
