//! Seals bytes for a store of your own, such as a database, in the format of docs/FORMAT.md.
//!
//! A sealed value is a header in the clear, the ciphertext and a tag (XChaCha20-Poly1305). It opens
//! under its key and its store's name only. Nothing here reads a file, a vault or a clock. Where
//! the key comes from, and where the value goes, is up to the caller.
//!
//! ```
//! use tokenkeep::envelope::{self, Envelope, EnvelopeKey, KeyId};
//!
//! let (key_id, key) = (KeyId::random()?, EnvelopeKey::random()?);
//! let identity = *KeyId::random()?.as_bytes();
//! let envelope = Envelope::new(key_id, &key, "shop/7f3a", identity, 1);
//! let (sealed, value) = envelope.seal(b"tokens", 64 * 1024)?;
//!
//! // The header names the key to look for. It proves nothing before the value was opened.
//! assert_eq!(envelope::inspect(&value, "shop/7f3a", 64 * 1024)?.key_id(), key_id);
//! let (opened, plaintext) = envelope::open(value, &key, "shop/7f3a", 64 * 1024)?;
//! assert_eq!(opened.mark(), sealed.mark());
//! assert_eq!(plaintext.expose(), b"tokens");
//! # Ok::<(), tokenkeep::envelope::EnvelopeError>(())
//! ```

mod error;
mod key;

pub use self::{error::EnvelopeError, key::EnvelopeKey};
pub use crate::seal::KeyId;
use crate::{
    Secret,
    error::Source,
    seal::{self, KeyParameters, Sealing},
};

/// What a value is sealed with.
///
/// The value's key source is 4, callback: the caller supplies the key.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Envelope<'a> {
    /// Names the key. It stands in the header in the clear.
    pub key_id: KeyId,
    /// The key.
    pub key: &'a EnvelopeKey,
    /// The store's name, from 1 to 1,024 bytes. Only who knows it can open the value.
    pub name: &'a str,
    /// The identity of what is kept under the name: random, and new whenever that starts over.
    pub identity: [u8; 16],
    /// The number of the save under this identity, from 1. A lower one shows an older value.
    pub generation: u64,
}

impl<'a> Envelope<'a> {
    /// Seals with `key`, which `key_id` names, for the store `name`.
    pub const fn new(
        key_id: KeyId,
        key: &'a EnvelopeKey,
        name: &'a str,
        identity: [u8; 16],
        generation: u64,
    ) -> Self {
        Self { key_id, key, name, identity, generation }
    }

    /// Encrypts `plaintext`. Returns the value and its header.
    ///
    /// `limit` is the most bytes that the whole value may have. A value has 136 bytes more than its
    /// plaintext. The nonce comes from the operating system.
    ///
    /// # Errors
    /// [`EnvelopeError::Parameters`] for a name or a generation that no reader accepts, then
    /// [`EnvelopeError::TooLarge`], then [`EnvelopeError::Random`].
    pub fn seal(&self, plaintext: &[u8], limit: u64) -> Result<(Header, Vec<u8>), EnvelopeError> {
        self.seal_with(plaintext, limit, &mut key::fill_random)
    }

    /// As [`seal`](Self::seal), with the nonce from `random`.
    ///
    /// `random` fills the buffer with unpredictable bytes. Two values under one key with the same
    /// nonce reveal their plaintexts, so other bytes are for tests only.
    ///
    /// # Errors
    /// Those of [`seal`](Self::seal). The error of `random` is the source of
    /// [`EnvelopeError::Random`].
    pub fn seal_with(
        &self,
        plaintext: &[u8],
        limit: u64,
        random: &mut dyn FnMut(&mut [u8]) -> Result<(), Source>,
    ) -> Result<(Header, Vec<u8>), EnvelopeError> {
        let with = Sealing {
            key_id: self.key_id,
            key: self.key.inner(),
            parameters: KeyParameters::Callback,
            store: self.name,
            identity: self.identity,
            generation: self.generation,
        };
        let (header, value) = seal::seal(&with, plaintext, limit, random)?;
        Ok((Header((*header).clone()), value))
    }
}

/// Decrypts `value` in place. Returns its header, which is now proven, and the plaintext.
///
/// The key source in the header is not looked at: a value that another program sealed under a
/// vault's key opens, if `key` is that key. A value under a passphrase opens under the key that was
/// derived from it.
///
/// # Errors
/// Those of [`inspect`], then [`EnvelopeError::WrongKey`], then [`EnvelopeError::Corrupt`] if a
/// byte was altered.
pub fn open(
    value: Vec<u8>,
    key: &EnvelopeKey,
    name: &str,
    limit: u64,
) -> Result<(Header, Secret), EnvelopeError> {
    let (header, plaintext) = seal::open(value, key.inner(), name, limit)?;
    Ok((Header((*header).clone()), Secret::wiped(plaintext)))
}

/// Checks everything about a value that needs no key. The header proves nothing: anyone who can
/// write to the store may have made it. It says which key to try.
///
/// `limit` is the most bytes that the whole value may have.
///
/// # Errors
/// In this order: [`EnvelopeError::TooLarge`]; [`EnvelopeError::NotSealed`];
/// [`EnvelopeError::UnsupportedVersion`]; [`EnvelopeError::UnsupportedSuite`];
/// [`EnvelopeError::UnknownKeySource`]; [`EnvelopeError::Corrupt`] if the header or the length is
/// wrong; [`EnvelopeError::OtherStore`]. A value that ends early is `Corrupt` at the field where it
/// ends.
pub fn inspect(value: &[u8], name: &str, limit: u64) -> Result<Header, EnvelopeError> {
    Ok(Header(seal::inspect(value, value.len() as u64, name, limit)?))
}

/// What a sealed value says about itself in the clear. None of it is secret.
///
/// It is proven if it came from [`Envelope::seal`] or [`open`], and not if it came from
/// [`inspect`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header(seal::Header);

impl Header {
    /// The id of the key that the value was sealed with.
    pub fn key_id(&self) -> KeyId {
        self.0.key_id
    }

    /// The identity of what is kept under the store's name.
    pub fn identity(&self) -> [u8; 16] {
        self.0.identity
    }

    /// The number of the save under this identity, from 1.
    pub fn generation(&self) -> u64 {
        self.0.generation
    }

    /// The length of the plaintext in bytes.
    pub fn payload_len(&self) -> u64 {
        self.0.payload_len
    }

    /// The bytes 80 to 119 of the value: generation, length of the plaintext, nonce.
    ///
    /// The nonce is random in each save, so equal marks mean the same save.
    pub fn mark(&self) -> [u8; 40] {
        self.0.mark()
    }
}
