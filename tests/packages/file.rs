//! The package files, and newer ones made of them.

use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::isolate::{directory, isolated};
use super::machine::Machine;

/// What every package installs.
pub const INSTALLED: [&str; 7] = [
    "/etc/ecs-lifecycle-agent/config.toml",
    "/usr/bin/ecs-lifecycle-agent",
    "/usr/lib/systemd/system-preset/80-ecs-lifecycle-agent.preset",
    "/usr/lib/systemd/system/ecs-lifecycle-agent.service",
    "/usr/share/bash-completion/completions/ecs-lifecycle-agent",
    "/usr/share/fish/vendor_completions.d/ecs-lifecycle-agent.fish",
    "/usr/share/man/man8/ecs-lifecycle-agent.8.gz",
];

pub const BINARY: &str = "/usr/bin/ecs-lifecycle-agent";

/// Makes a skip a failure.
const REQUIRE: &str = "ECS_LIFECYCLE_REQUIRE_SYSTEMD";

/// `isolated`, where `make packages` has made packages.
pub fn packaged<T, F>(test: T)
where
    T: FnOnce() -> F,
    F: Future<Output = ()>,
{
    let missing: Vec<PathBuf> = ["deb", "rpm"]
        .map(package)
        .into_iter()
        .filter(|path| !path.exists())
        .collect();
    if missing.is_empty() {
        return isolated(test);
    }
    assert!(
        std::env::var_os(REQUIRE).is_none(),
        "make packages has not made {missing:?}, and {REQUIRE} is set"
    );
    // Past the harness, which keeps what a passed test prints.
    let line = format!("SKIPPED: make packages has not made {missing:?}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// A package that `make packages` makes, for this machine.
pub fn package(kind: &str) -> PathBuf {
    let version = env!("CARGO_PKG_VERSION");
    let arch = std::env::consts::ARCH;
    let name = match kind {
        "deb" => {
            let arch = match arch {
                "x86_64" => "amd64",
                "aarch64" => "arm64",
                other => other,
            };
            format!("ecs-lifecycle-agent_{version}-1_{arch}.deb")
        }
        _ => format!("ecs-lifecycle-agent-{version}-1.{arch}.rpm"),
    };
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .join("packages")
        .join(name)
}

/// Copies a package onto the machine's disk; returns where the machine finds it.
pub fn bring(machine: &Machine, package: &Path) -> String {
    let name = package.file_name().unwrap().to_str().unwrap();
    let path = machine.write(&format!("root/{name}"), "");
    std::fs::copy(package, path).unwrap();
    format!("/root/{name}")
}

/// Runs a command of this machine's; returns what it prints.
pub fn here(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{command} {arguments:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A binary that differs in one thing: it does not know the key `drain.standalone_stop_after`.
pub fn without_a_key(binary: &[u8]) -> Vec<u8> {
    let (key, other) = (b"standalone_stop_after", b"standalone_stop_aftex");
    let mut binary = binary.to_vec();
    let mut found = 0;
    for at in 0..binary.len() - key.len() {
        if binary[at..].starts_with(key) {
            binary[at..at + key.len()].copy_from_slice(other);
            found += 1;
        }
    }
    assert!(found > 0, "the key is not in the binary as a text");
    binary
}

/// The same .deb as the next release, with another sample configuration and this binary: in a directory of
/// its own.
pub fn newer_deb(package: &Path, binary: Option<&[u8]>) -> PathBuf {
    let tree = directory().join("layer/newer-deb");
    // Of the last time, perhaps.
    let _ = std::fs::remove_dir_all(&tree);
    let tree_name = tree.to_str().unwrap();
    here("dpkg-deb", &["-R", package.to_str().unwrap(), tree_name]);
    let control = tree.join("DEBIAN/control");
    let text = std::fs::read_to_string(&control).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let newer = text.replace(
        &format!("Version: {version}-1\n"),
        &format!("Version: {version}-2\n"),
    );
    assert_ne!(text, newer);
    std::fs::write(&control, newer).unwrap();
    let sample = tree.join("etc/ecs-lifecycle-agent/config.toml");
    let text = std::fs::read_to_string(&sample).unwrap();
    std::fs::write(&sample, format!("{text}\n# new in this release\n")).unwrap();
    if let Some(binary) = binary {
        std::fs::write(tree.join("usr/bin/ecs-lifecycle-agent"), binary).unwrap();
    }
    let built = directory().join("layer/newer.deb");
    here(
        "dpkg-deb",
        &[
            "--root-owner-group",
            "-Znone",
            "-b",
            tree_name,
            built.to_str().unwrap(),
        ],
    );
    built
}

/// The .rpm of the same files, with this binary, as the next release.
pub fn newer_rpm(binary: &[u8]) -> PathBuf {
    let source = env!("CARGO_MANIFEST_DIR");
    let built = directory().join("layer/newer.rpm");
    let target = directory().join("layer/newer-rpm");
    std::fs::create_dir_all(target.join("release")).unwrap();
    std::fs::write(target.join("release/ecs-lifecycle-agent"), binary).unwrap();
    let tool = format!("{source}/target/tools/bin/cargo-generate-rpm");
    let output = Command::new(tool)
        .args([
            "generate-rpm",
            "--set-metadata",
            "release = \"2\"",
            "--payload-compress",
            "none",
            "--output",
        ])
        .arg(&built)
        .arg("--target-dir")
        .arg(&target)
        .current_dir(source)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    built
}
