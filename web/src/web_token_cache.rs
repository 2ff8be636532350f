//! The cache of all users of an application.

use std::{fmt, sync::Arc};

use crate::{SessionId, Tokens, UserId, assertion::Assertion, inner::Inner, tokens::Whose};

/// The token caches of all users of a web application, at all its nodes.
///
/// A clone is cheap and is the same cache. It belongs into the state of a web framework. All calls
/// need a tokio runtime with time.
#[derive(Clone)]
pub struct WebTokenCache {
    pub(crate) inner: Arc<Inner>,
}

impl WebTokenCache {
    /// The tokens of a user, whatever device the user is at.
    pub fn user(&self, user: &UserId) -> Tokens {
        self.tokens(Whose::User(user.clone()))
    }

    /// The tokens of one browser session, for a provider that binds them to it.
    pub fn session(&self, session: &SessionId) -> Tokens {
        self.tokens(Whose::Session(session.clone()))
    }

    /// The tokens of the application itself (`client_credentials`).
    pub fn app(&self) -> Tokens {
        self.tokens(Whose::Application)
    }

    /// The tokens on behalf of the user whose access token `assertion` this API was called with.
    /// The application has validated it.
    ///
    /// Refresh tokens are not kept, and nothing is kept for longer than the assertion is valid.
    /// All clients and authorities of one assertion share one partition, so a sign-out ends all.
    pub fn on_behalf_of(&self, assertion: &str) -> Tokens {
        self.tokens(Whose::OnBehalfOf(Arc::new(Assertion::new(assertion))))
    }

    /// The tokens of a job on behalf of a user that outlives its request. `key` names the job. Its
    /// first response is put in with [`Tokens::keep`].
    ///
    /// All clients and authorities of one key share one partition, so a sign-out ends all.
    pub fn long_running(&self, key: &SessionId) -> Tokens {
        self.tokens(Whose::LongRunning(key.clone()))
    }

    fn tokens(&self, whose: Whose) -> Tokens {
        Tokens { inner: Arc::clone(&self.inner), whose }
    }
}

impl fmt::Debug for WebTokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebTokenCache")
            .field("app", &self.inner.app)
            .field("store", &self.inner.store)
            .field("keys", &self.inner.keys)
            .finish_non_exhaustive()
    }
}
