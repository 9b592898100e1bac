//! What is generated from the table of keys: the sample, the rendered configuration, the variables.

use std::collections::BTreeSet;

use super::{MAIN, Root, main_file};
use crate::keys::Inputs;
use crate::table::all_keys;
use crate::{Settings, sample_config};

/// The sample with those keys uncommented for which `wanted` holds.
fn uncommented(wanted: impl Fn(&str) -> bool) -> String {
    let line = |line: &str| {
        let key = line.strip_prefix('#').filter(|key| !key.starts_with(' '));
        key.filter(|key| wanted(key)).unwrap_or(line).to_owned()
    };
    sample_config()
        .lines()
        .map(|text| line(text) + "\n")
        .collect()
}

#[test]
fn the_sample_changes_nothing() {
    let root = main_file(sample_config());
    let effective = root.load().unwrap();
    assert_eq!(effective.settings, Settings::default());
    assert_eq!(effective.provenance.written().count(), 0);
}

#[test]
fn the_sample_shows_the_defaults() {
    let defaults = Inputs::default();
    let with_default: BTreeSet<String> = all_keys()
        .filter_map(|key| Some(format!("{} = {}", key.name, (key.get)(&defaults)?)))
        .collect();
    let root = main_file(uncommented(|line| with_default.contains(line)));
    let effective = root.load().unwrap();
    assert_eq!(effective.settings, Settings::default());
    let count = all_keys()
        .filter(|key| (key.get)(&defaults).is_some())
        .count();
    assert_eq!(effective.provenance.written().count(), count);
}

#[test]
fn the_examples_in_the_sample_are_accepted() {
    let root = main_file(uncommented(|_| true));
    let effective = root.load().unwrap();
    assert_eq!(effective.provenance.written().count(), all_keys().count());
}

#[test]
fn the_sample_is_readable() {
    for line in sample_config().lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(sample_config().contains(
        "# How long a drain may take before result_on_timeout is sent. Accepts a duration from \
         \"100ms\" to\n# \"2days\".\n#timeout = \"15m\"\n"
    ));
}

#[test]
fn every_key_can_be_set_by_its_variable() {
    let defaults = Inputs::default();
    let mut root = Root::new();
    for key in all_keys() {
        let value = (key.get)(&defaults).or_else(|| (key.example)()).unwrap();
        root = root.variable(&key.variable(), value.trim_matches('"'));
    }
    let effective = root.load().unwrap();
    assert_eq!(effective.provenance.written().count(), all_keys().count());
    for key in all_keys() {
        assert_eq!(
            effective.provenance.of(key.section, key.name).to_string(),
            format!("environment {}", key.variable())
        );
    }
}

#[test]
fn the_rendered_configuration_says_where_each_value_came_from() {
    let root = main_file("[drain]\ntimeout = \"90s\"\n")
        .variable("ECS_LIFECYCLE_AGENT_LOG__LEVEL", "debug");
    let text = root.load().unwrap().render();
    let path = root.path.join(MAIN).to_string_lossy().into_owned();
    for line in [
        format!("#   {path}"),
        format!("timeout = \"1m 30s\"  # {path}:2"),
        "report_interval = \"30s\"  # default".to_owned(),
        "#stack_name = \"\"  # not set".to_owned(),
        "level = \"debug\"  # environment ECS_LIFECYCLE_AGENT_LOG__LEVEL".to_owned(),
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    assert_eq!(main_file(&text).settings(), root.settings());
}
