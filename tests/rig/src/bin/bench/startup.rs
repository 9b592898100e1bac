//! How long from the start of the process until it has read the metadata for the first time.

use ecs_lifecycle_simulator::InstanceSpec;
use serde_json::json;

use crate::options::Options;
use crate::report::{Section, summarized};
use crate::stage::{self, FIRST_READING, PATIENCE, Stage, simulator};
use crate::statistics::Summary;

/// One start after the other.
pub(crate) async fn measure(options: &Options) -> Result<Section, String> {
    let simulator = simulator(1).await?;
    let mut samples = Vec::new();
    for _ in 0..options.starts() {
        let started = stage::now();
        let mut stage = Stage::started(options, &simulator, InstanceSpec::default(), &[]).await?;
        stage.agent.logged(FIRST_READING, PATIENCE).await?;
        let line = stage
            .agent
            .log()
            .into_iter()
            .find(|line| line.text.contains(FIRST_READING))
            .ok_or("the log has lost a line")?;
        samples.push(line.at.duration_since(started).as_secs_f64());
        stage.agent.kill().await.map_err(stage::text)?;
    }
    let summary = Summary::of(&samples).ok_or("no start was measured")?;
    Ok(Section {
        title: format!(
            "Start-up: process start to first metadata reading, {} starts",
            samples.len()
        ),
        figures: summarized("start-up", summary, None, None),
        data: json!({"seconds": samples}),
        ..Section::default()
    })
}
