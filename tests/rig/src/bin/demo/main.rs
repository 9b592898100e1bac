//! The demo: the real agent drains a simulated instance before your eyes, in about half a minute.
//!
//! Nothing of AWS is needed: the simulator plays it, in real time, on loopback. What is shown is the
//! simulator's truth beside what the agent says and asks for. The agent looks and asks as often as it does by default.
//!
//! It ends with 0 only if the truth says so: no container killed, one completion accepted and that with
//! `CONTINUE`, the CloudFormation signal received as `SUCCESS`, no call to AWS while idle.
//!
//! `OUT/timeline.svg` is the picture of the run. `OUT/summary.json` has its figures, all of them taken from
//! the simulator's record; a duration is null where it never came to it:
//!
//! | key | |
//! |---|---|
//! | `ok`, `problems` | the verdict, and what is wrong, as a list of sentences |
//! | `idle_ms`, `idle_aws_calls` | from the agent's first word to the change of the target state, and the calls meanwhile |
//! | `detection_ms` | from the change of the target state to the arrival of `UpdateContainerInstancesState` |
//! | `drain_ms` | from there to the end of the last container |
//! | `completion_ms` | from there to the arrival of the accepted `CompleteLifecycleAction` |
//! | `total_ms` | from the change of the target state to that arrival |
//! | `aws_calls` | calls to AWS APIs; `aws_control_plane_calls` and `aws_cloudformation_calls` add up to it |
//! | `aws_calls_by_operation` | the same by operation, as in `ecs:UpdateContainerInstancesState` |
//! | `heartbeats` | accepted heartbeats |
//! | `completions`, `signals` | accepted ones, with their results |
//! | `containers`, `containers_killed` | on the instance; and killed by its end |
//! | `agent_peak_memory_bytes` | `VmHWM` of the agent |

#![allow(unreachable_pub, reason = "modules of one program share their helpers")]

mod args;
mod live;
mod play;
mod record;
mod said;
mod stage;
mod story;
mod summary;
mod svg;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use args::Arguments;
use live::View;
use play::Ended;
use record::Record;
use stage::Stage;
use summary::Summary;

/// `EX_USAGE` of sysexits.h.
const WRONG_USAGE: u8 = 64;
/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let mut errors = io::stderr();
    let arguments = match args::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            let _ = io::stdout().write_all(args::USAGE.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            let _ = write!(errors, "demo: {problem}\n\n{}", args::USAGE);
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match run(&arguments).await {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(errors, "demo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let mut stage = Stage::set(&arguments.agent).await?;
    let mut view = View::new()?;
    let record = match play::play(&mut stage, &mut view).await? {
        Ended::Played(record) => record,
        Ended::Interrupted => return Ok(ExitCode::from(INTERRUPTED)),
    };
    let summary = Summary::of(&record);
    let files = write_results(&arguments.out, &record, &summary)?;
    view.conclude(&summary, &files)?;
    Ok(if summary.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn write_results(out: &Path, record: &Record, summary: &Summary) -> io::Result<Vec<String>> {
    std::fs::create_dir_all(out)?;
    let json = serde_json::to_string_pretty(&summary.json())? + "\n";
    let mut files = Vec::new();
    for (name, text) in [
        ("summary.json", json),
        ("timeline.svg", svg::draw(record, summary)),
    ] {
        let path = out.join(name);
        std::fs::write(&path, text)?;
        files.push(path.display().to_string());
    }
    Ok(files)
}
