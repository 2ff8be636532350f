//! A change of a store's bytes, from the lock to the save, in the steps that a `with` needs.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pyo3::{prelude::*, types::PyBytes};
use tokenkeep::{
    Error, Secret,
    lock::{CrossProcessLock, LockGuard, Wait},
    persistence::{Intent, Loaded, Persistence as _, Saved, Stamp as CoreStamp},
};

use super::{place::Place, stamp::Stamp};
use crate::{detached::Detached, error::own, wait::waiting};

/// A change of a store: the lock is held, and the content is what was found under it.
///
/// It is a context manager, which releases the lock at its end. What was not committed is not
/// saved.
#[pyclass(frozen, module = "tokenkeep._native")]
pub(crate) struct Transaction {
    place: Detached<Arc<Place>>,
    lock: CrossProcessLock,
    timeout: Duration,
    held: Detached<Mutex<Option<Held>>>,
}

/// The lock, and what the store holds.
struct Held {
    guard: LockGuard,
    base: Option<(Secret, CoreStamp)>,
}

/// What a save did.
enum Commit {
    Done(CoreStamp),
    /// The lock was taken away by somebody who took this process for dead.
    Lost,
    /// Others changed the content after the lock had to be released.
    Changed,
}

impl Transaction {
    pub(crate) fn begin(
        place: Arc<Place>,
        lock: CrossProcessLock,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let held = Held::acquire(&place, &lock, timeout)?;
        Ok(Self {
            place: Detached::new(place),
            lock,
            timeout,
            held: Detached::new(Mutex::new(Some(held))),
        })
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is held for a step, so that nothing waits for the mutex while the step waits.
    fn take(&self, py: Python<'_>) -> PyResult<Held> {
        // Not held while an exception is made, which may let another thread run.
        let held = self.held().take();
        held.ok_or_else(|| {
            own(
                py,
                "LockError",
                "Released",
                "the transaction has ended, or another thread is saving in it",
                "begin another transaction",
            )
        })
    }

    fn put_back(&self, held: Held) {
        *self.held() = Some(held);
    }
}

#[pymethods]
impl Transaction {
    /// What the store holds; `None` if nothing.
    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let held = self.held();
        let (content, _) = held.as_ref()?.base.as_ref()?;
        Some(PyBytes::new(py, content.expose()))
    }

    /// The stamp of the content.
    #[getter]
    fn stamp(&self) -> Option<Stamp> {
        let held = self.held();
        let (_, stamp) = held.as_ref()?.base.as_ref()?;
        Some(Stamp::from(stamp.clone()))
    }

    /// Replaces the content, durably, and keeps the lock.
    pub(super) fn commit(&self, py: Python<'_>, content: &Bound<'_, PyBytes>) -> PyResult<Stamp> {
        let mut held = self.take(py)?;
        let bytes = content.as_bytes();
        let outcome = waiting(py, || held.commit(&self.place, &self.lock, self.timeout, bytes));
        self.put_back(held);
        match outcome? {
            Commit::Done(stamp) => Ok(Stamp::from(stamp)),
            Commit::Lost => Err(lost(py, &self.lock)),
            Commit::Changed => Err(own(
                py,
                "LockError",
                "KeptChanging",
                "the cache was removed and changed by others during the transaction; nothing was \
                 written",
                "repeat the transaction",
            )),
        }
    }

    /// Removes the content, and keeps the lock.
    fn delete(&self, py: Python<'_>) -> PyResult<()> {
        let mut held = self.take(py)?;
        let outcome = waiting(py, || held.delete(&self.place));
        self.put_back(held);
        match outcome? {
            true => Ok(()),
            false => Err(lost(py, &self.lock)),
        }
    }

    /// Whether the lock still excludes others.
    fn is_intact(&self, py: Python<'_>) -> PyResult<bool> {
        let held = self.take(py)?;
        let outcome = waiting(py, || held.guard.is_intact());
        self.put_back(held);
        outcome
    }

