//! From facts to findings: a pure function, every rule of the doctor's in it.
//!
//! A cause is said once: what could not be asked because of it is untried, not wrong.

mod aws;
mod capacity;
mod hooks;
mod host;
mod metadata;
mod upgrade;

#[cfg(test)]
mod tests;

use super::facts::Facts;
use super::finding::{Finding, Findings};

/// Judges the facts. The order of the findings is that of a start: files, metadata, role, cluster, hook.
#[must_use]
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let settings = facts.settings();
    let mut findings = Findings::default();
    host::judge(facts, &settings, &mut findings);
    if let Some(live) = &facts.live {
        metadata::judge(live, &facts.host, &mut findings);
        aws::judge(live, &facts.host, &mut findings);
        hooks::judge(live, &settings, &mut findings);
        capacity::judge(live, &settings, &mut findings);
        aws::untried(&settings, &mut findings);
    }
    findings.0
}

/// Judges only what changes with an upgrade.
#[must_use]
pub fn before_upgrade(facts: &Facts) -> Vec<Finding> {
    let settings = facts.settings();
    let mut findings = Findings::default();
    host::configuration(facts, &mut findings);
    if let Some(live) = &facts.live {
        upgrade::judge(live, &facts.configuration, &settings, &mut findings);
    }
    findings.0
}
