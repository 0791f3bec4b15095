//! One engine, many blocks: what is live after the last is what was live after the first ones.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::thread::sleep;
use std::time::Duration;

use block_stm::{Config, Engine};
use block_stm_benches::Case;
use block_stm_workloads::Workload;

use crate::counter::{live, live_allocations};
use crate::subject::{Subject, synthetic};

/// What an engine may keep for later blocks, and how many pieces that may be: what its busiest
/// moment took, which may come late. A thousand blocks that each leave one piece behind are far
/// beyond.
const SPARE: Live = Live { bytes: 1 << 20, allocations: 200 };
const BLOCKS: usize = 1_000;
/// Blocks after which everything has been set up.
const SETTLED: usize = 10;
const TXNS: usize = 20;

/// What is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Live {
    bytes: i64,
    allocations: i64,
}

impl Live {
    fn now() -> Self {
        Self { bytes: live(), allocations: live_allocations() }
    }

    /// Once nothing changes any more: on a busy machine, tasks of helpers that were not needed in
    /// the end wait in the pool's queue for a while.
    fn at_rest() -> Self {
        const POLL: Duration = Duration::from_millis(5);
        const POLLS_MAX: usize = 4_000;
        let (mut last, mut same) = (Self::now(), 0);
        for _ in 0..POLLS_MAX {
            sleep(POLL);
            let now = Self::now();
            same = if now == last { same + 1 } else { 0 };
            last = now;
            if same == 10 {
                break;
            }
        }
        last
    }
}

/// By how much what is live grows from block to block, if it does.
fn growth(mut block: impl FnMut()) -> Option<Live> {
    let mut after = |blocks: usize| {
        (0..blocks).for_each(|_| block());
        Live::at_rest()
    };
    let settled = after(SETTLED);
    let last = after(BLOCKS - SETTLED);
    let grown = Live {
        bytes: last.bytes - settled.bytes,
        allocations: last.allocations - settled.allocations,
    };
    println!("{grown:?} after {BLOCKS} blocks, over that after {SETTLED}");
    let grows = grown.bytes > SPARE.bytes || grown.allocations > SPARE.allocations;
    grows.then_some(grown)
}

/// Nothing piles up on an engine, whatever the number of threads.
pub(crate) fn there_is_none() {
    let subjects: [Box<dyn Subject>; 2] =
        [Box::new(synthetic(TXNS as u64)), Box::new(Case::generate(Workload::Erc20, TXNS))];
    for threads in [1, 3].into_iter().filter_map(NonZeroUsize::new) {
        // However short: by all threads.
        let config = Config::default().threads(threads).inline_below(0);
        let engine = Engine::new(config).expect("threads start");
        for subject in &subjects {
            let grown = growth(|| drop(subject.parallel(&engine)));
            assert_eq!(grown, None, "{}, {threads} threads", subject.name());
        }
    }
}

/// The canary: a piece that every block leaves behind is seen, however small.
pub(crate) fn is_seen() {
    let subject = synthetic(TXNS as u64);
    let engine = Engine::new(Config::default().threads(NonZeroUsize::MIN)).expect("no threads");
    let left_behind = RefCell::new(Vec::new());
    let grown = growth(|| {
        drop(subject.parallel(&engine));
        left_behind.borrow_mut().push(Box::new(0_u8));
    });
    assert!(grown.is_some(), "a byte for each block is seen");
}
