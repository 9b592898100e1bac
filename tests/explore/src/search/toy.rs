//! A small story with planted faults, to test the search on.

use std::fmt;

use super::levels::Search;
use super::{check, classes, cli, line, parse, replay, run};
use crate::story::{Boundary, Footprint, Story, Violation};

const TASK: u32 = 1;
const DISK: u32 = 2;
const PROCESS: u32 = 4;
const NOISE: u32 = 8;
const ENGINE: u32 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Task,
    Kill,
    Lose,
    Quiet,
    Poison,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(["task", "kill", "lose state", "quiet", "poison"][*self as usize])
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Length(u16);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rounds{}", self.0)
    }
}

/// A process drains once at the start and notes it on the disk; in each round it reads the tasks, and two
/// boundaries later completes if it saw none. Planted: a task placed in between (a single); the state lost
/// while the process is down, which makes it forget that it has drained (an ordered pair); a poison.
/// With `WRONG`, placing a task is said to touch nothing that matters.
#[derive(Clone)]
struct Toy<const WRONG: bool> {
    at: u16,
    rounds: u16,
    now: Now,
    violations: Vec<Violation>,
    log: Option<Vec<String>>,
}

#[derive(Clone)]
struct Now {
    task_until: Option<u16>,
    saw_none: bool,
    up: bool,
    drained: bool,
    disk: bool,
    quiet: u8,
    poisoned: bool,
    excused: u32,
}

impl<const WRONG: bool> Toy<WRONG> {
    fn wrong(&mut self, rule: &'static str) {
        if self.violations.iter().all(|it| it.rule != rule) {
            self.violations.push(Violation {
                rule,
                at: u64::from(self.at) * 1000,
                detail: "planted".to_owned(),
            });
        }
    }
}

impl<const WRONG: bool> Story for Toy<WRONG> {
    type Scene = Length;
    type Move = Kind;

    fn scenes() -> Vec<Length> {
        vec![Length(4), Length(6), Length(20)]
    }
    fn named_moves() -> Vec<Kind> {
        vec![Kind::Task, Kind::Kill, Kind::Lose, Kind::Quiet]
    }
    fn other_moves() -> Vec<Kind> {
        vec![Kind::Poison]
    }
    fn begin(scene: Length) -> Self {
        let now = Now {
            task_until: None,
            saw_none: false,
            up: true,
            drained: true,
            disk: true,
            quiet: 0,
            poisoned: false,
            excused: 0,
        };
        Self {
            at: 0,
            rounds: scene.0,
            now,
            violations: Vec::new(),
            log: None,
        }
    }
    fn next(&self) -> Option<Boundary> {
        let (reads, writes, label) = match self.at % 4 {
            0 => (TASK, PROCESS, "read tasks"),
            1 => (0, NOISE, "noise"),
            2 => (TASK | PROCESS | ENGINE, ENGINE, "complete"),
            _ => (DISK, PROCESS, "restart"),
        };
        let footprint = Footprint { reads, writes };
        (self.at < 4 * self.rounds).then(|| Boundary {
            at: u64::from(self.at) * 1000,
            footprint,
            after_idle: false,
            question: None,
            label: label.to_owned(),
        })
    }
    fn advance(&mut self) {
        let running = self.now.task_until.is_some_and(|until| self.at < until);
        match self.at % 4 {
            0 => self.now.saw_none = !running && self.now.up,
            2 => {
                assert!(!self.now.poisoned, "poisoned");
                self.now.excused += u32::from(self.now.quiet > 0);
                if self.now.saw_none && running {
                    self.wrong("completed-while-running");
                }
            }
            3 if !self.now.up => {
                self.now.up = true;
                self.now.drained = self.now.disk;
                if !self.now.drained {
                    self.wrong("forgot");
                }
            }
            _ => {}
        }
        self.at += 1;
        if let Some(log) = &mut self.log {
            log.push(format!(
                "{}: {}",
                self.at,
                ["read", "noise", "complete", "restart"][usize::from((self.at - 1) % 4)]
            ));
        }
    }
    fn footprint(kind: Kind) -> Footprint {
        let (reads, writes) = match kind {
            Kind::Task if WRONG => (0, NOISE),
            Kind::Task => (0, TASK),
            Kind::Kill => (0, PROCESS),
            Kind::Lose => (PROCESS, DISK),
            Kind::Quiet => (0, ENGINE),
            Kind::Poison => (0, PROCESS),
        };
        Footprint { reads, writes }
    }
    fn disturb(&mut self, kind: Kind) -> bool {
        match kind {
            Kind::Task => self.now.task_until = Some(self.at + 4),
            Kind::Kill => (self.now.up, self.now.saw_none) = (false, false),
            Kind::Lose if self.now.up => return false,
            Kind::Lose => self.now.disk = false,
            Kind::Quiet => self.now.quiet = 1,
            Kind::Poison => self.now.poisoned = true,
        }
        true
    }
    fn violations(&self) -> &[Violation] {
        &self.violations
    }
    fn exemptions(&self) -> Vec<(&'static str, u32)> {
        vec![("quiet", self.now.excused)]
    }
    fn log(&self) -> &[String] {
        self.log.as_deref().unwrap_or_default()
    }
    fn narrate(&mut self) {
        self.log = Some(Vec::new());
    }
}

