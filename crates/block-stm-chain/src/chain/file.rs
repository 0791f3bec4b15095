//! Blocks one after another in a file, as clients export them.

use alloy_rlp::Header;

/// The encodings of the blocks in `bytes`, each with the offset where it starts.
///
/// # Errors
///
/// An item is an error if what starts at its offset is no RLP list, or is cut off; there is none
/// after it.
///
/// # Examples
///
/// ```
/// let blocks: Vec<_> = block_stm_chain::rlp_blocks(&[0xc0, 0xc1, 0x05]).collect();
/// assert_eq!(blocks, [(0, Ok(&[0xc0][..])), (1, Ok(&[0xc1, 0x05][..]))]);
/// ```
pub fn rlp_blocks(bytes: &[u8]) -> impl Iterator<Item = (usize, Result<&[u8], alloy_rlp::Error>)> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(offset..).filter(|rest| !rest.is_empty())?;
        let start = offset;
        let block = first_list(rest);
        offset = block.as_ref().map_or(bytes.len(), |block| start + block.len());
        Some((start, block))
    })
}

fn first_list(bytes: &[u8]) -> Result<&[u8], alloy_rlp::Error> {
    let mut payload = bytes;
    let header = Header::decode(&mut payload)?;
    if !header.list {
        return Err(alloy_rlp::Error::UnexpectedString);
    }
    let length = (bytes.len() - payload.len()).checked_add(header.payload_length);
    length.and_then(|length| bytes.get(..length)).ok_or(alloy_rlp::Error::InputTooShort)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_or_no_list_ends_the_blocks() {
        let blocks: Vec<_> = rlp_blocks(&[0xc0, 0xc3, 0x01]).collect();
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[1], (1, Err(alloy_rlp::Error::InputTooShort)));
        let blocks: Vec<_> = rlp_blocks(&[0x01, 0xc0]).collect();
        assert_eq!(blocks, [(0, Err(alloy_rlp::Error::UnexpectedString))]);
        assert!(rlp_blocks(&[0xff; 9]).all(|(_, block)| block.is_err()));
        assert_eq!(rlp_blocks(&[]).count(), 0);
    }
}
