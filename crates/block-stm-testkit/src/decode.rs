//! Blocks of the language from a fuzzer's bytes.
//!
//! The bytes are a frame of fixed size, then the operations of all programs, two or three bytes
//! each. An operation of its own ends a program. So a byte that changes, comes or goes leaves most
//! of the block as it was, and every sequence of bytes is a block.

use block_stm::InvalidPolicy;

use crate::bytes::Bytes;
use crate::faults::Jitter;
use crate::language::{At, Expr, Guess, LanguageBlock, LanguageHints, MAX, Op, Rules, Test};
use crate::sim::{Passed, Replay, Scene, Setup, Simulator};

/// The number of slots that programs name.
const SLOTS: u8 = 5;
/// The most programs of a block; bytes beyond them mean nothing.
const PROGRAMS: usize = 48;
/// The most operations of a program.
const OPS: usize = 12;

/// The block that `bytes` mean.
#[must_use]
pub fn block(bytes: &[u8]) -> LanguageBlock {
    let bytes = &mut Bytes::new(bytes);
    let features = bytes.byte();
    let wants = |bit: u8| features & (1 << bit) != 0;
    let state: Vec<u8> = (0..SLOTS).map(|_| bytes.below(MAX + 1)).collect();
    let (seed, often) = (u64::from(bytes.byte()), 1 + bytes.below(23));
    let place = bytes.byte();
    let limit = bytes.byte();
    let programs = programs(bytes, wants(0));
    let txns = programs.len();
    let mut block = LanguageBlock::new(programs).state(state);
    if wants(1) {
        block.policy = InvalidPolicy::Skip;
    }
    if wants(2) {
        block = block.probe(Jitter { seed, often });
    }
    if wants(3) {
        block.rules = rules(place, limit);
    }
    match (wants(4), limit % 2) {
        (false, _) => {}
        (true, 0) => block.max_txns = Some(usize::from(limit / 2)),
        (true, _) => block.max_weight = Some(u64::from(limit / 2)),
    }
    if wants(5) {
        block.unreadable.insert(u16::from(place % (SLOTS + MAX)));
    }
    match (wants(6), wants(7)) {
        (false, _) => block,
        (true, false) => block.with_true_hints(),
        (true, true) => {
            let guess = |txn: usize| vec![(txn as u16 + u16::from(seed as u8)) % u16::from(SLOTS)];
            LanguageBlock { hints: Some(LanguageHints((0..txns).map(guess).collect())), ..block }
        }
    }
}

/// How many bytes choose the set-up and the schedule.
const SCHEDULE: usize = 64;

/// Simulates what `bytes` mean: at first a set-up and which worker acts where there is a choice,
/// then a [`block`](fn@block).
///
/// # Errors
/// The block and what is wrong with it.
pub fn scheduled(simulator: &Simulator, bytes: &[u8]) -> Result<Passed, String> {
    let (schedule, block) = bytes.split_at(bytes.len().min(SCHEDULE));
    let block = self::block(block);
    let (seed, choices) = schedule.split_at(schedule.len().min(2));
    let seed = seed.iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte));
    let setup = Setup::draw(seed, block.programs.len());
    let choices = choices.iter().map(|byte| usize::from(*byte) % setup.workers).collect();
    let verdict = Scene::new(&block).and_then(|scene| {
        let schedule = Box::new(Replay::new(choices));
        let run = scene.run_with(simulator, &setup, schedule, false);
        run.map_err(|failure| failure.what)
    });
    verdict.map_err(|what| format!("{what}\nwith {setup}, in this block:\n{block}"))
}

