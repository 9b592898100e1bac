//! Plays one cell of the matrix: one simulated instance, one agent, one fault.

use std::time::Duration;

use ecs_lifecycle_rig::AgentProcess;
use ecs_lifecycle_simulator::{
    Fault, FaultId, Hold, LifecycleActionResult, Outcome, RequestRecord, SECRET_MARKERS, What,
    World,
};

use super::kinds::{Group, Kind};
use super::scene::{BEAT, POLL, SHORT, Scene};
use super::stage::Stage;
use super::starved;
use super::table::{
    COMPLETE, CREDENTIALS, DESCRIBE, Fate, HEARTBEAT, Phase, ROLE, SIGNAL, SIGNATURE, Said, TOKEN,
};

/// Longer than anything here takes, on a machine busy with other tests.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a fault that holds up the end is watched.
const WATCH: Duration = Duration::from_secs(2);
/// Resident memory at its peak, of a debug build, whatever is answered.
pub const MOST_MEMORY: u64 = 64 * 1024 * 1024;

/// What is said of a denial that no permission would mend.
const NOT_TAKEN: &str = "rejected this instance's signal";

/// One cell.
#[derive(Clone, Debug)]
pub struct Cell {
    pub operation: &'static str,
    pub kind: Kind,
    pub phase: Phase,
    pub scene: Scene,
    /// `None`: the fault passes by itself, and the drain ends drained.
    pub fate: Option<Fate>,
    pub said: Said,
}

/// What a cell has cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub memory: u64,
}

type Play<T = ()> = Result<T, String>;

fn check(holds: bool, what: impl FnOnce() -> String) -> Play {
    if holds { Ok(()) } else { Err(what()) }
}

impl Cell {
    pub fn name(&self) -> String {
        let lasting = match self.fate {
            None => "for a while",
            Some(_) => "for good",
        };
        format!(
            "{}: {} {}, {lasting} ({:?})",
            self.operation,
            self.kind.name,
            self.phase.name(),
            self.scene
        )
    }

    fn is_local(&self) -> bool {
        !self.is_aws()
    }

    fn is_aws(&self) -> bool {
        !self.operation.starts_with("imds:") && !self.operation.starts_with("introspection:")
    }

    /// Whether it is a permission that is missing: AWS's word, not a status on the instance.
    fn is_denied(&self) -> bool {
        self.is_aws() && self.kind.group == Group::Denied
    }

    fn fault(&self, stage: &Stage) -> Fault {
        let fault =
            Fault::on(self.operation, self.kind.fault.clone()).of_instance(stage.instance.id());
        match self.fate {
            Some(_) => fault,
            // A denial is tried again after five seconds at the earliest.
            None if self.is_denied() => fault.times(1),
            None if self.is_local() => fault.times(3),
            None => fault.times(2),
        }
    }

    /// Plays it; the error holds the agent's log. With it comes whether it failed in a way that a busy
    /// machine can be the cause of, and for how long the agent has waited for a processor.
    pub async fn play(&self) -> (Play<Cost>, bool, Duration) {
        let stage = self.scene.set().await;
        // The fault of the first phase is there before the first request.
        let at_start = self.phase == Phase::Start;
        let fault = at_start.then(|| stage.fault(self.fault(&stage)));
        if self.scene == Scene::Resumed {
            self.scene.begin(&stage);
        }
        let mut agent = match stage.builder.start() {
            Ok(agent) => agent,
            Err(error) => return (Err(error.to_string()), false, Duration::ZERO),
        };
        let played = self.act(&stage, &mut agent, fault).await;
        let waited = agent.id().map_or(Duration::ZERO, starved::waited);
        let lives = agent.is_running().unwrap_or(false) && !agent.text().contains("panicked");
        let failed = played.is_err() && lives;
        let played = played.map_err(|error| {
            format!(
                "{error}\n--- its log:\n{}--- its last requests:\n{}",
                agent.text(),
                last_requests(&stage)
            )
        });
        (played, failed, waited)
    }

