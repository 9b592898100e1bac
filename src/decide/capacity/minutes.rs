//! The minutes of the wall clock, each of which is spoken in once at the most.

use std::time::Duration;

use crate::model::{Moment, WallTime};
use crate::pace::spread;
use crate::turn::Turn;

const MINUTE: i64 = 60_000;
/// What the wall clock is believed to show may be half a second off before the clock counts as set: a
/// process that starts has to agree with the one before on which minute it is, once that one has spoken.
const FIRST: i64 = 2_000;
/// Leaves time for the answers before the minute is over.
const LAST: i64 = 45_000;
/// As many stretches of time as are remembered: one, and another each time that the clock is set.
const MOST: usize = 8;

/// A minute, counted from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Minute(i64);

impl Minute {
    /// The minute that the wall clock shows now.
    pub(super) fn now(turn: &Turn<'_>) -> Self {
        Self(
            WallTime::of(turn.now, turn.wall_at_boot)
                .0
                .div_euclid(MINUTE),
        )
    }

    /// When it began.
    pub(super) fn start(self) -> WallTime {
        WallTime(self.0.saturating_mul(MINUTE))
    }

    /// The moment in it at which this instance speaks: another one on each instance.
    fn moment(self, turn: &Turn<'_>) -> Moment {
        WallTime(self.start().0.saturating_add(phase(turn.seed))).moment(turn.wall_at_boot)
    }
}

/// How many milliseconds after the start of a minute an instance speaks whose id has this seed.
pub fn phase(seed: u64) -> i64 {
    FIRST + i64::try_from(spread(seed)).unwrap_or(0) % (LAST - FIRST)
}

/// The minutes that are over and done with, as stretches: the wall clock can be set back into them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Minutes(Vec<(i64, i64)>);

impl Minutes {
    /// The present minute, once its moment has come and unless it is done with. The step wakes up for the next.
    pub(super) fn due(&self, turn: &mut Turn<'_>) -> Option<Minute> {
        let now = Minute::now(turn);
        let mut next = now;
        while let Some((_, last)) = self
            .0
            .iter()
            .find(|(first, last)| (*first..=*last).contains(&next.0))
        {
            next = Minute(last.saturating_add(1));
        }
        let at = next.moment(turn);
        (turn.reached(at) && next == now).then_some(now)
    }

    /// Is done with a minute.
    pub(super) fn close(&mut self, Minute(minute): Minute) {
        self.0.push((minute, minute));
        self.0.sort_unstable();
        self.merge(1);
        // What was not spoken in is kept silent in, where the clock is set back into it: a gap is better
        // than a second sample.
        let mut apart = 1;
        while self.0.len() > MOST {
            apart *= 2;
            self.merge(apart);
        }
    }

    /// Joins stretches that are no further apart than that.
    fn merge(&mut self, apart: i64) {
        self.0.dedup_by(|next, before| {
            let joins = next.0.saturating_sub(before.1) <= apart;
            if joins {
                before.1 = before.1.max(next.1);
            }
            joins
        });
    }
}

/// How long a span is that is measured from one minute's moment to another's: answers take their time.
pub(super) fn has_passed(span: Duration, since: Moment, now: Moment) -> bool {
    now.since(since) + Duration::from_secs(15) >= span
}
