//! Blocks that are wrong: what is built on them goes with them.

use alloy_consensus::{Block, EthereumTxEnvelope, Header, TxEip4844};
use alloy_primitives::B256;
use alloy_rlp::Decodable;
use block_stm_pipeline::{Cause, Stage, Task, Unwatched, block_stm_chain::BlockError};
use block_stm_workloads::Workload;

use super::{Made, TestResult, assert_at, made, open, run, workers};

/// The chain with `change` made to the header of the block at `at`, and the blocks after it built
/// on the block that this makes.
fn changed(
    made: &Made,
    at: usize,
    change: impl FnOnce(&mut Header),
) -> Result<Vec<Task>, alloy_rlp::Error> {
    let mut tasks = made.tasks.clone();
    let mut change = Some(change);
    let mut parent = None;
    for task in &mut tasks[at..] {
        let mut block = Block::<EthereumTxEnvelope<TxEip4844>>::decode(&mut task.rlp.as_ref())?;
        if let Some(change) = change.take() {
            change(&mut block.header);
        }
        block.header.parent_hash = parent.unwrap_or(block.header.parent_hash);
        parent = Some(block.header.hash_slow());
        task.rlp = alloy_rlp::encode(block).into();
    }
    Ok(tasks)
}

/// Blocks upon the wrong one are executed before its root is known, and taken back.
#[test]
fn a_wrong_root_takes_back_what_was_built_on_it() -> TestResult {
    let made = made(Workload::Mixed, 10)?;
    let start = made.genesis.header.number;
    let wrong = changed(&made, 4, |header| header.state_root = B256::repeat_byte(7))?;
    for threads in [1, 2, 4] {
        let folder = tempfile::tempdir()?;
        let (mut world, store) = open(folder.path(), &made)?;
        let workers = workers(threads)?;
        let (outcome, error) = run(&workers, (&mut world, &store), &wrong, &Unwatched);
        let error = error.ok_or("it fails")?;
        assert_eq!((error.number, error.stage), (start + 5, Stage::Root), "{error}");
        assert!(matches!(error.cause, Cause::Block(BlockError::Result(_))), "{error}");
        assert!(error.to_string().contains("stateRoot is 0x0707"), "{error}");
        assert_eq!(outcome.blocks, 4);
        assert_at(&world, &store, &made, 4);
        // The right chain goes on from there.
        let (_, error) = run(&workers, (&mut world, &store), &made.tasks[4..], &Unwatched);
        assert!(error.is_none(), "{error:?}");
        assert_at(&world, &store, &made, 10);
    }
    Ok(())
}

#[test]
fn each_claim_is_checked_in_its_stage() -> TestResult {
    let made = made(Workload::Erc20, 4)?;
    let workers = workers(2)?;
    type Change = fn(&mut Header);
    let cases: [(Change, Stage, &str); 4] = [
        (|header| header.receipts_root = B256::ZERO, Stage::Root, "receiptsRoot"),
        (|header| header.gas_used -= 1, Stage::Root, "gasUsed"),
        (|header| header.transactions_root = B256::ZERO, Stage::Prepare, "transactionsRoot"),
        (|header| header.timestamp = 0, Stage::Prepare, "timestamp"),
    ];
    for (change, stage, words) in cases {
        let folder = tempfile::tempdir()?;
        let (mut world, store) = open(folder.path(), &made)?;
        let wrong = changed(&made, 2, change)?;
        let (_, error) = run(&workers, (&mut world, &store), &wrong, &Unwatched);
        let error = error.ok_or("it fails")?;
        assert_eq!(error.stage, stage, "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert_at(&world, &store, &made, 2);
    }
    Ok(())
}

#[test]
fn senders_that_are_not_all_there_are_refused() -> TestResult {
    let mut made = made(Workload::Transfers, 1)?;
    let folder = tempfile::tempdir()?;
    let (mut world, store) = open(folder.path(), &made)?;
    made.tasks[0].senders.as_mut().ok_or("they are known")?.pop();
    let (_, error) = run(&workers(1)?, (&mut world, &store), &made.tasks, &Unwatched);
    let error = error.ok_or("it fails")?;
    assert!(error.to_string().contains("39 senders of 40 txns"), "{error}");
    assert_at(&world, &store, &made, 0);
    Ok(())
}
