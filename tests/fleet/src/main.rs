//! `fleet`: many cores in one account with AWS's rate limits, in virtual time. It prints the tables of
//! `docs/fleets.md`; `--write` writes them and the picture there, `--check` compares.

// A program for developers, whose fields say what they are.
#![allow(clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, missing_docs, unreachable_pub)]

mod core;
mod picture;
mod report;
mod world;

use std::path::Path;
use std::process::ExitCode;

use report::{Row, SCENES};

/// The core as it was at 2e9b130, before it was rebuilt; recorded by this program with `--record`.
const BEFORE: &str = include_str!("../before.txt");

fn main() -> ExitCode {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let now: Vec<(Row, world::Figures)> = SCENES
        .into_iter()
        .map(|scene| {
            let figures = world::play(scene);
            (Row::new(scene, &figures), figures)
        })
        .collect();
    let rows: Vec<Row> = now.iter().map(|(row, _)| row.clone()).collect();
    if mode == "--record" {
        rows.iter().for_each(|row| println!("{}", row.record()));
        return ExitCode::SUCCESS;
    }
    let before: Vec<Row> = BEFORE.lines().map(Row::parse).collect();
    let broken = report::judge(&rows);
    let tables = report::tables(&rows, &before, &now);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = docs.join("fleets.md");
    let text = std::fs::read_to_string(&page).expect("docs/fleets.md");
    let wanted = [
        (page, report::insert(&text, &tables)),
        (docs.join("fleets.svg"), picture::draw(&rows, &before)),
    ];
    for (name, table) in &tables {
        println!("{name}\n\n{table}");
    }
    let mut failed = !broken.is_empty();
    broken.iter().for_each(|what| println!("BROKEN: {what}"));
    for (path, content) in wanted {
        if mode == "--write" {
            std::fs::write(&path, content).expect("docs can be written");
        } else if mode == "--check" && std::fs::read_to_string(&path).ok() != Some(content) {
            println!("{} differs: `make fleet` writes it anew", path.display());
            failed = true;
        }
    }
    ExitCode::from(u8::from(failed))
}
