//! What a token is wanted for.

use pyo3::prelude::*;
use tokenkeep as core;

use super::{account::Account, token::AccessToken};
use crate::wait::seconds;

/// What an access token is wanted for.
#[pyclass(frozen, module = "tokenkeep._native")]
pub(crate) struct TokenRequest(core::TokenRequest);

#[pymethods]
impl TokenRequest {
    #[new]
    #[pyo3(signature = (
        client_id,
        authority,
        scopes = Vec::new(),
        *,
        account = None,
        claims = None,
        client_capabilities = None,
        resource = None,
        key_id = None,
        data = None,
        margin = None,
        instead_of = None,
        app_only = false,
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords of Python")]
    fn new(
        client_id: String,
        authority: String,
        scopes: Vec<String>,
        account: Option<&Bound<'_, PyAny>>,
        claims: Option<String>,
        client_capabilities: Option<Vec<String>>,
        resource: Option<String>,
        key_id: Option<String>,
        data: Option<Vec<(String, String)>>,
        margin: Option<f64>,
        instead_of: Option<&AccessToken>,
        app_only: bool,
    ) -> PyResult<Self> {
        let mut request = core::TokenRequest::new(client_id, authority, scopes);
        if let Some(account) = account {
            let id = match account.cast::<Account>() {
                Ok(account) => account.get().account().home_account_id().to_owned(),
                Err(_) => account.extract()?,
            };
            request = request.account(id);
        }
        if let Some(claims) = claims {
            request = request.claims(claims);
        }
        if let Some(names) = client_capabilities {
            request = request.client_capabilities(names);
        }
        if let Some(address) = resource {
            request = request.resource(address);
        }
        if let Some(key_id) = key_id {
            request = request.key_id(key_id);
        }
        if let Some(data) = data {
            request = request.data(data.iter().map(|(name, value)| (&**name, &**value)));
        }
        if let Some(margin) = margin {
            request = request.margin(seconds(margin)?);
        }
        if let Some(token) = instead_of {
            request = request.instead_of(token.token());
        }
        if app_only {
            request = request.app_only();
        }
        Ok(Self(request))
    }

    /// The client id.
    #[getter]
    fn client_id(&self) -> &str {
        self.0.client_id()
    }

    /// The authority, as it was given.
    #[getter]
    fn authority(&self) -> &str {
        self.0.authority()
    }

    /// The scopes, each once.
    #[getter]
    fn scopes(&self) -> Vec<&str> {
        self.0.scopes().iter().map(String::as_str).collect()
    }

    /// The home account id of the account that is meant, if one is.
    #[getter]
    fn home_account_id(&self) -> Option<&str> {
        self.0.home_account_id()
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}

impl TokenRequest {
    pub(super) fn request(&self) -> &core::TokenRequest {
        &self.0
    }
}
