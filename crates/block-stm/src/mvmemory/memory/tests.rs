//! What readers find, transaction by transaction, and what is freed when.

use std::convert::Infallible;

use super::*;
use crate::mvmemory::cell::tests::Number;
use crate::mvmemory::{Deltas, Found};
use crate::primitives::ids::Version;

type Memory = MvMemory<&'static str, Number>;
type Local<'m> = LocalHandle<'m, &'static str, Number>;

fn txn(index: u32) -> TxnIndex {
    TxnIndex::new(index)
}

fn storage(_: &&'static str) -> Result<Number, crate::contract::storage::BoxError> {
    Ok(Number(100))
}

fn memory() -> Memory {
    Memory::new(10, &Arc::new(ChunkPool::new(0)))
}

fn x<'m>(memory: &'m Memory, handle: &Local<'m>) -> &'m Cell<&'static str, Number> {
    memory.cell(&"x", handle)
}

/// What a reader at `at` sees, as `(writer, value)`.
fn seen<'m>(memory: &'m Memory, at: u32, handle: &Local<'m>) -> Result<(Option<Version>, u8), u32> {
    let cell = x(memory, handle);
    match cell.latest_below(txn(at), true, &handle.visited, &handle.pin()) {
        Found::Value(version, value) => Ok((version, value.0)),
        Found::Base => Ok((Some(Version::BASE), cell.fetch_base(&storage).expect("reads").0.0)),
        Found::Unknown(writer) => Err(writer.get()),
    }
}

fn write<'m>(
    memory: &'m Memory,
    at: u32,
    incarnation: u32,
    payload: Payload<Number>,
    handle: &Local<'m>,
) -> bool {
    let writes = vec![(x(memory, handle), payload)];
    memory.publish(txn(at), incarnation, writes.into_iter(), handle).changed
}

#[test]
fn a_reader_sees_the_highest_version_below() {
    let memory = memory();
    let handle = &memory.handle();
    for at in [7, 1, 4] {
        assert!(write(&memory, at, 0, Payload::Value(Number(at as u8)), handle));
    }
    assert_eq!(seen(&memory, 1, handle), Ok((Some(Version::BASE), 100)));
    for (at, writer) in [(2, 1), (4, 1), (5, 4), (7, 4), (8, 7), (9, 7)] {
        let expected = Ok((Some(Version::new(txn(writer), 0)), writer as u8));
        assert_eq!(seen(&memory, at, handle), expected, "at {at}");
    }
}

#[test]
fn a_long_chain_is_walked_by_shortcuts() {
    const TXNS: u32 = if cfg!(miri) { 300 } else { 5_000 };
    let memory = Memory::new(TXNS as usize, &Arc::new(ChunkPool::new(0)));
    let handle = &memory.handle();
    let value = |at: u32| Number((at % 251) as u8);
    let of = |at| Ok((Some(Version::new(txn(at), 0)), value(at).0));
    // As many workers write, each a row of its own: from the highest row down.
    let rows = || (0..TXNS / 100).rev();
    let walk = |work: &mut dyn FnMut()| {
        let before = handle.visited.get();
        work();
        handle.visited.get() - before
    };
    let mut longest = 0;
    for at in (0..100).flat_map(|n| rows().map(move |row| 100 * row + n)).filter(|n| n % 3 > 0) {
        let steps = walk(&mut || {
            assert!(write(&memory, at, 0, Payload::Value(value(at)), handle));
        });
        longest = longest.max(steps);
    }
    assert!(x(&memory, handle).has_shortcuts() && longest < 100, "{longest} versions");
    for at in (4..TXNS).step_by(37) {
        let below = (0..at).rev().find(|n| n % 3 > 0).expect("1 is one");
        let steps = walk(&mut || assert_eq!(seen(&memory, at, handle), of(below), "below {at}"));
        assert!(steps < 40, "{steps} versions below {at}");
    }
    // What is taken back is not met again, nor what was replaced.
    for at in (3..TXNS).filter(|n| n % 3 == 2) {
        if at % 2 == 0 {
            assert!(memory.withdraw(txn(at), handle));
        } else {
            write(&memory, at, 1, Payload::Value(value(at)), handle);
        }
    }
    for at in (6..TXNS).step_by(3) {
        let below = at - 1;
        let expected = match below % 2 {
            0 => of(below - 1),
            _ => Ok((Some(Version::new(txn(below), 1)), value(below).0)),
        };
        assert_eq!(seen(&memory, at, handle), expected, "below {at}");
    }
    // Readers above a committed version end there.
    memory.commit(txn(1), |_| false, &mut Vec::new(), &mut Vec::new());
    assert_eq!(seen(&memory, 2, handle), of(1));
}

