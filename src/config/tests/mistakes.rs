//! Mistakes in configurations, and the messages about them.

use super::{Root, main_file};

const CONFIG: &str = "/etc/ecs-lifecycle-agent/config.toml";

#[test]
fn an_unknown_key_is_refused_with_the_closest_one() {
    assert_eq!(
        main_file("[drain]\n\ntimout = \"5m\"\n").only_problem(),
        format!(
            "{CONFIG}:3: drain.timout: there is no such key: did you mean timeout? [drain] has the \
             keys timeout, result_on_timeout, standalone_tasks, standalone_stop_after, \
             daemon_tasks, report_interval, recheck_after, on_shutdown, \
             on_rebalance, on_maintenance"
        )
    );
    let far = main_file("[aws]\ncolour = \"blue\"\n").only_problem();
    assert!(
        far.ends_with("there is no such key: [aws] has the keys request_timeout"),
        "{far}"
    );
}

#[test]
fn a_key_in_the_wrong_section_is_sent_to_the_right_one() {
    let problem = main_file("[drain]\nheartbeat_interval = \"5m\"\n").only_problem();
    assert!(
        problem.contains("it belongs to [autoscaling]; [drain] has the keys"),
        "{problem}"
    );
    let problem = main_file("standalone_tasks = \"stop\"\n").only_problem();
    assert!(
        problem.starts_with(&format!(
            "{CONFIG}:1: standalone_tasks: a key must be in a section, and there is no such \
             section: write standalone_tasks below [drain]; the sections are metadata, ecs, aws, \
             ready, drain, executables, autoscaling, cloudformation, agent, metrics, capacity, log"
        )),
        "{problem}"
    );
}

#[test]
fn an_unknown_section_is_refused_with_the_closest_one() {
    let problem = main_file("\n[drian]\ntimeout = \"5m\"\n").only_problem();
    assert!(
        problem.starts_with(&format!(
            "{CONFIG}:2: drian: there is no such section: did you mean [drain]? the sections are"
        )),
        "{problem}"
    );
}

