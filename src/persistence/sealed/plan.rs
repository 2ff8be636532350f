//! The parameters of the next save, and the save itself.

use tokenkeep_platform::{file::Folder, text::shown_path};

use super::FILE_NAME;
use crate::{
    Error,
    persistence::{
        Saved, SealedPersistence, Stamp,
        key_source::{NewKey, fill_random, random_key_id},
    },
    seal::{self, Authenticated, Key, KeyId, KeyParameters, Sealing},
};

/// The parameters that the next save is sealed with.
pub(super) struct Plan {
    pub(super) key: Key,
    pub(super) key_id: KeyId,
    pub(super) parameters: KeyParameters,
    pub(super) identity: [u8; 16],
    pub(super) generation: u64,
}

impl SealedPersistence {
    pub(super) fn plan_update(&self, base: &Authenticated) -> Result<Option<Plan>, Error> {
        let generation = base.generation.checked_add(1).ok_or_else(|| Error::Corrupt {
            what: format!("`{}`", shown_path(&self.file)),
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
            self.open_file().and_then(|file| file.map(|file| self.header_of(&file)).transpose());
        if named.is_ok_and(|header| header.is_none_or(|header| header.key_id != new_key.id)) {
            self.keys.discard(new_key);
        }
    }

    pub(super) fn write(&self, plan: &Plan, content: &[u8]) -> Result<Saved, Error> {
        let sealing = Sealing {
            key_id: plan.key_id,
            key: &plan.key,
            parameters: plan.parameters.clone(),
            store: &self.store,
            identity: plan.identity,
            generation: plan.generation,
        };
        let (header, sealed) = seal::seal(&sealing, content, self.size_limit, &mut fill_random)
            .map_err(|e| e.at(&self.file, &self.store))?;
        let stamp = Folder::create(&self.folder, self.parents)?.replace(FILE_NAME, &sealed)?;
        let mut state = self.state();
        if state.key(&header.key_id).is_none() {
            state.keys.push((header.key_id, plan.key.clone()));
        }
        state.prepared = Some(stamp.clone());
        drop(state);
        self.history.found(&self.history.seen(), &header);
        Ok(Saved::Done(Stamp::of_sealed(stamp, header)))
    }
}
