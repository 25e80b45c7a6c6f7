//! Topics by pattern.

use std::fmt;

use regex_lite::Regex;

use crate::error::{Error, Result};

/// A regular expression over the names of topics, matched by the client: a topic is read if its whole name matches.
///
/// The syntax is that of the `regex-lite` crate, which names of topics (letters, digits, `.`, `_` and `-`) need no more than:
/// what Java's expressions have beyond it, look-around and back references, is refused.
#[derive(Clone)]
pub struct TopicPattern {
    pattern: String,
    whole: Regex,
}

impl TopicPattern {
    /// Compiles it.
    ///
    /// # Errors
    /// It is no regular expression, or one that takes more than a few megabytes.
    pub fn new(pattern: &str) -> Result<Self> {
        // The pattern is checked alone first: `a)|(b` would become one by what is put around it.
        let invalid = |error: regex_lite::Error| {
            Error::config(format!("`{pattern}` is no pattern of topics")).source(error)
        };
        Regex::new(pattern).map_err(invalid)?;
        let whole = Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(invalid)?;
        Ok(Self { pattern: pattern.to_owned(), whole })
    }

    /// Whether the whole name matches, as in Java's `Matcher.matches`.
    pub fn matches(&self, topic: &str) -> bool {
        self.whole.is_match(topic)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }
}

impl fmt::Debug for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicPattern({:?})", self.pattern)
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_name_has_to_match() {
        let orders = TopicPattern::new("orders|orders-.+").unwrap();
        let matched =
            ["orders", "orders-eu", "my-orders", "orders-", "orders-eu\n"].map(|t| orders.matches(t));
        assert_eq!(matched, [true, true, false, false, false]);
        let anchored = TopicPattern::new("^a.*$").unwrap();
        assert!(anchored.matches("abc") && !anchored.matches("xabc"));
        assert_eq!(orders.as_str(), "orders|orders-.+");
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        for pattern in ["a(", "a)|(b", "(?=a)", "*"] {
            let error = TopicPattern::new(pattern).unwrap_err().to_string();
            assert!(error.contains(pattern) && error.contains("pattern"), "{error}");
        }
    }
}
