//! When a transaction's frames are over.

use std::{cell::Cell, fmt};

use alloy_evm::revm::{
    Inspector,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter, InterpreterTypes,
    },
    primitives::{Address, Log, U256},
};

/// How far one execution is: what the inspector tells the database.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// How many frames are open.
    open: Cell<u32>,
    /// Whether the outermost frame was closed, and none is open.
    over: Cell<bool>,
    /// Whether a vault was shown as something that it is not.
    veiled: Cell<bool>,
    /// Whether code may have looked at what was shown.
    exposed: Cell<bool>,
}

impl Frames {
    /// Whether only the handler's last steps are to come, unless another frame opens.
    pub(crate) fn are_over(&self) -> bool {
        self.over.get()
    }

    /// A vault is shown as something that it is not.
    pub(crate) fn veil(&self) {
        self.veiled.set(true);
    }

    /// Whatever comes of the execution may rest on how a vault was shown.
    pub(crate) fn expose(&self) {
        self.exposed.set(true);
    }

    /// Whether a vault was shown as something that it is not, and could be looked at.
    pub(crate) fn are_exposed(&self) -> bool {
        self.exposed.get()
    }

    fn begin(&self) {
        self.open.set(self.open.get() + 1);
        self.over.set(false);
        if self.veiled.get() {
            self.expose();
        }
    }

    fn end(&self) {
        // The end of a frame whose beginning was not told says nothing.
        if let Some(open) = self.open.get().checked_sub(1) {
            self.open.set(open);
            self.over.set(open == 0);
        }
    }

    /// Code runs, whether or not the beginning of its frame was told.
    fn go_on(&self) {
        if self.open.get() == 0 {
            self.over.set(false);
            if self.veiled.get() {
                self.expose();
            }
        }
    }
}

/// The host's inspector, with an eye on the frames.
pub(crate) struct Watching<'f, I> {
    pub(crate) frames: &'f Frames,
    pub(crate) inner: I,
}

impl<I> fmt::Debug for Watching<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching").field("frames", self.frames).finish_non_exhaustive()
    }
}

impl<CTX, INTR, FI, FR, I> Inspector<CTX, INTR, FI, FR> for Watching<'_, I>
where
    INTR: InterpreterTypes,
    I: Inspector<CTX, INTR, FI, FR>,
{
    #[inline]
    fn initialize_interp(&mut self, interp: &mut Interpreter<INTR>, context: &mut CTX) {
        self.frames.go_on();
        self.inner.initialize_interp(interp, context);
    }

    #[inline]
    fn step(&mut self, interp: &mut Interpreter<INTR>, context: &mut CTX) {
        self.inner.step(interp, context);
    }

    #[inline]
    fn step_end(&mut self, interp: &mut Interpreter<INTR>, context: &mut CTX) {
        self.inner.step_end(interp, context);
    }

    #[inline]
    fn log(&mut self, context: &mut CTX, log: Log) {
        self.inner.log(context, log);
    }

    #[inline]
    fn log_full(&mut self, interp: &mut Interpreter<INTR>, context: &mut CTX, log: Log) {
        self.inner.log_full(interp, context, log);
    }

    #[inline]
    fn frame_start(&mut self, context: &mut CTX, input: &mut FI) -> Option<FR> {
        self.frames.begin();
        self.inner.frame_start(context, input)
    }

    #[inline]
    fn frame_end(&mut self, context: &mut CTX, input: &FI, result: &mut FR) {
        self.inner.frame_end(context, input, result);
        // Last: the host's inspector looks at true balances.
        self.frames.end();
    }

    #[inline]
    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.frames.go_on();
        self.inner.call(context, inputs)
    }

    #[inline]
    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.inner.call_end(context, inputs, outcome);
    }

    #[inline]
    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.frames.go_on();
        self.inner.create(context, inputs)
    }

    #[inline]
    fn create_end(
        &mut self,
        context: &mut CTX,
        inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        self.inner.create_end(context, inputs, outcome);
    }

    #[inline]
    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.inner.selfdestruct(contract, target, value);
    }
}
