//! Blocks that are made to be hard: chains, changing footprints, queues, races at the bounds of
//! deltas.

use crate::language::{ABSENT, At, Expr, LanguageBlock, MAX, Op, Test};

const HOT: At = At::Slot(0);

/// Every hard block of `txns` transactions, with its name.
#[must_use]
pub fn adversarial(txns: u16) -> Vec<(&'static str, LanguageBlock)> {
    vec![
        ("everything depends on the last", chain(txns)),
        ("a chain of estimates", estimates(txns)),
        ("write sets that alternate", alternating(txns)),
        ("writes that disappear", disappearing(txns)),
        ("what is read is written", echo(txns)),
        ("deltas at their bounds", bounds(txns)),
        ("refusals that rest on deltas", refusals(txns)),
        ("a queue with two ends", queue(txns)),
        ("scans around a write", rescans(txns)),
        ("doubts about the first", doubts(txns)),
    ]
}

fn block(txns: u16, program: impl Fn(u16) -> Vec<Op>) -> LanguageBlock {
    LanguageBlock::new((0..txns).map(program)).skip_invalid()
}

/// Each transaction reads what the one before it wrote, all in one slot.
fn chain(txns: u16) -> LanguageBlock {
    block(txns, |_| vec![Op::Read(HOT), Op::Write(HOT, Expr::Plus(1))])
}

/// Each transaction reads the slot that the one before it wrote, and writes the next.
fn estimates(txns: u16) -> LanguageBlock {
    block(txns, |n| vec![Op::Read(At::Slot(n)), Op::Write(At::Slot(n + 1), Expr::Plus(1))])
}

/// Which slot a transaction writes depends on what it reads, so that no two incarnations write the
/// same.
fn alternating(txns: u16) -> LanguageBlock {
    block(txns, |n| {
        vec![
            Op::Read(HOT),
            Op::Write(At::Beyond(1), Expr::Const((n % 7) as u8)),
            Op::Read(At::Slot(1 + n % 3)),
            Op::Write(HOT, Expr::Plus(3)),
        ]
    })
}

/// A transaction writes a second slot only if it reads an even value, and takes it back by
/// reverting otherwise.
fn disappearing(txns: u16) -> LanguageBlock {
    block(txns, |n| {
        vec![
            Op::Attempt,
            Op::Write(At::Slot(1 + n % 2), Expr::Const(5)),
            Op::Read(HOT),
            Op::SkipUnless(Expr::Acc, Test::Even, 1),
            Op::Revert,
            Op::Read(At::Slot(2 - n % 2)),
            Op::Write(HOT, Expr::Plus(1)),
        ]
    })
}

/// Equal rewrites everywhere: nothing ever changes but the versions.
fn echo(txns: u16) -> LanguageBlock {
    block(txns, |n| {
        let (here, there) = (At::Slot(n % 3), At::Slot((n + 1) % 3));
        vec![
            Op::Read(here),
            Op::Write(here, Expr::Acc),
            Op::Read(there),
            Op::Write(there, Expr::Acc),
        ]
    })
    .state([2, 4, 6])
}

/// Deltas that apply or not depending on all others, and transactions that refuse themselves if
/// they do, or if they do not.
fn bounds(txns: u16) -> LanguageBlock {
    block(txns, |n| {
        let amount = Expr::Const(1 + (n % 3) as u8);
        let op = if n % 2 == 0 { Op::Gain(HOT, amount) } else { Op::Lose(HOT, amount) };
        let refuse = Op::SkipUnless(Expr::Flag, Test::Is(Expr::Const((n / 2 % 2) as u8)), 1);
        vec![op, refuse, Op::Invalid, Op::Gain(At::Slot(1), Expr::Const(1))]
    })
    .state([MAX / 2])
}

/// Transactions that refuse themselves if a delta applies, which it hardly ever does.
fn refusals(txns: u16) -> LanguageBlock {
    block(txns, |n| {
        let refuse = Op::SkipUnless(Expr::Flag, Test::Is(Expr::Const(1)), 1);
        if n % 3 == 0 {
            return vec![Op::Read(HOT), Op::Write(HOT, Expr::Const(6 + (n % 2) as u8))];
        }
        vec![
            Op::Gain(HOT, Expr::Const(2)),
            refuse,
            Op::Invalid,
            Op::Write(At::Slot(1), Expr::Const(1)),
        ]
    })
}

/// A write between two scans of the same range: what the first one missed, the second one does not
/// excuse.
fn rescans(txns: u16) -> LanguageBlock {
    let end = At::Slot(u16::from(MAX) + 2);
    block(txns, |n| {
        let here = At::Slot(n % 3);
        let value = Expr::Const(if n % 4 == 0 { ABSENT } else { 1 + (n % 5) as u8 });
        vec![Op::Scan(HOT, end, 0), Op::Write(here, value), Op::Scan(HOT, end, 0)]
    })
}

/// Producers put something behind the last entry, consumers take the first one away: an order book
/// of a kind.
fn queue(txns: u16) -> LanguageBlock {
    let end = At::Slot(u16::from(MAX) + 4);
    block(txns, |n| {
        if n % 3 == 0 {
            vec![Op::Scan(HOT, end, 1), Op::Write(At::Beyond(0), Expr::Const(ABSENT))]
        } else {
            vec![Op::Scan(HOT, end, 0), Op::Write(At::Beyond(1), Expr::Const(1 + (n % 5) as u8))]
        }
    })
}

/// All transactions take something for granted about a slot that the first transaction writes late.
fn doubts(txns: u16) -> LanguageBlock {
    block(txns, |n| {
        if n == 0 {
            return vec![Op::Spin(20), Op::Read(At::Slot(1)), Op::Write(HOT, Expr::Const(3))];
        }
        let test = Test::AtLeast(Expr::Const((n % 5) as u8));
        vec![Op::Assume(HOT, test), Op::Set(Expr::Flag), Op::Write(At::Beyond(1), Expr::Const(2))]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Trial;
    use crate::record::{Ending, record_sequential};

    #[test]
    fn all_shapes_run_to_their_end() {
        for (name, block) in adversarial(9) {
            let stage = block.stage();
            let record = record_sequential(&stage.block(), stage.sink(None));
            let committed = record.committed();
            assert!(matches!(record.ending, Ending::Finished { cut: None, .. }), "{name}");
            assert_eq!(committed, 9, "{name}");
        }
    }
}
