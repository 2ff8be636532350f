//! Builds a cache.

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::{
    Error, KeyRing, KeySource, WebTokenCache,
    client::Client,
    counts::Counts,
    flight::Flights,
    inner::Inner,
    keys::Keys,
    l1::L1,
    lane::Lanes,
    options::{MemoryPolicy, Options, Staleness},
    provider::Provider,
    renewal::{MOST_SPENDING, Waits},
    store::{Durability, Store},
    unsaved::Unsaved,
    value,
};

/// Builds a [`WebTokenCache`].
#[must_use]
pub struct WebTokenCacheBuilder {
    app: String,
    store: Option<Arc<dyn Store>>,
    keys: Option<Keys>,
    client: Option<Client>,
    options: Options,
}

impl WebTokenCache {
    /// Builds a cache for the application `app`: 1 to 64 letters, digits, `.`, `_` and `-`.
    ///
    /// The name is part of all names in the store, and values of one application do not open in
    /// another.
    pub fn builder(app: impl Into<String>) -> WebTokenCacheBuilder {
        WebTokenCacheBuilder::new(app.into())
    }
}

impl WebTokenCacheBuilder {
    pub(crate) fn new(app: String) -> Self {
        Self { app, store: None, keys: None, client: None, options: Options::default() }
    }

    /// Where the values are. Required.
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// The keys that name, seal and open the values. Required, unless there is a
    /// [`key_source`](Self::key_source).
    pub fn keys(mut self, ring: KeyRing) -> Self {
        self.keys = Some(Keys::of_ring(ring));
        self
    }

    /// Where the keys come from, in place of [`keys`](Self::keys).
    pub fn key_source(mut self, source: impl KeySource) -> Self {
        self.keys = Some(Keys::of_source(Arc::new(source)));
        self
    }

    /// The provider, and the client and authority of [`token`](crate::Tokens::token).
    pub fn provider(
        mut self,
        client_id: impl Into<String>,
        authority: impl Into<String>,
        provider: impl Provider,
    ) -> Self {
        self.client = Some(Client::new(client_id.into(), authority.into(), Arc::new(provider)));
        self
    }

    /// How old a value in this node's memory may be before the store is asked. The default is 30 s.
    ///
    /// A sign-out is announced, and does not wait for it.
    pub fn staleness(mut self, staleness: Staleness) -> Self {
        self.options.staleness = staleness;
        self
    }

    /// How values are kept in this node's memory. The default is ready for use.
    pub fn memory(mut self, policy: MemoryPolicy) -> Self {
        self.options.memory = policy;
        self
    }

    /// How much memory the values may use at this node. The default is 256 MiB.
    pub fn max_memory(mut self, bytes: u64) -> Self {
        self.options.max_bytes = bytes;
        self
    }

    /// How long a value stays in this node's memory without use. The default is 10 min.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.options.idle = idle;
        self
    }

    /// How long the store keeps a refresh token whose provider does not say how long it lives, from
    /// its last use. The default is 90 days.
    pub fn keep_for(mut self, keep_for: Duration) -> Self {
        self.options.keep_for = keep_for;
        self
    }

    /// When a value counts as stored, and the lease for a renewal as taken. The default is when the
    /// store says so.
    ///
    /// With [`Durability::Replicated`] a failover to a replica that has the lease does not let a
    /// second node spend the same refresh token. A renewal whose lease too few replicas confirm
    /// spends nothing: it is [`Error::StoreUnavailable`]. Such a lease lasts 30 s in place of 7 s,
    /// so that it is there after the failover. For that time nobody renews the token of a user
    /// whose renewal died with its node. Leases of application tokens, tokens on behalf of a user,
    /// and with
    /// [`spend_without_store`](Self::spend_without_store) wait for no replica.
    ///
    /// Name as many replicas as there are: with fewer, the next primary may be one that confirmed
    /// nothing.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = durability;
        self
    }

    /// Also renews a user's token while the store cannot be reached, is full, or has too few
    /// replicas for a lease, from what this node remembers. The new token is written later.
    ///
    /// Only for a provider that does not end a session when a refresh token is used twice.
    pub fn spend_without_store(mut self, spend: bool) -> Self {
        self.options.spend_without_store = spend;
        self
    }

    /// The time in Unix seconds, in place of the system's. For tests.
    pub fn clock(mut self, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.options.clock = Arc::new(clock);
        self
    }

    /// Builds the cache. It does nothing yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if store or keys are missing, or the application's name is not 1 to 64
    /// letters, digits, `.`, `_` and `-`. [`Error::KeysUnavailable`] if there are no random bytes.
    pub fn build(self) -> Result<WebTokenCache, Error> {
        let is_name = (1..=64).contains(&self.app.len())
            && self.app.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !is_name {
            return Err(Error::invalid(
                "the application's name has 1 to 64 letters, digits, `.`, `_` and `-`",
            ));
        }
        let missing = |what| Error::invalid(format!("{what}; name it in the builder"));
        let store = self.store.ok_or_else(|| missing("there is no store"))?;
        let keys = self.keys.ok_or_else(|| missing("there is no key ring"))?;
        let random = u32::from_le_bytes(value::random()?);
        let inner = Inner {
            app: self.app.into(),
            store,
            keys: Arc::new(keys),
            client: self.client,
            l1: L1::new(self.options.max_bytes, self.options.idle),
            options: self.options,
            lanes: Lanes::default(),
            changes: Lanes::default(),
            flights: Flights::default(),
            writes: Flights::default(),
            unsaved: Unsaved::default(),
            early: Arc::new(Semaphore::new(MOST_EARLY)),
            turns: Arc::default(),
            spending: Semaphore::new(MOST_SPENDING as usize),
            waits: Waits::default(),
            counts: Counts::default(),
            node: f64::from(random) / f64::from(u32::MAX) * 2.0 - 1.0,
            background: std::sync::Mutex::default(),
        };
        Ok(WebTokenCache { inner: Arc::new(inner) })
    }
}

impl fmt::Debug for WebTokenCacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebTokenCacheBuilder").field("app", &self.app).finish_non_exhaustive()
    }
}

/// The most renewals behind calls.
const MOST_EARLY: usize = 32;
