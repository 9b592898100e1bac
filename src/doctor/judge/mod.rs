//! Turns facts into findings: a pure function that has all rules of the doctor.
//!
//! A cause is reported once. What could not be queried because of it is untried, not failed.

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

/// Judges the facts, in the order of a start: files, metadata, role, cluster, hook.
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
