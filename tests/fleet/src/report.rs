//! The figures as tables, and what has to hold of them.

use std::fmt::Write as _;

use crate::world::{Figures, HEARTBEAT_TIMEOUT, Scene};

const fn scene(fleet: u64, wait: u64, batch: u64, auto_scaling: Option<(u64, u64)>) -> Scene {
    Scene {
        fleet,
        wait,
        batch,
        auto_scaling,
    }
}

/// What is played.
pub const SCENES: [Scene; 8] = [
    scene(10, 1, 0, None),
    scene(130, 1, 0, None),
    scene(1_000, 1, 0, None),
    scene(10, 300, 0, None),
    scene(130, 300, 0, None),
    scene(1_000, 300, 0, None),
    scene(1_000, 300, 100, None),
    scene(1_000, 300, 0, Some((100, 20))),
];

/// One scene's figures, as they are recorded: a line of numbers. Times are in milliseconds.
#[derive(Clone, Debug)]
pub struct Row {
    pub fleet: u64,
    pub wait: u64,
    pub batch: u64,
    limit: u64,
    calls: u64,
    throttled: u64,
    late: u64,
    draining: [u64; 2],
    done: [u64; 2],
    drained: u64,
    lapsed: u64,
    killed: u64,
    peak: u64,
    pub series: Vec<u64>,
}

/// The median and the 99th percentile.
fn percentiles(sorted: &[u64]) -> [u64; 2] {
    [50, 99].map(|percent| {
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
    })
}

impl Row {
    pub fn new(scene: Scene, figures: &Figures) -> Self {
        Self {
            fleet: scene.fleet,
            wait: scene.wait,
            batch: scene.batch,
            limit: scene.auto_scaling.map_or(0, |(_, refill)| refill),
            calls: figures.total(),
            throttled: figures.throttled,
            late: figures.throttled_late,
            draining: percentiles(&figures.draining),
            done: percentiles(&figures.done),
            drained: figures.done.len() as u64,
            lapsed: figures.lapsed,
            killed: figures.killed,
            peak: figures.peak,
            series: figures.series.clone(),
        }
    }

    pub fn record(&self) -> String {
        let ([d50, d99], [e50, e99]) = (self.draining, self.done);
        let mut numbers = vec![self.fleet, self.wait, self.batch, self.limit, self.calls];
        numbers.extend([self.throttled, self.late, d50, d99, e50, e99, self.drained]);
        numbers.extend([self.lapsed, self.killed, self.peak]);
        numbers.extend(&self.series);
        let words: Vec<_> = numbers.iter().map(u64::to_string).collect();
        words.join(" ")
    }

    pub fn parse(line: &str) -> Self {
        let number = |word: &str| word.parse().expect("before.txt has numbers");
        let n: Vec<u64> = line.split(' ').map(number).collect();
        Self {
            fleet: n[0],
            wait: n[1],
            batch: n[2],
            limit: n[3],
            calls: n[4],
            throttled: n[5],
            late: n[6],
            draining: [n[7], n[8]],
            done: [n[9], n[10]],
            drained: n[11],
            lapsed: n[12],
            killed: n[13],
            peak: n[14],
            series: n[15..].to_vec(),
        }
    }

    fn cells(&self) -> String {
        let seconds = |[median, worst]: [u64; 2]| {
            format!("{:.1} / {:.1}", median as f64 / 1e3, worst as f64 / 1e3)
        };
        let share = |part: u64| format!("{:.1} %", part as f64 * 100.0 / self.calls as f64);
        format!(
            "{} ({:.1}) | {} | {} | {} | {} | {} | {}",
            self.calls,
            self.calls as f64 / self.fleet as f64,
            share(self.throttled),
            share(self.late),
            seconds(self.draining),
            seconds(self.done),
            self.peak,
            self.lapsed,
        )
    }
}

/// What must hold, and does not.
pub fn judge(rows: &[Row]) -> Vec<String> {
    let mut broken = Vec::new();
    for row in rows {
        if row.drained != row.fleet || row.lapsed + row.killed > 0 {
            broken.push(format!("not all drained and completed: {row:?}"));
        }
        if row.limit == 0 && row.late * 50 > row.calls {
            broken.push(format!("throttled after the first minute: {row:?}"));
        }
    }
    broken
}

const HEAD: &str = "| | core | calls (an instance) | throttled | after the first minute | until `DRAINING`, \
    p50 / p99 s | until done, p50 / p99 s | Auto Scaling calls in the busiest second | hooks lapsed |\n\
    |---|---|---|---|---|---|---|---|---|\n";

/// Each table with the name of its place in the document.
pub fn tables(
    now: &[Row],
    before: &[Row],
    figures: &[(Row, Figures)],
) -> Vec<(&'static str, String)> {
    let mut fleets = HEAD.to_owned();
    for (row, former) in now.iter().zip(before) {
        let batch = match (row.batch, row.limit) {
            (0, 0) => String::new(),
            (0, limit) => format!(", Auto Scaling at {limit} a second"),
            (batch, _) => format!(", {batch} a minute"),
        };
        let name = format!("{}, `:Wait` after {} s{batch}", row.fleet, row.wait);
        let _ = writeln!(fleets, "| {name} | before | {} |", former.cells());
        let _ = writeln!(fleets, "| | now | {} |", row.cells());
    }
    let mut calls = "| | `:Wait` after 1 s | `:Wait` after 300 s |\n|---|---|---|\n".to_owned();
    let [short, long] = [2, 5].map(|index| &figures[index].1.calls);
    for (name, count) in long {
        let short = short.get(name).copied().unwrap_or(0);
        let _ = writeln!(calls, "| `{name}` | {short} | {count} |");
    }
    let mut arithmetic = "| instances at once | the last is `DRAINING` after | ECS has been asked about all after | \
        heartbeats a second, HeartbeatTimeout 300 s | 900 s | 3,600 s |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for fleet in [1_000_u64, 3_000, 10_000] {
        let beats = |timeout: u64| fleet as f64 * 4.0 / timeout as f64;
        let timeout = HEARTBEAT_TIMEOUT / 1_000;
        let _ = writeln!(
            arithmetic,
            "| {fleet} | {:.0} s | {:.0} s | {:.0} | {:.0} | {:.0} |",
            (fleet - 100) as f64 / 40.0,
            (fleet - 100) as f64 / 20.0,
            beats(timeout),
            beats(900),
            beats(3_600),
        );
    }
    vec![
        ("fleets", fleets),
        ("calls", calls),
        ("arithmetic", arithmetic),
    ]
}

/// The document with each table in its place.
pub fn insert(text: &str, tables: &[(&str, String)]) -> String {
    let mut text = text.to_owned();
    for (name, table) in tables {
        let begin = format!("<!-- {name} -->\n");
        let (before, rest) = text.split_once(&begin).expect("a place for each table");
        let (_, after) = rest.split_once("<!-- end -->").expect("an end of it");
        text = format!("{before}{begin}\n{table}\n<!-- end -->{after}");
    }
    text
}
