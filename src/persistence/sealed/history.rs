//! The states of a cache that this process has seen, by which it detects a rollback.
//!
//! All values over one folder share their history, and it outlives them. What a reader finds is
//! compared with the history from before its file was opened. So a slow reader that still holds an
//! old file is not a rollback, and it does not end what was kept since.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokenkeep_platform::sync::ForkLock;

use crate::{
    Error,
    seal::{Authenticated, Header},
};

/// The history of one cache, shared within the process.
#[derive(Debug, Default)]
pub(super) struct History(ForkLock<Arc<Seen>>);

/// The stores that this process has seen in one place, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Vec<Store>);

#[derive(Clone, Debug)]
struct Store {
    identity: [u8; 16],
    /// The newest generation that was seen.
    generation: u64,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Kept,
    /// Set aside by this process. It may be put back as long as nothing else was kept.
    Aside,
    /// Removed, or replaced by another.
    Ended,
}

impl History {
    /// The history of the store `name` in `folder`.
    pub(super) fn of(folder: PathBuf, name: &str) -> Arc<Self> {
        static KNOWN: ForkLock<Vec<(PathBuf, String, Arc<History>)>> = ForkLock::new(Vec::new());
        let mut known = KNOWN.write();
        let same = |(its_folder, its_name, _): &(PathBuf, String, _)| {
            *its_folder == folder && its_name == name
        };
        let place = match known.iter().position(same) {
            Some(at) => known.remove(at),
            None => (folder, name.to_owned(), Arc::default()),
        };
        let history = Arc::clone(&place.2);
        // Moved to the end, so that the place that was not used for longest is dropped first.
        known.push(place);
        if known.len() > MAX_PLACES {
            // A place that is open is not dropped: all its values must share one history.
            let unused = known.iter().position(|(.., history)| Arc::strong_count(history) == 1);
            unused.map(|at| known.remove(at));
        }
        history
    }

    /// The history so far. It must be taken before a file is opened.
    pub(super) fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.0.read())
    }

    /// Records an authenticated file that was found or written.
    pub(super) fn found(&self, before: &Seen, header: &Authenticated) {
        let mut seen = self.0.write();
        let seen = &mut Arc::make_mut(&mut seen).0;
        for other in seen.iter_mut().filter(|store| store.identity != header.identity) {
            if before.store(&other.identity).is_some() {
                other.fate = Fate::Ended;
            }
        }
        match seen.iter_mut().find(|store| store.identity == header.identity) {
            Some(store) => {
                store.generation = store.generation.max(header.generation);
                let was_aside = before.store(&store.identity).map(|s| s.fate) == Some(Fate::Aside);
                if store.fate == Fate::Aside && was_aside {
                    store.fate = Fate::Kept;
                }
            }
            None => {
                let Header { identity, generation, .. } = **header;
                seen.push(Store { identity, generation, fate: Fate::Kept });
            }
        }
        if seen.len() > MAX_STORES {
            seen.remove(0);
        }
    }

    /// Records that there was no file: what was kept before has ended.
    pub(super) fn absent(&self, before: &Seen) {
        if before.0.iter().any(|store| store.fate == Fate::Kept) {
            self.turn(Fate::Ended, |store| {
                store.fate == Fate::Kept && before.store(&store.identity).is_some()
            });
        }
    }

    /// Records that this process removed what was kept and what was set aside.
    pub(super) fn ended(&self) {
        self.turn(Fate::Ended, |_| true);
    }

    /// Records that this process set aside what was kept before, with the lock held. A reader may
    /// have recorded it as absent since.
    pub(super) fn set_aside(&self, before: &Seen) {
        let was_kept = |store: &Store| store.fate == Fate::Kept;
        self.turn(Fate::Aside, |store| before.store(&store.identity).is_some_and(was_kept));
    }

    fn turn(&self, fate: Fate, which: impl Fn(&Store) -> bool) {
        let mut seen = self.0.write();
        let stores = Arc::make_mut(&mut seen).0.iter_mut();
        stores.filter(|store| which(store)).for_each(|store| store.fate = fate);
    }
}

