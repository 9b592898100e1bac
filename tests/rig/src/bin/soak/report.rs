//! The figures: a table over time, one line for each agent, and a verdict.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ecs_lifecycle_simulator::{Simulator, What};
use serde_json::{Value, json};

use crate::counts::{self, Counts};
use crate::options::Options;
use crate::process::Usage;
use crate::series::Series;
use crate::stage::Stage;

/// A week of polling once a second.
const WEEK: u64 = 7 * 86_400;
/// How many lines the table has, about.
const ROWS: usize = 28;
/// Resident memory may be larger in the last quarter than in the second by so many per cent …
const PERCENT: f64 = 5.0;
/// … and so many bytes: pages come and go.
const BYTES: f64 = 256.0 * 1024.0;
/// As to descriptors: connections come and go.
const DESCRIPTORS: f64 = 2.0;

/// One look at everything.
#[derive(Debug)]
struct Sample {
    at: Duration,
    polls: u64,
    tokens: u64,
    credentials: u64,
    calls: u64,
    drains: u64,
    called_off: u64,
    tasks: u64,
    disturbances: u64,
    agents: Vec<Usage>,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Report {
    agents: usize,
    binary: String,
    samples: Vec<Sample>,
    notes: Vec<String>,
    operations: Value,
    failures: Vec<String>,
}

impl Report {
    /// Empty.
    pub(crate) fn new(options: &Options, agents: usize) -> Self {
        Self {
            agents,
            binary: options.agent.display().to_string(),
            samples: Vec::new(),
            notes: Vec::new(),
            operations: Value::Null,
            failures: Vec::new(),
        }
    }

    /// What makes the run a failure.
    pub(crate) fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Something did not work.
    pub(crate) fn fail(&mut self, why: String) {
        self.failures.push(why);
    }

    /// Looks at every agent.
    pub(crate) fn sample(&mut self, at: Duration, stages: &mut [Stage], counts: &Counts) {
        let mut agents = Vec::new();
        for stage in stages {
            match stage.usage() {
                Ok(usage) => agents.push(usage),
                Err(failure) => return self.fail(failure),
            }
        }
        self.samples.push(Sample {
            at,
            polls: counts.polls(),
            tokens: counts.tokens(),
            credentials: counts.credentials(),
            calls: counts.calls(),
            drains: counts::get(&counts.drains),
            called_off: counts::get(&counts.called_off),
            tasks: counts::get(&counts.tasks),
            disturbances: counts::get(&counts.disturbances),
            agents,
        });
        self.operations = json!(counts.operations());
    }

    /// The verdict, and what else is known at the end.
    pub(crate) fn finish(&mut self, simulator: &Simulator, stages: &[Stage], counts: &Counts) {
        let lost = simulator.world(|world| {
            let lost = |what: &What| matches!(what, What::Killed { .. } | What::Suspended { .. });
            let events = world.events();
            events.iter().filter(|event| lost(&event.what)).count()
        });
        let lines: usize = stages.iter().map(Stage::lines).sum();
        self.notes.push(format!(
            "containers that ran when their instance was stopped: {lost}; put back by an operator: {}; \
             lines logged: {lines}",
            counts::get(&counts.put_back)
        ));
        let stuck: Vec<String> = stages
            .iter()
            .filter(|stage| {
                let name = format!("agent {} got stuck", stage.number());
                self.failures
                    .iter()
                    .any(|failure| failure.starts_with(&name))
            })
            .map(|stage| format!("agent {}, its log:\n{}", stage.number(), stage.tail()))
            .collect();
        self.failures.extend(stuck);
        for agent in 0..self.agents {
            let resident = self.series(agent, |usage| usage.resident);
            let (second, last) = (resident.quarter(1).mean(), resident.quarter(3).mean());
            if last > second * (1.0 + PERCENT / 100.0) + BYTES {
                self.failures.push(format!(
                    "agent {agent}: memory grows, from {} to {}",
                    kib(second),
                    kib(last)
                ));
            }
            let descriptors = self.series(agent, |usage| usage.descriptors);
            let (second, last) = (descriptors.quarter(1), descriptors.quarter(3));
            // An agent with much to do has more open than one with nothing; a leak raises both figures.
            let grows = |figure: fn(&Series) -> f64| figure(&last) > figure(&second) + DESCRIPTORS;
            if grows(Series::median) && grows(Series::max) {
                self.failures.push(format!(
                    "agent {agent}: file descriptors grow, from {} to {}",
                    second.median(),
                    last.median()
                ));
            }
        }
    }

    fn series(&self, agent: usize, field: impl Fn(&Usage) -> u64) -> Series {
        let usages = self
            .samples
            .iter()
            .filter_map(|sample| sample.agents.get(agent));
        Series::new(usages.map(|usage| wide(field(usage))))
    }

