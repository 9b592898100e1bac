//! docs/faults.md, rendered from the table.

use std::fmt::Write as _;
use std::path::Path;

use super::cell::MOST_MEMORY;
use super::kinds::{self, Group};
use super::matrix;
use super::table::{CALLS, Call, Hits, LASTING, Lasting, Phase, Said};

fn seconds(duration: std::time::Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// As a person would look for it.
fn display(operation: &str) -> String {
    match operation.split_once(':') {
        Some(("imds", rest)) => format!(
            "`{}`",
            rest.replace("/latest/", "…/")
                .replace("meta-data/", "")
                .replace("demo-instance-role", "ROLE")
        ),
        Some(("introspection", rest)) => format!("`{rest}`"),
        _ => format!("`{operation}`"),
    }
}

fn kinds_table(text: &mut String) {
    text.push_str("| | What is injected | A call to AWS is retried after |\n|---|---|---|\n");
    for group in Group::ALL {
        let (first, longest) = group.retried_after();
        let _ = writeln!(
            text,
            "| **{}** | {} | {}, doubling to {} |",
            group.name(),
            group.injected(),
            seconds(first),
            seconds(longest)
        );
    }
}

fn passing_row(call: &Call) -> String {
    let made = call
        .made
        .map(|scene| if scene.is_some() { "✓" } else { "—" });
    let logged = match call.said {
        Said::Warned(_) => "named, at warn",
        Said::Silent(why) => &format!("silent: {why}"),
    };
    format!(
        "| {} | {} | {} | {} |\n",
        display(call.operation),
        made.join(" | "),
        call.meanwhile,
        logged
    )
}

fn hits(hits: Hits) -> String {
    match hits {
        Hits::Of(groups) if groups.len() == Group::ALL.len() => "any".to_owned(),
        Hits::Of([only]) => only.name().to_owned(),
        Hits::Of(groups) => {
            let missing: Vec<&str> = Group::ALL
                .iter()
                .filter(|group| !groups.contains(group))
                .map(|group| group.name())
                .collect();
            format!("any but {}", missing.join(", "))
        }
        Hits::NotDone => "any, the request not carried out".to_owned(),
        Hits::AnswerLost => "carried out, the answer lost".to_owned(),
    }
}

fn lasting_row(row: &Lasting) -> String {
    format!(
        "| {} | {} | {} | {} | {} | {} |\n",
        display(row.operation),
        hits(row.hits),
        row.phase.name(),
        row.fate.name(),
        row.meanwhile,
        row.remedy
    )
}

fn render() -> String {
    let (passing, lasting) = matrix::sizes();
    let mut text = format!(
        "# Faults

<!-- Rendered from tests/faults/table.rs. `UPDATE_DOCS=1 cargo test --test faults document` writes it again. -->

How a drain ends when something outside the agent fails: {calls} calls × {kinds} faults × {phases} phases. `cargo test --test faults`
runs all {cells} of these cells with the real binary on a simulated instance, and checks in each:

- The process does not end, and nothing panics.
- The lifecycle action is completed at most once, and no container is killed before the deadline.
- The log names the call that fails. A missing permission is logged once, at level error, with the missing action
  (\"the instance role lacks ecs:StopTask\"), and the agent continues without that call. The signal to CloudFormation
  needs no permission: if it is denied, the log says what else to check.
- The log at level trace and the state file contain no credentials, tokens, signatures or identity documents.
- With an answer of 128 MB, the agent (a debug build) uses less than {memory} MB. A failing call is retried no more often
  than the next table says.

## Kinds of faults

",
        calls = CALLS.len(),
        kinds = kinds::all().len(),
        phases = Phase::ALL.len(),
        cells = passing + lasting,
        memory = MOST_MEMORY / 1024 / 1024,
    );
    kinds_table(&mut text);
    text.push_str(
        "
Jitter shortens each delay by up to half. A heartbeat is never delayed for longer than a quarter of the remaining
HeartbeatTimeout. Metadata and introspection are simply polled again.

## Faults that pass

Once the fault has passed, **the drain ends as drained and is completed once**, whatever the fault was. ✓: tested with every
fault, beginning in that phase. —: the agent makes no such call in that phase; a run without faults confirms this.

| Call | at the start | during the drain | at completion | Meanwhile | In the log |
|---|---|---|---|---|---|
",
    );
    for call in CALLS {
        text.push_str(&passing_row(call));
    }
    text.push_str(
        "
## Faults that stay

| Call | Fault | From | The drain ends | What the agent does | What to do about it |
|---|---|---|---|---|---|
",
    );
    for row in LASTING {
        text.push_str(&lasting_row(row));
    }
    text
}

#[test]
fn the_document_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let rendered = render();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &rendered).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == rendered,
        "docs/faults.md differs from tests/faults/table.rs: `UPDATE_DOCS=1 cargo test --test faults document` \
         writes it again"
    );
}
