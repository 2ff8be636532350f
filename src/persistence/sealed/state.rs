//! What a value remembers of its sealed cache between calls.

use tokenkeep_platform::file::FileStamp;

use crate::{
    persistence::key::Candidate,
    seal::{Key, KeyId},
};

#[derive(Default)]
pub(super) struct State {
    /// Keys by their id; usable only for a file whose header names them.
    pub(super) keys: Vec<(KeyId, Key)>,
    /// A key for the case that there is no cache yet.
    pub(super) candidate: Option<Candidate>,
    /// The file as it was when `prepare` last found its key in `keys`.
    pub(super) prepared: Option<FileStamp>,
}

impl State {
    pub(super) fn key(&self, id: &KeyId) -> Option<Key> {
        self.keys.iter().find(|(known, _)| known == id).map(|(_, key)| key.clone())
    }
}
