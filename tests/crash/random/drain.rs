//! Carries out the plan of one random drain.

use std::time::Duration;

use ecs_lifecycle_simulator::{
    ContainerInstanceStatus, Fault, InstanceSpec, LifecycleActionResult, LifecycleState, Options,
    Outcome, SpotAction, StackSpec, TargetLifecycleState, Who, World,
};
use tokio::time::Instant;

use super::plan::{Act, Cause, Plan};
use super::verdict::{Span, Witness, judge};
use crate::lives::{self, End, Lives, wall_clock, written};
use crate::stage::{PATIENCE, Stage};

#[derive(Default)]
pub struct Tally {
    pub kills: usize,
    pub stops: usize,
    pub starts: usize,
    pub faults: usize,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.stops += other.stops;
        self.starts += other.starts;
        self.faults += other.faults;
    }
}

pub struct Failure {
    pub why: String,
    pub story: String,
}

/// Runs the drain of a seed; the outcome is a word or two. With it comes whether it failed, and for how long
/// the agent has waited for a processor.
pub async fn run(seed: u64) -> ((Tally, Result<String, Failure>), bool, Duration) {
    let plan = Plan::new(seed);
    let stage = stage(&plan).await;
    let mut lives = Lives::start(&stage.builder);
    let result = go(&plan, &stage, &mut lives).await;
    let id = stage.instance.id();
    let faults = stage.world(|world| {
        let log = world.requests().all().iter();
        log.filter(|request| is_fault(&request.outcome)).count()
    });
    let tally = Tally {
        kills: lives.kills,
        stops: lives.stops,
        starts: lives.starts,
        faults,
    };
    let result = result.map_err(|why| {
        let truth = stage.world(|world| truth(world, id));
        let story = format!("{plan:#?}\n{truth}\n{}", lives.log());
        Failure { why, story }
    });
    let failed = result.is_err() && !lives.panicked();
    ((tally, result), failed, lives.waited())
}

fn is_fault(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Fault { kind } if kind != "Disconnected")
}

/// Everything that really happened, with the requests that were more than polls.
fn truth(world: &World, id: &str) -> String {
    let events = world
        .events_of(id)
        .map(|event| (event.at_real, format!("{:?}", event.what)));
    let requests = world.requests().all().iter();
    let requests = requests
        .filter(|request| request.service.is_aws() || is_fault(&request.outcome))
        .map(|request| {
            let line = format!(
                "  #{} {} {:?}{}",
                request.seq,
                request.operation,
                request.outcome,
                if request.executed { ", done" } else { "" }
            );
            (request.at_real, line)
        });
    let mut lines: Vec<(Duration, String)> = events.chain(requests).collect();
    lines.sort_by_key(|(at, _)| *at);
    lines
        .iter()
        .map(|(at, line)| format!("{:>8.3}s {line}\n", at.as_secs_f64()))
        .collect()
}

async fn stage(plan: &Plan) -> Stage {
    let mut instance = InstanceSpec::new("demo").group("demo-asg");
    if plan.tags {
        instance = instance.tag("aws:autoscaling:groupName", "demo-asg");
    }
    if plan.drained_by_an_operator {
        instance = instance.status(ContainerInstanceStatus::Draining);
    }
    let instance = plan
        .tasks
        .iter()
        .cloned()
        .fold(instance, InstanceSpec::task);
    let mut stage = Stage::with_options(Options::default(), plan.group.clone(), instance).await;
    for (section, key, value) in &plan.settings {
        stage = stage.set(section, key, value);
    }
    let stack = StackSpec::new("demo-stack").waiting("Group");
    stage.simulator.add_stack(&stack);
    stage
}

