//! What a value remembers of its sealed cache between calls.

use std::process;

use tokenkeep_platform::file::FileStamp;

use crate::{
    persistence::key::Candidate,
    seal::{Key, KeyId},
};

#[derive(Default)]
pub(super) struct State {
    /// Keys by their id; usable only for a file whose header names them.
    pub(super) keys: Vec<(KeyId, Key)>,
    /// A key for the case that there is no cache yet, and the process that made it. In a forked
    /// child it is the parent's, whose next save may name it.
    candidate: Option<(u32, Candidate)>,
    /// The file as it was when `prepare` last found its key in `keys`.
    pub(super) prepared: Option<FileStamp>,
}

impl State {
    pub(super) fn key(&self, id: &KeyId) -> Option<Key> {
        self.keys.iter().find(|(known, _)| known == id).map(|(_, key)| key.clone())
    }

    pub(super) fn has_candidate(&self) -> bool {
        self.candidate.as_ref().is_some_and(|(maker, _)| *maker == process::id())
    }

    pub(super) fn take_candidate(&mut self) -> Option<Candidate> {
        let is_own = self.has_candidate();
        self.candidate.take().filter(|_| is_own).map(|(_, candidate)| candidate)
    }

    /// Keeps one that this process made; gives it back where there is one already.
    pub(super) fn keep_candidate(&mut self, candidate: Candidate) -> Option<Candidate> {
        if self.has_candidate() {
            return Some(candidate);
        }
        self.candidate = Some((process::id(), candidate));
        None
    }
}
