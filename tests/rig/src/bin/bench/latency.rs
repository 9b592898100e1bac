//! How soon the agent notices that its instance is to go, and how soon that its last container is gone.

use ecs_lifecycle_rig::Random;
use std::sync::Arc;
use std::time::Duration;

use ecs_lifecycle_simulator::{Simulator, TargetLifecycleState, TaskSpec, What};
use serde_json::json;
use tokio::task::JoinSet;

use crate::options::Options;
use crate::report::{Section, summarized};
use crate::stage::{COMPLETE, POLL, SET_DRAINING, Stage, simulator};
use crate::statistics::Summary;

/// As many agents as do not get into each other's way.
const SIDE_BY_SIDE: usize = 6;
/// Between their starts, so that they do not poll at the same moment.
const STAGGER: Duration = Duration::from_millis(170);
/// Until what belongs to the start is over.
const SETTLE: Duration = Duration::from_millis(1500);
/// The agent's default.
const POLL_INTERVAL_MS: u64 = 1000;
const LONGEST_DRAIN: Duration = Duration::from_secs(60);
const SEED: u64 = 20_260;

/// What one drain looked like, in seconds.
struct Sample {
    /// From the flip of the target state to the DRAINING request.
    detection: f64,
    /// The part of it after the poll that could see the flip.
    after_poll: f64,
    /// From the end of the last container to the completion.
    completion: f64,
}

/// Groups of drains, each on an instance of its own.
pub(crate) async fn measure(options: &Arc<Options>) -> Result<Section, String> {
    let mut random = Random::new(SEED);
    let (mut samples, mut failures) = (Vec::new(), Vec::new());
    for _ in 0..options.samples().div_ceil(SIDE_BY_SIDE) {
        let simulator = simulator(1).await?;
        let mut drains = JoinSet::new();
        for place in 0..SIDE_BY_SIDE {
            let delay = STAGGER.saturating_mul(u32::try_from(place).unwrap_or(0));
            let plan = Plan::draw(&mut random, delay);
            let (options, simulator) = (options.clone(), simulator.clone());
            drains.spawn(async move { drain(&options, &simulator, plan).await });
        }
        for drained in drains.join_all().await {
            match drained {
                Ok(sample) => samples.push(sample),
                Err(failure) => failures.push(failure),
            }
        }
    }
    section(&samples, failures)
}

/// What chance decides about a drain.
struct Plan {
    delay: Duration,
    phase: Duration,
    tasks: Vec<TaskSpec>,
}

impl Plan {
    fn draw(random: &mut Random, delay: Duration) -> Self {
        let phase = Duration::from_millis(random.between(0, POLL_INTERVAL_MS));
        let task = |millis| TaskSpec::service("web").stop_duration(Duration::from_millis(millis));
        let count = random.between(1, 4);
        let tasks = (0..count)
            .map(|_| task(random.between(1000, 4001)))
            .collect();
        Self {
            delay,
            phase,
            tasks,
        }
    }
}

async fn drain(options: &Options, simulator: &Simulator, plan: Plan) -> Result<Sample, String> {
    tokio::time::sleep(plan.delay).await;
    let stage = Stage::new(options, simulator, plan.tasks, &[]).await?;
    tokio::time::sleep(SETTLE + plan.phase).await;
    stage.instance.terminate();
    stage.drained(LONGEST_DRAIN).await?;
    let missing = "the simulator has no record of a drain that it saw complete";
    let terminated = What::TargetStateSet(TargetLifecycleState::Terminated);
    let flip = stage.event(|what| *what == terminated).ok_or(missing)?;
    let poll = stage.request(POLL, flip).ok_or(missing)?;
    let draining = stage.request(SET_DRAINING, flip).ok_or(missing)?;
    let gone = stage
        .events(|what| matches!(what, What::ContainerGone { .. }))
        .into_iter()
        .reduce(f64::max)
        .ok_or(missing)?;
    let complete = stage.request(COMPLETE, flip).ok_or(missing)?;
    if complete < gone {
        return Err(format!(
            "{}: completed {:.3} s before the last container was gone",
            stage.instance.id(),
            gone - complete
        ));
    }
    Ok(Sample {
        detection: draining - flip,
        after_poll: draining - poll,
        completion: complete - gone,
    })
}

fn section(samples: &[Sample], failures: Vec<String>) -> Result<Section, String> {
    let of = |part: fn(&Sample) -> f64| samples.iter().map(part).collect::<Vec<_>>();
    let (detection, completion) = (of(|s| s.detection), of(|s| s.completion));
    let after_poll = of(|s| s.after_poll);
    let (Some(detected), Some(completed), Some(acted)) = (
        Summary::of(&detection),
        Summary::of(&completion),
        Summary::of(&after_poll),
    ) else {
        return Err(failures.join("\n"));
    };
    let mut figures = summarized("detection", detected, Some(0.7), Some(1.2));
    figures.extend(summarized("  of it after the poll", acted, None, None));
    figures.extend(summarized("completion", completed, Some(0.6), Some(1.2)));
    Ok(Section {
        title: format!("Latency: {} drains of 1 to 3 tasks that take 1 to 4 s to stop", samples.len()),
        figures,
        notes: vec![
            "detection: target state flips, at a random moment between two polls, to UpdateContainerInstancesState arrives".to_owned(),
            "completion: last container gone to CompleteLifecycleAction arrives".to_owned(),
            "the simulator is near and speaks plain HTTP: TLS and the network latency to AWS are not included".to_owned(),
        ],
        data: json!({
            "seed": SEED,
            "detection_seconds": detection,
            "detection_after_poll_seconds": after_poll,
            "completion_seconds": completion,
        }),
        failures,
        ..Section::default()
    })
}
