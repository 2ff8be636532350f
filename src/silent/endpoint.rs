//! A provider's token endpoint, as the program reaches it.

use super::{ExchangeError, Spend, TokenReply};
use crate::Secret;

/// The token endpoint of a provider. The program sends the bytes, with any HTTP client.
///
/// The client must not send a request again by itself, follow a redirect, or reuse a connection
/// that may be dead: each could spend a refresh token a second time.
pub trait TokenEndpoint {
    /// Sends the [form](Spend::form) of `spend` as an HTTP POST, and returns what came back,
    /// whatever it is. Takes no longer than until its [deadline](Spend::deadline).
    ///
    /// # Errors
    ///
    /// [`ExchangeError`] if there is no response.
    fn exchange(&mut self, spend: &Spend) -> Result<TokenReply, ExchangeError>;

    /// Revokes a refresh token (RFC 7009). Called for one that nobody will use, for instance
    /// because its user signed out while it was issued. The default revokes nothing, and says so.
    fn revoke(&mut self, token: &Secret) -> Revoked {
        let _token = token;
        Revoked::NotSupported
    }
}

impl<T: TokenEndpoint + ?Sized> TokenEndpoint for &mut T {
    fn exchange(&mut self, spend: &Spend) -> Result<TokenReply, ExchangeError> {
        (**self).exchange(spend)
    }

    fn revoke(&mut self, token: &Secret) -> Revoked {
        (**self).revoke(token)
    }
}

/// What became of a token that was to be revoked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Revoked {
    /// The provider confirmed it.
    Done,
    /// This endpoint cannot revoke.
    NotSupported,
    /// The provider could not be reached, or did not confirm it.
    Failed(ExchangeError),
}

/// A closure that exchanges and cannot revoke.
#[cfg(feature = "desktop")]
pub(crate) struct Exchange<F>(pub(crate) F);

#[cfg(feature = "desktop")]
impl<F: FnMut(&Spend) -> Result<TokenReply, ExchangeError>> TokenEndpoint for Exchange<F> {
    fn exchange(&mut self, spend: &Spend) -> Result<TokenReply, ExchangeError> {
        (self.0)(spend)
    }
}
