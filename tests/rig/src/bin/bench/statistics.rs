//! Percentiles of a few dozen samples.

/// The smallest sample that at least `percent` per cent of the samples do not exceed (nearest rank): a
/// value that was really measured. `None` without samples.
pub(crate) fn percentile(samples: &[f64], percent: usize) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent.min(100) * sorted.len()).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

/// What is printed of a set of samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) p95: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// Of at least one sample.
    pub(crate) fn of(samples: &[f64]) -> Option<Self> {
        Some(Self {
            min: percentile(samples, 0)?,
            median: percentile(samples, 50)?,
            p95: percentile(samples, 95)?,
            max: percentile(samples, 100)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(to: u32) -> Vec<f64> {
        (1..=to).rev().map(f64::from).collect()
    }

    #[test]
    fn of_a_hundred_numbers_percentiles_are_themselves() {
        let samples = numbers(100);
        for percent in 1..=100_u32 {
            assert_eq!(
                percentile(&samples, percent as usize),
                Some(f64::from(percent))
            );
        }
        assert_eq!(percentile(&samples, 0), Some(1.0));
        assert_eq!(percentile(&samples, 1000), Some(100.0));
    }

    #[test]
    fn few_samples_are_rounded_up_to_one_that_was_measured() {
        assert_eq!(percentile(&numbers(10), 95), Some(10.0));
        assert_eq!(percentile(&numbers(30), 95), Some(29.0));
        assert_eq!(percentile(&numbers(20), 95), Some(19.0));
        assert_eq!(percentile(&numbers(4), 50), Some(2.0));
        assert_eq!(percentile(&numbers(5), 50), Some(3.0));
        assert_eq!(percentile(&[7.5], 1), Some(7.5));
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn a_summary_is_sorted_whatever_the_order_of_the_samples() {
        let summary = Summary::of(&[3.0, 1.0, 2.0]).unwrap();
        let expected = Summary {
            min: 1.0,
            median: 2.0,
            p95: 3.0,
            max: 3.0,
        };
        assert_eq!(summary, expected);
    }
}
