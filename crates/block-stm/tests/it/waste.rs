//! What speculation wastes: bounded by the work, however many threads there are.

use std::num::NonZeroUsize;

use block_stm_testkit::waste::{shapes, simulate};

#[test]
fn print() {
    for shape in shapes(2_000) {
        for workers in [2, 8, 32, 64] {
            let (stats, ns) = simulate(&shape.txns, NonZeroUsize::new(workers).unwrap(), 1_000);
            let n = shape.txns.len() as f64;
            println!(
                "{:35} {workers:3}: ex/txn {:.2} head {:.2} val/txn {:.2} early {:.2} versions/ex {:.1} waits {} speed {:.2} parks {}",
                shape.name,
                stats.executions as f64 / n,
                stats.head_executions as f64 / n,
                stats.validations as f64 / n,
                stats.early_validations as f64 / n,
                stats.versions as f64 / stats.executions as f64,
                stats.waits,
                n * 1290.0 / ns as f64,
                stats.parks
            );
        }
    }
}
