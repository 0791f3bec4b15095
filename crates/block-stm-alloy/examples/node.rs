//! An Ethereum node without a network: follows a chain, executes each block in parallel, streams
//! its receipts, and checks everything that the header says, the state root included.

use std::{env, error::Error, path::Path, sync::mpsc, thread};

use block_stm_chain::{CheckOutcome, StateTrie, block_stm_evm as evm, import::import_chain};
use evm::block_stm::{Config, Engine};
use evm::{ParallelOptions, Receipt, StreamReceipts, execute_parallel_with};

/// Follows the chain in a folder with `genesis.json` and `chain.rlp`.
pub(crate) fn follow(folder: &Path) -> Result<(), Box<dyn Error>> {
    let chain = import_chain(folder)?;
    let mut state = chain.genesis;
    let mut trie = StateTrie::from(&state);
    // Once; its threads sleep between blocks.
    let engine = Engine::new(Config::default())?;

    // Somebody who wants receipts as soon as they are final, in order, over all blocks.
    let (receipts, streamed) = mpsc::channel::<(usize, Receipt)>();
    let listener = thread::spawn(move || {
        let (mut count, mut logs) = (0_u64, 0);
        for (_txn, receipt) in streamed {
            count += 1;
            logs += receipt.logs.len();
        }
        (count, logs)
    });

    for block in &chain.blocks {
        let mut sink = StreamReceipts::new(receipts.clone());
        let options = ParallelOptions::default();
        let executed = execute_parallel_with(&engine, &block.block, &state, &options, &mut sink)?;
        let result = executed.result;
        // Gas, blob gas, receipts root, bloom, requests.
        for check in block.header.check(&result) {
            if let CheckOutcome::Differs { .. } = check.outcome {
                return Err(format!("block {}: {check:?}", block.number).into());
            }
        }
        let root = trie.apply(&result.state);
        if root != block.header.state_root {
            return Err(format!("block {}: the state root is {root}", block.number).into());
        }
        state.apply(&result.state);
        state.insert_block_hash(block.number, block.hash);
    }

    drop(receipts);
    let (count, logs) = listener.join().map_err(|_| "the listener panicked")?;
    println!("{} blocks, {count} receipts, {logs} logs", chain.blocks.len());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args_os().nth(1).ok_or("usage: node FOLDER")?;
    follow(Path::new(&folder))
}
