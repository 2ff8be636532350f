//! The HTTP client of the crate oauth2, which keeps the last response as it came. Take this file as
//! it is.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use oauth2::{
    AsyncHttpClient, HttpRequest, HttpResponse,
    http::{Response, header::CONTENT_TYPE},
};
use tokenkeep::silent::{ExchangeError, TokenReply};

use crate::endpoint::Endpoint;

/// Sends requests of oauth2, each in at most this time.
pub struct Carrier {
    endpoint: Endpoint,
    limit: Duration,
    last: Mutex<Option<TokenReply>>,
}

impl Carrier {
    pub fn new(endpoint: Endpoint, limit: Duration) -> Self {
        Self { endpoint, limit, last: Mutex::new(None) }
    }

    /// The last response, if there was one.
    pub fn last(&self) -> Option<TokenReply> {
        mem::take(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<'c> AsyncHttpClient<'c> for Carrier {
    type Error = ExchangeError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, ExchangeError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let request = request
                .try_into()
                .map_err(|error: reqwest::Error| ExchangeError::not_sent(error))?;
            let (head, reply) = self.endpoint.send(request, self.limit).await?;
            let mut response = Response::builder().status(head.status());
            if let Some(kind) = head.headers().get(CONTENT_TYPE) {
                response = response.header(CONTENT_TYPE, kind);
            }
            let response = response.body(reply.body().expose().to_vec());
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
            response.map_err(ExchangeError::unknown)
        })
    }
}
