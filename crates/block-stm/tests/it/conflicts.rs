//! The conflict graph: who read from whom, the same on any number of threads.

use block_stm::{Conflict, ConflictGraph, TxnIndex};
use block_stm_testkit::faults::{Hold, Jitter};
use block_stm_testkit::language::{LanguageBlock, Op, Place, Slot, Test};
use block_stm_testkit::record::Ending;

use crate::support::{increment, oracle, prove, slot, successor, tangle, value};

/// The oracle's edges as `(writer, reader, slot)`, after the proof that every engine has the same.
fn edges(block: &LanguageBlock) -> Vec<(u32, u32, u16)> {
    prove(block);
    let Ending::Finished { edges: Some(edges), .. } = oracle(&block.stage()).ending else {
        panic!("the block has a conflict graph");
    };
    let edge = |edge: Conflict<Slot>| (edge.writer.get(), edge.reader.get(), edge.location.slot());
    edges.into_iter().map(edge).collect()
}

#[test]
fn a_chain_is_a_chain() {
    let block = LanguageBlock::new((0..6).map(|_| increment(0))).probe(Hold::new(0, 5));
    assert_eq!(edges(&block), (1..6).map(|n| (n - 1, n, 0)).collect::<Vec<_>>());
}

#[test]
fn independent_txns_have_no_edges() {
    let block = LanguageBlock::new((0..20).map(increment));
    assert_eq!(edges(&block), []);
}

#[test]
fn edges_come_in_the_order_of_the_reads_and_once_each() {
    let reader = [2, 0, 1, 0, 2]
        .map(|n| Op::Read(slot(n)))
        .into_iter()
        .chain([Op::Write(slot(0), value(1)), Op::Read(slot(0))]);
    let writers = (0..3).map(|n| vec![Op::Write(slot(n), value(1))]);
    let programs = writers.chain([reader.collect()]);
    let block = LanguageBlock::new(programs).probe(Hold::new(0, 3));
    assert_eq!(edges(&block), [(2, 3, 2), (0, 3, 0), (1, 3, 1)]);
}

#[test]
fn the_writer_is_the_last_one_even_of_an_equal_value() {
    // Txn 3 may read either of two equal values, but from whom it reads is never in doubt.
    let write = vec![Op::Write(slot(0), value(5))];
    let programs = [write.clone(), write.clone(), write, vec![Op::Read(slot(0))]];
    for held in 0..3 {
        let block = LanguageBlock::new(programs.clone()).probe(Hold::new(held, 1));
        assert_eq!(edges(&block), [(2, 3, 0)]);
    }
}

#[test]
fn deltas_and_checks_make_no_order_but_are_read_from() {
    let programs = [
        vec![Op::Gain(slot(0), value(1))],
        vec![Op::Gain(slot(0), value(1)), Op::Check(slot(0), Test::Even)],
        vec![Op::Assume(slot(0), Test::Even), Op::Peek(slot(0))],
        vec![Op::Read(slot(0))],
        // Reads what lies below its own delta.
        vec![Op::Gain(slot(0), value(1)), Op::Read(slot(0))],
        // Reads its own write.
        vec![Op::Write(slot(0), value(1)), Op::Gain(slot(0), value(1)), Op::Read(slot(0))],
    ];
    let block = LanguageBlock::new(programs).probe(Hold::new(0, 5));
    assert_eq!(edges(&block), [(1, 3, 0), (1, 4, 0)]);
}

#[test]
fn a_cut_block_has_the_edges_of_what_was_committed() {
    let mut block = LanguageBlock::new((0..10).map(|_| increment(0)));
    block.rules.cut_after = Some(4);
    assert_eq!(edges(&block).len(), 4);
}

#[test]
fn tangles_have_one_graph_under_any_schedule() {
    for seed in 0..6 {
        prove(&tangle(40).probe(Jitter { seed, often: 20 }));
    }
    let diamond =
        [successor(0, 1), successor(1, 2), successor(1, 3), successor(3, 2), successor(2, 4)];
    assert_eq!(edges(&LanguageBlock::new(diamond)), [(0, 1, 1), (0, 2, 1), (2, 3, 3), (3, 4, 2)]);
}

#[test]
fn the_critical_path_of_a_block() {
    let block = LanguageBlock::new((0..12).map(|n| increment(n % 3)));
    let edge = |(writer, reader, location)| Conflict {
        writer: TxnIndex::new(writer),
        reader: TxnIndex::new(reader),
        location,
    };
    let graph = ConflictGraph { edges: edges(&block).into_iter().map(edge).collect() };
    assert_eq!(graph.critical_path(12), 4);
}
