//! Reads the file system, below a root that tests and image builders can choose.
//!
//! systemd is not queried. Instead, the links that enable a unit are read, and the control group that it has while
//! it runs. That also works in an image that is not running.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::config::Settings;

pub(super) use crate::doctor::facts::Host;
use crate::doctor::facts::{EcsConfig, Program, StateDirectory, StateFile, Unit};

const UNIT: &str = "ecs-lifecycle-agent.service";

/// The directories of units, in systemd's order of precedence.
const UNITS: [&str; 6] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
    "etc/systemd/system.attached",
];

/// The control groups of services: version 2, and version 1 with or without version 2 beside it.
const CONTROL_GROUPS: [&str; 3] = [
    "sys/fs/cgroup/system.slice",
    "sys/fs/cgroup/unified/system.slice",
    "sys/fs/cgroup/systemd/system.slice",
];

/// The files in which the ECS agent stores its registration.
const ECS_AGENT_DATA: [&str; 2] = [
    "var/lib/ecs/data/agent.db",
    "var/lib/ecs/data/ecs_agent_data.json",
];

/// The most bytes of a file. Those that are read here are much smaller.
const MOST_BYTES: u64 = 256 * 1024;

/// The variables that make the SDK use other credentials than the role's.
const CREDENTIAL_VARIABLES: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_EC2_METADATA_DISABLED",
];

/// Gathers everything that the file system shows.
pub(super) fn look(root: &Path, settings: &Settings, image: bool) -> Host {
    let state_directory = below(root, &settings.agent.state_directory);
    Host {
        unit: unit(root),
        wanted_by: wanted_by(root, UNIT),
        active: active(root),
        running: running(root),
        unit_environment: unit_environment(root),
        docker_unit: find(root, "docker.service"),
        ecs_unit: find(root, "ecs.service"),
        ecs_wanted: wanted_by(root, "ecs.service").is_some(),
        dbus_broker: find(root, "dbus-broker.service").is_some(),
        ecs_config: ecs_config(&root.join("etc/ecs/ecs.config")),
        cloud_init: cloud_init(&root.join("var/lib/cloud/data/result.json")),
        ecs_agent_data: ECS_AGENT_DATA
            .iter()
            .map(|path| root.join(path))
            .filter(|path| path.exists())
            .collect(),
        state: if image {
            StateDirectory::NotWritten
        } else {
            write_to(&state_directory)
        },
        state_file: state_file(&state_directory.join("state.json")),
        state_directory,
        credential_overrides: credential_overrides(),
    }
}

/// Moves an absolute path below the root.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The file of a unit, or the link that masks it.
fn find(root: &Path, name: &str) -> Option<PathBuf> {
    UNITS
        .iter()
        .map(|directory| root.join(directory).join(name))
        .find(|path| path.symlink_metadata().is_ok())
}

fn unit(root: &Path) -> Option<Unit> {
    let path = find(root, UNIT)?;
    // An absolute link in an image leads to a file below its root.
    let target = match fs::read_link(&path) {
        Ok(target) if target.is_absolute() && target != Path::new("/dev/null") => {
            below(root, &target)
        }
        Ok(target) if target == Path::new("/dev/null") => {
            return Some(Unit {
                path,
                masked: true,
                program: None,
            });
        }
        _ => path.clone(),
    };
    let text = read(&target).unwrap_or_default();
    Some(Unit {
        masked: text.is_empty() && target.metadata().is_ok_and(|found| found.len() == 0),
        program: program(root, &text),
        path,
    })
}

/// The program of `ExecStart=`: the first word, without the prefixes that say how it is run.
fn program(root: &Path, text: &str) -> Option<(PathBuf, Program)> {
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("ExecStart="))?;
    let word = line.split_whitespace().next()?;
    let path = below(
        root,
        Path::new(word.trim_start_matches(['@', '-', ':', '+', '!'])),
    );
    let found = match path.metadata() {
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => {
            Program::Executable
        }
        Ok(_) => Program::NotExecutable,
        Err(_) => Program::Missing,
    };
    Some((path, found))
}

/// The entries of a directory; none if it cannot be read.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}

fn has_extension(path: &Path, kind: &str) -> bool {
    path.extension().is_some_and(|extension| extension == kind)
}

/// The link to a unit in a `*.wants` or `*.requires` directory, of the administrator or of the vendor.
fn wanted_by(root: &Path, name: &str) -> Option<PathBuf> {
    for directory in UNITS {
        for path in entries(&root.join(directory)) {
            let link = path.join(name);
            if (has_extension(&path, "wants") || has_extension(&path, "requires"))
                && link.symlink_metadata().is_ok()
            {
                return Some(link);
            }
        }
    }
    None
}

/// The processes in the service's control group, one on each line; empty if the service does not run.
fn processes(root: &Path) -> Option<String> {
    let services = CONTROL_GROUPS
        .iter()
        .map(|path| root.join(path))
        .find(|path| path.is_dir())?;
    Some(fs::read_to_string(services.join(UNIT).join("cgroup.procs")).unwrap_or_default())
}

fn active(root: &Path) -> Option<bool> {
    Some(!processes(root)?.trim().is_empty())
}

/// The program of the first process, which is the agent's.
fn running(root: &Path) -> Option<PathBuf> {
    let process = processes(root)?.lines().next()?.to_owned();
    fs::read_link(root.join("proc").join(process).join("exe")).ok()
}

