//! Why a configuration was refused.

use std::fmt;

use super::host_port::HostPortError;
use super::known;
use super::properties::{Place, SyntaxError};

/// Why a configuration was refused. Every variant names the setting by Kafka's own property name, also when it was set
/// through a builder, so that a message means the same in code, in a file and on a command line.
///
/// Values are quoted only for keys that are known not to carry secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A setting without a default was not given.
    #[error("{key} is required: {why}")]
    Missing {
        /// The setting.
        key: &'static str,
        /// What it is needed for.
        why: &'static str,
    },
    /// An entry of `bootstrap.servers` is not a host and a port.
    #[error("bootstrap.servers: `{entry}`: {reason}")]
    Server {
        /// The entry as given, without anything that looks like user information.
        entry: String,
        /// What is wrong with it.
        reason: HostPortError,
    },
    /// A value does not have the form that its setting takes.
    #[error("{setting} is not {expected}")]
    Invalid {
        /// The setting and its value.
        setting: Setting,
        /// The form it takes.
        expected: &'static str,
    },
    /// A number has the right form and lies outside its bounds.
    #[error("{setting} is out of range: {min} to {max} are allowed")]
    OutOfRange {
        /// The setting and its value.
        setting: Setting,
        /// The smallest value allowed.
        min: i128,
        /// The largest value allowed.
        max: i128,
    },
    /// Two settings cannot both hold.
    #[error("{left} contradicts {right}: {why}")]
    Contradiction {
        /// One of the two.
        left: Setting,
        /// The other.
        right: Setting,
        /// What would go wrong.
        why: &'static str,
    },
    /// Neither Kafka's Java clients nor Milena have a setting of this name.
    #[error("{place}: unknown key `{key}`{}", Suggestion(*.nearest))]
    Unknown {
        /// The key, or a remark on its length if it does not look like a key (a stray line of key material does not).
        key: String,
        /// Where it stands.
        place: Place,
        /// The known key that it resembles most, if any does.
        nearest: Option<&'static str>,
    },
    /// A key is given twice. Java lets the last one win, which hides one of the two from its author.
    #[error("`{key}` is given twice: {first} and {second}")]
    Duplicate {
        /// The key, shown as in [`ConfigError::Unknown`].
        key: String,
        /// Where it stands first.
        first: Place,
        /// Where it stands again.
        second: Place,
    },
    /// Milena knows the setting, does not do what it asks for and has no plan to.
    #[error("{} is not supported: {why}", Asked(.key, .value))]
    NotSupported {
        /// The setting.
        key: &'static str,
        /// The value, where only some values are refused.
        value: Option<String>,
        /// Why not.
        why: &'static str,
    },
    /// Milena knows the setting and does not do what it asks for in this version.
    #[error("{} is not supported yet by this version of Milena: {why}", Asked(.key, .value))]
    NotSupportedYet {
        /// The setting.
        key: &'static str,
        /// The value, where only some values are refused.
        value: Option<String>,
        /// What is missing.
        why: &'static str,
    },
    /// The value needs a Cargo feature that this build was made without.
    #[error("{setting} needs the Cargo feature `{feature}`, which this build was made without")]
    NotCompiled {
        /// The setting and its value.
        setting: Setting,
        /// The feature.
        feature: &'static str,
    },
    /// A properties file cannot be read.
    #[error("line {line}: {why}")]
    Syntax {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        why: SyntaxError,
    },
}

/// A setting and its value, as in a properties file: `heartbeat.interval.ms=3000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The property name.
    pub key: &'static str,
    /// The value in the form a properties file takes, shortened if it is long, `***` if it may be a secret.
    pub value: String,
}

impl Setting {
    /// Shows `value`, unless `key` may carry a secret.
    pub(super) fn new(key: &'static str, value: impl fmt::Display) -> Self {
        let value = if known::may_be_shown(key) { shortened(&value.to_string()) } else { "***".to_owned() };
        Self { key, value }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

impl ConfigError {
    pub(super) fn invalid(key: &'static str, value: &str, expected: &'static str) -> Self {
        Self::Invalid { setting: Setting::new(key, value), expected }
    }

    pub(super) fn contradiction(left: Setting, right: Setting, why: &'static str) -> Self {
        Self::Contradiction { left, right, why }
    }
}

/// A message must stay one readable line, whatever a file holds.
pub(super) fn shortened(value: &str) -> String {
    let mut shown: String = value.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    if value.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

struct Suggestion(Option<&'static str>);

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
            None => Ok(()),
        }
    }
}

struct Asked<'a>(&'static str, &'a Option<String>);

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(value) => write!(f, "{}={value}", self.0),
            None => f.write_str(self.0),
        }
    }
}

const SHOWN_CHARS_MAX: usize = 100;