#[test]
fn a_reader_above_many_deltas_waits_for_their_commit() {
    let memory = Memory::new(100, &Arc::new(ChunkPool::new(0)));
    let handle = &memory.handle();
    x(&memory, handle).fetch_base(&storage).expect("reads");
    x(&memory, handle).show_deltas();
    for at in 0..50 {
        assert!(write(&memory, at, 0, Payload::Deltas(Deltas::One(1)), handle));
    }
    assert_eq!(seen(&memory, 32, handle), Ok((None, 132)));
    assert_eq!(seen(&memory, 33, handle), Err(0), "far from its turn");
    assert_eq!(seen(&memory, 50, handle), Err(17));
}

#[test]
fn a_new_incarnation_replaces_or_removes() {
    let memory = memory();
    let handle = &memory.handle();
    assert!(write(&memory, 3, 0, Payload::Value(Number(1)), handle));
    memory.mark_estimates(txn(3));
    assert_eq!(seen(&memory, 5, handle), Err(3));
    assert!(!write(&memory, 3, 1, Payload::Value(Number(1)), handle), "same value");
    assert_eq!(seen(&memory, 5, handle), Ok((Some(Version::new(txn(3), 1)), 1)));
    assert!(memory.publish(txn(3), 2, std::iter::empty(), handle).changed, "written no more");
    assert_eq!(seen(&memory, 5, handle), Ok((Some(Version::BASE), 100)));
    assert!(!memory.withdraw(txn(3), handle));
}

#[test]
fn deltas_add_up_and_never_wrap() {
    let memory = memory();
    let handle = &memory.handle();
    x(&memory, handle).fetch_base(&storage).expect("reads");
    x(&memory, handle).show_deltas();
    write(&memory, 1, 0, Payload::Deltas(Deltas::One(50)), handle);
    write(&memory, 2, 0, Payload::Deltas(Deltas::Many(vec![100, -60])), handle);
    write(&memory, 3, 0, Payload::Deltas(Deltas::One(66)), handle);
    assert_eq!(seen(&memory, 2, handle), Ok((None, 150)));
    assert_eq!(seen(&memory, 3, handle), Ok((None, 190)));
    assert_eq!(seen(&memory, 4, handle), Err(3), "190 + 66 does not fit");
    let (mut writes, mut touched) = (Vec::new(), Vec::new());
    for at in [1, 2] {
        assert!(memory.sum_deltas(txn(at), handle));
        memory.commit(txn(at), |_| false, &mut writes, &mut touched);
    }
    assert!(!memory.sum_deltas(txn(3), handle));
    assert_eq!(writes, [(&"x", &Number(150)), (&"x", &Number(190))]);
    assert_eq!(touched.len(), 1);
    assert_eq!(seen(&memory, 3, handle), Ok((Some(Version::new(txn(2), 0)), 190)));
}

