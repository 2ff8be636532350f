//! Silent sign-in with an exchange that is a future.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Handle};

use crate::{
    AccessToken, Error, PersistedTokenCache, TokenRequest,
    silent::{Exchange, ExchangeError, SilentOptions, Spend, TokenReply},
};

impl PersistedTokenCache {
    /// [`acquire_token_silent`](Self::acquire_token_silent) for asynchronous programs.
    ///
    /// A renewal goes on if the future is dropped, and its answer is stored: a provider that
    /// replaces refresh tokens has done so by then. `exchange` makes one future for each request.
    /// It runs on the tokio runtime on which this is polled first, or without one on a thread of
    /// its own. It must end by the [deadline](Spend::deadline): an answer that comes more than five
    /// seconds later is lost.
    ///
    /// Before the runtime is shut down, await `cache.call_async(|cache| cache.settle(limit))`. To
    /// call [`settle`](Self::settle) itself would stop a runtime of one thread.
    ///
    /// # Errors
    /// The errors of the synchronous call, and [`Error::NoThread`].
    ///
    /// # Panics
    /// If `exchange` panics, with the same panic. A panic of its future counts as a request without
    /// an answer.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tokenkeep::Error> {
    /// use tokenkeep::{PersistedTokenCache, TokenRequest, silent::TokenReply};
    ///
    /// let cache = PersistedTokenCache::in_memory();
    /// let request = TokenRequest::new("client", "https://login.example.com/tenant", ["read"]);
    /// # let first = r#"{"access_token": "0", "refresh_token": "r", "expires_in": 1}"#;
    /// # cache.add_response(&request, first)?;
    /// let exchange = |spend: tokenkeep::silent::Spend| async move {
    ///     // POST `spend.form()` with any HTTP client.
    ///     let (status, body) = post(spend).await;
    ///     Ok(TokenReply::new(status, body))
    /// };
    /// let token = cache.acquire_token_silent_async(&request, exchange).await?;
    /// assert!(token.is_some(), "somebody is signed in");
    /// # async fn post(_: tokenkeep::silent::Spend) -> (u16, &'static str) {
    /// #     (200, r#"{"access_token": "1", "expires_in": 3600}"#)
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn acquire_token_silent_async<F, R>(
        &self,
        request: &TokenRequest,
        exchange: F,
    ) -> Result<Option<AccessToken>, Error>
    where
        F: FnMut(Spend) -> R + Send + 'static,
        R: Future<Output = Result<TokenReply, ExchangeError>> + Send + 'static,
    {
        self.acquire_token_silent_with_async(request, &SilentOptions::new(), exchange).await
    }

    /// [`acquire_token_silent_async`](Self::acquire_token_silent_async) with limits of the caller's
    /// own, and with a way to end its wait for another program.
    ///
    /// # Errors
    /// The errors of [`acquire_token_silent_with`](Self::acquire_token_silent_with), and
    /// [`Error::NoThread`].
    ///
    /// # Panics
    /// As [`acquire_token_silent_async`](Self::acquire_token_silent_async).
    pub async fn acquire_token_silent_with_async<F, R>(
        &self,
        request: &TokenRequest,
        options: &SilentOptions,
        mut exchange: F,
    ) -> Result<Option<AccessToken>, Error>
    where
        F: FnMut(Spend) -> R + Send + 'static,
        R: Future<Output = Result<TokenReply, ExchangeError>> + Send + 'static,
    {
        let (request, options) = (request.clone(), options.clone());
        let runtime = Handle::try_current().ok();
        self.call_async(move |cache| {
            let exchange = |spend: &Spend| {
                let exchange = exchange(spend.clone());
                match &runtime {
                    Some(runtime) => driven_by(runtime, exchange, spend.deadline()),
                    None => driven_here(exchange),
                }
            };
            cache.acquire_token_silent_with(&request, &options, Exchange(exchange))
        })
        .await
    }
}

/// Runs the exchange as a task, which nobody who stops waiting ends.
fn driven_by(
    runtime: &Handle,
    exchange: impl Future<Output = Result<TokenReply, ExchangeError>> + Send + 'static,
    deadline: Instant,
) -> Result<TokenReply, ExchangeError> {
    let (reply, answer) = mpsc::channel();
    drop(runtime.spawn(async move {
        // Nobody waits any more if the time was up.
        reply.send(exchange.await).ok();
    }));
    let left = deadline.saturating_duration_since(Instant::now()).saturating_add(GRACE);
    answer.recv_timeout(left).unwrap_or_else(|error| {
        Err(ExchangeError::unknown(match error {
            mpsc::RecvTimeoutError::Timeout => "the time was up",
            mpsc::RecvTimeoutError::Disconnected => "the runtime was shut down, or the task failed",
        }))
    })
}

fn driven_here(
    exchange: impl Future<Output = Result<TokenReply, ExchangeError>>,
) -> Result<TokenReply, ExchangeError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ExchangeError::not_sent)?;
    // Nothing of it is used after a panic.
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(exchange)))
        .unwrap_or_else(|_| Err(ExchangeError::unknown("the exchange panicked")))
}

/// An HTTP client notices the deadline itself, and knows more about the failure.
const GRACE: Duration = Duration::from_secs(5);
