//! The command line: `explore`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::classes::{Class, Full, Listed, Shrinker, bless, judge, smallest, story};
use super::levels::{Part, Search, parallel};
use super::{Placed, line, moves, name, replay};
use crate::story::Story;

const USAGE: &str = "\
usage: explore singles|pairs|random|reduction|all [OPTIONS]
       explore replay LINE...        tells the story of `scene: move@12 move@40500ms`
       explore found FILE            replays the lines of a file: what was found once, and mended

  --scene X, --move Y   only stories of that scene, with that move in them
  --threads N           (2)
  --seconds N           stops then, and says what was left out
  --sample N            about N placements a level, chosen by the seed
  --seed S              (1)
  --count N             random runs, skipped moments (10000)
  --expected FILE       known failures: `rule | scene | moves`
  --bless               rewrites that file
  --stories DIR         writes there the shortest story of each class
";

/// So many stories that nobody expects are printed for each rule; the rest as lines.
const SHOWN: usize = 2;
/// So many lines of one kind are printed.
const LINES: usize = 40;

#[derive(Default)]
struct Arguments {
    level: String,
    lines: Vec<String>,
    scene: Option<String>,
    only: Option<String>,
    threads: Option<usize>,
    seconds: Option<u64>,
    sample: Option<u64>,
    seed: Option<u64>,
    count: Option<u64>,
    expected: Option<PathBuf>,
    bless: bool,
    stories: Option<PathBuf>,
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut all = Arguments {
        level: given.next().ok_or("what to search?")?,
        ..Arguments::default()
    };
    if ![
        "singles",
        "pairs",
        "random",
        "reduction",
        "all",
        "replay",
        "found",
    ]
    .contains(&all.level.as_str())
    {
        return Err(format!("no level {:?}", all.level));
    }
    let takes_lines = ["replay", "found"].contains(&all.level.as_str());
    while let Some(argument) = given.next() {
        if takes_lines && !argument.starts_with("--") {
            all.lines.push(argument);
            continue;
        }
        if argument == "--bless" {
            all.bless = true;
            continue;
        }
        let value = given
            .next()
            .ok_or_else(|| format!("what after {argument}?"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|error| format!("{argument} {value}: {error}"))
        };
        match argument.as_str() {
            "--scene" => all.scene = Some(value),
            "--move" => all.only = Some(value),
            "--threads" => all.threads = usize::try_from(number()?).ok(),
            "--seconds" => all.seconds = Some(number()?),
            "--sample" => all.sample = Some(number()?),
            "--seed" => all.seed = Some(number()?),
            "--count" => all.count = Some(number()?),
            "--expected" => all.expected = Some(value.into()),
            "--stories" => all.stories = Some(value.into()),
            _ => return Err(format!("what is {argument}?")),
        }
    }
    if all.bless && all.expected.is_none() {
        return Err("--bless needs --expected".to_owned());
    }
    Ok(all)
}

/// The program, without its own name in the arguments. 0: nothing was found that is not expected; 1:
/// something was; 2: it was not called properly.
pub fn main<S: Story>(args: impl Iterator<Item = String>) -> ExitCode {
    let mut out = io::stdout().lock();
    ExitCode::from(match run::<S>(args, &mut out) {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            let _ = write!(io::stderr(), "explore: {error}\n{USAGE}");
            2
        }
    })
}

