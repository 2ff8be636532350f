//! The secret of a vault's item: a key, and the cache that the key was made for.

use zeroize::Zeroizing;

use super::{Key, SealError};

/// The content of a vault's item.
#[derive(Debug)]
pub(crate) struct KeyItem {
    pub(crate) key: Key,
    /// `None` for a bare key, which the first versions stored. No cache owns such a key.
    pub(crate) owner: Option<Owner>,
}

/// The only cache that a key was made for, and that may remove the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The store's name.
    pub(crate) store: String,
    /// The cache's folder in the operating system's form. Empty if it is too long; then no cache
    /// removes the key.
    pub(crate) folder: Vec<u8>,
}

impl KeyItem {
    /// The size limit of an item in bytes, which is that of Credential Manager.
    pub(crate) const MAX_LEN: usize = 2_560;

    /// Reads exactly what [`KeyItem::print`] prints, or a bare key.
    ///
    /// # Errors
    /// [`SealError::Corrupt`] for anything else, without its content.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        let length = bytes.len();
        let Some((key, rest)) = bytes.split_at_checked(Key::LEN) else {
            return Err(SealError::corrupt(format!("it has {length} bytes, a key has 32")));
        };
        let key = Key::from_slice(key).expect("split off with the length of a key");
        if rest.is_empty() {
            return Ok(Self { key, owner: None });
        }
        if length > Self::MAX_LEN {
            let limit = Self::MAX_LEN;
            return Err(SealError::corrupt(format!("it has {length} bytes, allowed are {limit}")));
        }
        let mut rest = rest;
        match take(&mut rest, 1)? {
            [VERSION] => {}
            _ => return Err(SealError::corrupt("its layout is not 1; update this program")),
        }
        let store = text(&mut rest)?;
        let store = std::str::from_utf8(store).ok().filter(|name| super::is_name(name));
        let store = store.ok_or_else(|| SealError::corrupt("it names no store"))?.to_owned();
        let folder = text(&mut rest)?.to_vec();
        match rest {
            [] => Ok(Self { key, owner: Some(Owner { store, folder }) }),
            _ => Err(SealError::corrupt("something follows the folder")),
        }
    }

    /// The bytes to store. A folder that does not fit is omitted.
    pub(crate) fn print(key: &Key, owner: &Owner) -> Zeroizing<Vec<u8>> {
        // 5 bytes: one for the layout and two for each of two lengths.
        let room = (Self::MAX_LEN - Key::LEN - 5).saturating_sub(owner.store.len());
        let folder = if owner.folder.len() <= room { &owner.folder[..] } else { &[] };
        // Never grows, so no copy of the key is left behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(Self::MAX_LEN));
        bytes.extend_from_slice(key.expose());
        bytes.push(VERSION);
        for text in [owner.store.as_bytes(), folder] {
            let length = u16::try_from(text.len()).expect("at most what an item holds");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(text);
        }
        bytes
    }

    /// Whether the key was made for the cache of `owner` and for no other.
    pub(crate) fn is_of(&self, owner: &Owner) -> bool {
        !owner.folder.is_empty() && self.owner.as_ref() == Some(owner)
    }
}

/// A text after its length in two bytes.
fn text<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], SealError> {
    let length = take(rest, 2)?;
    take(rest, usize::from(u16::from_be_bytes([length[0], length[1]])))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], SealError> {
    let (taken, after) =
        rest.split_at_checked(length).ok_or_else(|| SealError::corrupt("it is cut off"))?;
    *rest = after;
    Ok(taken)
}

const VERSION: u8 = 1;