    async fn act(
        &self,
        stage: &Stage,
        agent: &mut AgentProcess,
        fault: Option<FaultId>,
    ) -> Play<Cost> {
        if self.fate.is_none() || self.phase != Phase::Start || self.is_aws() {
            agent.logged("target lifecycle state is", PATIENCE).await?;
        }
        let fault = if let Some(fault) = fault {
            if self.scene != Scene::Resumed {
                self.scene.begin(stage);
            }
            fault
        } else if is_first_made_late(self.operation, self.scene) {
            let fault = stage.fault(self.fault(stage));
            self.scene.begin(stage);
            fault
        } else {
            self.inject_in_time(stage, agent).await?
        };
        match self.fate {
            None | Some(Fate::Drained | Fate::Unheard) => self.ends_drained(stage, agent).await?,
            Some(Fate::TimedOut) => self.ends_at_the_deadline(stage, agent).await?,
            Some(Fate::Waits) => self.waits_until_mended(stage, agent, fault).await?,
        }
        self.is_safe(stage, agent, fault)?;
        Ok(Cost {
            memory: agent.memory("VmHWM").map_err(|e| e.to_string())?,
        })
    }

    /// The drain is held at its last look at ECS meanwhile, so that it is not over before.
    async fn inject_in_time(&self, stage: &Stage, agent: &AgentProcess) -> Play<FaultId> {
        // The first look is whose container instance it is.
        let gate = Hold::before(DESCRIBE).nth(2).every();
        let mut gate = stage.simulator.hold(gate);
        self.scene.begin(stage);
        under_way(self.scene, stage, agent).await?;
        if self.operation == DESCRIBE {
            let fault = stage.fault(self.fault(stage));
            drop(gate);
            return Ok(fault);
        }
        if self.scene == Scene::SetBack {
            // What is to be noticed here is noticed by that look.
            drop(gate);
            let fault = stage.fault(self.fault(stage));
            self.scene.provoke(stage);
            return Ok(fault);
        }
        if self.phase == Phase::End {
            let held = gate.reached(PATIENCE).await?;
            let fault = stage.fault(self.fault(stage));
            self.scene.provoke(stage);
            held.release();
            return Ok(fault);
        }
        let fault = stage.fault(self.fault(stage));
        self.scene.provoke(stage);
        stage
            .simulator
            .wait_until("the fault hits", PATIENCE, |world| {
                self.hits(world).next().is_some()
            })
            .await?;
        self.reported(agent, PATIENCE).await?;
        Ok(fault)
    }

    /// The requests that met the fault.
    fn hits<'a>(&'a self, world: &'a World) -> impl Iterator<Item = &'a RequestRecord> {
        let name = self.kind.fault.name();
        world.requests().matching(self.operation).filter(
            move |request| matches!(&request.outcome, Outcome::Fault { kind } if kind == name),
        )
    }

    async fn ends_drained(&self, stage: &Stage, agent: &AgentProcess) -> Play {
        if self.fate == Some(Fate::Unheard) {
            left(stage).await?;
        } else {
            completed(stage, agent).await?;
        }
        agent.logged("drained: no tasks are left", PATIENCE).await?;
        // A drain may be over before a time-out is.
        self.reported(agent, PATIENCE).await?;
        if self.scene == Scene::Signal && self.fate.is_none() {
            signalled(stage).await?;
        }
        left(stage).await
    }

    async fn ends_at_the_deadline(&self, stage: &Stage, agent: &AgentProcess) -> Play {
        completed(stage, agent).await?;
        agent.logged("deadline reached", PATIENCE).await?;
        stage.world(|world| {
            let id = stage.instance.id();
            let at = |is: &dyn Fn(&What) -> bool| world.event_of(id, is).map(|event| event.at_real);
            let begun = at(&|what| matches!(what, What::TargetStateSet(_)));
            let over = at(&|what| {
                matches!(what, What::HookCompleted { result, .. } if *result == LifecycleActionResult::Continue)
            });
            match (begun, over) {
                (Some(begun), Some(over)) => check(over >= begun + SHORT, || {
                    format!("completed {:?} after the word to drain", over - begun)
                }),
                _ => Err("not completed with CONTINUE".to_owned()),
            }
        })
    }

    async fn waits_until_mended(
        &self,
        stage: &Stage,
        agent: &mut AgentProcess,
        fault: FaultId,
    ) -> Play {
        self.reported(agent, PATIENCE).await?;
        containers_may_go(stage, WATCH).await;
        let id = stage.instance.id().to_owned();
        let completions = stage.world(|world| world.completions(&id));
        check(completions == 0, || {
            "completed although the fault was still there".to_owned()
        })?;
        check(agent.is_running().map_err(|e| e.to_string())?, || {
            "the agent has ended".to_owned()
        })?;
        self.is_patient(stage)?;
        check(stage.simulator.fault_hits(fault) > 0, || {
            "the fault never hit".to_owned()
        })?;
        stage.simulator.clear_faults();
        self.ends_drained(stage, agent).await
    }

