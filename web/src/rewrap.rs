//! Seals all values with the key that seals now.

use std::{sync::Arc, time::Duration};

use tokenkeep::envelope;
use tokio::time::{Instant, sleep_until};

use crate::{
    Error, WebTokenCache,
    inner::Inner,
    keys::Ring,
    lifetime,
    partition::seal_name,
    store::{Loaded, Put, PutOutcome, StoreKey},
    value,
};

/// How fast all values are sealed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pace {
    /// The most values in a second.
    pub per_second: u32,
}

impl Pace {
    /// At most so many values in a second, at least one.
    pub fn per_second(values: u32) -> Self {
        Self { per_second: values.max(1) }
    }
}

/// What became of all values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rewrapped {
    /// Values that were read. One may be read twice.
    pub seen: u64,
    /// Values that were sealed again.
    pub rewrapped: u64,
    /// Values that had the key already, or that others wrote or removed meanwhile.
    pub current: u64,
    /// Values that could not be opened. They were left as they are.
    pub failed: u64,
}

impl WebTokenCache {
    /// Seals every value that was sealed with another key than the first of the ring again. It is
    /// step 3 of a rotation; see [`KeyRing`](crate::KeyRing). Calls go on meanwhile.
    ///
    /// A [`KeySource`](crate::KeySource) is asked for its ring first. If none
    /// [failed](Rewrapped::failed), and all nodes had that ring before, no value needs the other
    /// keys any more.
    ///
    /// # Errors
    ///
    /// [`Error::KeysUnavailable`] if the source does not bring the ring, and those of the store.
    /// What was sealed again stays so, and the call can be repeated.
    pub async fn rewrap_all(&self, pace: Pace) -> Result<Rewrapped, Error> {
        let inner = &self.inner;
        inner.keys.load_now().await?;
        let mut done = Rewrapped::default();
        let mut from = None;
        let pause = Duration::from_secs(1) / pace.per_second;
        let mut next = Instant::now();
        loop {
            let page = inner.store.page(&inner.app, from).await?;
            for key in page.keys.iter().filter(|key| key.app() == &*inner.app) {
                sleep_until(next).await;
                next = Instant::now() + pause;
                done.seen += 1;
                match inner.rewrap(key).await {
                    Ok(true) => done.rewrapped += 1,
                    Ok(false) => done.current += 1,
                    Err(error) if error.is_of_the_store() => return Err(error),
                    Err(_) => done.failed += 1,
                }
            }
            from = match page.next {
                Some(next) => Some(next),
                None => return Ok(done),
            };
        }
    }
}

impl Inner {
    /// Seals one value again, if it has another key. Whether it did.
    async fn rewrap(&self, key: &StoreKey) -> Result<bool, Error> {
        let ring: Arc<Ring> = self.keys.ring().await?;
        let Loaded::Value(value) = self.store.load(key, None).await? else { return Ok(false) };
        let header = envelope::inspect(&value, &seal_name(key), u64::MAX)?;
        if header.key_id() == ring.sealing().0 {
            return Ok(false);
        }
        let before = value::open(&self.keys, key, value).await?;
        let (kept, value) = value::seal(&ring, key, before.cache.clone(), Some(&before))?;
        let keep_for = lifetime::keep_for(key, &kept.cache, self.now(), self.options.keep_for);
        let put =
            Put::new(before.mark.as_ref(), &value, keep_for).durability(self.options.durability);
        // Who was faster sealed it with a key of the ring, and with the first one.
        Ok(self.store.put(key, put).await? == PutOutcome::Stored)
    }
}
