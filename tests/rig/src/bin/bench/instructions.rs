//! Instructions by callgrind: what an agent costs, on a machine that is busy, too.
//!
//! Under valgrind it is fifty times as slow, which instructions do not show. The code in the kernel is not counted.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ecs_lifecycle_rig::Scratch;
use ecs_lifecycle_simulator::TaskSpec;
use serde_json::json;

use crate::options::Options;
use crate::report::{Figure, Section};
use crate::stage::{PATIENCE, POLL, Stage, simulator, text};

/// Two runs differ by what is done in between; what belongs to the start is over before the shorter one ends.
const IDLE: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(40)];
const DRAIN: Duration = Duration::from_secs(5);

/// All of them side by side.
pub(crate) async fn measure(options: &Options) -> Result<Section, String> {
    let title = "Instructions, by callgrind".to_owned();
    if !Command::new("valgrind")
        .arg("--version")
        .output()
        .is_ok_and(|said| said.status.success())
    {
        return Ok(Section {
            title,
            notes: vec!["valgrind is not installed".to_owned()],
            ..Section::default()
        });
    }
    let runs = tokio::try_join!(
        idle(options, IDLE[0]),
        idle(options, IDLE[1]),
        drain(options),
    );
    let (short, long, drain) = match runs {
        Ok(runs) => runs,
        // An old valgrind does not know every binary: the other figures stand without it.
        Err(error) => {
            return Ok(Section {
                title,
                notes: vec![format!("not measured: {error}")],
                ..Section::default()
            });
        }
    };
    let a_poll = (long.instructions - short.instructions) / (long.polls - short.polls).max(1.0);
    let begun = short.instructions - a_poll * short.polls;
    let million = |name: &str, count: f64| Figure::number(name, count / 1e6, 3, "million");
    Ok(Section {
        title,
        figures: vec![
            million("an idle second, with its poll of metadata", a_poll),
            million("start and stop", begun),
            million("start, a drain of 1 task, stop", drain.instructions),
        ],
        data: json!({"polls": long.polls - short.polls}),
        ..Section::default()
    })
}

struct Run {
    instructions: f64,
    polls: f64,
}

async fn idle(options: &Options, length: Duration) -> Result<Run, String> {
    run(options, async |_| {
        tokio::time::sleep(length).await;
        Ok(())
    })
    .await
}

async fn drain(options: &Options) -> Result<Run, String> {
    run(options, async |stage| {
        stage.instance.terminate();
        let id = stage.instance.id().to_owned();
        let completed = stage
            .simulator
            .wait_until("a completion", PATIENCE * 4, |world| {
                world.completions(&id) > 0
            });
        completed
            .await
            .map_err(|error| format!("{error}\n{}", stage.agent.text()))
    })
    .await
}

async fn run(
    options: &Options,
    work: impl AsyncFnOnce(&Stage) -> Result<(), String>,
) -> Result<Run, String> {
    let scratch = Scratch::new().map_err(text)?;
    let agent = scratch.path().join("counted");
    wrap(&options.agent, &agent).map_err(text)?;
    let options = Options {
        agent,
        ..options.clone()
    };
    let simulator = simulator(1).await?;
    let tasks = vec![TaskSpec::service("web").stop_duration(DRAIN)];
    let mut stage = Stage::new(&options, &simulator, tasks, &[]).await?;
    work(&stage).await?;
    stage.agent.signal("TERM").await.map_err(text)?;
    stage.agent.ended(PATIENCE * 4).await.map_err(text)?;
    let said = stage.agent.logged("Collected :", PATIENCE).await?;
    let count = said.rsplit(' ').next().and_then(|count| count.parse().ok());
    let polls = simulator.world(|world| world.requests().count(POLL));
    Ok(Run {
        instructions: count.ok_or(said)?,
        polls: u32::try_from(polls).map_or(f64::MAX, f64::from),
    })
}

/// The agent's arguments come before those of the stage: a script holds valgrind's.
fn wrap(agent: &Path, script: &Path) -> std::io::Result<()> {
    let agent = std::fs::canonicalize(agent)?;
    let text = format!(
        "#!/bin/sh\nexec /usr/bin/valgrind --tool=callgrind --callgrind-out-file=/dev/null '{}' \"$@\"\n",
        agent.display()
    );
    std::fs::write(script, text)?;
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755))
}