/// The unit's files that set variables of the configuration.
fn unit_environment(root: &Path) -> Vec<String> {
    let mut candidates: Vec<PathBuf> = find(root, UNIT).into_iter().collect();
    for directory in UNITS {
        candidates.extend(entries(&root.join(directory).join(format!("{UNIT}.d"))));
    }
    let mut files: Vec<String> = candidates
        .iter()
        .filter(|path| has_extension(path, "conf") || has_extension(path, "service"))
        .filter(|path| read(path).is_some_and(|text| text.lines().any(sets_variables)))
        .map(|path| path.display().to_string())
        .collect();
    files.sort_unstable();
    files
}

fn sets_variables(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("EnvironmentFile=")
        || line.starts_with("Environment=")
            && (line.contains("ECS_LIFECYCLE_AGENT_") || line.contains("AWS_"))
}

/// The beginning of a regular file, even if it is not UTF-8.
fn read(path: &Path) -> Option<String> {
    content(path).ok().flatten()
}

/// The same; `None` if there is no such file.
fn content(path: &Path) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        // This is checked before opening, because opening a FIFO waits for its writer.
        Ok(found) if !found.is_file() => return Err(io::Error::other("not a regular file")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(MOST_BYTES)
        .read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn ecs_config(path: &Path) -> Option<Result<EcsConfig, String>> {
    match content(path) {
        Ok(None) => None,
        Ok(Some(text)) => Some(Ok(assignments(&text))),
        Err(error) => Some(Err(error.to_string())),
    }
}

/// Parses lines of the form `KEY=value`. If a key occurs twice, the last line counts.
fn assignments(text: &str) -> EcsConfig {
    let mut config = EcsConfig::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            config.odd.push((number, "has no \"=\""));
            continue;
        };
        if key.starts_with("export ") {
            config.odd.push((number, "begins with \"export\""));
        } else if key.is_empty() || key.contains(char::is_whitespace) {
            config.odd.push((number, "has a space before the \"=\""));
        }
        let known = match key {
            "ECS_CLUSTER" => &mut config.cluster,
            "ECS_ENABLE_SPOT_INSTANCE_DRAINING" => &mut config.spot_draining,
            "ECS_CONTAINER_STOP_TIMEOUT" => &mut config.stop_timeout,
            _ => continue,
        };
        *known = Some(value.trim().trim_matches(['"', '\'']).to_owned());
    }
    config
}

/// The `v1.datasource` of cloud-init's result, such as `DataSourceEc2Local`.
fn cloud_init(path: &Path) -> Option<String> {
    let result: serde_json::Value = serde_json::from_str(&read(path)?).ok()?;
    Some(result.get("v1")?.get("datasource")?.as_str()?.to_owned())
}

/// Creates and removes a file, which is the only way to know whether that is possible.
fn write_to(directory: &Path) -> StateDirectory {
    match directory.metadata() {
        Ok(found) if !found.is_dir() => {
            return StateDirectory::Unwritable("not a directory".to_owned());
        }
        Ok(_) => {}
        Err(error) => return refused(&error),
    }
    let probe = directory.join(format!(".doctor-{}", std::process::id()));
    match fs::File::create_new(&probe) {
        Ok(_) => {
            // If it stays, it does no harm: it is empty and the agent does not read it.
            let _ = fs::remove_file(&probe);
            StateDirectory::Writable
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &io::Error) -> StateDirectory {
    match error.kind() {
        io::ErrorKind::NotFound => StateDirectory::Missing,
        // The directory belongs to the unit's user, so that only root may see it.
        io::ErrorKind::PermissionDenied => StateDirectory::Hidden,
        _ => StateDirectory::Unwritable(error.to_string()),
    }
}

fn state_file(path: &Path) -> StateFile {
    match content(path) {
        Ok(None) => StateFile::None,
        Ok(Some(text)) => {
            let value: Option<serde_json::Value> = serde_json::from_slice(text.as_bytes()).ok();
            let id = value
                .as_ref()
                .and_then(|value| value.get("instance_id")?.as_str());
            match id {
                Some(id) => StateFile::About(id.to_owned()),
                None => StateFile::Unreadable("not a state file of the agent".to_owned()),
            }
        }
        Err(error) => StateFile::Unreadable(error.to_string()),
    }
}

/// The variables and files that the SDK would use before the role's credentials.
fn credential_overrides() -> Vec<String> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let mut overrides: Vec<String> = CREDENTIAL_VARIABLES
        .iter()
        .filter(|name| set(name).is_some())
        .map(|name| (*name).to_owned())
        .collect();
    let files = [
        ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
        ("AWS_CONFIG_FILE", ".aws/config"),
    ];
    for (variable, usual) in files {
        let file = match set(variable) {
            Some(file) => Some(PathBuf::from(file)),
            None => set("HOME").map(|home| Path::new(&home).join(usual)),
        };
        // A profile without credentials, for example with a region only, changes nothing.
        let has_credentials = |file: &PathBuf| {
            read(file).is_some_and(|text| {
                ["aws_access_key_id", "role_arn", "credential_", "sso_"]
                    .iter()
                    .any(|key| text.contains(key))
            })
        };
        overrides.extend(
            file.filter(has_credentials)
                .map(|file| file.display().to_string()),
        );
    }
    overrides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ecs_config_is_read_line_by_line() {
        let text = "# a comment\n\nECS_CLUSTER=one\nECS_ENGINE_AUTH_DATA={\"secret\":1}\n\
                    export ECS_CLUSTER=two\nnonsense\nECS_CLUSTER = three\nECS_CLUSTER=\"four\"\n";
        let config = assignments(text);
        assert_eq!(config.cluster.as_deref(), Some("four"));
        assert_eq!(config.stop_timeout, None);
        let lines: Vec<usize> = config.odd.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [5, 6, 7]);
    }
}
