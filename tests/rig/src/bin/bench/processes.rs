//! What Linux says of a running process.

use std::fs;
use std::io;
use std::path::Path;

/// Sums over the threads of a process so far. A thread that has ended takes its share with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Nanoseconds on a processor.
    pub(crate) cpu: u64,
    /// Times that a thread waited for something.
    pub(crate) voluntary_switches: u64,
    /// Threads.
    pub(crate) threads: u64,
}

impl Usage {
    /// Of a process by its id.
    pub(crate) fn of(id: u32) -> io::Result<Self> {
        let mut usage = Self::default();
        for thread in fs::read_dir(format!("/proc/{id}/task"))? {
            let thread = thread?.path();
            usage.add(&thread)?;
        }
        Ok(usage)
    }

    fn add(&mut self, thread: &Path) -> io::Result<()> {
        let missing = || io::Error::other(format!("{}: no such field", thread.display()));
        // Nanoseconds on a processor, nanoseconds in the queue, time slices.
        let schedule = fs::read_to_string(thread.join("schedstat"))?;
        let status = fs::read_to_string(thread.join("status"))?;
        self.cpu += first_number(&schedule).ok_or_else(missing)?;
        self.voluntary_switches += status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .and_then(first_number)
            .ok_or_else(missing)?;
        self.threads += 1;
        Ok(())
    }
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// `2 processors, load average 0.52 0.58 0.60`
pub(crate) fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    format!("{processors} processors, load average {}", load.join(" "))
}
