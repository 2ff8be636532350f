//! A key derived from a passphrase.

use super::{Candidate, Fetched, fill_random, random_failed, random_key_id};
use crate::{
    Error, Secret,
    seal::{self, Header, Key, KeyParameters, PassphraseParameters},
};

#[derive(Debug)]
pub(super) struct Keys(Secret);

impl Keys {
    pub(super) fn new(passphrase: Secret) -> Result<Self, Error> {
        if passphrase.expose().is_empty() {
            return Err(Error::Invalid {
                detail: "the passphrase is empty; type one of several words".into(),
            });
        }
        Ok(Self(passphrase))
    }

    fn derive(&self, parameters: &PassphraseParameters) -> Result<Key, Error> {
        seal::derive(self.0.expose(), parameters)
            .map_err(|e| Error::Invalid { detail: format!("no key from the passphrase: {e}") })
    }
}

impl super::Keys for Keys {
    fn name(&self) -> &'static str {
        "passphrase"
    }

    fn sealed(&self, parameters: &KeyParameters) -> bool {
        matches!(parameters, KeyParameters::Passphrase(_))
    }

    fn fetch(&self, header: &Header) -> Result<Fetched, Error> {
        match &header.parameters {
            KeyParameters::Passphrase(parameters) => self.derive(parameters).map(Fetched::Key),
            _ => Ok(Fetched::Another),
        }
    }

    fn candidate(&self) -> Result<Candidate, Error> {
        let parameters = PassphraseParameters::random(&mut fill_random).map_err(random_failed)?;
        let key = self.derive(&parameters)?;
        let parameters = KeyParameters::Passphrase(parameters);
        Ok(Candidate { id: random_key_id()?, key, parameters })
    }
}
