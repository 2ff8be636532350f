//! The servers that values are kept by, and stores on them.

use std::{sync::Arc, time::Duration};

use tokenkeep_test_support::{
    Tool,
    engines::{
        postgres,
        proxy::{Proxy, no_writes},
        redis,
    },
    need,
};
use tokenkeep_web::{
    PostgresStore, RedisStore,
    postgres::SCHEMA,
    store::{
        BoxFuture, Cursor, Durability, Inspection, Lease, LeaseRequest, Loaded, Mark, Note, Owner,
        Page, Put, PutOutcome, Removals, Store, StoreError, StoreKey,
    },
};

/// A server of either kind.
pub(crate) enum Engine {
    Redis(redis::Server),
    Postgres(postgres::Server),
}

impl Engine {
    /// A server of Redis, if that is here.
    pub(crate) fn redis() -> Option<Self> {
        need(Tool::Redis).then(|| Self::Redis(redis::Server::start(&[])))
    }

    /// A server of PostgreSQL with the tables, if that is here.
    pub(crate) fn postgres() -> Option<Self> {
        Self::postgres_with(&[])
    }

    /// The same, whose processes all last as long as it: what one used that has ended is not
    /// counted any more.
    pub(crate) fn postgres_without_vacuum() -> Option<Self> {
        Self::postgres_with(&["autovacuum = off"])
    }

    fn postgres_with(config: &[&str]) -> Option<Self> {
        need(Tool::Postgres).then(|| {
            let server = postgres::Server::start(config);
            server.psql(SCHEMA);
            Self::Postgres(server)
        })
    }

    /// One of each that is here.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [Self::redis as fn() -> _, Self::postgres].into_iter().filter_map(|start| start())
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Redis(_) => "Redis",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Redis(server) => server.url(),
            Self::Postgres(server) => server.url(),
        }
    }

    /// A store on it.
    pub(crate) async fn store(&self) -> Shared {
        self.store_at(&self.url()).await
    }

    /// A store on what stands in front of it.
    pub(crate) async fn store_behind(&self, proxy: &Proxy) -> Shared {
        let url = match self {
            Self::Redis(_) => proxy.redis_url(),
            Self::Postgres(_) => proxy.postgres_url(),
        };
        self.store_at(&url).await
    }

    async fn store_at(&self, url: &str) -> Shared {
        match self {
            Self::Redis(_) => redis_store(url).await,
            Self::Postgres(_) => Shared(Arc::new(PostgresStore::connect(url).expect("a URL"))),
        }
    }

    /// A proxy in front of it.
    pub(crate) fn proxy(&self) -> Proxy {
        let port = match self {
            Self::Redis(server) => server.port(),
            Self::Postgres(server) => server.port(),
        };
        Proxy::start(port, no_writes)
    }

    pub(crate) fn freeze(&self) {
        match self {
            Self::Redis(server) => server.freeze(),
            Self::Postgres(server) => server.freeze(),
        }
    }

    pub(crate) fn thaw(&self) {
        match self {
            Self::Redis(server) => server.thaw(),
            Self::Postgres(server) => server.thaw(),
        }
    }

    /// The CPU time that the server has used, but for connections that have ended.
    pub(crate) fn cpu_time(&self) -> Duration {
        match self {
            Self::Redis(server) => server.cpu_time(),
            Self::Postgres(server) => server.cpu_time(),
        }
    }
}

/// A store on a server of Redis.
pub(crate) async fn redis_store(url: &str) -> Shared {
    Shared(Arc::new(RedisStore::connect(url).await.expect("the server answers")))
}

/// One store of several caches.
#[derive(Clone, Debug)]
pub(crate) struct Shared(pub(crate) Arc<dyn Store>);

impl Store for Shared {
    fn load<'a>(
        &'a self,
        key: &'a StoreKey,
        known: Option<&'a Mark>,
    ) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        self.0.load(key, known)
    }

    fn put<'a>(
        &'a self,
        key: &'a StoreKey,
        put: Put<'a>,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        self.0.put(key, put)
    }

    fn remove<'a>(
        &'a self,
        key: &'a StoreKey,
        durability: Durability,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.remove(key, durability)
    }

    fn lease<'a>(
        &'a self,
        key: &'a StoreKey,
        lease: LeaseRequest<'a>,
    ) -> BoxFuture<'a, Result<(Lease, Loaded), StoreError>> {
        self.0.lease(key, lease)
    }

    fn release<'a>(
        &'a self,
        key: &'a StoreKey,
        owner: Owner,
        failed: Option<(&'a Note, Duration)>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.release(key, owner, failed)
    }

    fn page<'a>(
        &'a self,
        app: &'a str,
        from: Option<Cursor>,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.0.page(app, from)
    }

    fn removals(&self, app: &str) -> Box<dyn Removals> {
        self.0.removals(app)
    }

    fn inspect(&self) -> BoxFuture<'_, Result<Inspection, StoreError>> {
        self.0.inspect()
    }
}
