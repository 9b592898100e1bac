//! Random numbers that are the same in every run: SplitMix64.

use std::time::Duration;

/// A seeded generator.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// With this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` up to, but not including, `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.number() % high.saturating_sub(low).max(1)
    }

    /// Milliseconds, likewise.
    pub fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low, high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_bounds_and_repeat_with_their_seed() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            std::iter::repeat_with(move || random.between(1000, 4000)).take(1000)
        };
        assert!(draw(1).all(|number| (1000..4000).contains(&number)));
        assert!(draw(1).eq(draw(1)));
        assert!(!draw(1).eq(draw(2)));
        assert_eq!(Random::new(1).between(5, 5), 5);
    }
}
