//! One engine, many blocks: what is live after the last is what was live after the first ones.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::thread::sleep;
use std::time::Duration;

use block_stm::Config;
use block_stm_benches::Case;
use block_stm_workloads::Workload;

use crate::counter::live;
use crate::subject::{Subject, synthetic};

/// What may be live or not from one moment to the next: a thread's buffers, a queue's spare room.
const NOISE: i64 = 16 << 10;
const BLOCKS: usize = 1_000;
/// Blocks after which everything has been set up.
const SETTLED: usize = 10;
const TXNS: usize = 20;

/// The bytes by which what is live grows from block to block, if it does.
fn growth(mut block: impl FnMut()) -> Option<i64> {
    let mut after = |blocks: usize| {
        (0..blocks).for_each(|_| block());
        live_at_rest()
    };
    let settled = after(SETTLED);
    let grown = after(BLOCKS - SETTLED) - settled;
    println!("{grown} bytes more after {BLOCKS} blocks than after {SETTLED}");
    (grown > NOISE).then_some(grown)
}

/// What is live once nothing changes any more: on a busy machine, tasks of helpers that were not needed in the end
/// wait in the pool's queue for a while.
fn live_at_rest() -> i64 {
    const POLL: Duration = Duration::from_millis(5);
    const POLLS_MAX: usize = 4_000;
    let (mut last, mut same) = (live(), 0);
    for _ in 0..POLLS_MAX {
        sleep(POLL);
        same = if live() == last { same + 1 } else { 0 };
        last = live();
        if same == 10 {
            break;
        }
    }
    last
}

/// Nothing piles up on an engine, whatever the number of threads.
pub(crate) fn there_is_none() {
    let subjects: [Box<dyn Subject>; 2] =
        [Box::new(synthetic(TXNS as u64)), Box::new(Case::generate(Workload::Erc20, TXNS))];
    for threads in [1, 3].into_iter().filter_map(NonZeroUsize::new) {
        let engine = Config::default().threads(threads).build().expect("threads start");
        for subject in &subjects {
            let grown = growth(|| drop(subject.parallel(&engine)));
            assert_eq!(grown, None, "{}, {threads} threads", subject.name());
        }
    }
}

/// The canary: a few bytes that every block leaves behind are seen.
pub(crate) fn is_seen() {
    let subject = synthetic(TXNS as u64);
    let engine = Config::default().threads(NonZeroUsize::MIN).build().expect("no threads");
    let left_behind = RefCell::new(Vec::new());
    let grown = growth(|| {
        drop(subject.parallel(&engine));
        left_behind.borrow_mut().push(Box::new([0_u8; 64]));
    });
    assert!(grown.is_some(), "64 bytes a block are seen");
}
