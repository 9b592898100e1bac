//! The effects of environment variables.

use super::{MAIN, Root};

#[test]
fn variables_with_the_prefix_must_mean_something() {
    for (name, expected) in [
        (
            "ECS_LIFECYCLE_AGENT_DRAIN__TIMOUT",
            "no key has this variable: did you mean ECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT? Else \
             unset it",
        ),
        (
            "ECS_LIFECYCLE_AGENT_drain__timeout",
            "no key has this variable: did you mean ECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT? Else \
             unset it",
        ),
        (
            "ECS_LIFECYCLE_AGENT_DRAIN_TIMEOUT",
            "no key has this variable: did you mean ECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT? Else \
             unset it",
        ),
        (
            "ECS_LIFECYCLE_AGENT_LOG__COLOUR",
            "[log] has no such key: [log] has the keys level, target",
        ),
        (
            "ECS_LIFECYCLE_AGENT_NOTHING__LIKE_THIS_IS_KNOWN",
            "there is no section nothing: the sections are metadata, ecs, aws, ready, drain, executables, autoscaling, \
             cloudformation, agent, metrics, capacity, log",
        ),
        (
            "ECS_LIFECYCLE_AGENT_VERSION",
            "no key has this variable: write ECS_LIFECYCLE_AGENT_<SECTION>__<KEY>, with two \
             underscores between section and key, for example ECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT, \
             or unset it",
        ),
    ] {
        let problem = Root::new().variable(name, "x").only_problem();
        assert_eq!(problem, format!("environment {name}: {expected}"));
    }
    let other = Root::new().variable("ECS_CLUSTER", "default");
    assert!(other.load().is_ok());
    let broken = Root::new().variable("ECS_LIFECYCLE_AGENT_LOG__LEVEL", "in\u{fffd}fo");
    assert!(
        broken
            .only_problem()
            .contains("log.level: the value is not UTF-8")
    );
}

#[test]
fn systemd_names_the_state_directory_when_nothing_else_does() {
    let directory = |root: &Root| {
        let effective = root.load().unwrap();
        let origin = effective
            .provenance
            .of("agent", "state_directory")
            .to_string();
        (effective.settings.agent.state_directory, origin)
    };
    let root = Root::new().variable("STATE_DIRECTORY", "/var/lib/private/a:/var/lib/b");
    let (path, origin) = directory(&root);
    assert_eq!(path.to_str(), Some("/var/lib/private/a"));
    assert_eq!(origin, "environment STATE_DIRECTORY");

    let root = root.file(MAIN, "[agent]\nstate_directory = \"/srv/state\"\n");
    assert_eq!(directory(&root).0.to_str(), Some("/srv/state"));

    let (path, origin) = directory(&Root::new().variable("STATE_DIRECTORY", ""));
    assert_eq!(path.to_str(), Some("/var/lib/ecs-lifecycle-agent"));
    assert_eq!(origin, "default");

    let relative = Root::new().variable("STATE_DIRECTORY", "relative");
    assert!(relative.only_problem().starts_with(
        "environment STATE_DIRECTORY: agent.state_directory: \"relative\" is not an absolute path"
    ));
}

#[test]
fn the_environment_holds_only_what_concerns_the_configuration() {
    for (name, _) in crate::environment() {
        assert!(name == "STATE_DIRECTORY" || name.starts_with("ECS_LIFECYCLE_AGENT_"));
    }
}
