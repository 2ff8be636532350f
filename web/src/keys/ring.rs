//! The keys by which values are named, sealed and opened.

use std::{fmt, str::FromStr};

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use tokenkeep::envelope::{EnvelopeKey, KeyId};
use zeroize::Zeroizing;

use crate::Error;

/// The keys of an application: one names the values, the others seal and open them.
///
/// As text it fits one environment variable or secret file:
/// `tkweb1;name=<key>;<key id>=<key>;<key id>=<key>`. A key is 32 bytes in base64url, a key id is
/// 32 hexadecimal digits. The first key after the name seals, and all of them open. There are at
/// most [`MAX_KEYS`](Self::MAX_KEYS).
///
/// To change the key that seals:
///
/// 1. Give all nodes the ring that [`rotated`](Self::rotated) returns. Its new key is the last.
/// 2. Give all nodes the ring that [`with_last_first`](Self::with_last_first) returns. From now on
///    every write uses the new key.
/// 3. Call [`rewrap_all`](crate::WebTokenCache::rewrap_all) for the values that nobody writes.
/// 4. Give all nodes the ring without the old key; see [`without`](Self::without).
///
/// The naming key never changes. With another one all users are signed out.
#[derive(Clone)]
pub struct KeyRing {
    naming: EnvelopeKey,
    keys: Vec<(KeyId, EnvelopeKey)>,
}

impl KeyRing {
    /// The most keys that seal and open.
    pub const MAX_KEYS: usize = 16;

    /// A new ring with random keys, one of which seals.
    ///
    /// # Errors
    ///
    /// [`Error::KeysUnavailable`] if there are no random bytes.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self { naming: EnvelopeKey::random()?, keys: vec![new_key()?] })
    }

    /// Reads the ring from the environment variable `name`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the variable is not set or is no key ring.
    pub fn from_env(name: &str) -> Result<Self, Error> {
        match std::env::var(name) {
            Ok(text) => Zeroizing::new(text).parse(),
            Err(_) => Err(Error::invalid(format!(
                "the environment variable {name:?} is not set or is not text; set it to a key ring"
            ))),
        }
    }

    /// The ring with a new key at the end, which opens and does not seal yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if there are [`MAX_KEYS`](Self::MAX_KEYS) already;
    /// [`Error::KeysUnavailable`] if there are no random bytes.
    pub fn rotated(&self) -> Result<Self, Error> {
        if self.keys.len() >= Self::MAX_KEYS {
            let detail = format!("a key ring has at most {} keys; drop an old one", Self::MAX_KEYS);
            return Err(Error::invalid(detail));
        }
        let mut ring = self.clone();
        ring.keys.push(new_key()?);
        Ok(ring)
    }

    /// The ring with the last key as the first, which seals.
    #[must_use]
    pub fn with_last_first(&self) -> Self {
        let mut ring = self.clone();
        ring.keys.rotate_right(1);
        ring
    }

    /// The ring without the key `key_id`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is the first key, which seals, or the ring does not have it.
    pub fn without(&self, key_id: KeyId) -> Result<Self, Error> {
        let mut ring = self.clone();
        match ring.keys.iter().position(|(id, _)| *id == key_id) {
            Some(nth @ 1..) => {
                ring.keys.remove(nth);
                Ok(ring)
            }
            Some(0) => Err(Error::invalid("the key seals; put another one first")),
            None => Err(Error::invalid("the key ring does not have this key")),
        }
    }

    /// The ids of the keys that open, the one that seals first.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.iter().map(|(id, _)| *id)
    }

    /// The ring as text. It is a secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        // Long enough from the start: text that moves leaves a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(64 + 80 * self.keys.len()));
        let encoded = |key: &EnvelopeKey| Zeroizing::new(BASE64.encode(key.expose()));
        text.push_str(FORMAT);
        text.push_str(";name=");
        text.push_str(&encoded(&self.naming));
        for (id, key) in &self.keys {
            text.push_str(&format!(";{id}="));
            text.push_str(&encoded(key));
        }
        text
    }

    pub(super) fn naming(&self) -> &EnvelopeKey {
        &self.naming
    }

    pub(super) fn sealing(&self) -> &(KeyId, EnvelopeKey) {
        self.keys.first().expect("a key ring has a key")
    }

    pub(super) fn opening(&self, key_id: KeyId) -> Option<&EnvelopeKey> {
        self.keys.iter().find(|(id, _)| *id == key_id).map(|(_, key)| key)
    }
}