type Right = Toy<false>;

fn explore<S: Story>(args: &str) -> (Result<bool, String>, String) {
    let mut out = Vec::new();
    let result = cli::run::<S>(args.split_whitespace().map(str::to_owned), &mut out);
    (result, String::from_utf8(out).unwrap())
}

fn found<S: Story>(part: &super::levels::Part<S>) -> Vec<String> {
    let named = |it| classes::Listed::of::<S>(it, &S::scenes()).to_string();
    let all = part.classes.keys().map(named);
    all.filter(|it| it.contains("rounds4")).collect()
}

const RAN: &str = "completed-while-running | rounds4 | task";
const FORGOT: &str = "forgot | rounds4 | kill lose-state";
const POISON: &str = "panic | rounds4 | poison";

#[test]
fn singles_find_what_one_move_does() {
    let part = Search::<Right>::new().singles();
    assert_eq!(found(&part), [RAN, POISON]);
    assert!(part.tally.unsound.is_empty());
}

#[test]
fn pairs_find_what_takes_two_in_that_order() {
    let search = Search::<Right>::new();
    let part = search.pairs();
    assert_eq!(found(&part), [RAN, FORGOT]);
    let mut classes = part.classes.iter();
    let forgot = classes.find(|(class, _)| class.rule == "forgot").unwrap();
    let kinds: Vec<_> = forgot.1.first.iter().map(|it| it.0).collect();
    assert_eq!(kinds, [Kind::Kill, Kind::Lose]);
    assert!(part.tally.unsound.is_empty());
    let (done, all) = part.coverage();
    assert_eq!(done, all);
}

#[test]
fn the_order_of_threads_changes_nothing() {
    let classes = |threads| {
        let mut search = Search::<Right>::new();
        search.threads = threads;
        let (a, b) = (search.pairs(), search.random(400));
        format!("{:?}{:?}{:?}{:?}", a.classes, a.tally, b.classes, b.tally)
    };
    assert_eq!(classes(1), classes(3));
}

#[test]
fn random_runs_find_both_and_shrink_them() {
    let part = Search::<Right>::new().random(2000);
    assert_eq!(found(&part), [RAN, FORGOT, POISON]);
}

#[test]
fn a_wrong_footprint_is_caught() {
    let right = Search::<Right>::new().reduction(1000);
    assert!(right.wrong.is_empty(), "{:?}", right.wrong);
    assert!(right.tally.unsound.is_empty() && right.uneven.is_empty());
    assert_eq!(right.coverage(), (1000, 1000));
    let wrong = Search::<Toy<true>>::new().reduction(1000);
    let said: Vec<&String> = wrong.wrong.keys().collect();
    let task = |it: &&String| it.starts_with("task is said not to touch");
    assert!(said.iter().all(task), "{said:?}");
    assert!(said.iter().any(|it| it.contains("`complete`")), "{said:?}");
    assert!(!explore::<Toy<true>>("reduction --count 500").0.unwrap());
}

