//! How long a block's encoding may be.

use revm::primitives::hardfork::SpecId;

/// Bytes of a block in RLP from Osaka on: 10 MiB, less 2 for what travels beside it (EIP-7934).
pub(crate) const MAX_BLOCK_BYTES: usize = 8 << 20;

/// Whether a block of `bytes` bytes is too long under the rules of `spec`.
pub(crate) fn is_too_long(bytes: usize, spec: SpecId) -> bool {
    spec.is_enabled_in(SpecId::OSAKA) && bytes > MAX_BLOCK_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_allowed_and_before_osaka_there_is_none() {
        assert_eq!(MAX_BLOCK_BYTES, 10_485_760 - 2_097_152);
        for spec in [SpecId::OSAKA, SpecId::AMSTERDAM] {
            assert!(!is_too_long(8_388_608, spec) && is_too_long(8_388_609, spec));
        }
        assert!(!is_too_long(usize::MAX, SpecId::PRAGUE));
    }
}
