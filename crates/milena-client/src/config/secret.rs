//! A text that must not reach a log.

use std::fmt;

/// A password, a key or a JAAS line: readable by the code that needs it, invisible to everyone who prints it.
///
/// There is no `Display`, and `Debug` shows neither the text nor its length. The memory is not wiped on drop: that takes
/// `unsafe`, and the text has already passed through the program that read it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Every call of this is a place to review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_text_nor_length() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), format!("{:?}", Secret::new("")));
        assert_eq!(Secret::new("hunter2").expose(), "hunter2");
    }
}
