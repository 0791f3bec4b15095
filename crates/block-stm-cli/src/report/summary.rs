//! What a table shows, in words, losses included.

use super::{Kind, Report, Row, Totals, ratio};
use crate::units::{count, speedup, time};

/// The sentences below the table.
pub(crate) fn sentences(report: &Report) -> Vec<String> {
    let totals = report.totals();
    let mut sentences = vec![speed(report, &totals)];
    sentences.extend(range(report));
    sentences.extend(losses(report));
    sentences.extend(with_lists(&totals));
    sentences.extend(uncoordinated(report));
    sentences.push(agreement(report, &totals));
    sentences.extend(unchecked(report));
    sentences.extend(ommers(report));
    sentences
}

fn speed(report: &Report, totals: &Totals) -> String {
    let threads = count(report.threads, "thread");
    if let [row] = report.rows.as_slice() {
        return format!("On {threads} the parallel side is {}.", compared(row));
    }
    let faster = report.rows.iter().filter(|row| row.parallel < row.sequential).count();
    format!(
        "On {threads} the parallel side is faster in {faster} of {}: {} over all, {} in the \
         geometric mean.",
        count(report.rows.len(), report.kind.noun()),
        speedup(totals.speedup),
        speedup(totals.geometric_mean),
    )
}

fn range(report: &Report) -> Option<String> {
    let (best, worst) = (report.best()?, report.worst()?);
    let named = |row: &Row| format!("{} ({})", speedup(row.speedup()), row.label());
    (report.rows.len() > 1)
        .then(|| format!("At best it is {}, at worst {}.", named(best), named(worst)))
}

fn compared(row: &Row) -> String {
    let factor = row.speedup();
    if factor < 1.0 {
        format!("slower than the sequential one: {} its speed", speedup(factor))
    } else {
        format!("{} as fast as the sequential one", speedup(factor))
    }
}

fn with_lists(totals: &Totals) -> Option<String> {
    let (times, factor) = (totals.lists?, speedup(totals.list_speedup()?));
    Some(format!(
        "With access lists, which were built before and are checked, it is {factor} over all. \
         Building them in parallel takes {}: {} the time without them, and {} as fast as \
         building them in order.",
        time(times.built),
        speedup(ratio(times.built, totals.parallel)),
        speedup(ratio(times.built_in_order, times.built)),
    ))
}

/// How many losses are named one by one.
const NAMED_LOSSES: usize = 4;

fn losses(report: &Report) -> Option<String> {
    let mut slower: Vec<_> =
        report.rows.iter().filter(|row| row.parallel > row.sequential).collect();
    if slower.is_empty() || report.rows.len() == 1 {
        return None;
    }
    slower.sort_by(|a, b| a.speedup().total_cmp(&b.speedup()));
    let named = slower.iter().take(NAMED_LOSSES);
    let named = named.map(|row| format!("{} ({})", row.label(), speedup(row.speedup())));
    let mut named = named.collect::<Vec<_>>().join(", ");
    if slower.len() > NAMED_LOSSES {
        named.push_str(&format!(" and {} more", slower.len() - NAMED_LOSSES));
    }
    Some(format!("It is slower in {}: {named}.", count(slower.len(), report.kind.noun())))
}

/// The share of a block's gas that an execution without coordination may miss or exceed, and be
/// called the same work.
const SAME_WORK: f64 = 0.05;

/// Where the hardware bound is one of other work than the block's.
fn uncoordinated(report: &Report) -> Option<String> {
    let other = report.rows.iter().filter_map(|row| {
        let bounds = row.bounds?;
        let is_other = bounds.failed > 0 || (bounds.gas_share - 1.0).abs() > SAME_WORK;
        is_other.then(|| {
            let failed = match bounds.failed {
                0 => String::new(),
                failed => format!(", {} failed", count(failed, "txn")),
            };
            format!("{} {:.0} %{failed}", row.label(), 100.0 * bounds.gas_share)
        })
    });
    let other = other.collect::<Vec<_>>().join(", ");
    (!other.is_empty()).then(|| {
        format!(
            "Without coordination, transactions take other ways; the hardware bound is for so much \
             of the block's gas: {other}."
        )
    })
}

fn agreement(report: &Report, totals: &Totals) -> String {
    let rows = count(report.rows.len(), report.kind.noun());
    match (totals.failed, report.kind) {
        (0, Kind::Workloads) => {
            format!("Receipts and state were the same in every execution of {rows}.")
        }
        (0, Kind::Blocks) => format!(
            "Receipts and state were the same in every execution of {rows}, and all that could be \
             checked of the headers holds."
        ),
        (failed, _) => format!("CHECKS FAILED in {failed} of {rows}."),
    }
}

fn unchecked(report: &Report) -> Option<String> {
    let mut reasons: Vec<_> = report.rows.iter().flat_map(Row::unchecked).collect();
    let total = reasons.len();
    reasons.sort_unstable();
    reasons.dedup();
    let reasons: Vec<_> = reasons.iter().map(|(name, why)| format!("{name}, as {why}")).collect();
    let reasons = reasons.join("; ");
    (total > 0).then(|| format!("* {} could not be made: {reasons}.", count(total, "check")))
}

fn ommers(report: &Report) -> Option<String> {
    let blocks = report.rows.iter().filter(|row| row.unknown_ommers > 0).count();
    (blocks > 0).then(|| {
        format!(
            "{} had ommers known by their hash alone: the state changes lack their rewards.",
            count(blocks, "block")
        )
    })
}
