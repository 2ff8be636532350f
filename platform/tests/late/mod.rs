//! What the tests of late answers share.
#![expect(clippy::unwrap_used, reason = "only tests use it")]

pub(crate) mod round;

/// splitmix64; `TOKENKEEP_SEED` repeats a run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn from_environment() -> Self {
        let given = std::env::var("TOKENKEEP_SEED").ok();
        Self(given.map_or_else(
            || {
                let mut seed = [0; 8];
                tokenkeep_platform::random::fill(&mut seed).unwrap();
                u64::from_ne_bytes(seed)
            },
            |seed| seed.parse().unwrap(),
        ))
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}
