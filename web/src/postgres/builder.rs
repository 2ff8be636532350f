//! How a store is made.

use std::{fmt, sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use tokio_postgres::{
    Config, NoTls, Socket,
    tls::{MakeTlsConnect, TlsConnect},
};

use super::{
    PostgresStore,
    dial::{Dial, Dialer},
    engine::Engine,
};
use crate::store::StoreError;

/// Makes a [`PostgresStore`] on a pool of one's own.
pub struct PostgresStoreBuilder {
    pool: Pool,
    dialer: Option<Arc<dyn Dial>>,
    call: Duration,
}

impl PostgresStoreBuilder {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, dialer: None, call: CALL }
    }

    /// Listens to removals on a connection of its own, opened by `config` and `tls`.
    ///
    /// It has to go to the server itself, or through a pooler in session mode: in transaction mode
    /// PgBouncer passes no announcement on.
    #[must_use]
    pub fn listen<T>(self, config: Config, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + Sync + 'static,
        T::TlsConnect: Send + Sync,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        Self { dialer: Some(Arc::new(Dialer { config, tls })), ..self }
    }

    /// The longest time of a call, in place of 500 ms, the wait for a connection of the pool
    /// included. The server ends a statement that takes longer.
    #[must_use]
    pub fn timeout(self, call: Duration) -> Self {
        Self { call, ..self }
    }

    /// The store.
    pub fn build(self) -> PostgresStore {
        PostgresStore::of(Engine::new(self.pool, self.call), self.dialer)
    }
}

impl fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listens = self.dialer.is_some();
        f.debug_struct("PostgresStoreBuilder").field("listens", &listens).finish_non_exhaustive()
    }
}

/// A pool and a listener by the same configuration.
pub(super) fn connected<T>(config: Config, tls: T) -> Result<PostgresStore, StoreError>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + Sync + 'static,
    T::TlsConnect: Send + Sync,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config.clone(), tls.clone(), recycling);
    let pool = Pool::builder(manager).max_size(CONNECTIONS).build();
    let pool = pool.map_err(|error| StoreError::Other {
        what: "the pool of connections cannot be made".into(),
        source: Some(Box::new(error)),
    })?;
    Ok(PostgresStoreBuilder::new(pool).listen(config, tls).build())
}

/// A pool and a listener without TLS, by a connection string.
pub(super) fn connected_plainly(url: &str) -> Result<PostgresStore, StoreError> {
    let config = url.parse::<Config>().map_err(|error| StoreError::Refused {
        // The error itself may quote the string, which has the password.
        what: format!(
            "the connection string cannot be read: {}",
            error.to_string().chars().take(80).collect::<String>().escape_debug()
        ),
        source: None,
    })?;
    connected(config, NoTls)
}

const CONNECTIONS: usize = 16;
/// The longest call, unless the program says another.
const CALL: Duration = Duration::from_millis(500);
