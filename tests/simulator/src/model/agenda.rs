//! What is due when. Entries are never removed: whoever handles one checks that it still applies.

use std::collections::BTreeMap;

use crate::clock::SimTime;
use crate::spec::TaskSpec;

/// A transition that becomes due.
#[derive(Clone, Debug)]
pub(crate) enum Due {
    EnterWait {
        instance: String,
        epoch: u64,
    },
    Heartbeat {
        instance: String,
        hook: String,
    },
    Global {
        instance: String,
        hook: String,
    },
    Arrive {
        instance: String,
        epoch: u64,
    },
    Leave {
        instance: String,
        epoch: u64,
    },
    Schedule {
        instance: String,
        arn: String,
    },
    SpotTime {
        instance: String,
    },
    Place {
        instance: String,
        spec: Box<TaskSpec>,
    },
    TaskRunning {
        task: String,
    },
    TellToStop {
        task: String,
    },
    TaskEnds {
        task: String,
    },
    ContainerGone {
        task: String,
    },
    LocalDesired {
        task: String,
    },
    LocalKnown {
        task: String,
    },
    Register {
        instance: String,
    },
    Connect {
        instance: String,
    },
    DaemonCheck {
        instance: String,
    },
    /// The service schedulers look.
    Services,
    /// A minute is over, for CloudWatch and Auto Scaling.
    Minute,
}

/// Due transitions, by time and then by the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    entries: BTreeMap<(SimTime, u64), Due>,
    added: u64,
}

impl Agenda {
    pub(crate) fn add(&mut self, at: SimTime, due: Due) {
        self.added += 1;
        self.entries.insert((at, self.added), due);
    }

    pub(crate) fn pop_until(&mut self, now: SimTime) -> Option<(SimTime, Due)> {
        let entry = self.entries.first_entry().filter(|e| e.key().0 <= now)?;
        let ((at, _), due) = entry.remove_entry();
        Some((at, due))
    }
}
