//! Where the key of a sealed cache comes from.

use std::{error::Error as StdError, path::PathBuf};

use pyo3::{exceptions::PyValueError, prelude::*};
use tokenkeep::{
    Error, Interaction, KeySource as CoreSource, Secret,
    persistence::{KernelKeyring, KeyCallback, Passphrase},
};

use crate::wait::{seconds, waiting};

/// Where the key of a sealed cache comes from. List several, best first.
#[pyclass(frozen, module = "tokenkeep._native")]
pub(crate) struct KeySource {
    source: CoreSource,
    name: &'static str,
}

type Failure = Box<dyn StdError + Send + Sync>;

#[pymethods]
impl KeySource {
    /// The operating system's vault.
    #[staticmethod]
    fn os_vault() -> Self {
        Self { source: CoreSource::OsVault, name: "os_vault" }
    }

    /// A key file beside the cache that Windows' data protection encrypts.
    #[staticmethod]
    fn dpapi() -> Self {
        Self { source: CoreSource::Dpapi, name: "dpapi" }
    }

    /// The kernel's keyring of Linux: that of the user, or of the login session.
    #[staticmethod]
    #[pyo3(signature = (keyring = "user"))]
    fn kernel_keyring(keyring: &str) -> PyResult<Self> {
        let which = match keyring {
            "user" => KernelKeyring::User,
            "session" => KernelKeyring::Session,
            _ => return Err(PyValueError::new_err("the keyring is \"user\" or \"session\"")),
        };
        Ok(Self { source: CoreSource::KernelKeyring(which), name: "kernel_keyring" })
    }

    /// A key file, which is created at the first save.
    #[staticmethod]
    fn key_file(path: PathBuf) -> Self {
        Self { source: CoreSource::KeyFile(path), name: "key_file" }
    }

    /// A passphrase: text, or a callable that gets whether the cache is new and returns it.
    #[staticmethod]
    fn passphrase(passphrase: &Bound<'_, PyAny>) -> PyResult<Self> {
        let passphrase = match passphrase.is_callable() {
            false => Passphrase::from(passphrase.extract::<String>()?),
            true => {
                let ask = passphrase.clone().unbind();
                Passphrase::asked(move |is_new| {
                    attached(|py| Ok(Secret::new(ask.call1(py, (is_new,))?.extract::<String>(py)?)))
                })
            }
        };
        Ok(Self { source: CoreSource::Passphrase(passphrase), name: "passphrase" })
    }

    /// A callable that gets the store's name, the key's id and whether the cache is new, and
    /// returns the 32 bytes of the key.
    #[staticmethod]
    fn callback(function: Py<PyAny>) -> Self {
        let callback = KeyCallback::new(move |request| {
            attached(|py| {
                let asked = (&request.store, &request.key_id, request.is_new);
                Ok(Secret::new(function.call1(py, asked)?.extract::<Vec<u8>>(py)?))
            })
        });
        Self { source: CoreSource::Callback(callback), name: "callback" }
    }

    /// The kind of the source.
    #[getter]
    fn name(&self) -> &'static str {
        self.name
    }

    /// Proves that the source can supply keys. No cache is touched.
    #[pyo3(signature = (store, *, prompt = None))]
    fn verify(&self, py: Python<'_>, store: &str, prompt: Option<f64>) -> PyResult<()> {
        let interaction = match prompt {
            Some(limit) => Interaction::Allow { deadline: seconds(limit)? },
            None => Interaction::Never,
        };
        waiting(py, || self.source.verify(store, interaction))
    }

    fn __repr__(&self) -> String {
        format!("KeySource.{}(…)", self.name)
    }
}

impl KeySource {
    pub(crate) fn source(&self) -> CoreSource {
        self.source.clone()
    }
}

/// Calls Python from a callback. Its exception is the failure.
pub(crate) fn attached<T>(work: impl FnOnce(Python<'_>) -> PyResult<T>) -> Result<T, Failure> {
    match Python::try_attach(work) {
        Some(outcome) => outcome.map_err(Into::into),
        None => Err("the interpreter is shutting down".into()),
    }
}

/// The error of a callback that `failure` ended.
pub(crate) fn callback_failed(what: &'static str, failure: Failure) -> Error {
    Error::Callback { what, source: failure }
}
