//! How a command can end otherwise than well, and the exit code for it.

use std::fmt;
use std::io;

use client::ErrorKind;

/// Why a command ends before it is done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or a setting cannot be.
    Usage(String),
    /// Something went wrong on the way.
    Runtime(String),
    /// A signal came before the end.
    Interrupted,
    /// Whoever read our output has gone: nothing is wrong.
    BrokenPipe,
}

impl Failure {
    /// The command line or a setting cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// Something went wrong on the way.
    pub(crate) fn runtime(message: impl Into<String>) -> Self {
        Self::Runtime(message.into())
    }

    /// Output that could not be written.
    pub(crate) fn writing(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Runtime(format!("standard output: {error}")),
        }
    }

    /// The exit code, as documented.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Runtime(_) => 1,
            Self::Usage(_) => 2,
            Self::Interrupted => INTERRUPTED,
        }
    }

    /// Whether there is something to say beside the exit code.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self, Self::BrokenPipe | Self::Interrupted)
    }
}

/// 128 and the number of SIGINT, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Runtime(message) => f.write_str(message),
            Self::Interrupted => f.write_str("interrupted"),
            Self::BrokenPipe => f.write_str("broken pipe"),
        }
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        match error.kind() {
            ErrorKind::Config => Self::Usage(error.to_string()),
            _ => Self::Runtime(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_as_documented() {
        let config = Failure::from(client::Error::config("no"));
        let refused = Failure::from(client::Error::broker(client::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        let full = Failure::writing(io::ErrorKind::StorageFull.into());
        let gone = Failure::writing(io::ErrorKind::BrokenPipe.into());
        let codes = [&config, &refused, &full, &gone, &Failure::Interrupted].map(Failure::code);
        assert_eq!(codes, [2, 1, 1, 0, 130]);
    }
}
