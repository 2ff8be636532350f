//! Derives a key from a passphrase with argon2id (RFC 9106).

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use super::{Key, PassphraseParameters, SealError};

/// Derives the key of a passphrase. The working memory is wiped afterwards.
///
/// # Errors
/// [`SealError::Parameters`] if the cost is out of bounds, if the passphrase is longer than argon2
/// accepts, or if the memory is not available.
pub(crate) fn derive(
    passphrase: &[u8],
    parameters: &PassphraseParameters,
) -> Result<Key, SealError> {
    parameters.check().map_err(|detail| SealError::Parameters { detail })?;
    let cost =
        Params::new(parameters.memory_kib, parameters.iterations, parameters.lanes, Some(Key::LEN))
            .map_err(refused)?;
    let mut memory = Zeroizing::new(Vec::new());
    // Without memory an error is returned; a plain allocation would abort the process.
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
