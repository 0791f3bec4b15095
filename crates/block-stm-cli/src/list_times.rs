//! What building and using a block's access list takes.

use std::{iter::Sum, time::Duration};

use crate::medians::median_time;

/// The times of one block, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListTimes {
    /// Executing one after another, with the list built on the way.
    pub(crate) built_in_order: Duration,
    /// Executing in parallel, with the list built on the way.
    pub(crate) built: Duration,
    /// Executing with the list.
    pub(crate) used: Duration,
}

impl Sum for ListTimes {
    fn sum<I: Iterator<Item = Self>>(times: I) -> Self {
        times.fold(Self::default(), |sum, times| Self {
            built_in_order: sum.built_in_order + times.built_in_order,
            built: sum.built + times.built,
            used: sum.used + times.used,
        })
    }
}

/// The times of one block, turn by turn.
#[derive(Debug, Default)]
pub(crate) struct ListSamples {
    pub(crate) built_in_order: Vec<Duration>,
    pub(crate) built: Vec<Duration>,
    pub(crate) used: Vec<Duration>,
}

impl ListSamples {
    /// The median of each.
    pub(crate) fn medians(&self) -> ListTimes {
        ListTimes {
            built_in_order: median_time(&self.built_in_order),
            built: median_time(&self.built),
            used: median_time(&self.used),
        }
    }
}
