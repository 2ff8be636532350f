//! A token cache inside a transaction.

use std::{
    mem,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use pyo3::{prelude::*, types::PyBytes};
use tokenkeep::{self as core, Error};

use super::{account::Account, request::TokenRequest, text, token::AccessToken};
use crate::error::{own, raised};

/// A token cache inside a transaction. It is of no use afterwards.
#[pyclass(frozen, module = "tokenkeep._native")]
pub(crate) struct TokenCache(Mutex<Option<core::TokenCache>>);

impl TokenCache {
    /// Lends `cache` to `change` for one call.
    pub(super) fn lend<T>(
        py: Python<'_>,
        cache: &mut core::TokenCache,
        change: impl FnOnce(&Bound<'_, Self>) -> PyResult<T>,
    ) -> PyResult<T> {
        let lent = Bound::new(py, Self(Mutex::new(Some(mem::take(cache)))))?;
        let outcome = change(&lent);
        let back = lent.get().0.lock().unwrap_or_else(PoisonError::into_inner).take();
        *cache = back.expect("only this function takes it");
        outcome
    }

    fn with<T>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut core::TokenCache) -> Result<T, Error>,
    ) -> PyResult<T> {
        let outcome = {
            let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            cache.as_mut().map(work)
        };
        // The mutex is free: an exception is made in Python, which may let another thread run.
        match outcome {
            Some(outcome) => outcome.map_err(|error| raised(py, &error)),
            None => Err(own(
                py,
                "NestedError",
                "Ended",
                "the transaction of this cache has ended",
                "begin another transaction",
            )),
        }
    }
}

#[pymethods]
impl TokenCache {
    /// The accounts that are signed in.
    fn accounts(&self, py: Python<'_>) -> PyResult<Vec<Account>> {
        let accounts = self.with(py, |cache| Ok(cache.accounts()))?;
        Ok(accounts.into_iter().map(Account::from).collect())
    }

    /// The accounts, and those of which only tokens are left.
    fn owners(&self, py: Python<'_>) -> PyResult<Vec<Account>> {
        let owners = self.with(py, |cache| Ok(cache.owners()))?;
        Ok(owners.into_iter().map(Account::from).collect())
    }

    /// The valid access token for a request, if there is one.
    fn find_access_token(
        &self,
        py: Python<'_>,
        request: &TokenRequest,
    ) -> PyResult<Option<AccessToken>> {
        let find = |cache: &mut core::TokenCache| {
            let token = cache.find_access_token(request.request(), now())?;
            Ok(token.map(|token| token.to_owned()))
        };
        Ok(self.with(py, find)?.map(AccessToken::from))
    }

    /// Stores the provider's JSON response to a request, and returns its access token.
    fn add_response(
        &self,
        py: Python<'_>,
        request: &TokenRequest,
        response: &Bound<'_, PyAny>,
    ) -> PyResult<AccessToken> {
        let response = text(response)?;
        let add = |cache: &mut core::TokenCache| {
            cache.add_response(request.request(), response.expose(), now())
        };
        self.with(py, add).map(AccessToken::from)
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
        self.with(py, |cache| match client_id {
            Some(client_id) => cache.sign_out(account.account(), client_id),
            None => cache.sign_out_everywhere(account.account()),
        })
    }

    /// Removes the tokens without an account, of one client or of every client.
    #[pyo3(signature = (client_id = None))]
    fn sign_out_without_account(&self, py: Python<'_>, client_id: Option<&str>) -> PyResult<usize> {
        self.with(py, |cache| cache.sign_out_without_account(client_id))
    }

    /// Removes expired access tokens. Returns their number.
    fn remove_expired(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |cache| cache.remove_expired(now()))
    }

    /// Merges another cache, given as the JSON of the MSAL unified schema.
    fn merge(&self, py: Python<'_>, json: &Bound<'_, PyAny>) -> PyResult<()> {
        let json = text(json)?;
        let merge = |cache: &mut core::TokenCache| {
            cache.merge(&core::TokenCache::from_json(json.expose())?).map(drop)
        };
        self.with(py, merge)
    }

    /// The cache as JSON in the MSAL unified schema. It holds every token.
    fn to_json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let json = self.with(py, |cache| Ok(cache.to_json()))?;
        Ok(PyBytes::new(py, json.expose()))
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
