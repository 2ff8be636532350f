//! The cost of a key from a passphrase. Its bounds are checked before any work is done.

use super::Random;
use crate::error::Source;

/// The salt and cost of one derivation, as a header stores them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PassphraseParameters {
    pub(crate) salt: [u8; 16],
    pub(crate) memory_kib: u32,
    pub(crate) iterations: u32,
    pub(crate) lanes: u32,
}

impl PassphraseParameters {
    /// A random salt and the cost for new caches: 64 MiB and 3 passes, as in RFC 9106's second
    /// recommendation. One lane, because the lanes are computed one after another here.
    pub(crate) fn random(random: Random<'_>) -> Result<Self, Source> {
        let mut salt = [0; 16];
        random(&mut salt)?;
        Ok(Self { salt, memory_kib: 64 * 1024, iterations: 3, lanes: 1 })
    }

    /// Whether a reader accepts this cost. The error text names the bound that is exceeded.
    pub(crate) fn check(&self) -> Result<(), String> {
        let bound = |what, value: u32, range: std::ops::RangeInclusive<u32>| {
            if range.contains(&value) {
                return Ok(());
            }
            Err(format!(
                "the passphrase's {what} is {value}, allowed is {} to {}",
                range.start(),
                range.end()
            ))
        };
        // Less is too cheap for a guesser; more lets a forged header use up the memory.
        bound("memory in KiB", self.memory_kib, 8 * 1024..=256 * 1024)?;
        bound("number of passes", self.iterations, 1..=64)?;
        bound("number of lanes", self.lanes, 1..=16)?;
        let work = u64::from(self.memory_kib) * u64::from(self.iterations);
        if work > MAX_WORK_KIB {
            return Err(format!(
                "the passphrase's memory times passes is {work} KiB, allowed is up to \
                 {MAX_WORK_KIB}"
            ));
        }
        Ok(())
    }
}

/// Limit: 768 MiB of memory filled, about a second. A forged header cannot make a reader hang.
const MAX_WORK_KIB: u64 = 768 * 1024;
