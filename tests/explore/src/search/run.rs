//! One story: told with given moves, or forked and let go on to its end.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::{Placed, Planned};
use crate::story::{Boundary, Footprint, Story};
use crate::wire::Ms;

/// Which rules a story has violated.
pub type Rules = BTreeSet<&'static str>;

/// The core (or the world) has panicked.
pub const PANIC: &str = "panic";

/// A story that has not ended after so many boundaries never will.
pub const ENDLESS: &str = "endless";
const BOUNDARIES: usize = 20_000;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs something that may panic, without a word on stderr. `Err`: it has, with what it said, and where.
pub fn guarded<T>(what: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if GUARDED.get() {
                let place = info.location().map(ToString::to_string).unwrap_or_default();
                PLACE.with_borrow_mut(|it| *it = place);
            } else {
                before(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(what));
    GUARDED.set(outer);
    result.map_err(|payload| {
        format!(
            "{} at {}",
            said(payload.as_ref()),
            PLACE.with_borrow(Clone::clone)
        )
    })
}

fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("?")
}

/// What was done, and what it came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Worlds that ran to their end.
    pub runs: u64,
    /// Boundaries that happened in them.
    pub steps: u64,
    /// Moves that were not possible at their moment.
    pub impossible: u64,
    /// How many runs violated each rule.
    pub hits: BTreeMap<&'static str, u64>,
    /// For each exemption: in how many runs (that ran to their end), how often.
    pub exempt: BTreeMap<&'static str, (u64, u64)>,
    /// Finds that could not be told again: a story that is not deterministic.
    pub unsound: Vec<String>,
}

impl Tally {
    /// Adds another's.
    pub fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.impossible += other.impossible;
        for (rule, count) in other.hits {
            *self.hits.entry(rule).or_default() += count;
        }
        for (what, (runs, times)) in other.exempt {
            let sum = self.exempt.entry(what).or_default();
            *sum = (sum.0 + runs, sum.1 + times);
        }
        self.unsound.extend(other.unsound);
    }

    fn end(&mut self, rules: &Rules) {
        self.runs += 1;
        for rule in rules {
            *self.hits.entry(rule).or_default() += 1;
        }
    }

    fn excuse<S: Story>(&mut self, story: &S) {
        for (what, times) in story
            .exemptions()
            .into_iter()
            .filter(|(_, times)| *times > 0)
        {
            let sum = self.exempt.entry(what).or_default();
            *sum = (sum.0 + 1, sum.1 + u64::from(times));
        }
    }
}

/// Which rules were violated so far.
pub fn rules<S: Story>(story: &S) -> Rules {
    story.violations().iter().map(|it| it.rule).collect()
}

/// Lets a fork go on to its end: the rules that were violated in it.
pub fn finish<S: Story>(mut story: S, tally: &mut Tally) -> Rules {
    story.heedless();
    go_on(story, tally, |_| ())
}

/// As [`finish`], with what happens on the way.
pub fn track<S: Story>(story: S, tally: &mut Tally) -> (Vec<Boundary>, Rules) {
    let mut boundaries = Vec::new();
    let rules = go_on(story, tally, |it| boundaries.push(it));
    (boundaries, rules)
}

fn go_on<S: Story>(mut story: S, tally: &mut Tally, mut note: impl FnMut(Boundary)) -> Rules {
    let mut steps = 0;
    let ended = guarded(|| {
        while let Some(boundary) = story.next() {
            if steps >= BOUNDARIES {
                return true;
            }
            note(boundary);
            steps += 1;
            story.advance();
        }
        false
    });
    tally.steps += steps as u64;
    let extra = match ended {
        Ok(endless) => {
            tally.excuse(&story);
            endless.then_some(ENDLESS)
        }
        Err(_) => Some(PANIC),
    };
    let rules = rules(&story).into_iter().chain(extra).collect();
    tally.end(&rules);
    rules
}

/// What came of a move.
pub enum Fork<S> {
    /// A story with the move in it.
    Story(S),
    /// It is not possible there.
    Impossible,
    /// The core did not survive it: [`PANIC`].
    Panic(Rules),
}

