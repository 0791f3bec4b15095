//! The values of the language: a tiny domain with deltas that fail at its bounds.

use std::fmt;
use std::sync::Arc;

use block_stm::Value;

use crate::sim::user_code;

/// The value of a slot that holds nothing, as scans see it. Everything else takes it for a number.
pub const ABSENT: u8 = 0;

/// The largest value. Deltas that would lead above it, or below 0, do not apply.
pub const MAX: u8 = 7;

/// A question about one value; the language's predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test<T = u8> {
    /// Not less than this.
    AtLeast(T),
    /// Not more than this.
    AtMost(T),
    /// Exactly this.
    Is(T),
    /// An even number.
    Even,
}

impl Test {
    /// The answer for `value`.
    #[must_use]
    pub fn holds(self, value: u8) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
            Self::Is(other) => value == other,
            Self::Even => value.is_multiple_of(2),
        }
    }
}

impl<T> Test<T> {
    /// The same question about another kind of operand.
    pub fn map<U>(self, operand: impl FnOnce(T) -> U) -> Test<U> {
        match self {
            Self::AtLeast(bound) => Test::AtLeast(operand(bound)),
            Self::AtMost(bound) => Test::AtMost(operand(bound)),
            Self::Is(other) => Test::Is(operand(other)),
            Self::Even => Test::Even,
        }
    }
}

/// A number of the tiny domain, in some representation.
pub trait Number: Value<Delta = i8, Predicate = Test> + fmt::Debug {
    /// What it takes to make one.
    type Mint: Clone + fmt::Debug + Send + Sync + 'static;

    /// The number `value`, which must be at most [`MAX`].
    fn mint(mint: &Self::Mint, value: u8) -> Self;

    /// The number.
    fn get(&self) -> u8;
}

pub(crate) fn shifted(value: u8, delta: i8) -> Option<u8> {
    value.checked_add_signed(delta).filter(|sum| *sum <= MAX)
}

/// A plain number.
#[derive(Clone, Copy, Debug)]
pub struct Small(u8);

impl PartialEq for Small {
    fn eq(&self, other: &Self) -> bool {
        user_code();
        self.0 == other.0
    }
}

impl Eq for Small {}

impl Value for Small {
    type Delta = i8;
    type Predicate = Test;

    fn apply(&self, delta: &i8) -> Option<Self> {
        user_code();
        shifted(self.0, *delta).map(Self)
    }

    fn satisfies(&self, predicate: &Test) -> bool {
        user_code();
        predicate.holds(self.0)
    }

    fn is_absent(&self) -> bool {
        self.0 == ABSENT
    }
}

impl Number for Small {
    type Mint = ();

    fn mint((): &(), value: u8) -> Self {
        Self(value)
    }

    fn get(&self) -> u8 {
        self.0
    }
}

/// A number on the heap that holds a share of a token, so that the token's count says how many are
/// alive.
#[derive(Clone)]
pub struct Counted {
    value: Box<u8>,
    token: Arc<()>,
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counted").field(&self.value).finish()
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Counted {}

impl Value for Counted {
    type Delta = i8;
    type Predicate = Test;

    fn apply(&self, delta: &i8) -> Option<Self> {
        shifted(*self.value, *delta).map(|value| Self::mint(&self.token, value))
    }

    fn satisfies(&self, predicate: &Test) -> bool {
        predicate.holds(*self.value)
    }

    fn is_absent(&self) -> bool {
        *self.value == ABSENT
    }
}

impl Number for Counted {
    type Mint = Arc<()>;

    fn mint(mint: &Arc<()>, value: u8) -> Self {
        Self { value: Box::new(value), token: Arc::clone(mint) }
    }

    fn get(&self) -> u8 {
        *self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_fail_at_the_bounds_exactly() {
        assert_eq!(Small(0).apply(&-1), None);
        assert_eq!(Small(1).apply(&-1), Some(Small(0)));
        assert_eq!(Small(MAX).apply(&0), Some(Small(MAX)));
        assert_eq!(Small(MAX).apply(&1), None);
        assert_eq!(Small(0).apply(&i8::MIN), None);
        assert_eq!(Small(MAX).apply(&i8::MAX), None);
    }

    #[test]
    fn tests_hold_where_they_say() {
        let holds = |test: Test| (0..=MAX).filter(|v| test.holds(*v)).collect::<Vec<_>>();
        assert_eq!(holds(Test::AtLeast(6)), [6, 7]);
        assert_eq!(holds(Test::AtMost(1)), [0, 1]);
        assert_eq!(holds(Test::Is(3)), [3]);
        assert_eq!(holds(Test::Even), [0, 2, 4, 6]);
    }

    #[test]
    fn counted_numbers_count() {
        let token = Arc::new(());
        let one = Counted::mint(&token, 1);
        let two = one.apply(&1).expect("1 + 1 is in the domain");
        assert_eq!((two.get(), Arc::strong_count(&token)), (2, 3));
        drop((one, two));
        assert_eq!(Arc::strong_count(&token), 1);
    }
}
