//! A machine: a Debian in a container, with the agent installed as its package would.

#![expect(
    clippy::disallowed_methods,
    reason = "polls with a deadline what gives no event"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::{Child, Command};

use super::isolate::directory;

/// Longer than anything here takes, on a machine busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const UNIT: &str = "ecs-lifecycle-agent.service";

/// What stands in for Docker and the ECS agent: something that runs, in their order.
const DOCKER: &str = "[Unit]\nDescription=Docker\n\
    [Service]\nExecStart=/bin/sleep infinity\n\
    [Install]\nWantedBy=multi-user.target\n";
const ECS: &str = "[Unit]\nDescription=ECS agent\nRequires=docker.service\nAfter=docker.service\n\
    [Service]\nExecStart=/bin/sleep infinity\n\
    [Install]\nWantedBy=multi-user.target\n";

/// The machine, on or off. Its disk is kept as long as the test runs.
pub struct Machine {
    root: PathBuf,
    on: Option<On>,
}

struct On {
    nspawn: Child,
    /// The machine's first process.
    leader: u32,
}

impl Machine {
    /// Installs what stands in for Docker and the ECS agent, and nothing else.
    pub async fn without_agent() -> Self {
        let root = directory().join("layer/machine");
        let machine = Self { root, on: None };
        machine.write("etc/systemd/system/docker.service", DOCKER);
        machine.write("etc/systemd/system/ecs.service", ECS);
        machine
            .offline(&["systemctl", "enable", "docker", "ecs"])
            .await;
        machine
    }

    /// Installs the agent and the unit as well.
    pub async fn new() -> Self {
        let machine = Self::without_agent().await;
        let binary = machine.write("usr/bin/ecs-lifecycle-agent", "");
        std::fs::copy(env!("CARGO_BIN_EXE_ecs-lifecycle-agent"), &binary).unwrap();
        std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
        let unit = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("systemd")
            .join(UNIT);
        std::fs::copy(
            unit,
            machine.write(&format!("usr/lib/systemd/system/{UNIT}"), ""),
        )
        .unwrap();
        machine.offline(&["systemctl", "enable", UNIT]).await;
        machine
    }

    /// Where a file of the machine is.
    pub fn path(&self, path: &str) -> PathBuf {
        // Joined to an absolute path, it would be a file of the host's.
        self.root.join(path.trim_start_matches('/'))
    }

    /// Writes a file of the machine; returns where it is.
    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Writes a drop-in for the agent's unit.
    pub fn drop_in(&self, name: &str, text: &str) {
        self.write(&format!("etc/systemd/system/{UNIT}.d/{name}.conf"), text);
    }

    /// Switches it on, and waits until systemd listens.
    pub async fn boot(&mut self) {
        let console = std::fs::File::create(self.root.join("../console")).unwrap();
        let mut nspawn = Command::new("sh")
            .args([
                "-c",
                "echo $$ >\"$MACHINE_CGROUP/cgroup.procs\" && exec \"$@\"",
            ])
            .args(["sh", "systemd-nspawn", "--boot", "--quiet"])
            .args(["--register=no", "--keep-unit", "--console=read-only"])
            .args([
                "--machine=instance",
                "--network-namespace-path=/proc/self/ns/net",
            ])
            .arg("--directory")
            .arg(&self.root)
            .stdin(Stdio::null())
            .stdout(console.try_clone().unwrap())
            .stderr(console)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let parent = nspawn.id().unwrap();
        let leader = poll("the machine's first process", async || {
            assert!(nspawn.try_wait().unwrap().is_none(), "it does not start");
            leader_of(parent)
        })
        .await;
        self.on = Some(On { nspawn, leader });
        poll("systemd listens", async || {
            self.try_run(&["systemctl", "show", "--property=Version"])
                .await
                .status
                .success()
                .then_some(())
        })
        .await;
    }

    /// Runs a command in it.
    pub async fn try_run(&self, command: &[&str]) -> Output {
        let leader = self.on.as_ref().expect("it is off").leader;
        Command::new("nsenter")
            .args(["--target", &leader.to_string(), "--all", "--"])
            .args(["env", "--ignore-environment"])
            .args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"])
            .args(command)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap()
    }

    /// Runs a command in it that has to succeed; returns what it prints.
    pub async fn run(&self, command: &[&str]) -> String {
        printed(command, &self.try_run(command).await)
    }

    /// Runs a command on its disk.
    pub async fn offline(&self, command: &[&str]) -> String {
        let output = Command::new("chroot")
            .arg(&self.root)
            .args(command)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        printed(command, &output)
    }

