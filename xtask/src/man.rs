//! The man page: the command line from clap, and sections that are written by hand.

use std::io;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::PROGRAM;

/// The files that the agent uses, and what is in them.
const FILES: [(&str, &str); 11] = [
    (
        "/etc/ecs-lifecycle-agent/config.toml",
        "The configuration. There need not be one.",
    ),
    (
        "/usr/lib/ecs-lifecycle-agent/config.d/*.toml",
        "Drop-ins of the vendor. All drop-ins are read in the order of their names; of two with the same name, \
         the one in /etc counts, then that in /run.",
    ),
    (
        "/run/ecs-lifecycle-agent/config.d/*.toml",
        "Drop-ins until the next boot.",
    ),
    (
        "/etc/ecs-lifecycle-agent/config.d/*.toml",
        "Drop-ins of the administrator.",
    ),
    (
        "/var/lib/ecs-lifecycle-agent/state.json",
        "What a restart could not find out again. Belongs to this instance, not into an image.",
    ),
    (
        "/etc/ecs-lifecycle-agent/hooks.d/before-drain, /etc/ecs-lifecycle-agent/hooks.d/after-drain",
        "Executables of your own around a drain, run by name.",
    ),
    (
        "/etc/ecs-lifecycle-agent/ready.d",
        "Executables of your own that must succeed before a new instance counts as joined.",
    ),
    (
        "/run/ecs-lifecycle-agent/control/agent.sock",
        "The socket of the running agent: HTTP, with /status, /metrics, /drain and /undrain.",
    ),
    (
        "/usr/lib/systemd/system/ecs-lifecycle-agent.service",
        "The unit.",
    ),
    (
        "/etc/ecs/ecs.config",
        "The configuration of the ECS agent. Only doctor looks at it.",
    ),
    (
        "http://127.0.0.1:51678",
        "Not a file: the ECS agent's introspection, which the tasks are read from.",
    ),
];

/// The environment variables, and what they do.
const ENVIRONMENT: [(&str, &str); 7] = [
    (
        "ECS_LIFECYCLE_AGENT_<SECTION>__<KEY>",
        "Sets a key of the configuration, whatever the files say: ECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT is \
         drain.timeout.",
    ),
    (
        "ECS_LIFECYCLE_AGENT_CONFIG",
        "Another way to write --config.",
    ),
    (
        "STATE_DIRECTORY",
        "Set by systemd: the state directory, unless the configuration names one.",
    ),
    (
        "AWS_EC2_METADATA_SERVICE_ENDPOINT, AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "Where instance metadata answers.",
    ),
    (
        "AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_ECS, AWS_ENDPOINT_URL_AUTO_SCALING, AWS_ENDPOINT_URL_CLOUDFORMATION",
        "Where AWS answers.",
    ),
    (
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "true: the variables before this one do not count.",
    ),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC",
        "Set by systemd: where readiness, status and watchdog are told.",
    ),
];

/// The exit statuses, and what they mean.
const STATUSES: [(&str, &str); 5] = [
    (
        "0",
        "Success; run: stopped by a signal; doctor: all is well.",
    ),
    (
        "1",
        "It could not be done; doctor: there are warnings; drain --wait: not drained in time.",
    ),
    ("2", "doctor: there are failures."),
    (
        "64",
        "The command line or the configuration is wrong. systemd does not try again.",
    ),
    ("69", "status, drain, undrain: no agent answers."),
];

/// The commands that are used most.
const EXAMPLES: [(&str, &str); 7] = [
    (
        "systemctl enable --now ecs-lifecycle-agent",
        "Installs it on this instance.",
    ),
    (
        "systemctl status ecs-lifecycle-agent",
        "What it is doing, in one line, and what it waits for.",
    ),
    (
        "ecs-lifecycle-agent status",
        "The same in full: why, since when, until when, each task with its kind.",
    ),
    (
        "ecs-lifecycle-agent drain --wait --timeout 30m",
        "Drains this instance by hand, until undrain.",
    ),
    (
        "ecs-lifecycle-agent check-config",
        "The configuration in force, and where each value comes from.",
    ),
    (
        "ecs-lifecycle-agent doctor",
        "Is everything there that the agent needs? As root, on a live instance.",
    ),
    (
        "ecs-lifecycle-agent doctor --image",
        "The same at the end of an image build; a failure fails the build.",
    ),
];

