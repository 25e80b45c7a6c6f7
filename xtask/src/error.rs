//! One error for chores: a sentence for the person at the terminal.

use std::fmt;

/// What went wrong, in words; chores have nobody who could act on a kind.
#[derive(Debug)]
pub struct Error(String);

/// The result of a chore.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error that says `words`.
    pub fn new(words: impl Into<String>) -> Self {
        Error(words.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Says what was being done when an `io::Error` or the like came up.
pub(crate) trait Context<T> {
    /// Puts `what` in front of the error's own words.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error(format!("{}: {error}", what())))
    }
}
