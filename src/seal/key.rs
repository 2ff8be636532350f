//! A sealing key, its id, and what a header contains about them.

use std::fmt;

use sha2::{Digest, Sha256};
use tokenkeep_platform::text::hexadecimal;
use zeroize::Zeroizing;

use super::Random;
use crate::error::Source;

/// The random id of a key. It says nothing about the key's content.
///
/// `Display` prints 32 lower-case hexadecimal digits, the form that vault items, key files, key
/// rings and error texts use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads what `Display` prints. Returns `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        decode_hex(text.as_bytes(), &mut bytes).then_some(Self(bytes))
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(crate) fn draw(random: Random<'_>) -> Result<Self, Source> {
        let mut bytes = [0; 16];
        random(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal(self.0))
    }
}

/// A 256-bit key that seals and opens. Wiped on drop and not printed by `Debug`.
#[derive(Clone)]
pub(crate) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    pub(crate) const LEN: usize = 32;

    pub(crate) fn random(random: Random<'_>) -> Result<Self, Source> {
        let mut key = Self(Zeroizing::new([0; Self::LEN]));
        random(&mut key.0[..])?;
        Ok(key)
    }

    /// The key with these bytes. Returns `None` if there are not exactly 32 of them.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::LEN {
            return None;
        }
        let mut key = Zeroizing::new([0; Self::LEN]);
        key.copy_from_slice(bytes);
        Some(Self(key))
    }

    pub(crate) fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The value that a header stores about the key. It tells a wrong key from a damaged file. It
    /// also commits to this key, which Poly1305 by itself does not do.
    pub(crate) fn check(&self, id: &KeyId) -> [u8; 16] {
        // The label keeps this hash apart from the other ones, and from other uses of the key.
        let digest =
            Sha256::new().chain_update(KEY_CHECK).chain_update(id.0).chain_update(self.expose());
        first_half(digest)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// The value that a header or a key file stores about the name of its store.
pub(crate) fn store_tag(name: &str) -> [u8; 16] {
    first_half(Sha256::new().chain_update(STORE_NAME).chain_update(name))
}

/// The value that a key file stores about the location of its cache.
pub(crate) fn place_tag(way: &[u8]) -> [u8; 16] {
    first_half(Sha256::new().chain_update(PLACE).chain_update(way))
}

/// Reads lower-case hexadecimal into a buffer of exactly the right size, so that no copy of a key
/// is left elsewhere. Returns `false` if the text is anything else.
pub(crate) fn decode_hex(text: &[u8], into: &mut [u8]) -> bool {
    if text.len() != 2 * into.len() {
        return false;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    for (pair, byte) in text.chunks_exact(2).zip(into) {
        let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
            return false;
        };
        *byte = high << 4 | low;
    }
    true
}

fn first_half(digest: Sha256) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest.finalize()[..16]);
    half
}

const KEY_CHECK: &[u8] = b"tokenkeep key check v1";
const STORE_NAME: &[u8] = b"tokenkeep store name v1";
const PLACE: &[u8] = b"tokenkeep place v1";
