//! What was found: shrunk, sorted into classes, compared with what is known to fail.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::run::{Rules, Tally, When, tell};
use super::{Placed, Planned, line, moves, name};
use crate::story::Story;
use crate::wire::Ms;

/// Stories that go wrong in the same way: the same rule, in the same scene, with the same moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class<M> {
    /// The rule that they violate.
    pub rule: &'static str,
    /// Which scene.
    pub scene: usize,
    /// Their moves, sorted.
    pub moves: M,
}

/// The members of a class.
#[derive(Clone, Debug)]
pub struct Members<P> {
    /// How many were found.
    pub count: u64,
    /// The first, by its moments.
    pub first: P,
}

/// All classes that were found.
pub type Classes<S> = BTreeMap<Class<Vec<<S as Story>::Move>>, Members<Vec<Placed<S>>>>;

/// Adds a find.
pub fn add<S: Story>(
    to: &mut Classes<S>,
    rule: &'static str,
    scene: usize,
    places: Vec<Placed<S>>,
    count: u64,
) {
    let mut moves: Vec<S::Move> = places.iter().map(|it| it.0).collect();
    moves.sort();
    let members = to
        .entry(Class { rule, scene, moves })
        .or_insert_with(|| Members {
            count: 0,
            first: places.clone(),
        });
    members.count += count;
    if moments::<S>(&places) < moments::<S>(&members.first) {
        members.first = places;
    }
}

fn moments<S: Story>(places: &[Placed<S>]) -> Vec<(usize, S::Move)> {
    places.iter().map(|(kind, at)| (*at, *kind)).collect()
}

/// Makes stories smaller, as long as the same rule is violated. Remembers what it has tried.
pub struct Shrinker<S: Story> {
    scene: S::Scene,
    tried: BTreeMap<Vec<Planned<S>>, Tried<S>>,
    tally: Tally,
}

struct Tried<S: Story> {
    rules: Rules,
    places: Vec<Placed<S>>,
    times: Vec<Ms>,
}

impl<S: Story> Clone for Tried<S> {
    fn clone(&self) -> Self {
        Self {
            rules: self.rules.clone(),
            places: self.places.clone(),
            times: self.times.clone(),
        }
    }
}

