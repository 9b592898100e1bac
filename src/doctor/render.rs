//! Renders the findings as text or as JSON.

use serde::Serialize;

use super::finding::{Finding, Status};

/// The output of `--json`. Fields may be added, but none changes its meaning.
#[derive(Serialize)]
struct Report<'a> {
    version: &'static str,
    mode: &'static str,
    status: Status,
    checks: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'static str,
    status: Status,
    summary: &'a str,
    remedy: Option<&'a str>,
}

/// The worst status. Checks that were not tried do not count.
#[must_use]
pub fn worst(findings: &[Finding]) -> Status {
    findings
        .iter()
        .map(|finding| finding.status)
        .filter(|status| *status != Status::Untried)
        .max()
        .unwrap_or(Status::Ok)
}

/// One line for each finding with its remedy below it, and the number of findings of each status.
#[must_use]
pub fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let id = finding.check.id();
        let summary = one_line(&finding.summary);
        text.push_str(&format!("{:<8} {id}: {summary}\n", finding.status.as_str()));
        if let Some(remedy) = &finding.remedy {
            text.push_str(&format!("         → {}\n", one_line(remedy)));
        }
    }
    let count = |status| {
        findings
            .iter()
            .filter(|finding| finding.status == status)
            .count()
    };
    text.push_str(&format!(
        "\n{} checks: {} ok, {} untried, {} with a warning, {} failed\n",
        findings.len(),
        count(Status::Ok),
        count(Status::Untried),
        count(Status::Warning),
        count(Status::Failure),
    ));
    text
}

/// The findings as JSON, with the worst status.
#[must_use]
pub fn json(findings: &[Finding], mode: &'static str) -> String {
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        mode,
        status: worst(findings),
        checks: findings
            .iter()
            .map(|finding| Line {
                id: finding.check.id(),
                status: finding.status,
                summary: &finding.summary,
                remedy: finding.remedy.as_deref(),
            })
            .collect(),
    };
    // Nothing in the report can fail to be serialized.
    let mut text = serde_json::to_string_pretty(&report).unwrap_or_default();
    text.push('\n');
    text
}

/// Replaces control characters, so that the text of an error from elsewhere cannot look like a line of the doctor.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
