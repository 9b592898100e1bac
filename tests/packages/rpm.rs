//! The .rpm: read as files, and installed by rpm on a machine that is otherwise Debian's.

use super::file::{BINARY, INSTALLED, bring, newer_rpm, package, packaged};
use super::machine::{Machine, UNIT, poll};
use super::stage::{COMPLETE, Stage, web};

const CONFIG: &str = "/etc/ecs-lifecycle-agent/config.toml";

/// A machine that is on, with the package on its disk. rpm's own file system layout is not Debian's, so
/// what the package needs of it (systemd) rpm does not find there: --nodeps.
pub async fn machine() -> (Stage, String) {
    let mut stage = Stage::with(Machine::without_agent().await, vec![web(2)]).await;
    stage.machine.boot().await;
    let path = bring(&stage.machine, &package("rpm"));
    (stage, path)
}

async fn query(stage: &Stage, arguments: &[&str]) -> String {
    let command = [&["rpm", "--query", "--package"], arguments].concat();
    stage.machine.run(&command).await
}

#[test]
fn what_is_in_it_is_all_there_and_nothing_else() {
    packaged(async || {
        let (stage, path) = machine().await;
        let mut expected: Vec<&str> = INSTALLED.to_vec();
        expected.extend([
            "/usr/share/doc/ecs-lifecycle-agent/CHANGELOG.md",
            "/usr/share/licenses/ecs-lifecycle-agent/LICENSE",
            "/usr/share/zsh/site-functions/_ecs-lifecycle-agent",
        ]);
        expected.sort_unstable();
        let listed = query(&stage, &["--list", &path]).await;
        let mut files: Vec<&str> = listed.lines().collect();
        files.sort_unstable();
        assert_eq!(files, expected);

        // Nobody but root owns or may write any of it, and only the program can be run.
        let shown = query(
            &stage,
            &[
                "--queryformat",
                "[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}\n]",
                &path,
            ],
        )
        .await;
        for line in shown.lines() {
            let mode = if line.ends_with("/usr/bin/ecs-lifecycle-agent") {
                "-rwxr-xr-x root:root "
            } else {
                "-rw-r--r-- root:root "
            };
            assert!(line.starts_with(mode), "{line}");
        }
        assert_eq!(
            query(&stage, &["--configfiles", &path]).await,
            format!("{CONFIG}\n")
        );
        let flags = query(
            &stage,
            &[
                "--queryformat",
                "[%{FILENAMES} %{FILEFLAGS:fflags}\n]",
                &path,
            ],
        )
        .await;
        assert!(flags.contains(&format!("{CONFIG} cn\n")), "{flags}");

        let facts = query(
            &stage,
            &[
                "--queryformat",
                "%{NAME} %{VERSION} %{LICENSE} %{ARCH}",
                &path,
            ],
        )
        .await;
        assert_eq!(
            facts,
            format!(
                "ecs-lifecycle-agent {} Apache-2.0 {}",
                env!("CARGO_PKG_VERSION"),
                std::env::consts::ARCH
            )
        );
        let needs = query(&stage, &["--requires", &path]).await;
        let systemd = needs.lines().any(|line| line.trim() == "systemd");
        assert!(systemd && !needs.contains("libc"), "{needs}");
    });
}

#[test]
fn its_scripts_are_those_of_the_source_and_shell() {
    packaged(async || {
        let (stage, path) = machine().await;
        let shown = query(&stage, &["--scripts", &path]).await;
        for (title, script) in [
            ("preinstall", include_str!("../../packaging/deb/preinst")),
            ("postinstall", include_str!("../../packaging/rpm/post")),
            ("preuninstall", include_str!("../../packaging/rpm/preun")),
            ("postuninstall", include_str!("../../packaging/rpm/postun")),
        ] {
            assert!(
                shown.contains(&format!(
                    "{title} scriptlet (using /bin/sh):\n{}",
                    script.trim_end()
                )),
                "{title}: {shown}"
            );
            stage.machine.run(&["sh", "-n", "-c", script]).await;
        }
        assert_eq!(shown.matches("scriptlet (using").count(), 4, "{shown}");
    });
}

#[test]
fn installed_it_is_enabled_and_once_started_drains_and_erased_it_is_gone() {
    packaged(async || {
        let (stage, path) = machine().await;
        let machine = &stage.machine;
        machine.run(&["rpm", "--install", "--nodeps", &path]).await;
        assert_eq!(machine.property("UnitFileState").await, "enabled");
        assert_eq!(machine.property("ActiveState").await, "inactive");
        machine
            .run(&["rpm", "--verify", "--nodeps", "ecs-lifecycle-agent"])
            .await;

        machine.systemctl(&["start", UNIT]).await;
        machine
            .run(&["systemd-analyze", "security", "--threshold=15", UNIT])
            .await;
        stage.instance.terminate();
        stage.gone_in_order().await;
        assert_eq!(stage.count(COMPLETE), 1);

        machine.write(
            CONFIG.trim_start_matches('/'),
            "[drain]\ntimeout = \"10m\"\n",
        );
        machine
            .run(&["rpm", "--erase", "--nodeps", "ecs-lifecycle-agent"])
            .await;
        let exists = async |path: &str| {
            machine
                .try_run(&["test", "-e", path])
                .await
                .status
                .success()
        };
        assert_eq!(machine.property("ActiveState").await, "inactive");
        assert!(!exists("/usr/bin/ecs-lifecycle-agent").await);
        assert!(!exists("/var/lib/private/ecs-lifecycle-agent").await);
        assert!(!exists("/etc/systemd/system/ecs.service.wants/ecs-lifecycle-agent.service").await);
        assert!(exists(&format!("{CONFIG}.rpmsave")).await);
    });
}

#[test]
fn upgraded_it_is_restarted_and_its_configuration_kept() {
    packaged(async || {
        let (stage, path) = machine().await;
        let machine = &stage.machine;
        machine.run(&["rpm", "--install", "--nodeps", &path]).await;
        let ours = "[drain]\ntimeout = \"10m\"\n";
        machine.write(CONFIG.trim_start_matches('/'), ours);
        machine.systemctl(&["start", UNIT]).await;
        let before = machine.agent().await;
        let binary = std::fs::read(machine.path(BINARY)).unwrap();
        let newer = bring(machine, &newer_rpm(&binary));
        machine.run(&["rpm", "--upgrade", "--nodeps", &newer]).await;
        poll("a new process", async || {
            let agent = machine.agent().await;
            (agent != 0 && agent != before).then_some(())
        })
        .await;
        machine.until_is("ActiveState", "active").await;
        assert_eq!(machine.property("UnitFileState").await, "enabled");
        assert_eq!(machine.run(&["cat", CONFIG]).await, ours);
        let release = [
            "rpm",
            "--query",
            "--queryformat",
            "%{RELEASE}",
            "ecs-lifecycle-agent",
        ];
        assert_eq!(machine.run(&release).await, "2");
    });
}