/// What the sink decides: one of the rules, at `place` or about `limit`.
fn rules(place: u8, limit: u8) -> Rules {
    let (rule, at) = (place % 6, u32::from(place / 6));
    let none = Rules::default();
    match rule {
        0 => Rules { refuse: [at, at + 1].into(), ..none },
        1 => Rules { budget: Some(u64::from(limit)), ..none },
        2 => Rules { unsettled: Some(1 + u64::from(limit % 7)), ..none },
        3 => Rules { cut_before: Some(at), ..none },
        4 => Rules { cut_at: Some(at), ..none },
        _ => Rules { cut_after: Some(at), ..none },
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Next,
    Read,
    Scan,
    Write,
    Gain,
    Lose,
    Check,
    Assume,
    Peek,
    Glimpse,
    Set,
    Keep,
    SkipUnless,
    Again,
    Weigh,
    Spin,
    Checkpoint,
    Attempt,
    Revert,
    Stop,
    Invalid,
    Misbehave,
}

const KINDS: [(u8, Kind); 22] = [
    (8, Kind::Next),
    (8, Kind::Read),
    (4, Kind::Scan),
    (8, Kind::Write),
    (4, Kind::Gain),
    (4, Kind::Lose),
    (3, Kind::Check),
    (3, Kind::Assume),
    (1, Kind::Peek),
    (1, Kind::Glimpse),
    (2, Kind::Set),
    (2, Kind::Keep),
    (5, Kind::SkipUnless),
    (2, Kind::Again),
    (2, Kind::Weigh),
    (2, Kind::Spin),
    (2, Kind::Checkpoint),
    (2, Kind::Attempt),
    (1, Kind::Revert),
    (2, Kind::Stop),
    (3, Kind::Invalid),
    (2, Kind::Misbehave),
];

fn programs(bytes: &mut Bytes<'_>, misbehaving: bool) -> Vec<Vec<Op>> {
    let (mut programs, mut program) = (Vec::new(), Vec::new());
    while !bytes.is_empty() && programs.len() + 1 < PROGRAMS {
        let ops = ops(bytes, misbehaving);
        if ops.is_empty() || program.len() >= OPS {
            programs.push(std::mem::take(&mut program));
        }
        program.extend(ops);
    }
    programs.push(program);
    programs
}

/// One operation, or two that belong together; none where the program ends.
fn ops(bytes: &mut Bytes<'_>, misbehaving: bool) -> Vec<Op> {
    vec![match bytes.weighted(&KINDS) {
        Kind::Next => return Vec::new(),
        Kind::Read => Op::Read(at(bytes)),
        Kind::Scan => Op::Scan(at(bytes), at(bytes), bytes.below(4)),
        Kind::Write => Op::Write(at(bytes), expr(bytes)),
        Kind::Gain => Op::Gain(at(bytes), amount(bytes)),
        Kind::Lose => Op::Lose(at(bytes), amount(bytes)),
        Kind::Check => Op::Check(at(bytes), test(bytes)),
        Kind::Assume => Op::Assume(at(bytes), test(bytes)),
        Kind::Peek => Op::Peek(at(bytes)),
        Kind::Glimpse => Op::Glimpse(at(bytes), guess(bytes)),
        Kind::Set => Op::Set(expr(bytes)),
        Kind::Keep => Op::Keep,
        Kind::SkipUnless => Op::SkipUnless(expr(bytes), test(bytes), 1 + bytes.below(3)),
        Kind::Again => {
            let choice = bytes.below(9);
            Op::Again(1 + choice % 3, 1 + choice / 3)
        }
        Kind::Weigh => Op::Weigh(expr(bytes)),
        Kind::Spin => Op::Spin(bytes.byte()),
        Kind::Checkpoint => Op::Checkpoint,
        Kind::Attempt => Op::Attempt,
        Kind::Revert => Op::Revert,
        Kind::Stop => Op::Stop,
        Kind::Invalid => return rarely(bytes, Op::Invalid),
        Kind::Misbehave if !misbehaving => Op::Keep,
        Kind::Misbehave => match bytes.below(4) {
            0 => Op::Swallow,
            1 => return rarely(bytes, Op::Fail),
            2 => return rarely(bytes, Op::Panic),
            _ => return rarely(bytes, Op::LoseView),
        },
    }]
}

/// The operation behind a condition that holds for one value of the accumulator.
fn rarely(bytes: &mut Bytes<'_>, op: Op) -> Vec<Op> {
    let value = Expr::Const(1 + bytes.below(MAX));
    vec![Op::SkipUnless(Expr::Acc, Test::Is(value), 1), op]
}

fn at(bytes: &mut Bytes<'_>) -> At {
    let choice = bytes.below(4 * SLOTS);
    let slot = u16::from(choice % SLOTS);
    if choice < 3 * SLOTS { At::Slot(slot) } else { At::Beyond(slot) }
}

fn expr(bytes: &mut Bytes<'_>) -> Expr {
    expr_of(bytes.byte())
}

fn expr_of(choice: u8) -> Expr {
    let operand = choice / 10;
    match choice % 10 {
        0..3 => Expr::Acc,
        3..5 => Expr::Const(operand % (MAX + 1)),
        5 => Expr::Kept,
        6 => Expr::Flag,
        _ => Expr::Plus(1 + operand % MAX),
    }
}

fn guess(bytes: &mut Bytes<'_>) -> Guess {
    bytes.pick(&[Guess::Forgotten, Guess::Checked, Guess::Assumed])
}

fn amount(bytes: &mut Bytes<'_>) -> Expr {
    match bytes.byte() {
        choice @ ..200 => Expr::Const(choice % 3),
        choice => expr_of(choice),
    }
}

fn test(bytes: &mut Bytes<'_>) -> Test<Expr> {
    let choice = bytes.byte();
    let operand = expr_of(choice / 4);
    match choice % 4 {
        0 => Test::AtLeast(operand),
        1 => Test::AtMost(operand),
        2 => Test::Is(operand),
        _ => Test::Even,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::scramble;
    use crate::language::Program;

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        (0..length as u64).map(|at| scramble([seed, at, 0]) as u8).collect()
    }

    #[test]
    fn a_byte_that_changes_leaves_most_programs_as_they_were() {
        let bytes = noise(1, 300);
        let (whole, frame) = (block(&bytes), 10);
        let kept = |place: usize| {
            let mut mutated = bytes.clone();
            mutated[place] ^= 0x15;
            let mutated = block(&mutated).programs;
            let kept = |program: &&Program| mutated.iter().any(|other| other.ops == program.ops);
            whole.programs.iter().filter(kept).count()
        };
        let kept: usize = (frame..bytes.len()).map(kept).sum();
        let all = whole.programs.len() * (bytes.len() - frame);
        assert!(kept * 10 > all * 8, "{kept} of {all}");
    }

    #[test]
    fn noise_means_schedules_that_repeat() {
        let simulator = Simulator::default();
        for seed in 0..200 {
            let bytes = noise(seed, 200);
            let run =
                || scheduled(&simulator, &bytes).unwrap_or_else(|failure| panic!("{failure}"));
            assert_eq!(run(), run());
        }
        assert_eq!(scheduled(&simulator, &[]), scheduled(&simulator, &[0]));
    }

    #[test]
    fn noise_means_blocks_of_all_kinds() {
        let blocks: Vec<_> = (0..200).map(|seed| block(&noise(seed, 200))).collect();
        let all = |fits: fn(&LanguageBlock) -> bool| {
            let count = blocks.iter().filter(|block| fits(block)).count();
            assert!((20..180).contains(&count), "{count}");
        };
        all(|block| block.policy == InvalidPolicy::Skip);
        all(|block| block.probe.is_some());
        all(|block| block.rules != Rules::default());
        all(|block| block.max_txns.is_some());
        all(|block| block.max_weight.is_some());
        all(|block| !block.unreadable.is_empty());
        all(|block| block.hints.is_some());
        let panics = |op: &Op| matches!(op, Op::Panic);
        assert!(blocks.iter().any(|block| block.programs.iter().any(|p| p.ops.iter().any(panics))));
        let txns: usize = blocks.iter().map(|block| block.programs.len()).sum();
        assert!((8..30).contains(&(txns / blocks.len())), "{txns} transactions in 200 blocks");
        assert_eq!(block(&[]).programs.len(), 1);
        assert_eq!(block(&[0; 4_000]).programs.len(), PROGRAMS);
    }

    #[test]
    fn decoded_blocks_are_sequential() {
        for seed in 0..20 {
            block(&noise(seed, 120)).check(crate::Checker::few()).expect("parallel is sequential");
        }
    }
}
