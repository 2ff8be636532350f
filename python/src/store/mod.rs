//! A store of bytes: a file in plain text, a store of msal-extensions, or a sealed cache.

mod place;
mod shared;
mod stamp;
mod transaction;

use std::{ffi::OsString, fs, io, path::PathBuf, sync::Arc, time::UNIX_EPOCH};

use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{PyBytes, PyString},
};
use tokenkeep::{
    Error, Interaction, Protection,
    lock::LockGuard as CoreGuard,
    persistence::{Intent, ItemEncoding, MsalExtensionsLocation, SealedPersistence},
};

use self::{
    place::Names,
    transaction::{ATTEMPTS, load},
};
pub(crate) use self::{place::Place, stamp::Stamp, transaction::Transaction};
use crate::{
    cache::Cache,
    detached::Detached,
    error::own,
    key_source::KeySource,
    lock::{Lock, LockGuard},
    wait::{seconds, waiting},
};

/// Bytes that are kept in one place. Make one with `plaintext`, `msal_extensions` or `sealed`.
///
/// The order of a change is `prepare`, lock, `load`, `save`; `begin` does the first three.
#[pyclass(frozen, module = "tokenkeep._native")]
pub(crate) struct Store {
    place: Detached<Arc<Place>>,
}

#[pymethods]
impl Store {
    /// A file in plain text. Nothing is opened or created yet.
    #[staticmethod]
    fn plaintext(py: Python<'_>, location: PathBuf) -> PyResult<Self> {
        waiting(py, || Place::plaintext(&location)).map(Self::of)
    }

