//! A cache that ends with the process.

use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use super::{Hold, Loaded, Persistence, Protection, Saved, Stamp};
use crate::Error;

/// Keeps the cache in this value alone. Nothing is written anywhere.
#[derive(Default)]
pub struct MemoryPersistence(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    content: Option<Zeroizing<Vec<u8>>>,
    version: u64,
}

impl MemoryPersistence {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn stamp(&self) -> Stamp {
        Stamp::new(self.version.to_be_bytes())
    }
}

impl std::fmt::Debug for MemoryPersistence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryPersistence")
    }
}

impl Persistence for MemoryPersistence {
    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error> {
        let kept = self.kept();
        Ok(match &kept.content {
            None => Loaded::Absent,
            Some(_) if known == Some(&kept.stamp()) => Loaded::Unchanged(kept.stamp()),
            Some(content) => Loaded::Content(content.clone(), kept.stamp()),
        })
    }

    fn save(&self, content: &[u8], _base: Option<&Stamp>, _hold: &Hold) -> Result<Saved, Error> {
        let mut kept = self.kept();
        kept.content = Some(Zeroizing::new(content.to_vec()));
        kept.version += 1;
        Ok(Saved::Done(kept.stamp()))
    }

    fn delete(&self, _base: Option<&Stamp>, _hold: &Hold) -> Result<(), Error> {
        let mut kept = self.kept();
        kept.content = None;
        kept.version += 1;
        Ok(())
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        let kept = self.kept();
        Ok(kept.content.as_ref().map(|_| kept.stamp()))
    }

    fn protection(&self) -> Protection {
        Protection::Memory
    }
}