    /// Polls of one agent, in units of 100,000: that they share evenly is near enough.
    fn polls(&self) -> Series {
        let agents = wide(u64::try_from(self.agents).unwrap_or(1));
        let samples = self.samples.iter();
        Series::new(samples.map(|sample| wide(sample.polls) / agents / 1e5))
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![
            format!("ecs-lifecycle-agent, soak of {} agents side by side ({})", self.agents, self.binary),
            String::new(),
            "            metadata         metadata    creden-  calls    drains  called    tasks   flaps   VmRSS, KiB      RssAnon    open files     threads".to_owned(),
            "     time   polls            tokens      tials    to AWS   ended   off       placed          mean     max    mean       min mean max   max".to_owned(),
        ];
        let step = self.samples.len().div_ceil(ROWS).max(1);
        let last = self.samples.len().saturating_sub(1);
        for (index, sample) in self.samples.iter().enumerate() {
            if index % step == 0 || index == last {
                lines.push(sample.line());
            }
        }
        lines.push(String::new());
        lines.push(
            "agent   VmRSS, KiB                                       per 100k   RssAnon   open files"
                .to_owned(),
        );
        lines.push(
            "        min     max     2nd quarter  last quarter        polls      per 100k  min max  2nd  last"
                .to_owned(),
        );
        for agent in 0..self.agents {
            lines.push(self.agent_line(agent));
        }
        lines.push(String::new());
        lines.push(self.covered());
        lines.push(
            "per 100k polls: KiB, by least squares, without the first quarter of the time"
                .to_owned(),
        );
        lines.extend(self.notes.iter().cloned());
        if self.failures.is_empty() {
            lines.push(format!(
                "flat: no agent's memory is larger in the last quarter than in the second by {PERCENT} % and 256 KiB, and no agent has more files open"
            ));
        }
        lines.extend(
            self.failures
                .iter()
                .map(|failure| format!("FAILED: {failure}")),
        );
        lines.join("\n")
    }

    fn agent_line(&self, agent: usize) -> String {
        let resident = self.series(agent, |usage| usage.resident);
        let anonymous = self.series(agent, |usage| usage.anonymous);
        let files = self.series(agent, |usage| usage.descriptors);
        let polls = self.polls().settled();
        format!(
            "{agent:>5}   {:<7} {:<7} {:<12} {:<12} {:>+12.1} {:>+12.1}   {:>3} {:>3}  {:>3}  {:>4}",
            kib(resident.min()),
            kib(resident.max()),
            kib(resident.quarter(1).mean()),
            kib(resident.quarter(3).mean()),
            resident.settled().slope(&polls) / 1024.0,
            anonymous.settled().slope(&polls) / 1024.0,
            files.min(),
            files.max(),
            files.quarter(1).median(),
            files.quarter(3).median(),
        )
    }

    fn covered(&self) -> String {
        let polls = self.samples.last().map_or(0, |sample| sample.polls);
        let share = wide(polls) / wide(WEEK) * 100.0;
        format!(
            "{polls} polls in total, of the {WEEK} that are a week at one a second: {share:.0} %; \
             {:.0} by each agent",
            self.polls().max() * 1e5
        )
    }

    /// Writes `soak.json` into a directory.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<PathBuf> {
        let polls = self.polls().settled();
        let agents: Vec<Value> = (0..self.agents)
            .map(|agent| {
                let resident = self.series(agent, |usage| usage.resident);
                let files = self.series(agent, |usage| usage.descriptors);
                json!({
                    "resident_min": resident.min(),
                    "resident_max": resident.max(),
                    "resident_second_quarter": resident.quarter(1).mean(),
                    "resident_last_quarter": resident.quarter(3).mean(),
                    "resident_per_100k_polls": resident.settled().slope(&polls),
                    "descriptors_min": files.min(),
                    "descriptors_max": files.max(),
                })
            })
            .collect();
        let samples: Vec<Value> = self.samples.iter().map(Sample::json).collect();
        let report = json!({
            "agents": agents,
            "samples": samples,
            "requests": self.operations,
            "notes": self.notes,
            "failures": self.failures,
        });
        std::fs::create_dir_all(directory)?;
        let path = directory.join("soak.json");
        std::fs::write(&path, format!("{report:#}\n"))?;
        Ok(path)
    }
}

impl Sample {
    fn series(&self, field: impl Fn(&Usage) -> u64) -> Series {
        Series::new(self.agents.iter().map(|usage| wide(field(usage))))
    }

    fn line(&self) -> String {
        let resident = self.series(|usage| usage.resident);
        let anonymous = self.series(|usage| usage.anonymous);
        let files = self.series(|usage| usage.descriptors);
        let threads = self.series(|usage| usage.threads);
        let seconds = self.at.as_secs();
        format!(
            "{:>6}:{:02}   {:<16} {:<11} {:<8} {:<8} {:<7} {:<9} {:<7} {:<7} {:<8} {:<6} {:<10} {:>3} {:>4.1} {:>3}   {:>3}",
            seconds / 60,
            seconds % 60,
            self.polls,
            self.tokens,
            self.credentials,
            self.calls,
            self.drains,
            self.called_off,
            self.tasks,
            self.disturbances,
            kib(resident.mean()),
            kib(resident.max()),
            kib(anonymous.mean()),
            files.min(),
            files.mean(),
            files.max(),
            threads.max(),
        )
    }

    fn json(&self) -> Value {
        let agents: Vec<Value> = self
            .agents
            .iter()
            .map(|usage| {
                json!({
                    "resident": usage.resident,
                    "anonymous": usage.anonymous,
                    "descriptors": usage.descriptors,
                    "threads": usage.threads,
                })
            })
            .collect();
        json!({
            "seconds": self.at.as_secs_f64(),
            "polls": self.polls,
            "tokens": self.tokens,
            "credentials": self.credentials,
            "calls": self.calls,
            "drains": self.drains,
            "called_off": self.called_off,
            "tasks": self.tasks,
            "disturbances": self.disturbances,
            "agents": agents,
        })
    }
}

fn kib(bytes: f64) -> String {
    format!("{:.0}", bytes / 1024.0)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "figures here are far below the 52 bits that are exact"
)]
fn wide(count: u64) -> f64 {
    count as f64
}
