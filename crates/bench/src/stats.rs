//! Medians and percentiles.

/// The middle, the least and the greatest of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Over at least one figure; all zero over none.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        Self { median: f64::midpoint(at(last / 2), at(last.div_ceil(2))), min: at(0), max: at(last) }
    }

    /// The same in percent.
    pub(crate) fn percent(self) -> String {
        format!("{:.0} % ({:.0}–{:.0})", self.median * 100.0, self.min * 100.0, self.max * 100.0)
    }

    /// The same as a factor.
    pub(crate) fn times(self) -> String {
        format!("{:.2}× ({:.2}–{:.2})", self.median, self.min, self.max)
    }
}

/// The figure that this part of the sorted figures does not exceed.
pub(crate) fn percentile(sorted: &[u64], part: f64) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index within the slice"
    )]
    let index = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

/// The geometric mean.
pub(crate) fn geometric_mean(figures: &[f64]) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a handful of figures")]
    let count = figures.len().max(1) as f64;
    (figures.iter().map(|figure| figure.ln()).sum::<f64>() / count).exp()
}

#[cfg(test)]
mod tests {
    use super::{Spread, geometric_mean, percentile};

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0]).median, 2.5);
        let sorted: Vec<u64> = (0..=100).collect();
        assert_eq!((percentile(&sorted, 0.5), percentile(&sorted, 0.99)), (50, 99));
        assert!((geometric_mean(&[1.0, 4.0]) - 2.0).abs() < 1e-9);
    }
}
