//! A key from a passphrase: argon2id, with bounds that hold before any work is done.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use super::{Key, Random, SealError};
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
    /// A random salt and the cost for new caches: 64 MiB and 3 passes as in RFC 9106's second
    /// recommendation, in one lane because the lanes are computed one after the other here.
    pub(crate) fn random(random: Random<'_>) -> Result<Self, Source> {
        let mut salt = [0; 16];
        random(&mut salt)?;
        Ok(Self { salt, memory_kib: 64 * 1024, iterations: 3, lanes: 1 })
    }

    /// Whether a reader may spend this cost. The text says which bound does not hold.
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
        bound("memory in KiB", self.memory_kib, 8 * 1024..=256 * 1024)?;
        bound("number of passes", self.iterations, 1..=64)?;
        bound("number of lanes", self.lanes, 1..=16)?;
        let work = u64::from(self.memory_kib) * u64::from(self.iterations);
        if work > MAX_WORK_KIB {
            return Err(format!(
                "the passphrase's memory times passes is {work} KiB, allowed is up to {MAX_WORK_KIB}"
            ));
        }
        Ok(())
    }
}

/// Derives the key of a passphrase. The working memory is wiped.
///
/// # Errors
/// [`SealError::Parameters`] if the cost is out of bounds, the passphrase is longer than argon2
/// takes, or its memory is not available.
pub(crate) fn derive(
    passphrase: &[u8],
    parameters: &PassphraseParameters,
) -> Result<Key, SealError> {
    parameters.check().map_err(|detail| SealError::Parameters { detail })?;
    let cost =
        Params::new(parameters.memory_kib, parameters.iterations, parameters.lanes, Some(Key::LEN))
            .map_err(refused)?;
    let mut memory = Zeroizing::new(Vec::new());
    memory.try_reserve_exact(cost.block_count()).map_err(|_| SealError::Parameters {
        detail: format!("{} KiB of memory for the passphrase are not available", cost.m_cost()),
    })?;
    memory.resize(cost.block_count(), Block::new());
    let mut key = Zeroizing::new([0; Key::LEN]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, cost)
        .hash_password_into_with_memory(passphrase, &parameters.salt, &mut key[..], &mut memory[..])
        .map_err(refused)?;
    Ok(Key::from_slice(&key[..]).expect("the buffer has the length of a key"))
}

fn refused(error: argon2::Error) -> SealError {
    SealError::Parameters { detail: format!("argon2 refused the passphrase: {error}") }
}

/// 768 MiB of memory filled: about a second, so that a forged header cannot make a reader hang.
const MAX_WORK_KIB: u64 = 768 * 1024;
