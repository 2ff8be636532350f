//! How to reach Redis.

use std::{fmt, time::Duration};

use redis::ConnectionInfo;

use super::{
    RedisStore,
    address::{Tls, is_open, is_tls},
    backend::Backend,
    cluster::{Cluster, Way},
    failure::{Stage, meaning},
    limits::CALL,
    link::Link,
    place::Fixed,
    sentinel::Sentinels,
};
use crate::store::StoreError;

/// How to reach Redis, where an address does not say it all.
#[derive(Clone)]
#[must_use]
pub struct RedisStoreBuilder {
    tls: Tls,
    server: Option<String>,
    call: Duration,
}

impl RedisStoreBuilder {
    /// Trusts these root certificates (PEM) in place of the system's, for addresses with
    /// `rediss://`.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.root = Some(pem.into());
        self
    }

    /// Shows the server this certificate, with its key (both PEM), for addresses with `rediss://`.
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.tls.client = Some([certificate.into(), key.into()]);
        self
    }

    /// How the servers behind Sentinels are reached: a URL as [`RedisStore::connect`] takes it, of
    /// which user, password, database and TLS are used. Without it they are as with `redis://`.
    pub fn server(mut self, url: impl Into<String>) -> Self {
        self.server = Some(url.into());
        self
    }

    /// The longest time of a call, in place of 500 ms. A new connection has half of it. A call that
    /// waits for replicas may take twice as long, and twice the time that it was given for them.
    pub fn timeout(mut self, call: Duration) -> Self {
        self.call = call;
        self
    }

    /// Connects to one server; see [`RedisStore::connect`].
    ///
    /// # Errors
    ///
    /// As [`RedisStore::connect`].
    pub async fn connect(self, url: &str) -> Result<RedisStore, StoreError> {
        let server = self.tls.server(url).map_err(|error| meaning(error, Stage::Connecting))?;
        let is_open = is_open(server.addr());
        let link = Link::new(Fixed(server), self.call);
        link.connected().await?;
        Ok(RedisStore { backend: Backend::Server(link), is_open })
    }

    /// Connects to the primary that Sentinels know; see [`RedisStore::sentinel`].
    ///
    /// # Errors
    ///
    /// As [`RedisStore::sentinel`].
    pub async fn sentinel<U: AsRef<str>>(
        self,
        urls: impl IntoIterator<Item = U>,
        name: &str,
    ) -> Result<RedisStore, StoreError> {
        let sentinels = self.servers(urls)?;
        let like = self.server.as_deref().unwrap_or("redis://localhost");
        let like = self.tls.server(like).map_err(|error| meaning(error, Stage::Connecting))?;
        let has_tls = is_tls(like.addr());
        let is_open = !has_tls && sentinels.iter().any(|server| is_open(server.addr()));
        let link = Link::new(Sentinels { sentinels, name: name.to_owned(), like }, self.call);
        link.connected().await?;
        Ok(RedisStore { backend: Backend::Server(link), is_open })
    }

    /// Connects to a Cluster; see [`RedisStore::cluster`].
    ///
    /// # Errors
    ///
    /// As [`RedisStore::cluster`].
    pub async fn cluster<U: AsRef<str>>(
        self,
        urls: impl IntoIterator<Item = U>,
    ) -> Result<RedisStore, StoreError> {
        let seeds = self.servers(urls)?;
        let is_open = seeds.iter().any(|server| is_open(server.addr()));
        let like = seeds[0].clone();
        let cluster = Cluster::connect(seeds, Way { like, call: self.call }).await?;
        Ok(RedisStore { backend: Backend::Cluster(cluster), is_open })
    }

    fn servers<U: AsRef<str>>(
        &self,
        urls: impl IntoIterator<Item = U>,
    ) -> Result<Vec<ConnectionInfo>, StoreError> {
        let servers = urls.into_iter().map(|url| self.tls.server(url.as_ref()));
        let servers: Result<Vec<_>, _> = servers.collect();
        let servers = servers.map_err(|error| meaning(error, Stage::Connecting))?;
        if servers.is_empty() {
            let what = "there is no address".into();
            return Err(StoreError::Refused { what, source: None });
        }
        Ok(servers)
    }
}

impl Default for RedisStoreBuilder {
    fn default() -> Self {
        Self { tls: Tls::default(), server: None, call: CALL }
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder").finish_non_exhaustive()
    }
}
