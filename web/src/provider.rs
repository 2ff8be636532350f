//! The provider's token endpoint, as the application reaches it.

use tokenkeep::{
    Secret,
    silent::{ExchangeError, Spend, TokenReply},
};

use crate::store::BoxFuture;

/// The token endpoint of a provider. The application carries the bytes, with any HTTP client.
///
/// The client must not send a request again by itself, follow a redirect, or reuse a connection
/// that may be dead: each could spend a refresh token a second time.
pub trait Provider: Send + Sync + 'static {
    /// Sends the [form](Spend::form) of `spend`, with what authenticates the client, as an HTTP
    /// POST, and returns what came back, whatever it is.
    ///
    /// After the [deadline](Spend::deadline) the future is dropped.
    ///
    /// # Errors
    ///
    /// [`ExchangeError`] if there is no response.
    fn exchange<'a>(&'a self, spend: &'a Spend)
    -> BoxFuture<'a, Result<TokenReply, ExchangeError>>;

    /// Revokes a refresh token (RFC 7009) that nobody will use: its user signed out while it was
    /// issued. The default does nothing. After 5 s the future is dropped.
    ///
    /// # Errors
    ///
    /// [`ExchangeError`] if there is no response. It is logged.
    fn revoke<'a>(&'a self, token: &'a Secret) -> BoxFuture<'a, Result<(), ExchangeError>> {
        let _token = token;
        Box::pin(async { Ok(()) })
    }
}