    /// Whatever happened, this holds.
    fn is_safe(&self, stage: &Stage, agent: &mut AgentProcess, fault: FaultId) -> Play {
        if self.fate != Some(Fate::Waits) {
            check(stage.simulator.fault_hits(fault) > 0, || {
                "the fault never hit".to_owned()
            })?;
        }
        check(agent.is_running().map_err(|e| e.to_string())?, || {
            "the agent has ended".to_owned()
        })?;
        let text = agent.text();
        check(!text.contains("panicked"), || "it panicked".to_owned())?;
        stage.world(|world| {
            let done = world.completions(stage.instance.id());
            check(done == 1, || format!("{done} completions were accepted"))?;
            self.nobody_suffered(world)
        })?;
        self.is_reported(&text)?;
        self.is_patient(stage)?;
        holds_no_secret(stage, &text)?;
        let memory = agent.memory("VmHWM").map_err(|e| e.to_string())?;
        check(memory < MOST_MEMORY, || {
            format!("{} MB of memory", memory / 1024 / 1024)
        })
    }

    fn nobody_suffered(&self, world: &World) -> Play {
        let killed: Vec<String> = world
            .killed()
            .into_iter()
            .filter_map(|arn| world.task(&arn).map(|task| task.spec.family.clone()))
            .filter(|family| !self.scene.may_kill(family))
            .collect();
        check(
            killed.is_empty() || self.fate == Some(Fate::TimedOut),
            || format!("killed: {killed:?}"),
        )?;
        let suspended = world
            .events()
            .iter()
            .any(|event| matches!(event.what, What::Suspended { .. }));
        check(!suspended, || "suspended".to_owned())
    }

    /// A missing permission is said once, at level error, with the action.
    fn is_reported(&self, text: &str) -> Play {
        let loud = |line: &&str| line.contains(" WARN ") || line.contains("ERROR");
        let denials = ["role lacks", NOT_TAKEN];
        let is_denial = |line: &&str| denials.iter().any(|words| line.contains(words));
        let lacks: Vec<&str> = text.lines().filter(is_denial).collect();
        if self.is_denied() {
            let words = if self.operation == SIGNAL {
                NOT_TAKEN.to_owned()
            } else {
                format!("role lacks {};", self.operation)
            };
            let right = lacks.len() == 1 && lacks[0].contains("ERROR") && lacks[0].contains(&words);
            return check(right, || format!("a denial was reported as {lacks:?}"));
        }
        check(lacks.is_empty(), || format!("not a denial: {lacks:?}"))?;
        let parts = match self.said {
            Said::Warned(parts) => parts,
            Said::Silent(_) => return Ok(()),
        };
        let said = text
            .lines()
            .filter(loud)
            .any(|line| parts.split('|').any(|part| line.contains(part)));
        check(said, || format!("no word at warn or error about {parts}"))
    }

    async fn reported(&self, agent: &AgentProcess, patience: Duration) -> Play {
        let Said::Warned(parts) = self.said else {
            return Ok(());
        };
        let first = parts.split('|').next().unwrap_or_default();
        let part = if self.is_denied() && self.operation == SIGNAL {
            NOT_TAKEN
        } else if self.is_denied() {
            "role lacks"
        } else {
            first
        };
        // A second way to word it may come instead of the first.
        match parts.split('|').nth(1).filter(|_| !self.is_denied()) {
            Some(second) => {
                tokio::select! {
                    found = agent.logged(part, patience) => found.map(drop),
                    found = agent.logged(second, patience) => found.map(drop),
                }
            }
            None => agent.logged(part, patience).await.map(drop),
        }
    }

    /// Tries come no faster than the policy has them.
    fn is_patient(&self, stage: &Stage) -> Play {
        let times: Vec<Duration> =
            stage.world(|world| self.hits(world).map(|request| request.at_real).collect());
        let (Some(first), Some(last)) = (times.first(), times.last()) else {
            return Ok(());
        };
        let window = *last - *first;
        let in_window = |every: Duration| {
            usize::try_from(window.as_millis() / every.as_millis()).unwrap_or(usize::MAX)
        };
        let most = match self.operation {
            // Two readers a poll, and a second try each where a fresh token is refused.
            TOKEN => 4 * (in_window(POLL) + 2),
            HEARTBEAT => in_window(BEAT / 4) + 2,
            // Two calls ask for credentials side by side, and heartbeats; whatever the status, there are none.
            ROLE | CREDENTIALS => 2 * Group::Expired.most_tries(window) + in_window(BEAT) + 1,
            _ if self.is_local() => 2 * (in_window(POLL) + 2),
            // Each try is followed by another at once, with renewed credentials.
            _ if self.kind.group == Group::Expired => 2 * Group::Expired.most_tries(window),
            _ => self.kind.group.most_tries(window),
        };
        check(times.len() <= most, || {
            format!(
                "{} requests met the fault within {window:?}; {most} would do",
                times.len()
            )
        })
    }
}

