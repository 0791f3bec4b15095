//! Which worker acts next: at random, by priorities, in turns, as recorded, in every possible
//! order.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use block_stm::conductor::Step;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A number of a virtual worker; 0 is the caller.
pub type WorkerId = usize;

/// A moment at which a worker must be chosen.
pub struct Moment<'a> {
    /// The workers that can act, in ascending order; never empty.
    pub candidates: &'a [WorkerId],
    /// The worker that acted last, if it is among the candidates.
    pub current: Option<WorkerId>,
    /// How many steps were done, if they are written down.
    pub done: usize,
    pub(super) about_to: &'a dyn Fn(WorkerId) -> Option<Step>,
}

impl Moment<'_> {
    /// What a worker is about to do; `None` if it is about to begin, or asleep.
    #[must_use]
    pub fn about_to(&self, worker: WorkerId) -> Option<Step> {
        (self.about_to)(worker)
    }
}

impl fmt::Debug for Moment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moment")
            .field("candidates", &self.candidates)
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

/// Chooses among the workers that can act.
pub trait Schedule: fmt::Debug {
    /// One of the moment's candidates.
    fn choose(&mut self, moment: &Moment<'_>) -> WorkerId;

    /// Whether it is asked even where there is no choice, and decides itself how long a worker
    /// waits awake.
    fn is_strict(&self) -> bool {
        false
    }
}

/// A schedule that its owner looks at between runs.
impl<S: Schedule> Schedule for Rc<RefCell<S>> {
    fn choose(&mut self, moment: &Moment<'_>) -> WorkerId {
        self.borrow_mut().choose(moment)
    }

    fn is_strict(&self) -> bool {
        self.borrow().is_strict()
    }
}

/// Goes on with the same worker or changes to any other, at random.
#[derive(Debug)]
pub struct Random {
    rng: ChaCha8Rng,
    stay: f64,
}

impl Random {
    /// Stays with a worker with probability `stay`, from 0 to 1.
    #[must_use]
    pub fn new(seed: u64, stay: f64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), stay: stay.clamp(0.0, 1.0) }
    }
}

impl Schedule for Random {
    fn choose(&mut self, moment: &Moment<'_>) -> WorkerId {
        match moment.current {
            Some(current) if self.rng.random_bool(self.stay) => current,
            _ => *moment.candidates.choose(&mut self.rng).expect("somebody can act"),
        }
    }
}

/// Probabilistic concurrency testing: the candidate of the highest priority acts; at a few random
/// moments, the one that acts falls to the lowest (Burckhardt et al., ASPLOS 2010).
///
/// Finds a bug that takes `d` ordering constraints among `n` workers and `k` steps with probability
/// at least `1 / (n * k^(d - 1))`.
#[derive(Debug)]
pub struct Pct {
    rng: ChaCha8Rng,
    /// By worker; higher acts first.
    priorities: Vec<i64>,
    /// The moments of change, latest first.
    changes: Vec<u64>,
    moments: u64,
    lowest: i64,
}

impl Pct {
    /// Priorities that change `changes` times within about `length` moments.
    #[must_use]
    pub fn new(seed: u64, changes: usize, length: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut changes: Vec<_> =
            (0..changes).map(|_| rng.random_range(0..length.max(1))).collect();
        changes.sort_unstable_by(|a, b| b.cmp(a));
        Self { rng, priorities: Vec::new(), changes, moments: 0, lowest: 0 }
    }
}

impl Schedule for Pct {
    fn choose(&mut self, moment: &Moment<'_>) -> WorkerId {
        let last = *moment.candidates.last().expect("somebody can act");
        while self.priorities.len() <= last {
            self.priorities.push(self.rng.random_range(0..i64::MAX));
        }
        self.moments += 1;
        while self.changes.last().is_some_and(|change| *change < self.moments) {
            self.changes.pop();
            if let Some(current) = moment.current {
                self.lowest -= 1;
                self.priorities[current] = self.lowest;
            }
        }
        let priority = |worker: &&WorkerId| self.priorities[**worker];
        *moment.candidates.iter().max_by_key(priority).expect("somebody can act")
    }
}

/// All workers in turn, each for a number of steps.
#[derive(Debug)]
pub struct RoundRobin {
    quantum: u32,
    left: u32,
    last: WorkerId,
}

impl RoundRobin {
    /// Turns of `quantum` steps.
    #[must_use]
    pub const fn new(quantum: u32) -> Self {
        Self { quantum, left: quantum, last: 0 }
    }
}

impl Schedule for RoundRobin {
    fn choose(&mut self, moment: &Moment<'_>) -> WorkerId {
        if self.left > 0
            && let Some(current) = moment.current
        {
            self.left -= 1;
            return current;
        }
        self.left = self.quantum.saturating_sub(1);
        let next = moment.candidates.iter().find(|worker| **worker > self.last);
        self.last = *next.unwrap_or(&moment.candidates[0]);
        self.last
    }
}

/// The choices of an earlier run, and after their end, or where they do not fit, all workers in
/// turn.
#[derive(Debug)]
pub struct Replay {
    choices: std::vec::IntoIter<WorkerId>,
    after: RoundRobin,
}

