//! A server with the tables, and stores on it.

use std::{error::Error, future::Future, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use tokenkeep_test_support::{Tool, engines::postgres::Server, need};
use tokenkeep_web::{
    PostgresStore,
    postgres::{PostgresStoreBuilder, SCHEMA},
    store::{
        Lease, LeaseRequest, Loaded, Mark, Owner, Put, PutOutcome, Store, StoreError, StoreKey,
    },
};
use tokio_postgres::{Config, NoTls};

/// A server with the tables. `None` if PostgreSQL is not here.
pub(crate) fn server(config: &[&str]) -> Option<Server> {
    let server = need(Tool::Postgres).then(|| Server::start(config))?;
    server.psql(SCHEMA);
    Some(server)
}

/// A store whose pool has at most `size` connections to `pool`, and whose listener goes to
/// `listener`.
///
/// It is for tests that are of no times: other tests may keep the computer busy.
pub(crate) fn store_on(pool: &str, size: usize, listener: &str) -> PostgresStore {
    builder_on(pool, size, listener).timeout(Duration::from_secs(10)).build()
}

/// As [`store_on`], for tests of calls that are not answered.
pub(crate) fn hasty_on(pool: &str, size: usize, listener: &str) -> PostgresStore {
    builder_on(pool, size, listener).build()
}

fn builder_on(pool: &str, size: usize, listener: &str) -> PostgresStoreBuilder {
    let listener = listener.parse::<Config>().expect("the test gives an address");
    PostgresStore::builder(pool_on(pool, size)).listen(listener, NoTls)
}

pub(crate) fn pool_on(url: &str, size: usize) -> Pool {
    let config = url.parse::<Config>().expect("the test gives an address");
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config, NoTls, recycling);
    Pool::builder(manager).max_size(size).build().expect("it has no timeouts")
}

/// A store with as many connections as `connect` gives it.
pub(crate) fn store(server: &Server) -> PostgresStore {
    store_on(&server.url(), 16, &server.url())
}

/// Runs a test on two threads.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().expect("there are threads").block_on(test)
}

/// Runs a test that lets time [`pass`].
pub(crate) fn run_on_one_thread<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().expect("there is a thread").block_on(test)
}

/// Lets this time pass at once for tokio. What the store waits for then has to be a time.
pub(crate) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

/// A value that no other is equal to.
pub(crate) fn value(len: usize) -> Vec<u8> {
    let mut value = vec![0x5a; len];
    value[16..120].copy_from_slice(&random::<104>());
    value
}

pub(crate) fn mark(value: &[u8]) -> Mark {
    Mark::of(value).expect("it is long enough")
}

pub(crate) fn key() -> StoreKey {
    StoreKey::new("shop", random())
}

pub(crate) fn owner() -> Owner {
    Owner::from_bytes(random())
}

/// A put in place of `expected`.
pub(crate) async fn put(
    store: &PostgresStore,
    key: &StoreKey,
    expected: Option<&[u8]>,
    value: &[u8],
) -> Result<PutOutcome, StoreError> {
    let expected = expected.map(mark);
    store.put(key, Put::new(expected.as_ref(), value, LONG)).await
}

/// A key with a value.
pub(crate) async fn filled(store: &PostgresStore) -> (StoreKey, Vec<u8>) {
    let (key, value) = (key(), value(300));
    let stored = put(store, &key, None, &value).await;
    assert_eq!(stored.expect("the server answers"), PutOutcome::Stored);
    (key, value)
}

pub(crate) async fn lease(
    store: &PostgresStore,
    key: &StoreKey,
    owner: Owner,
) -> Result<(Lease, Loaded), StoreError> {
    store.lease(key, LeaseRequest::new(owner, LONG)).await
}

/// What an error says, with all its sources.
pub(crate) fn whole(error: &StoreError) -> String {
    let (mut text, mut next) = (format!("{error:?}: {error}"), error.source());
    while let Some(source) = next {
        text += &format!(": {source}");
        next = source.source();
    }
    text
}

/// Asks until the answer is yes, for at most 20 s.
pub(crate) async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let asked = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), asked).await;
    assert!(ended.is_ok(), "not within 20 s: {what}");
}

/// A count that a test repeats something for.
pub(crate) fn count(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |count| count.parse().expect("it is a count"))
}

/// A time that does not end within a test.
pub(crate) const LONG: Duration = Duration::from_secs(3_600);

/// Makes the disk full. That cannot be done here, so a trigger says what the server says then.
pub(crate) const FULL: &str = "\
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'no room in \"\n\"' USING ERRCODE = '53100', DETAIL = 'a row';
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON tokenkeep_web
FOR EACH ROW EXECUTE FUNCTION refuse()";
