//! Each test in namespaces of its own: network, mounts, processes. What it started ends with it, however
//! it ends.

use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, OnceLock};

/// Set for the test that runs inside.
const INSIDE: &str = "ECS_LIFECYCLE_SYSTEMD_TEST";
/// Makes a skip a failure.
const REQUIRE: &str = "ECS_LIFECYCLE_REQUIRE_SYSTEMD";
/// Where the root file system is, and what belongs to it.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .join(super::DIRECTORY)
}

/// Runs the test that calls it again, in a process that has everything to itself.
pub fn isolated<T, F>(test: T)
where
    T: FnOnce() -> F,
    F: Future<Output = ()>,
{
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            tokio::time::timeout(super::LIMIT, test())
                .await
                .expect("the test takes too long");
        });
        return;
    }
    let name = name_of::<T>();
    if let Err(why) = possible() {
        assert!(
            std::env::var_os(REQUIRE).is_none(),
            "{name} cannot run here, and {REQUIRE} is set: {why}"
        );
        // Past the harness, which keeps what a passed test prints.
        let line = format!("SKIPPED: {name}: {why}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
        return;
    }
    let _slot = Slot::take();
    let output = inside()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        // A name that fits no test would run none, and pass.
        output.status.success() && text.contains("1 passed"),
        "{}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// `restart::a_test`, from the type of its closure: `systemd::restart::a_test::{{closure}}`.
fn name_of<T>() -> &'static str {
    let path = std::any::type_name::<T>();
    let path = path.strip_suffix("::{{closure}}").unwrap_or(path);
    path.split_once("::").map_or(path, |(_, name)| name)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/systemd")
        .join(name)
}

/// Whether such tests can run on this machine; makes the root file system if need be.
fn possible() -> Result<(), &'static str> {
    static ANSWER: OnceLock<Result<(), String>> = OnceLock::new();
    let answer = ANSWER.get_or_init(|| {
        let output = Command::new(script("rootfs.sh"))
            .arg(directory())
            .arg(super::MORE_PACKAGES)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("rootfs.sh: {error}"))?;
        match output.status.code() {
            Some(0) => binary_runs(),
            Some(77) => Err(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            _ => Err(format!(
                "rootfs.sh: {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            )),
        }
    });
    answer.as_ref().copied().map_err(String::as_str)
}

/// Built against a newer C library than the root file system has, it would not start there.
fn binary_runs() -> Result<(), String> {
    let try_it = r#"cp "$0" "$1/layer/machine/tmp/agent" && exec chroot "$1/layer/machine" /tmp/agent --version"#;
    let output = inside()
        .args([
            "sh",
            "-c",
            try_it,
            env!("CARGO_BIN_EXE_ecs-lifecycle-agent"),
        ])
        .arg(directory())
        .output()
        .map_err(|error| format!("setpriv: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!(
            "the binary does not start in the root file system: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }
}

/// What runs the command that follows in namespaces of its own, and ends it with the thread that asked.
fn inside() -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .args(["unshare", "--net", "--pid", "--mount", "--fork"])
        .args(["--kill-child", "--mount-proc", "--"])
        .arg(script("inside.sh"))
        .arg(directory())
        .stdin(Stdio::null());
    command
}

/// As many machines at a time as there are processors: what is asserted about time should hold.
struct Slot;

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

impl Slot {
    fn take() -> Self {
        let most = std::thread::available_parallelism().map_or(2, usize::from);
        let mut taken = FREED
            .wait_while(TAKEN.lock().unwrap(), |taken| *taken >= most)
            .unwrap();
        *taken += 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap() -= 1;
        FREED.notify_one();
    }
}
