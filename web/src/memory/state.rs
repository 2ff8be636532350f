//! The entries of all applications.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use tokio::sync::broadcast;

use super::entry::Entry;
use crate::store::{Cursor, Page, StoreError, StoreKey};

/// The entries of all applications, and who listens for removals.
#[derive(Default)]
pub(super) struct Apps(HashMap<Arc<str>, App>);

#[derive(Default)]
struct App {
    /// In order, so that a list can go on after a key that is gone.
    entries: BTreeMap<[u8; 16], Entry>,
    removed: Option<broadcast::Sender<[u8; 16]>>,
}

impl Apps {
    pub(super) fn entry(&self, key: &StoreKey) -> Option<&Entry> {
        self.0.get(key.app())?.entries.get(key.as_bytes())
    }

    pub(super) fn entry_mut(&mut self, key: &StoreKey) -> Option<&mut Entry> {
        self.0.get_mut(key.app())?.entries.get_mut(key.as_bytes())
    }

    pub(super) fn entry_or_new(&mut self, key: &StoreKey) -> &mut Entry {
        self.app_or_new(key.app()).entries.entry(*key.as_bytes()).or_default()
    }

    pub(super) fn remove(&mut self, key: &StoreKey) {
        if let Some(app) = self.0.get_mut(key.app()) {
            app.entries.remove(key.as_bytes());
            if let Some(removed) = &app.removed {
                // Nobody listening is no error.
                removed.send(*key.as_bytes()).ok();
            }
        }
    }

    pub(super) fn subscribe(&mut self, app: &str) -> broadcast::Receiver<[u8; 16]> {
        let removed = &mut self.app_or_new(app).removed;
        removed.get_or_insert_with(|| broadcast::Sender::new(MOST_NEWS)).subscribe()
    }

    pub(super) fn page(
        &self,
        app: &str,
        from: Option<&Cursor>,
        now: Duration,
    ) -> Result<Page, StoreError> {
        let after: Bound<[u8; 16]> = match from {
            None => Bound::Unbounded,
            Some(cursor) => Bound::Excluded(cursor.as_bytes().try_into().map_err(|_| {
                let what = "the cursor is not of this store".into();
                StoreError::Other { what, source: None }
            })?),
        };
        let Some((name, app)) = self.0.get_key_value(app) else {
            return Ok(Page::new(Vec::new(), None));
        };
        let mut entries = app.entries.range((after, Bound::Unbounded));
        let looked_at: Vec<_> = entries.by_ref().take(PAGE).collect();
        let last = looked_at.last().map(|(id, _)| Cursor::new(**id));
        let keys = looked_at
            .into_iter()
            .filter(|(_, entry)| entry.has_value(now))
            .map(|(id, _)| StoreKey::new(name.clone(), *id))
            .collect();
        Ok(Page::new(keys, last.filter(|_| entries.next().is_some())))
    }

    fn app_or_new(&mut self, app: &str) -> &mut App {
        if !self.0.contains_key(app) {
            self.0.insert(app.into(), App::default());
        }
        self.0.get_mut(app).expect("it was just inserted if it was not there")
    }

    fn len(&self) -> usize {
        self.0.values().map(|app| app.entries.len()).sum()
    }
}

/// Drops entries whose time has ended.
#[derive(Default)]
pub(super) struct Sweep {
    /// How many changes there are to the next sweep.
    left: usize,
}

impl Sweep {
    /// To be called before each change that may add an entry. Once in as many changes as there
    /// are entries it looks at all of them.
    pub(super) fn step(&mut self, apps: &mut Apps, now: Duration) {
        if self.left > 0 {
            self.left -= 1;
            return;
        }
        for app in apps.0.values_mut() {
            app.entries.retain(|_, entry| !entry.is_over(now));
        }
        self.left = apps.len().max(LEAST_CHANGES);
    }
}

/// How many removals wait for a listener at most.
const MOST_NEWS: usize = 1_024;
/// How many entries a page looks at.
const PAGE: usize = 256;
const LEAST_CHANGES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{LeaseRequest, Owner};

    #[test]
    fn entries_whose_time_has_ended_are_dropped() {
        let (mut apps, mut sweep) = (Apps::default(), Sweep::default());
        for nth in 0..10_000_u128 {
            let now = Duration::from_secs(nth as u64);
            sweep.step(&mut apps, now);
            let request = LeaseRequest::new(Owner::from_bytes([1; 16]), Duration::from_secs(1));
            apps.entry_or_new(&StoreKey::new("shop", nth.to_be_bytes())).lease(&request, now);
            assert!(apps.len() <= LEAST_CHANGES + 2, "{} entries", apps.len());
        }
    }
}
