//! A token cache that is stored, and shared with every other process that opens the same store.

mod account;
mod changes;
mod exchange;
mod lease;
mod request;
mod token;

use std::ffi::OsString;

use pyo3::{
    prelude::*,
    types::{PyBytes, PyString},
};
use tokenkeep::{
    PersistedTokenCache, Secret,
    silent::{Revoked, SilentOptions},
};

use self::exchange::Endpoint;
pub(crate) use self::{
    account::Account, changes::TokenCache, exchange::Spend, lease::RefreshLease,
    request::TokenRequest, token::AccessToken,
};
use crate::{
    detached::Detached,
    key_source::{attached, callback_failed},
    wait::{seconds, waiting},
};

/// A token cache that is stored, and shared with every other process that opens the same store.
#[pyclass(frozen, module = "tokenkeep._native")]
pub(crate) struct Cache(Detached<PersistedTokenCache>);

impl From<PersistedTokenCache> for Cache {
    fn from(cache: PersistedTokenCache) -> Self {
        Self(Detached::new(cache))
    }
}

#[pymethods]
impl Cache {
    /// A cache in memory only.
    #[staticmethod]
    fn in_memory() -> Self {
        Self::from(PersistedTokenCache::in_memory())
    }

    /// The same cache with another limit for waits for other processes, in seconds.
    fn with_lock_timeout(&self, timeout: f64) -> PyResult<Self> {
        Ok(Self::from(self.0.clone().lock_timeout(seconds(timeout)?)))
    }

    /// The access token for a request, if a stored one is valid and stays valid for a while.
    fn find_access_token(
        &self,
        py: Python<'_>,
        request: &TokenRequest,
    ) -> PyResult<Option<AccessToken>> {
        let found = waiting(py, || self.0.find_access_token(request.request()))?;
        Ok(found.map(AccessToken::from))
    }

    /// A cached token, or one that `exchange` gets for the refresh token. `None`: sign in.
    #[pyo3(signature = (
        request,
        exchange,
        *,
        revoke = None,
        wait = 60.0,
        exchange_timeout = 30.0,
        allow_unsaved = false,
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords of Python")]
    fn acquire_token_silent(
        &self,
        py: Python<'_>,
        request: &TokenRequest,
        exchange: Py<PyAny>,
        revoke: Option<Py<PyAny>>,
        wait: f64,
        exchange_timeout: f64,
        allow_unsaved: bool,
    ) -> PyResult<Option<AccessToken>> {
        let options = options(wait, exchange_timeout, allow_unsaved)?;
        let endpoint = Endpoint::new(exchange, revoke);
        let interrupt = endpoint.interrupt();
        let outcome =
            waiting(py, || self.0.acquire_token_silent_with(request.request(), &options, endpoint));
        match interrupt.take() {
            Some(exception) => Err(exception),
            None => Ok(outcome?.map(AccessToken::from)),
        }
    }

