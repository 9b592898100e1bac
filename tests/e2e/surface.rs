//! What a person touches: command line, configuration, exit codes, the log.

use std::process::Command;

use ecs_lifecycle_rig::Scratch;
use ecs_lifecycle_simulator::SECRET_MARKERS;

use super::stage::{Stage, web};

struct Output {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_ecs-lifecycle-agent"))
        .env_clear()
        .envs(environment.iter().copied())
        .args(arguments)
        .output()
        .unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn check_config_prints_every_value_and_where_it_comes_from() {
    let scratch = Scratch::new().unwrap();
    let file = scratch.path().join("config.toml");
    std::fs::write(&file, "[drain]\ntimeout = \"42m\"\n").unwrap();
    let path = file.to_str().unwrap();
    let environment = [("ECS_LIFECYCLE_AGENT_DRAIN__STANDALONE_TASKS", "ignore")];
    let output = run(&["check-config", "--config", path], &environment);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let line = |key: &str| {
        let mut lines = output.stdout.lines();
        lines.find(|line| line.starts_with(key)).unwrap()
    };
    assert!(line("timeout = \"42m\"").contains(path));
    assert!(line("standalone_tasks = \"ignore\"").contains(environment[0].0));
    assert!(line("daemon_tasks = \"wait\"").contains("default"));
}

#[test]
fn a_wrong_configuration_says_what_where_and_how_and_exits_with_64() {
    let managed = "lifecycle_hook_name = \"ecs-managed-draining-termination-hook\"";
    let cases: [(&str, &str, &[&str]); 7] = [
        ("drain", "timout = \"1m\"", &["timout", "timeout"]),
        ("drain", "timeout = 900", &["drain.timeout", "900s"]),
        (
            "drain",
            "result_on_timeout = \"continue\"",
            &["CONTINUE", "ABANDON"],
        ),
        ("drian", "", &["drian", "drain"]),
        (
            "cloudformation",
            "stack_name = \"x\"",
            &["logical_resource_id"],
        ),
        ("autoscaling", managed, &["managed draining"]),
        ("not toml", "", &["config.toml:1", "not TOML"]),
    ];
    let scratch = Scratch::new().unwrap();
    let file = scratch.path().join("config.toml");
    for (section, text, expected) in cases {
        let text = match section {
            "not toml" => section.to_owned(),
            section => format!("[{section}]\n{text}\n"),
        };
        std::fs::write(&file, &text).unwrap();
        let path = file.to_str().unwrap();
        for command in [&["--config", path][..], &["check-config", "--config", path]] {
            let Output { code, stderr, .. } = run(command, &[]);
            assert_eq!(code, Some(64), "{text}: {stderr}");
            for part in expected {
                assert!(stderr.contains(part), "{part:?} is missing in {stderr:?}");
            }
            assert!(!stderr.contains("panicked"));
        }
    }
}

#[test]
fn a_wrong_command_line_exits_with_64_too() {
    for arguments in [
        &["--nonsense"][..],
        &["frobnicate"],
        &["--config"],
        &["--config", "/no/such/file"],
    ] {
        let output = run(arguments, &[]);
        assert_eq!(output.code, Some(64), "{arguments:?}: {}", output.stderr);
        assert!(!output.stderr.is_empty());
    }
    assert_eq!(run(&["--help"], &[]).code, Some(0));
    let version = format!("ecs-lifecycle-agent {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"], &[]).stdout, version);
}

/// At the most talkative level, through a whole drain with everything in it.
#[tokio::test]
async fn no_log_holds_a_secret() {
    let stage = Stage::with("log.level=trace", vec![web(500)])
        .await
        .signalling();
    let agent = stage.leaving().await;
    agent.says("lifecycle action completed").await;
    let text = agent.text();
    for marker in SECRET_MARKERS {
        assert!(!text.contains(marker), "{marker} is in the log");
    }
    assert!(text.contains(stage.instance.id()), "{text}");
    assert!(
        !text.contains("\"accountId\""),
        "the identity document is in the log"
    );
}

#[tokio::test]
async fn a_waiting_drain_says_what_it_waits_for() {
    let stage = Stage::with("drain.report_interval=1s", vec![web(3_000)]).await;
    let agent = stage.leaving().await;
    let line = agent.says("waiting for tasks to stop").await;
    let said = "tasks_left=1 web: stopping deadline_in= cluster=\"demo\"";
    for part in said.split(' ') {
        assert!(line.contains(part), "{part} is missing: {line}");
    }
}
