//! A provider's endpoints as a program reaches them, with ureq.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokenkeep::{
    Secret, TokenRequest,
    silent::{ExchangeError, Revoked, Spend, TokenEndpoint, TokenReply},
};
use tokenkeep_test_support::providers::Provider;
use ureq::{Agent, Error, Timeout};

/// The endpoints of a provider, for one client.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    issuer: String,
    token: String,
    revocation: String,
    agent: Agent,
    /// How many exchanges there were, of all clones.
    asked: Arc<AtomicUsize>,
}

impl Endpoint {
    pub(crate) fn of(provider: &Provider) -> Self {
        Self::new([provider.issuer(), provider.token_endpoint(), provider.revocation_endpoint()])
    }

    fn new(addresses: [&str; 3]) -> Self {
        let [issuer, token, revocation] = addresses.map(str::to_owned);
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(0)
            .proxy(None)
            .build()
            .new_agent();
        Self { issuer, token, revocation, agent, asked: Arc::default() }
    }

    /// For a process that is to use the same.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        (ENDPOINTS, [&self.issuer, &self.token, &self.revocation].map(String::as_str).join(" "))
    }

    /// The one that [`variable`](Self::variable) describes in this process.
    pub(crate) fn from_environment() -> Self {
        let addresses = env::var(ENDPOINTS).unwrap();
        let addresses: Vec<&str> = addresses.split(' ').collect();
        Self::new(addresses.try_into().unwrap())
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn request(&self) -> TokenRequest {
        TokenRequest::new(Provider::CLIENT, &self.issuer, [Provider::SCOPE])
    }
}

impl TokenEndpoint for Endpoint {
    fn exchange(&mut self, spend: &Spend) -> Result<TokenReply, ExchangeError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let request = self.agent.post(&self.token).config().timeout_global(Some(spend.left()));
        let mut response = request.build().send_form(spend.form()).map_err(failure)?;
        let retry_after = response.headers().get("retry-after").cloned();
        let retry_after = retry_after.as_ref().and_then(|value| value.to_str().ok());
        let body = response.body_mut().read_to_vec().map_err(ExchangeError::unknown)?;
        Ok(TokenReply::new(response.status().as_u16(), body).retry_after(retry_after))
    }

    fn revoke(&mut self, token: &Secret) -> Revoked {
        let token = std::str::from_utf8(token.expose()).unwrap();
        let form = [
            ("token", token),
            ("token_type_hint", "refresh_token"),
            ("client_id", Provider::CLIENT),
        ];
        match self.agent.post(&self.revocation).send_form(form) {
            Ok(response) if response.status() == 200 => Revoked::Done,
            Ok(response) => {
                Revoked::Failed(ExchangeError::unknown(format!("status {}", response.status())))
            }
            Err(error) => Revoked::Failed(failure(error)),
        }
    }
}

/// Only where the request certainly was not sent is it said so.
fn failure(error: Error) -> ExchangeError {
    match error {
        Error::HostNotFound
        | Error::ConnectionFailed
        | Error::Timeout(Timeout::Resolve | Timeout::Connect) => ExchangeError::not_sent(error),
        Error::Io(cause) if cause.kind() == std::io::ErrorKind::ConnectionRefused => {
            ExchangeError::not_sent(cause)
        }
        error => ExchangeError::unknown(error),
    }
}

const ENDPOINTS: &str = "TOKENKEEP_TEST_ENDPOINTS";
