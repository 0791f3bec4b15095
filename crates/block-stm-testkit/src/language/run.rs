//! One execution of one program.

use std::ops::{Bound, ControlFlow};
use std::panic::resume_unwind;

use block_stm::{Execution, Interrupt, View};

use super::location::Place;
use super::program::{At, Expr, Guess, Op, Program, Registers, Seen, Trace};
use super::promises::Promises;
use super::rules::Refusal;
use super::value::{MAX, Number, Test};
use super::vm::{LanguageVm, Site};

/// Operations after which a program ends by itself.
const FUEL: u32 = 400;

/// Whether the program goes on.
enum Next {
    At(usize),
    End(Execution<Trace, Refusal>),
}

/// One execution of one program.
pub(super) struct Run<'a, P: Place, N: Number> {
    vm: &'a LanguageVm<P, N>,
    txn: &'a Program,
    execution: u64,
    registers: Registers,
    trace: Trace,
    view_ops: u32,
    swallows: bool,
    /// How often each [`Op::Again`] has jumped, by its place in the program.
    jumps: Vec<(usize, u8)>,
    /// What is written, but kept back since an [`Op::Attempt`], in the order of the first write of
    /// each slot.
    attempt: Option<Vec<(u16, u8)>>,
    promises: Promises,
}

impl<P: Place, N: Number> Drop for Run<'_, P, N> {
    fn drop(&mut self) {
        for broken in self.promises.broken() {
            self.vm.complain(format!("txn {}: {broken}", self.txn.id));
        }
    }
}

impl<'a, P: Place, N: Number> Run<'a, P, N> {
    pub(super) fn new(vm: &'a LanguageVm<P, N>, txn: &'a Program, execution: u64) -> Self {
        Self {
            vm,
            txn,
            execution,
            registers: Registers::default(),
            trace: Trace::default(),
            view_ops: 0,
            swallows: false,
            jumps: Vec::new(),
            attempt: None,
            promises: Promises::default(),
        }
    }

    pub(super) fn program(
        &mut self,
        view: &mut View<'_, LanguageVm<P, N>>,
    ) -> Result<Execution<Trace, Refusal>, Interrupt> {
        self.tell_probe();
        let mut place = 0;
        for _ in 0..FUEL {
            let Some(op) = self.txn.ops.get(place) else { break };
            match self.step(view, place, *op)? {
                Next::At(next) => place = next,
                Next::End(execution) => return Ok(execution),
            }
        }
        self.done(view)
    }

    /// Ends the program; what was kept back is written.
    fn done(
        &mut self,
        view: &mut View<'_, LanguageVm<P, N>>,
    ) -> Result<Execution<Trace, Refusal>, Interrupt> {
        self.settle(view)?;
        Ok(Execution::Done(std::mem::take(&mut self.trace)))
    }

    /// Writes what was kept back.
    fn settle(&mut self, view: &mut View<'_, LanguageVm<P, N>>) -> Result<(), Interrupt> {
        let kept = self.attempt.take().unwrap_or_default();
        kept.into_iter().try_for_each(|(slot, value)| self.write_through(view, slot, value))
    }

    /// The value of a slot that was written, but kept back.
    fn kept_back(&self, slot: u16) -> Option<u8> {
        let kept = self.attempt.as_ref()?.iter().find(|(kept, _)| *kept == slot)?;
        Some(kept.1)
    }

