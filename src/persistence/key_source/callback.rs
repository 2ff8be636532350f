//! A key that the program supplies.

use std::{error::Error as StdError, fmt, sync::Arc};

use super::{Fetched, NewKey, random_key_id};
use crate::{
    Error, Secret,
    seal::{Header, Key, KeyId, KeyParameters},
};

/// A function of the program that supplies the 32 bytes of a key.
#[derive(Clone)]
pub struct KeyCallback(Arc<Function>);

type Function =
    dyn Fn(&KeyRequest) -> Result<Secret, Box<dyn StdError + Send + Sync>> + Send + Sync;

/// Which key is asked for.
///
/// For an existing cache, `key_id` comes from its file's header, which is not authenticated yet.
/// Anyone who can write the file can write any identifier there. Do not use it to choose among keys
/// of other stores, other users or other services. Do not build a path, a query or a command from
/// it. Look for it only among the keys that were made for `store` and this user, and return an
/// error if it is not there. A key that others know would open a cache that they have planted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyRequest {
    /// The store's name.
    pub store: String,
    /// The key's identifier, 32 hexadecimal digits. For a new cache it is the one that the key will
    /// have. For an existing cache it is what the file says, not authenticated.
    pub key_id: String,
    /// Whether the cache is new, so that a new key may be made.
    pub is_new: bool,
}

impl KeyCallback {
    /// Wraps `function`, which is not called again once it returned the right key.
    ///
    /// It is called before the store's lock is taken, so other processes do not wait for it. Other
    /// threads that use this value or its clones and need the key wait for it, up to the lock's
    /// timeout and at least 5 s. They get the same answer or failure. `function` must not use the
    /// cache that it serves. Every call there is [`Error::Nested`] at once, also through a clone or
    /// another value over the same store. A call on another thread is not recognised and ends with
    /// [`Error::LockTimeout`], so `function` must not wait for it.
    pub fn new(
        function: impl Fn(&KeyRequest) -> Result<Secret, Box<dyn StdError + Send + Sync>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Arc::new(function))
    }
}

impl fmt::Debug for KeyCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyCallback")
    }
}

#[derive(Debug)]
pub(super) struct CallbackKey {
    store: String,
    callback: KeyCallback,
}

impl CallbackKey {
    pub(super) fn new(store: &str, callback: KeyCallback) -> Self {
        Self { store: store.to_owned(), callback }
    }

    fn ask(&self, id: &KeyId, is_new: bool) -> Result<Key, Error> {
        let request = KeyRequest { store: self.store.clone(), key_id: id.to_string(), is_new };
        let secret = (self.callback.0)(&request)
            .map_err(|source| Error::Callback { what: "the program's key callback", source })?;
        Key::from_slice(secret.expose()).ok_or_else(|| Error::Invalid {
            detail: format!(
                "the program's key callback gave {} bytes, a key has 32",
                secret.expose().len()
            ),
        })
    }
}

impl super::KeyProvider for CallbackKey {
    fn name(&self) -> &'static str {
        "callback"
    }

    fn sealed(&self, parameters: &KeyParameters) -> bool {
        matches!(parameters, KeyParameters::Callback)
    }

    fn fetch(&self, header: &Header) -> Result<Fetched, Error> {
        self.ask(&header.key_id, false).map(Fetched::Key)
    }

    fn new_key(&self) -> Result<NewKey, Error> {
        let id = random_key_id()?;
        Ok(NewKey { key: self.ask(&id, true)?, id, parameters: KeyParameters::Callback })
    }
}
