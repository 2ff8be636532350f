//! The value of a partition: a token cache, sealed.

use tokenkeep::{
    TokenCache,
    envelope::{self, Envelope},
};

use crate::{
    Error,
    keys::{Keys, Ring},
    partition::seal_name,
    store::{Mark, StoreKey},
};
use std::sync::Arc;

/// The tokens of a partition, as a value of the store has them.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) cache: TokenCache,
    /// The mark of the value. `None` if the store has none.
    pub(crate) mark: Option<Mark>,
    pub(crate) identity: [u8; 16],
    pub(crate) generation: u64,
    /// The highest generation of this identity that was seen here.
    pub(crate) seen: u64,
    /// The length of the JSON in bytes.
    pub(crate) len: usize,
}

impl Kept {
    /// Whether it and a value of the store are saves of the same thing, and this one is later.
    pub(crate) fn is_later_than(&self, other: &Self) -> bool {
        self.identity == other.identity && self.seen > other.generation
    }
}

/// Opens a value. Loads the key ring again if it does not have the key.
pub(crate) async fn open(keys: &Arc<Keys>, key: &StoreKey, value: Vec<u8>) -> Result<Kept, Error> {
    let name = seal_name(key);
    // Decided without a key, so that nobody makes a node load the ring by an invented key id.
    let header = envelope::inspect(&value, &name, READ_LIMIT)?;
    let ring = keys.ring_with(header.key_id()).await?;
    open_with(&ring, &name, value)
}

/// Opens a value whose key the ring has.
pub(crate) fn open_with(ring: &Ring, name: &str, value: Vec<u8>) -> Result<Kept, Error> {
    let key_id = envelope::inspect(&value, name, READ_LIMIT)?.key_id();
    let key = ring.opening(key_id).ok_or(Error::KeyUnknown { key_id })?;
    let (header, json) = envelope::open(value, key, name, READ_LIMIT)?;
    let cache = TokenCache::from_json(json.expose())
        .map_err(|_| Error::Corrupt { detail: "its content is no token cache".into() })?;
    Ok(Kept {
        cache,
        mark: Mark::from_slice(&header.mark()),
        identity: header.identity(),
        generation: header.generation(),
        seen: header.generation(),
        len: json.expose().len(),
    })
}

/// Seals what follows after `before`, and returns the value with what it has.
///
/// # Errors
///
/// [`Error::TooLarge`] if it is larger than [`LIMIT`].
pub(crate) fn seal(
    ring: &Ring,
    key: &StoreKey,
    cache: TokenCache,
    before: Option<&Kept>,
) -> Result<(Kept, Vec<u8>), Error> {
    let (identity, generation) = match before {
        Some(before) => (before.identity, before.seen.max(before.generation) + 1),
        None => (random()?, 1),
    };
    let json = cache.to_json();
    let size = json.expose().len() as u64 + OVERHEAD;
    if size > LIMIT {
        return Err(Error::TooLarge { entries: cache.len(), size, limit: LIMIT });
    }
    let (key_id, sealing) = ring.sealing();
    let name = seal_name(key);
    let envelope = Envelope::new(key_id, sealing, &name, identity, generation);
    let (header, value) = envelope.seal(json.expose(), LIMIT)?;
    let mark = Mark::from_slice(&header.mark());
    let len = json.expose().len();
    Ok((Kept { cache, mark, identity, generation, seen: generation, len }, value))
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::KeysUnavailable {
        retry_after: std::time::Duration::from_secs(1),
        source: Some(Arc::new(error)),
    })?;
    Ok(bytes)
}

/// The most bytes of a sealed value that is written.
pub(crate) const LIMIT: u64 = 256 * 1024;
/// What another version of this crate may have written.
const READ_LIMIT: u64 = 4 * LIMIT;
/// The header and the tag of a sealed value.
const OVERHEAD: u64 = 136;
