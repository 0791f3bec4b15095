//! The interpreter, which also watches that the engine keeps its promises to a running VM.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow, RangeInclusive};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use block_stm::{Execution, Interrupt, View, Vm};

use super::location::{Place, Slot};
use super::program::{At, Op, Program, Registers, Seen, Trace};
use super::rules::Refusal;
use super::value::{ABSENT, MAX, Number, Small};
use crate::check::Arm;

/// Operations after which a program ends by itself.
const FUEL: u32 = 400;

/// A moment of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The transaction.
    pub txn: u32,
    /// Which of the block's executions it is, counted from 0 in the order of their starts.
    pub execution: u64,
    /// How many operations on the view came before; 0 is also the start of the execution.
    pub op: u32,
}

/// Is told about moments of a block's execution, and may disturb them: delay, panic, cancel.
pub trait Probe: fmt::Debug + Send + Sync {
    /// A new run of the block begins: on an engine, or on the oracle.
    fn reset(&self, arm: Option<Arm>) {
        let _ = arm;
    }

    /// An operation on a view is about to happen; also called once at the start of each execution.
    fn operation(&self, site: Site) {
        let _ = site;
    }

    /// An execution has returned, with whatever result; not called if it panicked.
    fn executed(&self, txn: u32) {
        let _ = txn;
    }

    /// The storage is about to be read.
    ///
    /// # Errors
    /// A message with which the read fails.
    fn storage(&self, slot: u16) -> Result<(), String> {
        let _ = slot;
        Ok(())
    }

    /// The sink was given a transaction.
    fn commit(&self, txn: u32) {
        let _ = txn;
    }
}

/// Executes [`Program`]s.
///
/// Every other transaction takes its view apart as VMs do that own their database, and all of them record what
/// breaks the engine's promises, also in executions that are thrown away: reads that contradict each other or the
/// program's own writes, scans that contradict these or each other, and contexts that are used twice at once or after a panic.
pub struct LanguageVm<P: Place = Slot, N: Number = Small> {
    mint: N::Mint,
    probe: Option<Arc<dyn Probe>>,
    executions: AtomicU64,
    broken: Mutex<Vec<String>>,
    places: PhantomData<fn() -> P>,
}

impl<P: Place, N: Number> fmt::Debug for LanguageVm<P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LanguageVm").field("probe", &self.probe).finish_non_exhaustive()
    }
}

impl<P: Place, N: Number> LanguageVm<P, N> {
    /// A machine that makes its values from `mint` and tells `probe` what it does.
    #[must_use]
    pub fn new(mint: N::Mint, probe: Option<Arc<dyn Probe>>) -> Self {
        Self {
            mint,
            probe,
            executions: AtomicU64::new(0),
            broken: Mutex::default(),
            places: PhantomData,
        }
    }

    /// Starts to count and to record anew.
    pub fn reset(&self) {
        self.executions.store(0, Ordering::SeqCst);
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many executions began since the last [`reset`](LanguageVm::reset).
    #[must_use]
    pub fn executions(&self) -> u64 {
        self.executions.load(Ordering::SeqCst)
    }

    /// The promises that were broken since the last [`reset`](LanguageVm::reset).
    #[must_use]
    pub fn broken_promises(&self) -> Vec<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn enter(&self, context: &Interpreter<'_>, txn: u32) {
        if context.busy.replace(true) {
            self.complain(format!("txn {txn}: the context is in use or survived a panic"));
        }
    }

    fn complain(&self, what: String) {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

/// A worker's context: it only knows whether it is in use. Deliberately tied to its thread.
#[derive(Debug)]
pub struct Interpreter<'b> {
    busy: Cell<bool>,
    tied: PhantomData<(*mut (), &'b ())>,
}

impl<P: Place, N: Number> Vm for LanguageVm<P, N> {
    type Txn = Program;
    type Location = P;
    type Value = N;
    type Output = Trace;
    type Invalid = Refusal;
    type Context<'b>
        = Interpreter<'b>
    where
        Self: 'b;

    fn context(&self) -> Interpreter<'_> {
        Interpreter { busy: Cell::new(false), tied: PhantomData }
    }

    fn execute<'b>(
        &'b self,
        context: &mut Interpreter<'b>,
        txn: &Program,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<Trace, Refusal>, Interrupt> {
        self.enter(context, txn.id);
        let execution = self.executions.fetch_add(1, Ordering::SeqCst);
        let mut run = Run::new(self, txn, execution);
        let result = if txn.id % 2 == 1 {
            let mut taken = view.take();
            let result = run.program(&mut taken);
            *view = taken;
            result
        } else {
            run.program(view)
        };
        context.busy.set(false);
        if let Some(probe) = &self.probe {
            probe.executed(txn.id);
        }
        result
    }

    fn weight(&self, _txn: &Program, output: &Trace) -> u64 {
        output.weight
    }
}

/// Whether the program goes on.
enum Next {
    At(usize),
    End(Execution<Trace, Refusal>),
}

/// One execution of one program.
struct Run<'a, P: Place, N: Number> {
    vm: &'a LanguageVm<P, N>,
    txn: &'a Program,
    execution: u64,
    registers: Registers,
    trace: Trace,
    view_ops: u32,
    swallows: bool,
    /// An interrupt was ignored: from here on nothing is promised.
    ignored: bool,
    /// How often each [`Op::Again`] has jumped, by its place in the program.
    jumps: Vec<(usize, u8)>,
    /// What the next read of a slot must answer.
    known: Vec<(u16, u8)>,
    /// What scans have shown.
    scans: Vec<Scan>,
}

/// What a scan has shown.
struct Scan {
    /// The slots that it went through.
    range: RangeInclusive<u16>,
    visited: Vec<u16>,
    /// Slots that the program wrote afterwards.
    written: Vec<u16>,
}

impl<'a, P: Place, N: Number> Run<'a, P, N> {
    fn new(vm: &'a LanguageVm<P, N>, txn: &'a Program, execution: u64) -> Self {
        Self {
            vm,
            txn,
            execution,
            registers: Registers::default(),
            trace: Trace::default(),
            view_ops: 0,
            swallows: false,
            ignored: false,
            jumps: Vec::new(),
            known: Vec::new(),
            scans: Vec::new(),
        }
    }