    /// What msal-extensions opens at a location: an item of the vault, or a file under DPAPI.
    #[staticmethod]
    #[pyo3(signature = (
        location,
        *,
        service = None,
        account = None,
        schema = None,
        match_schema = true,
        attributes = None,
        label = None,
        collection = None,
        encoding = "raw",
        entropy = None,
        description = None,
        signal = true,
        prompt = None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords of Python")]
    fn msal_extensions(
        py: Python<'_>,
        location: PathBuf,
        service: Option<String>,
        account: Option<String>,
        schema: Option<String>,
        match_schema: bool,
        attributes: Option<Vec<(String, String)>>,
        label: Option<String>,
        collection: Option<String>,
        encoding: &str,
        entropy: Option<Vec<u8>>,
        description: Option<String>,
        signal: bool,
        prompt: Option<f64>,
    ) -> PyResult<Self> {
        let text = location.to_str().filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| PyValueError::new_err("the location names no file"))?;
        let mut identity = MsalExtensionsLocation::python(text).match_schema(match_schema);
        if let Some(service) = service {
            identity = identity.service(service);
        }
        if let Some(account) = account {
            identity = identity.account(account);
        }
        if let Some(schema) = schema {
            identity = identity.schema(schema);
        }
        if let Some(attributes) = attributes {
            identity = identity.attributes(attributes);
        }
        if let Some(label) = label {
            identity = identity.label(label);
        }
        if let Some(collection) = collection {
            identity = identity.collection(collection);
        }
        if let Some(entropy) = entropy {
            identity = identity.entropy(entropy);
        }
        if let Some(description) = description {
            identity = identity.description(description);
        }
        let identity = identity.encoding(match encoding {
            "raw" => ItemEncoding::Raw,
            "base64" => ItemEncoding::Base64,
            _ => return Err(PyValueError::new_err("the encoding is \"raw\" or \"base64\"")),
        });
        let interaction = interaction(prompt)?;
        let names = Names { location, identity, signal, interaction };
        waiting(py, || Place::msal_extensions(names)).map(Self::of)
    }

    /// The sealed cache `name`. Reaches the source of its key, and creates nothing.
    #[staticmethod]
    #[pyo3(signature = (
        name,
        *,
        folder = None,
        login_session = false,
        key_sources = None,
        prompt = None,
        size_limit = None,
        reach = true,
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords of Python")]
    fn sealed(
        py: Python<'_>,
        name: String,
        folder: Option<PathBuf>,
        login_session: bool,
        key_sources: Option<Vec<Py<KeySource>>>,
        prompt: Option<f64>,
        size_limit: Option<u64>,
        reach: bool,
    ) -> PyResult<Self> {
        let mut builder = SealedPersistence::builder(name).interaction(interaction(prompt)?);
        match (folder, login_session) {
            (Some(_), true) => {
                return Err(PyValueError::new_err("give a folder or login_session, not both"));
            }
            (Some(folder), false) => builder = builder.folder(folder),
            (None, true) => builder = builder.for_login_session(),
            (None, false) => {}
        }
        if let Some(sources) = key_sources {
            builder = builder.key_sources(sources.iter().map(|source| source.get().source()));
        }
        if let Some(limit) = size_limit {
            builder = builder.size_limit(limit);
        }
        let persistence = waiting(py, || if reach { builder.open() } else { builder.build() })?;
        Ok(Self::of(Place::Sealed(Arc::new(persistence))))
    }

    /// The file that is touched or replaced at each change, by its absolute path.
    #[getter]
    fn location(&self) -> OsString {
        self.place.location().into()
    }

    /// Whether the bytes are encrypted at rest.
    #[getter]
    fn is_encrypted(&self) -> bool {
        !matches!(**self.place, Place::Plaintext { .. })
    }

    /// What protects the bytes, in words for users.
    #[getter]
    fn protection(&self, py: Python<'_>) -> String {
        py.detach(|| self.place.protection().to_string())
    }

    /// The name of what protects them, such as "Secret Service". Empty for plain text.
    #[getter]
    fn guard(&self, py: Python<'_>) -> &'static str {
        match py.detach(|| self.place.protection()) {
            Protection::MsalExtensions { guard, .. } => guard,
            Protection::Sealed { key, .. } => key,
            _ => "",
        }
    }

    /// The lock file that every writer takes.
    #[getter]
    fn lock_location(&self) -> OsString {
        self.place.lock().path().into()
    }

    /// Does everything that may prompt or take long, before a lock is taken.
    #[pyo3(signature = (intent = "read"))]
    fn prepare(&self, py: Python<'_>, intent: &str) -> PyResult<()> {
        let intent = match intent {
            "read" => Intent::Read,
            "verify" => Intent::Verify,
            "write" => Intent::Write,
            _ => {
                let text = "the intent is \"read\", \"verify\" or \"write\"";
                return Err(PyValueError::new_err(text));
            }
        };
        waiting(py, || self.place.prepare(intent))
    }

    /// Proves that the place can be reached. Writes nothing, not even an item for the test.
    fn reach(&self, py: Python<'_>) -> PyResult<()> {
        waiting(py, || self.place.reach())
    }

    /// What is kept; `None` if nothing.
    fn load<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let read = waiting(py, || self.read())?;
        Ok(read.map(|(content, _)| PyBytes::new(py, content.expose())))
    }

    /// What is kept and its stamp; `None` if nothing.
    fn load_stamped<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyBytes>, Stamp)>> {
        let read = waiting(py, || self.read())?;
        Ok(read.map(|(content, stamp)| (PyBytes::new(py, content.expose()), Stamp::from(stamp))))
    }

    /// Replaces what is kept. Without `guard` no lock is taken here, except for a sealed cache.
    #[pyo3(signature = (content, guard = None))]
    fn save(
        &self,
        py: Python<'_>,
        content: &Bound<'_, PyBytes>,
        guard: Option<&LockGuard>,
    ) -> PyResult<Stamp> {
        let bytes = content.as_bytes();
        match &**self.place {
            Place::Plaintext { store, .. } | Place::MsalExtensions { store, .. } => {
                let held = guard.and_then(LockGuard::get);
                let guard = held.as_deref().cloned().unwrap_or(CoreGuard::none());
                waiting(py, || {
                    store.prepare(Intent::Write)?;
                    store.save(bytes, &guard)
                })
                .map(Stamp::from)
            }
            Place::Sealed(_) => {
                let transaction = self.begin(py, None, 60.0)?;
                let saved = transaction.commit(py, content);
                transaction.release(py);
                saved
            }
        }
    }

    /// Removes what is kept. Succeeds if nothing is.
    #[pyo3(signature = (guard = None))]
    fn delete(&self, py: Python<'_>, guard: Option<&LockGuard>) -> PyResult<()> {
        match &**self.place {
            Place::Plaintext { store, .. } | Place::MsalExtensions { store, .. } => {
                let held = guard.and_then(LockGuard::get);
                let guard = held.as_deref().cloned().unwrap_or(CoreGuard::none());
                waiting(py, || store.delete(&guard))
            }
            Place::Sealed(_) => {
                let place = Arc::clone(&self.place);
                waiting(py, || place.token_cache()?.clear())
            }
        }
    }

    /// Prepares, takes the lock and loads.
    #[pyo3(signature = (*, lock = None, timeout = 60.0))]
    fn begin(&self, py: Python<'_>, lock: Option<&Lock>, timeout: f64) -> PyResult<Transaction> {
        let timeout = seconds(timeout)?;
        let lock = lock.map_or_else(|| self.place.lock(), |lock| lock.lock().clone());
        let place = Arc::clone(&self.place);
        waiting(py, || Transaction::begin(place, lock, timeout))
    }

    /// A cheap mark of what is kept now; `None` if nothing is.
    fn stamp(&self, py: Python<'_>) -> PyResult<Option<Stamp>> {
        Ok(waiting(py, || self.place.stamp())?.map(Stamp::from))
    }

    /// When the file was last modified, in seconds since 1970.
    fn time_last_modified(&self, py: Python<'_>) -> PyResult<f64> {
        let location = self.place.location();
        let modified = py.detach(|| fs::metadata(&location)?.modified());
        match modified {
            Ok(time) => Ok(match time.duration_since(UNIX_EPOCH) {
                Ok(since) => since.as_secs_f64(),
                Err(before) => -before.duration().as_secs_f64(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = format!(
                    "nothing is kept at `{}` yet",
                    tokenkeep_platform::text::shown_path(&location)
                );
                let next = "save something first, or name another location";
                let error = own(py, "PersistenceNotFound", "NotFound", &text, next);
                error.value(py).setattr("filename", location.as_os_str())?;
                Err(error)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The same store as a token cache.
    fn cache(&self, py: Python<'_>) -> PyResult<Cache> {
        waiting(py, || self.place.token_cache()).map(Cache::from)
    }

    fn __repr__<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        PyString::new(py, &format!("<tokenkeep store, {}>", self.protection(py)))
    }
}

impl Store {
    pub(crate) fn of(place: Place) -> Self {
        Self { place: Detached::new(Arc::new(place)) }
    }

    /// Reads without the lock. A store of other programs is read once more with it by the caller.
    fn read(&self) -> Result<Option<(tokenkeep::Secret, tokenkeep::persistence::Stamp)>, Error> {
        for _ in 0..ATTEMPTS {
            self.place.prepare(Intent::Read)?;
            if let Some(read) = load(&self.place)? {
                return Ok(read);
            }
        }
        Err(Error::KeptChanging { path: self.place.location(), attempts: ATTEMPTS })
    }
}

/// Whether a vault may prompt, and for how many seconds.
fn interaction(prompt: Option<f64>) -> PyResult<Interaction> {
    Ok(match prompt {
        Some(limit) => Interaction::Allow { deadline: seconds(limit)? },
        None => Interaction::Never,
    })
}
