//! From time to place.

use std::time::Duration;

/// A linear scale.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Where time 0 is.
    pub left: f64,
    /// Where the end is.
    pub right: f64,
    /// The end.
    pub end: Duration,
}

impl Scale {
    /// Where a moment is.
    pub fn x(&self, at: Duration) -> f64 {
        let share = at.as_secs_f64() / self.end.as_secs_f64().max(0.001);
        self.left + share.min(1.0) * (self.right - self.left)
    }

    /// The seconds to write at the axis, a dozen at most.
    pub fn ticks(&self) -> Vec<u64> {
        let seconds = self.end.as_secs();
        let steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
        let step = steps.into_iter().find(|step| seconds / step <= 12);
        let step = step.unwrap_or(7200);
        (0..=seconds / step).map(|number| number * step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_linear_and_has_few_ticks() {
        let scale = Scale {
            left: 100.0,
            right: 200.0,
            end: Duration::from_secs(20),
        };
        assert!((scale.x(Duration::from_secs(5)) - 125.0).abs() < 1e-9);
        assert!(scale.x(Duration::from_secs(50)) <= 200.0);
        assert_eq!(scale.ticks().first(), Some(&0));
        assert!(scale.ticks().len() <= 13);
    }
}
