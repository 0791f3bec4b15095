//! A bank: accounts, and transfers between them that need enough money. A VM of about a page.

use std::fmt;

use block_stm::{Execution, Interrupt, Value, View, Vm};

/// How a bank moves money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Reads both balances and writes both: transfers that share an account depend on each other.
    Reads,
    /// Checks that the payer has enough and moves the money by deltas: transfers commute.
    Deltas,
}

/// A balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance(pub u64);

/// A change of a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Money comes.
    Credit(u64),
    /// Money goes.
    Debit(u64),
}

/// "At least this much": the predicate of a [`Balance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtLeast(pub u64);

impl Value for Balance {
    type Delta = Change;
    type Predicate = AtLeast;

    fn apply(&self, delta: &Change) -> Option<Self> {
        match *delta {
            Change::Credit(amount) => self.0.checked_add(amount).map(Self),
            Change::Debit(amount) => self.0.checked_sub(amount).map(Self),
        }
    }

    fn satisfies(&self, predicate: &AtLeast) -> bool {
        self.0 >= predicate.0
    }
}

/// Money to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    from: u32,
    to: u32,
    amount: u64,
}

impl Transfer {
    /// A transfer of `amount` between two accounts.
    #[must_use]
    pub const fn new(from: u32, to: u32, amount: u64) -> Self {
        Self { from, to, amount }
    }
}

/// What a transfer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The money was moved.
    Paid,
    /// There was not enough, and nothing was moved.
    Bounced,
}

/// No transfer is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

/// Executes [`Transfer`]s.
#[derive(Clone, Copy, Debug)]
pub struct Bank {
    style: Style,
}

impl Bank {
    /// A bank of this style.
    #[must_use]
    pub const fn new(style: Style) -> Self {
        Self { style }
    }
}

impl Vm for Bank {
    type Txn = Transfer;
    type Location = u32;
    type Value = Balance;
    type Output = Receipt;
    type Invalid = Never;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        transfer: &Transfer,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<Receipt, Never>, Interrupt> {
        let paid = match self.style {
            Style::Reads => pay_by_reads(transfer, view)?,
            Style::Deltas => pay_by_deltas(transfer, view)?,
        };
        Ok(Execution::Done(if paid { Receipt::Paid } else { Receipt::Bounced }))
    }
}

fn pay_by_reads(transfer: &Transfer, view: &mut View<'_, Bank>) -> Result<bool, Interrupt> {
    let Transfer { from, to, amount } = *transfer;
    let Some(left) = view.read(&from)?.apply(&Change::Debit(amount)) else {
        return Ok(false);
    };
    view.write(&from, left)?;
    // Read after the write: payer and payee may be the same.
    let Some(sum) = view.read(&to)?.apply(&Change::Credit(amount)) else {
        view.add(&from, Change::Credit(amount))?;
        return Ok(false);
    };
    view.write(&to, sum)?;
    Ok(true)
}

fn pay_by_deltas(transfer: &Transfer, view: &mut View<'_, Bank>) -> Result<bool, Interrupt> {
    let Transfer { from, to, amount } = *transfer;
    if !view.check(&from, AtLeast(amount))? || !view.add(&from, Change::Debit(amount))? {
        return Ok(false);
    }
    if !view.add(&to, Change::Credit(amount))? {
        view.add(&from, Change::Credit(amount))?;
        return Ok(false);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use block_stm::{Block, Collect, Outcome, execute_sequential};

    use super::*;
    use crate::check;

    fn transfers() -> Vec<Transfer> {
        (0..120_u32).map(|n| Transfer::new(n * 7 % 5, n * 3 % 6, u64::from(n % 4))).collect()
    }

    #[test]
    fn both_styles_pay_and_bounce_alike() {
        let opening = |account: &u32| Ok(Balance(u64::from(*account)));
        let [reads, deltas] = [Style::Reads, Style::Deltas].map(|style| {
            let (bank, transfers, mut receipts) =
                (Bank::new(style), transfers(), Collect::default());
            let block = Block::new(&bank, &transfers, &opening);
            let state = execute_sequential(&block, &mut receipts).expect("no errors").state;
            check(&block).expect("parallel is sequential");
            (state, receipts.outcomes)
        });
        assert!(reads.1.contains(&Outcome::Done(Receipt::Bounced)));
        assert_eq!(reads.1, deltas.1);
        let sum =
            |state: &[(u32, Balance)]| state.iter().map(|(_, balance)| balance.0).sum::<u64>();
        assert_eq!(sum(&reads.0.to_vec()), sum(&deltas.0.to_vec()));
    }
}
