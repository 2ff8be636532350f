//! The key of sealed values.

use std::fmt;

use super::EnvelopeError;
use crate::{
    error::Source,
    seal::{Key, KeyId},
};

/// A key of 32 bytes that seals and opens values. It is wiped on drop, and `Debug` prints no byte.
#[derive(Clone)]
pub struct EnvelopeKey(Key);

impl EnvelopeKey {
    /// The key with these bytes. Returns `None` if there are not exactly 32 of them.
    ///
    /// The bytes are copied. The caller wipes its own.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Key::from_slice(bytes).map(Self)
    }

    /// A new key from the operating system's random generator.
    ///
    /// # Errors
    /// [`EnvelopeError::Random`] if the generator fails.
    pub fn random() -> Result<Self, EnvelopeError> {
        Key::random(&mut fill_random).map(Self).map_err(|source| EnvelopeError::Random { source })
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    pub(super) fn inner(&self) -> &Key {
        &self.0
    }
}

impl fmt::Debug for EnvelopeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnvelopeKey(..)")
    }
}

impl KeyId {
    /// A new id from the operating system's random generator.
    ///
    /// # Errors
    /// [`EnvelopeError::Random`] if the generator fails.
    pub fn random() -> Result<Self, EnvelopeError> {
        Self::draw(&mut fill_random).map_err(|source| EnvelopeError::Random { source })
    }
}

pub(super) fn fill_random(bytes: &mut [u8]) -> Result<(), Source> {
    Ok(tokenkeep_platform::random::fill(bytes)?)
}
