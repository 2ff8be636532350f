//! Where the server is.

use redis::{Client, ConnectionInfo, RedisError, aio::MultiplexedConnection};

use crate::store::BoxFuture;

/// Finds the server. It is asked before each connection.
pub(super) trait Place: Send + Sync + 'static {
    /// A client of the server.
    fn find(&self) -> BoxFuture<'_, Result<Client, RedisError>>;

    /// Looks at a connection to the server that was found.
    fn check<'a>(
        &'a self,
        _connection: &'a mut MultiplexedConnection,
    ) -> BoxFuture<'a, Result<(), RedisError>> {
        Box::pin(async { Ok(()) })
    }

    /// Whether the server that was found is still the one. A listener asks now and then. Silence
    /// leaves it as it is.
    fn is_still_right<'a>(&'a self, _found: &'a Client) -> BoxFuture<'a, bool> {
        Box::pin(async { true })
    }
}

/// A server at one address.
pub(super) struct Fixed(pub(super) ConnectionInfo);

impl Place for Fixed {
    fn find(&self) -> BoxFuture<'_, Result<Client, RedisError>> {
        Box::pin(async { Client::open(self.0.clone()) })
    }
}
