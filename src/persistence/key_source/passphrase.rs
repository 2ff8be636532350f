//! A key derived from a passphrase.

use std::{error::Error as StdError, fmt, sync::Arc};

use tokenkeep_platform::sync::ForkLock;

use super::{Fetched, NewKey, fill_random, random_failed, random_key_id};
use crate::{
    Error, Secret,
    seal::{self, Header, Key, KeyParameters, PassphraseParameters},
};

/// The passphrase of a cache, or a function of the program that asks for it.
#[derive(Clone)]
pub struct Passphrase(Arc<Origin>);

enum Origin {
    Given(Secret),
    Asked(Box<Ask>, ForkLock<Option<Secret>>),
}

type Ask = dyn Fn(bool) -> Result<Secret, Box<dyn StdError + Send + Sync>> + Send + Sync;

impl Passphrase {
    /// The passphrase `text`.
    pub fn new(text: impl Into<Vec<u8>>) -> Self {
        Self(Arc::new(Origin::Given(Secret::new(text))))
    }

    /// The passphrase that `ask` returns. It is called when a key is needed, until its answer was
    /// right. Its argument is whether the cache is new, so that it can ask twice.
    ///
    /// Other processes do not wait meanwhile. Other threads that use this value or its clones and
    /// need the key wait, and get the same answer or failure. `ask` must not use the cache that it
    /// serves: every call there is [`Error::Nested`].
    pub fn asked(
        ask: impl Fn(bool) -> Result<Secret, Box<dyn StdError + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Origin::Asked(Box::new(ask), ForkLock::new(None))))
    }

    fn text(&self, is_new: bool) -> Result<Secret, Error> {
        let text = match &*self.0 {
            Origin::Given(text) => text.clone(),
            Origin::Asked(ask, right) => {
                // Cloned, so that the lock is not held while the user is asked.
                let known = right.read().clone();
                known.map_or_else(|| ask(is_new), Ok).map_err(|source| Error::Callback {
                    what: "asking for the passphrase",
                    source,
                })?
            }
        };
        match text.expose() {
            [] => Err(Error::Invalid {
                detail: "the passphrase is empty; type one of several words".into(),
            }),
            _ => Ok(text),
        }
    }

    /// Keeps an answer that was right, so that the user is not asked again.
    fn remember(&self, text: Secret) {
        if let Origin::Asked(_, right) = &*self.0 {
            right.write().get_or_insert(text);
        }
    }
}

impl From<&str> for Passphrase {
    fn from(passphrase: &str) -> Self {
        Self::new(passphrase)
    }
}

impl From<String> for Passphrase {
    fn from(passphrase: String) -> Self {
        Self::new(passphrase)
    }
}

impl From<Secret> for Passphrase {
    fn from(text: Secret) -> Self {
        Self(Arc::new(Origin::Given(text)))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

#[derive(Debug)]
pub(super) struct PassphraseKey(Passphrase);

impl PassphraseKey {
    pub(super) fn new(passphrase: Passphrase) -> Self {
        Self(passphrase)
    }

    fn derive(&self, text: &Secret, parameters: &PassphraseParameters) -> Result<Key, Error> {
        seal::derive(text.expose(), parameters)
            .map_err(|e| Error::System { what: "the key derivation", source: e.to_string().into() })
    }
}

impl super::KeyProvider for PassphraseKey {
    fn name(&self) -> &'static str {
        "passphrase"
    }

    fn sealed(&self, parameters: &KeyParameters) -> bool {
        matches!(parameters, KeyParameters::Passphrase(_))
    }

    /// Refuses an empty passphrase before anything is done with it. A passphrase that must be asked
    /// for is not asked for here.
    fn reach(&self) -> Result<(), Error> {
        match &*self.0.0 {
            Origin::Given(_) => self.0.text(false).map(drop),
            Origin::Asked(..) => Ok(()),
        }
    }

    fn fetch(&self, header: &Header) -> Result<Fetched, Error> {
        let KeyParameters::Passphrase(parameters) = &header.parameters else {
            return Ok(Fetched::Another);
        };
        let text = self.0.text(false)?;
        let key = self.derive(&text, parameters)?;
        // A wrong answer is not kept, so that the user can be asked again.
        if key.check(&header.key_id) == header.key_check {
            self.0.remember(text);
        }
        Ok(Fetched::Key(key))
    }

    fn new_key(&self) -> Result<NewKey, Error> {
        // Before the question, so that the user is not asked in vain.
        let parameters = PassphraseParameters::random(&mut fill_random).map_err(random_failed)?;
        let text = self.0.text(true)?;
        let key = self.derive(&text, &parameters)?;
        // For a new cache any answer is the right one.
        self.0.remember(text);
        let parameters = KeyParameters::Passphrase(parameters);
        Ok(NewKey { id: random_key_id()?, key, parameters })
    }
}