#[test]
fn a_line_is_a_story() {
    let (scene, plan) = parse::<Right>("rounds4: kill@2 lose-state@2500ms").unwrap();
    assert_eq!(scene, Length(4));
    assert_eq!(plan[1], (Kind::Lose, run::When::Time(2500)));
    let told = replay::<Right>("rounds4: kill@2 lose-state@2500ms").unwrap();
    assert_eq!(told.places, [(Kind::Kill, 2), (Kind::Lose, 3)]);
    let both = "rounds4: kill@2 lose-state@3";
    assert_eq!(line::<Right>(scene, &told.places), both);
    for (story, why) in [
        (both, "!!! forgot at 3000 ms: planted"),
        ("rounds4: poison@0", "!!! panic: poisoned at "),
        ("rounds4: lose-state@2", "not possible"),
    ] {
        assert!(check::<Right>(story).unwrap_err().contains(why), "{story}");
    }
    assert_eq!(check::<Right>("rounds4: kill@2"), Ok(()));
    for wrong in [
        "rounds5: kill@2",
        "rounds4: kill",
        "rounds4: kil@2",
        "rounds4: kill@x",
        "",
    ] {
        assert!(parse::<Right>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn stories_are_shrunk_to_their_earliest() {
    let mut shrinker = classes::Shrinker::<Right>::new(Length(6));
    use Kind::{Kill, Lose, Quiet, Task};
    let long = [(Quiet, 1), (Kill, 9), (Task, 9), (Lose, 10)];
    let short = shrinker.shrink(&long, "forgot").unwrap();
    assert_eq!(short, [(Kill, 9), (Lose, 10)]);
    let earliest = shrinker.earliest(&short, "forgot").unwrap();
    assert_eq!(earliest, [(Kill, 0), (Lose, 0)]);
    assert_eq!(shrinker.shrink(&[(Kill, 9)], "forgot"), None);
}

#[test]
fn what_is_expected_is_green_and_what_is_gone_is_not() {
    let dir = std::env::temp_dir().join(format!("explore-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("expected.txt");
    let with =
        |args: &str| explore::<Right>(&format!("{args} --count 200 --expected {}", file.display()));
    std::fs::write(&file, "").unwrap();
    let (green, out) = with(&format!("all --stories {}", dir.join("stories").display()));
    assert_eq!(green, Ok(false));
    assert!(out.contains("rounds4: kill@0 lose-state@0"), "{out}");
    assert!(out.contains("exempt quiet"), "{out}");
    let story = dir.join("stories/forgot--rounds4--kill+lose-state.txt");
    let story = std::fs::read_to_string(story).unwrap();
    assert!(story.contains("!!! forgot at 3000 ms"), "{story}");
    assert_eq!(with("all --bless").0, Ok(true));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.ends_with("\ncompleted-while-running | * | task\nforgot | * | kill lose-state\npanic | * | poison\n"), "{text}");
    for level in [
        "all",
        "singles",
        "pairs",
        "random",
        "pairs --sample 20",
        "singles --scene rounds6",
        "all --move kill",
    ] {
        assert_eq!(with(level).0, Ok(true), "{level}");
    }
    let more = format!("{text}forgot | rounds4 | kill\nforgot | * | quiet task\n");
    std::fs::write(&file, more).unwrap();
    assert_eq!(with("random").0, Ok(true));
    let gone = "NO LONGER FOUND, take it out of the file: forgot | rounds4 | kill\n";
    assert!(with("singles").1.contains(gone));
    assert!(with("pairs").1.contains("forgot | * | quiet task\n"));
    let (green, out) = with("pairs --seconds 0");
    assert_eq!(green, Ok(true));
    assert!(out.contains("NOT all covered: rounds4 0/"), "{out}");
    assert!(with("pairs --sample 20").1.contains("NOT all covered"));
    assert_eq!(with("all --bless").0, Ok(true));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    for wrong in [
        "",
        "nothing",
        "singles --scene x",
        "singles --threads",
        "random --seed x",
        "pairs --bless",
    ] {
        assert!(explore::<Right>(wrong).0.is_err(), "{wrong}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
