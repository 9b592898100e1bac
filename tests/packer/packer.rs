//! Packer, and what it is run on.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::isolate::directory;
use super::machine::{Machine, poll};

/// Makes a skip a failure.
const REQUIRE: &str = "ECS_LIFECYCLE_REQUIRE_SYSTEMD";

pub fn source() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether a script of `packer/` says that it cannot run here (77): says why, unless that is a failure.
/// Any other failure is one.
pub fn skipped(script: &str) -> bool {
    let output = Command::new(source().join(script))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => false,
        Some(77) => {
            let why = said.trim();
            assert!(
                std::env::var_os(REQUIRE).is_none(),
                "{script} cannot run here, and {REQUIRE} is set: {why}"
            );
            let _ = std::io::stderr().write_all(format!("SKIPPED: {script}: {why}\n").as_bytes());
            true
        }
        _ => panic!(
            "{script}: {said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

/// Has a machine that is off take Packer's log-in, as an Amazon Linux does; returns the private key.
pub async fn accept_ssh(machine: &Machine) -> PathBuf {
    machine
        .offline(&["useradd", "--create-home", "--shell=/bin/bash", "ec2-user"])
        .await;
    machine.write(
        "etc/sudoers.d/ec2-user",
        "ec2-user ALL=(ALL) NOPASSWD:ALL\n",
    );
    machine
        .offline(&[
            "ssh-keygen",
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-f",
            "/root/key",
        ])
        .await;
    machine
        .offline(&[
            "install",
            "-D",
            "--owner=ec2-user",
            "--mode=600",
            "/root/key.pub",
            "/home/ec2-user/.ssh/authorized_keys",
        ])
        .await;
    let key = directory().join("layer/key");
    let text = machine.offline(&["cat", "/root/key"]).await;
    machine.offline(&["rm", "/root/key", "/root/key.pub"]).await;
    std::fs::write(&key, text).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    key
}

/// Waits until the machine takes log-ins.
pub async fn ssh_is_up() {
    poll("sshd", async || {
        tokio::net::TcpStream::connect("127.0.0.1:22")
            .await
            .ok()
            .map(drop)
    })
    .await;
}

/// Packer, as `make ami` runs it, with moto for AWS.
pub fn packer(endpoint: &str) -> tokio::process::Command {
    let target = source().join("target");
    let mut command = tokio::process::Command::new(target.join("tools/bin/packer"));
    command
        .env("PACKER_PLUGIN_PATH", target.join("packer/plugins"))
        .env("CHECKPOINT_DISABLE", "1")
        .env("PACKER_NO_COLOR", "1")
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ACCESS_KEY_ID", "testing")
        .env("AWS_SECRET_ACCESS_KEY", "testing")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .current_dir(source())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// `x86_64` or `arm64`: as EC2 and the template call it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    }
}

/// Builds the image on this machine, which is on; returns what Packer said, whether it worked or not.
pub async fn build(endpoint: &str, key: &Path, more: &[&str]) -> (bool, String) {
    let output = packer(endpoint)
        .args(["build", "-only", &format!("*.{}", architecture())])
        .args([
            "-var",
            "ssh_host=127.0.0.1",
            "-var",
            "ssh_keypair_name=builder",
        ])
        .args(["-var", &format!("ssh_private_key_file={}", key.display())])
        // It comes from Amazon Linux's repository.
        .args(["-var", "cloudwatch_agent=false"])
        .args(more)
        .arg("packer")
        .output()
        .await
        .unwrap();
    let said = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.success(), said)
}
