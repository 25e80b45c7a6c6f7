//! Pauses between tries: exponential, capped, and scattered so that clients that failed together do not return together.

use std::time::{Duration, Instant};

/// Says how long to pause before each next try.
///
/// The pause doubles from `base` up to `max`, and is moved by up to a fifth either way, as Java's `ExponentialBackoff`
/// does. The same seed gives the same pauses.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    failures: u32,
    random: u64,
}

impl Backoff {
    /// Starts without a failure.
    pub fn new(base: Duration, max: Duration, seed: u64) -> Self {
        Self { base, max, failures: 0, random: seed }
    }

    /// Counts a failure and says how long to pause before the next try: never longer than `max`.
    pub fn next_delay(&mut self) -> Duration {
        let doubled = self.base.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        // 0.8 to 1.2, in steps of a thousandth.
        let thousandths = u32::try_from(800 + self.next_random() % 401).unwrap_or(1000);
        (doubled.min(self.max).saturating_mul(thousandths) / 1000).min(self.max)
    }

    /// Forgets the failures: the next pause is about `base` again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// One step of splitmix64 (Vigna).
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Settings may say "never".
pub(crate) fn later(instant: Instant, by: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    instant.checked_add(by).or_else(|| instant.checked_add(FAR)).unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_start_over_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1), 7);
        let pauses: Vec<_> = (0..40).map(|_| backoff.next_delay()).collect();
        for (pause, middle) in pauses.iter().zip([100, 200, 400, 800]) {
            let (low, high) = (Duration::from_millis(middle * 4 / 5), Duration::from_millis(middle * 6 / 5));
            assert!(*pause >= low && *pause <= high, "{pause:?} is not around {middle} ms");
        }
        assert!(pauses[4..].iter().all(|p| *p >= Duration::from_millis(800) && *p <= Duration::from_secs(1)));
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_millis(120));
    }

    #[test]
    fn seeds_scatter_and_repeat() {
        let first = |seed| Backoff::new(Duration::from_secs(1), Duration::from_secs(9), seed).next_delay();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }

    #[test]
    fn no_setting_overflows() {
        let mut backoff = Backoff::new(Duration::MAX, Duration::MAX, 0);
        for _ in 0..100 {
            backoff.next_delay();
        }
        assert_eq!(Backoff::new(Duration::ZERO, Duration::ZERO, 0).next_delay(), Duration::ZERO);
    }
}
