//! Searches stories for one that goes wrong.
//!
//! - [`run`]: one story: told with given moves, or forked and let go on; which moments differ.
//! - [`levels`]: which stories: one move, two moves, random ones, and the ones that were skipped.
//! - [`classes`]: what was found: shrunk, sorted into classes, compared with what is known to fail.
//! - [`cli`]: the command line.
//!
//! A counterexample is one line, `plain-wait15: task-placed@31 set-active@40`: a scene, and moves, each with
//! the number of boundaries that have happened before it. [`check`] makes a test of it. A moment can also be
//! given as time (`@40500ms`: before the first boundary at or after it), which survives a core that has other
//! boundaries than the one in which it was found.

pub mod classes;
pub mod cli;
pub mod levels;
pub mod run;
#[cfg(test)]
mod toy;

use std::fmt::Display;

use crate::story::Story;
use run::{Told, When};

/// A move and its moment.
pub type Planned<S> = (<S as Story>::Move, When);

/// A move and the number of boundaries that had happened before it.
pub type Placed<S> = (<S as Story>::Move, usize);

/// A name as lines and files have it: without blanks.
pub fn name(of: impl Display) -> String {
    of.to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join("-")
}

/// All moves, named and other.
pub fn moves<S: Story>() -> Vec<S::Move> {
    let mut all = S::named_moves();
    for other in S::other_moves() {
        if !all.contains(&other) {
            all.push(other);
        }
    }
    all
}

/// The line that replays a story.
pub fn line<S: Story>(scene: S::Scene, places: &[Placed<S>]) -> String {
    let moves: Vec<String> = places
        .iter()
        .map(|(kind, at)| format!(" {}@{at}", name(kind)))
        .collect();
    format!("{}:{}", name(scene), moves.concat())
}

/// Reads such a line.
///
/// # Errors
/// What is wrong with it.
pub fn parse<S: Story>(line: &str) -> Result<(S::Scene, Vec<Planned<S>>), String> {
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default();
    let scene = first.strip_suffix(':').unwrap_or(first);
    let scene = S::scenes()
        .into_iter()
        .find(|it| name(it) == scene)
        .ok_or(format!("no scene {scene:?}"))?;
    let all = moves::<S>();
    let mut plan = Vec::new();
    for word in words {
        let (kind, at) = word
            .rsplit_once('@')
            .ok_or(format!("no moment in {word:?}"))?;
        let kind = all
            .iter()
            .copied()
            .find(|it| name(it) == kind)
            .ok_or(format!("no move {kind:?}"))?;
        let when = match at.strip_suffix("ms") {
            Some(time) => time.parse().map(When::Time),
            None => at.parse().map(When::Before),
        };
        plan.push((kind, when.map_err(|error| format!("{word:?}: {error}"))?));
    }
    Ok((scene, plan))
}

/// Tells the story of a line, with its log.
///
/// # Errors
/// The line names what there is not, or a move that is not possible at its moment (any more).
pub fn replay<S: Story>(line: &str) -> Result<Told<S>, String> {
    let (scene, plan) = parse::<S>(line)?;
    let told = run::tell::<S>(scene, &plan, 0, true);
    if told.missed > 0 {
        return Err(format!(
            "{line}: {} of its moves are not possible there",
            told.missed
        ));
    }
    Ok(told)
}

/// For tests: nothing goes wrong in the story of this line.
///
/// # Errors
/// The story, if something does, or what is wrong with the line.
pub fn check<S: Story>(line: &str) -> Result<(), String> {
    let told = replay::<S>(line)?;
    if told.rules.is_empty() {
        Ok(())
    } else {
        Err(format!("{line}\n{}", told.lines.join("\n")))
    }
}

/// A generator of numbers that look random: SplitMix64.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// One for each seed and place: neighbours have nothing in common.
    pub fn new(seed: &[u64]) -> Self {
        let mut dice = Self(0);
        for part in seed {
            dice.0 ^= *part;
            dice.0 = dice.roll();
        }
        dice
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end` (0 if there is none).
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end.max(1) as u64).unwrap_or(0)
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        from.get(self.below(from.len())).copied()
    }
}
