//! What blocks cost that an engine may be slow on: processor time and wall time over those of the
//! sequential execution, on 2 to 64 threads, whatever number of cores there is.
//!
//! ```sh
//! cargo run --release -p block-stm-testkit --example worst [TXNS]
//! ```
//!
//! Each transaction works for a microsecond. A number is the median of several runs; 1.00 is as
//! much as sequentially. Processor time is what the kernel says of all threads of the process, on
//! Linux; elsewhere it is left out.

use std::error::Error;
use std::fs;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use block_stm::{Block, Config, Engine, execute_sequential};
use block_stm_testkit::waste::{Forget, Toil, opening, shapes};

const THREADS: [usize; 4] = [2, 8, 32, 64];
const WORK: Duration = Duration::from_micros(1);
const RUNS: usize = 7;
/// How long a run takes at least: the kernel counts in milliseconds.
const LEAST: Duration = Duration::from_millis(20);

/// What one run took.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    processor: Option<Duration>,
}

/// The time that all threads of this process have been on a processor.
fn processor_time() -> Option<Duration> {
    let mut sum = 0;
    for thread in fs::read_dir("/proc/self/task").ok()? {
        let times = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        sum += times.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(sum))
}

/// The medians of several runs, each of so many executions.
fn measure(executions: u32, mut execute: impl FnMut()) -> Cost {
    let mut run = || (0..executions).for_each(|_| execute());
    run();
    let costs: Vec<_> = (0..RUNS)
        .map(|_| {
            let (start, before) = (Instant::now(), processor_time());
            run();
            let wall = start.elapsed() / executions;
            let processor = processor_time().zip(before).map(|(after, before)| after - before);
            Cost { wall, processor: processor.map(|time| time / executions) }
        })
        .collect();
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    Cost {
        wall: median(costs.iter().map(|cost| cost.wall).collect()),
        processor: costs.iter().map(|cost| cost.processor).collect::<Option<_>>().map(median),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let txns = std::env::args().nth(1).map_or(Ok(8_000), |txns| txns.parse())?;
    let engines: Vec<_> = THREADS
        .into_iter()
        .map(|threads| {
            let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
            Engine::new(Config::default().threads(threads).inline_below(0))
        })
        .collect::<Result<_, _>>()?;
    let toil = Toil { work: WORK };
    println!("processor time / wall time over sequential, executions per transaction\n");
    print!("{:34} {:>6} {:>9}", "block", "txns", "ms");
    THREADS.iter().for_each(|threads| print!(" | {:>17}", format!("{threads} threads")));
    println!();
    for shape in shapes(txns) {
        let block = Block::new(&toil, &shape.txns, &opening);
        let mut failed = Ok(());
        let executions =
            (LEAST.as_nanos() / (WORK * shape.txns.len() as u32).as_nanos().max(1)) as u32;
        let executions = executions.max(1);
        let alone = measure(executions, || {
            failed = execute_sequential(&block, &mut Forget).map(drop);
        });
        failed?;
        let millis = alone.wall.as_secs_f64() * 1e3;
        print!("{:34} {:>6} {millis:>9.2}", shape.name, shape.txns.len());
        for engine in &engines {
            let mut executed = engine.execute(&block, &mut Forget);
            let cost = measure(executions, || executed = engine.execute(&block, &mut Forget));
            let over = |time: Duration, base: Duration| time.as_secs_f64() / base.as_secs_f64();
            let processor = cost.processor.zip(alone.processor);
            let processor =
                processor.map_or("-".to_owned(), |(time, base)| format!("{:.2}", over(time, base)));
            let wall = over(cost.wall, alone.wall);
            let executions = executed?.stats.executions_per_txn();
            print!(" | {processor:>5} {wall:>5.2} {executions:>5.2}");
        }
        println!();
    }
    Ok(())
}
