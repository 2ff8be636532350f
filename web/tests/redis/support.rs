//! What the tests share.

use tokenkeep_test_support::engines::redis::Server;
use tokenkeep_web::{
    RedisStore, RedisStoreBuilder,
    store::{
        Durability, Loaded, Mark, Put, PutOutcome, Removal, Removals, Store as _, StoreError,
        StoreKey,
    },
};

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

pub(crate) fn key() -> StoreKey {
    StoreKey::new("shop", random())
}

/// A value of this length with a mark of its own.
pub(crate) fn value(len: usize) -> Vec<u8> {
    let mut value = vec![b'v'; len];
    value[Mark::RANGE].copy_from_slice(&random::<{ Mark::LEN }>());
    value
}

pub(crate) fn mark(value: &[u8]) -> Mark {
    Mark::of(value).unwrap()
}

pub(crate) const HOUR: std::time::Duration = std::time::Duration::from_secs(3_600);

/// For tests that are of no times: other tests may keep the computer busy.
pub(crate) fn patient() -> RedisStoreBuilder {
    RedisStore::builder().timeout(std::time::Duration::from_secs(10))
}

pub(crate) async fn connect(server: &Server) -> RedisStore {
    patient().connect(&server.url()).await.unwrap()
}

#[track_caller]
pub(crate) fn expect_refused(result: Result<RedisStore, StoreError>) -> String {
    match result {
        Err(StoreError::Refused { what, .. }) => what,
        other => panic!("{other:?} instead of a refusal"),
    }
}

pub(crate) fn count(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |count| count.parse().unwrap())
}

/// Calls until `done` says so.
pub(crate) async fn until<F: Future<Output = bool>>(mut done: impl FnMut() -> F) {
    let limit = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while !done().await {
        assert!(tokio::time::Instant::now() < limit, "it is not so after 60 s");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Waits until the store takes a write at this key.
pub(crate) async fn until_writable(store: &RedisStore, key: &StoreKey) {
    until(|| async { store.remove(key, Durability::Local).await.is_ok() }).await;
}

/// The last value of each key that the store said it has.
#[derive(Default)]
pub(crate) struct Acknowledged(pub(crate) Vec<(StoreKey, Vec<u8>)>);

impl Acknowledged {
    /// Puts new values under new keys, and keeps those that the store has acknowledged.
    pub(crate) async fn put(&mut self, store: &RedisStore, count: usize, durability: Durability) {
        for _ in 0..count {
            let (key, value) = (key(), value(400));
            let put = Put::new(None, &value, HOUR).durability(durability);
            match store.put(&key, put).await {
                Ok(PutOutcome::Stored) => self.0.push((key, value)),
                Ok(outcome) => panic!("{outcome:?}"),
                Err(StoreError::Refused { what, .. }) => panic!("{what}"),
                Err(_) => {}
            }
        }
    }

    /// Puts new values until a replica has each.
    pub(crate) async fn put_all(&mut self, store: &RedisStore, count: usize) {
        let timeout = std::time::Duration::from_secs(2);
        for _ in 0..count {
            let (key, value) = (key(), value(400));
            let durability = Durability::Replicated { replicas: 1, timeout };
            let put = Put::new(None, &value, HOUR).durability(durability);
            until(|| async { matches!(store.put(&key, put).await, Ok(PutOutcome::Stored)) }).await;
            self.0.push((key, value));
        }
    }

    /// How many of them are not there.
    pub(crate) async fn lost(&self, store: &RedisStore) -> usize {
        let mut lost = 0;
        for (key, value) in &self.0 {
            let loaded = loop {
                match store.load(key, None).await {
                    Ok(loaded) => break loaded,
                    Err(StoreError::Refused { what, .. }) => panic!("{what}"),
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                }
            };
            lost += usize::from(loaded != Loaded::Value(value.clone()));
        }
        lost
    }
}

pub(crate) fn replicated() -> Durability {
    Durability::Replicated { replicas: 1, timeout: std::time::Duration::from_millis(300) }
}

/// Removes a key until this listener hears of it.
pub(crate) async fn until_heard(store: &RedisStore, listener: &mut dyn Removals) {
    let key = key();
    let limit = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        assert!(tokio::time::Instant::now() < limit, "a listener hears nothing for 60 s");
        // A removal at a node that is away is repeated.
        store.remove(&key, Durability::Local).await.ok();
        let news = tokio::time::timeout(std::time::Duration::from_millis(100), listener.next());
        if matches!(news.await, Ok(Removal::One(removed)) if removed == key) {
            return;
        }
    }
}
