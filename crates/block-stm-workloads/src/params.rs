//! What shapes a block, and the ranges that it must lie in.

/// What shapes a block. The same parameters give the same block on every machine.
///
/// # Examples
///
/// ```
/// use block_stm_workloads::{Params, Workload};
///
/// let params = Params { txns: 100, accounts: 1_000, ..Params::default() };
/// let generated = Workload::Mixed.generate(&params)?;
/// assert_eq!(generated.block.txns.len(), 100);
/// # Ok::<(), block_stm_workloads::ParamsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// Number of transactions: at most 1,000,000.
    pub txns: usize,
    /// Number of accounts that senders and receivers are drawn from: 1 to 10,000,000.
    pub accounts: usize,
    /// Number of contracts of a kind (tokens, pairs, lending pools, collections, markets): 1 to
    /// 100,000.
    pub pools: usize,
    /// Exponent of the Zipf law by which accounts and pools are drawn: 0 to 10, 0 is uniform.
    pub zipf: f64,
    /// Seed of all random choices.
    pub seed: u64,
}

/// 10,000 transactions of 20,000 accounts on 16 pools, uniform, seed 0.
impl Default for Params {
    fn default() -> Self {
        Self { txns: 10_000, accounts: 20_000, pools: 16, zipf: 0.0, seed: 0 }
    }
}

/// A parameter out of its range.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsError {
    /// Too many transactions.
    #[error("{txns} transactions are more than {}", Params::TXNS_MAX)]
    Txns {
        /// The number asked for.
        txns: usize,
    },
    /// No account, or too many.
    #[error("{accounts} accounts are not within 1 to {}", Params::ACCOUNTS_MAX)]
    Accounts {
        /// The number asked for.
        accounts: usize,
    },
    /// No pool, or too many.
    #[error("{pools} pools are not within 1 to {}", Params::POOLS_MAX)]
    Pools {
        /// The number asked for.
        pools: usize,
    },
    /// Not a number, negative or too large.
    #[error("zipf exponent {zipf} is not within 0 to {}", Params::ZIPF_MAX)]
    Zipf {
        /// The exponent asked for.
        zipf: f64,
    },
}

impl Params {
    /// The most transactions in a block.
    pub const TXNS_MAX: usize = 1_000_000;
    /// The most accounts.
    pub const ACCOUNTS_MAX: usize = 10_000_000;
    /// The most pools.
    pub const POOLS_MAX: usize = 100_000;
    /// The largest Zipf exponent.
    pub const ZIPF_MAX: f64 = 10.0;

    /// Checks that every parameter lies in its range.
    ///
    /// # Errors
    ///
    /// The first parameter that doesn't, with its value.
    pub fn validate(&self) -> Result<(), ParamsError> {
        let Self { txns, accounts, pools, zipf, seed: _ } = *self;
        if txns > Self::TXNS_MAX {
            return Err(ParamsError::Txns { txns });
        }
        if !(1..=Self::ACCOUNTS_MAX).contains(&accounts) {
            return Err(ParamsError::Accounts { accounts });
        }
        if !(1..=Self::POOLS_MAX).contains(&pools) {
            return Err(ParamsError::Pools { pools });
        }
        if !(0.0..=Self::ZIPF_MAX).contains(&zipf) {
            return Err(ParamsError::Zipf { zipf });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_range_has_both_ends_and_nothing_beyond() {
        let base = Params::default();
        let txns = |txns| Params { txns, ..base }.validate();
        assert_eq!(txns(0), Ok(()));
        assert_eq!(txns(1_000_000), Ok(()));
        let too_many = ParamsError::Txns { txns: 1_000_001 };
        assert_eq!(txns(1_000_001), Err(too_many));

        let accounts = |accounts| Params { accounts, ..base }.validate();
        assert_eq!(accounts(1), Ok(()));
        assert_eq!(accounts(10_000_000), Ok(()));
        for bad in [0, 10_000_001] {
            assert_eq!(accounts(bad), Err(ParamsError::Accounts { accounts: bad }));
        }

        let pools = |pools| Params { pools, ..base }.validate();
        assert_eq!(pools(1), Ok(()));
        assert_eq!(pools(100_000), Ok(()));
        for bad in [0, 100_001] {
            assert_eq!(pools(bad), Err(ParamsError::Pools { pools: bad }));
        }

        let zipf = |zipf| Params { zipf, ..base }.validate();
        assert_eq!(zipf(0.0), Ok(()));
        assert_eq!(zipf(10.0), Ok(()));
        for bad in [-0.1, 10.1, f64::INFINITY] {
            assert_eq!(zipf(bad), Err(ParamsError::Zipf { zipf: bad }));
        }
        assert!(zipf(f64::NAN).is_err());
    }

    #[test]
    fn messages_name_the_value_and_the_range() {
        let error = ParamsError::Pools { pools: 0 };
        assert_eq!(error.to_string(), "0 pools are not within 1 to 100000");
    }
}
