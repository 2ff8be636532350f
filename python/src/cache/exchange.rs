//! A token endpoint that a program reaches in Python.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::{
    exceptions::{PyConnectionRefusedError, PyException},
    prelude::*,
    types::{PyBytes, PyString, PyTuple},
};
use tokenkeep::{
    Secret,
    silent::{ExchangeError, Revoked, Spend as CoreSpend, TokenEndpoint, TokenReply},
};

/// One request to a token endpoint: a form for an HTTP POST, and the time that it may take.
#[pyclass(frozen, module = "tokenkeep._native")]
pub(crate) struct Spend(CoreSpend);

#[pymethods]
impl Spend {
    /// The names and values of the form, in the order in which to send them.
    #[getter]
    fn form(&self) -> Vec<(&str, &str)> {
        self.0.form().collect()
    }

    /// The `grant_type`.
    #[getter]
    fn grant_type(&self) -> &'static str {
        self.0.grant().as_str()
    }

    /// The client id.
    #[getter]
    fn client_id(&self) -> &str {
        self.0.client_id()
    }

    /// The authority of the request, as it was given.
    #[getter]
    fn authority(&self) -> &str {
        self.0.authority()
    }

    /// The scopes that the form asks for, separated by spaces.
    #[getter]
    fn scope(&self) -> Option<&str> {
        self.0.scope()
    }

    /// The refresh token that is spent.
    #[getter]
    fn refresh_token(&self) -> Option<&str> {
        self.0.refresh_token()
    }

    /// The seconds that are left, for the timeout of an HTTP client.
    #[getter]
    fn timeout(&self) -> f64 {
        self.0.left().as_secs_f64()
    }

    /// Which request for the same token this is; the first is 1.
    #[getter]
    fn attempt(&self) -> u32 {
        self.0.attempt()
    }

    fn __repr__(&self) -> String {
        format!("<request to a token endpoint, {}>", self.0.grant().as_str())
    }
}

/// What reaches the endpoint, and what it raised that is no failure of the request.
pub(super) struct Endpoint {
    exchange: Py<PyAny>,
    revoke: Option<Py<PyAny>>,
    interrupt: Arc<Mutex<Option<PyErr>>>,
}

impl Endpoint {
    pub(super) fn new(exchange: Py<PyAny>, revoke: Option<Py<PyAny>>) -> Self {
        Self { exchange, revoke, interrupt: Arc::default() }
    }

    /// Where an exception is left that must reach the caller, such as `KeyboardInterrupt`.
    pub(super) fn interrupt(&self) -> Interrupt {
        Interrupt(Arc::clone(&self.interrupt))
    }

    fn failed(&self, py: Python<'_>, exception: PyErr) -> ExchangeError {
        if !exception.is_instance_of::<PyException>(py) {
            let copy = exception.clone_ref(py);
            *self.interrupt.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy);
        }
        match is_unsent(py, exception.value(py).as_any()) {
            true => ExchangeError::not_sent(exception),
            false => ExchangeError::unknown(exception),
        }
    }
}

/// See [`Endpoint::interrupt`].
pub(super) struct Interrupt(Arc<Mutex<Option<PyErr>>>);

impl Interrupt {
    pub(super) fn take(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl TokenEndpoint for Endpoint {
    fn exchange(&mut self, spend: &CoreSpend) -> Result<TokenReply, ExchangeError> {
        let exchanged = Python::try_attach(|py| {
            let spend = Spend(spend.clone());
            let reply = self.exchange.bind(py).call1((spend,));
            reply.and_then(|reply| read(&reply)).map_err(|exception| self.failed(py, exception))
        });
        exchanged
            .unwrap_or_else(|| Err(ExchangeError::not_sent("the interpreter is shutting down")))
    }

    fn revoke(&mut self, token: &Secret) -> Revoked {
        let Some(revoke) = &self.revoke else { return Revoked::NotSupported };
        let revoked = Python::try_attach(|py| {
            let text = token.expose_str().unwrap_or_default();
            match revoke.bind(py).call1((text,)) {
                Ok(_) => Revoked::Done,
                Err(exception) => Revoked::Failed(self.failed(py, exception)),
            }
        });
        revoked.unwrap_or(Revoked::NotSupported)
    }
}

/// A tuple of the status, the body, and the `Retry-After` header if there was one.
fn read(reply: &Bound<'_, PyAny>) -> PyResult<TokenReply> {
    let reply = reply.cast::<PyTuple>()?;
    let status = reply.get_item(0)?.extract()?;
    let body = reply.get_item(1)?;
    let body = match body.cast::<PyString>() {
        Ok(text) => text.extract::<String>()?.into_bytes(),
        Err(_) => body.cast::<PyBytes>()?.as_bytes().to_vec(),
    };
    let retry_after: Option<String> = match reply.len() > 2 {
        true => reply.get_item(2)?.extract()?,
        false => None,
    };
    Ok(TokenReply::new(status, body).retry_after(retry_after.as_deref()))
}

/// Whether the request certainly did not leave this machine. In doubt it did.
fn is_unsent(py: Python<'_>, exception: &Bound<'_, PyAny>) -> bool {
    let of = |module: &str, class: &str| {
        let class = py.import(module).and_then(|module| module.getattr(class));
        class.and_then(|class| exception.is_instance(&class)).unwrap_or(false)
    };
    if exception.is_instance_of::<PyConnectionRefusedError>()
        || of("tokenkeep.errors", "ProviderUnreachable")
        || of("socket", "gaierror")
    {
        return true;
    }
    // urllib keeps the exception of the socket there.
    match exception.getattr("reason") {
        Ok(reason) if reason.is_instance_of::<PyException>() => is_unsent(py, &reason),
        _ => false,
    }
}
