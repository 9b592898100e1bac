//! A machine to examine: a simulated instance, and the files of a host below a directory.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ecs_lifecycle_rig::Scratch;
use ecs_lifecycle_simulator::{
    Fault, FaultId, FaultKind, GroupSpec, HookSpec, Instance, InstanceSpec, LifecycleActionResult,
    Options, Simulator, TaskSpec,
};
use serde_json::Value;

pub const UNIT: &str = "ecs-lifecycle-agent.service";
pub const LINK: &str = "etc/systemd/system/ecs.service.wants/ecs-lifecycle-agent.service";
pub const STATE: &str = "var/lib/ecs-lifecycle-agent/state.json";
pub const CONFIG: &str = "etc/ecs-lifecycle-agent/config.toml";
pub const ECS_CONFIG: &str = "etc/ecs/ecs.config";

/// The files of a host on which all is well.
pub struct Host(Scratch);

impl Host {
    pub fn new() -> Self {
        let host = Self(Scratch::new().unwrap());
        let unit = format!("{}/systemd/{UNIT}", env!("CARGO_MANIFEST_DIR"));
        let unit = std::fs::read_to_string(unit).unwrap();
        host.write(&format!("usr/lib/systemd/system/{UNIT}"), &unit);
        for unit in ["docker.service", "ecs.service"] {
            let path = format!("usr/lib/systemd/system/{unit}");
            host.write(&path, "[Service]\nExecStart=/bin/true\n");
        }
        host.link(LINK, &format!("/usr/lib/systemd/system/{UNIT}"));
        host.link(
            "etc/systemd/system/multi-user.target.wants/ecs.service",
            "/usr/lib/systemd/system/ecs.service",
        );
        host.write("usr/bin/ecs-lifecycle-agent", "a program");
        host.mode("usr/bin/ecs-lifecycle-agent", 0o755);
        let processes = format!("sys/fs/cgroup/system.slice/{UNIT}/cgroup.procs");
        host.write(&processes, "4711\n");
        host.write(ECS_CONFIG, "ECS_CLUSTER=demo\n");
        std::fs::create_dir_all(host.path("var/lib/ecs-lifecycle-agent")).unwrap();
        host
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn link(&self, path: &str, target: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    pub fn mode(&self, path: &str, mode: u32) {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path(path), permissions).unwrap();
    }

    pub fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }

