//! Choices taken from a fuzzer's bytes: a byte is a choice, so that a mutation of one byte changes
//! one choice.

/// Bytes that are taken one after the other. After the last one come zeros, each of which is the
/// first choice.
#[derive(Clone, Debug)]
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// All of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all bytes are taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub const fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }

    /// A number below `end`, which is at least 1.
    pub const fn below(&mut self, end: u8) -> u8 {
        self.byte() % end
    }

    /// Yes in `times` of 256 cases.
    pub const fn rarely(&mut self, times: u8) -> bool {
        // Zero is no.
        self.byte() > u8::MAX - times
    }

    /// One of `choices`: 1 to 256.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()].clone()
    }

    /// One of `choices`, each as often as its weight says; the weights come to 1 to 256.
    ///
    /// # Panics
    /// If they come to 0.
    pub fn weighted<T: Copy>(&mut self, choices: &[(u8, T)]) -> T {
        let total: u16 = choices.iter().map(|(weight, _)| u16::from(*weight)).sum();
        let mut left = u16::from(self.byte()) % total;
        for (weight, choice) in choices {
            match left.checked_sub(u16::from(*weight)) {
                Some(less) => left = less,
                None => return *choice,
            }
        }
        unreachable!("{left} is less than the weights come to")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_choices_and_then_come_zeros() {
        let mut bytes = Bytes::new(&[7, 200, 255, 254, 5]);
        assert_eq!((bytes.byte(), bytes.below(11)), (7, 2));
        assert_eq!((bytes.rarely(1), bytes.rarely(1)), (true, false));
        assert!(!bytes.is_empty());
        assert_eq!(bytes.pick(&['a', 'b', 'c']), 'c');
        assert!(bytes.is_empty());
        assert_eq!((bytes.byte(), bytes.rarely(255), bytes.pick(&['a', 'b'])), (0, false, 'a'));
    }

    #[test]
    fn weights_are_how_often_a_choice_is_made() {
        let all: Vec<u8> = (0..10).collect();
        let mut bytes = Bytes::new(&all);
        let drawn: String =
            all.iter().map(|_| bytes.weighted(&[(1, 'a'), (0, 'b'), (3, 'c'), (1, 'd')])).collect();
        assert_eq!(drawn, "acccdacccd");
    }
}
