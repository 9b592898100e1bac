//! The signed repositories of `packaging/repository.sh`: by `packaging/install-from.sh` a real dnf and a real apt install from them, with every
//! signature checked, and refuse what was tampered with.

use std::path::{Path, PathBuf};

use super::file::{BINARY, bring, package, packaged};
use super::machine::{Machine, UNIT};
use super::stage::{COMPLETE, Stage, web};

const REPOSITORY: &str = "/srv/repository";
const KEY: &str = "a throw-away key";

/// rpm does not know what dpkg has installed: a package without files says so.
const HOST: &str = "Name: debian\nVersion: 1\nRelease: 1\nSummary: What dpkg has installed\nLicense: none\n\
    BuildArch: noarch\nProvides: systemd\nProvides: /bin/sh\n%description\n%files\n";

/// A machine with both repositories on its disk.
async fn machine() -> Stage {
    let mut stage = Stage::with(Machine::without_agent().await, vec![web(1)]).await;
    let machine = &mut stage.machine;
    machine.boot().await;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    for script in ["repository.sh", "install-from.sh"] {
        bring(machine, &source.join(script));
    }
    for kind in ["deb", "rpm"] {
        bring(machine, &package(kind));
    }
    // Of the network there is none.
    machine.write("etc/apt/sources.list", "");
    machine.write("root/host.spec", HOST);
    sh(
        machine,
        &format!(
            "gpg --batch --quiet --passphrase '' --quick-generate-key '{KEY}' rsa3072 sign never
            rpmbuild -bb --quiet --define '_topdir /root/rpmbuild' /root/host.spec
            rpm --install /root/rpmbuild/RPMS/noarch/debian-1-1.noarch.rpm
            {MAKE}"
        ),
    )
    .await;
    stage
}

/// Runs a script that has to succeed.
async fn sh(machine: &Machine, script: &str) {
    let command = ["env", "HOME=/root", "bash", "-ec", script];
    machine.run(&command).await;
}

const MAKE: &str = "rm -rf /srv/repository
    bash /root/repository.sh /srv/repository 'a throw-away key' /root/*.deb /root/*.rpm
    gpgconf --kill all";
const APT: &str = "rm -rf /var/lib/apt/lists/*; bash /root/install-from.sh /srv/repository apt";
const DNF: &str = "bash /root/install-from.sh /srv/repository dnf";

/// It is refused, for this reason, and nothing is installed.
async fn refused(machine: &Machine, install: &str, why: &[&str]) {
    let command = ["env", "HOME=/root", "sh", "-c", install];
    let output = machine.try_run(&command).await;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(!output.status.success(), "{said}");
    assert!(why.iter().any(|why| said.contains(why)), "{said}");
    assert!(!machine.path(BINARY).exists(), "{said}");
}

async fn installed_it_drains(stage: &Stage, install: &str) {
    let machine = &stage.machine;
    sh(machine, install).await;
    machine.systemctl(&["start", UNIT]).await;
    machine
        .until("StatusText", |text| {
            text.starts_with("watching: ") && !text.contains("not registered yet")
        })
        .await;
    stage.instance.terminate();
    stage.gone_in_order().await;
    assert_eq!(stage.count(COMPLETE), 1);
}

/// The only file of this kind in the repository.
fn only(machine: &Machine, folder: &str, extension: &str) -> PathBuf {
    let mut folders = vec![machine.path(&format!("{REPOSITORY}/{folder}"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                return path;
            }
        }
    }
    panic!("no {extension} in {folder}");
}

/// Flips a byte in the middle; returns what was there.
fn flip(path: &Path) -> Vec<u8> {
    let good = std::fs::read(path).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    std::fs::write(path, bad).unwrap();
    good
}

#[test]
fn apt_installs_what_is_signed_and_refuses_what_is_not() {
    packaged(async || {
        let stage = machine().await;
        let machine = &stage.machine;
        let deb = only(machine, "deb", "deb");
        let good = flip(&deb);
        refused(machine, APT, &["Hash Sum mismatch"]).await;
        // Whoever can change the package can change the list as well, but not sign it.
        let again = format!(
            "cd {REPOSITORY}/deb && sed -i \"s/^SHA256: .*/SHA256: $(sha256sum pool/*/*/*/*.deb | cut -c1-64)/\" \
             dists/stable/main/binary-amd64/Packages && rm dists/stable/main/binary-amd64/Packages.gz"
        );
        sh(machine, &again).await;
        refused(machine, APT, &["Hash Sum mismatch", "unexpected size"]).await;
        let forge = format!(
            "cd {REPOSITORY}/deb/dists/stable && sed -i s/Codename/codename/ Release && sed -i s/^Codename/codename/ InRelease"
        );
        sh(machine, &forge).await;
        refused(machine, APT, &["BADSIG", "invalid", "not signed"]).await;

        sh(machine, MAKE).await;
        assert_eq!(std::fs::read(&deb).unwrap(), good);
        installed_it_drains(&stage, APT).await;
    });
}

#[test]
fn dnf_installs_what_is_signed_and_refuses_what_is_not() {
    packaged(async || {
        let stage = machine().await;
        let machine = &stage.machine;
        let rpm = only(machine, "rpm", "rpm");
        flip(&rpm);
        let bad = std::fs::read(&rpm).unwrap();
        refused(machine, DNF, &["checksum", "Checksum"]).await;
        // With a list that fits the tampered package, but is not signed.
        let again = format!("createrepo_c --quiet {REPOSITORY}/rpm");
        sh(machine, &again).await;
        refused(
            machine,
            DNF,
            &["repomd.xml GPG signature verification error"],
        )
        .await;
        // With a list that is not looked at: the package's own signature is left.
        let unsigned = "dnf --assumeyes --refresh --setopt=ecs-lifecycle-agent.repo_gpgcheck=0 install ecs-lifecycle-agent";
        refused(machine, unsigned, &["GPG", "digest", "signature"]).await;

        sh(machine, MAKE).await;
        assert_ne!(std::fs::read(&rpm).unwrap(), bad);
        installed_it_drains(&stage, DNF).await;
    });
}