impl Seen {
    /// Refuses a save that is older than one seen before, and every save of a store that has ended.
    pub(super) fn check(&self, path: &Path, header: &Authenticated) -> Result<(), Error> {
        match self.store(&header.identity) {
            Some(store) if store.fate == Fate::Ended || header.generation < store.generation => {
                Err(Error::RolledBack {
                    path: path.to_owned(),
                    seen: store.generation,
                    found: header.generation,
                })
            }
            _ => Ok(()),
        }
    }

    fn store(&self, identity: &[u8; 16]) -> Option<&Store> {
        self.0.iter().find(|store| store.identity == *identity)
    }
}

/// How many stores of one place are remembered. Only a holder of the key can make a new one.
const MAX_STORES: usize = 256;

/// How many places are remembered, besides those that are open.
const MAX_PLACES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{Key, KeyId, KeyParameters, Sealing, seal};

    fn header(number: u32, generation: u64) -> Authenticated {
        let mut identity = [0; 16];
        identity[..4].copy_from_slice(&number.to_be_bytes());
        let key = Key::from_slice(&[1; 32]).unwrap();
        let (key_id, store) = (KeyId::from_bytes([2; 16]), "store");
        let parameters = KeyParameters::Vault;
        let with = Sealing { key_id, key: &key, parameters, store, identity, generation };
        seal(&with, b"", 1000, &mut |_| Ok(())).unwrap().0
    }

    fn fate(history: &History, number: u32) -> Option<(u64, Fate)> {
        let seen = history.seen();
        seen.store(&header(number, 1).identity).map(|store| (store.generation, store.fate))
    }

    #[test]
    fn a_slow_reader_ends_nothing_that_came_after_it_began() {
        let history = History::default();
        history.found(&history.seen(), &header(1, 5));
        let slow = history.seen();
        history.found(&history.seen(), &header(2, 1));
        assert_eq!(fate(&history, 1), Some((5, Fate::Ended)));
        history.found(&slow, &header(1, 5));
        assert_eq!(fate(&history, 2), Some((1, Fate::Kept)), "it read what was there before");
        assert_eq!(fate(&history, 1), Some((5, Fate::Ended)));
        history.absent(&slow);
        assert_eq!(fate(&history, 2), Some((1, Fate::Kept)), "it looked before it was made");
        history.absent(&history.seen());
        assert_eq!(fate(&history, 2), Some((1, Fate::Ended)));
    }

    #[test]
    fn a_reader_that_finds_nothing_while_a_cache_is_set_aside_does_not_end_it() {
        let history = History::default();
        history.found(&history.seen(), &header(1, 5));
        let before = history.seen();
        history.absent(&history.seen());
        history.set_aside(&before);
        assert_eq!(fate(&history, 1), Some((5, Fate::Aside)));
        history.absent(&history.seen());
        assert_eq!(fate(&history, 1), Some((5, Fate::Aside)));
        history.found(&history.seen(), &header(1, 5));
        assert_eq!(fate(&history, 1), Some((5, Fate::Kept)), "it was put back");
    }

    #[test]
    fn the_newest_generation_counts_whoever_saw_it() {
        let history = History::default();
        let slow = history.seen();
        history.found(&history.seen(), &header(1, 9));
        history.found(&slow, &header(1, 3));
        assert_eq!(fate(&history, 1), Some((9, Fate::Kept)));
    }

    #[test]
    fn memory_is_bounded_and_the_last_are_remembered() {
        let history = History::default();
        for number in 0..10_000 {
            history.found(&history.seen(), &header(number, 1));
        }
        assert_eq!(history.seen().0.len(), MAX_STORES);
        assert_eq!(fate(&history, 9_998), Some((1, Fate::Ended)));
        assert_eq!(fate(&history, 9_999), Some((1, Fate::Kept)));
        let places = || (0..10_000).map(|n| History::of(format!("/history/{n}").into(), "store"));
        places().for_each(drop);
        let held: Vec<_> = places().take(MAX_PLACES + 50).collect();
        let again = History::of("/history/0".into(), "store");
        assert!(Arc::ptr_eq(&held[0], &again), "those in use are shared, however many");
    }
}