/// Makes a move in a copy of a story.
pub fn fork<S: Story>(story: &S, kind: S::Move, tally: &mut Tally) -> Fork<S> {
    let mut copy = story.clone();
    match guarded(|| copy.disturb(kind)) {
        Ok(true) => Fork::Story(copy),
        Ok(false) => {
            tally.impossible += 1;
            Fork::Impossible
        }
        Err(_) => {
            let rules = rules(&copy).into_iter().chain([PANIC]).collect();
            tally.end(&rules);
            Fork::Panic(rules)
        }
    }
}

/// Goes along a run that is known to get as far as `to`, and shows it before each boundary.
pub fn along<S: Story>(
    mut story: S,
    from: usize,
    to: usize,
    mut visit: impl FnMut(usize, &S) -> bool,
) {
    for at in from..=to {
        if !visit(at, &story) {
            break;
        }
        // It got there before: if it does not now, it is not deterministic, and coverage shows it.
        if at < to && guarded(|| story.advance()).is_err() {
            break;
        }
    }
}

/// So long without anything that touches a move, and it makes a difference how long it stands.
const STANDS: Ms = 10_000;

/// So often an idle boundary is tried in pairs.
const NOW_AND_THEN: Ms = 2_500;

/// The moments of a run that differ for a move: before each boundary that touches it, and one after the last
/// of these. A run of boundaries that it does not touch is one moment, of which the last one is taken; of a
/// run that lasts long the first as well, just after what touches it: then it stands, and nothing looks.
/// `from` is how many boundaries had happened before the first in `boundaries`.
pub fn moments(boundaries: &[Boundary], from: usize, footprint: Footprint) -> Vec<usize> {
    let touched = boundaries.iter().enumerate();
    let touched = touched.filter(|(_, it)| it.footprint.touches(footprint));
    spread(boundaries, from, touched.map(|it| it.0))
}

/// Those of them that are tried in pairs. While the process asks only questions, and all answers are as before, it and the
/// world stay as they are, but for the time: of such boundaries one is taken now and then.
pub fn moments_in_pairs(boundaries: &[Boundary], from: usize, footprint: Footprint) -> Vec<usize> {
    let at = |it: usize| boundaries.get(it).map_or(0, |it| it.at);
    let idle = |it: usize| boundaries.get(it + 1).is_some_and(|it| it.after_idle);
    // A question whose answer is no idle one is none, either.
    let busy = (0..boundaries.len()).filter(|it| !idle(*it));
    let busy: BTreeSet<u32> = busy.filter_map(|it| boundaries.get(it)?.question).collect();
    let mut kept = None;
    let touched = boundaries.iter().enumerate();
    let touched = touched.filter(|(_, it)| it.footprint.touches(footprint));
    let taken = touched.filter(|(place, it)| {
        let idle = idle(*place) && it.question.is_none_or(|it| !busy.contains(&it));
        let taken = !idle || kept.is_none_or(|kept| at(*place) >= kept + NOW_AND_THEN);
        if taken {
            kept = Some(at(*place));
        }
        taken
    });
    spread(boundaries, from, taken.map(|it| it.0))
}

fn spread(
    boundaries: &[Boundary],
    from: usize,
    touched: impl Iterator<Item = usize>,
) -> Vec<usize> {
    let at = |it: usize| boundaries.get(it).map_or(0, |it| it.at);
    let mut moments: Vec<usize> = Vec::new();
    let mut last = None;
    for place in touched {
        if let Some(after) = last.map(|it: usize| it + 1)
            && after < place
            && at(place) > at(after) + STANDS
        {
            moments.push(from + after);
        }
        last = Some(place);
        moments.push(from + place);
    }
    let after = moments.last().map_or(from, |last| last + 1);
    if after < from + boundaries.len() {
        moments.push(after);
    }
    moments
}

/// When a move is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// Once so many boundaries have happened.
    Before(usize),
    /// Before the first boundary at or after this time.
    Time(Ms),
}

/// A story that was told from its beginning to its end.
pub struct Told<S: Story> {
    /// Where the moves were made.
    pub places: Vec<Placed<S>>,
    /// When: the time of the boundary before which each was made.
    pub times: Vec<Ms>,
    /// How many were not possible, or came after the end.
    pub missed: usize,
    /// Which rules were violated.
    pub rules: Rules,
    /// The log, if it was asked for, with the moves and the violations in it.
    pub lines: Vec<String>,
    /// How much was run.
    pub tally: Tally,
}

