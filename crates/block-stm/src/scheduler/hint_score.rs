//! Whether declared writes are still believed.

use crate::primitives::sync::atomic::{AtomicI32, Ordering};

/// How far wrong declarations may outweigh right ones before readers stop waiting for them.
const TOLERANCE: i32 = 8;

/// A balance of right against wrong declarations.
pub(crate) struct HintScore(AtomicI32);

impl HintScore {
    pub(crate) fn new() -> Self {
        Self(AtomicI32::new(0))
    }

    pub(crate) fn holds(&self) -> bool {
        // ORDERING: Relaxed: advice only.
        self.0.load(Ordering::Relaxed) > -TOLERANCE
    }

    /// Takes the report of one transaction's declared locations. Belief does not pile up beyond
    /// what a few wrong declarations can undo.
    pub(crate) fn report(&self, right: usize, wrong: usize) {
        let change =
            right.min(TOLERANCE as usize) as i32 - wrong.min(2 * TOLERANCE as usize) as i32;
        // ORDERING: Relaxed: advice only; a lost update is as good as none.
        let sum = self.0.load(Ordering::Relaxed).saturating_add(change);
        self.0.store(sum.clamp(-2 * TOLERANCE, TOLERANCE), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_declarations_lose_trust_and_right_ones_regain_it() {
        let score = HintScore::new();
        (0..100).for_each(|_| score.report(1, 0));
        assert!(score.holds());
        (0..2 * TOLERANCE).for_each(|_| score.report(0, 1));
        assert!(!score.holds());
        (0..2 * TOLERANCE).for_each(|_| score.report(1, 0));
        assert!(score.holds());
        score.report(0, usize::MAX);
        assert!(!score.holds());
    }
}
