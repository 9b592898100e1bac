//! Which calls are made when, without any fault: what the table claims, from the simulator's record.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ecs_lifecycle_simulator::{Hold, World};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::cell::{completed, containers_gone, is_first_made_late, under_way};
use super::scene::Scene;
use super::stage::Stage;
use super::starved::unless_starved;
use super::table::{CALLS, DESCRIBE, DESCRIBE_TASKS, LIST_TASKS, Phase, TASKS};

/// What is claimed for a phase has to happen in it: they need not be fast, but not crawl either.
const AT_ONCE: usize = 8;

/// How many requests had arrived as each phase began, and at the end.
struct Course {
    stage: Stage,
    marks: [u64; 4],
}

fn arrived(stage: &Stage) -> u64 {
    let last = |world: &World| world.requests().all().last().map(|request| request.seq);
    stage.world(last).unwrap_or(0)
}

/// Waits for those calls that are made in `phase` of `scene`, after `mark`.
async fn seen(
    stage: &Stage,
    scene: Scene,
    phase: Phase,
    mark: u64,
    of: impl Fn(&'static str) -> bool,
) {
    for call in CALLS {
        let due = call.made[phase as usize] == Some(scene) && of(call.operation);
        if due && !is_first_made_late(call.operation, scene) {
            let made = |world: &World| {
                let last = world.requests().last(call.operation);
                last.is_some_and(|request| request.seq > mark)
            };
            stage.until(call.operation, made).await;
        }
    }
}

/// A run in `scene`, with what happens there as `phase` begins.
async fn undisturbed(scene: Scene, phase: Phase) -> Course {
    let stage = scene.set().await;
    if scene == Scene::Resumed {
        scene.begin(&stage);
    }
    let agent = stage.builder.start().unwrap();
    agent.says("target lifecycle state is").await;
    // The first look is whose container instance it is.
    let gate = Hold::before(DESCRIBE).nth(2).every();
    let mut gate = Some(stage.simulator.hold(gate));
    if matches!(scene, Scene::WarmPool | Scene::Stalled | Scene::SetBack) {
        // It looks sooner.
        drop(gate.take());
    }
    if scene != Scene::Resumed {
        scene.begin(&stage);
    }
    let mut marks = [0; 4];
    under_way(scene, &stage, &agent).await.unwrap();
    marks[1] = arrived(&stage);
    if phase == Phase::Drain {
        scene.provoke(&stage);
        // The drain is held at its last look until what is due in the middle of it has been seen.
        seen(&stage, scene, Phase::Drain, marks[1], |_| true).await;
    }
    containers_gone(&stage).await.unwrap();
    marks[2] = arrived(&stage);
    if phase == Phase::End {
        scene.provoke(&stage);
        // The same for what is asked again and again until the drain is over.
        let watched = |operation| [TASKS, LIST_TASKS, DESCRIBE_TASKS].contains(&operation);
        seen(&stage, scene, Phase::End, marks[2], watched).await;
    }
    drop(gate);
    completed(&stage, &agent).await.unwrap();
    if phase == Phase::End {
        seen(&stage, scene, Phase::End, marks[2], |_| true).await;
    }
    marks[3] = arrived(&stage);
    Course { stage, marks }
}

impl Course {
    /// How often `operation` arrived after the `from`-th mark, up to the `to`-th.
    fn count(&self, operation: &str, from: usize, to: usize) -> usize {
        let window = self.marks[from] + 1..=self.marks[to];
        self.stage.world(|world| {
            let requests = world.requests().matching(operation);
            let within = requests.filter(|request| window.contains(&request.seq));
            within.count()
        })
    }

    /// Every operation that the agent has asked for. What a stray client of an earlier owner of the port
    /// sends is nobody's.
    fn operations(&self) -> BTreeSet<String> {
        self.stage.simulator.world(|world| {
            let requests = world.requests().of_instance(self.stage.instance.id());
            requests.map(|request| request.operation.clone()).collect()
        })
    }
}

/// What the table says of `scene` in `phase`.
async fn is_as_claimed(scene: Scene, phase: Phase) {
    let course = undisturbed(scene, phase).await;
    for operation in course.operations() {
        let known = CALLS.iter().any(|call| call.operation == operation);
        assert!(known, "{operation} is not in the table ({scene:?})");
    }
    let at = phase as usize;
    for call in CALLS {
        let (operation, when) = (call.operation, phase.name());
        if call.made[at] == Some(scene) {
            let late = is_first_made_late(operation, scene);
            let from = if late { 0 } else { at };
            let count = course.count(operation, from, 3);
            assert!(count > 0, "{operation} {when} in {scene:?}");
        } else if call.made[at].is_none() && scene == Scene::Signal {
            assert_eq!(course.count(operation, at, at + 1), 0, "{operation} {when}");
        }
    }
}

#[tokio::test]
async fn every_call_is_made_where_the_table_says_and_no_other() {
    let mut runs: BTreeSet<(Scene, Phase)> = Phase::ALL.map(|phase| (Scene::Signal, phase)).into();
    for call in CALLS {
        let made = call.made.into_iter().zip(Phase::ALL);
        runs.extend(made.filter_map(|(scene, phase)| Some((scene?, phase))));
    }
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (scene, phase) in runs {
        let places = Arc::clone(&places);
        running.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            let play = || async {
                let played = tokio::spawn(is_as_claimed(scene, phase)).await;
                let failed = played.is_err();
                (played, failed, Duration::ZERO)
            };
            let name = format!("{scene:?} {phase:?}");
            unless_starved(&name, play).await.unwrap();
        });
    }
    while let Some(run) = running.join_next().await {
        run.unwrap();
    }
}
