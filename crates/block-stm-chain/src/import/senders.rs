//! From signed transactions to what revm executes: senders are recovered in parallel.

use std::sync::LazyLock;

use alloy_consensus::Transaction;
use alloy_eips::eip7702::{RecoveredAuthority, RecoveredAuthorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Signature, U256, keccak256, uint};
use rayon::prelude::*;
use revm::{
    context::{TxEnv, either::Either},
    primitives::hardfork::SpecId,
};
use secp256k1::{
    Message, Secp256k1, VerifyOnly,
    ecdsa::{RecoverableSignature, RecoveryId},
};

use super::{SignedTxn, TxnError, json_txn::Claims};

/// Half of the order of secp256k1, rounded down: the highest s from Homestead on (EIP-2).
const MAX_S: U256 = uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

static SECP256K1: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// A transaction, by place and hash, and what is wrong with it.
pub(crate) type WrongTxn = (usize, B256, TxnError);

/// Turns signed transactions into executable ones, on all threads of rayon's current pool.
///
/// Checks what `claims` say about hash and sender, the signature, and the chain it is for. The
/// lowest wrong transaction is reported. An EIP-7702 authorization with a wrong signature is no
/// error: execution skips it.
///
/// # Cost
///
/// About 40 us of one thread per transaction, most of it for the signature.
pub(super) fn recover(
    txns: &[SignedTxn],
    claims: &[Claims],
    spec: SpecId,
    chain_id: u64,
) -> Result<Vec<TxEnv>, WrongTxn> {
    let recovered: Vec<_> = txns
        .par_iter()
        .enumerate()
        .map(|(index, txn)| {
            let result = recover_one(txn, claims.get(index), spec, chain_id);
            result.map_err(|reason| {
                let claimed = claims.get(index).and_then(|claims| claims.hash);
                let hash = claimed.unwrap_or_else(|| *txn.tx_hash());
                (index, hash, reason)
            })
        })
        .collect();
    recovered.into_iter().collect()
}

/// Turns one signed transaction into an executable one, with the checks of [`recover`].
pub(crate) fn recover_one(
    txn: &SignedTxn,
    claims: Option<&Claims>,
    spec: SpecId,
    chain_id: u64,
) -> Result<TxEnv, TxnError> {
    if let Some(claimed) = claims.and_then(|claims| claims.hash) {
        let computed = *txn.tx_hash();
        if claimed != computed {
            return Err(TxnError::Hash { computed });
        }
    }
    check_signed(txn, spec, chain_id)?;
    let recovered = signer(txn.signature(), txn.signature_hash()).ok_or(TxnError::Signature)?;
    match claims.and_then(|claims| claims.sender) {
        Some(claimed) if claimed != recovered => Err(TxnError::Sender { claimed, recovered }),
        _ => Ok(executable(txn, recovered)),
    }
}

/// Turns signed transactions whose senders are known into executable ones, on all threads of
/// rayon's current pool. Signatures are taken to be those of the senders.
///
/// # Cost
///
/// That of a copy, but for EIP-7702 authorizations, whose signatures are recovered.
pub(super) fn executable_from(
    txns: &[SignedTxn],
    senders: &[Address],
    spec: SpecId,
    chain_id: u64,
) -> Result<Vec<TxEnv>, WrongTxn> {
    let txns = txns.par_iter().zip(senders).enumerate().with_min_len(256);
    let txns = txns.map(|(index, (txn, sender))| {
        let checked = check_signed(txn, spec, chain_id);
        checked.map_err(|reason| (index, *txn.tx_hash(), reason))?;
        Ok(executable(txn, *sender))
    });
    txns.collect::<Vec<_>>().into_iter().collect()
}

