//! Java's `.properties` texts, and lists of keys and values.

use std::fmt;
use std::str::FromStr;

use super::error::ConfigError;
use super::known::{self, Role};
use super::secret::Secret;

/// Settings by Kafka's own property names, as found in a `.properties` file or given as pairs.
///
/// Reading keeps what was written; [`into_client`](Self::into_client), [`into_consumer`](Self::into_consumer) and
/// [`into_producer`](Self::into_producer) judge it. No value is ever an instruction to look elsewhere: `${file:…}` and
/// the like stay text (CVE-2024-31141).
///
/// A value is shown by `Debug` only if its key is known not to carry a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties {
    entries: Vec<Entry>,
}

impl Properties {
    /// Reads a `.properties` text by the rules of `java.util.Properties.load(Reader)`: comments with `#` and `!`; `=`,
    /// `:` or white space after a key; a backslash at the end of a line continues it; `\t \n \r \f \uXXXX` escapes.
    ///
    /// # Errors
    /// [`ConfigError::Syntax`] names the line of a broken escape or of an empty key; [`ConfigError::Duplicate`] names both
    /// lines of a key that is given twice (Java lets the last one win).
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut properties = Self::default();
        for logical in LogicalLines::new(text) {
            let line = logical.line;
            let (key, value) = split(&logical.text).map_err(|why| ConfigError::Syntax { line, why })?;
            if key.is_empty() {
                return Err(ConfigError::Syntax { line, why: SyntaxError::EmptyKey });
            }
            properties.add(key, value, Place::Line(line))?;
        }
        Ok(properties)
    }

    /// Takes keys and values that are already apart, for instance from a command line.
    ///
    /// # Errors
    /// [`ConfigError::Duplicate`] names both positions of a key that is given twice.
    pub fn from_pairs<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self, ConfigError>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let mut properties = Self::default();
        for (index, (key, value)) in pairs.into_iter().enumerate() {
            properties.add(key.into(), value.into(), Place::Pair(index + 1))?;
        }
        Ok(properties)
    }

    /// Lets the settings of `other` replace those of the same name: a command line over a file.
    pub fn overridden_by(mut self, other: Self) -> Self {
        self.entries.retain(|entry| other.get(&entry.key).is_none());
        self.entries.extend(other.entries);
        self
    }

    /// The value of a key, as written. Secrets are answered too.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().find(|entry| entry.key == key).map(Entry::value)
    }

    /// Settings that are accepted and have no effect in this role, each with the reason.
    ///
    /// Empty if all of them are used. Unknown and refused settings are not listed: they fail the `into_` methods.
    pub fn notes(&self, role: Role) -> Vec<Note> {
        self.entries.iter().filter_map(|entry| known::note(&entry.key, entry.value(), role)).collect()
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn add(&mut self, key: String, value: String, place: Place) -> Result<(), ConfigError> {
        if let Some(first) = self.entries.iter().find(|entry| entry.key == key) {
            let key = known::shown_key(&key);
            return Err(ConfigError::Duplicate { key, first: first.place, second: place });
        }
        let value =
            if known::may_be_shown(&key) { Value::Open(value) } else { Value::Hidden(Secret::new(value)) };
        self.entries.push(Entry { key, value, place });
        Ok(())
    }
}

impl FromStr for Properties {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse(text)
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for entry in &self.entries {
            match &entry.value {
                Value::Open(value) => map.entry(&entry.key, value),
                Value::Hidden(secret) => map.entry(&known::shown_key(&entry.key), secret),
            };
        }
        map.finish()
    }
}

/// A setting that is accepted and has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The setting.
    pub key: &'static str,
    /// Why it has no effect.
    pub why: &'static str,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has no effect: {}", self.key, self.why)
    }
}

/// Where a setting stands, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a properties text: the first one, if it is continued.
    Line(usize),
    /// A position in a list of pairs.
    Pair(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(n) => write!(f, "line {n}"),
            Self::Pair(n) => write!(f, "pair {n}"),
        }
    }
}

