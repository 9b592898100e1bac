//! The generated files contain everything that the command line has, and the tools that read them report nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::path::Path;
use std::process::Command;

use ecs_lifecycle_rig::Scratch;
use xtask::{PROGRAM, command, docs};

/// The names of the commands, and the long options of each.
fn commands() -> Vec<(String, Vec<String>)> {
    command()
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
        .map(|command| {
            let options = command
                .get_arguments()
                .filter(|arg| !arg.is_hide_set())
                .filter_map(|arg| arg.get_long().map(str::to_owned))
                .collect();
            (command.get_name().to_owned(), options)
        })
        .collect()
}

/// Runs a tool and returns whether it succeeded and what it printed; `None` if it is not installed.
fn try_tool(name: &str, arguments: &[&str], file: &Path) -> Option<(bool, String)> {
    let output = match Command::new(name)
        .args(arguments)
        .arg(file)
        .env("LC_ALL", "C.UTF-8")
        .env("MANWIDTH", "100")
        .output()
    {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{name}: {error}"),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    Some((
        output.status.success() && complaint.is_empty(),
        text + &complaint,
    ))
}

#[test]
fn the_man_page_has_every_command_and_every_section() {
    let scratch = Scratch::new().unwrap();
    docs(scratch.path()).unwrap();
    let file = scratch.path().join(format!("man/{PROGRAM}.8"));
    let page = std::fs::read_to_string(&file).unwrap();
    // roff writes a hyphen that must not break as `\-`.
    let plain = page.replace("\\-", "-");
    for section in [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "COMMANDS",
        "FILES",
        "ENVIRONMENT",
        "\"EXIT STATUS\"",
        "EXAMPLES",
    ] {
        assert!(plain.contains(&format!(".SH {section}\n")), "{section}");
    }
    for (command, options) in commands() {
        assert!(plain.contains(&format!("\\fB{command}\\fR")), "{command}");
        for option in options {
            assert!(
                plain.contains(&format!("--{option}")),
                "{command} --{option}"
            );
        }
    }
    assert!(!plain.contains("--root"), "it is for tests");

    if let Some((good, text)) = try_tool("mandoc", &["-Tlint", "-Wwarning"], &file) {
        assert!(good, "{text}");
    }
    if let Some((good, text)) = try_tool("man", &["--warnings=all", "-l"], &file) {
        // On a machine without man pages, `man` is only a script that says so.
        if text.contains("unminimize") {
            return;
        }
        assert!(good, "{text}");
        assert!(text.contains("EXIT STATUS"), "{text}");
    }
    let groff = ["-man", "-Tutf8", "-ww", "-b", "-z"];
    if let Some((good, text)) = try_tool("groff", &groff, &file) {
        assert!(good && text.is_empty(), "{text}");
    }
}

#[test]
fn the_completions_have_every_command() {
    let scratch = Scratch::new().unwrap();
    let files = docs(scratch.path()).unwrap();
    let names: Vec<&str> = files
        .iter()
        .map(|file| file.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "ecs-lifecycle-agent.8",
            "ecs-lifecycle-agent.bash",
            "_ecs-lifecycle-agent",
            "ecs-lifecycle-agent.fish",
            "config.toml",
        ]
    );
    for file in files.iter().skip(1).take(3) {
        let text = std::fs::read_to_string(file).unwrap();
        for (command, options) in commands() {
            assert!(text.contains(&command), "{command} in {}", file.display());
            for option in options {
                assert!(text.contains(&option), "{option} in {}", file.display());
            }
        }
    }
    for (shell, file) in [("bash", 1), ("zsh", 2), ("fish", 3)] {
        if let Some((good, text)) = try_tool(shell, &["-n"], &files[file]) {
            assert!(good, "{text}");
        }
    }
}

#[test]
fn the_same_source_gives_the_same_files() {
    let [one, two] = [Scratch::new().unwrap(), Scratch::new().unwrap()];
    let pairs = docs(one.path())
        .unwrap()
        .into_iter()
        .zip(docs(two.path()).unwrap());
    for (one, two) in pairs {
        assert_eq!(std::fs::read(one).unwrap(), std::fs::read(two).unwrap());
    }
}