/// As [`main`], with the output to somewhere else. Whether all is as expected.
///
/// # Errors
/// It was not called properly, or cannot read or write.
#[expect(
    clippy::disallowed_methods,
    reason = "the time that the search itself takes"
)]
pub fn run<S: Story>(
    args: impl Iterator<Item = String>,
    out: &mut dyn Write,
) -> Result<bool, String> {
    let args = arguments(args)?;
    unique(S::scenes().iter().map(name))?;
    unique(moves::<S>().iter().map(name))?;
    if args.level == "replay" {
        return replays::<S>(&args.lines, out).map_err(|error| error.to_string());
    }
    if args.level == "found" {
        return found::<S>(&args.lines, out);
    }
    let listed = match &args.expected {
        Some(file) if file.exists() || !args.bless => {
            let text =
                fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            Listed::parse(&text)?
        }
        _ => Vec::new(),
    };
    let start = Instant::now();
    let mut search = Search::<S>::new();
    let index = |of: &String| {
        S::scenes()
            .iter()
            .position(|it| name(it) == *of)
            .ok_or(format!("no scene {of:?}"))
    };
    search.only_scene = args.scene.as_ref().map(index).transpose()?;
    let kind = |of: &String| {
        moves::<S>()
            .into_iter()
            .find(|it| name(it) == *of)
            .ok_or(format!("no move {of:?}"))
    };
    search.only_move = args.only.as_ref().map(kind).transpose()?;
    search.threads = args.threads.unwrap_or(2);
    search.deadline = args
        .seconds
        .map(|seconds| start + Duration::from_secs(seconds));
    search.sample = args.sample;
    search.seed = args.seed.unwrap_or(1);
    let count = args.count.unwrap_or(10_000);

    if cfg!(panic = "abort") {
        return Err(
            "built with panic = \"abort\": a panic of the core would end the search".to_owned(),
        );
    }
    let mut sum = Part::default();
    let mut full = Full::default();
    let mut report = Report {
        search: &search,
        out,
    };
    let levels = ["undisturbed", "singles", "reduction", "random", "pairs"];
    // The pairs take what time is left.
    for level in levels
        .into_iter()
        .filter(|it| [it, "all"].contains(&args.level.as_str()) || *it == "undisturbed")
    {
        let start = Instant::now();
        let part = match level {
            "singles" => search.singles(),
            "pairs" => search.pairs(),
            "random" => search.random(count),
            "reduction" => search.reduction(count),
            _ => search.undisturbed(),
        };
        let (done, all) = part.coverage();
        let complete = done == all && !search.restricted();
        full.singles |= level == "singles" && complete;
        full.pairs |= level == "pairs" && complete;
        report
            .level(level, &part, start.elapsed())
            .map_err(|error| error.to_string())?;
        sum.add(part);
    }
    let sound = report.sums(&sum).map_err(|error| error.to_string())?;
    let found: BTreeSet<Listed> = sum
        .classes
        .keys()
        .map(|class| Listed::of::<S>(class, &S::scenes()))
        .collect();
    if args.bless
        && let Some(file) = &args.expected
    {
        let text = bless::<S>(&found, &listed, full);
        fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let known = if args.bless {
        &Vec::from_iter(found.iter().cloned())
    } else {
        &listed
    };
    let (new, gone) = judge::<S>(
        &found,
        known,
        if args.bless { Full::default() } else { full },
    );
    report
        .classes(&sum, &found, &new, args.stories.as_ref())
        .map_err(|error| error.to_string())?;
    report
        .verdict(&new, &gone, sound, full, start.elapsed())
        .map_err(|error| error.to_string())
}

fn unique(names: impl Iterator<Item = String>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut twice = names.filter(|it| !seen.insert(it.clone()));
    twice
        .next()
        .map_or(Ok(()), |it| Err(format!("two are called {it:?}")))
}

fn replays<S: Story>(lines: &[String], out: &mut dyn Write) -> io::Result<bool> {
    let mut green = true;
    for line in lines {
        match replay::<S>(line) {
            Ok(told) => {
                writeln!(
                    out,
                    "{line}\n  {}\n{:?}, {} boundaries",
                    told.lines.join("\n  "),
                    told.rules,
                    told.tally.steps
                )?;
                green &= told.rules.is_empty();
            }
            Err(error) => {
                writeln!(out, "{error}")?;
                green = false;
            }
        }
    }
    Ok(green)
}

/// Replays the lines of files, and tells the stories of those that are found again.
fn found<S: Story>(files: &[String], out: &mut dyn Write) -> Result<bool, String> {
    let (mut all, mut again) = (0, Vec::new());
    for file in files {
        let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            all += 1;
            let told = replay::<S>(line).map_err(|error| format!("{file}: {line}: {error}"))?;
            if !told.rules.is_empty() {
                again.push(line.to_owned());
            }
        }
    }
    replays::<S>(&again, out).map_err(|error| error.to_string())?;
    writeln!(out, "found again: {} of {all} lines", again.len()).map_err(|it| it.to_string())?;
    Ok(all > 0 && again.is_empty())
}

struct Report<'a, S: Story> {
    search: &'a Search<S>,
    out: &'a mut dyn Write,
}

