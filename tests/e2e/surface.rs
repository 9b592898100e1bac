//! What a person touches: command line, configuration, exit codes, the log.

use std::process::Command;

use ecs_lifecycle_rig::Scratch;
use ecs_lifecycle_simulator::{SECRET_MARKERS, StackSpec};

use super::stage::{PATIENCE, Stage, web};

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
        output
            .stdout
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap()
            .to_owned()
    };
    assert!(line("timeout = \"42m\"").contains(path));
    assert!(
        line("standalone_tasks = \"ignore\"")
            .contains("ECS_LIFECYCLE_AGENT_DRAIN__STANDALONE_TASKS")
    );
    assert!(line("daemon_tasks = \"wait\"").contains("default"));
}

#[test]
fn a_wrong_configuration_says_what_where_and_how_and_exits_with_64() {
    let cases = [
        ("[drain]\ntimout = \"1m\"\n", vec!["timout", "timeout"]),
        ("[drain]\ntimeout = 900\n", vec!["drain.timeout", "900s"]),
        (
            "[drain]\nresult_on_timeout = \"continue\"\n",
            vec!["CONTINUE", "ABANDON"],
        ),
        ("[drian]\n", vec!["drian", "drain"]),
        (
            "[cloudformation]\nstack_name = \"x\"\n",
            vec!["logical_resource_id"],
        ),
        (
            "[autoscaling]\nlifecycle_hook_name = \"ecs-managed-draining-termination-hook\"\n",
            vec!["managed draining"],
        ),
        ("not toml", vec!["config.toml:1", "not TOML"]),
    ];
    let scratch = Scratch::new().unwrap();
    let file = scratch.path().join("config.toml");
    for (text, expected) in cases {
        std::fs::write(&file, text).unwrap();
        for command in [vec!["--config"], vec!["check-config", "--config"]] {
            let mut arguments = command.clone();
            arguments.push(file.to_str().unwrap());
            let output = run(&arguments, &[]);
            assert_eq!(output.code, Some(64), "{text}: {}", output.stderr);
            for part in &expected {
                assert!(
                    output.stderr.contains(part),
                    "{part:?} is missing in {:?}",
                    output.stderr
                );
            }
            assert!(!output.stderr.contains("panicked"));
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
    assert_eq!(
        run(&["--version"], &[]).stdout,
        format!("ecs-lifecycle-agent {}\n", env!("CARGO_PKG_VERSION"))
    );
}

/// At the most talkative level, through a whole drain with everything in it.
#[tokio::test]
async fn no_log_holds_a_secret() {
    let stage = Stage::new(vec![web(500)])
        .await
        .set("log", "level", "trace")
        .set("cloudformation", "stack_name", "demo-stack")
        .set("cloudformation", "signal_drained", "true")
        .set("cloudformation", "logical_resource_id", "Group");
    stage
        .simulator
        .add_stack(&StackSpec::new("demo-stack").waiting("Group"));
    let agent = stage.watching().await;
    stage.instance.terminate();
    agent
        .logged("lifecycle action completed", PATIENCE)
        .await
        .unwrap();
    let text = agent.text();
    for marker in SECRET_MARKERS {
        assert!(!text.contains(marker), "{marker} is in the log");
    }
    let document = stage
        .simulator
        .world(|world| world.instance(stage.instance.id()).unwrap().id.clone());
    assert!(
        text.contains(&document) && !text.contains("\"accountId\""),
        "the identity document is in the log"
    );
}

#[tokio::test]
async fn a_waiting_drain_says_what_it_waits_for() {
    let stage = Stage::new(vec![web(3_000)])
        .await
        .set("drain", "report_interval", "1s");
    let agent = stage.watching().await;
    stage.instance.terminate();
    let line = agent
        .logged("waiting for tasks to stop", PATIENCE)
        .await
        .unwrap();
    for part in [
        "tasks_left=1",
        "web:",
        "stopping",
        "deadline_in=",
        "cluster=\"demo\"",
    ] {
        assert!(line.contains(part), "{part} is missing: {line}");
    }
}