    fn step(
        &mut self,
        view: &mut View<'_, LanguageVm<P, N>>,
        place: usize,
        op: Op,
    ) -> Result<Next, Interrupt> {
        match op {
            Op::Read(at) => self.read(view, at)?,
            Op::Scan(first, last, most) => self.scan(view, first, last, most)?,
            Op::Write(at, expr) => self.write(view, at, self.registers.value(expr))?,
            Op::Gain(at, expr) => self.add(view, at, self.registers.value(expr) as i8)?,
            Op::Lose(at, expr) => self.add(view, at, -(self.registers.value(expr) as i8))?,
            Op::Check(at, test) => self.ask(at, test, |place, test| view.check(place, test))?,
            Op::Assume(at, test) => self.ask(at, test, |place, test| view.assume(place, test))?,
            Op::Peek(at) => self.peek(view, at)?,
            Op::Glimpse(at, guess) => self.glimpse(view, at, guess)?,
            Op::Set(expr) => self.registers.acc = self.registers.value(expr),
            Op::Keep => self.registers.kept = self.registers.acc,
            Op::SkipUnless(expr, test, ops) => {
                if !self.registers.test(test).holds(self.registers.value(expr)) {
                    return Ok(Next::At(place + 1 + usize::from(ops)));
                }
            }
            Op::Again(back, times) => {
                if self.jumps_again(place, times) {
                    return Ok(Next::At(place.saturating_sub(usize::from(back))));
                }
            }
            Op::Weigh(expr) => self.trace.weight += u64::from(self.registers.value(expr)),
            Op::Spin(units) => spin(units),
            Op::Swallow => self.swallows = true,
            Op::Checkpoint => {
                let answer = view.checkpoint();
                self.survive(answer, ())?;
            }
            Op::Attempt => self.attempt = Some(self.attempt.take().unwrap_or_default()),
            Op::Revert => self.attempt = None,
            Op::Stop => return self.done(view).map(Next::End),
            Op::Invalid => {
                let reason = Refusal::Program { acc: self.registers.acc };
                return Ok(Next::End(Execution::Invalid(reason)));
            }
            Op::Fail => {
                let interrupt = view.fail(format!("acc is {}", self.registers.acc));
                self.survive(Err(interrupt), ())?;
            }
            // Not `panic!`: the hook would write every doomed execution's panic to the terminal.
            Op::Panic => resume_unwind(Box::new(format!("acc was {}", self.registers.acc))),
            Op::LoseView => {
                drop(view.take());
                return Ok(Next::End(Execution::Done(std::mem::take(&mut self.trace))));
            }
        }
        Ok(Next::At(place + 1))
    }

    fn read(&mut self, view: &mut View<'_, LanguageVm<P, N>>, at: At) -> Result<(), Interrupt> {
        let slot = self.registers.slot(at);
        if let Some(value) = self.look(view, slot)? {
            self.registers.acc = value;
            self.trace.seen.push(Seen::Value(slot, value));
        }
        Ok(())
    }

    /// What the program sees in a slot; `None` if it ignores an interrupt.
    fn look(
        &mut self,
        view: &mut View<'_, LanguageVm<P, N>>,
        slot: u16,
    ) -> Result<Option<u8>, Interrupt> {
        if let Some(value) = self.kept_back(slot) {
            return Ok(Some(value));
        }
        self.tell_probe();
        let held = self.vm.probe().and_then(|probe| probe.hold());
        let answer = view.read(&P::at(slot)).map(|value| Some(value.get()));
        drop(held);
        let value = self.survive(answer, None)?;
        if let Some(value) = value {
            self.promises.read(slot, value);
        }
        Ok(value)
    }