/// Renders the man page.
///
/// # Errors
/// Fails only if memory cannot be written to.
pub fn page(command: &Command) -> io::Result<Vec<u8>> {
    let version = format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION"));
    // The page has no date, so that the same source gives the same page.
    let man = Man::new(command.clone())
        .title(PROGRAM.to_uppercase())
        .section("8")
        .date("")
        .source(version)
        .manual("System Administration");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;

    let mut roff = Roff::new();
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(
        "Runs on a container instance of Amazon ECS, as a service of systemd. It sees in instance metadata that \
         its instance is to go, sets its own container instance to DRAINING, waits until the containers are \
         really gone, keeps the lifecycle hook of the Auto Scaling group waiting meanwhile, signals \
         CloudFormation, and completes the lifecycle action. On a new instance it does the last two when that \
         has joined its cluster.",
    )]);
    roff.control("PP", []);
    roff.text([roman(
        "Without a command it runs. It needs no configuration: the file that the package installs has every key, \
         commented out, and check-config prints those in force.",
    )]);
    roff.to_writer(&mut page)?;
    man.render_options_section(&mut page)?;

    let mut roff = Roff::new();
    commands(&mut roff, command);
    list(&mut roff, "FILES", &FILES);
    list(&mut roff, "ENVIRONMENT", &ENVIRONMENT);
    list(&mut roff, "EXIT STATUS", &STATUSES);
    list(&mut roff, "EXAMPLES", &EXAMPLES);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([
        bold("systemctl"),
        roman("(1), "),
        bold("journalctl"),
        roman("(1), "),
        bold("systemd.service"),
        roman("(5)"),
    ]);
    roff.to_writer(&mut page)?;
    Ok(page)
}

/// Lists every command with its own options.
fn commands(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["COMMANDS"]);
    let commands = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help");
    for command in commands {
        let own: Vec<&Arg> = command
            .get_arguments()
            .filter(|arg| {
                let id = arg.get_id().as_str();
                !arg.is_hide_set() && !arg.is_global_set() && !["help", "version"].contains(&id)
            })
            .collect();
        let mut heading = vec![bold(command.get_name())];
        for arg in &own {
            heading.push(roman(" ["));
            heading.extend(usage(arg));
            heading.push(roman("]"));
        }
        roff.control("TP", []);
        roff.text(heading);
        let about = command.get_long_about().or_else(|| command.get_about());
        paragraphs(roff, &about.map(ToString::to_string).unwrap_or_default());
        if !own.is_empty() {
            roff.control("RS", []);
            for arg in own {
                roff.control("TP", []);
                roff.text(usage(arg));
                let help = arg.get_long_help().or_else(|| arg.get_help());
                paragraphs(roff, &help.map(ToString::to_string).unwrap_or_default());
            }
            roff.control("RE", []);
        }
    }
}

/// An option with the name of its value, such as `--timeout DURATION`.
fn usage(arg: &Arg) -> Vec<clap_mangen::roff::Inline> {
    let mut usage = Vec::new();
    match (arg.get_long(), arg.get_short()) {
        (Some(long), _) => usage.push(bold(format!("--{long}"))),
        (None, Some(short)) => usage.push(bold(format!("-{short}"))),
        (None, None) => {}
    }
    if arg.get_action().takes_values() {
        if !usage.is_empty() {
            usage.push(roman(" "));
        }
        let name = arg
            .get_value_names()
            .and_then(|names| names.first())
            .map_or_else(|| arg.get_id().to_string(), ToString::to_string);
        usage.push(italic(name));
    }
    usage
}

fn paragraphs(roff: &mut Roff, text: &str) {
    for (number, paragraph) in text.split("\n\n").enumerate() {
        if number > 0 {
            // In a tagged paragraph, PP would end the indent.
            roff.control("IP", []);
        }
        roff.text([roman(paragraph.replace('\n', " "))]);
    }
}

fn list(roff: &mut Roff, heading: &str, entries: &[(&str, &str)]) {
    roff.control("SH", [heading]);
    for (term, text) in entries {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*text)]);
    }
}
