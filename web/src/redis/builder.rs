//! How to reach Redis.

use std::{fmt, time::Duration};

use super::{
    RedisStore,
    address::{Tls, is_open},
    backend::Backend,
    failure::{Stage, meaning},
    limits::CALL,
    link::Link,
    place::Fixed,
};
use crate::store::StoreError;

/// How to reach Redis, where an address does not say it all.
#[derive(Clone)]
#[must_use]
pub struct RedisStoreBuilder {
    tls: Tls,
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
}

impl Default for RedisStoreBuilder {
    fn default() -> Self {
        Self { tls: Tls::default(), call: CALL }
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder").finish_non_exhaustive()
    }
}
