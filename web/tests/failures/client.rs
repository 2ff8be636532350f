//! What carries a node's requests to the provider.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokenkeep::{
    Secret,
    silent::{ExchangeError, Spend, TokenReply},
};
use tokenkeep_test_support::engines::provider::{Provider as Endpoint, post};
use tokenkeep_web::{Provider, store::BoxFuture};

/// Carries requests to the provider of the test.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) endpoint: Arc<Endpoint>,
    /// Nothing is sent while it is set.
    pub(crate) is_cut_off: Arc<AtomicBool>,
}

impl Client {
    pub(crate) fn start() -> Self {
        Self { endpoint: Arc::new(Endpoint::start()), is_cut_off: Arc::default() }
    }
}

impl Provider for Client {
    fn exchange<'a>(
        &'a self,
        spend: &'a Spend,
    ) -> BoxFuture<'a, Result<TokenReply, ExchangeError>> {
        Box::pin(async move {
            if self.is_cut_off.load(Ordering::Relaxed) {
                return Err(ExchangeError::not_sent("the way is cut"));
            }
            let (url, left) = (self.endpoint.token_endpoint(), spend.left());
            let spend = spend.clone();
            let posted = tokio::task::spawn_blocking(move || {
                let form: Vec<(&str, &str)> = spend.form().collect();
                post(&url, &form, left)
            });
            match posted.await.map_err(ExchangeError::unknown)? {
                Ok(reply) => Ok(TokenReply::new(reply.status, reply.body)
                    .retry_after(reply.retry_after.as_deref())),
                Err(none) if none.was_sent => Err(ExchangeError::unknown(none)),
                Err(none) => Err(ExchangeError::not_sent(none)),
            }
        })
    }

    fn revoke<'a>(&'a self, token: &'a Secret) -> BoxFuture<'a, Result<(), ExchangeError>> {
        Box::pin(async move {
            let url = self.endpoint.revocation_endpoint();
            let token = token.expose_str().unwrap_or_default().to_owned();
            let posted = tokio::task::spawn_blocking(move || {
                post(&url, &[("token", &token)], std::time::Duration::from_secs(5))
            });
            posted.await.map_err(ExchangeError::unknown)?.map(drop).map_err(ExchangeError::unknown)
        })
    }
}
