//! Which stories are told: with one move, with two, with a few at random; and those that were skipped.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::classes::{Classes, Shrinker, add};
use super::run::{
    Fork, Rules, Tally, When, along, finish, fork, guarded, moments, moments_in_pairs, tell, track,
};
use super::{Dice, Placed, Planned, line, moves};
use crate::story::{Boundary, Footprint, Story};

/// Random runs, and skipped moments, come in jobs of so many.
const CHUNK: u64 = 50;
/// A random move that is not possible is tried again before each of so many boundaries.
const PATIENCE: usize = 8;

/// What is to be searched.
pub struct Search<S: Story> {
    /// Every scene, and what happens in it undisturbed.
    pub scenes: Vec<(S::Scene, Base)>,
    /// Only this one.
    pub only_scene: Option<usize>,
    /// Only stories with this move in them.
    pub only_move: Option<S::Move>,
    /// How many threads.
    pub threads: usize,
    /// When to stop.
    pub deadline: Option<Instant>,
    /// Only about so many placements, chosen by the seed.
    pub sample: Option<u64>,
    /// What decides wherever something is chosen.
    pub seed: u64,
}

/// An undisturbed run.
pub struct Base {
    /// What happens in it.
    pub boundaries: Vec<Boundary>,
    /// Which rules are violated in it.
    pub rules: Rules,
}

/// What a part of the search has found.
pub struct Part<S: Story> {
    /// The classes.
    pub classes: Classes<S>,
    /// What was done.
    pub tally: Tally,
    /// For each scene, of how many placements how many were tried.
    pub covered: BTreeMap<usize, (u64, u64)>,
    /// Where the reduction is wrong, by what is wrong: how often, and the first example.
    pub wrong: BTreeMap<String, (u64, String)>,
    /// Where a move was possible at one of two moments that should not differ, by move.
    pub uneven: BTreeMap<String, u64>,
}

impl<S: Story> Default for Part<S> {
    fn default() -> Self {
        let (classes, covered, wrong, uneven) = Default::default();
        Self {
            classes,
            tally: Tally::default(),
            covered,
            wrong,
            uneven,
        }
    }
}

impl<S: Story> Part<S> {
    /// Adds another's.
    pub fn add(&mut self, other: Self) {
        self.tally.add(other.tally);
        for (class, members) in other.classes {
            add::<S>(
                &mut self.classes,
                class.rule,
                class.scene,
                members.first,
                members.count,
            );
        }
        for (scene, (done, all)) in other.covered {
            let sum = self.covered.entry(scene).or_default();
            *sum = (sum.0 + done, sum.1 + all);
        }
        for (what, (count, example)) in other.wrong {
            self.wrong.entry(what).or_insert((0, example)).0 += count;
        }
        for (kind, count) in other.uneven {
            *self.uneven.entry(kind).or_default() += count;
        }
    }

    /// Of how many placements how many were tried.
    pub fn coverage(&self) -> (u64, u64) {
        self.covered
            .values()
            .fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1))
    }

    fn cover(&mut self, scene: usize, done: u64, all: u64) {
        let sum = self.covered.entry(scene).or_default();
        *sum = (sum.0 + done, sum.1 + all);
    }

    /// Shrinks a story and adds it, for each of the rules.
    fn find(
        &mut self,
        shrinker: &mut Shrinker<S>,
        scene: (usize, S::Scene),
        places: &[Placed<S>],
        rules: &[&'static str],
    ) {
        for rule in rules {
            match shrinker.shrink(places, rule) {
                Some(places) => add::<S>(&mut self.classes, rule, scene.0, places, 1),
                None => self
                    .tally
                    .unsound
                    .push(format!("{rule}: {}", line::<S>(scene.1, places))),
            }
        }
    }

    fn cost(mut self, shrinker: &Shrinker<S>) -> Self {
        let (runs, steps) = shrinker.cost();
        self.tally.runs += runs;
        self.tally.steps += steps;
        self
    }
}

