//! The names of the phases, as `status --json` spells them.

use serde::{Deserialize, Serialize};

/// What the agent is doing, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhaseName {
    /// Metadata has not answered yet.
    Starting,
    /// There is nothing to do but to watch.
    Watching,
    /// A new instance joins its cluster.
    Joining,
    /// A drain is in progress.
    Draining,
    /// The drain is over; Auto Scaling and CloudFormation are being told.
    Completing,
    /// All are told.
    Done,
    /// The drain was called off: the container instance is put back to ACTIVE.
    Returning,
}

impl PhaseName {
    /// One word, for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Watching => "watching",
            Self::Joining => "joining",
            Self::Draining => "draining",
            Self::Completing => "completing",
            Self::Done => "done",
            Self::Returning => "returning",
        }
    }
}