    fn scan(
        &mut self,
        view: &mut View<'_, LanguageVm<P, N>>,
        first: At,
        last: At,
        most: u8,
    ) -> Result<(), Interrupt> {
        // A scan shows what was written, so nothing is kept back any longer.
        self.settle(view)?;
        let (first, last) = (self.registers.slot(first), self.registers.slot(last));
        self.tell_probe();
        let mut visited = Vec::new();
        let mut full = false;
        let mut visit = |location: &P, value: &N| {
            visited.push((location.slot(), value.get()));
            full = visited.len() == usize::from(most);
            if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let (from, to) = (P::at(first), P::at(last));
        let answer = view.scan(Bound::Included(&from), Bound::Included(&to), &mut visit);
        let complete = self.survive(answer.map(|()| true), false)?;
        if complete {
            let end = visited.last().filter(|_| full).map_or(last, |(slot, _)| *slot);
            self.promises.scan(first..=end, &visited);
        }
        self.registers.acc =
            visited.last().map_or(0, |(slot, _)| (slot % u16::from(MAX + 1)) as u8);
        let values = visited.iter().map(|&(slot, value)| Seen::Value(slot, value));
        self.trace.seen.extend(values);
        self.trace.seen.push(Seen::Scanned(visited.len() as u8));
        Ok(())
    }

    fn write(
        &mut self,
        view: &mut View<'_, LanguageVm<P, N>>,
        at: At,
        value: u8,
    ) -> Result<(), Interrupt> {
        let slot = self.registers.slot(at);
        let Some(attempt) = &mut self.attempt else {
            return self.write_through(view, slot, value);
        };
        match attempt.iter_mut().find(|(kept, _)| *kept == slot) {
            Some((_, kept)) => *kept = value,
            None => attempt.push((slot, value)),
        }
        Ok(())
    }

    fn write_through(
        &mut self,
        view: &mut View<'_, LanguageVm<P, N>>,
        slot: u16,
        value: u8,
    ) -> Result<(), Interrupt> {
        self.tell_probe();
        let answer = view.write(&P::at(slot), N::mint(self.vm.mint(), value));
        self.survive(answer, ())?;
        self.promises.write(slot, value);
        Ok(())
    }

    fn add(
        &mut self,
        view: &mut View<'_, LanguageVm<P, N>>,
        at: At,
        delta: i8,
    ) -> Result<(), Interrupt> {
        let slot = self.registers.slot(at);
        let sum = |value| N::mint(self.vm.mint(), value).apply(&delta).map(|sum| sum.get());
        let applied = if self.attempt.is_some() {
            // Whether it stays is open, so it cannot be handed on as a delta.
            let sum = self.look(view, slot)?.and_then(sum);
            if let Some(sum) = sum {
                self.write(view, At::Slot(slot), sum)?;
            }
            sum.is_some()
        } else {
            self.tell_probe();
            let answer = view.add(&P::at(slot), delta);
            let applied = self.survive(answer, false)?;
            if applied {
                self.promises.add(slot, sum);
            }
            applied
        };
        self.registers.flag = applied;
        self.trace.seen.push(Seen::Applied(slot, applied));
        Ok(())
    }

    fn ask(
        &mut self,
        at: At,
        test: Test<Expr>,
        question: impl FnOnce(&P, Test) -> Result<bool, Interrupt>,
    ) -> Result<(), Interrupt> {
        let (slot, test) = (self.registers.slot(at), self.registers.test(test));
        let held = match self.kept_back(slot) {
            Some(value) => test.holds(value),
            None => {
                self.tell_probe();
                self.survive(question(&P::at(slot), test), false)?
            }
        };
        self.registers.flag = held;
        self.trace.seen.push(Seen::Held(slot, held));
        Ok(())
    }

    fn peek(&mut self, view: &mut View<'_, LanguageVm<P, N>>, at: At) -> Result<(), Interrupt> {
        let location = P::at(self.registers.slot(at));
        self.tell_probe();
        let mut look = || view.peek(&location).map(|value| Some(value.get()));
        let (first, second) = (look(), look());
        let first = self.survive(first, None)?;
        let second = self.survive(second, None)?;
        self.promises.peek(&location, first, second);
        Ok(())
    }

    fn glimpse(
        &mut self,
        view: &mut View<'_, LanguageVm<P, N>>,
        at: At,
        guess: Guess,
    ) -> Result<(), Interrupt> {
        let slot = self.registers.slot(at);
        let location = P::at(slot);
        self.tell_probe();
        let answer = view.glimpse(&location).map(|value| Some(value.get()));
        let glimpsed = self.survive(answer, None)?;
        let ask = match guess {
            Guess::Forgotten => return Ok(()),
            Guess::Checked => View::check,
            Guess::Assumed => View::assume,
        };
        let mut value = self.kept_back(slot);
        for candidate in glimpsed.into_iter().chain(0..=MAX) {
            if value.is_none() && self.survive(ask(view, &location, Test::Is(candidate)), false)? {
                value = Some(candidate);
                if guess == Guess::Checked {
                    self.promises.read(slot, candidate);
                }
            }
        }
        // None holds if an interrupt is ignored.
        if let Some(value) = value {
            self.registers.acc = value;
            self.trace.seen.push(Seen::Value(slot, value));
        }
        Ok(())
    }

    /// Hands an interrupt on, or ignores it if the program is of that sort.
    fn survive<T>(&mut self, answer: Result<T, Interrupt>, otherwise: T) -> Result<T, Interrupt> {
        match answer {
            Err(_) if self.swallows => {
                self.promises.void();
                Ok(otherwise)
            }
            answer => answer,
        }
    }

    fn tell_probe(&mut self) {
        if let Some(probe) = self.vm.probe() {
            let (txn, execution) = (self.txn.id, self.execution);
            probe.operation(Site { txn, execution, op: self.view_ops });
        }
        self.view_ops += 1;
    }

    fn jumps_again(&mut self, place: usize, times: u8) -> bool {
        let index = self.jumps.iter().position(|(jump, _)| *jump == place);
        let index = index.unwrap_or_else(|| {
            self.jumps.push((place, 0));
            self.jumps.len() - 1
        });
        let jumped = &mut self.jumps[index].1;
        *jumped = jumped.saturating_add(1);
        *jumped <= times
    }
}

/// Computes without looking at anything.
fn spin(units: u8) {
    for _ in 0..u32::from(units) * 50 {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests;
