//! The subcommand `capacity`: this instance's figures, and whether they would be published. It only reads.
//!
//! The core decides whether they would be, as in a running agent. It starts here from metadata, the ECS agent and
//! the state file, and only its reading actions are carried out.

use std::process::ExitCode;

use serde::Serialize;

use crate::clients::Endpoints;
use crate::clock::Clock;
use crate::config::Settings;
use crate::decide::{
    self, Action, Answer, ContainerInstance, Event, Figures, HostView, LocalTask, Silence, State,
    Verdict,
};
use crate::effects::Effects;
use crate::terminal;

/// The output of `--json`. Fields may be added, but none changes its meaning.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    container_capacity: Option<u32>,
    idle_host_capacity: Option<f64>,
    tasks_per_host: Option<u32>,
    limited_by: Option<&'static str>,
    publishes: bool,
    reason: Option<String>,
}

struct Found {
    verdict: Verdict,
    container_instance: Option<ContainerInstance>,
    host: Result<HostView, Silence>,
}

/// Prints the report. The exit status is 0 if the figures would be published, else 1.
#[must_use]
pub fn run(settings: &Settings, json: bool) -> ExitCode {
    // The SDK and reqwest share this crypto provider. Only a second call could fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let found = match look(settings) {
        Ok(found) => found,
        Err(error) => {
            terminal::complain(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    let publishes = found.verdict.silence.is_none();
    let text = if json {
        match serde_json::to_string(&report(&found.verdict)) {
            Ok(text) => format!("{text}\n"),
            Err(error) => {
                terminal::complain(&error.to_string());
                return ExitCode::FAILURE;
            }
        }
    } else {
        table(&found, settings)
    };
    match terminal::print(&text) {
        ExitCode::SUCCESS if !publishes => ExitCode::FAILURE,
        code => code,
    }
}

fn look(settings: &Settings) -> Result<Found, Box<dyn std::error::Error>> {
    let clock = Clock::start();
    let endpoints = Endpoints::from_environment(|name| std::env::var(name).ok());
    let effects = Effects::new(settings, &endpoints, clock);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let found = runtime.block_on(find(settings, &effects, clock));
    // A name look-up may still be blocked, and the exit does not wait for it.
    runtime.shutdown_background();
    Ok(found)
}

async fn find(settings: &Settings, effects: &Effects, clock: Clock) -> Found {
    let recalled = effects.recall().await.unwrap_or_else(|failure| {
        terminal::complain(&format!(
            "what the agent has written down cannot be read, so that a join or a drain may be overlooked: {}",
            failure.message
        ));
        None
    });
    let mut state = State::new(recalled, clock.now(), clock.wall_at_boot());
    let mut events = vec![Event::Tick];
    let mut unanswered = None;
    while let Some(event) = events.pop() {
        let step = decide::step(&mut state, event, clock.now(), settings);
        for (ticket, action) in step.actions {
            if !is_read(&action) {
                continue;
            }
            if let Some(answer) = effects.run(action, state.instance.clone()).await {
                unanswered = failure(&answer).or(unanswered);
                events.push(Event::Answered { ticket, answer });
            }
        }
    }
    let standing = match (state.standing(), unanswered) {
        (Err(Silence::NoMetadata), Some(why)) => Some(why),
        (standing, _) => standing.err(),
    };
    let container_instance = state.container_instance().cloned();
    let (host, tasks) = ask(effects, &state, container_instance.clone()).await;
    let instance = state.instance.as_ref();
    let verdict = decide::judge(
        &settings.capacity,
        standing,
        host.as_ref().map_err(Clone::clone),
        tasks.as_deref().map_err(Clone::clone),
        instance.map_or("", |instance| &instance.instance_id),
    );
    Found {
        verdict,
        container_instance,
        host,
    }
}

/// Whether an action only reads, and only from this machine.
fn is_read(action: &Action) -> bool {
    matches!(
        action,
        Action::ReadInstance | Action::ReadMetadata { .. } | Action::ReadContainerInstance
    )
}

/// The reason why metadata is unknown, if the answer is a failed read of it.
fn failure(answer: &Answer) -> Option<Silence> {
    let failure = match answer {
        Answer::Instance(Err(failure)) => failure,
        Answer::Metadata(reading) => reading.target_lifecycle_state.as_ref().err()?,
        _ => return None,
    };
    let mut failure = failure.clone();
    failure.message = format!("{}: {}", Silence::NoMetadata, failure.message);
    Some(Silence::Failed(failure))
}

async fn ask(
    effects: &Effects,
    state: &State,
    here: Option<ContainerInstance>,
) -> (Result<HostView, Silence>, Result<Vec<LocalTask>, Silence>) {
    let Some(here) = here else {
        return (Err(Silence::NotRegistered), Err(Silence::NotRegistered));
    };
    let instance = || state.instance.clone();
    let (host, tasks) = tokio::join!(
        effects.run(Action::DescribeResources(here), instance()),
        effects.run(Action::ReadTaskSet, instance()),
    );
    let host = match host {
        Some(Answer::Resources(result)) => result.map_err(Silence::Failed),
        _ => Err(Silence::NotAsked),
    };
    let tasks = match tasks {
        Some(Answer::TaskSet(result)) => result.map_err(Silence::Failed),
        _ => Err(Silence::NoTasks),
    };
    (host, tasks)
}

fn report(verdict: &Verdict) -> Report {
    let figures = verdict.figures.as_ref();
    Report {
        container_capacity: figures.map(|known| known.container_capacity),
        idle_host_capacity: figures.map(Figures::idle_host_capacity),
        tasks_per_host: figures.map(|known| known.tasks_per_host),
        limited_by: figures.map(|known| known.limited_by.as_str()),
        publishes: verdict.silence.is_none(),
        reason: verdict.silence.as_ref().map(ToString::to_string),
    }
}

fn table(found: &Found, settings: &Settings) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    let title = match &found.verdict.figures {
        Some(figures) => {
            rows.push(("ContainerCapacity", figures.container_capacity.to_string()));
            rows.push(("IdleHostCapacity", figures.idle_host_capacity().to_string()));
            rows.push(("TasksPerHost", figures.tasks_per_host.to_string()));
            figures.sentence(&settings.capacity)
        }
        None => "room not known".to_owned(),
    };
    rows.push((
        "published",
        match &found.verdict.silence {
            None => format!("once a minute, to {}", settings.metrics.capacity_endpoint()),
            Some(why) => format!("no: {why}"),
        },
    ));
    if let Some(here) = &found.container_instance {
        rows.push((
            "container instance",
            format!("{} of {}", here.id(), here.cluster),
        ));
    }
    if let Ok(host) = &found.host {
        for (name, resources) in [
            ("registered", &host.registered),
            ("remaining", &host.remaining),
        ] {
            let amount =
                |amount: Option<i64>| amount.map_or("-".to_owned(), |some| some.to_string());
            let ports: Vec<String> = resources.ports.iter().map(ToString::to_string).collect();
            rows.push((
                name,
                format!(
                    "CPU {}, memory {}, ports taken: {}",
                    amount(resources.cpu),
                    amount(resources.memory),
                    if ports.is_empty() {
                        "none".to_owned()
                    } else {
                        ports.join(" ")
                    }
                ),
            ));
        }
    }
    let mut text = format!("{title}\n\n");
    for (name, value) in rows {
        text.push_str(&format!("  {name:<20}{value}\n"));
    }
    text
}
