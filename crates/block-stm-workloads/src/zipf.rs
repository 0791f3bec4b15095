//! Zipf's law: rank `k` of `n` is drawn with a probability in proportion to `1 / k^s`.
//!
//! Rejection-inversion draws in constant time and memory, whatever `n` is: the histogram of `1 /
//! k^s` is hidden under the curve `1 / x^s`, a point under the curve is drawn by inverting the
//! curve's integral, and the few points that lie under the curve but not in the histogram are
//! thrown away. The logarithm and the exponential are computed in software, so that a seed gives
//! the same draws on every machine.
//!
//! Source: W. Hoermann, G. Derflinger, "Rejection-inversion to generate variates from monotone
//! discrete distributions", ACM TOMACS 6(3), 1996.

use rand::Rng;

/// A Zipf distribution over the ranks `0..n`.
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    ranks: f64,
    exponent: f64,
    /// Integral up to the left edge of the first bar, cut so that the bar is never rejected.
    low: f64,
    /// Integral up to the right edge of the last bar.
    high: f64,
    /// Points this close to their bar's middle, or nearer, need no test.
    sure: f64,
}

impl Zipf {
    /// `ranks` must be at least 1, `exponent` positive.
    pub(crate) fn new(ranks: u32, exponent: f64) -> Self {
        let mut zipf = Self { ranks: f64::from(ranks), exponent, low: 0.0, high: 0.0, sure: 0.0 };
        zipf.low = zipf.integral(1.5) - 1.0;
        zipf.high = zipf.integral(zipf.ranks + 0.5);
        zipf.sure = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.density(2.0));
        zipf
    }

    /// Draws a rank, counted from 0.
    pub(crate) fn sample(&self, rng: &mut impl Rng) -> u32 {
        loop {
            let area = self.high + rng.random::<f64>() * (self.low - self.high);
            let x = self.inverse(area);
            let rank = libm::floor(x + 0.5).clamp(1.0, self.ranks);
            if rank - x <= self.sure || area >= self.integral(rank + 0.5) - self.density(rank) {
                return rank as u32 - 1;
            }
        }
    }

    /// `x^-s`.
    fn density(&self, x: f64) -> f64 {
        libm::exp(-self.exponent * libm::log(x))
    }

    /// The integral of the density from 1 to `x`: `(x^(1-s) - 1) / (1 - s)`, or `ln x` for `s = 1`.
    fn integral(&self, x: f64) -> f64 {
        let log = libm::log(x);
        expm1_ratio((1.0 - self.exponent) * log) * log
    }

    /// The inverse of the integral.
    fn inverse(&self, area: f64) -> f64 {
        let t = (area * (1.0 - self.exponent)).max(-1.0);
        libm::exp(log1p_ratio(t) * area)
    }
}

/// `(e^x - 1) / x`, continued to `x = 0`.
fn expm1_ratio(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { libm::expm1(x) / x }
}

/// `ln(1 + x) / x`, continued to `x = 0`.
fn log1p_ratio(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { libm::log1p(x) / x }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The largest distance of the drawn from the exact cumulative distribution (Kolmogorov's).
    fn distance(ranks: u32, drawn_with: f64, compared_to: f64) -> f64 {
        const DRAWS: u32 = 100_000;
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let zipf = Zipf::new(ranks, drawn_with);
        let mut counts = vec![0_u32; ranks as usize];
        for _ in 0..DRAWS {
            counts[zipf.sample(&mut rng) as usize] += 1;
        }
        let weight = |rank: u32| f64::from(rank).powf(-compared_to);
        let total: f64 = (1..=ranks).map(weight).sum();
        let (mut drawn, mut exact, mut worst) = (0.0, 0.0, 0.0_f64);
        for (rank, count) in (1..).zip(counts) {
            drawn += f64::from(count) / f64::from(DRAWS);
            exact += weight(rank) / total;
            worst = worst.max((drawn - exact).abs());
        }
        worst
    }

    #[test]
    fn draws_follow_the_law() {
        for exponent in [0.1, 0.5, 0.999_999, 1.0, 1.2, 2.0, 5.0] {
            for ranks in [1, 2, 3, 50, 1_000] {
                let worst = distance(ranks, exponent, exponent);
                // 1.63 / sqrt(100,000): exceeded by one right sample in a hundred.
                assert!(worst < 0.0052, "{ranks} ranks, {exponent}: {worst}");
            }
        }
    }

    #[test]
    fn another_exponent_is_noticed() {
        assert!(distance(50, 1.0, 1.1) > 0.02);
    }

    #[test]
    fn extremes_stay_in_range() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (ranks, exponent) in [(10_000_000, 10.0), (10_000_000, 1e-9), (1, 10.0)] {
            let zipf = Zipf::new(ranks, exponent);
            assert!((0..1_000).all(|_| zipf.sample(&mut rng) < ranks));
        }
    }
}