impl<S: Story> Report<'_, S> {
    fn level(&mut self, level: &str, part: &Part<S>, took: Duration) -> io::Result<()> {
        let ((done, all), tally) = (part.coverage(), &part.tally);
        writeln!(
            self.out,
            "{level}: {done} of {all} placements, {} runs, {} boundaries, {:.1} s; {} moves not possible; seed {}",
            tally.runs,
            tally.steps,
            took.as_secs_f64(),
            tally.impossible,
            self.search.seed
        )?;
        if done < all {
            let open = |it: &&usize| part.covered.get(it).is_some_and(|(done, all)| done < all);
            let of = |it: &usize| {
                self.search
                    .scenes
                    .get(*it)
                    .map(|it| name(it.0))
                    .unwrap_or_default()
            };
            let open = part
                .covered
                .keys()
                .filter(open)
                .filter_map(|it| Some((of(it), part.covered.get(it)?)));
            let open: Vec<String> = open
                .map(|(scene, (done, all))| format!("{scene} {done}/{all}"))
                .collect();
            writeln!(self.out, "  NOT all covered: {}", open.join(", "))?;
        }
        Ok(())
    }

    /// What was counted, and whether the search itself can be believed.
    fn sums(&mut self, sum: &Part<S>) -> io::Result<bool> {
        let mut classes: BTreeMap<&str, u64> = BTreeMap::new();
        for class in sum.classes.keys() {
            *classes.entry(class.rule).or_default() += 1;
        }
        for (rule, runs) in &sum.tally.hits {
            writeln!(
                self.out,
                "rule {rule}: {runs} runs, {} classes",
                classes.get(rule).unwrap_or(&0)
            )?;
        }
        for (what, (runs, times)) in &sum.tally.exempt {
            writeln!(self.out, "exempt {what}: {times} times in {runs} runs")?;
        }
        for (kind, count) in &sum.uneven {
            writeln!(
                self.out,
                "reduction: {kind} was possible at one of two moments that should not differ, {count} times"
            )?;
        }
        for (what, (count, example)) in sum.wrong.iter().take(LINES) {
            writeln!(
                self.out,
                "REDUCTION WRONG: {what}: {count} times; {example}"
            )?;
        }
        for what in sum.tally.unsound.iter().take(LINES) {
            writeln!(self.out, "NOT SOUND: {what}")?;
        }
        let more =
            sum.wrong.len().saturating_sub(LINES) + sum.tally.unsound.len().saturating_sub(LINES);
        if more > 0 {
            writeln!(self.out, "and {more} more")?;
        }
        Ok(sum.wrong.is_empty() && sum.tally.unsound.is_empty())
    }

    /// One line for each class that no smaller one explains; a story for some that nobody expects.
    fn classes(
        &mut self,
        sum: &Part<S>,
        found: &BTreeSet<Listed>,
        new: &[Listed],
        dir: Option<&PathBuf>,
    ) -> io::Result<()> {
        let scenes = S::scenes();
        let least = smallest(found.clone());
        let mut told: BTreeMap<&str, usize> = BTreeMap::new();
        let mut chosen: Vec<Chosen<S>> = Vec::new();
        for (class, members) in &sum.classes {
            let listed = Listed::of::<S>(class, &scenes);
            if !least.contains(&listed) {
                continue;
            }
            let unexpected = new.contains(&listed);
            let shown = told.entry(class.rule).or_default();
            *shown += usize::from(unexpected);
            let tell = unexpected && *shown <= SHOWN;
            let Some(scene) = scenes.get(class.scene).copied() else {
                continue;
            };
            chosen.push(Chosen {
                class,
                scene,
                listed,
                count: members.count,
                first: &members.first,
                unexpected,
                tell,
            });
        }
        // Made as early as possible, which takes many runs: only what is told.
        let canonical = parallel(&chosen, self.search.threads, |it| {
            let wanted = it.tell || dir.is_some();
            let earliest =
                wanted.then(|| Shrinker::<S>::new(it.scene).earliest(it.first, it.class.rule));
            earliest.flatten().unwrap_or_else(|| it.first.clone())
        });
        if let Some(dir) = dir {
            fs::create_dir_all(dir)?;
        }
        let mut lines = 0;
        for (it, places) in chosen.iter().zip(canonical) {
            if let Some(dir) = dir {
                let file = it
                    .listed
                    .to_string()
                    .replace(" | ", "--")
                    .replace([' ', '/'], "+");
                fs::write(
                    dir.join(format!("{file}.txt")),
                    story::<S>(it.scene, &places, it.class.rule),
                )?;
            }
            lines += usize::from(!it.tell);
            if it.tell {
                writeln!(
                    self.out,
                    "\nFOUND {} times: {}",
                    it.count,
                    story::<S>(it.scene, &places, it.class.rule)
                )?;
            } else if lines <= LINES {
                let word = if it.unexpected { "FOUND" } else { "expected" };
                writeln!(
                    self.out,
                    "{word} {} times: {}: {}",
                    it.count,
                    it.class.rule,
                    line::<S>(it.scene, &places)
                )?;
            }
        }
        let more = if lines > LINES {
            format!(", {} of them not printed", lines - LINES)
        } else {
            String::new()
        };
        writeln!(
            self.out,
            "{} classes, {} with those that a smaller one explains{more}",
            chosen.len(),
            sum.classes.len()
        )
    }

    fn verdict(
        &mut self,
        new: &[Listed],
        gone: &[Listed],
        sound: bool,
        full: Full,
        took: Duration,
    ) -> io::Result<bool> {
        for it in gone {
            writeln!(self.out, "NO LONGER FOUND, take it out of the file: {it}")?;
        }
        let green = new.is_empty() && gone.is_empty() && sound;
        writeln!(
            self.out,
            "{}: {} classes not expected, {} expected and not found (singles {}, pairs {}), {:.1} s",
            if green { "green" } else { "RED" },
            new.len(),
            gone.len(),
            if full.singles {
                "in full"
            } else {
                "not in full"
            },
            if full.pairs { "in full" } else { "not in full" },
            took.as_secs_f64()
        )?;
        Ok(green)
    }
}

struct Chosen<'a, S: Story> {
    class: &'a Class<Vec<S::Move>>,
    scene: S::Scene,
    listed: Listed,
    count: u64,
    first: &'a Vec<Placed<S>>,
    unexpected: bool,
    tell: bool,
}