impl<S: Story> Shrinker<S> {
    /// For the stories of a scene.
    pub fn new(scene: S::Scene) -> Self {
        Self {
            scene,
            tried: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// Boundaries and runs that it took, and nothing else: shrinking finds nothing new.
    pub fn cost(&self) -> (u64, u64) {
        (self.tally.runs, self.tally.steps)
    }

    fn attempt(&mut self, plan: Vec<Planned<S>>, rule: &str) -> Option<Tried<S>> {
        if !self.tried.contains_key(&plan) {
            let told = tell::<S>(self.scene, &plan, 0, false);
            self.tally.runs += told.tally.runs;
            self.tally.steps += told.tally.steps;
            // A story in which a move is not possible is another story.
            let rules = if told.missed == 0 {
                told.rules
            } else {
                Rules::new()
            };
            self.tried.insert(
                plan.clone(),
                Tried {
                    rules,
                    places: told.places,
                    times: told.times,
                },
            );
        }
        self.tried
            .get(&plan)
            .filter(|it| it.rules.contains(rule))
            .cloned()
    }

    fn again(&mut self, places: &[Placed<S>], rule: &str) -> Option<Tried<S>> {
        self.attempt(
            places
                .iter()
                .map(|(kind, at)| (*kind, When::Before(*at)))
                .collect(),
            rule,
        )
    }

    /// Without a move (or with it earlier); those after it where they were, by count or by time, or earlier
    /// by as much.
    fn variations(of: &Tried<S>, index: usize, earlier: Option<usize>) -> [Vec<Planned<S>>; 3] {
        let gone = earlier
            .and_then(|it| Some(of.places.get(index)?.1 - it))
            .unwrap_or(0);
        [0, 1, 2].map(|way| {
            let all = of.places.iter().zip(&of.times).enumerate();
            let plan = all.filter_map(|(i, (&(kind, at), &time))| match i.cmp(&index) {
                Ordering::Equal => Some((kind, When::Before(earlier?))),
                Ordering::Greater if way == 1 => Some((kind, When::Time(time))),
                Ordering::Greater if way == 2 => Some((kind, When::Before(at - gone))),
                _ => Some((kind, When::Before(at))),
            });
            plan.collect()
        })
    }

    /// Leaves out every move that is not needed. `None`: the story cannot be told again.
    pub fn shrink(&mut self, places: &[Placed<S>], rule: &str) -> Option<Vec<Placed<S>>> {
        let mut best = self.again(places, rule)?;
        let mut index = 0;
        while index < best.places.len() {
            let fewer = Self::variations(&best, index, None)
                .into_iter()
                .find_map(|plan| self.attempt(plan, rule));
            if let Some(fewer) = fewer {
                best = fewer;
                index = 0;
            } else {
                index += 1;
            }
        }
        Some(best.places)
    }

    /// Makes each move as early as it can be made.
    pub fn earliest(&mut self, places: &[Placed<S>], rule: &str) -> Option<Vec<Placed<S>>> {
        let mut best = self.again(places, rule)?;
        let mut low = 0;
        for index in 0..places.len() {
            let high = best.places.get(index).map_or(low, |it| it.1);
            let mut plans = (low..high).flat_map(|at| Self::variations(&best, index, Some(at)));
            if let Some(earlier) = plans.find_map(|plan| self.attempt(plan, rule)) {
                best = earlier;
            }
            low = best.places.get(index).map_or(low, |it| it.1);
        }
        Some(best.places)
    }
}

/// A class by its names, as the file of expected failures has it: `rule | scene | moves`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The rule.
    pub rule: String,
    /// The scene; `*`: any.
    pub scene: String,
    /// The moves, sorted; none: `-`.
    pub moves: Vec<String>,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moves = if self.moves.is_empty() {
            "-".to_owned()
        } else {
            self.moves.join(" ")
        };
        write!(f, "{} | {} | {moves}", self.rule, self.scene)
    }
}

impl Listed {
    /// What a class is called.
    pub fn of<S: Story>(class: &Class<Vec<S::Move>>, scenes: &[S::Scene]) -> Self {
        let mut moves: Vec<String> = class.moves.iter().map(name).collect();
        moves.sort();
        let scene = scenes.get(class.scene).map(name).unwrap_or_default();
        Self {
            rule: class.rule.to_owned(),
            scene,
            moves,
        }
    }

    /// Reads the lines of a file; empty lines and `#` are left out.
    ///
    /// # Errors
    /// A line that is not of this form.
    pub fn parse(text: &str) -> Result<Vec<Self>, String> {
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|it| !it.is_empty() && !it.starts_with('#'));
        let parsed = lines.map(|line| {
            let fields: Vec<&str> = line.split('|').map(str::trim).collect();
            let [rule, scene, moves] = fields.as_slice() else {
                return Err(format!("not `rule | scene | moves`: {line}"));
            };
            let mut moves: Vec<String> = moves
                .split_whitespace()
                .filter(|it| *it != "-")
                .map(str::to_owned)
                .collect();
            moves.sort();
            Ok(Self {
                rule: (*rule).to_owned(),
                scene: (*scene).to_owned(),
                moves,
            })
        });
        parsed.collect()
    }

    /// Whether the other goes wrong because this does: the same, or the same with more moves.
    pub fn covers(&self, other: &Self) -> bool {
        let mut rest = other.moves.iter();
        self.rule == other.rule
            && (self.scene == other.scene || self.scene == "*")
            && self.moves.iter().all(|it| rest.any(|other| other == it))
    }
}

