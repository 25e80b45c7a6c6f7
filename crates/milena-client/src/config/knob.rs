//! Numbers with a property name and bounds. A bound is written once and checked by the builder and the parser alike.

use std::time::Duration;

use super::error::{ConfigError, Setting};

/// A length of time, in whole milliseconds where it meets a file or the wire.
pub(super) struct Millis {
    pub(super) key: &'static str,
    min: i128,
    max: i128,
}

impl Millis {
    /// From `min` to the largest number of milliseconds the protocol's int32 holds, 24 days. Kafka's `LONG` settings
    /// get the same bound: no timer here means more than that, and every `Instant + Duration` stays in range.
    pub(super) const fn at_least(key: &'static str, min: i128) -> Self {
        Self { key, min, max: i32::MAX as i128 }
    }

    pub(super) fn parse(&self, raw: &str) -> Result<Duration, ConfigError> {
        let millis = in_range(self.key, whole(self.key, raw, MILLIS)?, self.min, self.max)?;
        // `min` is never negative.
        Ok(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
    }

    pub(super) fn check(&self, value: Duration) -> Result<Duration, ConfigError> {
        let millis = i128::try_from(value.as_millis()).unwrap_or(i128::MAX);
        in_range(self.key, millis, self.min, self.max)?;
        Ok(value)
    }

    pub(super) fn setting(&self, value: Duration) -> Setting {
        Setting::new(self.key, value.as_millis())
    }
}

/// A count, or a number of bytes.
pub(super) struct Number {
    pub(super) key: &'static str,
    min: i128,
    max: i128,
}

impl Number {
    pub(super) const fn new(key: &'static str, min: i128, max: i128) -> Self {
        Self { key, min, max }
    }

    pub(super) fn parse<T: TryFrom<i128>>(&self, raw: &str) -> Result<T, ConfigError> {
        let value = whole(self.key, raw, WHOLE)?;
        in_range(self.key, value, self.min, self.max)?;
        T::try_from(value).map_err(|_| self.out_of_range(value))
    }

    pub(super) fn check<T: TryInto<i128> + Copy>(&self, value: T) -> Result<T, ConfigError> {
        in_range(self.key, value.try_into().unwrap_or(i128::MAX), self.min, self.max)?;
        Ok(value)
    }

    pub(super) fn setting(&self, value: usize) -> Setting {
        Setting::new(self.key, value)
    }

    /// Only where the machine's `usize` is narrower than the bound.
    fn out_of_range(&self, value: i128) -> ConfigError {
        ConfigError::OutOfRange {
            setting: Setting::new(self.key, value),
            min: self.min,
            max: usize::MAX as i128,
        }
    }
}

/// Java's `ConfigDef` trims values and takes a plus sign; so does this.
fn whole(key: &'static str, raw: &str, expected: &'static str) -> Result<i128, ConfigError> {
    raw.trim().parse().map_err(|_| ConfigError::invalid(key, raw, expected))
}

fn in_range(key: &'static str, value: i128, min: i128, max: i128) -> Result<i128, ConfigError> {
    if value < min || value > max {
        return Err(ConfigError::OutOfRange { setting: Setting::new(key, value), min, max });
    }
    Ok(value)
}

/// `true` or `false` in any case, as Java's `ConfigDef`.
pub(super) fn boolean(key: &'static str, raw: &str) -> Result<bool, ConfigError> {
    let raw = raw.trim();
    match () {
        () if raw.eq_ignore_ascii_case("true") => Ok(true),
        () if raw.eq_ignore_ascii_case("false") => Ok(false),
        () => Err(ConfigError::invalid(key, raw, "`true` or `false`")),
    }
}

/// A text that travels with an int16 length.
pub(super) fn short_text(key: &'static str, value: &str) -> Result<String, ConfigError> {
    if value.len() > TEXT_LEN_MAX {
        return Err(ConfigError::invalid(key, value, "a text of at most 32767 bytes"));
    }
    Ok(value.to_owned())
}

/// The largest size the protocol's int32 holds.
pub(super) const INT32_MAX: i128 = i32::MAX as i128;

/// Far above any sensible budget, and far below where a semaphore's count or a sum of two budgets would overflow.
pub(super) const MEMORY_MAX: i128 = if usize::BITS >= 64 { 1 << 40 } else { 1 << 28 };

const TEXT_LEN_MAX: usize = i16::MAX as usize;
const MILLIS: &str = "a whole number of milliseconds";
const WHOLE: &str = "a whole number";

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Millis = Millis::at_least("fetch.max.wait.ms", 1);
    const SIZE: Number = Number::new("fetch.max.bytes", -1, INT32_MAX);

    #[test]
    fn numbers_take_what_java_takes() {
        for (raw, millis) in [("5", 5), (" 5 ", 5), ("+5", 5), ("2147483647", 2_147_483_647)] {
            assert_eq!(WAIT.parse(raw), Ok(Duration::from_millis(millis)));
        }
        for raw in ["", "5.0", "5ms", "0x5", "1_000", "1e3", "٥"] {
            let error = WAIT.parse(raw).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("fetch.max.wait.ms={raw} is not a whole number of milliseconds")
            );
        }
        assert_eq!(SIZE.parse::<i32>("-1"), Ok(-1));
    }

    #[test]
    fn bounds_are_the_same_for_parser_and_builder() {
        let parsed = WAIT.parse("0").unwrap_err();
        assert_eq!(parsed, WAIT.check(Duration::ZERO).unwrap_err());
        assert_eq!(parsed.to_string(), "fetch.max.wait.ms=0 is out of range: 1 to 2147483647 are allowed");
        assert_eq!(
            WAIT.parse("2147483648"),
            WAIT.check(Duration::from_millis(2_147_483_648)),
            "one above the upper bound"
        );
        assert!(WAIT.check(Duration::MAX).is_err());
        assert!(SIZE.parse::<i64>("-2").is_err() && SIZE.check(1_usize << 31).is_err());
        // Less than a millisecond would be 0 on the wire.
        assert!(WAIT.check(Duration::from_micros(999)).is_err());
    }

    #[test]
    fn a_value_that_the_target_type_cannot_hold_is_out_of_range() {
        assert!(matches!(SIZE.parse::<u8>("256"), Err(ConfigError::OutOfRange { .. })));
        assert!(matches!(SIZE.parse::<usize>("-1"), Err(ConfigError::OutOfRange { .. })));
    }

    #[test]
    fn booleans_are_as_javas() {
        assert_eq!(boolean("check.crcs", " FALSE "), Ok(false));
        assert_eq!(boolean("check.crcs", "true"), Ok(true));
        let error = boolean("check.crcs", "yes").unwrap_err();
        assert_eq!(error.to_string(), "check.crcs=yes is not `true` or `false`");
    }

    #[test]
    fn a_text_longer_than_its_length_field_is_refused_and_not_repeated_in_full() {
        assert!(short_text("client.id", &"x".repeat(32_767)).is_ok());
        let message = short_text("client.id", &"x".repeat(32_768)).unwrap_err().to_string();
        assert!(message.len() < 200, "{message}");
    }
}
