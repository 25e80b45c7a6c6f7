//! Where chance comes from: jitter, and what would otherwise be the same choice for everybody.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::ClientConfig;

/// Seeds that need not be secret, only different from the neighbour's. With a configured one, the same in every run.
#[derive(Debug)]
pub(crate) struct Seeds {
    fixed: Option<u64>,
    drawn: AtomicU64,
}

impl Seeds {
    pub(crate) fn new(config: &ClientConfig) -> Self {
        Self { fixed: config.seed(), drawn: AtomicU64::new(0) }
    }

    /// Another one at every call.
    pub(crate) fn draw(&self) -> u64 {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        match self.fixed {
            // The steps of SplitMix64: neighbours have nothing in common once they are mixed, which `Backoff` does.
            Some(fixed) => fixed.wrapping_add(drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            None => std::collections::hash_map::RandomState::new().build_hasher().finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(seed: Option<u64>) -> ClientConfig {
        ClientConfig::bootstrap("a:1").unwrap().seed(seed).build().unwrap()
    }

    #[test]
    fn a_configured_seed_repeats_and_another_does_not() {
        let draw = |seed| {
            let seeds = Seeds::new(&config(seed));
            [seeds.draw(), seeds.draw(), seeds.draw()]
        };
        assert_eq!(draw(Some(7)), draw(Some(7)));
        assert_ne!(draw(Some(7)), draw(Some(8)));
        assert_ne!(draw(None), draw(None));
        let [first, second, third] = draw(Some(7));
        assert!(first != second && second != third);
    }
}