/// What is wrong with a line of a properties text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntaxError {
    /// `\u` is not followed by four hexadecimal digits.
    #[error("\\u needs four hexadecimal digits")]
    BadUnicodeEscape,
    /// Half of a surrogate pair: Java keeps it, but it is no character.
    #[error("a \\u escape is half of a surrogate pair")]
    LoneSurrogate,
    /// Nothing stands before the separator.
    #[error("there is no key")]
    EmptyKey,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    value: Value,
    pub(super) place: Place,
}

impl Entry {
    pub(super) fn value(&self) -> &str {
        match &self.value {
            Value::Open(value) => value,
            Value::Hidden(secret) => secret.expose(),
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
enum Value {
    Open(String),
    Hidden(Secret),
}

struct LogicalLine {
    text: String,
    line: usize,
}

/// Joins lines that end in a backslash, and leaves out comments and blank lines.
struct LogicalLines<'a> {
    rest: Option<&'a str>,
    line: usize,
}

impl<'a> LogicalLines<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: Some(text), line: 0 }
    }

    /// The next line without its end (`\n`, `\r` or `\r\n`).
    fn natural(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        self.line += 1;
        let Some(end) = rest.find(['\n', '\r']) else {
            self.rest = None;
            return Some(rest);
        };
        let (line, tail) = rest.split_at(end);
        self.rest = Some(tail.strip_prefix("\r\n").unwrap_or(&tail[1..]));
        Some(line)
    }
}

impl Iterator for LogicalLines<'_> {
    type Item = LogicalLine;

    fn next(&mut self) -> Option<LogicalLine> {
        let mut joined: Option<LogicalLine> = None;
        while let Some(natural) = self.natural() {
            let content = natural.trim_start_matches(BLANK);
            // A `#` after a continued line belongs to the value, unless nothing was there to continue. (A blank line
            // after such an empty beginning is blank, elsewhere it ends the value.)
            if joined.as_ref().is_none_or(|so_far| so_far.text.is_empty())
                && (content.is_empty() || content.starts_with(['#', '!']))
            {
                // At the end of the text an empty beginning is a line of its own (it has no key).
                joined = joined.filter(|_| content.is_empty() && self.rest.is_none());
                if joined.is_some() {
                    return joined;
                }
                continue;
            }
            let so_far = joined.get_or_insert_with(|| LogicalLine { text: String::new(), line: self.line });
            let backslashes = content.bytes().rev().take_while(|&b| b == b'\\').count();
            if backslashes % 2 == 0 {
                so_far.text.push_str(content);
                return joined;
            }
            so_far.text.push_str(&content[..content.len() - 1]);
        }
        joined
    }
}

/// Splits a logical line at its first separator that is not escaped.
fn split(line: &str) -> Result<(String, String), SyntaxError> {
    let mut escaped = false;
    let end = line
        .find(|c: char| {
            let ends = !escaped && (matches!(c, '=' | ':') || BLANK.contains(&c));
            escaped = c == '\\' && !escaped;
            ends
        })
        .unwrap_or(line.len());
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(BLANK);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(BLANK);
    Ok((unescape(key)?, unescape(value)?))
}

fn unescape(text: &str) -> Result<String, SyntaxError> {
    // UTF-16, because `\uD83D\uDE00` is one character written as two escapes.
    let mut units = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let unescaped = match c {
            '\\' => match chars.next() {
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let is_hex = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                    let unit = if is_hex { u16::from_str_radix(&digits, 16).ok() } else { None };
                    units.push(unit.ok_or(SyntaxError::BadUnicodeEscape)?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend_from_slice(unescaped.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).map_err(|_| SyntaxError::LoneSurrogate)
}

/// White space within a line, to Java: no others, and no Unicode ones.
const BLANK: [char; 3] = [' ', '\t', '\u{c}'];

#[cfg(test)]
mod tests;
