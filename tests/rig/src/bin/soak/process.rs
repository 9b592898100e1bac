//! What Linux says of a running process.

use std::fs;
use std::io;

/// A look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Bytes of memory that are resident.
    pub(crate) resident: u64,
    /// Bytes of it that are no file's.
    pub(crate) anonymous: u64,
    /// Open file descriptors.
    pub(crate) descriptors: u64,
    /// Threads.
    pub(crate) threads: u64,
}

impl Usage {
    /// Of a process by its id.
    pub(crate) fn of(id: u32) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let field = |name: &str| {
            number(&status, name)
                .ok_or_else(|| io::Error::other(format!("no {name} in /proc/{id}/status")))
        };
        let mut descriptors = 0;
        for entry in fs::read_dir(format!("/proc/{id}/fd"))? {
            entry?;
            descriptors += 1;
        }
        Ok(Self {
            resident: field("VmRSS:")? * 1024,
            anonymous: field("RssAnon:")? * 1024,
            descriptors,
            threads: field("Threads:")?,
        })
    }
}

fn number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident > usage.anonymous && usage.anonymous > 0);
        assert!(usage.descriptors >= 3 && usage.threads >= 1);
    }
}
