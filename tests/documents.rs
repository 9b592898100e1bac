//! The documents and the code say the same.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::collections::BTreeSet;
use std::path::Path;

use ecs_lifecycle_agent::clock::Clock;
use ecs_lifecycle_agent::config::Settings;
use ecs_lifecycle_agent::decide::{Moment, State, WallTime};
use ecs_lifecycle_agent::status::report::{
    CapacityReport, ContainerInstanceReport, DeadlineReport, ErrorReport, HookReport,
    InstanceReport, TaskReport, report,
};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn sources(directory: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The format string of every `warn!` and `error!`: the last text among the arguments themselves.
fn messages(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for call in ["warn!(", "error!("] {
        for (at, _) in source.match_indices(call) {
            let (mut depth, mut text, mut last) = (1, None::<String>, None);
            let mut chars = source[at + call.len()..].chars();
            while depth > 0 {
                let c = chars.next().expect("a macro call ends");
                match (&mut text, c) {
                    (Some(text), '\\') => text.extend(chars.next()),
                    (Some(_), '"') => last = text.take().filter(|_| depth == 1).or(last),
                    (Some(text), c) => text.push(c),
                    (None, '"') => text = Some(String::new()),
                    (None, '(' | '[' | '{') => depth += 1,
                    (None, ')' | ']' | '}') => depth -= 1,
                    (None, _) => {}
                }
            }
            found.push(without_values(&last.expect("a message has a text")));
        }
    }
    found
}

/// `{what} failed` → `… failed`
fn without_values(text: &str) -> String {
    let (mut out, mut inside) = (String::new(), false);
    for c in text.chars() {
        match c {
            '{' => {
                out.push('…');
                inside = true;
            }
            '}' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

#[test]
fn every_message_that_needs_a_person_is_in_the_operations_manual() {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    let said: BTreeSet<String> = files.iter().flat_map(|file| messages(file)).collect();
    assert!(said.len() > 20, "the messages were not found: {said:?}");
    let manual = read("docs/operations.md");
    let documented: BTreeSet<String> = manual
        .lines()
        .filter_map(|line| line.strip_prefix("#### `")?.strip_suffix('`'))
        .map(str::to_owned)
        .collect();
    let missing: Vec<_> = said.difference(&documented).collect();
    assert!(
        missing.is_empty(),
        "not in docs/operations.md: {missing:#?}"
    );
    let stale: Vec<_> = documented.difference(&said).collect();
    assert!(stale.is_empty(), "no message of the agent's: {stale:#?}");
}

#[test]
fn a_message_is_read_out_of_the_code_as_it_is_logged() {
    let code = r#"warn!(error = x.y("a"), "{what} \"failed\"; {}", z("b")); info!("no");"#;
    assert_eq!(messages(code), ["… \"failed\"; …"]);
}

#[test]
fn every_field_of_the_status_is_documented() {
    let state = State::new(None, Moment::from_millis(0), WallTime(0));
    let clock = Clock::start();
    let mut full = report(&state, clock.now(), &Settings::default(), &clock);
    full.instance = Some(InstanceReport {
        id: String::new(),
        region: String::new(),
    });
    full.container_instance = Some(ContainerInstanceReport {
        cluster: String::new(),
        arn: String::new(),
    });
    full.deadline = Some(DeadlineReport {
        at: String::new(),
        in_seconds: 0,
        source: String::new(),
    });
    full.hook = Some(HookReport {
        group: String::new(),
        name: String::new(),
        next_heartbeat_in_seconds: None,
    });
    full.waiting_for = vec![TaskReport {
        task: String::new(),
        definition: String::new(),
        kind: None,
        stopping: false,
    }];
    full.capacity = Some(CapacityReport {
        line: String::new(),
        container_capacity: None,
        idle_host_capacity: None,
        tasks_per_host: None,
        limited_by: None,
        publishes: true,
        not_published: None,
    });
    full.errors = vec![ErrorReport {
        dependency: String::new(),
        message: String::new(),
        at: String::new(),
        failing: true,
    }];
    let mut names = BTreeSet::new();
    collect(&serde_json::to_value(&full).unwrap(), &mut names);
    assert!(names.len() > 25, "{names:?}");
    let manual = read("docs/status.md");
    for name in names {
        assert!(
            manual.contains(&format!("`{name}`")),
            "{name} is not in docs/status.md"
        );
    }
}

fn collect(value: &serde_json::Value, names: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (name, value) in map {
                names.insert(name.clone());
                collect(value, names);
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| collect(value, names)),
        _ => {}
    }
}

#[test]
fn the_configuration_manual_has_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let manual = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = manual.split_once("```toml\n").unwrap();
    let (written, after) = rest.split_once("```\n").unwrap();
    let sample = ecs_lifecycle_agent::config::sample_config();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}```toml\n{sample}```\n{after}")).unwrap();
    } else {
        assert!(
            written == sample,
            "docs/configuration.md has not the keys of src/config/keys.rs: \
             `UPDATE_DOCS=1 cargo test --test documents configuration` writes it anew"
        );
    }
}