/// Tells a story with these moves in it. A move that is not possible is tried again before each of the next
/// `patience` boundaries.
pub fn tell<S: Story>(
    scene: S::Scene,
    plan: &[Planned<S>],
    patience: usize,
    narrate: bool,
) -> Told<S> {
    let (places, times, lines) = (Vec::new(), Vec::new(), Vec::new());
    let mut told = Told {
        places,
        times,
        missed: 0,
        rules: Rules::new(),
        lines,
        tally: Tally::default(),
    };
    let mut story = match guarded(|| S::begin(scene)) {
        Ok(story) => story,
        Err(why) => {
            told.lines.push(format!("!!! {PANIC}: {why}"));
            told.rules.insert(PANIC);
            told.tally.end(&told.rules);
            return told;
        }
    };
    if narrate {
        story.narrate();
    }
    let mut shown = (0, 0);
    let mut happened = 0;
    let mut left = plan.iter().copied().peekable();
    let ended = guarded(|| {
        let mut waited = 0;
        while let Some(boundary) = story.next() {
            told.show(&story, narrate, &mut shown);
            if let Some(&(kind, when)) = left.peek()
                && match when {
                    When::Before(count) => happened >= count,
                    When::Time(time) => boundary.at >= time,
                }
            {
                if narrate {
                    told.lines.push(format!(
                        "--> {kind} @{happened} ({} ms), before: {}",
                        boundary.at, boundary.label
                    ));
                }
                if story.disturb(kind) {
                    told.places.push((kind, happened));
                    told.times.push(boundary.at);
                } else if waited < patience {
                    waited += 1;
                    story.advance();
                    happened += 1;
                    continue;
                } else {
                    told.missed += 1;
                }
                waited = 0;
                left.next();
                continue;
            }
            if happened >= BOUNDARIES {
                return Some(ENDLESS);
            }
            happened += 1;
            story.advance();
        }
        told.tally.excuse(&story);
        None
    });
    told.show(&story, narrate, &mut shown);
    told.missed += left.count();
    told.rules = rules(&story);
    told.rules
        .extend(ended.as_ref().map_or(Some(PANIC), |extra| *extra));
    match ended {
        Ok(Some(_)) => told.lines.push(format!(
            "!!! {ENDLESS}: not over after {BOUNDARIES} boundaries"
        )),
        Err(why) => told.lines.push(format!("!!! {PANIC}: {why}")),
        Ok(None) => {}
    }
    told.tally.steps = happened as u64;
    told.tally.end(&told.rules);
    told
}

impl<S: Story> Told<S> {
    /// Takes over what is new in the log, and what went wrong.
    fn show(&mut self, story: &S, narrate: bool, shown: &mut (usize, usize)) {
        if narrate {
            self.lines.extend(story.log().iter().skip(shown.0).cloned());
            let wrong = story.violations().iter().skip(shown.1);
            self.lines
                .extend(wrong.map(|it| format!("!!! {} at {} ms: {}", it.rule, it.at, it.detail)));
            *shown = (story.log().len(), story.violations().len());
        }
    }
}

#[test]
fn pairs_leave_out_only_idle_boundaries() {
    let footprint = Footprint {
        reads: 1,
        writes: 1,
    };
    let boundary = |at, after_idle, question| Boundary {
        at,
        footprint,
        after_idle,
        question,
        label: String::new(),
    };
    // Of two idle questions one has an answer that the process acts on.
    let boundaries = [
        boundary(0, false, None),
        boundary(100, false, Some(1)),
        boundary(110, true, Some(2)),
        boundary(120, true, Some(1)),
        boundary(130, true, Some(2)),
        boundary(200, false, None),
        boundary(2_900, true, None),
        boundary(3_000, true, None),
    ];
    let all: Vec<usize> = (3..12).collect();
    assert_eq!(moments(&boundaries, 3, footprint), all[..8]);
    assert_eq!(
        moments_in_pairs(&boundaries, 3, footprint),
        [3, 5, 7, 9, 10]
    );
}
