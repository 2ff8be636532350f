//! The provider's endpoints, as the cache asks for them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use reqwest::Client;
use tokenkeep::{
    Secret,
    silent::{ExchangeError, Spend, TokenReply},
};
use tokenkeep_web::{Provider, store::BoxFuture};

use crate::parts::{Failure, endpoint::Endpoint, provider::CLIENT_SECRET};

/// Carries what the cache sends to a provider.
#[derive(Clone)]
pub(crate) struct TokenEndpoint {
    token: Endpoint,
    revocation: String,
    exchanges: Arc<AtomicU32>,
}

impl TokenEndpoint {
    pub(crate) fn new(issuer: &str) -> Result<Self, Failure> {
        let token = Endpoint::new(&format!("{issuer}/token"))?.client_secret(CLIENT_SECRET);
        Ok(Self { token, revocation: format!("{issuer}/revoke"), exchanges: Arc::default() })
    }

    /// The endpoint for tokens.
    pub(crate) fn token(&self) -> &Endpoint {
        &self.token
    }

    /// How often the cache asked for tokens.
    pub(crate) fn exchanges(&self) -> u32 {
        self.exchanges.load(Ordering::SeqCst)
    }
}

impl Provider for TokenEndpoint {
    fn exchange<'a>(
        &'a self,
        spend: &'a Spend,
    ) -> BoxFuture<'a, Result<TokenReply, ExchangeError>> {
        self.exchanges.fetch_add(1, Ordering::SeqCst);
        Box::pin(self.token.clone().exchange(spend.clone()))
    }

    fn revoke<'a>(&'a self, token: &'a Secret) -> BoxFuture<'a, Result<(), ExchangeError>> {
        Box::pin(async move {
            let token = String::from_utf8_lossy(token.expose());
            let form = [("token", &*token), ("client_secret", CLIENT_SECRET)];
            let request = Client::new().post(&self.revocation).form(&form).build();
            let request = request.map_err(ExchangeError::not_sent)?;
            self.token.send(request, REVOCATION).await.map(drop)
        })
    }
}

const REVOCATION: Duration = Duration::from_secs(5);
