//! The lock that msal-extensions takes, on exactly one file.

use std::{
    ffi::OsStr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use pyo3::prelude::*;
use tokenkeep::lock::{self, CrossProcessLock, Wait};
use tokenkeep_platform::text::shown;

use crate::{
    error::raised,
    wait::{seconds, waiting},
};

/// A lock between processes on exactly the file `path`, as `CrossPlatLock(path)` of msal-extensions
/// takes it.
///
/// It is a context manager. `timeout` is in seconds; 0 tries once.
#[pyclass(frozen, module = "tokenkeep._native")]
pub(crate) struct Lock {
    lock: CrossProcessLock,
    timeout: f64,
    held: Mutex<Vec<Py<LockGuard>>>,
}

/// A lock that is held until `release`, or until this is collected.
#[pyclass(frozen, module = "tokenkeep._native")]
pub(crate) struct LockGuard {
    guard: Mutex<Option<Arc<lock::LockGuard>>>,
}

#[pymethods]
impl Lock {
    #[new]
    #[pyo3(signature = (path, *, timeout = 60.0))]
    fn new(path: PathBuf, timeout: f64) -> PyResult<Self> {
        seconds(timeout)?;
        let lock = CrossProcessLock::msal_extensions_at(path);
        Ok(Self { lock, timeout, held: Mutex::default() })
    }

    /// The file.
    #[getter]
    fn path(&self) -> &OsStr {
        self.lock.path().as_os_str()
    }

    /// Acquires the lock.
    #[pyo3(signature = (timeout = None))]
    fn acquire(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<LockGuard> {
        let wait = seconds(timeout.unwrap_or(self.timeout))?;
        let guard = waiting(py, || self.lock.acquire(&Wait::at_most(wait)))?;
        Ok(LockGuard { guard: Mutex::new(Some(Arc::new(guard))) })
    }

    /// The process that the file names, in words.
    fn holder(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let holder = py.detach(|| self.lock.holder()).map_err(|error| raised(py, &error))?;
        Ok(holder.and_then(|holder| Some(shown(&holder.name?).into_owned())))
    }

    fn __enter__(slf: &Bound<'_, Self>) -> PyResult<Py<LockGuard>> {
        let py = slf.py();
        let guard = Py::new(py, slf.get().acquire(py, None)?)?;
        lock_of(&slf.get().held).push(guard.clone_ref(py));
        Ok(guard)
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) {
        let last = lock_of(&self.held).pop();
        if let Some(last) = last {
            last.get().release(py);
        }
    }
}

impl Lock {
    /// The lock itself.
    pub(crate) fn lock(&self) -> &CrossProcessLock {
        &self.lock
    }
}

#[pymethods]
impl LockGuard {
    /// Whether the lock still excludes others.
    fn is_intact(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(guard) = self.get() else { return Ok(false) };
        py.detach(|| guard.is_intact()).map_err(|error| raised(py, &error))
    }

    /// Releases the lock. Does nothing if it was released.
    fn release(&self, py: Python<'_>) {
        let guard = lock_of(&self.guard).take();
        py.detach(|| drop(guard));
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) {
        self.release(py);
    }
}

impl LockGuard {
    /// The guard, unless it was released.
    pub(crate) fn get(&self) -> Option<Arc<lock::LockGuard>> {
        lock_of(&self.guard).clone()
    }
}

/// A mutex whose holder panicked has nothing half done.
fn lock_of<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
