//! Medians and other quantiles.

use std::time::Duration;

/// The value below which this share of the samples lies, linear between the two samples that it
/// lies between; 0 for no samples.
pub(crate) fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = share * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

/// The middle of an odd number of samples, the mean of the middle two of an even one.
pub(crate) fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}

/// The same for times, in whole nanoseconds.
pub(crate) fn median_time(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    let middle = times.len() / 2;
    match times.as_slice() {
        [] => Duration::ZERO,
        times if times.len() % 2 == 1 => times[middle],
        times => (times[middle - 1] + times[middle]) / 2,
    }
}

/// The middle, the lower one of two: a count that really occurred.
pub(crate) fn lower_median(counts: &[u64]) -> u64 {
    let mut counts = counts.to_vec();
    counts.sort_unstable();
    counts.get(counts.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        let times = |millis: &[u64]| {
            let times: Vec<_> = millis.iter().map(|&ms| Duration::from_millis(ms)).collect();
            median_time(&times).as_millis()
        };
        assert_eq!([times(&[]), times(&[5]), times(&[9, 1]), times(&[3, 9, 1])], [0, 5, 5, 3]);
        let counts: [&[u64]; 4] = [&[], &[5], &[9, 1], &[3, 9, 1]];
        assert_eq!(counts.map(lower_median), [0, 5, 1, 3]);
        let samples: [&[f64]; 4] = [&[], &[5.0], &[9.0, 1.0], &[3.0, 9.0, 1.0]];
        assert_eq!(samples.map(median), [0.0, 5.0, 5.0, 3.0]);
    }

    #[test]
    fn quantiles_lie_between_samples() {
        let samples = [2.4, 1.5, 1.8, 2.0, 2.2];
        let of = |share| quantile(&samples, share);
        assert_eq!([0.0, 0.25, 0.75, 1.0].map(of), [1.5, 1.8, 2.2, 2.4]);
        assert_eq!(quantile(&[1.0, 2.0], 0.25), 1.25);
    }
}
