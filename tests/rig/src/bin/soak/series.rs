//! Figures over time: does something grow?

/// Figures, the first the oldest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    /// Of these.
    pub(crate) fn new(values: impl IntoIterator<Item = f64>) -> Self {
        Self(values.into_iter().collect())
    }

    /// The figures of a quarter of the time, the first being 0.
    pub(crate) fn quarter(&self, number: usize) -> Self {
        let bound = |number: usize| self.0.len() * number / 4;
        let values = self.0.get(bound(number)..bound(number + 1));
        Self(values.unwrap_or_default().to_vec())
    }

    /// Without the first quarter, in which an agent reaches its size.
    pub(crate) fn settled(&self) -> Self {
        Self(self.0.iter().skip(self.0.len() / 4).copied().collect())
    }

    /// Zero for none.
    pub(crate) fn mean(&self) -> f64 {
        if self.0.is_empty() {
            return 0.0;
        }
        self.0.iter().sum::<f64>() / number(self.0.len())
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().min_by(f64::total_cmp).unwrap_or(0.0)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.iter().copied().max_by(f64::total_cmp).unwrap_or(0.0)
    }

    /// By how much it grows for each 1 that `over` grows, by least squares.
    pub(crate) fn slope(&self, over: &Self) -> f64 {
        let (mean, over_mean) = (self.mean(), over.mean());
        let pairs = || self.0.iter().zip(&over.0);
        let together: f64 = pairs().map(|(y, x)| (y - mean) * (x - over_mean)).sum();
        let spread: f64 = over.0.iter().map(|x| (x - over_mean).powi(2)).sum();
        if spread > 0.0 { together / spread } else { 0.0 }
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts here are small")]
fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn a_line_has_its_slope_and_a_flat_one_none() {
        let x = Series::new([0.0, 1.0, 2.0, 3.0]);
        assert!(close(Series::new([5.0, 7.0, 9.0, 11.0]).slope(&x), 2.0));
        assert!(close(Series::new([5.0; 4]).slope(&x), 0.0));
        assert!(close(Series::default().slope(&Series::default()), 0.0));
    }

    #[test]
    fn quarters_are_in_order_and_whole() {
        let series = Series::new((0..10).map(f64::from));
        let sizes: Vec<usize> = (0..4).map(|n| series.quarter(n).0.len()).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 10);
        assert!(close(series.quarter(0).min(), 0.0) && close(series.quarter(3).max(), 9.0));
        assert!(close(Series::new([3.0, 1.0, 2.0]).median(), 2.0));
        assert!(close(series.settled().min(), 2.0));
    }
}