impl Replay {
    /// Repeats `choices`.
    #[must_use]
    pub fn new(choices: Vec<WorkerId>) -> Self {
        Self { choices: choices.into_iter(), after: RoundRobin::new(1) }
    }
}

impl Schedule for Replay {
    fn choose(&mut self, moment: &Moment<'_>) -> WorkerId {
        match self.choices.next() {
            Some(choice) if moment.candidates.contains(&choice) => choice,
            _ => self.after.choose(moment),
        }
    }
}

/// Every order, one after another, with up to a number of preemptions (Musuvathi and Qadeer, PLDI
/// 2007).
///
/// Taking over from a worker that could go on is a preemption; choosing after one that waits or
/// spins is free. Most bugs need two.
#[derive(Debug)]
pub struct Exhaustive {
    max_preemptions: usize,
    preemptions: usize,
    /// The choices on the way to where the run is, as `(chosen, of how many)`.
    path: Vec<(usize, usize)>,
    depth: usize,
}

impl Exhaustive {
    /// The first order.
    #[must_use]
    pub const fn new(max_preemptions: usize) -> Self {
        Self { max_preemptions, preemptions: 0, path: Vec::new(), depth: 0 }
    }

    /// Moves on to the next order, after a run. Whether there is one.
    pub fn advance(&mut self) -> bool {
        self.path.truncate(self.depth);
        (self.depth, self.preemptions) = (0, 0);
        while let Some((chosen, options)) = self.path.pop() {
            if chosen + 1 < options {
                self.path.push((chosen + 1, options));
                return true;
            }
        }
        false
    }
}

impl Schedule for Exhaustive {
    fn choose(&mut self, moment: &Moment<'_>) -> WorkerId {
        let others =
            moment.candidates.iter().copied().filter(|worker| Some(*worker) != moment.current);
        let may_preempt = moment.current.is_none() || self.preemptions < self.max_preemptions;
        let options =
            moment.current.into_iter().chain(others).take(if may_preempt { usize::MAX } else { 1 });
        let options: Vec<_> = options.collect();
        if self.depth == self.path.len() && options.len() > 1 {
            self.path.push((0, options.len()));
        }
        let chosen = if options.len() > 1 {
            self.depth += 1;
            self.path[self.depth - 1].0
        } else {
            0
        };
        self.preemptions += usize::from(moment.current.is_some() && chosen > 0);
        // A run that is not a function of its choices has fewer options here than last time.
        options[chosen.min(options.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(candidates: &[WorkerId], current: Option<WorkerId>) -> Moment<'_> {
        Moment { candidates, current, done: 0, about_to: &|_| None }
    }

    #[test]
    fn round_robin_gives_everybody_turns() {
        let mut schedule = RoundRobin::new(2);
        let mut current = Some(0);
        let mut chosen = Vec::new();
        for _ in 0..6 {
            let choice = schedule.choose(&moment(&[0, 1, 2], current));
            chosen.push(choice);
            current = Some(choice);
        }
        assert_eq!(chosen, [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn replay_repeats_and_survives_what_does_not_fit() {
        let mut schedule = Replay::new(vec![1, 5, 0]);
        let chosen: Vec<_> = (0..4).map(|_| schedule.choose(&moment(&[0, 1], Some(0)))).collect();
        assert_eq!((chosen[0], chosen[2]), (1, 0));
        assert!(chosen.iter().all(|choice| *choice < 2));
    }

    #[test]
    fn priorities_hold_until_they_change() {
        let mut schedule = Pct::new(7, 1, 20);
        let first = schedule.choose(&moment(&[0, 1, 2], None));
        let mut chosen = vec![first];
        for _ in 0..30 {
            let current = chosen.last().copied();
            chosen.push(schedule.choose(&moment(&[0, 1, 2], current)));
        }
        chosen.dedup();
        assert_eq!(chosen.len(), 2, "one change: {chosen:?}");
    }

    /// Two workers of three steps each, always runnable: the number of orders is the binomial (6
    /// over 3) = 20.
    #[test]
    fn every_order_is_tried_once() {
        let orders = |max_preemptions| {
            let mut schedule = Exhaustive::new(max_preemptions);
            let mut orders = std::collections::BTreeSet::new();
            loop {
                let (mut left, mut order, mut current) = ([3, 3], Vec::new(), None);
                while left != [0, 0] {
                    let candidates: Vec<_> = (0..2).filter(|worker| left[*worker] > 0).collect();
                    let current_can = current.filter(|worker: &usize| left[*worker] > 0);
                    let choice = schedule.choose(&moment(&candidates, current_can));
                    left[choice] -= 1;
                    order.push(choice);
                    current = Some(choice);
                }
                assert!(orders.insert(order), "tried twice");
                if !schedule.advance() {
                    return orders.len();
                }
            }
        };
        assert_eq!(orders(0), 2);
        assert_eq!(orders(1), 6);
        assert_eq!(orders(10), 20);
    }

    #[test]
    fn random_schedules_repeat_by_seed() {
        let run = |seed| {
            let mut schedule = Random::new(seed, 0.5);
            (0..50).map(|_| schedule.choose(&moment(&[0, 1, 2], Some(1)))).collect::<Vec<_>>()
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
        assert!(run(3).contains(&0) && run(3).contains(&2));
    }
}