#[test]
fn deltas_that_nobody_wants_to_see_are_found_once_they_are_committed() {
    let memory = memory();
    let handle = &memory.handle();
    let cell = x(&memory, handle);
    cell.fetch_base(&storage).expect("reads");
    for at in [1, 2] {
        write(&memory, at, 0, Payload::Deltas(Deltas::One(5)), handle);
    }
    assert_eq!(seen(&memory, 3, handle), Ok((Some(Version::BASE), 100)));
    let commit = |at| {
        assert!(memory.sum_deltas(txn(at), handle));
        memory.commit(txn(at), |_| false, &mut Vec::new(), &mut Vec::new());
    };
    commit(1);
    assert_eq!(seen(&memory, 3, handle), Ok((Some(Version::new(txn(1), 0)), 105)));
    assert!(!cell.rests_on_base(txn(3), &handle.pin()));
    cell.show_deltas();
    write(&memory, 3, 0, Payload::Deltas(Deltas::One(7)), handle);
    assert_eq!(seen(&memory, 4, handle), Ok((None, 112)), "what comes now is seen at once");
    commit(2);
    assert_eq!(seen(&memory, 4, handle), Ok((None, 117)));
    assert!(cell.hid_a_delta(), "the second one");
    commit(3);
    assert!(!cell.hid_a_delta());
}

#[test]
fn deltas_are_shown_at_once_where_somebody_may_scan_or_all_are_wanted() {
    let scanned = memory().indexed(Order::natural(), false, &Arc::new(ChunkPool::new(0)));
    let wanted = memory();
    wanted.show_deltas();
    for memory in [scanned, wanted] {
        let handle = &memory.handle();
        x(&memory, handle).fetch_base(&storage).expect("reads");
        assert!(write(&memory, 1, 0, Payload::Deltas(Deltas::One(5)), handle));
        assert_eq!(seen(&memory, 2, handle), Ok((None, 105)));
    }
}

/// A value that holds a share of a token, so that the token tells whether it is alive.
#[derive(Clone, PartialEq, Eq)]
struct Alive(Arc<()>);

impl Value for Alive {
    type Delta = Infallible;
    type Predicate = Infallible;

    fn apply(&self, never: &Infallible) -> Option<Self> {
        match *never {}
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }
}

#[test]
fn a_retired_write_set_outlives_the_readers_that_may_reach_it() {
    let memory = MvMemory::<&'static str, Alive>::new(2, &Arc::new(ChunkPool::new(0)));
    let (handle, reader) = (memory.handle(), memory.handle());
    let cell = memory.cell(&"x", &handle);
    let publish = |incarnation| {
        let token = Arc::new(());
        let write = (cell, Payload::Value(Alive(Arc::clone(&token))));
        memory.publish(txn(0), incarnation, std::iter::once(write), &handle);
        token
    };
    let alive = |token: &Arc<()>| Arc::strong_count(token) > 1;
    // The first set is not freed by epoch: it lies in an arena until the block is over.
    let first = publish(0);
    let second = publish(1);
    let guard = reader.pin();
    let third = publish(2);
    memory.withdraw(txn(0), &handle);
    // Whatever others do, and however long.
    (0..1_000).for_each(|_| handle.pin().flush());
    assert!(alive(&second) && alive(&third), "freed under a reader");
    drop(guard);
    (0..1_000).for_each(|_| handle.pin().flush());
    assert!(!alive(&second) && !alive(&third), "never freed");
    assert!(alive(&first));
    drop((handle, reader));
    drop(memory);
    assert!(!alive(&first));
}

/// `RUSTFLAGS="--cfg block_stm_canaries" cargo test -p block-stm --lib canaries`.
#[cfg(all(block_stm_canaries, not(any(loom, shuttle))))]
#[test]
fn canaries_are_noticed() {
    let faults: [(Canary, fn()); 1] =
        [(Canary::FreeAtOnce, a_retired_write_set_outlives_the_readers_that_may_reach_it)];
    for (fault, test) in faults {
        let holds = || std::thread::spawn(test).join().is_ok();
        assert!(holds(), "{fault:?}: the test fails as it is");
        crate::primitives::canary::let_out(Some(fault));
        let noticed = !holds();
        crate::primitives::canary::let_out(None);
        assert!(noticed, "{fault:?} goes unnoticed");
    }
}

