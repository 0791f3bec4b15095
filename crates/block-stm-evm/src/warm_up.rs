//! One-off costs of a process, paid when the host likes.

use revm::precompile::kzg_point_evaluation;

/// Loads the trusted set-up of the point evaluation precompile, which the first use otherwise pays
/// for. Without the feature `kzg` there is none to load: blst answers the same from one constant.
///
/// # Cost
///
/// Two to three seconds on the first call with the feature `kzg`, microseconds afterwards.
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
    use alloy_primitives::hex;

    use super::*;

    #[test]
    fn warming_up_goes_all_the_way_through_the_precompile() {
        warm_up();
        assert!(trivial_proof_holds());
    }

    /// A correct proof from the tests of the consensus specification (`verify_kzg_proof`, 4_4).
    const COMMITMENT: [u8; 48] = hex!(
        "8f59a8d2a1a625a17f3fea0fe5eb8c896db3764f3185481bc22f91b4aaffcca2\
         5f26936857bc3a7c2539ea8ec3a952b7"
    );
    const Z: [u8; 32] = hex!("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000");
    const Y: [u8; 32] = hex!("1522a4a7f34e1ea350ae07c29c96c7e79655aa926122e95fe69fcbd932ca49e9");
    const PROOF: [u8; 48] = hex!(
        "a62ad71d14c5719385c0686f1871430475bf3a00f0aa3f7b8dd99a9abc216074\
         4faf0070725e00b60ad9a026a15b1a8c"
    );
    const MODULUS: [u8; 32] =
        hex!("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001");

    /// Holds with and without the feature `kzg`, which is only a matter of speed.
    #[test]
    fn proofs_are_told_apart_whatever_checks_them() {
        let check = kzg_point_evaluation::verify_kzg_proof;
        assert!(check(&COMMITMENT, &Z, &Y, &PROOF));
        let mut infinity = [0; 48];
        infinity[0] = 0xc0;
        let mut outside = PROOF;
        outside[47] ^= 1;
        let none = [0; 32];
        let wrong = [
            ("another value", check(&COMMITMENT, &Z, &Z, &PROOF)),
            ("another point", check(&COMMITMENT, &Y, &Y, &PROOF)),
            ("another proof", check(&COMMITMENT, &Z, &Y, &infinity)),
            ("another polynomial", check(&infinity, &Z, &Y, &PROOF)),
            ("a point that is no field element", check(&infinity, &MODULUS, &none, &infinity)),
            ("a value that is no field element", check(&infinity, &none, &MODULUS, &infinity)),
            ("a proof that is no point", check(&COMMITMENT, &Z, &Y, &outside)),
            ("a commitment that is no point", check(&[0; 48], &Z, &Y, &PROOF)),
        ];
        for (what, holds) in wrong {
            assert!(!holds, "{what}");
        }
    }
}
