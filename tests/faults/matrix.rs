//! The matrix, played: every cell of both tables, some of them at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::cell::Cell;
use super::kinds::{self, Kind};
use super::starved::unless_starved;
use super::table::{CALLS, LASTING, Phase};

/// They mostly wait.
const AT_ONCE: usize = 20;
/// No cell takes longer, or something in it waits for what never comes.
const LONGEST: Duration = Duration::from_mins(8);

fn passing() -> Vec<Cell> {
    let mut cells = Vec::new();
    for call in CALLS {
        for (phase, scene) in Phase::ALL.into_iter().zip(call.made) {
            let Some(scene) = scene else { continue };
            cells.extend(kinds::all().into_iter().map(|kind| Cell {
                operation: call.operation,
                kind,
                phase,
                scene,
                fate: None,
                said: call.said,
            }));
        }
    }
    cells
}

fn lasting() -> Vec<Cell> {
    let mut cells = Vec::new();
    for row in LASTING {
        let hit = |kind: &Kind| row.hits.takes(kind);
        cells.extend(kinds::all().into_iter().filter(hit).map(|kind| Cell {
            operation: row.operation,
            kind,
            phase: row.phase,
            scene: row.scene,
            fate: Some(row.fate),
            said: row.said,
        }));
    }
    cells
}

/// How many cells each table comes to.
pub fn sizes() -> (usize, usize) {
    (passing().len(), lasting().len())
}

fn is_wanted(cell: &Cell) -> bool {
    let name = cell.name();
    std::env::var("FAULTS").map_or(true, |parts| {
        parts.split(',').all(|part| name.contains(part.trim()))
    })
}

async fn play_all(mut cells: Vec<Cell>) {
    // Longest first: denials and faults that stay wait for seconds.
    cells.sort_by_key(|cell| std::cmp::Reverse(cell.kind.group));
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    let mut playing = JoinSet::new();
    for cell in cells.into_iter().filter(is_wanted) {
        let seats = Arc::clone(&seats);
        playing.spawn(async move {
            let _seat = seats.acquire().await;
            let play = || async {
                let out_of_time = Err("it never came to an end".to_owned());
                tokio::time::timeout(LONGEST, cell.play()).await.unwrap_or((
                    out_of_time,
                    true,
                    Duration::ZERO,
                ))
            };
            (cell.name(), unless_starved(&cell.name(), play).await)
        });
    }
    let count = playing.len();
    let mut failed = Vec::new();
    let mut most = (0, String::new());
    while let Some(played) = playing.join_next().await {
        match played.unwrap() {
            (name, Ok(cost)) => most = most.max((cost.memory, name)),
            (name, Err(error)) => failed.push(format!("== {name}\n{error}\n")),
        }
    }
    failed.sort();
    let names: Vec<&str> = failed
        .iter()
        .filter_map(|text| text.lines().next())
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {count} cells failed:\n{}\n\n{}",
        failed.len(),
        names.join("\n"),
        failed.join("\n"),
    );
    let (memory, name) = most;
    println!("{count} cells; at most {} MB: {name}", memory / 1024 / 1024);
}

/// One test, so that no more than [`AT_ONCE`] agents run at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_outlived() {
    let mut cells = passing();
    cells.extend(lasting());
    play_all(cells).await;
}
