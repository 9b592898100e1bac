//! Judges what the file system shows.

use std::path::Path;
use std::time::Duration;

use crate::config::Settings;
use crate::decide::short;
use crate::previous::KEPT;

use crate::doctor::facts::{EcsConfig, Facts, Host, Program, StateDirectory, StateFile};
use crate::doctor::finding::{Check, Findings};

const UNIT: &str = "ecs-lifecycle-agent.service";
const INSTALL: &str = "copy systemd/ecs-lifecycle-agent.service from the release to \
                       /usr/lib/systemd/system";

pub(super) fn judge(facts: &Facts, settings: &Settings, findings: &mut Findings) {
    let host = &facts.host;
    let image = facts.live.is_none();
    configuration(facts, findings);
    unit(host, image, findings);
    neighbours(host, findings);
    ecs_config(facts, settings, findings);
    if image {
        ecs_agent_data(host, findings);
    } else {
        cloud_init(facts, findings);
        state_directory(host, findings);
    }
    state_file(facts, findings);
    shutdown(host, settings, findings);
}

pub(super) fn configuration(facts: &Facts, findings: &mut Findings) {
    let check = Check::Configuration;
    let effective = match &facts.configuration {
        Ok(effective) => effective,
        Err(error) => {
            let problems = error.problems();
            let each = problems.iter().map(|problem| {
                let key = problem.key.as_ref();
                let key = key.map_or_else(String::new, |key| format!("{key}: "));
                format!("{}: {key}{}", problem.origin, problem.what)
            });
            let remedies = problems.iter().map(|problem| problem.remedy.clone());
            let what = format!("invalid: {}", each.collect::<Vec<_>>().join("; "));
            return findings.fail(check, &what, &remedies.collect::<Vec<_>>().join("; "));
        }
    };
    let mut sources: Vec<String> = effective
        .files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let variables = effective
        .provenance
        .written()
        .filter(|(_, _, origin)| matches!(origin, crate::config::Origin::Environment(_)))
        .count();
    match variables {
        0 => {}
        1 => sources.push("one variable from this shell".to_owned()),
        count => sources.push(format!("{count} variables from this shell")),
    }
    let mut text = if sources.is_empty() {
        "valid: the defaults".to_owned()
    } else {
        format!("valid: the defaults, {}", sources.join(", "))
    };
    for file in &facts.host.unit_environment {
        text.push_str(&format!(
            "; {file} sets variables for the unit, which are not applied here"
        ));
    }
    findings.ok(check, &text);
}

fn unit(host: &Host, image: bool, findings: &mut Findings) {
    let Some(unit) = &host.unit else {
        findings.fail(
            Check::UnitFile,
            &format_args!("{UNIT} is not installed"),
            &INSTALL,
        );
        findings.untried(Check::UnitEnabled, &"the unit is not installed");
        findings.untried(Check::Binary, &"the unit is not installed");
        if !image {
            findings.untried(Check::UnitActive, &"the unit is not installed");
        }
        return;
    };
    let path = unit.path.display();
    if unit.masked {
        findings.fail(
            Check::UnitFile,
            &format_args!("masked by {path}"),
            &format_args!("systemctl unmask {UNIT}"),
        );
    } else {
        findings.ok(Check::UnitFile, &path);
    }
    match &unit.program {
        Some((program, Program::Executable)) => {
            findings.ok(Check::Binary, &program.display());
        }
        Some((program, Program::NotExecutable)) => findings.fail(
            Check::Binary,
            &format_args!("{} cannot be executed", program.display()),
            &format_args!("chmod 755 {}", program.display()),
        ),
        Some((program, Program::Missing)) => findings.fail(
            Check::Binary,
            &format_args!("{path} starts {}, which does not exist", program.display()),
            &format_args!("install the binary there, or correct ExecStart= in {path}"),
        ),
        None => findings.untried(Check::Binary, &format_args!("{path} has no ExecStart=")),
    }
    match &host.wanted_by {
        Some(link) => findings.ok(Check::UnitEnabled, &format_args!("by {}", link.display())),
        None => findings.fail(
            Check::UnitEnabled,
            &"it does not start at boot",
            &format_args!("systemctl enable {UNIT}"),
        ),
    }
    if image {
        return;
    }
    match host.active {
        Some(true) if host.running.as_deref() == Some(Path::new(KEPT)) => findings.warn(
            Check::UnitActive,
            &format_args!(
                "the previous version is running ({KEPT}); this version rejects the \
                           configuration"
            ),
            &format_args!("correct the configuration, then systemctl restart {UNIT}"),
        ),
        Some(true) => findings.ok(Check::UnitActive, &"running"),
        Some(false) => findings.fail(
            Check::UnitActive,
            &"not running",
            &format_args!("systemctl start {UNIT}; journalctl -u {UNIT} shows why it stopped"),
        ),
        None => findings.untried(
            Check::UnitActive,
            &"no control groups of systemd were found",
        ),
    }
}

