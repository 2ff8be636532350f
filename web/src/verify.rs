//! A look at the store, before users depend on it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokenkeep::TokenCache;
use tokio::time::{Instant, timeout};

use crate::{
    Error, WebTokenCache,
    inner::Inner,
    partition::{Kind, Partition},
    store::{Advice, Lease, LeaseRequest, Loaded, Owner, Put, PutOutcome, Removal, StoreKey},
    value,
};

/// What [`WebTokenCache::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The engine and its version.
    pub engine: String,
    /// How long a write, a read, a lease and a removal took together.
    pub took: Duration,
    /// What to change. Empty if all is well.
    pub advice: Vec<Advice>,
}

impl WebTokenCache {
    /// Writes, reads, leases and removes a value of its own, listens for the news of the removal,
    /// and looks at the settings of the store. For the start of a node, or for a health check.
    ///
    /// # Errors
    ///
    /// Those of the store and of the key source. [`Error::Corrupt`] if the store does not bring
    /// back what was written.
    pub async fn verify(&self) -> Result<Report, Error> {
        let inner = &self.inner;
        let ring = inner.keys.ring().await?;
        let probe: [u8; 16] = value::random()?;
        let partition = Partition::new(&ring, &inner.app, Kind::Session, &[b"verify", &probe]);
        let key = partition.key();
        let mut advice = Vec::new();
        let mut removals = inner.store.removals(&inner.app);
        // It listens once it has said that it is not sure.
        let listens = timeout(NEWS, async { while removals.next().await != Removal::Unsure {} });
        let listens = listens.await.is_ok();

        let started = Instant::now();
        let done = inner.round_trip(key).await;
        let removed = inner.store.remove(key, inner.options.durability).await;
        done?;
        removed?;
        let took = started.elapsed();

        let heard = listens && {
            let news = async {
                // Other users sign out meanwhile. A new connection proves nothing, and is listened
                // to further.
                while removals.next().await != Removal::One(key.clone()) {}
            };
            timeout(NEWS, news).await.is_ok()
        };
        if !heard {
            advice.push(Advice::new(
                "The news of a removal did not arrive within 5 s.",
                "Allow the application to publish and to listen. Until then other nodes see a \
                 sign-out only when they ask the store again.",
            ));
        }
        let inspection = inner.store.inspect().await?;
        advice.extend(inspection.advice);
        if let Some(skew) = inspection.now.and_then(|theirs| inner.skew(theirs)) {
            advice.push(Advice::new(
                format!("This node's clock and the store's differ by {} s.", skew.as_secs()),
                "Set both clocks by the network. Tokens are refreshed too early or too late.",
            ));
        }
        Ok(Report { engine: inspection.engine, took, advice })
    }
}

impl Inner {
    /// Writes, leases and reads a value.
    async fn round_trip(&self, key: &StoreKey) -> Result<(), Error> {
        let wrong = |detail: &str| Error::Corrupt { detail: detail.into() };
        let ring = self.keys.ring().await?;
        let (kept, sealed) = value::seal(&ring, key, TokenCache::new(), None)?;
        let put = Put::new(None, &sealed, KEEP).durability(self.options.durability);
        if self.store.put(key, put).await? != PutOutcome::Stored {
            return Err(wrong("a new name had a value"));
        }
        let owner = Owner::from_bytes(value::random()?);
        let request = LeaseRequest::new(owner, KEEP).known(kept.mark.as_ref());
        let (lease, loaded) = self.store.lease(key, request).await?;
        if lease != Lease::Mine || loaded != Loaded::Unchanged {
            return Err(wrong("the store does not know the value that was just written"));
        }
        let stranger = LeaseRequest::new(Owner::from_bytes(value::random()?), KEEP);
        if !matches!(self.store.lease(key, stranger).await?, (Lease::Other { .. }, _)) {
            return Err(wrong("two nodes had the lease"));
        }
        self.store.release(key, owner, None).await?;
        match self.store.load(key, None).await? {
            Loaded::Value(value) if value == sealed => Ok(()),
            _ => Err(wrong("the store does not bring back what was written")),
        }
    }

    /// How much this node's clock differs, if it is too much.
    fn skew(&self, theirs: SystemTime) -> Option<Duration> {
        let theirs = theirs.duration_since(UNIX_EPOCH).unwrap_or_default();
        let skew = Duration::from_secs(self.now().abs_diff(theirs.as_secs()));
        (skew > MOST_SKEW).then_some(skew)
    }
}

const NEWS: Duration = Duration::from_secs(5);
const KEEP: Duration = Duration::from_secs(60);
const MOST_SKEW: Duration = Duration::from_secs(30);
