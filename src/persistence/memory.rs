//! A cache that ends with the process.

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use tokenkeep_platform::sync::lock_within;

use super::{Loaded, Persistence, Protection, Saved, Stamp};
use crate::{Error, Secret, lock::LockGuard};

/// Keeps the cache in this value only. Nothing is written anywhere.
#[derive(Default)]
pub struct MemoryPersistence(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    content: Option<Secret>,
    version: u64,
}

impl MemoryPersistence {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// The wait is bounded: a thread that a fork did not copy may have held the mutex.
    fn kept(&self) -> Result<MutexGuard<'_, Kept>, Error> {
        lock_within(&self.0, LONGEST_WAIT).ok_or_else(|| Error::LockTimeout {
            path: "(memory)".into(),
            waited: LONGEST_WAIT,
            holder: Some("a thread of the process that this one was forked from".into()),
        })
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
        let (content, stamp) = {
            let kept = self.kept()?;
            // Cloned, so that the mutex is free while the content is parsed.
            (kept.content.clone(), kept.stamp())
        };
        Ok(match content {
            None => Loaded::Absent,
            Some(_) if known == Some(&stamp) => Loaded::Unchanged(stamp),
            Some(content) => Loaded::Content(content, stamp),
        })
    }

    fn save(
        &self,
        content: &[u8],
        _base: Option<&Stamp>,
        _guard: &LockGuard,
    ) -> Result<Saved, Error> {
        // Copied before the mutex is taken, for which a forked child waits a second at most.
        let content = Secret::new(content);
        let mut kept = self.kept()?;
        kept.content = Some(content);
        kept.version += 1;
        Ok(Saved::Done(kept.stamp()))
    }

    fn delete(&self, _base: Option<&Stamp>, _guard: &LockGuard) -> Result<(), Error> {
        let mut kept = self.kept()?;
        kept.content = None;
        // Counted, too: a cache that is made later must not get an earlier stamp.
        kept.version += 1;
        Ok(())
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        let kept = self.kept()?;
        Ok(kept.content.as_ref().map(|_| kept.stamp()))
    }

    fn protection(&self) -> Protection {
        Protection::Memory
    }
}

/// No thread of this process holds the mutex as long as this.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
