//! One-off costs of a process, paid when the host likes.

use revm::precompile::kzg_point_evaluation;

/// Loads the trusted set-up of the point evaluation precompile, which the first use otherwise pays for.
///
/// # Cost
///
/// Two to three seconds on the first call, microseconds afterwards.
pub fn warm_up() {
    // Only the loading matters here; the test holds on to the answer.
    let _ = trivial_proof_holds();
}

/// Checks that the zero polynomial is zero at zero; commitment and proof are the point at infinity.
fn trivial_proof_holds() -> bool {
    let mut infinity = [0; 48];
    infinity[0] = 0xc0;
    let zero = [0; 32];
    kzg_point_evaluation::verify_kzg_proof(&infinity, &zero, &zero, &infinity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warming_up_goes_all_the_way_through_the_precompile() {
        warm_up();
        assert!(trivial_proof_holds());
    }
}
