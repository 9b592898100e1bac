//! The fuzz targets in short: every committed input, and mutations of them, the same in every run.
//! `make fuzz` is the long run, with a fuzzer that looks for new paths.

// A test that cannot go on fails, and the fuzzer's own crate shares the properties.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]
#![allow(unreachable_pub)]

mod fuzz_targets;
#[path = "fuzz_targets/mutate.rs"]
mod mutate;

use std::fs;
use std::path::{Path, PathBuf};

use mutate::Mutator;

const MUTATIONS: usize = 20_000;

#[test]
fn metadata() {
    run("metadata", fuzz_targets::metadata);
}

#[test]
fn introspection() {
    run("introspection", fuzz_targets::introspection);
}

#[test]
fn configuration() {
    run("configuration", fuzz_targets::configuration);
}

#[test]
fn state() {
    run("state", fuzz_targets::state);
}

fn run(name: &str, target: fn(&[u8])) {
    let corpus = corpus(name);
    for (path, input) in &corpus {
        // Shown where it fails.
        eprintln!("{}", path.display());
        target(input);
    }
    let inputs = corpus.into_iter().map(|(_, input)| input).collect();
    let mut mutator = Mutator::new(1, inputs, dictionary(name));
    for number in 0..MUTATIONS {
        let input = mutator.input();
        let kept = input.clone();
        if std::panic::catch_unwind(move || target(&input)).is_err() {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
            fs::write(&path, kept).unwrap();
            panic!("mutation {number}, kept in {}", path.display());
        }
    }
}

/// Sorted: the mutations depend on the order.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(folder("corpus").join(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// libFuzzer's form: a token in quotes on each line.
fn dictionary(name: &str) -> Vec<Vec<u8>> {
    let path = folder("dictionaries").join(format!("{name}.dict"));
    let text = fs::read_to_string(path).unwrap();
    let tokens = text
        .lines()
        .filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'))
        .map(|token| {
            token
                .replace("\\x0a", "\n")
                .replace("\\\"", "\"")
                .replace("\\\\", "\\")
                .into_bytes()
        });
    let tokens: Vec<Vec<u8>> = tokens.collect();
    assert!(!tokens.is_empty());
    tokens
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(name)
}
