//! Lists in files: RLP, as the protocol has them, and JSON, as clients show them.

use alloy_eip7928::BlockAccessList;
use alloy_primitives::hex;
use alloy_rlp::{Decodable, Encodable};

use super::error::at;

/// Why bytes are no lists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListFileError {
    /// There is nothing.
    #[error("no access list here: expected RLP, its hex digits, or JSON")]
    Empty,
    /// It is RLP of something else.
    #[error("list {} of the file, at byte {offset}: {message}", list + 1)]
    Rlp {
        /// How many lists come before.
        list: usize,
        /// Where the list starts.
        offset: usize,
        /// What is wrong.
        message: String,
    },
    /// It is no JSON of a list.
    #[error("{}{message}", at(path))]
    Json {
        /// Which part of the document; `.` is the whole.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// It starts with 0x, but goes on with something else than hex digits.
    #[error("{0}")]
    Hex(String),
}

/// The lists in `bytes`: RLP, one list after the other, as such or in hex digits that start with
/// 0x; or JSON, one list (an array of accounts), or an array of lists.
///
/// They need not be in order, or make sense in any other way, see
/// [`check_list_form`](block_stm_evm::access_list::check_list_form).
///
/// # Errors
///
/// A [`ListFileError`] with the place.
///
/// # Cost
///
/// Up to about 32 times as much memory as there are bytes: a slot's key of one byte becomes one of
/// 32. How long a file may be is for the caller to say.
///
/// # Examples
///
/// ```
/// use block_stm_chain::import::read_access_lists;
///
/// assert_eq!(read_access_lists(b"0xc0c0")?, [vec![], vec![]]);
/// assert_eq!(read_access_lists(b"[]")?, [vec![]]);
/// assert!(read_access_lists(b"[7]").is_err());
/// # Ok::<_, block_stm_chain::import::ListFileError>(())
/// ```
pub fn read_access_lists(bytes: &[u8]) -> Result<Vec<BlockAccessList>, ListFileError> {
    let text = bytes.trim_ascii();
    match text {
        [] => Err(ListFileError::Empty),
        [b'0', b'x', digits @ ..] => {
            let bytes =
                hex::decode(digits).map_err(|error| ListFileError::Hex(error.to_string()))?;
            rlp_lists(&bytes)
        }
        // No RLP of a list starts like that.
        [b'[' | b'{', ..] => json_lists(text),
        _ => rlp_lists(bytes),
    }
}

fn rlp_lists(bytes: &[u8]) -> Result<Vec<BlockAccessList>, ListFileError> {
    let mut rest = bytes;
    let mut lists = Vec::new();
    while !rest.is_empty() {
        let (list, offset) = (lists.len(), bytes.len() - rest.len());
        let wrong = |error: alloy_rlp::Error| {
            let message = error.to_string();
            ListFileError::Rlp { list, offset, message }
        };
        lists.push(BlockAccessList::decode(&mut rest).map_err(wrong)?);
    }
    if lists.is_empty() { Err(ListFileError::Empty) } else { Ok(lists) }
}

fn json_lists(text: &[u8]) -> Result<Vec<BlockAccessList>, ListFileError> {
    // An array of arrays is one of lists.
    let inner = text.get(1..).unwrap_or_default().trim_ascii_start();
    if inner.first() == Some(&b'[') { json(text) } else { Ok(vec![json(text)?]) }
}

fn json<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T, ListFileError> {
    let wrong = |path: String, error: &serde_json::Error| ListFileError::Json {
        path,
        message: error.to_string(),
    };
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| wrong(error.path().to_string(), error.inner()))?;
    json.end().map_err(|error| wrong(".".to_owned(), &error))?;
    Ok(value)
}

/// The lists in RLP, one after the other.
pub fn access_lists_to_rlp(lists: &[BlockAccessList]) -> Vec<u8> {
    let mut bytes = Vec::new();
    lists.iter().for_each(|list| list.encode(&mut bytes));
    bytes
}

/// The lists in JSON: one as an array of accounts, several as an array of these.
pub fn access_lists_to_json(lists: &[BlockAccessList]) -> Vec<u8> {
    let json = match lists {
        [one] => serde_json::to_vec_pretty(one),
        many => serde_json::to_vec_pretty(many),
    };
    let mut bytes = json.expect("plain numbers and text");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use alloy_eip7928::{AccountChanges, BalanceChange, BlockAccessIndex};
    use alloy_primitives::{Address, U256};

    use super::*;

    fn lists() -> Vec<BlockAccessList> {
        let mut account = AccountChanges::new(Address::repeat_byte(7));
        let index = BlockAccessIndex::new(3);
        account.balance_changes.push(BalanceChange::new(index, U256::from(5)));
        account.storage_reads.push(U256::MAX);
        vec![vec![account], Vec::new()]
    }

    #[test]
    fn lists_come_back_from_every_form() {
        let lists = lists();
        for some in [&lists[..1], &lists[1..], &lists[..]] {
            let rlp = access_lists_to_rlp(some);
            assert_eq!(read_access_lists(&rlp).as_deref(), Ok(some));
            let digits = format!("0x{}\n", hex::encode(&rlp));
            assert_eq!(read_access_lists(digits.as_bytes()).as_deref(), Ok(some));
            assert_eq!(read_access_lists(&access_lists_to_json(some)).as_deref(), Ok(some));
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let error = |bytes: &[u8]| read_access_lists(bytes).expect_err("is wrong").to_string();
        assert!(error(b" \n").starts_with("no access list here"));
        assert!(error(b"0xzz").contains("invalid"), "{}", error(b"0xzz"));
        assert!(error(b"\xc0\xc1").starts_with("list 2 of the file, at byte 1: "));
        assert!(error(br#"[{"address": 7}]"#).starts_with("[0].address: "));
        assert!(error(b"[] []").starts_with("trailing characters"));
    }
}
