//! The play: idle for a while, then the instance is replaced, and the agent sees to its tasks.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::live::View;
use crate::record::Record;
use crate::stage::Stage;

/// Between two looks.
const TICK: Duration = Duration::from_millis(100);
/// How long nothing happens at first, once the agent watches.
const IDLE: Duration = Duration::from_millis(3500);
/// After this the play is over, however it stands.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long the last picture stays.
const LINGER: Duration = Duration::from_millis(800);

/// How the play ended.
pub enum Ended {
    /// At its end.
    Played(Box<Record>),
    /// Somebody wanted it to stop.
    Interrupted,
}

/// Plays it, and shows it.
pub async fn play(stage: &mut Stage, view: &mut View) -> io::Result<Ended> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let ended = tokio::select! {
        result = acts(stage, view) => result.map(|record| Ended::Played(Box::new(record))),
        _ = interrupt.recv() => Ok(Ended::Interrupted),
        _ = terminate.recv() => Ok(Ended::Interrupted),
    };
    // The agent may have seen the interrupt too; either way nothing is left behind.
    if stage.agent.is_running()? {
        stage.agent.kill().await?;
    }
    ended
}

async fn acts(stage: &mut Stage, view: &mut View) -> io::Result<Record> {
    until(stage, view, |record| {
        record
            .said_at("this is a container instance of cluster")
            .is_some()
    })
    .await?;
    let calm_until = stage.simulator.now() + IDLE;
    until(stage, view, |record| record.now >= calm_until).await?;
    let calls = stage.record().calls.len();
    stage.note(&format!(
        "so far {calls} calls to AWS; now a new AMI rolls out, and the group replaces the instance"
    ));
    stage.instance.terminate();
    until(stage, view, |record| record.gone_at().is_some()).await?;
    // As the machine does when it shuts down.
    stage.agent.signal("TERM").await?;
    let _ = stage.agent.ended(Duration::from_secs(5)).await;
    let over = stage.simulator.now() + LINGER;
    loop {
        let record = stage.record();
        view.show(&record)?;
        if record.now >= over {
            view.finish(&record)?;
            return Ok(record);
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Shows what happens until something is so, the agent has ended, or patience has.
async fn until(stage: &mut Stage, view: &mut View, is: impl Fn(&Record) -> bool) -> io::Result<()> {
    loop {
        let record = stage.record();
        view.show(&record)?;
        if is(&record) || record.now > PATIENCE {
            return Ok(());
        }
        if !stage.agent.is_running()? {
            let log = stage.agent.text();
            return Err(io::Error::other(format!("the agent has ended:\n{log}")));
        }
        tokio::time::sleep(TICK).await;
    }
}
