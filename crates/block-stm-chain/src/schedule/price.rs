//! The price of blob gas (EIP-4844).

use alloy_primitives::U256;

/// Wei per unit of blob gas when `excess` blob gas has piled up and the price grows by a factor of
/// e per `update_fraction`, or `None` if it doesn't fit 128 bits or the fraction is 0.
///
/// It is EIP-4844's `fake_exponential(1, excess, update_fraction)`, but safe for any header: no
/// overflow, no endless sum.
///
/// # Examples
///
/// ```
/// use block_stm_chain::blob_gas_price;
///
/// assert_eq!(blob_gas_price(0, 3_338_477), Some(1));
/// assert_eq!(blob_gas_price(10 << 20, 3_338_477), Some(23));
/// assert_eq!(blob_gas_price(u64::MAX, 3_338_477), None);
/// ```
pub fn blob_gas_price(excess: u64, update_fraction: u64) -> Option<u128> {
    if update_fraction == 0 {
        return None;
    }
    let numerator = U256::from(excess);
    let denominator = U256::from(update_fraction);
    let mut sum = U256::ZERO;
    let mut term = denominator;
    let mut index = U256::ONE;
    // Below the limit the terms fall after a few hundred steps; above it, the sum soon passes the
    // limit.
    while !term.is_zero() {
        sum = sum.checked_add(term)?;
        if sum.bit_len() > 128 + 64 {
            return None;
        }
        term = term.checked_mul(numerator)? / denominator.checked_mul(index)?;
        index += U256::ONE;
    }
    u128::try_from(sum / denominator).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_exponential_of_the_eip() {
        let table = [
            (0, 1, 1),
            (2, 1, 6),
            (4, 2, 6),
            (3, 1, 16),
            (6, 2, 18),
            (4, 1, 49),
            (5, 2, 11),
            (50_000_000, 2_225_652, 5_709_098_764),
        ];
        for (excess, fraction, price) in table {
            assert_eq!(blob_gas_price(excess, fraction), Some(price));
        }
        assert_eq!(blob_gas_price(2 * 3_338_477, 3_338_477), Some(7));
    }

    #[test]
    fn no_header_makes_it_overflow_or_run_for_ever() {
        for excess in [0, 1, 1 << 32, u64::MAX] {
            for fraction in [0, 1, 3_338_477, 1 << 40, u64::MAX] {
                let price = blob_gas_price(excess, fraction);
                assert_eq!(price.is_none(), fraction == 0 || excess / fraction > 88);
            }
        }
    }
}
