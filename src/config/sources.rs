//! Finds the configuration files, and determines which of them count and in which order.
//!
//! The main file comes first, so that every drop-in replaces what it says. Drop-ins have systemd's
//! precedence: those of all directories are sorted together by file name, and of those with the
//! same name only the one in the last directory of [`DROP_INS`] counts. An empty file or a link to
//! /dev/null there masks the others. Changing any of this changes what fleets run with.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::problem::{Problems, Refusal};
use super::provenance::Origin;
use super::{LoadRequest, environment};

/// The main file, below the root.
const MAIN: &str = "etc/ecs-lifecycle-agent/config.toml";

/// The directories of drop-ins, below the root: the vendor's, the runtime's, the administrator's.
const DROP_INS: [&str; 3] = [
    "usr/lib/ecs-lifecycle-agent/config.d",
    "run/ecs-lifecycle-agent/config.d",
    "etc/ecs-lifecycle-agent/config.d",
];

/// The most bytes of a file. A larger one is no configuration and would take too much memory.
const MOST_BYTES: u64 = 1024 * 1024;

/// A file to read.
pub(super) struct SourcePath {
    pub(super) file: PathBuf,
    /// Whether it is an error if the file does not exist.
    required: bool,
}

/// The files that count, the one with the lowest precedence first.
pub(super) fn paths(request: &LoadRequest, problems: &mut Problems) -> Vec<SourcePath> {
    let required = |file| SourcePath {
        file,
        required: true,
    };
    if let Some(file) = &request.config_file {
        return vec![required(file.clone())];
    }
    match environment::config_file(&request.environment) {
        Some(Ok(file)) => return vec![required(file)],
        Some(Err(problem)) => {
            problems.add(|| *problem);
            return Vec::new();
        }
        None => {}
    }

    let mut paths = vec![SourcePath {
        file: request.root.join(MAIN),
        required: false,
    }];
    let mut by_name = BTreeMap::new();
    for directory in DROP_INS {
        let directory = request.root.join(directory);
        match drop_ins(&directory) {
            Ok(names) => {
                by_name.extend(names.into_iter().map(|name| {
                    let file = directory.join(&name);
                    (name, file)
                }));
            }
            Err(error) => problems.add(|| unreadable(&error).at(whole(&directory), None)),
        }
    }
    paths.extend(by_name.into_values().map(required));
    paths
}

/// The names of the drop-ins in a directory; none if there is no such directory.
fn drop_ins(directory: &Path) -> io::Result<Vec<OsString>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        // Names that begin with a dot are leftovers of editors, not drop-ins.
        if name.as_bytes().ends_with(b".toml") && !name.as_bytes().starts_with(b".") {
            names.push(name);
        }
    }
    Ok(names)
}

/// The content of a file; `None` if it is missing but not required, is empty, or cannot be read.
pub(super) fn read(source: &SourcePath, problems: &mut Problems) -> Option<String> {
    let missing = fs::symlink_metadata(&source.file)
        .is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    if missing && !source.required {
        return None;
    }
    match content(&source.file) {
        Ok(content) => content,
        Err(refusal) => {
            problems.add(|| refusal.at(whole(&source.file), None));
            None
        }
    }
}

fn content(file: &Path) -> Result<Option<String>, Refusal> {
    let metadata = fs::metadata(file).map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        // This is checked before opening, because opening a FIFO waits for its writer.
        if fs::canonicalize(file).is_ok_and(|target| target == Path::new("/dev/null")) {
            return Ok(None);
        }
        return Err(Refusal::new(
            "this is not a regular file",
            "put a file there, or a link to one; to mask it, a link to /dev/null",
        ));
    }

    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Refusal::new(
            format!("the file is larger than {MOST_BYTES} bytes"),
            "check that it is the right file, and shorten it",
        ));
    }
    if bytes.is_empty() {
        return Ok(None);
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().iter().take(valid);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        Refusal::new(
            format!("line {line} is not UTF-8"),
            "save the file in UTF-8",
        )
    })
}

fn unreadable(error: &io::Error) -> Refusal {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "create the file, or correct or remove what names it",
        io::ErrorKind::PermissionDenied => "let the user that the agent runs as read it",
        _ => "correct what the system complains about, or remove it",
    };
    Refusal::new(format!("it cannot be read ({error})"), remedy)
}

/// The origin of a file or directory as a whole.
fn whole(path: &Path) -> Origin {
    Origin::File {
        path: path.to_path_buf(),
        line: None,
    }
}
