//! Who is signed in.

use pyo3::prelude::*;
use tokenkeep as core;

/// A user or another identity that is signed in.
#[pyclass(frozen, eq, hash, module = "tokenkeep._native")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Account(core::Account);

impl From<core::Account> for Account {
    fn from(account: core::Account) -> Self {
        Self(account)
    }
}

impl Account {
    pub(super) fn account(&self) -> &core::Account {
        &self.0
    }
}

#[pymethods]
impl Account {
    /// Identifies the account in all tenants.
    #[getter]
    fn home_account_id(&self) -> &str {
        self.0.home_account_id()
    }

    /// The host of the authority.
    #[getter]
    fn environment(&self) -> &str {
        self.0.environment()
    }

    /// The user name; empty if it is not known.
    #[getter]
    fn username(&self) -> &str {
        self.0.username()
    }

    /// The tenant.
    #[getter]
    fn realm(&self) -> Option<&str> {
        self.0.realm()
    }

    /// The id in the tenant.
    #[getter]
    fn local_account_id(&self) -> Option<&str> {
        self.0.local_account_id()
    }

    /// The issuer, outside Microsoft's clouds.
    #[getter]
    fn issuer(&self) -> Option<&str> {
        self.0.issuer()
    }

    /// The address of the authority, if it is known.
    #[getter]
    fn authority(&self) -> Option<String> {
        self.0.authority()
    }

    /// Whether it is one of AD FS, an identity without a provider, and so on: MSAL's name.
    #[getter]
    fn authority_type(&self) -> String {
        self.0.authority_type().as_str().to_owned()
    }

    fn __repr__(&self) -> String {
        format!("<account {:?} at {}>", self.0.username(), self.0.environment())
    }
}
