//! Where to start when there is no position.

use std::time::Duration;

use super::error::ConfigError;

/// Where to start a partition that has no committed offset, or whose offset no longer exists: `auto.offset.reset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffsetReset {
    /// The log start offset.
    Earliest,
    /// The end, as Java does. Records written before the first fetch are not read.
    #[default]
    Latest,
    /// Nowhere: the partition fails with an error and the program decides.
    None,
    /// The first record written less than this long ago (KIP-1106): `by_duration:PT1H`.
    ByDuration(Duration),
}

impl OffsetReset {
    pub(super) fn parse(raw: &str) -> Result<Self, ConfigError> {
        let by_duration = |text: &str| parse_duration(text).map(Self::ByDuration);
        let parsed = match raw.trim() {
            "earliest" => Some(Self::Earliest),
            "latest" => Some(Self::Latest),
            "none" => Some(Self::None),
            other => other.strip_prefix("by_duration:").and_then(by_duration),
        };
        parsed.ok_or_else(|| ConfigError::invalid("auto.offset.reset", raw, EXPECTED))
    }

    /// A look-up by time takes a timestamp, an int64 of milliseconds.
    pub(super) fn check(self) -> Result<Self, ConfigError> {
        match self {
            Self::ByDuration(ago) if i64::try_from(ago.as_millis()).is_err() => {
                Err(ConfigError::invalid("auto.offset.reset", &format!("by_duration:{ago:?}"), EXPECTED))
            }
            other => Ok(other),
        }
    }
}

/// `PnDTnHnMn.nS`, as `java.time.Duration.parse` takes it, not below zero: letters in any case, a sign before the whole
/// and before each part, a comma for the point, up to nine digits behind it.
fn parse_duration(text: &str) -> Option<Duration> {
    let (sign, rest) = signed(text);
    let rest = rest.strip_prefix(['P', 'p'])?;
    let (days, time) = match rest.find(['T', 't']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let mut nanos = 0_i128;
    let days = part(days, 'D', 86_400, &mut nanos)?;
    let time_is_there = match time {
        Some(time) => {
            let rest = part(time, 'H', 3_600, &mut nanos)?;
            let rest = part(rest, 'M', 60, &mut nanos)?;
            let rest = seconds(rest, &mut nanos)?;
            !time.is_empty() && rest.is_empty()
        }
        None => !rest.is_empty(),
    };
    if !days.is_empty() || !time_is_there {
        return None;
    }
    let nanos = u128::try_from(sign * nanos).ok()?;
    let seconds = u64::try_from(nanos / NANOS).ok().filter(|&seconds| seconds <= SECONDS_MAX)?;
    Some(Duration::new(seconds, u32::try_from(nanos % NANOS).ok()?))
}

/// Takes `n` and `unit` off the front if they are there. Answers the rest, or `None` if the number is too large.
fn part<'a>(text: &'a str, unit: char, seconds: i128, nanos: &mut i128) -> Option<&'a str> {
    let (sign, digits) = signed(text);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (number, rest) = digits.split_at(end);
    let Some(rest) = rest.strip_prefix([unit, unit.to_ascii_lowercase()]).filter(|_| !number.is_empty())
    else {
        return Some(text);
    };
    let number: i128 = number.parse::<u64>().ok()?.into();
    *nanos += sign * number * seconds * NANOS as i128;
    Some(rest)
}

fn seconds<'a>(text: &'a str, nanos: &mut i128) -> Option<&'a str> {
    let Some((whole, fraction)) = text.split_once(['.', ',']) else {
        return part(text, 'S', 1, nanos);
    };
    let fraction = fraction.strip_suffix(['S', 's'])?;
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if !part(&format!("{whole}S"), 'S', 1, nanos)?.is_empty() {
        return None;
    }
    // "-0.5" is half a second before: the sign is not lost with the zero.
    let (sign, _) = signed(whole);
    *nanos += sign * format!("{fraction:0<9}").parse::<i128>().ok()?;
    Some("")
}

fn signed(text: &str) -> (i128, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

const NANOS: u128 = 1_000_000_000;
/// The timestamp to look up must fit an int64 of milliseconds.
const SECONDS_MAX: u64 = i64::MAX as u64 / 1_000;
const EXPECTED: &str = "`earliest`, `latest`, `none` or `by_duration:PnDTnHnMn.nS`, not negative";

#[cfg(test)]
mod tests {
    use super::*;

    /// Tried on Java's ConsumerConfig of kafka-clients 4.3.1.
    #[test]
    fn takes_and_refuses_what_java_does() {
        for (raw, millis) in [
            ("by_duration:PT1H", 3_600_000),
            ("by_duration:pt1h", 3_600_000),
            ("by_duration:PT1.5S", 1_500),
            ("by_duration:PT1,5S", 1_500),
            ("by_duration:PT1.S", 1_000),
            ("by_duration:P1D", 86_400_000),
            ("by_duration:P1DT1H1M1S", 90_061_000),
            ("by_duration:PT0S", 0),
            ("by_duration:+PT1H", 3_600_000),
            ("by_duration:-PT-1H", 3_600_000),
            ("by_duration:PT1H-10M", 3_000_000),
            ("by_duration:PT1S ", 1_000),
        ] {
            let expected = OffsetReset::ByDuration(Duration::from_millis(millis));
            assert_eq!(OffsetReset::parse(raw), Ok(expected), "{raw}");
        }
        for raw in [
            "LATEST",
            "",
            "by_duration",
            "by_duration:",
            "by_duration:P",
            "by_duration:PT",
            "by_duration:P1DT",
            "by_duration:-PT1H",
            "BY_DURATION:PT1H",
            "by_duration:P1Y",
            "by_duration:P2W",
            "by_duration:PT-6H10M",
            "by_duration:PT.5S",
            "by_duration:PT1.5M",
            "by_duration:PT1M1H",
            "by_duration:PT0.1234567891S",
            "by_duration: PT1H",
            "by_duration:PT-0.5S",
            "by_duration:PT1S1S",
            "earliest:PT1H",
            "by_duration:PTT1S",
            "by_duration:PT1H.5S",
            "by_duration:PT1.+5S",
            "by_duration:P1H",
            "by_duration:1D",
        ] {
            assert!(OffsetReset::parse(raw).is_err(), "{raw} was taken");
        }
    }

    #[test]
    fn a_duration_that_no_timestamp_can_hold_is_refused() {
        assert!(OffsetReset::parse("by_duration:PT9223372036854775S").is_ok());
        for raw in
            ["PT9223372036854776S", "P18446744073709551615D", "P99999999999999999999999999999999999999999D"]
        {
            assert!(OffsetReset::parse(&format!("by_duration:{raw}")).is_err(), "{raw} was taken");
        }
        assert!(OffsetReset::ByDuration(Duration::MAX).check().is_err());
        assert!(OffsetReset::ByDuration(Duration::from_millis(i64::MAX as u64)).check().is_ok());
    }

    #[test]
    fn the_error_says_what_is_expected() {
        let message = OffsetReset::parse("smallest").unwrap_err().to_string();
        assert!(message.starts_with("auto.offset.reset=smallest is not `earliest`, `latest`"), "{message}");
    }
}
