//! What the binary is made of.

use std::path::Path;
use std::process::Command;

use crate::options::Options;
use crate::report::{Figure, Section};
use crate::stage::text;

const MOST_BYTES: f64 = 7e6;
/// Of Amazon Linux 2023.
const MOST_GLIBC: (u32, u32) = (2, 34);

/// Its size, the C library it needs, and the crates in it.
pub(crate) fn measure(options: &Options) -> Result<Section, String> {
    let size = std::fs::metadata(&options.agent).map_err(text)?.len();
    let glibc = match symbols(&options.agent) {
        None => Figure::text("glibc needed", "no objdump"),
        Some(symbols) => match newest_glibc(&symbols) {
            None => Figure::text("glibc needed", "none").judged(true, "2.34"),
            Some((major, minor)) => Figure::text("glibc needed", &format!("{major}.{minor}"))
                .judged((major, minor) <= MOST_GLIBC, "2.34"),
        },
    };
    let crates = match crates() {
        None => Figure::text("crates besides its own, here", "no cargo tree"),
        Some(count) => Figure::number("crates besides its own, here", f64::from(count), 0, ""),
    };
    Ok(Section {
        title: "Binary".to_owned(),
        figures: vec![
            Figure::bytes("size", size).at_most(MOST_BYTES, "7 MB"),
            Figure::text("size in bytes", &size.to_string()),
            glibc,
            crates,
        ],
        ..Section::default()
    })
}

fn output(program: &str, arguments: &[&std::ffi::OsStr]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn symbols(binary: &Path) -> Option<String> {
    output("objdump", &["-T".as_ref(), binary.as_os_str()])
}

/// The highest `GLIBC_2.x` among versions of symbols.
fn newest_glibc(symbols: &str) -> Option<(u32, u32)> {
    symbols
        .split("GLIBC_")
        .skip(1)
        .filter_map(|rest| {
            let mut parts = rest.split(|c: char| !c.is_ascii_digit());
            Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
        })
        .max()
}

/// Of the workspace that this is run in.
fn crates() -> Option<u32> {
    let own = "ecs-lifecycle-agent";
    let arguments = [
        "tree",
        "-e",
        "normal",
        "-p",
        own,
        "--prefix",
        "none",
        "--locked",
        "--offline",
    ];
    let tree = output("cargo", &arguments.map(std::ffi::OsStr::new))?;
    u32::try_from(count_crates(&tree, own)).ok()
}

/// Lines are `name vX.Y.Z (source) (*)`; the star marks one that was listed before.
fn count_crates(tree: &str, own: &str) -> usize {
    let crates: std::collections::BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?))
        })
        .filter(|(name, _)| *name != own)
        .collect();
    crates.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_glibc_compare_as_numbers() {
        let symbols = "\
0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.2.5) free
0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.34) pthread_create
0000000000000000  w   D  *UND*\t0000000000000000  Base        __gmon_start__
0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.4) read
0000000000000000      DF *UND*\t0000000000000000 (GLIBC_PRIVATE) secret
";
        assert_eq!(newest_glibc(symbols), Some((2, 34)));
        assert_eq!(newest_glibc("no symbols"), None);
    }

    #[test]
    fn a_crate_that_is_listed_again_counts_once() {
        let tree = "\
ecs-lifecycle-agent v0.1.0 (/src)
base64 v0.22.1
base64 v0.23.0
log v0.4.28
log v0.4.28 (*)
";
        assert_eq!(count_crates(tree, "ecs-lifecycle-agent"), 3);
    }
}
