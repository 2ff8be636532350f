//! What a check works with.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use super::{Setup, random};
use crate::store::{
    BoxFuture, Lease, LeaseRequest, Loaded, Mark, Owner, Put, PutOutcome, Store, StoreError,
    StoreKey,
};

/// One check of the suite.
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) run: fn(Scene) -> BoxFuture<'static, Outcome>,
}

pub(super) type Outcome = Result<(), Fault>;

/// What a store did against its promise.
#[derive(Debug)]
pub(super) struct Fault(String);

impl Fault {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error.source() {
            Some(source) => Self(format!("{error}: {source}")),
            None => Self(error.to_string()),
        }
    }
}

impl From<tokio::task::JoinError> for Fault {
    fn from(error: tokio::task::JoinError) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Two nodes of an application that nobody else has.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) store: Arc<dyn Store>,
    pub(super) other: Arc<dyn Store>,
    pub(super) app: Arc<str>,
    pub(super) keeps_longer: bool,
}

/// A time that a check waits for.
pub(super) const SHORT: Duration = Duration::from_millis(300);
/// A time that does not end within a check.
pub(super) const LONG: Duration = Duration::from_secs(3_600);
/// How often a check looks again.
pub(super) const AGAIN: Duration = Duration::from_millis(5);

impl Scene {
    pub(super) fn new(setup: &Setup) -> Self {
        Self {
            store: setup.store.clone(),
            other: setup.other.clone(),
            app: new_app(),
            keeps_longer: setup.keeps_longer,
        }
    }

    /// A key that has nothing yet.
    pub(super) fn key(&self) -> StoreKey {
        StoreKey::new(self.app.clone(), random::bytes())
    }

    /// A key that has a value.
    pub(super) async fn key_with_value(&self) -> Result<(StoreKey, Vec<u8>), Fault> {
        let (key, value) = (self.key(), random::value(500));
        self.put_new(&key, &value).await?;
        Ok((key, value))
    }

    pub(super) async fn put_new(&self, key: &StoreKey, value: &[u8]) -> Outcome {
        self.stored(key, Put::new(None, value, LONG)).await
    }

    /// Puts a value that nothing stands against.
    pub(super) async fn stored(&self, key: &StoreKey, put: Put<'_>) -> Outcome {
        let outcome = self.store.put(key, put).await?;
        ensure_eq!(outcome, PutOutcome::Stored, "a put that nothing stands against");
        Ok(())
    }

    /// The value is this one, for both nodes.
    pub(super) async fn has(&self, key: &StoreKey, value: &[u8]) -> Outcome {
        for store in [&self.store, &self.other] {
            match store.load(key, None).await? {
                Loaded::Value(loaded) if loaded == value => {}
                Loaded::Value(loaded) => {
                    let text = format!(
                        "load brings other bytes: {} instead of {}",
                        loaded.len(),
                        value.len()
                    );
                    return Err(Fault::new(text));
                }
                loaded => return Err(Fault::new(format!("load says {loaded:?} of a value"))),
            }
        }
        Ok(())
    }

    /// There is no value, for both nodes.
    pub(super) async fn has_none(&self, key: &StoreKey) -> Outcome {
        for store in [&self.store, &self.other] {
            ensure_eq!(store.load(key, None).await?, Loaded::Absent, "load without a value");
        }
        Ok(())
    }

    /// The answer to a lease of this owner.
    pub(super) async fn lease(
        &self,
        key: &StoreKey,
        owner: Owner,
        ttl: Duration,
    ) -> Result<Lease, Fault> {
        Ok(self.store.lease(key, LeaseRequest::new(owner, ttl)).await?.0)
    }

    /// Takes a lease that nothing stands against.
    pub(super) async fn leased(&self, key: &StoreKey, ttl: Duration) -> Result<Owner, Fault> {
        let owner = new_owner();
        ensure_eq!(self.lease(key, owner, ttl).await?, Lease::Mine, "a lease that is free");
        Ok(owner)
    }

    /// The lease is free: another node may take it.
    pub(super) async fn is_free(&self, key: &StoreKey) -> Outcome {
        let request = LeaseRequest::new(new_owner(), LONG);
        let (lease, _) = self.other.lease(key, request).await?;
        ensure_eq!(lease, Lease::Mine, "a lease that was given back");
        Ok(())
    }

    /// The lease is another's, for at most `most`.
    pub(super) async fn is_taken(&self, key: &StoreKey, most: Duration) -> Outcome {
        let (lease, _) = self.other.lease(key, LeaseRequest::new(new_owner(), LONG)).await?;
        match lease {
            Lease::Other { ends_in } if !ends_in.is_zero() && ends_in <= most => Ok(()),
            lease => Err(Fault::new(format!("a lease that another owner has: {lease:?}"))),
        }
    }

    /// Waits until the time of a lease of this length, taken now, has ended.
    pub(super) async fn outlast(&self, ttl: Duration) -> Outcome {
        let key = self.key();
        self.leased(&key, ttl).await?;
        while self.lease(&key, new_owner(), SHORT).await? != Lease::Mine {
            tokio::time::sleep(AGAIN).await;
        }
        Ok(())
    }
}

pub(super) fn new_app() -> Arc<str> {
    format!("contract-{:016x}", u64::from_be_bytes(random::bytes())).into()
}

pub(super) fn new_owner() -> Owner {
    Owner::from_bytes(random::bytes())
}

pub(super) fn mark_of(value: &[u8]) -> Mark {
    Mark::of(value).expect("the value is long enough for a header")
}