#[test]
fn hints_are_estimates_until_the_first_execution() {
    let memory = memory();
    let handle = &memory.handle();
    memory.declare(txn(2), &[x(&memory, handle)], handle);
    assert_eq!(seen(&memory, 3, handle), Err(2));
    let pinned = &handle.pin();
    let found = x(&memory, handle).latest_below(txn(3), false, &handle.visited, pinned);
    assert!(matches!(found, Found::Base));
    let published = memory.publish(txn(2), 0, std::iter::empty(), handle);
    assert_eq!((published.right_hints, published.wrong_hints), (0, 1));
    assert_eq!(seen(&memory, 3, handle), Ok((Some(Version::BASE), 100)));
    memory.declare(txn(2), &[x(&memory, handle)], handle);
    assert_eq!(seen(&memory, 3, handle), Ok((Some(Version::BASE), 100)), "too late to declare");
}

#[test]
fn the_example_of_the_essay() {
    let memory = memory();
    let handle = &memory.handle();
    let (x, y) = (memory.cell(&"x", handle), memory.cell(&"y", handle));
    let version = |(at, incarnation)| Version::new(txn(at), incarnation);
    let chains = |step, of_x: &[(u32, u32)], of_y: &[(u32, u32)]| {
        for (cell, versions) in [(x, of_x), (y, of_y)] {
            let expected: Vec<_> = versions.iter().copied().map(version).collect();
            assert_eq!(
                cell.chain(&handle.pin()),
                expected,
                "{} after step {step}",
                cell.location()
            );
        }
    };
    let committed = |cell: &Cell<&'static str, Number>| {
        cell.committed().filter(|(version, _)| *version != Version::BASE).map(|(v, n)| (v, n.0))
    };
    let publish = |cell, at, incarnation, payload| {
        let writes = std::iter::once((cell, payload));
        memory.publish(txn(at), incarnation, writes, handle);
    };
    let below = |cell: &Cell<&'static str, Number>, at| match cell.latest_below(
        txn(at),
        true,
        &handle.visited,
        &handle.pin(),
    ) {
        Found::Value(version, value) => Ok((version, value.0)),
        Found::Base => Ok((Some(Version::BASE), cell.base().expect("fetched").0)),
        Found::Unknown(writer) => Err(writer.get()),
    };
    let commit = |at| {
        assert!(memory.sum_deltas(txn(at), handle));
        memory.commit(txn(at), |_| false, &mut Vec::new(), &mut Vec::new());
    };
    let two = |_: &&'static str| Ok::<_, crate::contract::storage::BoxError>(Number(2));
    let base = Ok((Some(Version::BASE), 2));

    x.show_deltas();
    assert!(x.fetch_base(&two).expect("reads").1);
    assert_eq!(below(x, 1), base);
    publish(y, 1, 0, Payload::Value(Number(2)));
    chains(1, &[], &[(1, 0)]);

    assert_eq!(below(x, 2), base);
    publish(x, 2, 0, Payload::Deltas(Deltas::One(1)));
    chains(2, &[(2, 0)], &[(1, 0)]);

    publish(x, 0, 0, Payload::Value(Number(5)));
    chains(3, &[(2, 0), (0, 0)], &[(1, 0)]);
    assert_eq!(below(x, 3), Ok((None, 6)), "a sum that is not final");

    commit(0);
    chains(4, &[(2, 0), (0, 0)], &[(1, 0)]);
    assert_eq!(committed(x), Some((version((0, 0)), 5)), "where txn 1 saw the base");

    memory.mark_estimates(txn(1));
    assert_eq!(below(y, 2), Err(1), "as a worker would have marked it");
    publish(y, 1, 1, Payload::Value(Number(5)));
    chains(5, &[(2, 0), (0, 0)], &[(1, 1)]);

    commit(1);
    chains(6, &[(2, 0), (0, 0)], &[(1, 1)]);
    assert_eq!(committed(y), Some((version((1, 1)), 5)));

    commit(2);
    chains(7, &[(2, 0), (0, 0)], &[(1, 1)]);
    assert_eq!(committed(x), Some((version((2, 0)), 6)));
}
