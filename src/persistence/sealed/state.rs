//! What a value remembers of its sealed cache between calls.

use std::process;

use tokenkeep_platform::file::FileStamp;

use crate::{
    persistence::key_source::NewKey,
    seal::{Key, KeyId},
};

#[derive(Default)]
pub(super) struct KeyPool {
    /// Keys by their id. Each is usable only for a file whose header names it.
    pub(super) keys: Vec<(KeyId, Key)>,
    /// A key for a new cache, and the process that made it. In a forked child the key is the
    /// parent's, whose next save may name it.
    new_key: Option<(u32, NewKey)>,
    /// The file as it was when `prepare` last found its key in `keys`.
    pub(super) prepared: Option<FileStamp>,
}

impl KeyPool {
    pub(super) fn key(&self, id: &KeyId) -> Option<Key> {
        self.keys.iter().find(|(known, _)| known == id).map(|(_, key)| key.clone())
    }

    pub(super) fn has_new_key(&self) -> bool {
        self.new_key.as_ref().is_some_and(|(maker, _)| *maker == process::id())
    }

    pub(super) fn take_new_key(&mut self) -> Option<NewKey> {
        let is_own = self.has_new_key();
        self.new_key.take().filter(|_| is_own).map(|(_, new_key)| new_key)
    }

    /// Keeps a key that this process made. Returns it if there already is one.
    pub(super) fn keep_new_key(&mut self, new_key: NewKey) -> Option<NewKey> {
        if self.has_new_key() {
            return Some(new_key);
        }
        self.new_key = Some((process::id(), new_key));
        None
    }
}