async fn go(plan: &Plan, stage: &Stage, lives: &mut Lives) -> Result<String, String> {
    lives::watching(stage).await?;
    for trouble in &plan.troubles {
        let fault = Fault::on(trouble.operation, trouble.kind.clone())
            .probability(trouble.probability, trouble.seed)
            .times(trouble.times);
        stage.fault(fault);
    }
    let mut witness = Witness {
        caused_at: stage.simulator.now(),
        caused_at_wall: wall_clock(),
        down: Vec::new(),
        deaf: Vec::new(),
        written: None,
    };
    let instance = &stage.instance;
    match plan.cause {
        Cause::Terminated => assert!(instance.terminate()),
        Cause::Pool(state) => assert!(instance.send_to_warm_pool(state)),
        Cause::Spot(within) | Cause::SpotThenTerminated(within) => {
            instance.interrupt_spot(SpotAction::Terminate, within);
        }
    }
    let start = Instant::now();
    for (at, act) in &plan.acts {
        tokio::time::sleep_until(start + *at).await;
        act.happen(plan, stage, lives, &mut witness).await?;
    }
    // Whatever the plan left undone.
    for act in [Act::Heal, Act::Imds(true), Act::EcsAgent(true), Act::Rise] {
        act.happen(plan, stage, lives, &mut witness).await?;
    }
    finish(plan, stage).await?;
    witness.written = written(stage.scratch.path());
    let id = stage.instance.id();
    stage.world(|world| judge(plan, &witness, world, id))
}

/// Waits for the end that the plan leads to.
async fn finish(plan: &Plan, stage: &Stage) -> Result<(), String> {
    let id = stage.instance.id().to_owned();
    if plan.called_off {
        lives::polled(stage, 3).await?;
        let none = |_: &World| written(stage.scratch.path()).is_none();
        let forgotten = "the called off drain is forgotten";
        return stage.simulator.wait_until(forgotten, PATIENCE, none).await;
    }
    if matches!(plan.cause, Cause::Pool(_)) {
        let pool = |world: &World| {
            let state = world.instance(&id).and_then(|it| it.lifecycle_state);
            matches!(
                state,
                Some(
                    LifecycleState::WarmedStopped
                        | LifecycleState::WarmedRunning
                        | LifecycleState::WarmedHibernated
                )
            )
        };
        return stage.simulator.wait_until("the pool", PATIENCE, pool).await;
    }
    stage.instance.wait_until_gone(PATIENCE).await
}

/// Opens a port again. For as long as it was closed, any connection of this machine may have used it.
async fn reopened(mut open: impl FnMut() -> std::io::Result<()>) -> Result<(), String> {
    let mut tries = tokio::time::interval(Duration::from_millis(20));
    let until_open = async {
        loop {
            tries.tick().await;
            match open() {
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
                result => return result.map_err(|error| error.to_string()),
            }
        }
    };
    tokio::time::timeout(PATIENCE, until_open)
        .await
        .unwrap_or_else(|_| Err("the port stays in use".to_owned()))
}

impl Act {
    async fn happen(
        &self,
        plan: &Plan,
        stage: &Stage,
        lives: &mut Lives,
        witness: &mut Witness,
    ) -> Result<(), String> {
        let instance = &stage.instance;
        let now = || stage.simulator.now();
        match self {
            Self::Die(end) => {
                let completions = "autoscaling:CompleteLifecycleAction";
                let sent = stage.count(completions);
                Span::begin(&mut witness.down, now());
                lives.end(*end).await?;
                // One that was due in that very moment may have been sent before the signal came.
                if *end == End::Term && stage.count(completions) > sent + 1 {
                    return Err("completions because of SIGTERM".to_owned());
                }
            }
            Self::Rise => {
                lives.begin();
                Span::end(&mut witness.down, now());
            }
            Self::EcsAgent(false) => instance.ecs_agent_down().await,
            Self::EcsAgent(true) if instance.is_gone() => {}
            Self::EcsAgent(true) => reopened(|| instance.ecs_agent_up()).await?,
            Self::Imds(false) => {
                Span::begin(&mut witness.deaf, now());
                instance.close_imds().await;
            }
            Self::Imds(true) => {
                reopened(|| instance.open_imds()).await?;
                Span::end(&mut witness.deaf, now());
            }
            Self::ExpireCredentials => instance.expire_credentials(),
            Self::RevokeTokens => instance.revoke_tokens(),
            Self::Terminate => {
                instance.terminate();
            }
            Self::Operator(status) => {
                if !instance.is_gone() {
                    instance.set_container_instance_status(*status);
                }
            }
            Self::CompleteTheirs => {
                let hook = plan.their_hook.unwrap_or_default();
                let result = LifecycleActionResult::Continue;
                // Too early or too late is nobody's trouble here.
                let _ = stage.simulator.change(|world| {
                    world.complete(instance.id(), hook, None, result, Who::Operator)
                });
            }
            Self::Return => {
                if !instance.return_to_service() {
                    instance.set_target(TargetLifecycleState::InService);
                }
            }
            Self::Heal => stage.simulator.clear_faults(),
        }
        Ok(())
    }
}