    /// `systemctl` with these arguments.
    pub async fn systemctl(&self, arguments: &[&str]) -> String {
        self.run(&[&["systemctl"], arguments].concat()).await
    }

    /// A property of a unit.
    pub async fn property_of(&self, unit: &str, name: &str) -> String {
        let text = self
            .systemctl(&["show", "--value", "--property", name, unit])
            .await;
        text.trim_end().to_owned()
    }

    /// A property of the agent's unit.
    pub async fn property(&self, name: &str) -> String {
        self.property_of(UNIT, name).await
    }

    /// Waits until a property of the agent's unit is as wanted; returns it.
    pub async fn until(&self, name: &str, wanted: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let value = self.property(name).await;
            if wanted(&value) {
                return value;
            }
            if started.elapsed() > PATIENCE {
                let journal = self
                    .run(&["journalctl", "--unit", UNIT, "--lines=40"])
                    .await;
                panic!("{name} is still {value:?}\n{journal}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a property of the agent's unit has this value.
    pub async fn until_is(&self, name: &str, wanted: &str) {
        self.until(name, |value| value == wanted).await;
    }

    /// The agent's process id, in the machine.
    pub async fn agent(&self) -> u32 {
        self.property("MainPID").await.parse().unwrap()
    }

    /// The journal: all boots, all units. On or off.
    pub async fn journal(&self) -> Vec<Entry> {
        let command = [
            "journalctl",
            "--output=json",
            "--all",
            "--directory=/var/log/journal",
        ];
        let text = if self.on.is_some() {
            // Early at boot there is nobody yet to ask.
            self.try_run(&["journalctl", "--sync"]).await;
            self.run(&command).await
        } else {
            self.offline(&command).await
        };
        text.lines()
            .map(|line| Entry(serde_json::from_str(line).unwrap()))
            .collect()
    }

    /// Waits for an entry of the agent's own with this in its message.
    pub async fn logged(&self, part: &str) -> Entry {
        let agent =
            |entry: &Entry| entry.field("_SYSTEMD_UNIT") == UNIT && entry.message().contains(part);
        poll(part, async || self.journal().await.into_iter().find(agent)).await
    }

    /// Waits until it has switched itself off; returns the time that took.
    pub async fn ended(&mut self) -> Duration {
        let started = Instant::now();
        let mut on = self.on.take().expect("it is off");
        tokio::time::timeout(PATIENCE, on.nspawn.wait())
            .await
            .expect("the machine does not go down")
            .unwrap();
        started.elapsed()
    }

    /// Pulls the plug.
    pub async fn cut_power(&mut self) {
        let leader = self.on.as_ref().expect("it is off").leader.to_string();
        let kill = ["-KILL", &leader];
        Command::new("kill").args(kill).status().await.unwrap();
        self.ended().await;
    }
}

fn printed(command: &[&str], output: &Output) -> String {
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Asks until there is an answer.
pub async fn poll<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The child that is the first process of a namespace of processes.
fn leader_of(parent: u32) -> Option<u32> {
    let field = |status: &str, name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().last()?.parse::<u32>().ok()
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .find(|id| {
            std::fs::read_to_string(format!("/proc/{id}/status")).is_ok_and(|status| {
                field(&status, "PPid:") == Some(parent) && field(&status, "NSpid:") == Some(1)
            })
        })
}

/// An entry of the journal.
#[derive(Clone, Debug)]
pub struct Entry(Value);

impl Entry {
    /// A field, empty where there is none.
    pub fn field(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn message(&self) -> &str {
        self.field("MESSAGE")
    }

    /// Since the boot.
    pub fn at(&self) -> Duration {
        Duration::from_micros(self.field("__MONOTONIC_TIMESTAMP").parse().unwrap())
    }

    /// The names of all its fields.
    pub fn names(&self) -> Vec<&str> {
        let fields = self.0.as_object().unwrap();
        fields.keys().map(String::as_str).collect()
    }

    /// Whether it is systemd's word that the unit begins to stop.
    pub fn is_stopping(&self, unit: &str) -> bool {
        self.is_about("de5b426a63be47a7b6ac3eaac82e2f6f", unit)
    }

    /// Whether it is systemd's word that the unit has stopped.
    pub fn is_stopped(&self, unit: &str) -> bool {
        self.is_about("9d1aaa27d60140bd96365438aad20286", unit)
    }

    fn is_about(&self, message: &str, unit: &str) -> bool {
        self.field("MESSAGE_ID") == message && self.field("UNIT") == unit
    }
}
