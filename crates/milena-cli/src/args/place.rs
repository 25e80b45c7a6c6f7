//! Where a read begins and ends, as written on a command line.

use std::str::FromStr;

/// Where to begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Begin {
    /// At the first offset in the log.
    Earliest,
    /// At the end.
    Latest,
    /// At the group's committed offset.
    Committed,
    /// At that offset.
    Offset(i64),
    /// At the first record that is not older, in milliseconds since 1970.
    Timestamp(i64),
    /// So many offsets before the end.
    Tail(u64),
}

/// Where to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Until {
    /// Never.
    #[default]
    Never,
    /// At the ends that the partitions have at the start.
    Latest,
    /// Before that offset, in every partition.
    Offset(i64),
    /// After so many records.
    Count(u64),
}

impl FromStr for Begin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.split_once(':')) {
            ("earliest", _) => Ok(Self::Earliest),
            ("latest", _) => Ok(Self::Latest),
            ("committed", _) => Ok(Self::Committed),
            (_, Some(("offset", offset))) => not_negative(offset).map(Self::Offset),
            (_, Some(("timestamp", ms))) => not_negative(ms).map(Self::Timestamp),
            (_, Some(("tail", count))) => number(count).map(Self::Tail),
            _ => Err("use earliest, latest, committed, offset:N, timestamp:MS or tail:N".to_owned()),
        }
    }
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.split_once(':')) {
            ("never", _) => Ok(Self::Never),
            ("latest", _) => Ok(Self::Latest),
            (_, Some(("offset", offset))) => not_negative(offset).map(Self::Offset),
            (_, Some(("count", count))) => number(count).map(Self::Count),
            _ => Err("use never, latest, offset:N or count:N".to_owned()),
        }
    }
}

fn not_negative(text: &str) -> Result<i64, String> {
    text.parse().ok().filter(|number| *number >= 0).ok_or_else(|| no_number(text))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| no_number(text))
}

fn no_number(text: &str) -> String {
    format!("`{text}` is no number from 0 on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings() {
        let parsed: Vec<Begin> =
            ["earliest", "latest", "committed", "offset:7", "timestamp:1767225600000", "tail:10"]
                .map(|text| text.parse().unwrap())
                .to_vec();
        let wanted = [
            Begin::Earliest,
            Begin::Latest,
            Begin::Committed,
            Begin::Offset(7),
            Begin::Timestamp(1_767_225_600_000),
            Begin::Tail(10),
        ];
        assert_eq!(parsed, wanted);
    }

    #[test]
    fn ends() {
        let parsed: [Until; 4] = ["never", "latest", "offset:0", "count:5"].map(|text| text.parse().unwrap());
        assert_eq!(parsed, [Until::Never, Until::Latest, Until::Offset(0), Until::Count(5)]);
    }

    #[test]
    fn what_is_no_place() {
        for text in [
            "",
            "Earliest",
            "offset",
            "offset:",
            "offset:-1",
            "offset:x",
            "tail:-1",
            "timestamp:9223372036854775808",
        ] {
            assert!(text.parse::<Begin>().is_err(), "{text}");
        }
        for text in ["earliest", "count:-1", "count:", "offset:1 ", "timestamp:1"] {
            assert!(text.parse::<Until>().is_err(), "{text}");
        }
    }
}
