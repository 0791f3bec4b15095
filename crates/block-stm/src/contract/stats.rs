//! What an execution cost, as a value.

use std::ops::AddAssign;

/// Why executions were thrown away. Their sum with the committed ones is the number of executions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aborts {
    /// The run met an estimate: a lower transaction was about to write what it wanted to read.
    pub estimate: u64,
    /// Its reads were found stale before its turn to commit.
    pub early_validation: u64,
    /// Its reads were found stale at its turn to commit.
    pub commit_validation: u64,
    /// A delta or a predicate that it took for granted did not hold.
    pub assumption: u64,
    /// It ended in a storage error, a panic or a failure of the VM, which is only believed of the
    /// head.
    pub failure: u64,
    /// It was refused a place in the block, or the block ended before it.
    pub refused: u64,
}

impl Aborts {
    /// All aborts.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.estimate
            + self.early_validation
            + self.commit_validation
            + self.assumption
            + self.failure
            + self.refused
    }
}

/// Counters of one block's execution. Only the sequential ones are the same on every run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Transactions that the sink was given, invalid ones included.
    pub committed: u64,
    /// Executions, of whatever fate.
    pub executions: u64,
    /// Executions of the lowest uncommitted transaction, right by construction.
    pub head_executions: u64,
    /// Of these, the ones in stretches of transactions that were executed one after another, as
    /// each of them needed the one before; all of a sequential execution.
    pub alone_executions: u64,
    /// Executions that were thrown away, by cause.
    pub aborts: Aborts,
    /// Read sets checked at commit.
    pub validations: u64,
    /// Read sets checked before commit.
    pub early_validations: u64,
    /// Values read from the storage.
    pub base_reads: u64,
    /// Versions looked at on the way to those that were read, checked before commit, or replaced.
    pub versions: u64,
    /// Times that a run waited briefly for the writer of an estimate.
    pub waits: u64,
    /// Times that a worker went to sleep for want of work.
    pub parks: u64,
    /// Sum over commits of how many transactions had been started beyond the committed one.
    pub commit_lag_sum: u64,
    /// The largest of these.
    pub commit_lag_max: u64,
    /// Workers that executed anything.
    pub workers: u64,
}

impl Stats {
    /// Executions per committed transaction; 1 is perfect, 0 means an empty block.
    #[must_use]
    pub fn executions_per_txn(&self) -> f64 {
        if self.committed == 0 { 0.0 } else { self.executions as f64 / self.committed as f64 }
    }
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.committed += other.committed;
        self.executions += other.executions;
        self.head_executions += other.head_executions;
        self.alone_executions += other.alone_executions;
        self.aborts += other.aborts;
        self.validations += other.validations;
        self.early_validations += other.early_validations;
        self.base_reads += other.base_reads;
        self.versions += other.versions;
        self.waits += other.waits;
        self.parks += other.parks;
        self.commit_lag_sum += other.commit_lag_sum;
        self.commit_lag_max = self.commit_lag_max.max(other.commit_lag_max);
        self.workers += other.workers;
    }
}

impl AddAssign for Aborts {
    fn add_assign(&mut self, other: Self) {
        self.estimate += other.estimate;
        self.early_validation += other.early_validation;
        self.commit_validation += other.commit_validation;
        self.assumption += other.assumption;
        self.failure += other.failure;
        self.refused += other.refused;
    }
}