/// Does jobs on several threads; the results are in the order of the jobs.
pub fn parallel<J: Sync, R: Send>(
    jobs: &[J],
    threads: usize,
    work: impl Fn(&J) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, jobs.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { break };
                    let result = work(job);
                    results
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|it| it.0);
    results.into_iter().map(|it| it.1).collect()
}

/// One part of a level: a scene, a move, and where the move is placed.
struct Job<M> {
    scene: usize,
    first: M,
    at: Vec<usize>,
}

impl<S: Story> Search<S> {
    /// Searches all of everything with two threads, until told otherwise. Runs every scene once, undisturbed.
    pub fn new() -> Self {
        let base = |scene: S::Scene| {
            let (boundaries, rules) = match guarded(|| S::begin(scene)) {
                Ok(story) => track(story, &mut Tally::default()),
                Err(_) => (Vec::new(), tell::<S>(scene, &[], 0, false).rules),
            };
            (scene, Base { boundaries, rules })
        };
        let scenes = S::scenes().into_iter().map(base).collect();
        Self {
            scenes,
            only_scene: None,
            only_move: None,
            threads: 2,
            deadline: None,
            sample: None,
            seed: 1,
        }
    }

    /// Whether it is restricted in any way but time.
    pub fn restricted(&self) -> bool {
        self.only_scene.is_some() || self.only_move.is_some() || self.sample.is_some()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the time that the search itself may take"
    )]
    fn late(&self) -> bool {
        self.deadline.is_some_and(|it| Instant::now() >= it)
    }

    /// The scenes that are searched and whose undisturbed run gets anywhere.
    fn searched(&self) -> impl Iterator<Item = (usize, S::Scene, &Base)> {
        let all = self
            .scenes
            .iter()
            .enumerate()
            .map(|(index, (scene, base))| (index, *scene, base));
        all.filter(|(index, _, base)| {
            self.only_scene.is_none_or(|it| it == *index) && !base.boundaries.is_empty()
        })
    }

    /// The same thing is chosen, or not, in every run with the same seed.
    fn chosen(&self, all: u64, what: &[u64]) -> bool {
        let dice = |sample| {
            Dice::new(&[&[self.seed], what].concat()).below(usize::try_from(all).unwrap_or(1))
                < sample
        };
        self.sample
            .is_none_or(|sample| dice(usize::try_from(sample).unwrap_or(usize::MAX)))
    }

    fn jobs(
        &self,
        kinds: &[S::Move],
        always: Option<usize>,
        moments: fn(&[Boundary], usize, Footprint) -> Vec<usize>,
    ) -> Vec<Job<S::Move>> {
        let scenes = self.searched().flat_map(|(scene, _, base)| {
            kinds.iter().map(move |first| {
                let mut at = moments(&base.boundaries, 0, S::footprint(*first));
                at.extend(always);
                at.sort_unstable();
                at.dedup();
                Job {
                    scene,
                    first: *first,
                    at,
                }
            })
        });
        scenes.collect()
    }

    /// Does the jobs, in an order that leaves out no scene or move where time is too short, and adds it all up.
    fn all<J: Sync>(&self, mut jobs: Vec<J>, work: impl Fn(&J) -> Part<S> + Sync) -> Part<S> {
        if self.deadline.is_some() {
            let mut dice = Dice::new(&[self.seed, 1]);
            for end in (1..jobs.len()).rev() {
                jobs.swap(end, dice.below(end + 1));
            }
        }
        let mut sum = Part::default();
        parallel(&jobs, self.threads, work)
            .into_iter()
            .for_each(|part| sum.add(part));
        sum
    }

    /// The undisturbed runs.
    pub fn undisturbed(&self) -> Part<S> {
        let mut part = Part::default();
        for (index, (scene, _)) in self.scenes.iter().enumerate() {
            if self.only_scene.is_none_or(|it| it == index) {
                let told = tell::<S>(*scene, &[], 0, false);
                part.cover(index, 1, 1);
                part.tally.add(told.tally);
                for rule in told.rules {
                    add::<S>(&mut part.classes, rule, index, Vec::new(), 1);
                }
            }
        }
        part
    }

    /// Every move alone, at every moment that differs, and before the first boundary.
    pub fn singles(&self) -> Part<S> {
        let kinds: Vec<S::Move> = moves::<S>()
            .into_iter()
            .filter(|it| self.only_move.is_none_or(|only| only == *it))
            .collect();
        let jobs = self.jobs(&kinds, Some(0), moments);
        let all = jobs.iter().map(|it| it.at.len() as u64).sum();
        let jobs = jobs.into_iter().zip(0..).collect();
        self.all(jobs, |(job, number)| self.single(job, *number, all))
    }

    fn single(&self, job: &Job<S::Move>, number: u64, all: u64) -> Part<S> {
        let mut part = Part::default();
        part.cover(job.scene, 0, job.at.len() as u64);
        let Some((scene, base)) = self.scenes.get(job.scene) else {
            return part;
        };
        let Some(last) = job.at.last() else {
            return part;
        };
        let mut shrinker = Shrinker::new(*scene);
        along(S::begin(*scene), 0, *last, |at, story| {
            if job.at.contains(&at) && self.chosen(all, &[number, at as u64]) && !self.late() {
                part.cover(job.scene, 1, 0);
                let rules = match fork(story, job.first, &mut part.tally) {
                    Fork::Impossible => return true,
                    Fork::Panic(rules) => rules,
                    Fork::Story(story) => finish(story, &mut part.tally),
                };
                let new: Vec<_> = rules.difference(&base.rules).copied().collect();
                part.find(&mut shrinker, (job.scene, *scene), &[(job.first, at)], &new);
            }
            true
        });
        part.cost(&shrinker)
    }

    /// Ordered pairs of named moves: the first at every moment of the undisturbed run that differs, the second
    /// at every moment that differs in the run with the first in it, from there on. A placement is a first
    /// move at its moment, with a second move at all of its moments.
    pub fn pairs(&self) -> Part<S> {
        let kinds = S::named_moves();
        let jobs = self.jobs(&kinds, None, moments_in_pairs);
        let all = jobs
            .iter()
            .map(|it| (it.at.len() * self.seconds(it.first, &kinds).len()) as u64)
            .sum();
        let jobs = jobs.into_iter().zip(0..).collect();
        self.all(jobs, |(job, number)| self.pair(job, *number, all, &kinds))
    }

    fn seconds(&self, first: S::Move, kinds: &[S::Move]) -> Vec<S::Move> {
        let wanted = |second: &S::Move| {
            self.only_move
                .is_none_or(|only| only == first || only == *second)
        };
        kinds.iter().copied().filter(wanted).collect()
    }

    fn pair(&self, job: &Job<S::Move>, number: u64, all: u64, kinds: &[S::Move]) -> Part<S> {
        let mut part = Part::default();
        let seconds = self.seconds(job.first, kinds);
        part.cover(job.scene, 0, (job.at.len() * seconds.len()) as u64);
        let Some((scene, base)) = self.scenes.get(job.scene) else {
            return part;
        };
        let Some(last) = job.at.last() else {
            return part;
        };
        if self.late() {
            return part;
        }
        let mut shrinker = Shrinker::new(*scene);
        along(S::begin(*scene), 0, *last, |at, story| {
            if self.late() {
                return false;
            }
            let chosen = |index: u64| self.chosen(all, &[number, at as u64, index]);
            let chosen: Vec<_> = seconds
                .iter()
                .zip(0..)
                .filter(|it| chosen(it.1))
                .map(|it| *it.0)
                .collect();
            if chosen.is_empty() || !job.at.contains(&at) {
                return true;
            }
            part.cover(job.scene, chosen.len() as u64, 0);
            let here = (job.scene, *scene);
            let story = match fork(story, job.first, &mut part.tally) {
                Fork::Impossible => return true,
                Fork::Panic(rules) => {
                    let new: Vec<_> = rules.difference(&base.rules).copied().collect();
                    part.find(&mut shrinker, here, &[(job.first, at)], &new);
                    return true;
                }
                Fork::Story(story) => story,
            };
            let (boundaries, alone) = track(story.clone(), &mut part.tally);
            let new: Vec<_> = alone.difference(&base.rules).copied().collect();
            part.find(&mut shrinker, here, &[(job.first, at)], &new);
            let mut places: BTreeMap<usize, Vec<S::Move>> = BTreeMap::new();
            for second in chosen {
                for at in moments_in_pairs(&boundaries, at, S::footprint(second)) {
                    places.entry(at).or_default().push(second);
                }
            }
            let Some(last) = places.last_key_value().map(|it| *it.0) else {
                return true;
            };
            along(story, at, last, |then, story| {
                for second in places.get(&then).into_iter().flatten() {
                    let rules = match fork(story, *second, &mut part.tally) {
                        Fork::Impossible => continue,
                        Fork::Panic(rules) => rules,
                        Fork::Story(story) => finish(story, &mut part.tally),
                    };
                    let new: Vec<_> = rules
                        .iter()
                        .filter(|it| !alone.contains(*it) && !base.rules.contains(*it))
                        .copied()
                        .collect();
                    part.find(
                        &mut shrinker,
                        here,
                        &[(job.first, at), (*second, then)],
                        &new,
                    );
                }
                true
            });
            true
        });
        part.cost(&shrinker)
    }

    fn chunks(&self, count: u64, job: impl Fn(u64, &mut Dice, &mut Part<S>) + Sync) -> Part<S> {
        let starts: Vec<u64> = (0..count)
            .step_by(usize::try_from(CHUNK).unwrap_or(1))
            .collect();
        self.all(starts, |start| {
            let mut part = Part::default();
            for number in *start..count.min(start + CHUNK) {
                if !self.late() {
                    job(number, &mut Dice::new(&[self.seed, number]), &mut part);
                }
            }
            part
        })
    }

    /// Runs with one to six moves of any kind at random moments, every second one shortly after the one
    /// before it. Number and seed make the run.
    pub fn random(&self, count: u64) -> Part<S> {
        let kinds = moves::<S>();
        let scenes: Vec<_> = self.searched().collect();
        let mut part = self.chunks(count, |number, dice, part| {
            let at = usize::try_from(number)
                .unwrap_or(0)
                .checked_rem(scenes.len());
            let Some((index, scene, base)) = at.and_then(|at| scenes.get(at)) else {
                return;
            };
            let size = 1 + dice.below(6);
            let special = dice.below(size);
            let mut plan: Vec<Planned<S>> = Vec::new();
            let mut moments: Vec<usize> = (0..size)
                .map(|_| dice.below(base.boundaries.len()))
                .collect();
            moments.sort_unstable();
            for (place, moment) in moments.into_iter().enumerate() {
                let drawn = if place == special {
                    self.only_move
                } else {
                    None
                };
                let Some(kind) = drawn.or_else(|| dice.pick(&kinds)) else {
                    return;
                };
                let near = plan.last().filter(|_| dice.below(2) == 0).copied();
                let moment = match near {
                    Some((_, When::Before(last))) => last + dice.below(4),
                    _ => moment,
                };
                plan.push((kind, When::Before(moment)));
            }
            let told = tell::<S>(*scene, &plan, PATIENCE, false);
            part.cover(*index, 1, 1);
            part.tally.add(told.tally);
            part.tally.impossible += told.missed as u64;
            let new: Vec<_> = told.rules.difference(&base.rules).copied().collect();
            let mut shrinker = Shrinker::new(*scene);
            part.find(&mut shrinker, (*index, *scene), &told.places, &new);
            let (runs, steps) = shrinker.cost();
            part.tally.runs += runs;
            part.tally.steps += steps;
        });
        let (done, _) = part.coverage();
        part.cover(self.only_scene.unwrap_or(0), 0, count.saturating_sub(done));
        part
    }

    /// Checks the reduction: moves at moments that were skipped, alone or after another one, come to the same
    /// as at the moment that stands for theirs.
    pub fn reduction(&self, count: u64) -> Part<S> {
        let kinds = moves::<S>();
        let scenes: Vec<_> = self.searched().collect();
        let mut part = self.chunks(count, |_, dice, part| {
            for _ in 0..50 {
                let Some((index, scene, base)) = dice.pick(&scenes) else {
                    return;
                };
                let only = if dice.below(2) == 0 {
                    self.only_move
                } else {
                    None
                };
                let (Some(first), Some(second)) = (
                    dice.pick(&kinds),
                    self.only_move.or_else(|| dice.pick(&kinds)),
                ) else {
                    return;
                };
                let first = (dice.below(2) == 0).then_some(only.unwrap_or(first));
                if self.skipped(scene, base, first, second, dice, part) {
                    part.cover(index, 1, 1);
                    return;
                }
            }
        });
        let (done, _) = part.coverage();
        part.cover(self.only_scene.unwrap_or(0), 0, count.saturating_sub(done));
        part
    }

    /// Tries one skipped moment, if there is one.
    fn skipped(
        &self,
        scene: S::Scene,
        base: &Base,
        first: Option<S::Move>,
        second: S::Move,
        dice: &mut Dice,
        part: &mut Part<S>,
    ) -> bool {
        let mut before: Vec<Placed<S>> = Vec::new();
        let (mut boundaries, mut rules) = track(S::begin(scene), &mut part.tally);
        let mut story = S::begin(scene);
        let mut from = 0;
        if let Some(first) = first {
            let Some(at) = dice.pick(&moments(&base.boundaries, 0, S::footprint(first))) else {
                return false;
            };
            along(S::begin(scene), 0, at, |_, it| {
                story = it.clone();
                true
            });
            let Fork::Story(disturbed) = fork(&story, first, &mut part.tally) else {
                return false;
            };
            (boundaries, rules) = track(disturbed.clone(), &mut part.tally);
            (story, from) = (disturbed, at);
            before.push((first, at));
        }
        let kept = moments(&boundaries, from, S::footprint(second));
        let skipped: Vec<usize> = (from..from + boundaries.len())
            .filter(|it| !kept.contains(it))
            .collect();
        let Some(at) = dice.pick(&skipped) else {
            return false;
        };
        // After the last moment that was kept there is none that differs from it.
        let Some(other) = kept.iter().find(|it| **it > at).or(kept.last()).copied() else {
            return false;
        };
        let (low, high) = (at.min(other), at.max(other));
        let mut results: Vec<Option<Rules>> = Vec::new();
        along(story, from, high, |now, story| {
            if now == low || now == high {
                results.push(match fork(story, second, &mut part.tally) {
                    Fork::Impossible => None,
                    Fork::Panic(rules) => Some(rules),
                    Fork::Story(story) => Some(finish(story, &mut part.tally)),
                });
            }
            true
        });
        let [a, b] = results.as_slice() else {
            return false;
        };
        if a.is_some() != b.is_some() {
            *part.uneven.entry(super::name(second)).or_default() += 1;
        }
        // A move that is not possible changes nothing.
        // What goes wrong undisturbed says nothing of the moment.
        let new = |it: &Option<Rules>| &it.clone().unwrap_or_else(|| rules.clone()) - &base.rules;
        let (a, b) = (new(a), new(b));
        if a != b {
            let told = |at: usize| {
                let all = before.iter().copied().chain([(second, at)]);
                let plan: Vec<Planned<S>> =
                    all.map(|(kind, at)| (kind, When::Before(at))).collect();
                tell::<S>(scene, &plan, 0, false).rules
            };
            let culprit = (low..high)
                .find(|at| told(*at) != told(at + 1))
                .unwrap_or(low);
            let boundary = boundaries.get(culprit - from).map_or("?", |it| &it.label);
            let [low, high] = [low, high]
                .map(|at| line::<S>(scene, &[before.as_slice(), &[(second, at)]].concat()));
            let what = format!("{second} is said not to touch `{boundary}`");
            part.wrong
                .entry(what)
                .or_insert((0, format!("{low} {a:?}; {high} {b:?}")))
                .0 += 1;
        }
        true
    }
}

impl<S: Story> Default for Search<S> {
    fn default() -> Self {
        Self::new()
    }
}