/// Judges the units that the agent's unit is ordered after and wanted by.
fn neighbours(host: &Host, findings: &mut Findings) {
    match &host.docker_unit {
        Some(path) => findings.ok(Check::DockerUnit, &path.display()),
        None => findings.warn(
            Check::DockerUnit,
            &"docker.service is not installed",
            &"install Docker; if it runs under another unit, order the agent's unit after that \
              with a drop-in",
        ),
    }
    match &host.ecs_unit {
        Some(path) if host.ecs_wanted => findings.ok(Check::EcsUnit, &path.display()),
        Some(path) => findings.warn(
            Check::EcsUnit,
            &format_args!("{} does not start at boot", path.display()),
            &"systemctl enable ecs.service, which also starts the agent's unit",
        ),
        None => findings.fail(
            Check::EcsUnit,
            &"ecs.service is not installed",
            &"install the ECS agent (ecs-init); if its unit has another name, start the \
              agent's unit with it: systemctl add-wants UNIT ecs-lifecycle-agent.service",
        ),
    }
}

fn ecs_config(facts: &Facts, settings: &Settings, findings: &mut Findings) {
    let empty = EcsConfig::default();
    let config = match &facts.host.ecs_config {
        Some(Ok(config)) => config,
        Some(Err(error)) => {
            findings.untried(
                Check::EcsConfig,
                &format_args!("/etc/ecs/ecs.config cannot be read: {error}"),
            );
            findings.untried(Check::SpotDraining, &"ecs.config cannot be read");
            return;
        }
        None => &empty,
    };
    let registered = facts
        .live
        .as_ref()
        .and_then(|live| live.ecs_agent.as_ref().ok()?.as_ref())
        .map(|known| known.cluster.as_str());
    let stop_timeout = config
        .stop_timeout
        .as_deref()
        .and_then(|text| humantime::parse_duration(text).ok())
        .filter(|timeout| *timeout >= settings.drain.timeout);
    if !config.odd.is_empty() {
        let lines = config
            .odd
            .iter()
            .map(|(number, what)| format!("line {number} {what}"));
        findings.warn(
            Check::EcsConfig,
            &lines.collect::<Vec<_>>().join(", "),
            &"write one KEY=value per line in /etc/ecs/ecs.config, without spaces around the \
              \"=\"",
        );
    } else if let (Some(wanted), Some(registered)) = (config.cluster.as_deref(), registered)
        && short(wanted) != short(registered)
    {
        findings.warn(
            Check::EcsConfig,
            &format_args!(
                "ECS_CLUSTER is {wanted}, but the ECS agent is registered in {registered}"
            ),
            &"the ECS agent keeps the registration of its first start: systemctl stop ecs, rm \
              /var/lib/ecs/data/agent.db, systemctl start ecs",
        );
    } else if let Some(timeout) = stop_timeout {
        findings.warn(
            Check::EcsConfig,
            &format_args!(
                "ECS_CONTAINER_STOP_TIMEOUT is {}, but drain.timeout is only {}: a container \
                 that ignores SIGTERM is still running when the drain times out",
                span(timeout),
                span(settings.drain.timeout)
            ),
            &"raise drain.timeout, or lower ECS_CONTAINER_STOP_TIMEOUT",
        );
    } else if facts.host.ecs_config.is_none() {
        findings.ok(
            Check::EcsConfig,
            &"no such file: the ECS agent uses its defaults and joins the cluster \"default\"",
        );
    } else {
        let cluster = config.cluster.as_deref().unwrap_or("not set (yet)");
        findings.ok(Check::EcsConfig, &format_args!("ECS_CLUSTER is {cluster}"));
    }
    let spot = config.spot_draining.as_deref();
    findings.ok(
        Check::SpotDraining,
        &if spot.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            "the ECS agent sets DRAINING on a Spot interruption as well; the two do not \
             interfere, and this agent also waits for the tasks"
        } else {
            "the ECS agent does not drain on a Spot interruption; this agent does"
        },
    );
}

/// Whether cloud-init found no data source, so that it did not run the user data.
pub(super) fn has_no_user_data(host: &Host) -> bool {
    host.cloud_init
        .as_deref()
        .is_some_and(|source| source.starts_with("DataSourceNone"))
}

