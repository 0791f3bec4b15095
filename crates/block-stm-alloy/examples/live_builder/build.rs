//! A builder: fills a block by price from a pool that another thread feeds, until its deadline.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::{cmp::Reverse, collections::BTreeMap, error::Error, sync::Arc, time::Instant};

use block_stm_evm::{
    Block, BlockSession, Bundle, PreState, Push, PushError, SessionBlock, SessionOptions,
    block_stm::Engine, revm::context::TxEnv,
};

/// What is in the pool: a transaction, or several that stand or fall together.
pub(crate) type Candidate = Vec<TxEnv>;

/// The block that is built by the deadline, and all that was tried, in order.
pub(crate) fn build(
    engine: Arc<Engine>,
    block: Block,
    state: Arc<PreState>,
    pool: &Receiver<Candidate>,
    deadline: Instant,
) -> Result<(SessionBlock, Vec<Push>), Box<dyn Error>> {
    // What waits can't be overtaken any more by what pays better. So not much is to wait.
    let few = NonZeroUsize::new(500).ok_or("not zero")?;
    let options = SessionOptions::default().deadline(deadline).capacity(few).access_list();
    let session = BlockSession::start(engine, block, state, options)?;
    let mut tried = Vec::new();
    // The highest price first; of those at one price, what came first.
    let mut queue = BTreeMap::new();
    let (mut came, mut is_open) = (0_u64, true);
    while is_open || !queue.is_empty() {
        let wait = match queue.is_empty() {
            true => deadline.saturating_duration_since(Instant::now()),
            false => std::time::Duration::ZERO,
        };
        match pool.recv_timeout(wait) {
            Ok(candidate) => {
                let price = candidate.iter().map(|txn| txn.gas_price).min();
                queue.insert((Reverse(price), came), candidate);
                came += 1;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => is_open = false,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let best = queue.pop_first().map(|(_, candidate)| candidate);
        let push = match best {
            Some(mut txns) if txns.len() == 1 => Push::from(txns.remove(0)),
            Some(txns) => Push::from(Bundle::new(txns)?),
            None => continue,
        };
        match session.push(push.clone()) {
            Ok(_ticket) => tried.push(push),
            Err(PushError::Deadline) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok((session.finish()?, tried))
}
