use std::cell::{Cell, RefCell};
use std::num::NonZeroUsize;

use block_stm::{Config, Engine};

use super::*;

fn block(kind: Kind, accounts: u32) -> P2pBlock {
    P2pBlock::generate(kind, Work { rounds: 50 }, 400, accounts, 7)
}

/// Counts what a payment reads and writes.
#[derive(Default)]
struct Counted {
    reads: Cell<usize>,
    writes: RefCell<Vec<Location>>,
}

impl State for &Counted {
    type Stop = Infallible;

    fn read(&mut self, location: Location) -> Result<u64, Infallible> {
        self.reads.set(self.reads.get() + 1);
        Ok(opening(location))
    }

    fn write(&mut self, location: Location, _: u64) -> Result<(), Infallible> {
        self.writes.borrow_mut().push(location);
        Ok(())
    }
}

#[test]
fn payments_have_the_papers_numbers_of_reads_and_writes() {
    for (kind, reads, writes) in [(Kind::Diem, 21, 4), (Kind::Aptos, 8, 5)] {
        let counted = Counted::default();
        let payment = Payment { from: 1, to: 2, amount: 3 };
        let receipt = Payments { kind, work: Work::NONE }.pay(payment, &mut &counted);
        assert!(receipt.is_ok_and(|receipt| receipt.is_paid));
        assert_eq!((counted.reads.get(), counted.writes.borrow().len()), (reads, writes));
        assert_eq!((kind.reads(), kind.writes()), (reads, writes));
    }
}

#[test]
fn the_engine_gives_what_the_plain_loop_gives() {
    for (kind, accounts) in [(Kind::Diem, 2), (Kind::Diem, 50), (Kind::Aptos, 10)] {
        let block = block(kind, accounts);
        let plain = P2pResult::from(block.execute_plain());
        assert_eq!(plain.receipts.len(), 400);
        assert!(plain.receipts.iter().all(|receipt| receipt.is_paid));
        for threads in [1, 4].into_iter().filter_map(NonZeroUsize::new) {
            let engine = Engine::new(Config::default().threads(threads)).expect("threads start");
            let parallel = block.execute_parallel(&engine).expect("no errors");
            assert_eq!(P2pResult::from(parallel), plain);
        }
    }
}

#[test]
fn money_moves_and_none_is_made() {
    let changes = P2pResult::from(block(Kind::Diem, 10).execute_plain()).changes;
    let balance = |account| Location::Of(account, Field::Balance);
    let value = |account| changes.get(&balance(account)).copied();
    let all: u64 = (0..10).map(|n| value(n).unwrap_or(opening(balance(n)))).sum();
    assert_eq!(all, 10 * opening(balance(0)));
    assert!((0..10).any(|n| value(n).is_some()));
}

#[test]
fn nobody_pays_themselves_and_the_seed_decides() {
    let txns = |seed| P2pBlock::generate(Kind::Aptos, Work::NONE, 300, 3, seed).txns;
    assert!(txns(1).iter().all(|payment| payment.from != payment.to && payment.to < 3));
    assert_eq!(txns(1), txns(1));
    assert_ne!(txns(1), txns(2));
}

#[test]
fn the_digest_follows_from_what_was_read() {
    let digests: Vec<_> = block(Kind::Aptos, 2).execute_plain().receipts;
    assert_ne!(digests[0].digest, digests[1].digest);
}
