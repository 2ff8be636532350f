//! A token endpoint over HTTPS with reqwest, for an asynchronous program. Take this file as it is.

use std::{error::Error, time::Duration};

use reqwest::{
    Client, Request, Response, Url,
    header::{ACCEPT, HeaderValue, RETRY_AFTER},
    redirect, retry,
};
use tokenkeep::silent::{ExchangeError, Spend, TokenReply};

/// A provider's token endpoint. A clone shares the HTTP client.
#[derive(Clone)]
pub struct Endpoint {
    client: Client,
    address: Url,
    client_secret: Option<String>,
}

impl Endpoint {
    /// The token endpoint at this address: one of https, or one of http on this machine.
    ///
    /// # Panics
    ///
    /// Unless the program has installed a cryptography provider of rustls, as `main.rs` does.
    pub fn new(address: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let address: Url = address.parse()?;
        let host = address.host_str().unwrap_or_default();
        let is_here = ["127.0.0.1", "[::1]", "localhost"].contains(&host);
        // A refresh token must not be sent twice: not again by itself, not to where a redirect
        // leads, and not on a connection that may be dead.
        let client = Client::builder()
            .retry(retry::never())
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT)
            .https_only(!is_here);
        // A proxy is for other machines.
        let client = if is_here { client.no_proxy() } else { client };
        Ok(Self { client: client.build()?, address, client_secret: None })
    }

    /// The client authenticates itself by `client_secret_post` (RFC 6749, section 2.3.1).
    pub fn client_secret(mut self, secret: &str) -> Self {
        self.client_secret = Some(secret.to_owned());
        self
    }

    /// Sends the form, and returns what came back: the exchange of `acquire_token_silent_async`.
    pub async fn exchange(self, spend: Spend) -> Result<TokenReply, ExchangeError> {
        let secret = self.client_secret.as_deref().map(|secret| ("client_secret", secret));
        let form: Vec<_> = spend.form().chain(secret).collect();
        let request = self.client.post(self.address.clone()).form(&form).build();
        self.send(request.map_err(not_sent_or_unknown)?, spend.left()).await.map(|(_, reply)| reply)
    }

    /// Sends a request once. Returns the head of the response, and what tokenkeep reads of it.
    pub async fn send(
        &self,
        mut request: Request,
        limit: Duration,
    ) -> Result<(Response, TokenReply), ExchangeError> {
        // It covers the body of the response, too.
        *request.timeout_mut() = Some(limit);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let mut response = self.client.execute(request).await.map_err(not_sent_or_unknown)?;
        let mut body = Vec::new();
        while body.len() <= LARGEST
            && let Some(part) = response.chunk().await.map_err(not_sent_or_unknown)?
        {
            // One byte more tells that there is more.
            body.extend_from_slice(&part[..part.len().min(LARGEST + 1 - body.len())]);
        }
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok());
        let reply = TokenReply::new(response.status().as_u16(), body).retry_after(retry_after);
        Ok((response, reply))
    }
}

/// A request that never became one, and a connection that was not made, sent nothing. After any
/// other failure the provider may have received the request.
fn not_sent_or_unknown(error: reqwest::Error) -> ExchangeError {
    if error.is_builder() || error.is_connect() {
        ExchangeError::not_sent(error)
    } else {
        ExchangeError::unknown(error)
    }
}

const CONNECT: Duration = Duration::from_secs(5);
/// tokenkeep reads no more than 1 MiB of a response.
const LARGEST: usize = 1 << 20;
