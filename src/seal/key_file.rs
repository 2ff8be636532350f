//! The key file: five lines of ASCII text that hold the key of one cache.

use zeroize::Zeroizing;

use super::{
    Key, KeyId, SealError,
    key::{decode_hex, place_tag, store_tag},
};

/// The content of a key file.
#[derive(Debug)]
pub(crate) struct KeyFile {
    pub(crate) store_tag: [u8; 16],
    /// The tag of the path from the key file's folder to the folder in which the cache was made.
    pub(crate) place_tag: [u8; 16],
    pub(crate) key_id: KeyId,
    pub(crate) key: Key,
}

impl KeyFile {
    /// The size of every key file in bytes, so that a reader need not read more.
    pub(crate) const LEN: usize = 22 + 2 * (7 + 32 + 1) + (8 + 32 + 1) + (5 + 64 + 1);

    /// A key file for the cache of the store `store`. `place` is the path from the key file's
    /// folder to the cache's.
    pub(crate) fn new(store: &str, place: &[u8], key_id: KeyId, key: Key) -> Self {
        Self { store_tag: store_tag(store), place_tag: place_tag(place), key_id, key }
    }

    /// Reads exactly what [`KeyFile::print`] prints.
    ///
    /// # Errors
    /// [`SealError::InvalidKeyFile`] with the first line that is wrong, without its content.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        let mut rest = bytes;
        let first = line(&mut rest, 1)?;
        if first != FIRST_LINE {
            return Err(invalid(if first.starts_with(ANY_VERSION) {
                "its version is not 1, the only one that this program knows"
            } else {
                "line 1 is not `tokenkeep-key-file-v1`"
            }));
        }
        let mut store_tag = [0; 16];
        value(
            line(&mut rest, 2)?,
            STORE,
            &mut store_tag,
            "line 2 is not `store: ` and 32 hex digits",
        )?;
        let mut place_tag = [0; 16];
        value(
            line(&mut rest, 3)?,
            PLACE,
            &mut place_tag,
            "line 3 is not `place: ` and 32 hex digits",
        )?;
        let mut key_id = [0; 16];
        value(
            line(&mut rest, 4)?,
            KEY_ID,
            &mut key_id,
            "line 4 is not `key-id: ` and 32 hex digits",
        )?;
        let mut key = Zeroizing::new([0; Key::LEN]);
        value(line(&mut rest, 5)?, KEY, &mut key[..], "line 5 is not `key: ` and 64 hex digits")?;
        if !rest.is_empty() {
            return Err(invalid("something follows line 5"));
        }
        let key = Key::from_slice(&key[..]).expect("the buffer has the length of a key");
        Ok(Self { store_tag, place_tag, key_id: KeyId::from_bytes(key_id), key })
    }

    /// The text to write. Only the owner may be able to read the file.
    pub(crate) fn print(&self) -> Zeroizing<Vec<u8>> {
        let mut text = Zeroizing::new(Vec::with_capacity(Self::LEN));
        text.extend_from_slice(FIRST_LINE);
        for (name, value) in [
            (STORE, &self.store_tag[..]),
            (PLACE, &self.place_tag[..]),
            (KEY_ID, &self.key_id.as_bytes()[..]),
            (KEY, &self.key.expose()[..]),
        ] {
            text.push(b'\n');
            text.extend_from_slice(name);
            // Into the wiped buffer, because `hexadecimal` returns a copy that is not wiped.
            for byte in value {
                text.push(DIGITS[usize::from(byte >> 4)]);
                text.push(DIGITS[usize::from(byte & 15)]);
            }
        }
        text.push(b'\n');
        text
    }

    /// Whether this key was made for the store `name`.
    pub(crate) fn belongs_to(&self, name: &str) -> bool {
        self.store_tag == store_tag(name)
    }

    /// Whether this key was made for a cache at `place`.
    pub(crate) fn lies_for(&self, place: &[u8]) -> bool {
        self.place_tag == place_tag(place)
    }
}

fn line<'a>(rest: &mut &'a [u8], number: usize) -> Result<&'a [u8], SealError> {
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| {
        match rest.is_empty() && number == 1 {
            true => invalid("it is empty"),
            false => invalid(format!("line {number} is cut off")),
        }
    })?;
    let (line, after) = rest.split_at(end);
    *rest = &after[1..];
    Ok(line)
}

fn value(
    line: &[u8],
    name: &[u8],
    into: &mut [u8],
    expected: &'static str,
) -> Result<(), SealError> {
    match line.strip_prefix(name) {
        Some(text) if decode_hex(text, into) => Ok(()),
        _ => Err(invalid(expected)),
    }
}

fn invalid(detail: impl Into<String>) -> SealError {
    SealError::InvalidKeyFile { detail: detail.into() }
}

const ANY_VERSION: &[u8] = b"tokenkeep-key-file-v";
const FIRST_LINE: &[u8] = b"tokenkeep-key-file-v1";
const STORE: &[u8] = b"store: ";
const PLACE: &[u8] = b"place: ";
const KEY_ID: &[u8] = b"key-id: ";
const KEY: &[u8] = b"key: ";
const DIGITS: &[u8; 16] = b"0123456789abcdef";