fn cloud_init(facts: &Facts, findings: &mut Findings) {
    let check = Check::CloudInit;
    let answers = facts
        .live
        .as_ref()
        .is_some_and(|live| live.ecs_agent.is_ok());
    let remedy = "cloud-init status --long shows why it could not read metadata; then run \
                  cloud-init clean --reboot, or replace the instance";
    match &facts.host.cloud_init {
        None => findings.ok(check, &"cloud-init has left no result file"),
        Some(source) if !has_no_user_data(&facts.host) => findings.ok(check, source),
        Some(source) if answers => findings.warn(
            check,
            &format_args!(
                "{source}: cloud-init found no data source, so it did not run the \
                           user data"
            ),
            &remedy,
        ),
        Some(source) => findings.fail(
            check,
            &format_args!(
                "{source}: cloud-init found no data source, so it did not run the user data. \
                 If there is user data, an ECS agent of version 1.105.0 or later does not \
                 start"
            ),
            &remedy,
        ),
    }
}

fn ecs_agent_data(host: &Host, findings: &mut Findings) {
    match host.ecs_agent_data.first() {
        Some(path) => findings.warn(
            Check::EcsAgentData,
            &format_args!(
                "{} belongs to the machine that the image is built on",
                path.display()
            ),
            &format_args!(
                "at the end of the build: systemctl stop ecs, rm {}",
                path.display()
            ),
        ),
        None => findings.ok(
            Check::EcsAgentData,
            &"the ECS agent has stored no registration",
        ),
    }
}

fn state_directory(host: &Host, findings: &mut Findings) {
    let check = Check::StateDirectory;
    let path = host.state_directory.display();
    match &host.state {
        StateDirectory::Writable => findings.ok(check, &path),
        StateDirectory::Missing if host.active == Some(true) => findings.warn(
            check,
            &format_args!(
                "{path} does not exist: if the agent restarts during a drain, the \
                           drain starts again with a new deadline"
            ),
            &"keep StateDirectory=ecs-lifecycle-agent in the unit, or create the directory in \
              agent.state_directory",
        ),
        StateDirectory::Missing => findings.untried(
            check,
            &format_args!("{path} does not exist yet: the unit creates it when it starts"),
        ),
        StateDirectory::Hidden => findings.untried(
            check,
            &format_args!("this user may not read {path}: run the doctor as root"),
        ),
        StateDirectory::Unwritable(why) => findings.warn(
            check,
            &format_args!(
                "{path} is not writable ({why}): if the agent restarts during a drain, the \
                 drain starts again with a new deadline"
            ),
            &"free disk space, or mount the file system read-write",
        ),
        StateDirectory::NotWritten => findings.untried(check, &path),
    }
}

fn state_file(facts: &Facts, findings: &mut Findings) {
    let check = Check::StateFile;
    let path = facts.host.state_directory.join("state.json");
    let path = path.display();
    let here = facts
        .live
        .as_ref()
        .and_then(|live| live.metadata.instance.as_ref().ok())
        .map(|instance| instance.instance_id.as_str());
    match &facts.host.state_file {
        StateFile::None => findings.ok(check, &"none: no drain to resume"),
        StateFile::About(_) if facts.live.is_none() => findings.warn(
            check,
            &format_args!("{path} belongs to the machine that the image is built on"),
            &format_args!("at the end of the build: systemctl stop {UNIT}, rm {path}"),
        ),
        StateFile::About(id) if here.is_some_and(|here| here != id) => findings.warn(
            check,
            &format_args!("{path} belongs to {id} and is ignored"),
            &format_args!(
                "rm {path}; run `ecs-lifecycle-agent doctor --image` at the end of image \
                 builds"
            ),
        ),
        StateFile::About(_) if here.is_some() => findings.ok(check, &"belongs to this instance"),
        StateFile::About(id) => findings.untried(
            check,
            &format_args!("belongs to {id}; metadata did not say which instance this is"),
        ),
        StateFile::Unreadable(why) if facts.host.state == StateDirectory::Hidden => {
            findings.untried(check, &why);
        }
        StateFile::Unreadable(why) => findings.warn(
            check,
            &format_args!("{path} is ignored: {why}"),
            &format_args!("rm {path}"),
        ),
    }
}

fn shutdown(host: &Host, settings: &Settings, findings: &mut Findings) {
    let check = Check::Shutdown;
    match settings.drain.on_shutdown {
        None => findings.ok(check, &"not needed: drain.on_shutdown is not set"),
        Some(_) if host.dbus_broker => {
            findings.ok(
                check,
                &"dbus-broker is installed: the agent can tell a shutdown from \
                                 a restart",
            );
        }
        Some(_) => findings.warn(
            check,
            &"drain.on_shutdown is set, but dbus-broker is not installed: dbus-daemon denies \
              access to the unit's dynamic user, so no shutdown is delayed",
            &"install dbus-broker, or unset drain.on_shutdown",
        ),
    }
}

pub(super) fn span(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
