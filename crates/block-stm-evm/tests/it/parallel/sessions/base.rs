//! What tests of sessions share: engines, and what must hold of a block that was built.

use std::{
    num::NonZeroUsize,
    sync::{Arc, OnceLock},
};

use block_stm::{Config, Engine};
use block_stm_evm::{
    Block, BlockSession, InvalidTxn, PreState, SessionBlock, SessionOptions, Settled, StateRef,
    access_list::execute_sequential_with_list,
};

/// Engines with 1, 2, 4 and 8 workers that execute even the shortest batch in parallel.
pub(super) fn engines() -> &'static [Arc<Engine>] {
    static ENGINES: OnceLock<Vec<Arc<Engine>>> = OnceLock::new();
    ENGINES.get_or_init(|| {
        let engine = |threads| {
            let threads = NonZeroUsize::new(threads).expect("not zero");
            let config = Config::default().threads(threads).cores(threads).inline_below(0);
            Arc::new(Engine::new(config).expect("threads start"))
        };
        [1, 2, 4, 8].map(engine).into()
    })
}

/// Those, and one that leaves short batches to one thread.
pub(super) fn all_engines() -> impl Iterator<Item = &'static Arc<Engine>> {
    static PLAIN: OnceLock<Arc<Engine>> = OnceLock::new();
    let plain = || {
        let threads = NonZeroUsize::new(2).expect("not zero");
        Arc::new(Engine::new(Config::default().threads(threads)).expect("threads start"))
    };
    engines().iter().chain([PLAIN.get_or_init(plain)])
}

pub(super) fn batches_of(txns: usize, lists: bool) -> SessionOptions {
    let txns = NonZeroUsize::new(txns).expect("not zero");
    let options = SessionOptions::default().batch(txns);
    if lists { options.access_list() } else { options }
}

/// Checks that a session made the block that the plain loop makes of `pushes`.
pub(super) fn assert_built(built: &SessionBlock, expected: &SessionBlock, path: &str) {
    let settled = |block: &SessionBlock| -> Vec<Settled> {
        block.settled.iter().map(|(_, settled)| settled.clone()).collect()
    };
    assert_eq!(settled(built), settled(expected), "{path}");
    assert_eq!(built.result, expected.result, "{path}");
    assert_eq!(built.result.state.digest(), expected.result.state.digest(), "{path}");
    assert_eq!(built.txns, expected.txns, "{path}");
    assert_eq!(built.cut, None, "{path}");
}

/// Checks that a validator comes to the same with the transactions that were taken.
pub(super) fn assert_valid(built: &SessionBlock, block: &Block, state: &PreState) {
    let mut taken = block.clone();
    taken.txns.clone_from(&built.txns);
    let result = execute_sequential_with_list(&taken, state, InvalidTxn::Reject);
    let result = result.expect("what was built is valid");
    assert_eq!(result.receipts, built.result.receipts);
    assert_eq!(result.state, built.result.state);
    assert_eq!(result.requests, built.result.requests);
    assert_eq!(
        (result.gas_used, result.blob_gas_used),
        (built.result.gas_used, built.result.blob_gas_used)
    );
    if built.result.access_list.is_some() {
        assert_eq!(result.access_list, built.result.access_list);
    }
}

/// Begins a session of `block` without its transactions.
pub(super) fn start<DB: StateRef + Send + Sync + 'static>(
    engine: &Arc<Engine>,
    block: &Block,
    db: DB,
    options: SessionOptions,
) -> BlockSession<DB> {
    let mut empty = block.clone();
    empty.txns.clear();
    BlockSession::start(Arc::clone(engine), empty, db, options).expect("a thread starts")
}