/// Those that no other one covers.
pub fn smallest(all: BTreeSet<Listed>) -> BTreeSet<Listed> {
    let covered = |it: &Listed| all.iter().any(|other| other != it && other.covers(it));
    all.iter().filter(|it| !covered(it)).cloned().collect()
}

/// What was searched in full, so that whatever is listed must have been found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Full {
    /// Every move alone, in every scene.
    pub singles: bool,
    /// All pairs of named moves.
    pub pairs: bool,
}

impl Full {
    /// Whether a listed class would have been found, if it were still there.
    pub fn finds<S: Story>(self, listed: &Listed) -> bool {
        let known = |kinds: Vec<S::Move>| {
            listed
                .moves
                .iter()
                .all(|it| kinds.iter().any(|kind| name(kind) == *it))
        };
        let scene = listed.scene == "*" || S::scenes().iter().any(|it| name(it) == listed.scene);
        match listed.moves.len() {
            _ if !scene || !known(moves::<S>()) => self.singles || self.pairs,
            0 => self.singles || self.pairs,
            1 => self.singles || (self.pairs && known(S::named_moves())),
            2 => self.pairs && known(S::named_moves()),
            _ => false,
        }
    }
}

/// What of the found is not listed, and what of the listed should have been found and was not.
pub fn judge<S: Story>(
    found: &BTreeSet<Listed>,
    listed: &[Listed],
    full: Full,
) -> (Vec<Listed>, Vec<Listed>) {
    let new = smallest(found.clone())
        .into_iter()
        .filter(|it| !listed.iter().any(|known| known.covers(it)));
    let gone = listed
        .iter()
        .filter(|known| full.finds::<S>(known))
        .filter(|known| {
            !found
                .iter()
                .any(|it| known.covers(it) && known.moves.len() == it.moves.len())
        });
    (new.collect(), gone.cloned().collect())
}

/// The new contents of the file: what was found, and what was listed and could not have been. What is found
/// in more than half of the scenes is listed once, for any.
pub fn bless<S: Story>(found: &BTreeSet<Listed>, listed: &[Listed], full: Full) -> String {
    let mut scenes: BTreeMap<(&str, &[String]), usize> = BTreeMap::new();
    let least = smallest(found.clone());
    for it in &least {
        *scenes.entry((&it.rule, &it.moves)).or_default() += 1;
    }
    let all = S::scenes().len();
    let mut lines: BTreeSet<Listed> = listed
        .iter()
        .filter(|it| !full.finds::<S>(it))
        .cloned()
        .collect();
    lines.extend(least.iter().map(|it| {
        let often = scenes
            .get(&(it.rule.as_str(), it.moves.as_slice()))
            .is_some_and(|count| *count > 2 && count * 2 > all);
        Listed {
            scene: if often {
                "*".to_owned()
            } else {
                it.scene.clone()
            },
            ..it.clone()
        }
    }));
    let lines: Vec<String> = smallest(lines).iter().map(|it| format!("{it}\n")).collect();
    format!(
        "# Known failures: rule | scene (* is any) | moves. Rewritten by `explore --bless`.\n{}",
        lines.concat()
    )
}

/// The story of a find, for a person: the line that replays it, and its log.
pub fn story<S: Story>(scene: S::Scene, places: &[Placed<S>], rule: &str) -> String {
    let plan: Vec<Planned<S>> = places
        .iter()
        .map(|(kind, at)| (*kind, When::Before(*at)))
        .collect();
    let told = tell::<S>(scene, &plan, 0, true);
    let timed: Vec<String> = told
        .places
        .iter()
        .zip(&told.times)
        .map(|((kind, _), time)| format!(" {}@{time}ms", name(kind)))
        .collect();
    let (line, timed) = (line::<S>(scene, places), timed.concat());
    format!(
        "{rule}\n  {line}\n  {}:{timed}\n    {}\n",
        name(scene),
        told.lines.join("\n    ")
    )
}
