//! Impurities that bite: what makes an execution more than a function of the transaction and of
//! the view's answers, and what to do about it.

use std::{collections::HashMap, convert::Infallible, error::Error, hint::black_box};

use block_stm::{Block, BoxError, Execution, Interrupt, Value, View, Vm, quiet_speculation};
use block_stm_any_evm::block_stm;
use block_stm_testkit::check;

/// What the VM does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    None,
    KeepsWhatItRead,
    WritesInMapOrder,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Amount(u64);

impl Value for Amount {
    type Delta = Infallible;
    type Predicate = Infallible;

    fn apply(&self, never: &Infallible) -> Option<Self> {
        match *never {}
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }
}

/// Where the price is, and a copy of it that each transaction keeps equal.
const PRICE: u32 = 0;
const COPY: u32 = 1;

/// Sells things at the price that there is, and may set another one.
#[derive(Clone, Debug)]
pub(crate) struct Sale {
    things: Vec<u32>,
    price_after: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Shop {
    habit: Habit,
    /// How long a sale takes. Where that is next to nothing, one worker executes the block, and the
    /// others show nothing.
    effort: u64,
}

/// What a worker keeps between executions.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    price: Option<u64>,
}

impl Vm for Shop {
    type Txn = Sale;
    type Location = u32;
    type Value = Amount;
    type Output = u64;
    type Invalid = Infallible;
    type Context<'b> = Desk;

    fn context(&self) -> Desk {
        Desk::default()
    }

    fn execute<'b>(
        &'b self,
        desk: &mut Desk,
        sale: &Sale,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<u64, Infallible>, Interrupt> {
        if self.habit != Habit::KeepsWhatItRead {
            // What an earlier execution read, perhaps one that was thrown away, is not this one's.
            desk.price = None;
        }
        let price = match desk.price {
            Some(price) => price,
            None => view.read(&PRICE)?.0,
        };
        desk.price = Some(price);
        (0..self.effort).for_each(|step| assert_eq!(black_box(step), step));

        if self.habit != Habit::KeepsWhatItRead && view.read(&COPY)?.0 != price {
            // Half of another transaction's writes: no order of the transactions leads here. Not a
            // panic: it would be printed, and end a process that aborts on panics.
            return Err(view.fail("the price and its copy differ"));
        }

        let mut sold = HashMap::new();
        for thing in &sale.things {
            *sold.entry(*thing).or_insert(0) += price;
        }
        let mut sold: Vec<_> = sold.into_iter().collect();
        if self.habit != Habit::WritesInMapOrder {
            // The order of a map is another one in every run, and that of writes is told to sinks.
            sold.sort_unstable();
        }
        let mut total = 0;
        for (thing, sum) in sold {
            let before = view.read(&thing)?.0;
            view.write(&thing, Amount(before + sum))?;
            total += sum;
        }
        if let Some(price) = sale.price_after {
            view.write(&PRICE, Amount(price))?;
            view.write(&COPY, Amount(price))?;
        }
        Ok(Execution::Done(total))
    }
}

/// Checks the VM with a block in which many prices are set.
pub(crate) fn check_shop(habit: Habit, effort: u64) -> Result<(), String> {
    let sale = |n: u32| Sale {
        things: (0..12).map(|thing| 10 + (n * 5 + thing * 3) % 16).collect(),
        price_after: n.is_multiple_of(3).then_some(u64::from(n) + 7),
    };
    let sales: Vec<_> = (0..60).map(sale).collect();
    let before = |_: &u32| Ok::<_, BoxError>(Amount(1));
    let shop = Shop { habit, effort };
    check(&Block::new(&shop, &sales, &before)).map_err(|mismatch| mismatch.to_string())
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    // For VMs that may panic all the same: what is ahead of its turn is not printed.
    quiet_speculation();
    Ok(check_shop(Habit::None, 10)?)
}