/// White space at both ends does not count, as a file has it.
impl FromStr for KeyRing {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |what: String| {
            Error::invalid(format!(
                "the key ring cannot be read: {what}; expected is \
                 tkweb1;name=<key>;<key id>=<key>, as `KeyRing::to_text` writes it"
            ))
        };
        let mut parts = text.trim().split(';');
        if parts.next() != Some(FORMAT) {
            return Err(wrong(format!("it does not begin with {FORMAT}")));
        }
        let naming = parts.next().and_then(|part| part.strip_prefix("name="));
        let naming = naming.and_then(read_key);
        let naming = naming.ok_or_else(|| wrong("its naming key is not 32 bytes".into()))?;
        let mut keys: Vec<(KeyId, EnvelopeKey)> = Vec::new();
        for (nth, part) in parts.enumerate() {
            let nth = nth + 1;
            let (id, key) =
                part.split_once('=').ok_or_else(|| wrong(format!("key {nth} has no id")))?;
            let id = KeyId::from_hex(id).ok_or_else(|| {
                wrong(format!("the id of key {nth} is not 32 hexadecimal digits"))
            })?;
            let key = read_key(key).ok_or_else(|| wrong(format!("key {nth} is not 32 bytes")))?;
            if keys.iter().any(|(known, _)| *known == id) {
                return Err(wrong(format!("key {nth} has the id of another one")));
            }
            keys.push((id, key));
        }
        match keys.len() {
            0 => Err(wrong("it has no key that seals".into())),
            1..=Self::MAX_KEYS => Ok(Self { naming, keys }),
            count => Err(wrong(format!("it has {count} keys, at most {}", Self::MAX_KEYS))),
        }
    }
}

/// The ids alone.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<String> = self.key_ids().map(|id| id.to_string()).collect();
        f.debug_struct("KeyRing").field("keys", &ids).finish_non_exhaustive()
    }
}

fn new_key() -> Result<(KeyId, EnvelopeKey), Error> {
    Ok((KeyId::random()?, EnvelopeKey::random()?))
}

fn read_key(text: &str) -> Option<EnvelopeKey> {
    // One byte more than a key, so that a longer text is an error of the length.
    let mut bytes = Zeroizing::new([0; 36]);
    let len = BASE64.decode_slice(text, &mut *bytes).ok()?;
    EnvelopeKey::from_slice(bytes.get(..len)?)
}

const FORMAT: &str = "tkweb1";
/// Without padding; with it is read, too.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_the_same_ring() {
        let ring = KeyRing::generate().unwrap().rotated().unwrap();
        let text = ring.to_text();
        let read: KeyRing = format!(" {}\n", *text).parse().unwrap();
        assert_eq!(read.to_text(), text);
        assert_eq!(read.naming().expose(), ring.naming().expose());
    }

    #[test]
    fn a_rotation_adds_seals_and_drops() {
        let old = KeyRing::generate().unwrap();
        let both = old.rotated().unwrap();
        assert_eq!(both.sealing().0, old.sealing().0);
        let new = both.with_last_first();
        assert_ne!(new.sealing().0, old.sealing().0);
        assert!(new.opening(old.sealing().0).is_some());
        assert!(new.without(new.sealing().0).is_err());
        let after = new.without(old.sealing().0).unwrap();
        assert_eq!(after.key_ids().collect::<Vec<_>>(), [new.sealing().0]);
        assert_eq!(after.naming().expose(), old.naming().expose());
    }

    #[test]
    fn a_wrong_text_is_refused_and_shows_no_key() {
        let ring = KeyRing::generate().unwrap();
        let text = ring.to_text();
        let (head, key) = text.rsplit_once('=').unwrap();
        let second = text.rsplit_once(';').unwrap().1;
        let wrong = [
            "",
            "tkweb1",
            &text["tkweb1".len()..],
            &text[..text.len() - 1],
            &format!("{}A", *text),
            &format!("{head}={}", &key[1..]),
            &format!("{};{second}", *text),
            &format!("{};", *text),
            &text.replace("name=", "nam="),
            text.rsplit_once(';').unwrap().0,
        ];
        for wrong in wrong {
            let error = wrong.parse::<KeyRing>().unwrap_err().to_string();
            assert!(!error.contains(key), "{error}");
        }
        assert!(!format!("{ring:?}").contains(key));
    }

    #[test]
    fn there_are_at_most_sixteen_keys() {
        let mut ring = KeyRing::generate().unwrap();
        for _ in 1..KeyRing::MAX_KEYS {
            ring = ring.rotated().unwrap();
        }
        assert!(ring.rotated().is_err());
        let text = ring.to_text();
        text.parse::<KeyRing>().unwrap();
        let more = format!("{};{}={}", *text, KeyId::random().unwrap(), "A".repeat(43));
        assert!(more.parse::<KeyRing>().is_err());
    }
}
