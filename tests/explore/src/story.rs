//! What the search needs to know of a story, and no more: it can be run on, forked, disturbed, judged.

use std::fmt::{Debug, Display};

use crate::wire::Ms;

/// Which parts of the world something looks at or changes: one bit a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Footprint {
    /// What it looks at.
    pub reads: u32,
    /// What it changes.
    pub writes: u32,
}

impl Footprint {
    /// Whether the order of the two can matter.
    pub fn touches(self, other: Self) -> bool {
        self.writes & (other.reads | other.writes) != 0 || other.writes & self.reads != 0
    }
}

/// The next thing that happens by itself: a request arrives, a reply is delivered, a timer of the world's
/// or the process's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// When.
    pub at: Ms,
    /// What it looks at and changes.
    pub footprint: Footprint,
    /// What happened before it was idle: the process heard nothing new, and asked for no change.
    pub after_idle: bool,
    /// A question's arrival and its answer have the same number.
    pub question: Option<u32>,
    /// In words, for a story that a person reads: `reply to Complete: NoActiveAction`.
    pub label: String,
}

/// Something that must not be, and was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule, by a short stable name: `completed-while-a-container-ran`.
    pub rule: &'static str,
    /// When.
    pub at: Ms,
    /// In words, with what the world knew.
    pub detail: String,
}

/// One run of a world with an agent in it. Deterministic: the same moves before the same boundaries lead to
/// the same run.
pub trait Story: Clone {
    /// Where it starts: policy, what the instance is, what runs, how Auto Scaling behaves.
    type Scene: Copy + Eq + Debug + Display + Send + Sync;
    /// One disturbance.
    type Move: Copy + Eq + Ord + Debug + Display + Send + Sync;

    /// All scenes, by name.
    fn scenes() -> Vec<Self::Scene>;

    /// The named moves, tried alone and in pairs: at most 25.
    fn named_moves() -> Vec<Self::Move>;

    /// All other moves: tried alone, and in samples.
    fn other_moves() -> Vec<Self::Move>;

    /// The beginning of a story.
    fn begin(scene: Self::Scene) -> Self;

    /// What happens next by itself; `None` once the machine is dead or the horizon is reached.
    fn next(&self) -> Option<Boundary>;

    /// Lets it happen.
    fn advance(&mut self);

    /// Nobody asks from now on whether a boundary was idle.
    fn heedless(&mut self) {}

    /// What a move looks at and changes.
    fn footprint(kind: Self::Move) -> Footprint;

    /// Makes a move now, before what happens next. `false`: it is not possible here, and nothing changed.
    fn disturb(&mut self, kind: Self::Move) -> bool;

    /// What was seen to be wrong so far; after the end also what did not come about (the goals).
    fn violations(&self) -> &[Violation];

    /// What no core can know, each with how often it has excused something in this story.
    fn exemptions(&self) -> Vec<(&'static str, u32)>;

    /// The log so far, line by line, if `begin` was told to keep it by [`Story::narrate`].
    fn log(&self) -> &[String];

    /// Keep a log from now on.
    fn narrate(&mut self);
}
