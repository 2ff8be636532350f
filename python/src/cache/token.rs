//! An access token that a cache returned.

use pyo3::prelude::*;
use tokenkeep::{self as core, TokenSource};

use super::account::Account;
use crate::error::raised;

/// An access token. `repr` does not show it.
#[pyclass(frozen, module = "tokenkeep._native")]
pub(crate) struct AccessToken(core::AccessToken);

impl From<core::AccessToken> for AccessToken {
    fn from(token: core::AccessToken) -> Self {
        Self(token)
    }
}

impl AccessToken {
    pub(super) fn token(&self) -> &core::AccessToken {
        &self.0
    }
}

#[pymethods]
impl AccessToken {
    /// The token itself.
    #[getter]
    fn secret(&self) -> &str {
        self.0.secret()
    }

    /// When it expires, in seconds since 1970.
    #[getter]
    fn expires_on(&self) -> u64 {
        self.0.expires_on()
    }

    /// Whether the provider named no expiry.
    #[getter]
    fn has_no_expiry(&self) -> bool {
        self.0.has_no_expiry()
    }

    /// Whether the provider wants it renewed, although it is still valid.
    #[getter]
    fn is_aging(&self) -> bool {
        self.0.is_aging()
    }

    /// From when the provider wants it renewed, in seconds since 1970.
    #[getter]
    fn refresh_on(&self) -> Option<u64> {
        self.0.refresh_on()
    }

    /// The scopes that it was issued for.
    #[getter]
    fn scopes(&self) -> Vec<String> {
        self.0.scopes()
    }

    /// How it is sent, such as `Bearer`.
    #[getter]
    fn token_type(&self) -> String {
        self.0.token_type().into_owned()
    }

    /// Whose it is.
    #[getter]
    fn home_account_id(&self) -> Option<String> {
        self.0.home_account_id().map(|id| id.into_owned())
    }

    /// The account, if the cache knows it.
    #[getter]
    fn account(&self) -> Option<Account> {
        self.0.account().map(Account::from)
    }

    /// Whether it was in the cache, and not just issued by the provider.
    #[getter]
    fn is_from_cache(&self) -> bool {
        self.0.source() == TokenSource::Cache
    }

    /// Whether it is stored.
    #[getter]
    fn is_stored(&self) -> bool {
        self.0.is_stored()
    }

    /// The error that kept it from being stored.
    #[getter]
    fn unstored_because<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let error = self.0.unstored_because()?;
        Some(raised(py, error).into_value(py).into_bound(py).into_any())
    }

    fn __repr__(&self) -> String {
        format!("<access token until {}>", self.0.expires_on())
    }
}
