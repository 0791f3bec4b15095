//! How many workers the dependencies of a block can feed, as far as they are known.
//!
//! The committer reports for each transaction its *distance*: how far below it is the nearest
//! transaction whose write it read. The report costs no speculation: transactions that were
//! executed as the head have a distance, too.
//!
//! ```text
//! txn        10   11   12   13   14   15
//! read from       10        10        14
//! distance    -    1    -    3    -    1
//! ```
//!
//! While `w` workers execute neighbouring transactions, one whose distance is below `w` runs at the
//! same time as what it depends on: it probably fails, and is executed again as the head, one after
//! another. The others share the workers. With a share `f` of transactions that are near in this
//! sense, a block takes `f + (1 - f) / w` of its sequential time (Amdahl's law). The best number of
//! workers is the one for which this is least; `f` grows with `w`, as more transactions are near.
//!
//! Where all transactions read from their neighbours, that number is 1: nothing is executed ahead.
//! Where they alternate between two locations, all distances are 2, and the number is 2.

/// The classes of distances: 1, 2 to 3, 4 to 7, and so on; the last one has what is far for any
/// number of workers.
const CLASSES: usize = 8;
/// What one report weighs.
const WEIGHT: u32 = 2;
/// What the belief weighs, before the first report, that all is far. Less than a report: the first
/// one that is near decides.
const HOPE: u32 = 1;
/// Once all reports together weigh as much, all of them lose half: a block may change on its way.
const MEMORY: u32 = 64 * WEIGHT;
/// Of the sequential time, what speculation must save at least: a fifth.
const WORTHWHILE: f32 = 0.8;
/// What more time may be taken if fewer workers do: a tenth.
const FRUGAL: f32 = 1.1;

/// The distances of the last transactions.
pub(crate) struct Distances {
    classes: [u32; CLASSES],
    total: u32,
}

impl Distances {
    pub(crate) const fn new() -> Self {
        let mut classes = [0; CLASSES];
        classes[CLASSES - 1] = HOPE;
        Self { classes, total: HOPE }
    }

    /// Takes the report of one transaction: the distance, which is at least 1.
    pub(crate) fn add(&mut self, distance: u32) {
        let class = (distance.max(1).ilog2() as usize).min(CLASSES - 1);
        self.classes[class] += WEIGHT;
        self.total += WEIGHT;
        if self.total >= MEMORY {
            self.classes.iter_mut().for_each(|class| *class /= 2);
            self.total = self.classes.iter().sum();
        }
    }

    /// How many workers can be fed, of at most `most`: the fewest that hardly take longer than the
    /// best number.
    pub(crate) fn workers(&self, most: u32) -> u32 {
        let options = || self.options(most);
        let best = options().map(|(_, time)| time).fold(f32::INFINITY, f32::min);
        if best > WORTHWHILE * self.total as f32 {
            return 1;
        }
        options().find(|(_, time)| *time <= FRUGAL * best).map_or(1, |(workers, _)| workers)
    }

    /// Numbers of workers up to `most`, fewest first, each with the time that the last transactions
    /// would take, where 1 is an execution.
    fn options(&self, most: u32) -> impl Iterator<Item = (u32, f32)> {
        let mut near = 0;
        (0..CLASSES).take_while(move |class| *class == 0 || 1 << (class - 1) < most).map(
            move |class| {
                let workers = if class < CLASSES - 1 { most.min(1 << class) } else { most };
                let time = near as f32 + (self.total - near) as f32 / workers as f32;
                near += self.classes[class];
                (workers, time)
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(distances: impl IntoIterator<Item = u32>) -> Distances {
        let mut all = Distances::new();
        distances.into_iter().for_each(|distance| all.add(distance));
        all
    }

    const FAR: u32 = u32::MAX;

    #[test]
    fn as_many_as_the_distances_allow() {
        for (distance, workers) in [(1, 1), (2, 2), (3, 2), (4, 4), (9, 8), (40, 32), (FAR, 64)] {
            assert_eq!(after([distance; 50]).workers(64), workers, "distance {distance}");
        }
        for most in [1, 2, 3, 6, 64, 1000] {
            assert_eq!(after([FAR; 50]).workers(most), most);
            assert_eq!(Distances::new().workers(most), most, "without a report");
            assert_eq!(after([1; 50]).workers(most), 1);
        }
    }

    #[test]
    fn a_few_that_are_near_do_not_stop_the_others() {
        let every = |nth: u32| after((0..64).map(|n| if n % nth == 0 { 1 } else { FAR }));
        assert_eq!(every(16).workers(64), 64);
        assert_eq!(every(2).workers(2), 2);
        assert!((4..64).contains(&every(2).workers(64)), "more would do little");
    }

    #[test]
    fn the_first_reports_decide_at_once() {
        assert_eq!(after([1]).workers(2), 1);
        assert_eq!(after([1, FAR]).workers(2), 2);
        assert_eq!(after([1, 1]).workers(8), 1);
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let dependent = || std::iter::repeat_n(1, 10_000);
        let independent = || std::iter::repeat_n(FAR, 10_000);
        assert_eq!(after(dependent().chain([FAR; 100])).workers(8), 8);
        assert_eq!(after(independent().chain([1; 100])).workers(8), 1);
        assert!(after(independent()).total <= MEMORY);
    }
}
