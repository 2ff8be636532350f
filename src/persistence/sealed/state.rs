//! What a process remembers of a sealed cache between calls.

use tokenkeep_platform::file::FileStamp;

use crate::{
    Error,
    persistence::{SealedPersistence, key::Candidate},
    seal::{Header, Key, KeyId},
};

#[derive(Default)]
pub(super) struct State {
    /// Keys by their id; usable only for a file whose header names them.
    pub(super) keys: Vec<(KeyId, Key)>,
    /// A key for the case that there is no cache yet.
    pub(super) candidate: Option<Candidate>,
    /// The file as it was when `prepare` last found its key in `keys`.
    pub(super) prepared: Option<FileStamp>,
    /// The newest generation that this process has seen, and of which identity.
    pub(super) seen: Option<Seen>,
}

#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) identity: [u8; 16],
    pub(super) generation: u64,
}

impl State {
    pub(super) fn key(&self, id: &KeyId) -> Option<Key> {
        self.keys.iter().find(|(known, _)| known == id).map(|(_, key)| key.clone())
    }
}

impl SealedPersistence {
    /// `before` was noted before the file was opened: a slower reader that still holds the file of
    /// yesterday must not be taken for a rollback.
    pub(super) fn check_generation(
        &self,
        before: Option<Seen>,
        header: &Header,
    ) -> Result<(), Error> {
        let found = Seen { identity: header.identity, generation: header.generation };
        let same_store = |seen: &Seen| seen.identity == found.identity;
        if let Some(seen) = before.filter(same_store)
            && found.generation < seen.generation
        {
            return Err(Error::RolledBack {
                path: self.file.clone(),
                seen: seen.generation,
                found: found.generation,
            });
        }
        Ok(())
    }

    /// Only for a header that was authenticated: one that was forged or damaged may name any
    /// generation, and the true file would then look like an older one.
    pub(super) fn note_generation(&self, header: &Header) {
        let found = Seen { identity: header.identity, generation: header.generation };
        let mut state = self.state();
        if state
            .seen
            .is_none_or(|s| s.identity != found.identity || s.generation < found.generation)
        {
            state.seen = Some(found);
        }
    }
}
