//! Which values fit each other.

use std::time::Duration;

use super::{MAIN, Root, main_file, with};
use crate::{StackResource, StandaloneTasks};

#[test]
fn stop_after_needs_stop_and_is_shorter_than_the_timeout() {
    let problem = with("drain", "standalone_stop_after", "5m").only_problem();
    assert_eq!(
        problem,
        "/etc/ecs-lifecycle-agent/config.toml:2: drain.standalone_stop_after: it has no effect \
         while drain.standalone_tasks is \"wait\" (default): set standalone_tasks = \"stop\", or \
         remove standalone_stop_after (or set it to \"0s\")"
    );
    let ignoring = with("drain", "standalone_stop_after", "5m")
        .variable("ECS_LIFECYCLE_AGENT_DRAIN__STANDALONE_TASKS", "ignore");
    assert!(
        ignoring
            .only_problem()
            .contains("is \"ignore\" (environment ECS_LIFECYCLE_AGENT_DRAIN__STANDALONE_TASKS)")
    );

    let stop = |after: &str| {
        main_file(format!(
            "[drain]\nstandalone_tasks = \"stop\"\nstandalone_stop_after = \"{after}\"\n"
        ))
    };
    let drain = stop("14m 59s").settings().drain;
    assert_eq!(drain.standalone_tasks, StandaloneTasks::Stop);
    assert_eq!(drain.standalone_stop_after, Duration::from_secs(899));
    for after in ["15m", "1h"] {
        let problem = stop(after).only_problem();
        assert!(
            problem.contains("config.toml:3: drain.standalone_stop_after: "),
            "{problem}"
        );
        assert!(
            problem.contains("not shorter than drain.timeout, 15m (default)"),
            "{problem}"
        );
    }
    // 0s undoes what the main file says: there is no other way to unset it.
    let root = with("drain", "standalone_stop_after", "5m")
        .variable("ECS_LIFECYCLE_AGENT_DRAIN__STANDALONE_STOP_AFTER", "0s");
    assert_eq!(root.settings().drain.standalone_stop_after, Duration::ZERO);
}

#[test]
fn values_are_not_compared_with_what_was_refused() {
    let root = main_file(
        "[drain]\nstandalone_tasks = \"stpo\"\nstandalone_stop_after = \"5m\"\n\
         [cloudformation]\nstack_name = \"a\"\nlogical_resource_id = 5\n",
    );
    let problems = root.problems();
    assert_eq!(problems.len(), 2, "{problems:#?}");
}

#[test]
fn a_stack_resource_has_both_names_or_neither() {
    let problem = with("cloudformation", "stack_name", "ecs").only_problem();
    assert_eq!(
        problem,
        "/etc/ecs-lifecycle-agent/config.toml:2: cloudformation.stack_name: it is set, but \
         cloudformation.logical_resource_id is not: set logical_resource_id as well, or remove \
         stack_name"
    );
    let problem = with("cloudformation", "logical_resource_id", "Group").only_problem();
    assert!(
        problem.contains("cloudformation.stack_name is not"),
        "{problem}"
    );

    // The values need not come from one source.
    let root = Root::new()
        .file(MAIN, "[cloudformation]\nstack_name = \"ecs\"\n")
        .variable(
            "ECS_LIFECYCLE_AGENT_CLOUDFORMATION__LOGICAL_RESOURCE_ID",
            "Group",
        );
    let expected = StackResource {
        stack_name: "ecs".to_owned(),
        logical_resource_id: "Group".to_owned(),
    };
    assert_eq!(root.settings().cloudformation.resource, Some(expected));
}

#[test]
fn the_old_name_of_a_section_is_accepted_with_a_warning() {
    let warnings = |root: &Root| -> (String, Vec<String>) {
        let effective = root.load().unwrap();
        let timeout = effective.settings.executables.timeout;
        let texts = effective.warnings.iter().map(ToString::to_string);
        (
            humantime::format_duration(timeout).to_string(),
            texts.collect(),
        )
    };
    let in_file = "/etc/ecs-lifecycle-agent/config.toml:1: hooks: this section is now called \
                   executables: write [executables]";
    let in_variable = "environment ECS_LIFECYCLE_AGENT_HOOKS__TIMEOUT: executables.timeout: this \
                       section is now called executables: write \
                       ECS_LIFECYCLE_AGENT_EXECUTABLES__TIMEOUT";
    let (timeout, texts) = warnings(&main_file("[hooks]\ntimeout = \"7s\"\n"));
    assert_eq!(timeout, "7s");
    assert!(texts.len() == 1 && texts[0].ends_with(in_file), "{texts:?}");
    // The present name counts, in whatever order they are written.
    let both = "[hooks]\ntimeout = \"7s\"\n[executables]\ntimeout = \"8s\"\n";
    assert_eq!(warnings(&main_file(both)).0, "8s");
    let root = Root::new().variable("ECS_LIFECYCLE_AGENT_HOOKS__TIMEOUT", "9s");
    assert_eq!(
        warnings(&root),
        ("9s".to_owned(), vec![in_variable.to_owned()])
    );
    let root = root.variable("ECS_LIFECYCLE_AGENT_EXECUTABLES__TIMEOUT", "6s");
    assert_eq!(warnings(&root).0, "6s");
    let problem = main_file("[hooks]\ntimout = \"7s\"\n").only_problem();
    assert!(
        problem.contains("executables.timout: there is no such key"),
        "{problem}"
    );
}
