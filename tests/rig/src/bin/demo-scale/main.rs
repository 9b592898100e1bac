//! The demo of scaling: a load rises and falls, and a cluster of real agents follows it, in a minute.
//!
//! Two hours of simulated time: agents and simulator run on clocks that are many times faster. The alarms and
//! policies are those of `cloudformation/cluster.yaml`. `OUT/timeline.svg` is the picture of the run.
//!
//! It ends with 0 only if the cluster has followed: `ecs_lifecycle_rig::cluster::tide::problems` says how that is judged.

#![allow(unreachable_pub, reason = "modules of one program share their helpers")]

mod picture;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ecs_lifecycle_rig::cluster::{Cluster, Sample, tide};

/// How many times faster the clocks run.
const SPEED: u32 = 150;
const USAGE: &str = "usage: demo-scale AGENT OUT\n\n  AGENT  a debug build of ecs-lifecycle-agent\n  OUT    where timeline.svg goes\n";
const WRONG_USAGE: u8 = 64;

#[tokio::main]
async fn main() -> ExitCode {
    let given: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [agent, out] = given.as_slice() else {
        let _ = io::stderr().write_all(USAGE.as_bytes());
        return ExitCode::from(WRONG_USAGE);
    };
    match run(agent, out).await {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "demo-scale: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(agent: &Path, out: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let mut screen = io::stdout();
    writeln!(
        screen,
        "Two hours in {} seconds: a load rises and falls, and the cluster follows.\n",
        tide::MINUTES * 60 / u64::from(SPEED)
    )?;
    writeln!(
        screen,
        "  minute   tasks  running  waiting   hosts  coming  draining   room  idle   alarm"
    )?;
    let mut cluster = Cluster::start(agent, SPEED, tide::HOSTS, tide::service()).await?;
    let mut before = Sample::default();
    let history = tide::play(&mut cluster, |now| {
        let same =
            (now.hosts, now.waiting, &now.alarms) == (before.hosts, before.waiting, &before.alarms);
        if !same || now.at.as_secs() / 600 != before.at.as_secs() / 600 {
            let _ = writeln!(screen, "{}", line(now));
        }
        before = now.clone();
    })
    .await?;
    let problems = tide::problems(&cluster, &history);
    std::fs::create_dir_all(out)?;
    let path = out.join("timeline.svg");
    std::fs::write(
        &path,
        picture::draw(&history, &cluster.simulator.world(picture::Facts::of)),
    )?;
    writeln!(screen, "\n{}", path.display())?;
    for problem in &problems {
        writeln!(io::stderr(), "demo-scale: {problem}")?;
    }
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn line(now: &Sample) -> String {
    let figure =
        |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.2}"));
    let room = now
        .capacity
        .map_or("-".to_owned(), |room| format!("{room:.0}"));
    let alarms = ["out", "in", "silent"].iter().zip(&now.alarms);
    let alarms: Vec<&str> = alarms
        .filter(|(_, on)| **on)
        .map(|(name, _)| *name)
        .collect();
    format!(
        "  {:>6}   {:>5}  {:>7}  {:>7}   {:>5}  {:>6}  {:>8}   {:>4}  {:>4}   {}",
        now.at.as_secs() / 60,
        now.desired,
        now.healthy,
        now.waiting,
        now.hosts.in_service,
        now.hosts.pending,
        now.hosts.terminating,
        room,
        figure(now.idle),
        alarms.join(" ")
    )
}
