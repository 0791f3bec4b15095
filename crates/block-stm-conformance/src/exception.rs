//! What a test calls the reason for which something is refused, and whether it was refused for
//! that.

use std::fmt;

/// An exception of a test: names of reasons, any of which may be the one, separated by `|`.
#[derive(Clone, Debug)]
pub(crate) struct Exception<C> {
    text: String,
    /// The classes that the known names stand for.
    classes: Vec<C>,
    has_unknown: bool,
}

/// How a refusal was compared with what a test expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    /// It is for the reason that the test names.
    Same,
    /// It can't be said, as the test names a reason that is unknown.
    Not,
}

impl<C> Exception<C> {
    /// The exception `text`, of which `named` knows the classes by name.
    pub(crate) fn parse(text: String, named: impl Fn(&str) -> Option<Vec<C>>) -> Self {
        let (mut classes, mut has_unknown) = (Vec::new(), false);
        for name in text.split('|') {
            match named(name.trim()) {
                Some(more) => classes.extend(more),
                None => has_unknown = true,
            }
        }
        Self { text, classes, has_unknown }
    }

    /// Compares with a refusal for `reason`, of which `is_class` knows the classes.
    ///
    /// # Errors
    ///
    /// What is wrong, if it is another reason.
    pub(crate) fn compare(
        &self,
        reason: &impl fmt::Display,
        is_class: impl Fn(&C) -> bool,
    ) -> Result<Compared, String> {
        if self.classes.iter().any(is_class) {
            return Ok(Compared::Same);
        }
        if self.has_unknown {
            return Ok(Compared::Not);
        }
        Err(format!("it must be refused for {}, not for this: {reason}", self.text))
    }
}

impl<C> fmt::Display for Exception<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(text: &str, reason: &str) -> Result<Compared, String> {
        let named = |name: &str| (!name.starts_with('?')).then(|| vec![name.to_owned()]);
        Exception::parse(text.to_owned(), named).compare(&reason, |class| class == reason)
    }

    #[test]
    fn one_of_the_reasons_will_do() {
        assert_eq!(compare("Funds", "Funds"), Ok(Compared::Same));
        assert_eq!(compare("Nonce | Funds", "Funds"), Ok(Compared::Same));
        let message = "it must be refused for Nonce, not for this: Funds";
        assert_eq!(compare("Nonce", "Funds"), Err(message.to_owned()));
    }

    #[test]
    fn an_unknown_name_leaves_open_what_no_other_name_says() {
        assert_eq!(compare("?Mood", "Funds"), Ok(Compared::Not));
        assert_eq!(compare("Nonce|?Mood", "Funds"), Ok(Compared::Not));
        assert_eq!(compare("?Mood|Funds", "Funds"), Ok(Compared::Same));
    }
}
