//! What is a change, and what is noise.
//!
//! Both sides of a run are executed in turn, so that each turn has a speed-up of its own, whatever
//! the machine did meanwhile. Two runs differ if their median speed-ups are further apart than the
//! medians are sure, and by more than one in a hundred.

use serde::Serialize;

use crate::medians::median;

/// Fewer turns tell nothing of noise.
const LEAST_TURNS: usize = 3;

/// Changes below are of no account.
const LEAST_CHANGE: f64 = 0.01;

/// How many standard errors apart a change begins.
const SURE: f64 = 3.0;

/// From the median distance to the median to a standard deviation, for normal noise.
const DEVIATION: f64 = 1.4826;

/// The speed-ups of one workload or block, turn by turn, and their median.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Samples {
    /// As the run told it.
    pub(super) speedup: f64,
    pub(super) turns: Vec<f64>,
}

/// What a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// The second run is faster.
    Faster,
    /// The second run is slower.
    Slower,
    /// Not further apart than noise.
    Same,
    /// There are too few turns.
    Unknown,
}

/// Two runs of the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Change {
    pub(super) speedup_before: f64,
    pub(super) speedup_after: f64,
    /// As a share of the speed-up: how far apart the two may be without meaning anything. Nothing
    /// with too few turns.
    pub(super) noise: Option<f64>,
    pub(super) verdict: Verdict,
}

impl Change {
    /// The second speed-up over the first one.
    pub(super) fn ratio(&self) -> f64 {
        self.speedup_after / self.speedup_before
    }

    pub(super) fn is_loss(&self) -> bool {
        self.verdict == Verdict::Slower
    }
}

/// What changed from `before` to `after`.
pub(super) fn change(before: &Samples, after: &Samples) -> Change {
    let errors = error(before).zip(error(after));
    let noise = errors.map(|(before, after)| (SURE * before.hypot(after)).max(LEAST_CHANGE));
    let ratio = after.speedup / before.speedup;
    let verdict = match noise {
        None => Verdict::Unknown,
        Some(noise) if ratio > 1.0 + noise => Verdict::Faster,
        Some(noise) if ratio < 1.0 / (1.0 + noise) => Verdict::Slower,
        Some(_) => Verdict::Same,
    };
    Change { speedup_before: before.speedup, speedup_after: after.speedup, noise, verdict }
}

/// The standard error of the median, as a share of it.
fn error(samples: &Samples) -> Option<f64> {
    let turns = samples.turns.len();
    if turns < LEAST_TURNS {
        return None;
    }
    let middle = median(&samples.turns);
    let distances: Vec<_> = samples.turns.iter().map(|turn| (turn - middle).abs()).collect();
    // The median of normal samples varies by a quarter more than their mean.
    Some(1.2533 * DEVIATION * median(&distances) / middle / (turns as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(turns: &[f64]) -> Samples {
        Samples { speedup: median(turns), turns: turns.to_vec() }
    }

    #[test]
    fn a_change_is_what_noise_does_not_explain() {
        let quiet = samples(&[1.50, 1.51, 1.49, 1.50, 1.50]);
        let verdict = |after: &[f64]| change(&quiet, &samples(after)).verdict;
        assert_eq!(verdict(&[1.70, 1.71, 1.69, 1.70, 1.70]), Verdict::Faster);
        assert_eq!(verdict(&[1.30, 1.31, 1.29, 1.30, 1.30]), Verdict::Slower);
        assert_eq!(verdict(&[1.505, 1.51, 1.50, 1.505, 1.505]), Verdict::Same);
        assert_eq!(verdict(&[1.1, 2.3, 1.30, 1.9, 1.2]), Verdict::Same, "all over the place");
        assert_eq!(verdict(&[1.0, 1.0]), Verdict::Unknown);
        let loss = change(&quiet, &samples(&[0.75; 5]));
        assert!(loss.is_loss() && (loss.ratio() - 0.5).abs() < 1e-9);
        assert_eq!(loss.noise, Some(LEAST_CHANGE.max(SURE * error(&quiet).expect("turns"))));
    }
}