    /// Runs the doctor, without any environment but this.
    pub fn doctor(&self, arguments: &[&str], environment: &[(String, String)]) -> Output {
        // Another build, a packaged one say, can be put to the same tests.
        let binary = std::env::var("AGENT_BINARY")
            .unwrap_or_else(|_| env!("CARGO_BIN_EXE_ecs-lifecycle-agent").to_owned());
        let output = Command::new(binary)
            .env_clear()
            .envs(environment.iter().cloned())
            .arg("doctor")
            .args(arguments)
            .arg("--root")
            .arg(self.root())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Output {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The findings during the build of an image.
    pub fn image(&self) -> Report {
        Report::of(&self.doctor(&["--image", "--json"], &[]))
    }
}

pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// What `--json` said.
#[derive(Debug)]
pub struct Report(Value);

impl Report {
    /// Holds the output to its own rules, too.
    pub fn of(output: &Output) -> Self {
        assert_eq!(output.stderr, "");
        let report = Self(serde_json::from_str(&output.stdout).unwrap());
        let checks = report.checks();
        let mut ids: Vec<&str> = checks.iter().map(|check| text(check, "id")).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "each check is there once: {ids:?}");
        for check in checks {
            let bad = ["warning", "failure"].contains(&text(check, "status"));
            assert_eq!(bad, check["remedy"].is_string(), "{check}");
            assert!(!text(check, "summary").is_empty(), "{check}");
        }
        let code = match text(&report.0, "status") {
            "ok" => 0,
            "warning" => 1,
            "failure" => 2,
            other => panic!("{other}"),
        };
        assert_eq!(output.code, Some(code));
        report
    }

    pub fn checks(&self) -> &[Value] {
        self.0["checks"].as_array().unwrap()
    }

    pub fn check(&self, id: &str) -> &Value {
        let found = self.checks().iter().find(|check| check["id"] == id);
        found.unwrap_or_else(|| panic!("no {id} in {}", self.0))
    }

    pub fn mode(&self) -> &str {
        text(&self.0, "mode")
    }

    /// These checks complain, as `id` or, where it is but a warning, `id?`; and no others.
    #[track_caller]
    pub fn complains(&self, expected: &[&str]) -> &Self {
        let mut found: Vec<String> = self
            .checks()
            .iter()
            .filter_map(|check| match text(check, "status") {
                "failure" => Some(text(check, "id").to_owned()),
                "warning" => Some(format!("{}?", text(check, "id"))),
                _ => None,
            })
            .collect();
        let mut expected = expected.to_vec();
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{:#}", self.0);
        self
    }

    /// One check alone complains (`id?`: as a warning), and its summary and its remedy contain this.
    #[track_caller]
    pub fn finds(&self, expected: &str, summary: &str, remedy: &str) -> &Self {
        let id = expected.trim_end_matches('?');
        let report = self.complains(&[expected]);
        report.says(id, summary).advises(id, remedy)
    }

    /// The summary of a check contains this.
    #[track_caller]
    pub fn says(&self, id: &str, part: &str) -> &Self {
        let summary = text(self.check(id), "summary");
        assert!(
            summary.contains(part),
            "{id}: {part:?} is not in {summary:?}"
        );
        self
    }

    /// The remedy of a check contains this.
    #[track_caller]
    pub fn advises(&self, id: &str, part: &str) -> &Self {
        let remedy = text(self.check(id), "remedy");
        assert!(remedy.contains(part), "{id}: {part:?} is not in {remedy:?}");
        self
    }

    /// A check was not tried.
    #[track_caller]
    pub fn untried(&self, id: &str) -> &Self {
        assert_eq!(self.check(id)["status"], "untried", "{}", self.check(id));
        self
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    let text = value[key].as_str();
    text.unwrap_or_else(|| panic!("{key} of {value}"))
}

/// A host with a simulated instance around it.
pub struct Stage {
    pub simulator: Simulator,
    pub instance: Instance,
    pub host: Host,
    pub environment: Vec<(String, String)>,
}

pub fn drain_hook(name: &str) -> HookSpec {
    HookSpec::terminating(name).default_result(LifecycleActionResult::Continue)
}

pub fn group() -> GroupSpec {
    GroupSpec::new("demo-asg").hook(drain_hook("drain-hook"))
}

pub fn instance() -> InstanceSpec {
    InstanceSpec::new("demo")
        .group("demo-asg")
        .tag("aws:autoscaling:groupName", "demo-asg")
        .task(TaskSpec::service("web"))
}

impl Stage {
    /// Where all is well.
    pub async fn new() -> Self {
        Self::with(group(), instance()).await
    }

    pub async fn with(group: GroupSpec, instance: InstanceSpec) -> Self {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        simulator.add_cluster("demo");
        simulator.add_group(group);
        let instance = simulator.add_instance(instance).await.unwrap();
        let host = Host::new();
        host.write(
            "etc/ecs-lifecycle-agent/config.d/50-introspection.toml",
            // On a machine busy with other tests nothing is to time out that is not to hang.
            &format!(
                "[ecs]\nintrospection_endpoint = \"{}\"\nintrospection_timeout = \"30s\"\n\
                 [metadata]\nrequest_timeout = \"30s\"\n[aws]\nrequest_timeout = \"60s\"\n",
                instance.introspection_endpoint()
            ),
        );
        let environment = instance.env();
        Self {
            simulator,
            instance,
            host,
            environment,
        }
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(other, _)| other != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Sets a configuration key.
    pub fn configure(&mut self, section: &str, key: &str, value: &str) {
        let name = format!("ECS_LIFECYCLE_AGENT_{section}__{key}");
        self.set(&name.to_uppercase(), value);
    }

    pub fn doctor(&self, arguments: &[&str]) -> Output {
        self.host.doctor(arguments, &self.environment)
    }

    /// As [`Report::finds`].
    #[track_caller]
    pub fn finds(&self, expected: &str, summary: &str, remedy: &str) -> Report {
        let report = self.examine();
        report.finds(expected, summary, remedy);
        report
    }

    pub fn fault(&self, operation: &str, kind: FaultKind) -> FaultId {
        self.simulator.fault(Fault::on(operation, kind))
    }

    pub fn examine(&self) -> Report {
        Report::of(&self.doctor(&["--json"]))
    }
}
