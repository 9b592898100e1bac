//! A simulated instance to try things on by hand: prints what to export, terminates the instance
//! after a while, and shows what really happens.

use std::io::{self, Write};
use std::time::Duration;

use ecs_lifecycle_simulator::{Options, STATIC_ACCESS_KEY_ID, Scenario, TaskSpec};

const USAGE: &str = "\
usage: ecs-lifecycle-simulator [--tasks N] [--stop SECONDS] [--terminate-after SECONDS] [--for SECONDS] [--speed X]

  --tasks N                  service tasks on the instance (3)
  --stop SECONDS             how long each takes to stop (5)
  --terminate-after SECONDS  when the group terminates the instance (never)
  --for SECONDS              ends after that long (runs until Ctrl-C)
  --speed X                  simulated seconds per second (1)
";

struct Arguments {
    tasks: usize,
    stop: Duration,
    terminate_after: Option<Duration>,
    run_for: Option<Duration>,
    speed: f64,
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut arguments = Arguments {
        tasks: 3,
        stop: Duration::from_secs(5),
        terminate_after: None,
        run_for: None,
        speed: 1.0,
    };
    while let Some(name) = given.next() {
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        let value = given
            .next()
            .ok_or_else(|| format!("{name} needs a value"))?;
        let number: f64 = value
            .parse()
            .map_err(|_| format!("{name} {value}: not a number"))?;
        let duration =
            Duration::try_from_secs_f64(number).map_err(|e| format!("{name} {value}: {e}"))?;
        match name.as_str() {
            "--tasks" => {
                arguments.tasks = value
                    .parse()
                    .map_err(|_| format!("{name} {value}: not a count"))?
            }
            "--stop" => arguments.stop = duration,
            "--terminate-after" => arguments.terminate_after = Some(duration),
            "--for" => arguments.run_for = Some(duration),
            "--speed" => arguments.speed = number,
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    Ok(Some(arguments))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = io::stdout();
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return Ok(out.write_all(USAGE.as_bytes())?),
        Err(error) => {
            io::stderr().write_all(format!("{error}\n\n{USAGE}").as_bytes())?;
            std::process::exit(64);
        }
    };
    let task = TaskSpec::service("web").stop_duration(arguments.stop);
    let options = Options::default().speed(arguments.speed);
    let scenario = Scenario::with_tasks(options, vec![task; arguments.tasks]).await?;
    announce(&mut out, &scenario)?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        result = show(&mut out, &scenario, arguments.terminate_after) => result?,
        () = end(arguments.run_for) => {}
    }
    Ok(())
}

fn announce(out: &mut impl Write, scenario: &Scenario) -> io::Result<()> {
    let instance = &scenario.instance;
    for (name, value) in instance.env() {
        writeln!(out, "export {name}={value}")?;
    }
    writeln!(
        out,
        "# ECS agent introspection: {}",
        instance.introspection_endpoint()
    )?;
    writeln!(
        out,
        "# instance {} of group {}, hook {}",
        instance.id(),
        Scenario::GROUP,
        Scenario::HOOK
    )?;
    writeln!(
        out,
        "# for boto3 or the AWS CLI (credentials come from the simulated metadata service, or):"
    )?;
    writeln!(
        out,
        "export AWS_ENDPOINT_URL={}",
        scenario.simulator.aws_endpoint()
    )?;
    writeln!(out, "export AWS_DEFAULT_REGION=us-east-1")?;
    writeln!(
        out,
        "export AWS_ACCESS_KEY_ID={STATIC_ACCESS_KEY_ID} AWS_SECRET_ACCESS_KEY=any"
    )?;
    out.flush()
}

/// Terminates the instance when it is time, and prints what happens, for ever.
async fn show(
    out: &mut impl Write,
    scenario: &Scenario,
    terminate_after: Option<Duration>,
) -> io::Result<()> {
    const FOREVER: Duration = Duration::from_secs(365 * 86_400);
    let simulator = &scenario.simulator;
    let mut terminate_at = terminate_after;
    let mut shown = 0;
    loop {
        let due = |now| terminate_at.is_some_and(|at| now >= at);
        let _ = simulator
            .wait_until("something", FOREVER, |w| {
                w.events().len() > shown || due(w.now())
            })
            .await;
        if due(simulator.now()) {
            terminate_at = None;
            scenario.instance.terminate();
        }
        let events = simulator.world(|w| w.events().get(shown..).unwrap_or_default().to_vec());
        shown += events.len();
        for event in events {
            writeln!(
                out,
                "{:>9.3}s {} {:?}",
                event.at_sim.as_secs_f64(),
                event.instance,
                event.what
            )?;
        }
        out.flush()?;
    }
}

async fn end(after: Option<Duration>) {
    match after {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}
