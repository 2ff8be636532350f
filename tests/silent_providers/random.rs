//! Random moments, from a seed that is printed.

use std::{env, time::Duration};

use tokenkeep_platform::random;
use tokenkeep_test_support::say;

pub(crate) struct Random(u64);

impl Random {
    /// From `TOKENKEEP_SEED`, or a new one.
    pub(crate) fn of(what: &str) -> Self {
        let mut new = [0; 8];
        random::fill(&mut new).unwrap();
        let seed = env::var("TOKENKEEP_SEED")
            .map_or(u64::from_ne_bytes(new), |seed| seed.parse().unwrap());
        say(&format!("{what}: TOKENKEEP_SEED={seed}"));
        Self(seed)
    }

    /// Up to, but not including, `end`, with splitmix64.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(crate) fn shorter_than(&mut self, limit: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(limit.as_micros()).unwrap().max(1)))
    }
}