/// Checks what can be seen of a signature without recovering its sender.
fn check_signed(txn: &SignedTxn, spec: SpecId, chain_id: u64) -> Result<(), TxnError> {
    if let Some(signed) = txn.chain_id() {
        // A typed transaction is too early for another reason, which revm gives.
        if txn.is_legacy() && !spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) {
            return Err(TxnError::EarlyChainId { signed });
        }
        if signed != chain_id {
            let expected = chain_id;
            return Err(TxnError::ChainId { signed, expected });
        }
    }
    if spec.is_enabled_in(SpecId::HOMESTEAD) && txn.signature().s() > MAX_S {
        return Err(TxnError::HighS);
    }
    Ok(())
}

/// The address whose key made `signature` over `hash`, if any could.
pub fn signer(signature: &Signature, hash: B256) -> Option<Address> {
    let mut compact = [0; 64];
    compact[..32].copy_from_slice(&signature.r().to_be_bytes::<32>());
    compact[32..].copy_from_slice(&signature.s().to_be_bytes::<32>());
    let id = RecoveryId::try_from(i32::from(signature.v())).ok()?;
    let signature = RecoverableSignature::from_compact(&compact, id).ok()?;
    let key = SECP256K1.recover_ecdsa(Message::from_digest(hash.0), &signature);
    let point = key.ok()?.serialize_uncompressed();
    Some(Address::from_slice(&keccak256(&point[1..])[12..]))
}

fn executable(txn: &SignedTxn, caller: Address) -> TxEnv {
    let dynamic_fee = txn.max_priority_fee_per_gas();
    let authorizations = txn.authorization_list().unwrap_or_default();
    TxEnv {
        tx_type: txn.tx_type() as u8,
        caller,
        gas_limit: txn.gas_limit(),
        gas_price: txn.max_fee_per_gas(),
        kind: txn.kind(),
        value: txn.value(),
        data: txn.input().clone(),
        nonce: txn.nonce(),
        chain_id: txn.chain_id(),
        access_list: txn.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: dynamic_fee,
        blob_hashes: txn.blob_versioned_hashes().unwrap_or_default().to_vec(),
        max_fee_per_blob_gas: txn.max_fee_per_blob_gas().unwrap_or_default(),
        authorization_list: authorizations.iter().map(authorization).collect(),
    }
}

/// An authorization with its authority, or with none if its signature is wrong.
pub fn authorization(
    signed: &SignedAuthorization,
) -> Either<SignedAuthorization, RecoveredAuthorization> {
    let signature = signed.signature().ok();
    let low = signature.filter(|signature| signature.s() <= MAX_S);
    let authority = low.and_then(|signature| signer(&signature, signed.signature_hash()));
    let authority = authority.map_or(RecoveredAuthority::Invalid, RecoveredAuthority::Valid);
    let inner = signed.inner().clone();
    Either::Right(RecoveredAuthorization::new_unchecked(inner, authority))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256};

    use super::*;

    #[test]
    fn a_known_signature_gives_its_signer() {
        // Mainnet's first transaction with a value, in block 46147.
        let signature = Signature::new(
            uint!(0x88ff6cf0fefd94db46111149ae4bfc179e9b94721fffd821d38d16464b3f71d0_U256),
            uint!(0x45e0aff800961cfce805daef7016b9b675c137a6a41a548f7b60a3484c06a33a_U256),
            true,
        );
        let txn = alloy_consensus::TxLegacy {
            gas_price: 50_000_000_000_000,
            gas_limit: 21_000,
            to: address!("5df9b87991262f6ba471f09758cde1c0fc1de734").into(),
            value: U256::from(31_337),
            ..Default::default()
        };
        let txn = SignedTxn::from(alloy_consensus::Signed::new_unhashed(txn, signature));
        let hash = b256!("5c504ed432cb51138bcf09aa5e8a410dd4a1e204ef84bfed1be16dfba1b22060");
        assert_eq!(*txn.tx_hash(), hash);
        let sender = address!("a1e4380a3b1f749673e270229993ee55f35663b4");
        assert_eq!(signer(&signature, txn.signature_hash()), Some(sender));
    }

    #[test]
    fn zero_is_no_signature() {
        let nothing = Signature::new(U256::ZERO, U256::ZERO, false);
        assert_eq!(signer(&nothing, B256::ZERO), None);
    }
}
