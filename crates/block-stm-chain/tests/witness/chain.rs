//! Every block of the chain with all forks, from its witness alone.

use block_stm_chain::{
    block_stm_evm::ReceiptStatus,
    witness::{WitnessError, check_block},
};

use crate::{
    fixtures,
    scene::{TestResult, each_block, engine, scenes},
};

#[test]
fn every_block_is_checked_from_its_witness_with_any_number_of_threads() -> TestResult {
    let test = "every_block_is_checked_from_its_witness_with_any_number_of_threads";
    let Some(folder) = fixtures::folder(test, "chain") else { return Ok(()) };
    let engines = [1, 2, 4, 8].map(engine).into_iter().collect::<Result<Vec<_>, _>>()?;
    let (mut blocks, mut nodes, mut codes, mut with_roots) = (0, 0, 0, 0);
    each_block(&folder, |chain, rlp, schedule| {
        let made = chain.witness(rlp, &engines[0])?;
        for engine in &engines {
            assert_eq!(chain.witness(rlp, engine)?, made, "block {blocks}");
            let checked = check_block(rlp, schedule, &made.witness, engine)?;
            // The header's root was compared.
            assert_eq!(checked.rooted, made.rooted);
            assert_eq!(checked.rooted.pre_root, chain.head_header().state_root);
        }
        blocks += 1;
        nodes += made.witness.state.len();
        codes += made.witness.codes.len();
        let receipts = made.rooted.result.receipts.iter();
        with_roots += receipts
            .filter(|receipt| matches!(receipt.status, ReceiptStatus::StateRoot(Some(_))))
            .count();
        Ok(())
    })?;
    assert_eq!(blocks, 54);
    assert!(nodes > 500 && codes > 20 && with_roots > 0, "{nodes} {codes} {with_roots}");
    Ok(())
}

#[test]
fn nothing_of_a_witness_is_dispensable() -> TestResult {
    let test = "nothing_of_a_witness_is_dispensable";
    let Some(folder) = fixtures::folder(test, "chain") else { return Ok(()) };
    let engine = engine(4)?;
    for scene in scenes(&folder, &[2, 5, 12, 21, 30, 38, 45, 50, 54])? {
        let whole = &scene.made.witness;
        scene.check(whole, &engine)?;
        for place in 0..whole.state.len() {
            let less = scene.changed(|witness| drop(witness.state.remove(place)));
            let error = scene.check(&less, &engine).expect_err("a node is missing");
            let gone = alloy_primitives::keccak256(&whole.state[place]);
            let told = matches!(
                error.lacks(),
                Some(WitnessError::MissingNode { hash, .. }) if *hash == gone
            );
            assert!(told, "{error}");
        }
        for place in 0..whole.codes.len() {
            let less = scene.changed(|witness| drop(witness.codes.remove(place)));
            let error = scene.check(&less, &engine).expect_err("code is missing");
            let gone = alloy_primitives::keccak256(&whole.codes[place]);
            assert_eq!(error.lacks(), Some(&WitnessError::MissingCode { hash: gone }));
        }
        let less = scene.changed(|witness| drop(witness.headers.pop()));
        scene.check(&less, &engine).expect_err("a header is missing");
    }
    Ok(())
}