#[test]
fn a_section_must_be_a_table() {
    let wanted = "write [drain] and its keys below it";
    for (content, kind) in [("drain = 5", "an integer"), ("[[drain]]", "an array")] {
        assert_eq!(
            main_file(content).only_problem(),
            format!("{CONFIG}:1: drain: {kind} was found where a section belongs: {wanted}")
        );
    }
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_line() {
    for (value, kind) in [
        ("true", "a boolean"),
        ("5", "an integer"),
        ("0.5", "a floating-point number"),
        ("[\"wait\"]", "an array"),
        ("{ a = 1 }", "a table"),
        ("2026-01-01", "a date or time"),
    ] {
        assert_eq!(
            main_file(format!("[drain]\nstandalone_tasks = {value}\n")).only_problem(),
            format!(
                "{CONFIG}:2: drain.standalone_tasks: {kind} was found where a string belongs: \
                 write \"wait\", \"stop\" or \"ignore\""
            )
        );
    }
    for (section, key) in [
        ("metadata", "poll_interval"),
        ("ecs", "introspection_endpoint"),
        ("autoscaling", "lifecycle_hook_name"),
        ("agent", "state_directory"),
        ("log", "level"),
    ] {
        let problem = main_file(format!("[{section}]\n{key} = true\n")).only_problem();
        let start = format!("{CONFIG}:2: {section}.{key}: a boolean was found where a");
        assert!(problem.starts_with(&start), "{problem}");
    }
}

#[test]
fn a_number_without_a_unit_is_refused_with_a_hint() {
    for value in ["900", "\"900\"", "1_5", "\"0\"", "1.5"] {
        let problem = main_file(format!("[drain]\ntimeout = {value}\n")).only_problem();
        let number = value.trim_matches('"').replace('_', "");
        assert_eq!(
            problem,
            format!(
                "{CONFIG}:2: drain.timeout: {number} is a number without a unit: write \
                 \"{number}s\" if seconds are meant"
            )
        );
    }
    let variable = Root::new().variable("ECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT", "900");
    assert_eq!(
        variable.only_problem(),
        "environment ECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT: drain.timeout: 900 is a number without a \
         unit: write \"900s\" if seconds are meant"
    );
    let negative = main_file("[drain]\ntimeout = -900\n").only_problem();
    assert!(negative.contains("an integer was found where a duration in quotes belongs"));
}

#[test]
fn a_word_in_the_wrong_spelling_is_refused_with_the_accepted_ones() {
    assert_eq!(
        main_file("[drain]\nresult_on_timeout = \"continue\"\n").only_problem(),
        format!(
            "{CONFIG}:2: drain.result_on_timeout: \"continue\" is not an accepted value (did you \
             mean \"CONTINUE\"?): write \"CONTINUE\", \"ABANDON\" or \"NONE\""
        )
    );
}

#[test]
fn what_is_not_toml_is_named_with_its_line() {
    let problem = main_file("[drain]\ntimeout = 15m\n").only_problem();
    assert!(
        problem.starts_with(&format!("{CONFIG}:2: this is not TOML (")),
        "{problem}"
    );
    let problem = main_file("[drain]\ntimeout = \"1m\"\ntimeout = \"2m\"\n").only_problem();
    assert!(
        problem.contains(":3: this is not TOML (duplicate key"),
        "{problem}"
    );
}

#[test]
fn all_problems_are_reported_in_the_order_of_sources_and_lines() {
    let root = main_file("[log]\nlevel = \"loud\"\nnoise = 1\n[drain]\ntimeout = 5\n")
        .file("etc/ecs-lifecycle-agent/config.d/1.toml", "x")
        .variable("ECS_LIFECYCLE_AGENT_LOG__LEVEL", "LOUD");
    let starts = [
        "/etc/ecs-lifecycle-agent/config.toml:2: log.level: ",
        "/etc/ecs-lifecycle-agent/config.toml:3: log.noise: ",
        "/etc/ecs-lifecycle-agent/config.toml:5: drain.timeout: ",
        "/etc/ecs-lifecycle-agent/config.d/1.toml:1: this is not TOML",
        "environment ECS_LIFECYCLE_AGENT_LOG__LEVEL: log.level: ",
    ];
    let problems = root.problems();
    assert_eq!(problems.len(), starts.len(), "{problems:#?}");
    for (problem, start) in problems.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem}");
    }
    let error = root.load().unwrap_err();
    assert_eq!(error.problems()[0].key.as_deref(), Some("log.level"));
}

#[test]
fn a_wrong_value_is_an_error_even_where_it_is_replaced() {
    let root =
        main_file("[log]\nlevel = \"loud\"\n").variable("ECS_LIFECYCLE_AGENT_LOG__LEVEL", "warn");
    assert!(
        root.only_problem()
            .starts_with(&format!("{CONFIG}:2: log.level: "))
    );
}

#[test]
fn a_file_of_garbage_gives_a_bearable_report() {
    let mut content = String::from("[drain]\n");
    for number in 0..40_000 {
        content.push_str(&format!("timeout{number} = 1\n"));
    }
    let root = main_file(content);
    let problems = root.problems();
    assert_eq!(problems.len(), 51);
    assert_eq!(problems[50], "and 39950 more problems");

    let long = main_file(format!(
        "[drain]\n\"{}\\u0007\\n\" = 1\n",
        "k".repeat(100_000)
    ));
    assert!(long.only_problem().len() < 400);
    let long = main_file(format!(
        "[drain]\ntimeout = \"{}\\n\"\n",
        "v".repeat(100_000)
    ));
    assert!(long.only_problem().len() < 400);
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    for open in ["[", "{a=", "a."] {
        let content = format!("[drain]\ntimeout = {}", open.repeat(200_000));
        assert!(!main_file(content).problems().is_empty());
    }
    let dotted = format!("{}b = 1", "a.".repeat(200_000));
    assert!(!main_file(dotted).problems().is_empty());
}
