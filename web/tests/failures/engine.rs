//! An engine, as the rows use it.

use std::collections::BTreeMap;

use deadpool_postgres::Pool;
use tokenkeep_test_support::engines::{proxy::Proxy, redis::Sentinels};
use tokenkeep_web::{PostgresStore, RedisStore, WebTokenCache, WebTokenCacheBuilder};

/// An engine. The names of its values are those that the engine has.
pub(crate) trait Engine {
    /// The way that nodes take.
    fn address(&self) -> Address;

    /// The way past a proxy.
    fn direct(&self) -> Address {
        self.address()
    }

    /// The values of an application: their names, and a digest of each.
    fn values(&self, app: &str) -> BTreeMap<String, String>;
}

/// One server with a proxy in front of it.
pub(crate) trait Single: Engine {
    fn proxy(&self) -> &Proxy;

    /// Whether a value has a lease, or a note in its place.
    fn has_lease(&self, name: &str) -> bool;

    /// Changes some bytes of the ciphertext.
    fn alter(&self, name: &str);

    /// Cuts off the end of a value.
    fn cut(&self, name: &str);

    /// Puts the value `from` into the place of `to`.
    fn copy(&self, from: &str, to: &str);

    /// Keeps a copy of a value, and returns its name.
    fn back_up(&self, name: &str) -> String;

    /// Puts a copy back.
    fn restore(&self, name: &str, copy: &str);

    /// Removes all values.
    fn wipe(&self);
}

/// Where a node connects to.
#[derive(Clone)]
pub(crate) enum Address {
    Redis(String),
    /// The addresses of Sentinels.
    Sentinels(Vec<String>),
    Cluster(Vec<String>),
    Postgres(String),
    /// PostgreSQL, through a pool of the application's own.
    Pool(Pool),
}

impl Address {
    /// A node with a store at this address.
    pub(crate) async fn node(self, builder: WebTokenCacheBuilder) -> WebTokenCache {
        let builder = match self {
            Self::Redis(url) => {
                builder.store(RedisStore::connect(&url).await.expect("the server is there"))
            }
            Self::Sentinels(urls) => {
                let store = RedisStore::sentinel(urls, Sentinels::NAME).await;
                builder.store(store.expect("the Sentinels are there"))
            }
            Self::Cluster(urls) => {
                builder.store(RedisStore::cluster(urls).await.expect("the Cluster is there"))
            }
            Self::Postgres(url) => {
                builder.store(PostgresStore::connect(&url).expect("the test gives an address"))
            }
            Self::Pool(pool) => builder.store(PostgresStore::new(pool)),
        };
        builder.build().expect("all is there")
    }
}
