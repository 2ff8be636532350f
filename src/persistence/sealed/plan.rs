//! The parameters of the next save.

use tokenkeep_platform::text::shown_path;

use super::file::Plan;
use crate::{
    Error,
    persistence::{
        SealedPersistence,
        key_source::{NewKey, random_key_id},
    },
    seal::Authenticated,
};

impl SealedPersistence {
    pub(super) fn plan_update(&self, base: &Authenticated) -> Result<Option<Plan>, Error> {
        let generation = base.generation.checked_add(1).ok_or_else(|| Error::Corrupt {
            what: format!("`{}`", shown_path(self.file.path())),
            detail: "its count of saves is used up".into(),
        })?;
        Ok(self.state().key(&base.key_id).map(|key| Plan {
            key,
            key_id: base.key_id,
            parameters: base.parameters.clone(),
            identity: base.identity,
            generation,
        }))
    }

    pub(super) fn plan_creation(&self) -> Result<Option<Plan>, Error> {
        // Taken out, so that no other thread can discard the key that a file is about to name.
        let Some(new_key) = self.state().take_new_key() else { return Ok(None) };
        match self.keys.confirm(&new_key) {
            Ok(true) => {}
            // The key was removed meanwhile, so `prepare` must make another one.
            Ok(false) => return Ok(None),
            Err(error) => {
                self.keep_new_key(new_key);
                return Err(error);
            }
        }
        Ok(Some(Plan {
            key: new_key.key,
            key_id: new_key.id,
            parameters: new_key.parameters,
            identity: *random_key_id()?.as_bytes(),
            generation: 1,
        }))
    }

    /// Keeps the key for the next try. Removes it if there already is one.
    pub(super) fn keep_new_key(&self, new_key: NewKey) {
        let superfluous = self.state().keep_new_key(new_key);
        if let Some(new_key) = superfluous {
            self.discard(new_key);
        }
    }

    /// Removes a key that was made and not used. A save that was reported as failed may have
    /// happened, for example on a network file system. So a key stays if the cache names it, or if
    /// that cannot be determined.
    pub(super) fn discard(&self, new_key: NewKey) {
        let named =
            self.file.open().and_then(|file| file.map(|file| self.header_of(&file)).transpose());
        if named.is_ok_and(|header| header.is_none_or(|header| header.key_id != new_key.id)) {
            self.keys.discard(new_key);
        }
    }
}