    /// Releases the lock. Does nothing if it was released.
    pub(super) fn release(&self, py: Python<'_>) {
        let held = self.held().take();
        py.detach(|| drop(held));
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) {
        self.release(py);
    }
}

impl Held {
    /// Prepares, which may ask the user; then locks; then loads.
    fn acquire(place: &Place, lock: &CrossProcessLock, timeout: Duration) -> Result<Self, Error> {
        for _ in 0..ATTEMPTS {
            place.prepare(Intent::Write)?;
            let guard = lock.acquire(&Wait::at_most(timeout))?;
            if let Some(base) = load(place)? {
                return Ok(Self { guard, base });
            }
        }
        Err(Error::KeptChanging { path: lock.path().to_owned(), attempts: ATTEMPTS })
    }

    fn commit(
        &mut self,
        place: &Place,
        lock: &CrossProcessLock,
        timeout: Duration,
        content: &[u8],
    ) -> Result<Commit, Error> {
        for _ in 0..ATTEMPTS {
            if !self.guard.is_intact()? {
                return Ok(Commit::Lost);
            }
            let stamp = match place {
                Place::Plaintext { store, .. } | Place::MsalExtensions { store, .. } => {
                    Some(store.save(content, &self.guard)?)
                }
                Place::Sealed(persistence) => {
                    let base = self.base.as_ref().map(|(_, stamp)| stamp);
                    match persistence.save(content, base, &self.guard)? {
                        Saved::Done(stamp) => Some(stamp),
                        _ => None,
                    }
                }
            };
            if let Some(stamp) = stamp {
                self.base = Some((Secret::new(content), stamp.clone()));
                return Ok(Commit::Done(stamp));
            }
            // The new key was removed meanwhile. Another one is made without the lock.
            let before = self.base.take().map(|(content, _)| content);
            self.guard = LockGuard::none();
            *self = Self::acquire(place, lock, timeout)?;
            if self.base.as_ref().map(|(content, _)| content) != before.as_ref() {
                return Ok(Commit::Changed);
            }
        }
        Err(Error::KeptChanging { path: lock.path().to_owned(), attempts: ATTEMPTS })
    }

    /// Whether the content was removed; else the lock was taken away.
    fn delete(&mut self, place: &Place) -> Result<bool, Error> {
        if !self.guard.is_intact()? {
            return Ok(false);
        }
        match place {
            Place::Plaintext { store, .. } | Place::MsalExtensions { store, .. } => {
                store.delete(&self.guard)?;
            }
            Place::Sealed(persistence) => {
                let base = self.base.as_ref().map(|(_, stamp)| stamp);
                persistence.delete(base, &self.guard)?;
            }
        }
        self.base = None;
        Ok(true)
    }
}

/// What the store holds; the outer `None` if reading it needs another `prepare`.
type Read = Option<Option<(Secret, CoreStamp)>>;

/// Loads after a `prepare`.
pub(super) fn load(place: &Place) -> Result<Read, Error> {
    Ok(match place {
        Place::Plaintext { store, .. } | Place::MsalExtensions { store, .. } => Some(store.load()?),
        Place::Sealed(persistence) => match persistence.load(None)? {
            Loaded::Content(content, stamp) => Some(Some((content, stamp))),
            Loaded::Absent | Loaded::Empty => Some(None),
            _ => None,
        },
    })
}

fn lost(py: Python<'_>, lock: &CrossProcessLock) -> PyErr {
    let path = tokenkeep_platform::text::shown_path(Path::new(lock.path()));
    own(
        py,
        "LockError",
        "LockLost",
        &format!("`{path}` was taken away during the transaction; nothing was written"),
        "repeat the transaction",
    )
}

/// How often one call tries again after others removed the store or gave it another key.
pub(super) const ATTEMPTS: usize = 32;