    /// A cached token of the application itself, or one that `exchange` gets.
    #[pyo3(signature = (
        request,
        exchange,
        *,
        wait = 60.0,
        exchange_timeout = 30.0,
        allow_unsaved = false,
    ))]
    fn acquire_token_for_client(
        &self,
        py: Python<'_>,
        request: &TokenRequest,
        exchange: Py<PyAny>,
        wait: f64,
        exchange_timeout: f64,
        allow_unsaved: bool,
    ) -> PyResult<Option<AccessToken>> {
        let options = options(wait, exchange_timeout, allow_unsaved)?;
        let endpoint = Endpoint::new(exchange, None);
        let interrupt = endpoint.interrupt();
        let outcome = waiting(py, || {
            self.0.acquire_token_for_client_with(request.request(), &options, endpoint)
        });
        match interrupt.take() {
            Some(exception) => Err(exception),
            None => Ok(outcome?.map(AccessToken::from)),
        }
    }

    /// Stores the provider's JSON response to a request, and returns its access token.
    fn add_response(
        &self,
        py: Python<'_>,
        request: &TokenRequest,
        response: &Bound<'_, PyAny>,
    ) -> PyResult<AccessToken> {
        let response = text(response)?;
        let added = waiting(py, || self.0.add_response(request.request(), response.expose()))?;
        Ok(AccessToken::from(added))
    }

    /// The accounts that are signed in.
    fn accounts(&self, py: Python<'_>) -> PyResult<Vec<Account>> {
        let accounts = waiting(py, || self.0.accounts())?;
        Ok(accounts.into_iter().map(Account::from).collect())
    }

    /// The accounts of an authority.
    fn accounts_of(&self, py: Python<'_>, authority: &str) -> PyResult<Vec<Account>> {
        let accounts = waiting(py, || self.0.accounts_of(authority))?;
        Ok(accounts.into_iter().map(Account::from).collect())
    }

    /// The accounts that a name may mean.
    fn accounts_named(&self, py: Python<'_>, name: &str) -> PyResult<Vec<Account>> {
        let accounts = waiting(py, || self.0.accounts_named(name))?;
        Ok(accounts.into_iter().map(Account::from).collect())
    }

    /// Signs an account out of one client, or of every client. Returns the number of removed
    /// entries.
    #[pyo3(signature = (account, client_id = None))]
    fn sign_out(
        &self,
        py: Python<'_>,
        account: &Account,
        client_id: Option<&str>,
    ) -> PyResult<usize> {
        waiting(py, || match client_id {
            Some(client_id) => self.0.sign_out(account.account(), client_id),
            None => self.0.sign_out_everywhere(account.account()),
        })
    }

    /// Signs out and revokes. Returns the number of removed entries, and of each refresh token
    /// whether it was revoked.
    #[pyo3(signature = (account, client_id, revoke))]
    fn sign_out_with(
        &self,
        py: Python<'_>,
        account: &Account,
        client_id: Option<&str>,
        revoke: Py<PyAny>,
    ) -> PyResult<(usize, Vec<bool>)> {
        let endpoint = Endpoint::new(py.None(), Some(revoke));
        let interrupt = endpoint.interrupt();
        let outcome = waiting(py, || self.0.sign_out_with(account.account(), client_id, endpoint));
        if let Some(exception) = interrupt.take() {
            return Err(exception);
        }
        let outcome = outcome?;
        let is_done = |revoked: &Revoked| matches!(revoked, Revoked::Done);
        Ok((outcome.removed, outcome.revoked.iter().map(is_done).collect()))
    }

    /// Reads the newest state, lets `change` modify it, and saves all of it or nothing. `change`
    /// may run more than once.
    fn transaction(&self, py: Python<'_>, change: Py<PyAny>) -> PyResult<Py<PyAny>> {
        waiting(py, || {
            self.0.transaction(|cache| {
                let outcome =
                    attached(|py| TokenCache::lend(py, cache, |lent| change.call1(py, (lent,))));
                outcome.map_err(|failure| callback_failed("the change in a transaction", failure))
            })
        })
    }

    /// Replaces the text of the cache with what `change` returns for it.
    fn replace_with(&self, py: Python<'_>, change: Py<PyAny>) -> PyResult<()> {
        waiting(py, || {
            let replaced = self.0.replace_with(|text| {
                let outcome = attached(|py| {
                    let given = text.map(|text| PyBytes::new(py, text.as_bytes()));
                    let new = change.bind(py).call1((given,))?;
                    if new.is_none() { Ok(None) } else { self::text(&new).map(Some) }
                });
                outcome.map_err(|failure| callback_failed("the change of a text", failure))
            });
            replaced.map(drop)
        })
    }

    /// The cache as JSON in the MSAL unified schema. It holds every token.
    fn to_json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let json = waiting(py, || Ok(self.0.snapshot()?.to_json()))?;
        Ok(PyBytes::new(py, json.expose()))
    }

    /// Waits for the right to spend the refresh token of a request.
    #[pyo3(signature = (request, *, wait = 60.0))]
    fn refresh_lease(
        &self,
        py: Python<'_>,
        request: &TokenRequest,
        wait: f64,
    ) -> PyResult<RefreshLease> {
        let options = SilentOptions::new().wait(seconds(wait)?);
        let lease = waiting(py, || self.0.refresh_lease(request.request(), &options))?;
        Ok(RefreshLease::from(lease))
    }

    /// Waits until the renewals that this process has begun have ended.
    #[pyo3(signature = (timeout = 30.0))]
    fn settle(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        let timeout = seconds(timeout)?;
        waiting(py, || self.0.settle(timeout))
    }

    /// Proves, before a user signs in, that the sign-in can be stored.
    fn prepare(&self, py: Python<'_>) -> PyResult<String> {
        Ok(waiting(py, || self.0.prepare())?.to_string())
    }

    /// Proves that the cache can be read and written here and now.
    fn verify(&self, py: Python<'_>) -> PyResult<String> {
        Ok(waiting(py, || self.0.verify())?.to_string())
    }

    /// What protects the stored bytes, in words for users.
    #[getter]
    fn protection(&self, py: Python<'_>) -> String {
        py.detach(|| self.0.protection().to_string())
    }

    /// Whether bytes at rest are encrypted.
    #[getter]
    fn is_encrypted(&self, py: Python<'_>) -> bool {
        py.detach(|| self.0.protection().is_encrypted())
    }

    /// Where the cache is, if it is in a file or folder.
    #[getter]
    fn path(&self, py: Python<'_>) -> Option<OsString> {
        py.detach(|| self.0.protection().path().map(OsString::from))
    }

    /// Removes the cache and its key.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        waiting(py, || self.0.clear())
    }

    /// Removes the cache even if it cannot be read.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        waiting(py, || self.0.reset())
    }

    /// Renames the cache to another name in its folder, and returns that name.
    fn quarantine(&self, py: Python<'_>) -> PyResult<Option<OsString>> {
        Ok(waiting(py, || self.0.quarantine())?.map(OsString::from))
    }

    fn __repr__<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        PyString::new(py, &format!("<token cache, {}>", self.protection(py)))
    }
}

fn options(wait: f64, exchange: f64, allow_unsaved: bool) -> PyResult<SilentOptions> {
    let options = SilentOptions::new().wait(seconds(wait)?).exchange(seconds(exchange)?);
    Ok(if allow_unsaved { options.allow_unsaved() } else { options })
}

/// JSON text that Python gives as `str` or `bytes`.
fn text(value: &Bound<'_, PyAny>) -> PyResult<Secret> {
    match value.cast::<PyString>() {
        Ok(text) => Ok(Secret::new(text.extract::<String>()?)),
        Err(_) => Ok(Secret::new(value.cast::<PyBytes>()?.as_bytes())),
    }
}
