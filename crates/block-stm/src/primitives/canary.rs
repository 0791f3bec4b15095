//! Deliberate faults, to prove that the checkers can notice them.
//!
//! They exist only in builds with `--cfg block_stm_canaries`, and there one is active at a time, if
//! any. In all other builds [`sings`] is a constant `false`, and every fault compiles to nothing.
//! `docs/canaries.md` says who catches which.

/// A fault of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(
    not(block_stm_canaries),
    expect(unreachable_pub, reason = "reachable in builds with canaries")
)]
pub enum Canary {
    /// The judge does not look at reads.
    SkipValidation,
    /// The judge does not look at predicates.
    SkipAssertions,
    /// The judge does not look for phantoms.
    SkipPhantoms,
    /// The judge takes for granted that the deltas of an invalid run applied.
    SkipDeltas,
    /// Two incarnations of a transaction pass for the same version.
    ForgetIncarnation,
    /// A location is identified by its hash alone.
    CompareByHash,
    /// A write that the next incarnation does not make stays.
    KeepOldWrite,
    /// What a left-out transaction wrote stays.
    KeepLeftOut,
    /// Only the first committed write of a location counts.
    CommitOnce,
    /// Deltas are summed up on the state before the block.
    SumOnBase,
    /// A failure of an execution ahead of its turn is believed.
    BelieveFailures,
    /// An execution that swallowed an interrupt counts.
    BelieveSwallowed,
    /// An execution whose VM caught a panic that came out of the view counts.
    ForgetPanics,
    /// A context is used again after a panic in it.
    KeepContext,
    /// A context is used again after the loss of its view.
    KeepLostContext,
    /// The judge approves if a method of a value panics.
    ApprovePanics,
    /// A value that was only glimpsed at need not be there.
    SkipGlimpses,
    /// The weight of a transaction that the sink refused counts.
    WeighLeftOut,
    /// Transactions that were left out count towards the most that a block may have.
    CountLeftOut,
    /// A write set is freed as soon as it is replaced.
    FreeAtOnce,
    /// A second look at a location goes below again.
    LookAgain,
    /// The storage is asked for a location under the location's lock.
    ReadUnderLock,
    /// A transaction may be executed ahead of its turn any number of times.
    NeverGiveUp,
    /// No worker is notified.
    DropWakeUp,
    /// A worker does not look at the head after it gave the baton back, nor before it sleeps.
    LeaveHead,
    /// The head moves on by two.
    SkipTxn,
    /// The final state leaves out what was written last.
    LoseTouched,
    /// A location that was deleted is not put back into the index when it is written again.
    StayListed,
    /// What was written over the memory does not get into it.
    LoseLayer,
    /// What gets from there into the memory passes for that of first executions.
    LayerAnew,
    /// What is written over the memory lies on the state before the block.
    LayerOnBase,
    /// A context is used again after a panic in it while nothing was executed ahead.
    KeepContextAlone,
    /// An idle worker repeats what it finds stale, also what only the judge can decide.
    RepeatAssumptions,
    /// The baton is taken without a fence before.
    TakeWithoutFence,
    /// The baton is given back without a fence afterwards.
    GiveWithoutFence,
    /// A worker looks for the last time without a fence before.
    ParkWithoutFence,
    /// The maker of work does not pass through the sleepers' lock before it notifies.
    NotifyWithoutLock,
    /// A new owner does not see what the last one did.
    ClaimRelaxed,
    /// A waiter enters the list without looking at what it waits for.
    WaitBlindly,
    /// A version is linked before it is whole.
    LinkRelaxed,
    /// A cell is in the table before it is whole.
    InsertRelaxed,
    /// A location is in the index before it is whole.
    ListRelaxed,
}

#[cfg(not(block_stm_canaries))]
#[inline(always)]
pub(crate) const fn sings(_: Canary) -> bool {
    false
}

#[cfg(block_stm_canaries)]
mod cage {
    use std::sync::Mutex;

    use super::Canary;

    static OUT: Mutex<Option<Canary>> = Mutex::new(None);

    impl Canary {
        /// Faults of what the engine does, for checkers that compare results.
        pub const FAULTS: [Self; 24] = [
            Self::SkipValidation,
            Self::SkipAssertions,
            Self::SkipPhantoms,
            Self::SkipDeltas,
            Self::ForgetIncarnation,
            Self::CompareByHash,
            Self::KeepOldWrite,
            Self::KeepLeftOut,
            Self::CommitOnce,
            Self::SumOnBase,
            Self::BelieveFailures,
            Self::BelieveSwallowed,
            Self::KeepContext,
            Self::KeepLostContext,
            Self::LookAgain,
            Self::ReadUnderLock,
            Self::NeverGiveUp,
            Self::DropWakeUp,
            Self::LeaveHead,
            Self::SkipTxn,
            Self::LoseTouched,
            Self::StayListed,
            Self::LoseLayer,
            Self::LayerOnBase,
        ];

        /// Faults of what threads see of each other, for checkers that know the memory model.
        pub const WEAKNESSES: [Self; 9] = [
            Self::TakeWithoutFence,
            Self::GiveWithoutFence,
            Self::ParkWithoutFence,
            Self::NotifyWithoutLock,
            Self::ClaimRelaxed,
            Self::WaitBlindly,
            Self::LinkRelaxed,
            Self::InsertRelaxed,
            Self::ListRelaxed,
        ];
    }

    /// Lets this fault out, in the whole process, and every other one back in.
    pub fn let_out(canary: Option<Canary>) {
        *OUT.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = canary;
    }

    pub(crate) fn sings(canary: Canary) -> bool {
        *OUT.lock().unwrap_or_else(std::sync::PoisonError::into_inner) == Some(canary)
    }
}

#[cfg(block_stm_canaries)]
pub use cage::let_out;
#[cfg(block_stm_canaries)]
pub(crate) use cage::sings;
