//! The sealed file of docs/FORMAT.md: turns bytes into authenticated ciphertext and back.
//!
//! This module reads no file, no vault and no clock. Randomness is passed in. A caller reads the
//! header, gets the key that the header names, and opens the file.

mod authenticated;
#[cfg(feature = "desktop")]
mod derive;
mod error;
mod foreign;
mod header;
mod key;
mod key_file;
mod key_item;
mod passphrase;
#[cfg(test)]
mod tests;

use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

pub use self::key::KeyId;
pub(crate) use self::{
    authenticated::Authenticated,
    error::SealError,
    header::{Header, KeyParameters, TAG_LEN},
    key::{Key, store_tag},
    passphrase::PassphraseParameters,
};
#[cfg(feature = "desktop")]
pub(crate) use self::{
    derive::derive,
    key_file::KeyFile,
    key_item::{KeyItem, Owner},
};
use crate::error::Source;

/// Fills a buffer with unpredictable bytes. It is passed in so that a test can reproduce a file.
pub(crate) type Random<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<(), Source>;

/// The inputs for sealing a new file.
#[derive(Debug)]
pub(crate) struct Sealing<'a> {
    pub(crate) key_id: KeyId,
    pub(crate) key: &'a Key,
    pub(crate) parameters: KeyParameters,
    /// The store's name, which a reader must know.
    pub(crate) store: &'a str,
    /// The store's identity: random, new at each creation and each reset.
    pub(crate) identity: [u8; 16],
    /// Counts the saves of this identity, from 1.
    pub(crate) generation: u64,
}

/// Encrypts `plaintext` into the bytes of a sealed file. Returns them with their header.
///
/// The nonce comes from `random`. The plaintext is encrypted in the returned buffer. No other copy
/// is made, and the buffer is wiped if anything fails.
///
/// # Errors
/// [`SealError::TooLarge`] before any work if the file would exceed `limit` bytes;
/// [`SealError::Parameters`] for a name, generation or cost that no reader would accept;
/// [`SealError::Random`] if `random` fails.
pub(crate) fn seal(
    with: &Sealing<'_>,
    plaintext: &[u8],
    limit: u64,
    random: Random<'_>,
) -> Result<(Authenticated, Vec<u8>), SealError> {
    if !is_name(with.store) {
        return Err(SealError::Parameters {
            detail: format!("the name of a store has 1 to {MAX_NAME_LEN} bytes"),
        });
    }
    if with.generation == 0 {
        return Err(SealError::Parameters { detail: "generations are counted from 1".into() });
    }
    let mut header = Header {
        key_id: with.key_id,
        parameters: with.parameters.clone(),
        key_check: with.key.check(&with.key_id),
        store_tag: store_tag(with.store),
        identity: with.identity,
        generation: with.generation,
        payload_len: plaintext.len() as u64,
        nonce: [0; 24],
    };
    if let KeyParameters::Passphrase(parameters) = &header.parameters {
        parameters.check().map_err(|detail| SealError::Parameters { detail })?;
    }
    check_size(header.file_len(), limit)?;
    random(&mut header.nonce).map_err(|source| SealError::Random { source })?;

    // As long as the file from the start: a buffer that grows leaves plaintext behind.
    let mut file = Zeroizing::new(Vec::with_capacity(header.len() + plaintext.len() + TAG_LEN));
    header.encode(&mut file);
    let associated = associated_data(&file, with.store);
    file.extend_from_slice(plaintext);
    let tag = cipher(with.key)
        .encrypt_inout_detached(
            &XNonce::from(header.nonce),
            &associated,
            (&mut file[header.len()..]).into(),
        )
        .expect("the cipher takes 256 GiB, more than a buffer checked against the limit has");
    file.extend_from_slice(&tag);
    // Leaves `Zeroizing`, because ciphertext needs no wiping.
    Ok((Authenticated::new(header), std::mem::take(&mut file)))
}

/// Decrypts the bytes of a sealed file in place. Returns the header at the start of these bytes and
/// the plaintext.
///
/// # Errors
/// The errors of [`inspect`]. Then [`SealError::WrongKey`] if `key` is not the key that the header
/// was made with. Then [`SealError::Corrupt`] if header, name and content do not belong together.
pub(crate) fn open(
    file: impl Into<Zeroizing<Vec<u8>>>,
    key: &Key,
    store: &str,
    limit: u64,
) -> Result<(Authenticated, Zeroizing<Vec<u8>>), SealError> {
    let mut file = file.into();
    // Decided again in these bytes, because the file may have changed since its head was read.
    let header = inspect(&file, file.len() as u64, store, limit)?;
    if !header.is_of(key) {
        return Err(SealError::WrongKey);
    }
    let (head, rest) = file.split_at_mut(header.len());
    let (content, tag) = rest.split_at_mut(rest.len() - TAG_LEN);
    let tag = Tag::try_from(&*tag).expect("split off with the length of a tag");
    let content_len = content.len();
    cipher(key)
        .decrypt_inout_detached(
            &XNonce::from(header.nonce),
            &associated_data(head, store),
            content.into(),
            &tag,
        )
        .map_err(|_| SealError::corrupt("the content or the header was altered"))?;
    // Moves the plaintext to the front: a new buffer would be a second copy to wipe.
    file.copy_within(header.len()..header.len() + content_len, 0);
    file.truncate(content_len);
    Ok((Authenticated::new(header), file))
}

/// Checks everything about a sealed file that needs no key. `head` is its first [`Header::MAX_LEN`]
/// bytes or more, and `file_len` is its size.
///
/// A caller asks a vault or derives a key only for a file that passed this check.
///
/// # Errors
/// In this order: [`SealError::TooLarge`]; those of [`Header::parse`]; [`SealError::Corrupt`] if
/// the file is shorter or longer than its header says; [`SealError::OtherStore`].
pub(crate) fn inspect(
    head: &[u8],
    file_len: u64,
    store: &str,
    limit: u64,
) -> Result<Header, SealError> {
    check_size(Some(file_len), limit)?;
    let (header, _) = Header::parse(head)?;
    if header.file_len() != Some(file_len) {
        return Err(SealError::corrupt(format!(
            "the header speaks of {} bytes of content, there are {file_len} bytes in all",
            header.payload_len,
        )));
    }
    if !is_name(store) || header.store_tag != store_tag(store) {
        return Err(SealError::OtherStore);
    }
    Ok(header)
}

fn is_name(store: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&store.len())
}

fn check_size(size: Option<u64>, limit: u64) -> Result<(), SealError> {
    let size = size.unwrap_or(u64::MAX);
    if size > limit {
        return Err(SealError::TooLarge { size, limit });
    }
    Ok(())
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.expose().into())
}

/// The whole header, then the length of the store's name, then the name. The length makes the
/// encoding unambiguous.
fn associated_data(header: &[u8], store: &str) -> Vec<u8> {
    let name_len = u32::try_from(store.len()).expect("a name has at most 1,024 bytes");
    let mut data = Vec::with_capacity(header.len() + 4 + store.len());
    data.extend_from_slice(header);
    data.extend_from_slice(&name_len.to_be_bytes());
    data.extend_from_slice(store.as_bytes());
    data
}

const MAX_NAME_LEN: usize = 1024;