/// Where the call is made in no earlier phase, the fault may as well wait for it.
pub fn is_first_made_late(operation: &str, scene: Scene) -> bool {
    [COMPLETE, SIGNAL, SIGNATURE].contains(&operation)
        || matches!(scene, Scene::Stalled | Scene::StopLater | Scene::Early)
}

fn last_requests(stage: &Stage) -> String {
    stage.world(|world| {
        let all = world.requests().all();
        let last = all.iter().skip(all.len().saturating_sub(40));
        last.map(|request| {
            format!(
                "{:?} {} {:?}\n",
                request.at_real, request.operation, request.outcome
            )
        })
        .collect()
    })
}

/// DRAINING is accepted, the hook is known, and the tasks are being read.
pub async fn under_way(scene: Scene, stage: &Stage, agent: &AgentProcess) -> Play {
    agent
        .logged("container instance is DRAINING", PATIENCE)
        .await?;
    agent.logged("lifecycle hook found", PATIENCE).await?;
    let call = scene.under_way();
    stage
        .simulator
        .wait_until("the drain is under way", PATIENCE, |world| {
            call.is_none_or(|call| world.requests().accepted(call) > 0)
        })
        .await
}

/// Everything that the drain waits for has gone.
pub async fn containers_gone(stage: &Stage) -> Play {
    stage
        .simulator
        .wait_until("the last container is gone", PATIENCE, |world| {
            is_empty(stage, world)
        })
        .await
}

fn is_empty(stage: &Stage, world: &World) -> bool {
    world
        .tasks_of(stage.instance.id())
        .all(|task| !task.is_running() || task.spec.stop_duration > Duration::from_secs(60))
}

async fn containers_may_go(stage: &Stage, within: Duration) {
    // Running out of time is as good: nothing has to happen here.
    let id = stage.instance.id();
    let _ = stage
        .simulator
        .wait_until("a completion", within, |world| world.completions(id) > 0)
        .await;
}

/// Auto Scaling has taken the completion, and the agent knows.
pub async fn completed(stage: &Stage, agent: &AgentProcess) -> Play {
    let id = stage.instance.id();
    stage
        .simulator
        .wait_until("a completion", PATIENCE, |world| world.completions(id) > 0)
        .await?;
    tokio::select! {
        found = agent.logged("lifecycle action completed", PATIENCE) => found.map(drop),
        found = agent.logged("was already completed", PATIENCE) => found.map(drop),
    }
}

async fn signalled(stage: &Stage) -> Play {
    let id = stage.instance.id();
    stage
        .simulator
        .wait_until("a signal", PATIENCE, |world| {
            world
                .event_of(id, |what| {
                    matches!(what, What::SignalReceived { success: true, .. })
                })
                .is_some()
        })
        .await
}

/// The instance is gone, or in the pool: whatever was killed with it is on record.
async fn left(stage: &Stage) -> Play {
    let id = stage.instance.id();
    stage
        .simulator
        .wait_until("the instance has left", PATIENCE, |world| {
            world.instance(id).is_some_and(|instance| {
                instance.gone_at.is_some()
                    || instance
                        .lifecycle_state
                        .is_some_and(|state| state.as_str() == "Warmed:Stopped")
            })
        })
        .await
}

fn holds_no_secret(stage: &Stage, log: &str) -> Play {
    let state =
        std::fs::read_to_string(stage.scratch.path().join("state.json")).unwrap_or_default();
    // The document by its fields, and by the base64 of its beginning: `{\n  "acc`.
    let document = [
        "accountId",
        "privateIp",
        "pendingTime",
        "ewogICJhY2",
        "CFN_V1",
    ];
    for marker in SECRET_MARKERS.iter().chain(&document) {
        check(!log.contains(marker), || format!("{marker} is in the log"))?;
        check(!state.contains(marker), || {
            format!("{marker} is in the state file")
        })?;
    }
    Ok(())
}