    fn program(
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
        Ok(self.done())
    }

    fn done(&mut self) -> Execution<Trace, Refusal> {
        Execution::Done(std::mem::take(&mut self.trace))
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
            Op::Check(at, test) => {
                let (slot, test) = (self.registers.slot(at), self.registers.test(test));
                self.ask(slot, |location| view.check(location, test))?;
            }
            Op::Assume(at, test) => {
                let (slot, test) = (self.registers.slot(at), self.registers.test(test));
                self.ask(slot, |location| view.assume(location, test))?;
            }
            Op::Peek(at) => self.peek(view, at)?,
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
            Op::Stop => return Ok(Next::End(self.done())),
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
                return Ok(Next::End(self.done()));
            }
        }
        Ok(Next::At(place + 1))
    }

    fn read(&mut self, view: &mut View<'_, LanguageVm<P, N>>, at: At) -> Result<(), Interrupt> {
        let slot = self.registers.slot(at);
        self.tell_probe();
        let answer = view.read(&P::at(slot)).map(|value| Some(value.get()));
        if let Some(value) = self.survive(answer, None)? {
            self.expect(slot, value);
            self.registers.acc = value;
            self.trace.seen.push(Seen::Value(slot, value));
        }
        Ok(())
    }

    fn scan(
        &mut self,
        view: &mut View<'_, LanguageVm<P, N>>,
        first: At,
        last: At,
        most: u8,
    ) -> Result<(), Interrupt> {
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
            self.expect_scan(first..=end, &visited);
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
        self.tell_probe();
        let answer = view.write(&P::at(slot), N::mint(&self.vm.mint, value));
        self.survive(answer, ())?;
        self.know(slot, value);
        self.change(slot);
        Ok(())
    }

    fn add(
        &mut self,
        view: &mut View<'_, LanguageVm<P, N>>,
        at: At,
        delta: i8,
    ) -> Result<(), Interrupt> {
        let slot = self.registers.slot(at);
        self.tell_probe();
        let answer = view.add(&P::at(slot), delta);
        let applied = self.survive(answer, false)?;
        if applied && let Some(place) = self.known.iter().position(|(known, _)| *known == slot) {
            let (_, value) = self.known.swap_remove(place);
            if let Some(sum) = N::mint(&self.vm.mint, value).apply(&delta) {
                self.know(slot, sum.get());
            }
        }
        if applied {
            self.change(slot);
        }
        self.registers.flag = applied;
        self.trace.seen.push(Seen::Applied(slot, applied));
        Ok(())
    }

    fn ask(
        &mut self,
        slot: u16,
        question: impl FnOnce(&P) -> Result<bool, Interrupt>,
    ) -> Result<(), Interrupt> {
        self.tell_probe();
        let held = self.survive(question(&P::at(slot)), false)?;
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
        if first != second && !self.ignored {
            let txn = self.txn.id;
            self.vm.complain(format!("txn {txn}: peeks of {location:?}: {first:?}, {second:?}"));
        }
        Ok(())
    }

    /// Hands an interrupt on, or ignores it if the program is of that sort.
    fn survive<T>(&mut self, answer: Result<T, Interrupt>, otherwise: T) -> Result<T, Interrupt> {
        match answer {
            Err(_) if self.swallows => {
                self.ignored = true;
                Ok(otherwise)
            }
            answer => answer,
        }
    }

    fn tell_probe(&mut self) {
        if let Some(probe) = &self.vm.probe {
            let (txn, execution) = (self.txn.id, self.execution);
            probe.operation(Site { txn, execution, op: self.view_ops });
        }
        self.view_ops += 1;
    }

    fn expect(&mut self, slot: u16, value: u8) {
        let known = self.known.iter().find(|(known, _)| *known == slot);
        if let Some((_, known)) = known
            && *known != value
            && !self.ignored
        {
            let txn = self.txn.id;
            self.vm.complain(format!("txn {txn}: slot {slot} is {known}, but was read as {value}"));
        }
        self.know(slot, value);
    }

    /// Notes that the program wrote.
    fn change(&mut self, slot: u16) {
        self.scans.iter_mut().for_each(|scan| scan.written.push(slot));
    }

    /// Compares a scan with what the program knows, and with the scans before it.
    fn expect_scan(&mut self, range: RangeInclusive<u16>, visited: &[(u16, u8)]) {
        let slots: Vec<u16> = visited.iter().map(|(slot, _)| *slot).collect();
        let mut broken = Vec::new();
        if !slots.is_sorted_by(|a, b| a < b) || slots.iter().any(|slot| !range.contains(slot)) {
            broken.push("is out of order or range".to_owned());
        }
        if visited.iter().any(|(_, value)| *value == ABSENT) {
            broken.push("visited what holds nothing".to_owned());
        }
        let missed = self.known.iter().filter(|(slot, value)| {
            *value != ABSENT && range.contains(slot) && !slots.contains(slot)
        });
        broken.extend(missed.map(|(slot, value)| format!("missed slot {slot}, which is {value}")));
        for scan in &self.scans {
            let contradicts = |slot: &&u16| {
                scan.range.contains(slot)
                    && !scan.visited.contains(slot)
                    && !scan.written.contains(slot)
            };
            let new = slots.iter().filter(contradicts);
            broken.extend(new.map(|slot| format!("shows slot {slot}, an earlier one did not")));
        }
        if !self.ignored {
            let txn = self.txn.id;
            for what in broken {
                self.vm.complain(format!("txn {txn}: a scan of {range:?} {what}"));
            }
        }
        visited.iter().for_each(|(slot, value)| self.expect(*slot, *value));
        self.scans.push(Scan { range, visited: slots, written: Vec::new() });
    }

    fn know(&mut self, slot: u16, value: u8) {
        match self.known.iter_mut().find(|(known, _)| *known == slot) {
            Some((_, known)) => *known = value,
            None => self.known.push((slot, value)),
        }
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
mod tests {
    use block_stm::Outcome;

    use super::super::program::Expr;
    use super::super::value::{MAX, Test};
    use super::*;
    use crate::check::Trial;
    use crate::language::LanguageBlock;
    use crate::record::{Ending, Event, Record, record_sequential};

    const HERE: At = At::Slot(0);

    fn run(programs: Vec<Vec<Op>>, state: &[u8]) -> Record<LanguageVm> {
        let stage = LanguageBlock::new(programs).state(state).skip_invalid().stage();
        let record = record_sequential(&stage.block(), stage.sink(None));
        assert_eq!(stage.vm.broken_promises(), [""; 0]);
        record
    }

    /// What a single program observed.
    fn seen(ops: Vec<Op>, state: &[u8]) -> Vec<Seen> {
        match run(vec![ops], state).events.pop() {
            Some(Event::Commit { outcome: Outcome::Done(trace), .. }) => trace.seen,
            other => panic!("not committed but {other:?}"),
        }
    }

    #[test]
    fn reads_writes_and_deltas_are_traced() {
        let ops = vec![
            Op::Read(HERE),
            Op::Write(At::Beyond(1), Expr::Plus(1)),
            Op::Read(At::Slot(6)),
            Op::Gain(HERE, Expr::Const(2)),
            Op::Gain(HERE, Expr::Const(1)),
            Op::Lose(HERE, Expr::Const(7)),
            Op::Read(HERE),
        ];
        let expected = [
            Seen::Value(0, 5),
            Seen::Value(6, 6),
            Seen::Applied(0, true),
            Seen::Applied(0, false),
            Seen::Applied(0, true),
            Seen::Value(0, 0),
        ];
        assert_eq!(seen(ops, &[5]), expected);
        assert_eq!(MAX, 7);
    }

    #[test]
    fn scans_pass_over_what_is_absent() {
        let ops = vec![
            Op::Write(At::Slot(5), Expr::Const(3)),
            Op::Write(At::Slot(1), Expr::Const(ABSENT)),
            Op::Scan(At::Slot(0), At::Slot(9), 0),
            Op::Scan(At::Slot(1), At::Slot(9), 1),
            Op::Scan(At::Beyond(2), At::Slot(3), 0),
            Op::Scan(At::Slot(9), At::Slot(0), 0),
        ];
        let expected = [
            Seen::Value(2, 4),
            Seen::Value(5, 3),
            Seen::Scanned(2),
            Seen::Value(2, 4),
            Seen::Scanned(1),
            Seen::Scanned(0),
            Seen::Scanned(0),
        ];
        assert_eq!(seen(ops, &[0, 7, 4, 0]), expected);
    }

    #[test]
    fn conditions_and_loops_are_bounded() {
        let ops = vec![
            Op::Gain(HERE, Expr::Const(1)),
            Op::Again(1, 2),
            Op::Check(HERE, Test::AtLeast(Expr::Const(3))),
            Op::SkipUnless(Expr::Flag, Test::Is(Expr::Const(0)), 1),
            Op::Panic,
            Op::Again(u8::MAX, u8::MAX),
        ];
        let seen = seen(ops, &[0]);
        assert_eq!(seen[3], Seen::Held(0, true));
        assert!(seen.len() < FUEL as usize);
    }

    #[test]
    fn misbehaviour_surfaces_as_it_should() {
        let ending = |ops: Vec<Op>| match run(vec![vec![], ops], &[]).ending {
            Ending::Failed { message, .. } => message,
            other => panic!("not failed but {other:?}"),
        };
        assert_eq!(
            ending(vec![Op::Set(Expr::Const(3)), Op::Panic]),
            "txn 1: the VM panicked: acc was 3"
        );
        assert_eq!(ending(vec![Op::Fail]), "txn 1: the VM failed: acc is 0");
        assert_eq!(ending(vec![Op::Swallow, Op::Fail]), ending(vec![Op::Fail]));
        assert_eq!(
            ending(vec![Op::LoseView]),
            "txn 1: the VM failed: the VM did not put the view back"
        );
    }

    #[test]
    fn a_broken_promise_is_noticed() {
        let vm = LanguageVm::<Slot, Small>::new((), None);
        let program = Program { id: 0, ops: Vec::new() };
        let mut run = Run::new(&vm, &program, 0);
        run.know(3, 5);
        run.expect(3, 5);
        assert_eq!(vm.broken_promises(), [""; 0]);
        run.expect(3, 4);
        assert_eq!(vm.broken_promises(), ["txn 0: slot 3 is 5, but was read as 4"]);
    }

    #[test]
    fn a_scan_that_contradicts_is_noticed() {
        let vm = LanguageVm::<Slot, Small>::new((), None);
        let program = Program { id: 0, ops: Vec::new() };
        let mut run = Run::new(&vm, &program, 0);
        run.know(3, 5);
        run.expect_scan(2..=7, &[(3, 5), (6, 1)]);
        run.change(4);
        run.expect_scan(1..=5, &[(1, 2), (3, 5), (4, 4)]);
        assert_eq!(vm.broken_promises(), [""; 0]);
        run.expect_scan(0..=3, &[(0, 0), (1, 1), (2, 2)]);
        let broken = [
            "txn 0: a scan of 0..=3 visited what holds nothing",
            "txn 0: a scan of 0..=3 missed slot 3, which is 5",
            "txn 0: a scan of 0..=3 shows slot 2, an earlier one did not",
            "txn 0: a scan of 0..=3 shows slot 2, an earlier one did not",
            "txn 0: slot 1 is 2, but was read as 1",
        ];
        assert_eq!(vm.broken_promises(), broken);
    }

    #[test]
    fn a_context_in_use_is_noticed() {
        let vm = LanguageVm::<Slot, Small>::new((), None);
        let context = vm.context();
        vm.enter(&context, 3);
        assert_eq!(vm.broken_promises(), [""; 0]);
        vm.enter(&context, 4);
        assert_eq!(vm.broken_promises(), ["txn 4: the context is in use or survived a panic"]);
    }
}
