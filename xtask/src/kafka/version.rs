//! A version of Apache Kafka.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// A version of Apache Kafka: major, minor, patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u16, pub u16, pub u16);

impl Version {
    /// The newest release these tests know.
    pub const NEWEST: Version = Version(4, 3, 1);
    /// The last one with fetch versions below 4, magic 0 and 1 on the wire, and `log.message.format.version` in 3.x.
    pub const LAST_3: Version = Version(3, 9, 2);
    /// One of the last that need ZooKeeper, with `log.message.format.version`.
    pub const LAST_2: Version = Version(2, 8, 2);
    /// The oldest that today's clients talk to (KIP-896).
    pub const OLDEST: Version = Version(2, 1, 1);

    /// Whether nodes of this version keep their own quorum; before 3.3 that was no more than a preview.
    #[must_use]
    pub fn is_kraft(self) -> bool {
        self >= Version(3, 3, 0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let numbers: Vec<u16> = text.split('.').map_while(|part| part.parse().ok()).collect();
        match numbers[..] {
            [major, minor, patch] if text.split('.').count() == 3 => Ok(Version(major, minor, patch)),
            _ => Err(Error::new(format!("{text:?} is not a version like 4.3.1"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_by_number_and_read_back() {
        assert!("2.10.0".parse::<Version>().unwrap() > "2.8.2".parse().unwrap());
        assert_eq!("4.3.1".parse::<Version>().unwrap().to_string(), "4.3.1");
        for wrong in ["", "4", "4.3", "4.3.1.2", "4.3.x", "4.3.-1"] {
            assert!(wrong.parse::<Version>().is_err(), "{wrong:?} was taken for a version");
        }
    }
}
